//! PUBLISH in and out at every QoS and version: the acknowledgements byte for byte.

use crate::kit::packet::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack, unsubscribe};
use crate::kit::*;

const VERSIONS: [Version; 3] = [V3, V4, V5];

/// The acknowledgement with reason "no matching subscribers", which only MQTT 5 can tell.
fn unheard(first: u8, version: Version, mid: u16) -> Vec<u8> {
    if version == V5 { vec![first, 3, (mid >> 8) as u8, mid as u8, 0x10] } else { ack(first, mid) }
}

// [MQTT-2.2.1-2] [MQTT-3.3.2-1] [MQTT-3.3.4-1] [MQTT-4.3.1-1] [MQTT3-2.3.1-5] [MQTT3-3.3.2-1] [MQTT3-3.3.4-1]
// [MQTT3-4.3.1-1]
fn qos_0_reaches_every_version(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut readers = VERSIONS.map(|version| {
        let mut reader = Client::clean(&broker, version, &format!("reader{}", version.0));
        reader.subscribe("a/b", 0);
        reader
    });
    for version in VERSIONS {
        let mut writer = Client::clean(&broker, version, "writer");
        writer.send(Publish::new(version, "a/b", "message").bytes());
        for reader in &mut readers {
            let wanted = Publish::new(reader.version(), "a/b", "message").bytes();
            reader.expect(wanted);
        }
        writer.expect_silence();
    }
}

// [MQTT-2.2.1-5] [MQTT-3.3.4-1] [MQTT-4.3.2-2] [MQTT-4.3.2-4] [MQTT3-2.3.1-6] [MQTT3-3.3.4-1] [MQTT3-4.3.2-1]
// [MQTT3-4.3.2-2]
fn qos_1_both_directions(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        // The reader of the version before may not be gone yet.
        let topic = format!("q1/{}", version.0);
        let mut writer = Client::clean(&broker, version, "writer");
        writer.send(Publish::new(version, &topic, "lost").qos(1, 7).bytes());
        writer.expect(unheard(PUBACK, version, 7));
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe(&topic, 1);
        writer.send(Publish::new(version, &topic, "kept").qos(1, 0xABCD).bytes());
        writer.expect(ack(PUBACK, 0xABCD));
        reader.expect(Publish::new(version, &topic, "kept").qos(1, 1).bytes());
        reader.send(ack(PUBACK, 1));
        reader.expect_silence();
    }
}

// [MQTT-2.2.1-5] [MQTT-3.3.4-1] [MQTT-4.3.3-2] [MQTT-4.3.3-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT3-2.3.1-6]
// [MQTT3-3.3.4-1] [MQTT3-4.3.3-1] [MQTT3-4.3.3-2]
fn qos_2_both_directions(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut writer = Client::clean(&broker, version, "writer");
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("q2", 2);
        writer.send(Publish::new(version, "q2", "once").qos(2, 9).bytes());
        writer.expect(ack(PUBREC, 9));
        writer.send(ack(PUBREL, 9));
        writer.expect(ack(PUBCOMP, 9));
        reader.expect(Publish::new(version, "q2", "once").qos(2, 1).bytes());
        reader.send(ack(PUBREC, 1));
        reader.expect(ack(PUBREL, 1));
        reader.send(ack(PUBCOMP, 1));
        reader.expect_silence();
    }
}

#[test]
fn qos_2_without_subscribers() {
    let broker = Conf::open().start();
    for version in VERSIONS {
        let mut writer = Client::clean(&broker, version, "writer");
        writer.send(Publish::new(version, "q2", "m").qos(2, 9).bytes());
        // Routing happens at PUBREL or at PUBLISH: both codes are the standard's.
        let frame = writer.frame();
        assert!(frame == ack(PUBREC, 9) || frame == unheard(PUBREC, version, 9), "{}", hex::dump(&frame));
        writer.send(ack(PUBREL, 9));
        writer.expect(ack(PUBCOMP, 9));
    }
}

// The QoS of a delivery is the lower of the two. [MQTT-3.8.4-8] [MQTT3-3.8.4-6]
fn qos_is_lowered_to_the_subscription(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V4, "writer");
    for granted in 0..=2 {
        for sent in 0..=2 {
            let mut reader = Client::clean(&broker, V4, "reader");
            reader.subscribe("low", granted);
            writer.publish("low", "m", sent);
            let delivery = reader.receive("low", "m");
            assert_eq!(delivery.qos, granted.min(sent), "granted {granted}, sent {sent}");
            reader.disconnect();
        }
    }
}

#[test]
fn upgrade_outgoing_qos_raises_it() {
    let broker = Conf::open().line("upgrade_outgoing_qos true").start();
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("up", 2);
    Client::clean(&broker, V4, "writer").publish("up", "m", 0);
    assert_eq!(reader.receive("up", "m").qos, 2);
}

// [MQTT-4.3.3-10] [MQTT3-4.3.3-2]: a repeated QoS 2 PUBLISH gets PUBREC again and is not delivered again.
fn a_repeated_qos_2_publish_is_delivered_once(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("twice", 2);
        let mut writer = Client::clean(&broker, version, "writer");
        let publish = Publish::new(version, "twice", "m").qos(2, 5);
        writer.send(publish.bytes());
        writer.expect(ack(PUBREC, 5));
        writer.send(publish.dup().bytes());
        writer.expect(ack(PUBREC, 5));
        writer.send(ack(PUBREL, 5));
        writer.expect(ack(PUBCOMP, 5));
        reader.receive("twice", "m");
        writer.publish("twice", "marker", 2);
        reader.receive("twice", "marker");
    }
}

// [MQTT-3.3.1-3] [MQTT-4.3.2-5] [MQTT3-3.3.1-3] [MQTT3-4.3.2-2]: after its PUBACK the same identifier is a new
// message, whatever DUP says.
fn the_same_identifier_after_puback_is_a_new_message(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("again", 1);
    let mut writer = Client::clean(&broker, V4, "writer");
    for payload in ["one", "two"] {
        writer.send(Publish::new(V4, "again", payload).qos(1, 3).dup().bytes());
        writer.expect(ack(PUBACK, 3));
        let delivery = reader.receive("again", payload);
        assert!(!delivery.dup, "DUP is not passed on");
    }
}

// [MQTT-4.2-1] [MQTT3-7.1.1-1]
#[test]
fn a_large_payload_arrives_whole() {
    let broker = Conf::open().start();
    let payload = hex::noise(1_900_000);
    for version in VERSIONS {
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("large", 1);
        Client::clean(&broker, version, "writer").publish("large", &payload, 1);
        let delivery = reader.delivery();
        assert!(delivery.payload == payload, "{} bytes came", delivery.payload.len());
    }
}

#[test]
fn a_packet_above_max_packet_size_is_refused() {
    let broker = Conf::open().line("max_packet_size 2000").start();
    for version in VERSIONS {
        let mut writer = Client::clean(&broker, version, "writer");
        writer.send(Publish::new(version, "big", vec![b'x'; 1900]).qos(1, 1).bytes());
        writer.frame();
        writer.send(Publish::new(version, "big", vec![b'x'; 2001]).qos(1, 2).bytes());
        writer.expect_disconnect(0x95);
    }
}

// [MQTT-2.2.1-6] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT3-2.3.1-7]
// [MQTT3-3.10.4-4] [MQTT3-3.10.4-5] [MQTT3-3.10.4-6]
fn unsubscribe_stops_delivery(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("gone", 0).subscribe("stays", 0);
        reader.send(unsubscribe(version, 0x21, &["gone", "never"]));
        if version == V5 {
            reader.expect([0xB0, 5, 0, 0x21, 0, 0, 0x11]);
        } else {
            reader.expect([0xB0, 2, 0, 0x21]);
        }
        let mut writer = Client::clean(&broker, version, "writer");
        writer.publish("gone", "m", 0);
        writer.publish("stays", "marker", 0);
        reader.receive("stays", "marker");
    }
}

#[test]
fn message_size_limit_drops_but_acknowledges() {
    let broker = Conf::open().line("message_size_limit 10").start();
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("size", 1);
    let mut writer = Client::clean(&broker, V4, "writer");
    writer.send(Publish::new(V4, "size", "eleven bytes").qos(1, 1).bytes());
    writer.expect(ack(PUBACK, 1));
    let mut new = Client::clean(&broker, V5, "new");
    new.send(Publish::new(V5, "size", "eleven bytes").qos(1, 1).bytes());
    // "Implementation specific" since Mosquitto 2.1, "packet too large" before.
    new.expect([PUBACK, 3, 0, 1, if broker::ours() { 0x83 } else { 0x95 }]);
    writer.publish("size", "ten bytes!", 1);
    reader.receive("size", "ten bytes!");
}

on_shards!(
    qos_0_reaches_every_version,
    qos_1_both_directions,
    qos_2_both_directions,
    qos_is_lowered_to_the_subscription,
    a_repeated_qos_2_publish_is_delivered_once,
    the_same_identifier_after_puback_is_a_new_message,
    unsubscribe_stops_delivery,
);
