//! MQTT over WebSockets: the upgrade, and how packets lie in frames.

use std::io::{Read, Write};

use crate::kit::client::tcp;
use crate::kit::packet::{PINGREQ, PINGRESP};
use crate::kit::ws::{frame, request, response_head};
use crate::kit::*;

/// An open broker with a WebSocket listener on its second port.
fn conf() -> Conf {
    Conf::open().line("listener {port2} 127.0.0.1").line("protocol websockets")
}

/// Opens a WebSocket and gives the bare stream behind the handshake.
fn upgraded(broker: &Broker) -> std::net::TcpStream {
    let mut stream = tcp(broker.port_n(2));
    stream.set_read_timeout(Some(10 * SECOND)).unwrap();
    stream.write_all(request("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n").as_bytes()).unwrap();
    let head = response_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream
}

/// Reads exactly so many bytes of server frames.
fn read(stream: &mut std::net::TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("the broker answers");
    bytes
}

// [MQTT-6.0.0-1] [MQTT3-6.0.0-1]
fn packets_travel_both_ways(shards: usize) {
    let broker = conf().shards(shards).start();
    for version in [V3, V4, V5] {
        let mut browser = Client::websocket(broker.port_n(2), version);
        browser.handshake(&Connect::new(version, "browser"));
        browser.subscribe("web/#", 2);
        let mut device = Client::clean(&broker, version, "device");
        device.subscribe("web/up", 1);
        for qos in 0..=2 {
            device.publish("web/down", "to the browser", qos);
            browser.receive("web/down", "to the browser");
            browser.publish("web/up", "to the device", qos);
            browser.receive("web/up", "to the device");
            device.receive("web/up", "to the device");
        }
        browser.disconnect();
    }
}

#[test]
fn large_messages_use_long_frames() {
    let broker = conf().start();
    let mut browser = Client::websocket(broker.port_n(2), V5);
    browser.handshake(&Connect::new(V5, "browser"));
    browser.subscribe("large", 0);
    for size in [100, 125, 126, 127, 1000, 65_535, 65_536, 300_000] {
        let payload = hex::noise(size);
        browser.publish("large", &payload, 1);
        assert!(browser.receive_any().payload == payload, "{size} bytes");
    }
}

#[test]
fn any_path_will_do() {
    let broker = conf().start();
    for path in ["/", "/mqtt", "/anything/else?query=1"] {
        let mut stream = tcp(broker.port_n(2));
        stream.write_all(request(path, "Sec-WebSocket-Protocol: mqtt\r\n").as_bytes()).unwrap();
        let head = response_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101"), "{path}: {head}");
    }
}

// [MQTT-6.0.0-2] [MQTT3-6.0.0-2]
#[test]
fn many_packets_in_a_frame() {
    let broker = conf().start();
    let mut stream = upgraded(&broker);
    let packets = [Connect::new(V4, "browser").bytes(), PINGREQ.to_vec(), PINGREQ.to_vec()].concat();
    stream.write_all(&frame(0x82, &packets)).unwrap();
    let mut bytes = Vec::new();
    while bytes.len() < 8 {
        let head = read(&mut stream, 2);
        assert_eq!(head[0], 0x82, "a whole binary frame");
        bytes.extend(read(&mut stream, usize::from(head[1])));
    }
    assert_eq!(bytes, [&[0x20, 2, 0, 0][..], &PINGRESP, &PINGRESP].concat());
}

// [MQTT-6.0.0-2] [MQTT3-6.0.0-2], with a ping of the outer protocol in between.
#[test]
fn a_packet_in_many_frames() {
    let broker = conf().start();
    let mut stream = upgraded(&broker);
    let connect = Connect::new(V4, "browser").bytes();
    for byte in &connect {
        stream.write_all(&frame(0x82, &[*byte])).unwrap();
    }
    assert_eq!(read(&mut stream, 6), [0x82, 4, 0x20, 2, 0, 0]);
    // One message of three fragments, of which one is empty.
    stream.write_all(&frame(0x02, &PINGREQ[..1])).unwrap();
    stream.write_all(&frame(0x89, b"still there?")).unwrap();
    stream.write_all(&frame(0x00, &[])).unwrap();
    stream.write_all(&frame(0x80, &PINGREQ[1..])).unwrap();
    let pong = [&[0x8A, 12][..], b"still there?"].concat();
    assert_eq!(read(&mut stream, 14), pong);
    assert_eq!(read(&mut stream, 4), [0x82, 2, 0xD0, 0]);
}

// [MQTT-6.0.0-1] [MQTT3-6.0.0-1]
#[test]
fn a_text_frame_closes() {
    if !broker::ours() {
        return; // libwebsockets hands it on.
    }
    let broker = conf().start();
    let mut stream = upgraded(&broker);
    stream.write_all(&frame(0x81, &Connect::new(V4, "browser").bytes())).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the broker closes");
    assert_eq!(rest, [0x88, 2, 0x03, 0xEB], "close 1003, and no CONNACK");
}

#[test]
fn an_unmasked_frame_closes() {
    if !broker::ours() {
        return; // libwebsockets takes it.
    }
    let broker = conf().start();
    let mut stream = upgraded(&broker);
    let connect = Connect::new(V4, "browser").bytes();
    stream.write_all(&[&[0x82, connect.len() as u8][..], &connect].concat()).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.windows(4).any(|window| window == [0x20, 2, 0, 0]), "{}", hex::dump(&rest));
}

#[test]
fn a_close_frame_is_answered() {
    let broker = conf().start();
    let mut stream = upgraded(&broker);
    stream.write_all(&frame(0x82, &Connect::new(V4, "browser").bytes())).unwrap();
    read(&mut stream, 6);
    stream.write_all(&frame(0x88, &[0x03, 0xE8])).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the broker closes");
    assert_eq!(rest[..2], [0x88, 2], "{}", hex::dump(&rest));
}

#[test]
fn upgrades_that_are_none_are_refused() {
    if !broker::ours() {
        return; // libwebsockets answers some of these with 200.
    }
    let broker = conf().start();
    let good = request("/", "Sec-WebSocket-Protocol: mqtt\r\n");
    let bad = [
        request("/", ""),
        request("/", "Sec-WebSocket-Protocol: soap\r\n"),
        good.replace("Version: 13", "Version: 12"),
        good.replace("Upgrade: websocket\r\n", ""),
        good.replace("GET ", "POST "),
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        request("/", &format!("X-Long: {}\r\n", "x".repeat(100_000))),
    ];
    for request in bad {
        let mut stream = tcp(broker.port_n(2));
        stream.set_read_timeout(Some(10 * SECOND)).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let head = response_head(&mut stream);
        let shown: String = request.chars().take(120).collect();
        // A reset after 100 KB of unread headers may swallow the answer.
        assert!(head.starts_with("HTTP/1.1 4") || head.is_empty(), "{shown:?} got {head:?}");
    }
}

#[test]
fn origins_can_be_restricted() {
    if !broker::ours() {
        return; // New in Mosquitto 2.1.
    }
    let broker = conf().line("websockets_origin https://good.example").start();
    for (origin, status) in [
        ("Origin: https://good.example\r\n", "101"),
        ("Origin: https://evil.example\r\n", "403"),
        ("", "403"),
    ] {
        let mut stream = tcp(broker.port_n(2));
        let headers = format!("Sec-WebSocket-Protocol: mqtt\r\n{origin}");
        stream.write_all(request("/", &headers).as_bytes()).unwrap();
        let head = response_head(&mut stream);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{origin:?} got {head}");
    }
}

on_shards!(packets_travel_both_ways);
