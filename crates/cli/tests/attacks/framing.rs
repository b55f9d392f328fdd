//! A: framing and CONNECT, the cases that need more than a row of bytes.

use crate::case::{Outcome, Trial};
use crate::kit::client::tcp;
use crate::kit::packet::{PINGREQ, block, packet, prop, sized, varint};
use crate::kit::*;
use crate::runner::play_all;
use crate::vitals::{Limits, Vitals, target};
use std::io::Write;

// A05, G C(aedes#1086). Scale: 200 sockets instead of 1 000, a timeout of 2 s instead of 30.
#[test]
fn a05_dripping_connects() {
    if !broker::ours() {
        return; // Mosquitto's timeout is fixed at more than a minute.
    }
    let mut broker = target().line("connect_timeout 2").start();
    let mut vitals = Vitals::begin(&broker);
    let head = [&[0x10][..], &varint(99_999), &sized("MQTT"), &[4, 2, 0, 60]].concat();
    let mut sockets: Vec<_> = (0..200)
        .map(|_| {
            let mut socket = tcp(broker.port());
            socket.write_all(&head).expect("the broker reads");
            socket.set_nonblocking(true).expect("a TCP socket");
            socket
        })
        .collect();
    let start = std::time::Instant::now();
    let all_closed = poll(20 * SECOND, || {
        // A byte now and then must not buy more time.
        sockets.retain_mut(|socket| {
            let dripped = socket.write(&[0]);
            !matches!(std::io::Read::read(socket, &mut [0; 16]), Ok(0)) && dripped.is_ok()
        });
        sockets.is_empty().then_some(())
    });
    assert!(all_closed.is_some(), "{} sockets still drip after {:?}", sockets.len(), start.elapsed());
    vitals.during("A05", &mut broker);
    vitals.finish("A05 (dripping CONNECTs)", &mut broker, Limits::of_connections(200).peak(8 << 20));
}

/// A whole packet of the corpus and the cuts of its body that are whole packets again.
struct Whole {
    name: &'static str,
    version: Version,
    bytes: Vec<u8>,
    valid_cuts: Vec<usize>,
}

/// One of each packet that a client may send.
fn corpus(version: Version) -> Vec<Whole> {
    let v5 = version == V5;
    let whole = |name, bytes, valid_cuts: Vec<usize>| Whole { name, version, bytes, valid_cuts };
    let bare = if v5 { vec![0] } else { vec![] };
    let publish = |first: u8, mid: &[u8]| packet(first, [&sized("a/b")[..], mid, &bare, b"xyz"].concat());
    let payload_cuts = |mid: usize| (5 + mid + bare.len()..5 + mid + bare.len() + 3).collect::<Vec<_>>();
    let acks = |name, first: u8| {
        // MQTT 5: identifier alone, with a reason, and the whole; below, the identifier is the whole.
        let body = if v5 { [&[0, 9, 0][..], &block(&[prop::user("k", "v")])].concat() } else { vec![0, 9] };
        whole(name, packet(first, body), if v5 { vec![2, 3] } else { vec![] })
    };
    let mut all = vec![
        whole("PUBLISH", publish(0x31, &[]), payload_cuts(0)),
        whole("PUBLISH QoS 1", publish(0x32, &[0, 7]), payload_cuts(2)),
        acks("PUBACK", 0x40),
        acks("PUBREC", 0x50),
        acks("PUBREL", 0x62),
        acks("PUBCOMP", 0x70),
        // A cut behind the first of two filters leaves a whole packet.
        whole(
            "SUBSCRIBE",
            packet(0x82, [&[0, 1][..], &bare, &sized("a/#"), &[1], &sized("b"), &[2]].concat()),
            vec![2 + bare.len() + 6],
        ),
        whole(
            "UNSUBSCRIBE",
            packet(0xA2, [&[0, 2][..], &bare, &sized("a/#"), &sized("b")].concat()),
            vec![2 + bare.len() + 5],
        ),
    ];
    if v5 {
        let properties = block(&[prop::four(prop::MESSAGE_EXPIRY, 9), prop::user("k", "v")]);
        let head = 5 + properties.len();
        let body = [&sized("a/b")[..], &properties, b"xyz"].concat();
        all.push(whole("PUBLISH with properties", packet(0x30, body), (head..head + 3).collect()));
        let properties = block(&[prop::var(prop::SUBSCRIPTION_ID, 300)]);
        let body = [&[0, 3][..], &properties, &sized("c"), &[0]].concat();
        all.push(whole("SUBSCRIBE with an identifier", packet(0x82, body), vec![]));
        let body = [&[0x18][..], &block(&[prop::text(0x15, "method"), prop::text(0x16, "data")])].concat();
        all.push(whole("AUTH", packet(0xF0, body), vec![]));
    }
    all
}

/// CONNECT with everything that can be in it.
fn full_connect(version: Version) -> Connect {
    let connect = Connect::new(version, "attacker")
        .will(Publish::new(version, "w", "gone").qos(1, 0))
        .login("alice", "secret");
    if version != V5 {
        return connect;
    }
    connect
        .property(prop::four(prop::SESSION_EXPIRY, 0))
        .property(prop::two(prop::RECEIVE_MAXIMUM, 9))
        .will_property(prop::user("k", "v"))
}

/// The body cut to `length` bytes under a remaining length that fits.
fn cut(bytes: &[u8], length: usize) -> Vec<u8> {
    packet(bytes[0], &decode::body(bytes)[..length])
}

// A10, C(NanoMQ#2268, #2270, mochi#501, aedes#612). Every packet, every cut.
#[test]
fn a10_truncation_sweep() {
    let mut trials = Vec::new();
    for version in [V3, V4, V5] {
        if version == V3 && !broker::ours() {
            continue; // Mosquitto reads MQTT 3.1 as its first draft was.
        }
        let connect = full_connect(version).bytes();
        // MQTT 3.1 lets the announced user name and password be missing.
        let missing = if version == V3 { vec![31, 38] } else { vec![] };
        for length in (0..decode::body(&connect).len()).filter(|length| !missing.contains(length)) {
            let trial = Trial { session: None, bytes: cut(&connect, length), outcome: Outcome::Close };
            trials.push((format!("CONNECT {version:?} cut to {length}"), trial));
        }
        for whole in corpus(version) {
            for length in 0..decode::body(&whole.bytes).len() {
                if whole.valid_cuts.contains(&length) || is_known_leniency(&whole, length) {
                    continue;
                }
                let bytes = cut(&whole.bytes, length);
                let trial = Trial { session: Some(whole.version), bytes, outcome: Outcome::Close };
                trials.push((format!("{} {version:?} cut to {length}", whole.name), trial));
            }
        }
    }
    play_all("A10 (truncation sweep)", trials);
}

/// Mosquitto 2.0 ends the AUTH of a client without a method in its own way.
fn is_known_leniency(whole: &Whole, length: usize) -> bool {
    !broker::ours() && whole.name == "AUTH" && length == 1
}

/// A conversation of six packets.
fn conversation() -> Vec<Vec<u8>> {
    vec![
        Connect::new(V4, "splitter").bytes(),
        Subscribe::new(V4, 1, "split/#", 0).bytes(),
        Publish::new(V4, "split/a", "payload").qos(1, 2).bytes(),
        PINGREQ.to_vec(),
        packet::unsubscribe(V4, 3, &["other"]),
        Publish::new(V4, "elsewhere", "m").qos(2, 4).bytes(),
    ]
}

/// The answers to it. Those that other shards have a say in may come late, but CONNACK is first.
fn check_answers(mut client: Client, how: &str) {
    let mut wanted = vec![
        hex::parse("20020000"),
        Publish::new(V4, "split/a", "payload").bytes(),
        hex::parse("40020002"),
        hex::parse("9003000100"),
        hex::parse("B0020003"),
        hex::parse("D000"),
        hex::parse("50020004"),
    ];
    let mut got: Vec<Vec<u8>> = wanted.iter().map(|_| client.frame()).collect();
    assert_eq!(got[0], wanted[0], "{how}: CONNACK comes first");
    got.sort();
    wanted.sort();
    assert_eq!(got, wanted, "{how}");
    client.disconnect();
}

// A15, S.
#[test]
fn a15_any_segmentation() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let stream = conversation().concat();
    let mut client = Client::raw(&broker, V4);
    for byte in &stream {
        client.send([*byte]);
    }
    check_answers(client, "one byte at a time");
    for at in 1..stream.len() {
        let mut client = Client::raw(&broker, V4);
        client.send(&stream[..at]);
        client.send(&stream[at..]);
        check_answers(client, &format!("split at {at}"));
    }
    let connections = stream.len();
    vitals.finish("A15 (any segmentation)", &mut broker, Limits::of_connections(connections));
}

// A16, G. Everything is answered and nobody starves.
#[test]
fn a16_a_megabyte_of_pings() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let socket = tcp(broker.port());
    let mut writer = socket.try_clone().expect("a second handle");
    let mut client = Client::over(socket, V4);
    client.handshake(&Connect::new(V4, "pinger"));
    let pings = (1 << 20) / PINGREQ.len();
    let flood = std::thread::spawn(move || writer.write_all(&PINGREQ.repeat(pings)));
    for _ in 0..pings {
        client.expect([0xD0, 0]);
    }
    vitals.during("pings", &mut broker);
    flood.join().expect("no panic").expect("everything was read");
    client.disconnect();
    vitals.finish("A16 (1 MiB of PINGREQ)", &mut broker, Limits::of_connections(1));
}

// A16, G.
#[test]
fn a16_ten_thousand_publishes_in_one_write() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let socket = tcp(broker.port());
    let mut writer = socket.try_clone().expect("a second handle");
    let mut client = Client::over(socket, V4);
    client.handshake(&Connect::new(V4, "flooder"));
    let all: Vec<u8> =
        (1..=10_000).flat_map(|mid| Publish::new(V4, "flood", "m").qos(1, mid).bytes()).collect();
    let flood = std::thread::spawn(move || writer.write_all(&all));
    for mid in 1..=10_000_u16 {
        client.expect(packet::ack(0x40, mid));
    }
    vitals.during("publishes", &mut broker);
    flood.join().expect("no panic").expect("everything was read");
    client.disconnect();
    vitals.finish("A16 (10 000 PUBLISH)", &mut broker, Limits::of_connections(1));
}

/// Text that no string may be, and the byte order mark, which is ordinary.
const TEXTS: [(&str, &[u8], bool); 9] = [
    ("U+0000", b"a\0b", false),
    ("a lone surrogate", b"a\xED\xA0\x80b", false),
    ("an overlong form", b"a\xC0\xAFb", false),
    ("an impossible byte", b"a\xFFb", false),
    ("a cut sequence", b"a\xE2\x82", false),
    ("U+FFFF", b"a\xEF\xBF\xBFb", false),
    ("U+0001", b"a\x01b", false),
    ("U+007F", b"a\x7Fb", false),
    ("a byte order mark", b"a\xEF\xBB\xBFb", true),
];

// A21, S C(CVE-2017-7653).
#[test]
fn a21_text_that_is_none() {
    let mut trials = Vec::new();
    for (name, text, good) in TEXTS {
        for version in [V4, V5] {
            let text_in = |session, place: &str, bytes| {
                let outcome = match (good, session) {
                    (true, _) => Outcome::Alive,
                    (false, Some(V5)) if broker::ours() => Outcome::Reason(vec![0x81, 0x82]),
                    (false, _) => Outcome::Close,
                };
                (format!("{name} in {place}, {version:?}"), Trial { session, bytes, outcome })
            };
            trials.push(text_in(None, "a client id", Connect::new(version, text).bytes()));
            let will = Publish::new(version, text, "m");
            trials.push(text_in(None, "a will topic", Connect::new(version, "x").will(will).bytes()));
            let session = Some(version);
            trials.push(text_in(session, "a topic", Publish::new(version, text, "m").bytes()));
            trials.push(text_in(session, "a filter", Subscribe::new(version, 1, text, 0).bytes()));
            if version == V5 {
                let property = [vec![0x26], sized("key"), sized(text)].concat();
                let publish = Publish::new(V5, "t", "m").property(property);
                trials.push(text_in(session, "a user property", publish.bytes()));
                let key = [vec![0x26], sized(text), sized("value")].concat();
                trials.push(text_in(
                    None,
                    "a user property's key",
                    Connect::new(V5, "x").property(key).bytes(),
                ));
                let publish = Publish::new(V5, "t", "m").property(prop::text(prop::CONTENT_TYPE, text));
                trials.push(text_in(session, "a content type", publish.bytes()));
            }
            if !good {
                // A good name of no account is refused as well.
                trials.push(text_in(
                    None,
                    "a user name",
                    Connect::new(version, "x").user(text).password("p").bytes(),
                ));
            }
        }
    }
    play_all("A21 (text that is none)", trials);
}

// [MQTT-1.5.4-3] [MQTT3-1.5.3-3]: the mark is kept where it is.
#[test]
fn a21_a_byte_order_mark_is_kept() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut client = Client::clean(&broker, V5, "marked");
    client.subscribe("\u{FEFF}topic", 0);
    client.publish("topic", "not this", 0);
    client.publish("\u{FEFF}topic", "this", 0);
    client.receive("\u{FEFF}topic", "this");
    client.disconnect();
    vitals.finish("A21 (a byte order mark is kept)", &mut broker, Limits::of_connections(1));
}

// A22, S G: nothing behind a refused CONNECT is carried out.
#[test]
fn a22_pipelined_behind_a_refused_connect() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut watcher = Client::clean(&broker, V4, "watcher");
    watcher.subscribe("behind", 0);
    for version in [V3, V4, V5] {
        let mut refused = Client::raw(&broker, version);
        let packets = [
            Connect::new(version, "refused").login("alice", "wrong").bytes(),
            Publish::new(version, "behind", "never").retain().bytes(),
            Subscribe::new(version, 1, "#", 0).bytes(),
        ];
        refused.send(packets.concat());
        refused.expect(if version == V5 { &[0x20, 3, 0, 0x87, 0][..] } else { &[0x20, 2, 0, 5] });
        refused.expect_close();
    }
    watcher.publish("behind", "marker", 0);
    watcher.receive("behind", "marker");
    watcher.disconnect();
    vitals.finish("A22 (pipelined behind a refused CONNECT)", &mut broker, Limits::of_connections(4));
}
