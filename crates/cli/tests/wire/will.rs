//! Wills: when they are sent, with what, and when not.

use crate::kit::decode::properties;
use crate::kit::packet::{DISCONNECT, packet, prop};
use crate::kit::*;

const VERSIONS: [Version; 3] = [V3, V4, V5];

/// A watcher of `will` at QoS 2.
fn watcher(broker: &Broker) -> Client {
    let mut watcher = Client::clean(broker, V5, "watcher");
    watcher.subscribe("will/#", 2);
    watcher
}

// [MQTT-3.1.2-8] [MQTT-3.1.2-14] [MQTT3-3.1.2-8] [MQTT3-3.1.2-16]
fn a_cut_connection_sends_the_will(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    for version in VERSIONS {
        for qos in 0..=2 {
            let will = Publish::new(version, "will/cut", "gone").qos(qos, 0);
            let (client, _) = Client::open(&broker, &Connect::new(version, "mortal").will(will));
            client.cut();
            let delivery = watcher.receive("will/cut", "gone");
            assert_eq!((delivery.qos, delivery.retain), (qos, false), "{version:?}");
        }
    }
}

// [MQTT-3.1.2-10] [MQTT-3.14.4-3] [MQTT3-3.1.2-10] [MQTT3-3.14.4-3]
fn disconnect_discards_the_will(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    for version in VERSIONS {
        let will = Publish::new(version, "will/bye", "never");
        Client::open(&broker, &Connect::new(version, "polite").will(will)).0.disconnect();
        // A second life of the same client: whatever the first left behind comes before this.
        let will = Publish::new(version, "will/cut", "now");
        Client::open(&broker, &Connect::new(version, "polite").will(will)).0.cut();
        watcher.receive("will/cut", "now");
    }
}

#[test]
fn disconnect_with_will_message_sends_it() {
    let broker = Conf::open().start();
    let mut watcher = watcher(&broker);
    let will = Publish::new(V5, "will/asked", "sent");
    let (mut client, _) = Client::open(&broker, &Connect::new(V5, "asker").will(will));
    client.send(packet(0xE0, [0x04]));
    client.expect_close();
    watcher.receive("will/asked", "sent");
}

fn a_violation_sends_the_will(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    for version in VERSIONS {
        let will = Publish::new(version, "will/bad", "sent");
        let (mut client, _) = Client::open(&broker, &Connect::new(version, "bad").will(will));
        client.send([0x36, 5, 0, 1, b't', 0, 1]);
        watcher.receive("will/bad", "sent");
        assert!(client.drain().1, "{version:?}");
    }
}

fn keepalive_expiry_sends_the_will(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    let will = Publish::new(V4, "will/silent", "sent");
    let (_client, _) = Client::open(&broker, &Connect::new(V4, "silent").keepalive(1).will(will));
    watcher.receive("will/silent", "sent");
}

fn take_over_sends_the_will(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    for version in VERSIONS {
        let will = Publish::new(version, "will/taken", "sent");
        let (_first, _) = Client::open(&broker, &Connect::new(version, "same").will(will));
        let second = Client::clean(&broker, version, "same");
        watcher.receive("will/taken", "sent");
        second.disconnect();
    }
}

// [MQTT-3.1.2-15] [MQTT3-3.1.2-17]
fn a_retained_will_is_retained(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    for version in VERSIONS {
        let will = Publish::new(version, "will/kept", "state").qos(1, 0).retain();
        Client::open(&broker, &Connect::new(version, "mortal").will(will)).0.cut();
        watcher.receive("will/kept", "state");
        let mut late = Client::clean(&broker, version, "late");
        assert!(late.subscribe("will/kept", 1).receive("will/kept", "state").retain);
        late.publish_retained("will/kept", "", 0);
        late.receive("will/kept", "");
        watcher.receive("will/kept", "");
    }
}

#[test]
fn an_empty_will_payload_is_sent() {
    let broker = Conf::open().start();
    let mut watcher = watcher(&broker);
    for version in VERSIONS {
        let will = Publish::new(version, "will/empty", "");
        Client::open(&broker, &Connect::new(version, "mortal").will(will)).0.cut();
        watcher.receive("will/empty", "");
    }
}

fn will_delay_waits(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    let connect = Connect::new(V5, "slow")
        .durable()
        .will(Publish::new(V5, "will/late", "sent"))
        .will_property(prop::four(prop::WILL_DELAY, 1));
    let cut = std::time::Instant::now();
    Client::open(&broker, &connect).0.cut();
    watcher.receive("will/late", "sent");
    assert!(cut.elapsed() >= SECOND, "sent after {:?}", cut.elapsed());
}

// [MQTT-3.1.3-9]
fn coming_back_in_time_cancels_a_delayed_will(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    let connect = Connect::new(V5, "returns").durable();
    let delayed = connect
        .clone()
        .will(Publish::new(V5, "will/late", "never"))
        .will_property(prop::four(prop::WILL_DELAY, 1));
    Client::open(&broker, &delayed).0.cut();
    let (_back, _) = Client::open(&broker, &connect);
    // Another client's will of twice the delay comes first.
    let other = Connect::new(V5, "other")
        .durable()
        .will(Publish::new(V5, "will/other", "marker"))
        .will_property(prop::four(prop::WILL_DELAY, 2));
    Client::open(&broker, &other).0.cut();
    watcher.receive("will/other", "marker");
}

// The session's end overtakes the delay, whichever is sooner.
fn the_end_of_the_session_sends_a_delayed_will(shards: usize) {
    if !broker::ours() {
        return; // Mosquitto 2.0 waits for the whole delay.
    }
    let broker = Conf::open().shards(shards).start();
    let mut watcher = watcher(&broker);
    let connect = Connect::new(V5, "ends")
        .will(Publish::new(V5, "will/end", "sent"))
        .will_property(prop::four(prop::WILL_DELAY, 3600));
    Client::open(&broker, &connect).0.cut();
    watcher.receive("will/end", "sent");
    let expiring = connect.property(prop::four(prop::SESSION_EXPIRY, 1));
    Client::open(&broker, &expiring).0.cut();
    watcher.receive("will/end", "sent");
}

// [MQTT-3.1.3-10]
#[test]
fn will_properties_travel_with_it() {
    let broker = Conf::open().start();
    let mut watcher = watcher(&broker);
    let connect = Connect::new(V5, "mortal")
        .will(Publish::new(V5, "will/props", "m"))
        .will_property(prop::user("a", "1"))
        .will_property(prop::byte(prop::PAYLOAD_FORMAT, 1))
        .will_property(prop::text(prop::CONTENT_TYPE, "text"))
        .will_property(prop::user("b", "2"));
    Client::open(&broker, &connect).0.cut();
    let delivery = watcher.receive("will/props", "m");
    let ids: Vec<u8> = properties(&delivery.properties).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.iter().filter(|id| **id == 0x26).count(), 2);
    assert!(ids.contains(&0x01) && ids.contains(&0x03), "{ids:?}");
    assert_eq!(ids.len(), 4, "{ids:?}");
}

#[test]
fn a_will_is_not_sent_for_a_refused_connect() {
    let broker = Conf::accounts().start();
    let (mut watcher, _) = Client::open(&broker, &Connect::new(V5, "watcher").login("alice", "secret"));
    watcher.subscribe("will/#", 2);
    let mut refused = Client::raw(&broker, V4);
    let will = Publish::new(V4, "will/no", "never");
    refused.send(Connect::new(V4, "refused").login("bob", "wrong").will(will).bytes());
    refused.expect([0x20, 2, 0, 5]);
    refused.expect_close();
    watcher.publish("will/marker", "m", 0);
    watcher.receive("will/marker", "m");
}

#[test]
fn stopping_the_broker_closes_with_a_reason() {
    let mut broker = Conf::open().start();
    let mut client = Client::clean(&broker, V5, "last");
    client.send(DISCONNECT);
    client.expect_close();
    let mut client = Client::clean(&broker, V5, "last");
    assert_eq!(broker.stop(), Some(0));
    let (bytes, closed) = client.drain();
    assert!(closed);
    assert!(bytes.is_empty() || decode::reason(&bytes) == Some(0x8B), "{}", hex::dump(&bytes));
}

on_shards!(
    a_cut_connection_sends_the_will,
    disconnect_discards_the_will,
    a_violation_sends_the_will,
    keepalive_expiry_sends_the_will,
    take_over_sends_the_will,
    a_retained_will_is_retained,
    will_delay_waits,
    coming_back_in_time_cancels_a_delayed_will,
    the_end_of_the_session_sends_a_delayed_will,
);
