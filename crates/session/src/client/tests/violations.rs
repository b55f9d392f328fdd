//! What a server may not do, and what it is called.

use super::*;
use pondhawk_codec::{Kind, Malformed};

/// What a server may not do, and what it is called. [MQTT-4.13.2-1] [MQTT3-4.8.0-1]
#[test]
fn violations() {
    type Deed = Box<dyn Fn(&mut Wire)>;
    let publish = |qos, id, topic: &'static str| -> Deed {
        Box::new(move |wire| wire.serve_publish(qos, id, topic, &[]))
    };
    let bytes = |bytes: &'static [u8]| -> Deed { Box::new(|wire| wire.client.receive(wire.now, bytes)) };
    let id = |n| PacketId::new(n).expect("not zero");
    let cases: Vec<(Deed, Violation)> = vec![
        (bytes(b"\x20\x03\x00\x00\x00"), Violation::ConnackTwice),
        (bytes(b"\xc0\x00"), Violation::NotFromServer(PacketType::Pingreq)),
        (bytes(b"\xe1\x00"), Violation::Malformed(Malformed { kind: Kind::HeaderFlags, offset: 0 })),
        (bytes(b"\x10\x00"), Violation::NotFromServer(PacketType::Connect)),
        (bytes(b"\x90\x04\x00\x07\x00\x00"), Violation::AckUnasked(PacketType::Suback, id(7))),
        (bytes(b"\xb0\x04\x00\x07\x00\x00"), Violation::AckUnasked(PacketType::Unsuback, id(7))),
        (bytes(b"\xf0\x00"), Violation::AuthUnasked),
        (publish(Qos::AtMostOnce, None, ""), Violation::TopicMissing),
        (
            Box::new(|wire| wire.serve_publish(Qos::AtMostOnce, None, "t", &[Property::TopicAlias(1)])),
            Violation::TopicAliasTooHigh(1),
        ),
        (
            Box::new(|wire| {
                let id = wire.publish(Qos::AtLeastOnce);
                wire.serve(&Packet::Pubrec(ack(id.get(), reason::SUCCESS)));
            }),
            Violation::AckMismatch(PacketType::Pubrec, id(1)),
        ),
        (
            Box::new(|wire| {
                let id = wire.publish(Qos::ExactlyOnce);
                wire.serve(&Packet::Pubcomp(ack(id.get(), reason::SUCCESS)));
            }),
            Violation::AckMismatch(PacketType::Pubcomp, id(1)),
        ),
        (
            Box::new(|wire| {
                let one = SubscribeFilter { filter: "a", options: SubscribeOptions::default() };
                let packet_id = wire.client.subscribe(0, &[one], &PropertiesBuf::new()).expect("legal");
                let properties = Default::default();
                wire.serve(&Packet::Suback(Suback { packet_id, properties, codes: &[0, 0] }));
            }),
            Violation::AckCodes { id: id(1), filters: 1, codes: 2 },
        ),
        (
            Box::new(|wire| {
                wire.serve_publish(Qos::ExactlyOnce, Some(1), "t", &[]);
                wire.serve_publish(Qos::ExactlyOnce, Some(2), "t", &[]);
                wire.serve_publish(Qos::ExactlyOnce, Some(3), "t", &[]);
            }),
            Violation::ReceiveMaximumExceeded,
        ),
    ];
    for (deed, violation) in cases {
        let told = Options { properties: block(&[Property::ReceiveMaximum(2)]), ..options(V5) };
        let mut wire = Wire::online(told, &[]);
        deed(&mut wire);
        assert_eq!(wire.violation(), violation);
        assert_eq!(wire.sent().last(), Some(&PacketType::Disconnect), "{violation}");
    }
}

// [MQTT-3.2.2-4]
#[test]
fn violations_of_the_handshake() {
    let cases: [(&[u8], Version, Violation); 4] = [
        (b"\xd0\x00", V3, Violation::ConnackExpected(PacketType::Pingresp)),
        (b"\x20\x02\x01\x00", V3, Violation::SessionPresentCleanStart),
        (b"\x20\x02\x01\x05", V3, Violation::SessionPresentRefused),
        (b"\x20\x03\x01\x00\x00", V5, Violation::SessionPresentCleanStart),
    ];
    for (bytes, version, violation) in cases {
        let mut wire = Wire::new(options(version));
        wire.client.connect(0).expect("offline");
        wire.client.receive(0, bytes);
        assert_eq!(wire.violation(), violation);
        assert_eq!(wire.sent(), [PacketType::Connect]);
    }
    let mut wire = Wire::online(options(V3), &[]);
    wire.client.receive(0, b"\xe0\x00");
    assert_eq!(wire.violation(), Violation::NotFromServer(PacketType::Disconnect));
}

// What we say of ourselves we hold against the server.
#[test]
fn a_packet_over_our_maximum_is_a_violation() {
    let told = Options { properties: block(&[Property::MaximumPacketSize(20)]), ..options(V5) };
    let mut wire = Wire::online(told, &[]);
    wire.client.receive(0, &[0x30, 100]);
    assert!(wire.violation().is_oversize());
    assert!(!Violation::ConnackTwice.is_oversize());
}

/// Without a maximum of ours the longest packet that MQTT has is waited for.
#[test]
fn the_longest_packet_is_no_violation() {
    let mut wire = Wire::online(options(V5), &[]);
    wire.client.receive(0, &[0x30, 0xff, 0xff, 0xff, 0x7f]);
    assert!(wire.client.is_online());
}

/// The reason that DISCONNECT gives. [MQTT-4.13.2-1]
#[test]
fn the_server_is_told_what_it_broke() {
    let id = PacketId::MIN;
    let cases = [
        (Violation::Malformed(Malformed { kind: Kind::Utf8, offset: 0 }), reason::MALFORMED_PACKET),
        (Violation::ReceiveMaximumExceeded, reason::RECEIVE_MAXIMUM_EXCEEDED),
        (Violation::TopicAliasTooHigh(1), reason::TOPIC_ALIAS_INVALID),
        (Violation::TopicAliasUnknown(1), reason::TOPIC_ALIAS_INVALID),
        (Violation::AuthMethodChanged, reason::BAD_AUTHENTICATION_METHOD),
        (Violation::AckUnasked(PacketType::Suback, id), reason::PROTOCOL_ERROR),
        (Violation::TopicMissing, reason::PROTOCOL_ERROR),
    ];
    for (violation, code) in cases {
        assert_eq!(violation.reason(), code, "{violation}");
    }
}
