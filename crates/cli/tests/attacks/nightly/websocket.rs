//! G: WebSockets out of step; F13: compression that is not offered.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::kit::client::tcp;
use crate::kit::packet::{PINGREQ, PINGRESP};
use crate::kit::ws::{frame, request, response_head};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// The usual target with WebSockets on its second port.
fn conf() -> Conf {
    target().line("listener {port2} 127.0.0.1").line("protocol websockets")
}

const MQTT: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

/// Sends a request and gives the answer's status, or nothing if there is none.
fn status(broker: &Broker, request: &[u8]) -> Option<u16> {
    let mut stream = tcp(broker.port_n(2));
    stream.set_read_timeout(Some(10 * SECOND)).unwrap();
    let _ = stream.write_all(request);
    let head = response_head(&mut stream);
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// A stream behind a good handshake.
fn upgraded(broker: &Broker) -> TcpStream {
    let mut stream = tcp(broker.port_n(2));
    stream.set_read_timeout(Some(10 * SECOND)).unwrap();
    stream.write_all(request("/mqtt", MQTT).as_bytes()).unwrap();
    let head = response_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// Everything until the broker closes; a broker that does not is an error.
#[track_caller]
fn until_closed(stream: &mut TcpStream, what: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("{what}: still open ({error}) after {}", hex::dump(&bytes)),
        }
    }
}

// F13, C(NATS CVE-2026-27571): nothing is inflated, for nothing may be compressed.
#[test]
fn f13_compression_is_not_offered() {
    let mut broker = conf().start();
    let vitals = Vitals::begin(&broker);
    let mut stream = tcp(broker.port_n(2));
    let headers = format!("{MQTT}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    stream.write_all(request("/mqtt", &headers).as_bytes()).unwrap();
    let head = response_head(&mut stream).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");
    if broker::ours() {
        // A compressed frame all the same: RSV1 of an extension that was not agreed.
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        stream.write_all(&frame(0xC2, &Connect::new(V4, "bomb").bytes())).unwrap();
        let answer = until_closed(&mut stream, "a compressed frame");
        assert_eq!(answer, [0x88, 2, 0x03, 0xEA], "close 1002");
    }
    drop(stream);
    vitals.finish("F13 (compression)", &mut broker, Limits::of_connections(1));
}

// G02, C(mosquitto#3691, RUSTSEC-2023-0065).
#[test]
fn g02_upgrades_of_any_shape() {
    if !broker::ours() {
        return; // libwebsockets answers some of these with 200.
    }
    let mut broker = conf().line("connect_timeout 2").start();
    let mut vitals = Vitals::begin(&broker);
    let good = request("/", MQTT);
    let key = good.lines().find(|line| line.starts_with("Sec-WebSocket-Key")).unwrap().to_owned() + "\r\n";
    let bad = [
        good.replace(&key, ""),
        good.replace(&key, "Sec-WebSocket-Key: short\r\n"),
        good.replace(&key, "Sec-WebSocket-Key: \r\n"),
        good.replace("Version: 13", "Version: 8"),
        good.replace("Version: 13", "Version: 99999999999999999999"),
        good.replace("Sec-WebSocket-Version: 13\r\n", ""),
        good.replace(MQTT, ""),
        good.replace(MQTT, "Sec-WebSocket-Protocol: soap, xmpp\r\n"),
        good.replace("Connection: Upgrade\r\n", "Connection: close\r\n"),
        good.replace("Upgrade: websocket", "Upgrade: h2c"),
        good.replace("GET / HTTP/1.1", "GET / HTTP/1.0"),
        good.replace("GET / HTTP/1.1", "PUT / HTTP/1.1"),
        good.replace("GET / HTTP/1.1", "GET /"),
        good.replace("GET / HTTP/1.1", "\0\0\0 / HTTP/1.1"),
        good.replace(&key, &key.repeat(2)),
        request("/", &format!("{MQTT}X-Long: {}\r\n", "x".repeat(100_000))),
        request("/", &(MQTT.to_owned() + &"X: y\r\n".repeat(20_000))),
        request(&"/x".repeat(50_000), MQTT),
        good.replace("\r\n", "\n") + "\n",
    ];
    let connections = bad.len() + 42;
    for bad in bad {
        let shown: String = bad.chars().take(200).collect();
        // A reset after 100 KB of unread headers may swallow the answer; silence ends at the time limit.
        let status = status(&broker, bad.as_bytes());
        assert!(
            status.is_none_or(|status| (400..=426).contains(&status) || status == 431),
            "{shown:?}: {status:?}"
        );
    }
    vitals.during("G02", &mut broker);
    // Headers a byte at a time do not outlive the time limit.
    let mut dripping: Vec<TcpStream> = (0..40).map(|_| tcp(broker.port_n(2))).collect();
    dripping.iter().for_each(|stream| stream.set_nonblocking(true).expect("a TCP socket"));
    let mut bytes = request("/", &format!("{MQTT}X-Long: {}", "x".repeat(2_000))).into_bytes().into_iter();
    let closed = poll(20 * SECOND, || {
        let byte = bytes.next().unwrap_or(b'x');
        dripping.retain_mut(|stream| {
            stream.write(&[byte]).is_ok() && !matches!(stream.read(&mut [0; 64]), Ok(0))
        });
        dripping.is_empty().then_some(())
    });
    assert!(closed.is_some(), "{} still drip", dripping.len());
    assert_eq!(status(&broker, good.as_bytes()), Some(101));
    vitals.finish("G02 (upgrades)", &mut broker, Limits::of_connections(connections));
}

// G03, S: the close code says which rule was broken.
#[test]
fn g03_illegal_frames() {
    if !broker::ours() {
        return; // libwebsockets takes some of them.
    }
    let mut broker = conf().line("connect_timeout 2").start();
    let mut vitals = Vitals::begin(&broker);
    let connect = Connect::new(V4, "framed").bytes();
    let unmasked = [&[0x82, connect.len() as u8][..], &connect].concat();
    let declared = |length: u64| [&[0x82, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat();
    let rows: [(&str, Vec<u8>, &[u16]); 12] = [
        ("unmasked", unmasked, &[1002]),
        ("RSV1", frame(0xC2, &connect), &[1002]),
        ("RSV2", frame(0xA2, &connect), &[1002]),
        ("RSV3", frame(0x92, &connect), &[1002]),
        ("text", frame(0x81, &connect), &[1003]),
        ("an unknown opcode", frame(0x83, &connect), &[1002]),
        ("an unknown control opcode", frame(0x8B, b""), &[1002]),
        ("a long ping", frame(0x89, &[0; 126]), &[1002]),
        ("a ping in fragments", frame(0x09, b"x"), &[1002]),
        ("a continuation of nothing", frame(0x80, &connect), &[1002]),
        ("a message within a message", [frame(0x02, b"x"), frame(0x82, b"x")].concat(), &[1002]),
        ("2^63 bytes", declared(1 << 63), &[1002, 1009]),
    ];
    let connections = rows.len() + 10;
    for (name, bytes, codes) in rows {
        let mut stream = upgraded(&broker);
        stream.write_all(&bytes).unwrap();
        let answer = until_closed(&mut stream, name);
        let code = answer.get(2..4).map(|code| u16::from_be_bytes([code[0], code[1]]));
        let said =
            answer.len() == 4 && answer[..2] == [0x88, 2] && code.is_some_and(|code| codes.contains(&code));
        assert!(said, "{name}: {codes:?} expected, got {}", hex::dump(&answer));
        vitals.during(name, &mut broker);
    }
    // A frame may be as long as it says, for packets are taken from it as they come: nothing is set aside for it,
    // and the time limit of the greeting ends it.
    for length in [300 << 20, 1 << 62] {
        let mut stream = upgraded(&broker);
        stream.write_all(&declared(length)).unwrap();
        until_closed(&mut stream, "a long frame");
    }
    // Close frames: without a code, with half of one, with codes that nobody may send, with broken text.
    for payload in
        [&b""[..], b"\x03", b"\x03\xE8", b"\x03\xEC", b"\x03\xED", b"\x00\x00", b"\xFF\xFF", b"\x03\xE8\xFF"]
    {
        let mut stream = upgraded(&broker);
        stream.write_all(&frame(0x88, payload)).unwrap();
        let answer = until_closed(&mut stream, "a close frame");
        assert!(answer.is_empty() || answer[0] == 0x88, "{payload:?}: {}", hex::dump(&answer));
    }
    vitals.finish("G03 (illegal frames)", &mut broker, Limits::of_connections(connections).peak(8 << 20));
}

// G04, S C(2.0.6): packets and frames need not begin together.
#[test]
fn g04_packets_and_frames_out_of_step() {
    let mut broker = conf().start();
    let vitals = Vitals::begin(&broker);
    let pings = 20;
    let stream_bytes = [Connect::new(V4, "browser").bytes(), PINGREQ.repeat(pings)].concat();
    let wanted = [&[0x20, 2, 0, 0][..], &PINGRESP.repeat(pings)].concat();
    let sizes = [1, 2, 3, 7, stream_bytes.len()];
    for size in sizes {
        let mut client = TcpClient { stream: upgraded(&broker) };
        for part in stream_bytes.chunks(size) {
            client.stream.write_all(&frame(0x82, b"")).unwrap();
            client.stream.write_all(&frame(0x82, part)).unwrap();
        }
        assert_eq!(client.payload(wanted.len()), wanted, "frames of {size} bytes");
        // A fragmented message with empty fragments and a ping between them.
        let fragments = [
            frame(0x02, b""),
            frame(0x00, &PINGREQ[..1]),
            frame(0x89, b""),
            frame(0x00, b""),
            frame(0x80, &PINGREQ[1..]),
        ];
        client.stream.write_all(&fragments.concat()).unwrap();
        assert_eq!(client.payload(2), PINGRESP);
    }
    vitals.finish("G04 (out of step)", &mut broker, Limits::of_connections(sizes.len()));
}

/// Reads the payloads of the broker's data frames.
struct TcpClient {
    stream: TcpStream,
}

impl TcpClient {
    fn payload(&mut self, wanted: usize) -> Vec<u8> {
        let mut payload = Vec::new();
        while payload.len() < wanted {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).expect("the broker answers");
            assert!(head[1] < 126, "answers are short");
            let mut body = vec![0; usize::from(head[1])];
            self.stream.read_exact(&mut body).expect("the whole frame");
            if head[0] & 0x0F == 2 {
                payload.extend(body);
            }
        }
        payload
    }
}

// G05, C(CVE-2026-25627): a packet that says it is longer than its frame waits for the rest, and ends in time.
#[test]
fn g05_more_declared_than_sent() {
    if !broker::ours() {
        return; // Mosquitto's timeout is fixed.
    }
    let mut broker = conf().line("connect_timeout 2").start();
    let vitals = Vitals::begin(&broker);
    // CONNECT of 4096 bytes of which three are there; then a PUBLISH of which the rest comes in a later frame.
    let mut waiting = upgraded(&broker);
    waiting.write_all(&frame(0x82, &[0x10, 0x80, 0x20, 0, 4, b'M'])).unwrap();
    let ended = until_closed(&mut waiting, "half a packet");
    assert!(ended.is_empty() || ended[0] == 0x88, "{}", hex::dump(&ended));
    let mut client = Client::websocket(broker.port_n(2), V4);
    client.handshake(&Connect::new(V4, "browser").keepalive(60));
    client.subscribe("whole", 0);
    let publish = Publish::new(V4, "whole", vec![b'x'; 4096]).bytes();
    client.send(&publish[..6]);
    client.send(&publish[6..]);
    assert_eq!(client.delivery().payload.len(), 4096);
    client.disconnect();
    vitals.finish("G05 (more declared than sent)", &mut broker, Limits::of_connections(2));
}

// G06, C(wolfMQTT f-7172): a list of origins is a list of all of them.
#[test]
fn g06_origins() {
    if !broker::ours() {
        return; // New in Mosquitto 2.1.
    }
    let mut broker = conf().line("websockets_origin https://good.example").start();
    let vitals = Vitals::begin(&broker);
    let origins = [
        ("Origin: https://good.example\r\n".to_owned(), true),
        ("Origin: https://evil.example\r\n".to_owned(), false),
        ("Origin: https://good.example.evil.example\r\n".to_owned(), false),
        ("Origin: http://good.example\r\n".to_owned(), false),
        ("Origin: https://good.example:8443\r\n".to_owned(), false),
        ("Origin: null\r\n".to_owned(), false),
        ("Origin: \r\n".to_owned(), false),
        (String::new(), false),
        (format!("Origin: https://good.example{}\r\n", " ".repeat(2_000)), true),
        (format!("Origin: https://{}\r\n", "good.example".repeat(200)), false),
        ("Origin: https://evil.example\r\nOrigin: https://good.example\r\n".to_owned(), false),
        ("Origin: https://good.example\r\nOrigin: https://evil.example\r\n".to_owned(), false),
    ];
    let connections = origins.len();
    for (origin, good) in origins {
        let answer = status(&broker, request("/", &format!("{MQTT}{origin}")).as_bytes());
        let right = if good { answer == Some(101) } else { matches!(answer, Some(400 | 403 | 431)) };
        assert!(right, "{origin:?}: {answer:?}");
    }
    vitals.finish("G06 (origins)", &mut broker, Limits::of_connections(connections));
}
