//! Sessions: kept, resumed, discarded, expired, taken over.

use crate::kit::packet::{DISCONNECT, PUBACK, PUBCOMP, PUBREC, PUBREL, ack, block, packet, prop};
use crate::kit::*;

const VERSIONS: [Version; 3] = [V3, V4, V5];

/// Whether a CONNACK says that a session was present.
fn present(connack: &[u8]) -> bool {
    connack[2] & 1 != 0
}

// [MQTT-3.1.2-5] [MQTT-3.1.2-23] [MQTT-3.2.2-3] [MQTT3-3.1.2-4] [MQTT3-3.2.2-2] [MQTT3-3.2.2-3]
fn a_kept_session_is_resumed_with_its_subscriptions(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V4, "writer");
    for version in VERSIONS {
        let durable = Connect::new(version, format!("keeper{}", version.0)).durable();
        let (mut first, connack) = Client::open(&broker, &durable);
        assert!(!present(&connack), "{version:?}: nothing was there before");
        first.subscribe("kept", 1);
        first.disconnect();
        let (mut second, connack) = Client::open(&broker, &durable);
        // MQTT 3.1 has no Session Present flag.
        assert_eq!(present(&connack), version != V3, "{version:?}");
        writer.publish("kept", "m", 1);
        second.receive("kept", "m");
        second.disconnect();
        Client::open(&broker, &Connect::new(version, format!("keeper{}", version.0))).0.disconnect();
    }
}

// [MQTT-4.5.0-1] [MQTT3-3.1.2-5] [MQTT3-4.5.0-1]
fn messages_wait_for_an_absent_client(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let durable = Connect::new(version, "absent").durable();
        let (mut reader, _) = Client::open(&broker, &durable);
        reader.subscribe("wait/#", 2);
        reader.disconnect();
        let mut writer = Client::clean(&broker, version, "writer");
        for (payload, qos) in [("zero", 0), ("one", 1), ("two", 2), ("three", 1)] {
            writer.publish("wait/here", payload, qos);
        }
        let (mut reader, _) = Client::open(&broker, &durable);
        for (payload, qos) in [("one", 1), ("two", 2), ("three", 1)] {
            let delivery = reader.receive("wait/here", payload);
            assert_eq!((delivery.qos, delivery.dup), (qos, false), "{payload}");
        }
        reader.expect_silence();
        reader.disconnect();
        Client::open(&broker, &Connect::new(version, "absent")).0.disconnect();
    }
}

fn queue_qos0_messages_keeps_qos_0_too(shards: usize) {
    let broker = Conf::open().line("queue_qos0_messages true").shards(shards).start();
    let durable = Connect::new(V4, "absent").durable();
    Client::open(&broker, &durable).0.subscribe("wait", 0);
    // The connection above is gone without DISCONNECT; a second one makes sure that the broker knows.
    Client::open(&broker, &durable).0.disconnect();
    Client::clean(&broker, V4, "writer").publish("wait", "zero", 0);
    let (mut reader, _) = Client::open(&broker, &durable);
    assert_eq!(reader.receive("wait", "zero").qos, 0);
}

// [MQTT-3.1.2-4] [MQTT-3.2.2-2] [MQTT3-3.1.2-6] [MQTT3-3.2.2-1]
fn clean_start_discards_everything(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let durable = Connect::new(version, "fresh").durable();
        let (mut reader, _) = Client::open(&broker, &durable);
        reader.subscribe("fresh", 1);
        reader.disconnect();
        let mut writer = Client::clean(&broker, version, "writer");
        writer.publish("fresh", "queued", 1);
        let (mut clean, connack) = Client::open(&broker, &Connect::new(version, "fresh"));
        assert!(!present(&connack));
        writer.publish("fresh", "live", 1);
        clean.expect_silence();
        clean.disconnect();
        let (_, connack) = Client::open(&broker, &durable);
        assert!(!present(&connack), "{version:?}: the clean session left nothing behind");
        Client::open(&broker, &Connect::new(version, "fresh")).0.disconnect();
    }
}

// In MQTT 5 the session outlives its connection only for the expiry interval.
#[test]
fn without_an_expiry_interval_a_v5_session_ends_with_its_connection() {
    let broker = Conf::open().start();
    let connect = Connect::new(V5, "short").resume();
    Client::open(&broker, &connect).0.disconnect();
    let (_, connack) = Client::open(&broker, &connect);
    assert!(!present(&connack));
}

// [MQTT-4.1.0-2]
fn a_session_expires(shards: usize) {
    let broker = Conf::open().line("sys_interval 1").shards(shards).start();
    let mut sys = Sys::watch(&broker);
    let connect = Connect::new(V5, "brief").property(prop::four(prop::SESSION_EXPIRY, 1));
    Client::open(&broker, &connect).0.disconnect();
    let gone = sys.until(15 * SECOND, |sys| sys.value("clients/expired") == Some("1"));
    assert!(gone, "clients/expired never became 1");
    let (_, connack) = Client::open(&broker, &connect.resume());
    assert!(!present(&connack));
}

#[test]
fn disconnect_can_end_a_session_or_lengthen_it() {
    let broker = Conf::open().start();
    let durable = Connect::new(V5, "changer").durable();
    let (mut client, _) = Client::open(&broker, &durable);
    client.send(packet(0xE0, [vec![0], block(&[prop::four(prop::SESSION_EXPIRY, 0)])].concat()));
    client.expect_close();
    let (mut client, connack) = Client::open(&broker, &durable);
    assert!(!present(&connack), "expiry 0 in DISCONNECT ends the session");
    client.send(packet(0xE0, [vec![0], block(&[prop::four(prop::SESSION_EXPIRY, 7200)])].concat()));
    client.expect_close();
    let (_, connack) = Client::open(&broker, &durable);
    assert!(present(&connack));
}

#[test]
fn disconnect_cannot_give_a_session_that_connect_did_not_ask_for() {
    let broker = Conf::open().start();
    let mut client = Client::clean(&broker, V5, "changer");
    client.send(packet(0xE0, [vec![0], block(&[prop::four(prop::SESSION_EXPIRY, 60)])].concat()));
    client.expect_disconnect(0x82);
}

#[test]
fn persistent_client_expiration_caps_old_clients() {
    if !broker::ours() {
        return; // Mosquitto 2.0 has no unit shorter than an hour.
    }
    let broker = Conf::open().line("sys_interval 1").line("persistent_client_expiration 1s").start();
    let mut sys = Sys::watch(&broker);
    Client::open(&broker, &Connect::new(V4, "old").durable()).0.disconnect();
    let gone = sys.until(20 * SECOND, |sys| sys.value("clients/expired") == Some("1"));
    assert!(gone, "clients/expired never became 1");
}

// [MQTT-3.1.4-3] [MQTT3-3.1.4-2], and the reason that MQTT 5 has for it.
fn a_second_connection_takes_over(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for (old, new) in [(V5, V5), (V4, V5), (V5, V4), (V4, V4), (V3, V3)] {
        let mut first = Client::clean(&broker, old, "same");
        let mut second = Client::clean(&broker, new, "same");
        if broker::ours() {
            first.expect_disconnect(0x8E);
        } else {
            first.expect_close();
        }
        second.expect_silence();
        second.disconnect();
    }
}

fn take_over_keeps_the_session_and_what_is_in_flight(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for (old, new) in [(V5, V5), (V4, V4), (V4, V5), (V5, V4)] {
        let (mut first, _) = Client::open(&broker, &Connect::new(old, "mover").durable());
        first.subscribe("move", 1);
        Client::clean(&broker, V4, "writer").publish("move", "m", 1);
        let before = first.delivery();
        let (mut second, connack) = Client::open(&broker, &Connect::new(new, "mover").durable());
        assert!(present(&connack));
        let again = second.receive("move", "m");
        assert_eq!((again.mid, again.qos, again.dup), (before.mid, 1, true));
        first.drain();
        second.expect_silence();
        second.disconnect();
        Client::open(&broker, &Connect::new(V4, "mover")).0.disconnect();
    }
}

// [MQTT-3.3.1-1] [MQTT-4.3.3-6] [MQTT-4.4.0-1] [MQTT3-3.3.1-1] [MQTT3-4.3.3-1] [MQTT3-4.4.0-1]: unacknowledged
// PUBLISH and PUBREL are sent again with their identifiers.
fn unacknowledged_messages_are_sent_again(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let durable = Connect::new(version, "again").durable();
        let (mut reader, _) = Client::open(&broker, &durable);
        reader.subscribe("q1", 1).subscribe("q2", 2);
        let mut writer = Client::clean(&broker, version, "writer");
        writer.publish("q1", "one", 1);
        writer.publish("q2", "two", 2);
        let (one, two) = (reader.delivery(), reader.delivery());
        reader.send(ack(PUBREC, two.mid));
        reader.expect(ack(PUBREL, two.mid));
        reader.cut();
        let (mut reader, _) = Client::open(&broker, &durable);
        reader.expect(Publish::new(version, "q1", "one").qos(1, one.mid).dup().bytes());
        reader.expect(ack(PUBREL, two.mid));
        reader.send(ack(PUBACK, one.mid));
        reader.send(ack(PUBCOMP, two.mid));
        reader.expect_silence();
        reader.disconnect();
        let (mut reader, _) = Client::open(&broker, &durable);
        reader.expect_silence();
        reader.disconnect();
        Client::open(&broker, &Connect::new(version, "again")).0.disconnect();
    }
}

// [MQTT-4.3.3-10] [MQTT3-4.3.3-2]: the identifier of an unreleased QoS 2 message survives the connection.
fn a_qos_2_publish_is_completed_on_the_next_connection(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("once", 2);
        let durable = Connect::new(version, "writer").durable();
        let (mut writer, _) = Client::open(&broker, &durable);
        let publish = Publish::new(version, "once", "m").qos(2, 0x1234);
        writer.send(publish.bytes());
        writer.expect(ack(PUBREC, 0x1234));
        writer.cut();
        let (mut writer, _) = Client::open(&broker, &durable);
        writer.send(publish.dup().bytes());
        writer.expect(ack(PUBREC, 0x1234));
        writer.send(ack(PUBREL, 0x1234));
        writer.expect(ack(PUBCOMP, 0x1234));
        writer.publish("once", "marker", 2);
        reader.receive("once", "m");
        reader.receive("once", "marker");
        writer.send(DISCONNECT);
        writer.expect_close();
        Client::open(&broker, &Connect::new(version, "writer")).0.disconnect();
    }
}

on_shards!(
    a_kept_session_is_resumed_with_its_subscriptions,
    messages_wait_for_an_absent_client,
    queue_qos0_messages_keeps_qos_0_too,
    clean_start_discards_everything,
    a_session_expires,
    a_second_connection_takes_over,
    take_over_keeps_the_session_and_what_is_in_flight,
    unacknowledged_messages_are_sent_again,
    a_qos_2_publish_is_completed_on_the_next_connection,
);
