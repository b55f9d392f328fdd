//! CONNECT and CONNACK: versions, client ids, keep alive, what may follow at once.

use crate::kit::client::{accepting_connack, plain, tcp};
use crate::kit::decode::{connack_properties, reason};
use crate::kit::packet::{PINGREQ, prop};
use crate::kit::*;

// [MQTT-3.1.4-5] [MQTT-3.2.2-1] [MQTT3-3.1.4-4]
#[test]
fn connack_bytes_of_each_version() {
    let broker = Conf::open().start();
    for version in [V3, V4, V5] {
        let (_client, connack) = Client::open(&broker, &Connect::new(version, "one"));
        assert_eq!(connack, accepting_connack(version, false), "{version:?}");
    }
}

// The bridge bit 0x80 of the level byte is Mosquitto's own and accepted for its bridges.
#[test]
fn bridge_bit_is_accepted() {
    let broker = Conf::open().start();
    for (name, level) in [("MQTT", 0x84), ("MQIsdp", 0x83)] {
        let mut client = Client::raw(&broker, V4);
        client.send(hex::parse(&format!("packet(10 \"{name}\" {level:02X} 02 003C \"bridge\")")));
        client.expect([0x20, 2, 0, 0]);
    }
}

// [MQTT-3.1.2-2] [MQTT3-3.1.2-2]
#[test]
fn unknown_levels_are_refused() {
    let broker = Conf::open().start();
    for (name, level, answer) in [("MQIsdp", 4, "20 02 00 01"), ("MQTT", 6, "20 03 00 84 00")] {
        let mut client = Client::raw(&broker, V4);
        client.send(hex::parse(&format!("packet(10 \"{name}\" {level:02X} 02 003C \"x\")")));
        if broker::ours() || level != 6 {
            client.expect(hex::parse(answer));
        } else {
            client.frame();
        }
        client.expect_close();
    }
}

// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
#[test]
fn assigned_client_id_is_auto_and_a_uuid() {
    let broker = Conf::open().start();
    let (_client, connack) = Client::open(&broker, &Connect::new(V5, ""));
    let ids: Vec<String> = connack_properties(&connack)
        .into_iter()
        .filter(|(id, _)| *id == 0x12)
        .map(|(_, value)| String::from_utf8(value[2..].to_vec()).unwrap())
        .collect();
    let [id] = &ids[..] else { panic!("one assigned client id expected: {ids:?}") };
    let uuid = id.strip_prefix("auto-").expect("the default prefix");
    let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
    assert!(uuid.chars().all(|c| c == '-' || c.is_ascii_digit() || ('A'..='F').contains(&c)), "{id}");
    let order: Vec<u8> = connack_properties(&connack).iter().map(|(id, _)| *id).collect();
    let wanted: &[u8] = if broker::ours() { &[0x22, 0x12, 0x27, 0x21] } else { &[0x22, 0x12, 0x21] };
    assert_eq!(order, wanted, "the order Mosquitto sends its properties in");
}

// [MQTT3-3.1.3-6] [MQTT3-3.1.3-8]
#[test]
fn empty_client_ids_below_mqtt_5() {
    let broker = Conf::open().start();
    let (_client, connack) = Client::open(&broker, &Connect::new(V4, ""));
    assert_eq!(connack, [0x20, 2, 0, 0]);
    for connect in [Connect::new(V4, "").resume(), Connect::new(V3, ""), Connect::new(V3, "").resume()] {
        let mut client = Client::raw(&broker, V4);
        client.send(connect.bytes());
        client.expect([0x20, 2, 0, 2]);
        client.expect_close();
    }
}

// [MQTT-3.1.3-8] [MQTT3-3.1.3-9]
#[test]
fn zero_length_ids_can_be_forbidden() {
    let broker = Conf::open().line("allow_zero_length_clientid false").start();
    let mut old = Client::raw(&broker, V4);
    old.send(Connect::new(V4, "").bytes());
    old.expect([0x20, 2, 0, 2]);
    old.expect_close();
    let mut new = Client::raw(&broker, V5);
    new.send(Connect::new(V5, "").bytes());
    let connack = new.frame();
    assert_eq!(reason(&connack), Some(if broker::ours() { 0x85 } else { 0x80 }));
    new.expect_close();
}

#[test]
fn auto_id_prefix_is_used() {
    let broker = Conf::open().line("auto_id_prefix thing-").start();
    let (_client, connack) = Client::open(&broker, &Connect::new(V5, ""));
    let text = String::from_utf8_lossy(&connack).into_owned();
    assert!(text.contains("thing-"), "{text:?}");
}

#[test]
fn long_client_ids_of_mqtt_3_1_are_accepted() {
    let broker = Conf::open().start();
    Client::clean(&broker, V3, &"i".repeat(60)).disconnect();
}

// [MQTT-3.1.2-22] [MQTT3-3.1.2-24]: silence for one and a half times the keep alive.
fn keepalive_closes_a_silent_client(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in [V4, V5] {
        let start = std::time::Instant::now();
        let (mut client, _) = Client::open(&broker, &Connect::new(version, "silent").keepalive(1));
        if version == V5 && broker::ours() {
            let frame = client.frame();
            assert_eq!((frame[0], reason(&frame)), (0xE0, Some(0x8D)), "Keep Alive timeout");
        }
        let (_, closed) = client.drain();
        assert!(closed, "{version:?} stays connected");
        assert!(start.elapsed() >= SECOND * 3 / 2, "closed after {:?}, too early", start.elapsed());
    }
}
on_shards!(keepalive_closes_a_silent_client);

#[test]
fn pings_keep_a_client_alive() {
    let broker = Conf::open().start();
    let (mut client, _) = Client::open(&broker, &Connect::new(V4, "pinger").keepalive(1));
    let end = std::time::Instant::now() + 4 * SECOND;
    while std::time::Instant::now() < end {
        client.expect_silence();
        assert_eq!(client.frame_within(SECOND / 2), None);
    }
    client.expect_silence();
}

#[test]
fn max_keepalive_overrides_or_refuses() {
    let broker = Conf::open().line("max_keepalive 30").start();
    for keepalive in [31, 0] {
        let (_client, connack) = Client::open(&broker, &Connect::new(V5, "new").keepalive(keepalive));
        assert!(
            connack_properties(&connack).contains(&(0x13, vec![0, 30])),
            "Server Keep Alive is missing for {keepalive}: {}",
            hex::dump(&connack)
        );
        if broker::ours() {
            // New in Mosquitto 2.1; 2.0 silently uses a shorter one.
            let mut old = Client::raw(&broker, V4);
            old.send(Connect::new(V4, "old").keepalive(keepalive).bytes());
            old.expect([0x20, 2, 0, 2]);
            old.expect_close();
        }
    }
    let (_fits, connack) = Client::open(&broker, &Connect::new(V5, "fits").keepalive(30));
    assert!(connack_properties(&connack).iter().all(|(id, _)| *id != 0x13));
}

// [MQTT-3.2.0-1] [MQTT-3.12.4-1] [MQTT3-3.2.0-1] [MQTT3-3.12.4-1]
#[test]
fn a_ping_in_the_same_segment_as_connect_is_answered() {
    let broker = Conf::open().start();
    for version in [V3, V4, V5] {
        let mut client = Client::raw(&broker, version);
        client.send([Connect::new(version, "quick").bytes(), PINGREQ.to_vec()].concat());
        client.expect([accepting_connack(version, false), vec![0xD0, 0]].concat());
    }
}

/// Sends CONNECT, PUBLISH and the end of the stream in one write, as a program does that exits at once.
fn fire_and_exit(broker: &Broker, version: Version, number: usize, password: &str) {
    let connect = Connect::new(version, format!("fire{number}")).login("alice", password);
    let publish = Publish::new(version, "fire", number.to_string());
    let mut stream = tcp(broker.port());
    std::io::Write::write_all(&mut stream, &[connect.bytes(), publish.bytes()].concat()).unwrap();
}

// Row A19 of the notes: what is pipelined behind CONNECT waits for the answer of the password check.
fn publishes_behind_connect_are_delivered_though_the_client_is_gone(shards: usize) {
    let broker = Conf::accounts().line("max_queued_messages 0").shards(shards).start();
    let (mut watcher, _) = Client::open(&broker, &Connect::new(V4, "watcher").login("bob", "secret"));
    watcher.subscribe("fire", 0);
    for number in 0..300 {
        fire_and_exit(&broker, [V4, V5, V3][number % 3], number, "secret");
    }
    let mut seen: Vec<usize> = (0..300).map(|_| watcher.delivery().text().parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..300).collect::<Vec<_>>());
}

// [MQTT-3.1.4-6] [MQTT3-3.1.4-5]
fn publishes_behind_a_wrong_password_are_not(shards: usize) {
    // So many wrong passwords would have the right one wait.
    let broker = Conf::accounts().own_line("login_failure_limit 0").shards(shards).start();
    let (mut watcher, _) = Client::open(&broker, &Connect::new(V4, "watcher").login("bob", "secret"));
    watcher.subscribe("fire", 0);
    for number in 0..300 {
        fire_and_exit(&broker, [V4, V5, V3][number % 3], number, "wrong");
    }
    // The same identity once more, now with the right password: it stands in line behind all the others.
    fire_and_exit(&broker, V4, 999, "secret");
    assert_eq!(watcher.delivery().text(), "999");
    watcher.expect_silence();
}
on_shards!(
    publishes_behind_connect_are_delivered_though_the_client_is_gone,
    publishes_behind_a_wrong_password_are_not,
);

#[test]
fn a_maximum_packet_size_too_small_for_connack_closes() {
    let broker = Conf::open().start();
    let mut client = Client::raw(&broker, V5);
    client.send(Connect::new(V5, "tiny").property(prop::four(prop::MAXIMUM_PACKET_SIZE, 4)).bytes());
    client.expect_close();
    plain(&broker, "fine").disconnect();
}

// [MQTT-4.12.0-1]
#[test]
fn an_unknown_authentication_method_is_refused() {
    let broker = Conf::open().start();
    let mut client = Client::raw(&broker, V5);
    client.send(Connect::new(V5, "x").property(prop::text(0x15, "unknown")).bytes());
    client.expect([0x20, 3, 0, 0x8C, 0]);
    client.expect_close();
}
