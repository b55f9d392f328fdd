//! SUBSCRIBE and SUBACK, matching, overlapping subscriptions, identifiers, No Local.

use crate::kit::decode::properties;
use crate::kit::packet::prop;
use crate::kit::*;

const VERSIONS: [Version; 3] = [V3, V4, V5];

/// Subscription option: No Local.
const NO_LOCAL: u8 = 0x04;

// [MQTT-2.2.1-6] [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]
// [MQTT3-2.3.1-7] [MQTT3-3.8.4-1] [MQTT3-3.8.4-2] [MQTT3-3.8.4-4] [MQTT3-3.8.4-5] [MQTT3-3.9.3-1]
#[test]
fn suback_has_a_code_for_each_filter_in_order() {
    let broker = Conf::open().start();
    for version in VERSIONS {
        let mut client = Client::clean(&broker, version, "client");
        let subscribe = Subscribe::new(version, 0x0102, "a", 2)
            .filter("b", 0)
            .filter("c/#", 1)
            .filter("$SYS/broker/none", 2);
        client.send(subscribe.bytes());
        if version == V5 {
            client.expect([0x90, 7, 1, 2, 0, 2, 0, 1, 2]);
        } else {
            client.expect([0x90, 6, 1, 2, 2, 0, 1, 2]);
        }
        client.expect_silence();
    }
}

// Every pair is published, whether it matches or not, so that a false match shows up as well.
// [MQTT-3.3.2-3] [MQTT-4.7.2-1] [MQTT-4.7.3-4] [MQTT3-3.3.2-3] [MQTT3-3.8.3-2] [MQTT3-4.7.2-1] [MQTT3-4.7.3-4]
fn matching(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let cases = [
        ("a/b/c", "a/b/c", true),
        ("a/b/c", "a/b/d", false),
        ("a/+/c", "a/b/c", true),
        ("a/+/c", "a//c", true),
        ("a/+", "a/b/c", false),
        ("a/#", "a", true),
        ("a/#", "a/", true),
        ("a/#", "a/b/c/d", true),
        ("#", "/", true),
        ("#", "$foo/x", false),
        ("+/x", "$foo/x", false),
        ("$foo/#", "$foo/x", true),
        ("$foo/+", "$foo/x", true),
        ("+", "a", true),
        ("+", "/a", false),
        ("+/+", "/a", true),
        ("/+", "/a", true),
        ("a/", "a", false),
        ("a", "a/", false),
        ("A", "a", false),
        ("é/+", "é/é", true),
        ("a b/#", "a b/c", true),
    ];
    let mut writer = Client::clean(&broker, V4, "writer");
    for (filter, topic, matches) in cases {
        let mut reader = Client::clean(&broker, V4, "reader");
        reader.subscribe(filter, 0).subscribe("marker", 0);
        writer.publish(topic, "m", 0);
        writer.publish("marker", "", 0);
        let first = reader.delivery().topic;
        // `#` and `+` match the marker too: once for each subscription.
        assert_eq!(first == topic, matches, "filter {filter:?}, topic {topic:?}, came {first:?}");
        reader.cut();
    }
}

// Mosquitto 2.1: one copy for each subscription, at that subscription's QoS. [MQTT-3.3.4-2] [MQTT3-3.3.5-1]
fn overlapping_subscriptions_get_a_copy_each(shards: usize) {
    let broker = Conf::open().line("allow_duplicate_messages true").shards(shards).start();
    for version in VERSIONS {
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("over/lap", 0).subscribe("over/+", 1).subscribe("over/#", 2);
        Client::clean(&broker, version, "writer").publish("over/lap", "m", 2);
        let mut grades: Vec<u8> = (0..3).map(|_| reader.receive_any().qos).collect();
        grades.sort_unstable();
        assert_eq!(grades, [0, 1, 2], "{version:?}");
        reader.expect_silence();
    }
}

#[test]
fn duplicates_can_be_switched_off() {
    let broker = Conf::open().line("allow_duplicate_messages false").start();
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("over/lap", 1).subscribe("over/#", 1);
    Client::clean(&broker, V4, "writer").publish("over/lap", "m", 1);
    reader.receive("over/lap", "m");
    reader.expect_silence();
}

// [MQTT-3.8.4-3] [MQTT3-3.8.4-3]: the same filter again replaces the subscription.
fn subscribing_again_replaces(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("same", 2).subscribe("same", 1);
        Client::clean(&broker, version, "writer").publish("same", "m", 2);
        assert_eq!(reader.receive("same", "m").qos, 1);
        reader.expect_silence();
    }
}

/// Subscribes with a subscription identifier.
fn subscribe_with_id(client: &mut Client, filter: &str, id: usize) {
    let subscribe = Subscribe::new(V5, 1, filter, 1).property(prop::var(prop::SUBSCRIPTION_ID, id)).bytes();
    client.send(subscribe);
    client.expect([0x90, 4, 0, 1, 0, 1]);
}

// [MQTT-3.3.4-3] [MQTT-3.3.4-5]
fn subscription_identifiers_come_back(shards: usize) {
    let broker = Conf::open().line("allow_duplicate_messages true").shards(shards).start();
    let mut reader = Client::clean(&broker, V5, "reader");
    subscribe_with_id(&mut reader, "id/one", 1);
    subscribe_with_id(&mut reader, "id/#", 268_435_455);
    reader.subscribe("id/+", 1);
    Client::clean(&broker, V4, "writer").publish("id/one", "m", 1);
    let mut ids: Vec<Vec<(u8, Vec<u8>)>> =
        (0..3).map(|_| properties(&reader.receive_any().properties)).collect();
    ids.sort();
    let wanted = [vec![], vec![(0x0B, vec![1])], vec![(0x0B, vec![0xFF, 0xFF, 0xFF, 0x7F])]];
    assert_eq!(ids, wanted);
    // A changed identifier replaces the old one, and none removes it.
    subscribe_with_id(&mut reader, "only", 5);
    subscribe_with_id(&mut reader, "only", 6);
    Client::clean(&broker, V4, "writer").publish("only", "m", 1);
    assert_eq!(properties(&reader.receive("only", "m").properties), [(0x0B, vec![6])]);
    reader.subscribe("only", 1);
    Client::clean(&broker, V4, "writer").publish("only", "m", 1);
    assert_eq!(properties(&reader.receive("only", "m").properties), []);
}

fn a_retained_replay_carries_the_identifier(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    Client::clean(&broker, V4, "writer").publish_retained("id/kept", "m", 1);
    let mut reader = Client::clean(&broker, V5, "reader");
    subscribe_with_id(&mut reader, "id/kept", 7);
    assert_eq!(properties(&reader.receive("id/kept", "m").properties), [(0x0B, vec![7])]);
}

// [MQTT-3.8.3-3]
fn no_local_keeps_own_messages_away(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut loner = Client::clean(&broker, V5, "loner");
    loner.subscribe("echo", NO_LOCAL).subscribe("marker", 0);
    loner.publish("echo", "own", 0);
    loner.publish("marker", "", 0);
    loner.receive("marker", "");
    Client::clean(&broker, V5, "other").publish("echo", "foreign", 0);
    loner.receive("echo", "foreign");
}

fn a_client_hears_itself(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut client = Client::clean(&broker, version, "self");
        client.subscribe("echo", 1);
        client.send(Publish::new(version, "echo", "m").qos(1, 9).bytes());
        let mut kinds = [client.frame()[0] & 0xF0, client.frame()[0] & 0xF0];
        kinds.sort_unstable();
        assert_eq!(kinds, [0x30, 0x40]);
    }
}

// A granted subscription is in force: a publish that starts after SUBACK is seen, wherever it starts.
fn after_suback_nothing_is_missed(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut reader = Client::clean(&broker, V4, "reader");
    let mut writers: Vec<Client> =
        (0..16).map(|n| Client::clean(&broker, V4, &format!("writer{n}"))).collect();
    for round in 0..20 {
        for (number, writer) in writers.iter_mut().enumerate() {
            let topic = format!("fresh/{round}/{number}");
            reader.subscribe(&topic, 0);
            writer.send(Publish::new(V4, &topic, "m").bytes());
            reader.receive(&topic, "m");
        }
    }
}

// [MQTT-3.8.4-7] [MQTT3-3.8.4-5] [MQTT3-3.9.3-2]
#[test]
fn refuse_subscribe_refuses_exactly_that_filter() {
    if !broker::ours() {
        return;
    }
    let broker = Conf::open().line("refuse_subscribe #").start();
    for (version, code) in [(V4, 0x80), (V5, 0x87)] {
        let mut client = Client::clean(&broker, version, "curious");
        client.send(Subscribe::new(version, 1, "#", 0).filter("xpert2018/#", 0).bytes());
        let suback = client.frame();
        assert_eq!(decode::suback_codes(version, &suback), [code, 0]);
    }
}

on_shards!(
    matching,
    overlapping_subscriptions_get_a_copy_each,
    subscribing_again_replaces,
    subscription_identifiers_come_back,
    a_retained_replay_carries_the_identifier,
    no_local_keeps_own_messages_away,
    a_client_hears_itself,
    after_suback_nothing_is_missed,
);
