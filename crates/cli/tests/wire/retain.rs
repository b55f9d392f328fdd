//! Retained messages: stored, replayed, replaced, deleted, and the three subscription options about them.

use crate::kit::*;

/// Subscription option: Retain As Published.
const RETAIN_AS_PUBLISHED: u8 = 0x08;
/// Subscription option: send retained messages only when the subscription is new.
const ONLY_IF_NEW: u8 = 0x10;
/// Subscription option: never send retained messages.
const NEVER: u8 = 0x20;

const VERSIONS: [Version; 3] = [V3, V4, V5];

// [MQTT-3.3.1-5] [MQTT-3.3.1-9] [MQTT3-3.3.1-5] [MQTT3-3.3.1-6] [MQTT3-3.3.1-7] [MQTT3-3.3.1-8]
fn a_retained_message_meets_the_next_subscriber(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut writer = Client::clean(&broker, version, "writer");
        for qos in 0..=2 {
            let payload = format!("payload {qos}");
            writer.publish_retained("keep/this", &payload, qos);
            let mut reader = Client::clean(&broker, version, "reader");
            let delivery = reader.subscribe("keep/+", 1).receive("keep/this", &payload);
            assert_eq!((delivery.retain, delivery.qos, delivery.dup), (true, qos.min(1), false));
            reader.expect_silence();
            reader.disconnect();
        }
    }
}

// [MQTT-3.3.1-12] [MQTT3-3.3.1-9]
fn an_established_subscription_sees_retain_0(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut reader = Client::clean(&broker, version, "reader");
        reader.subscribe("live", 1);
        Client::clean(&broker, version, "writer").publish_retained("live", "m", 1);
        assert!(!reader.receive("live", "m").retain);
        Client::clean(&broker, version, "writer").publish_retained("live", "", 1);
        reader.receive("live", "");
    }
}

// [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT3-3.3.1-10] [MQTT3-3.3.1-11]
fn an_empty_payload_deletes(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in VERSIONS {
        let mut writer = Client::clean(&broker, version, "writer");
        writer.publish_retained("gone", "m", 1);
        let mut live = Client::clean(&broker, version, "live");
        live.subscribe("gone", 0).receive("gone", "m");
        writer.publish_retained("gone", "", 1);
        live.receive("gone", "");
        let mut late = Client::clean(&broker, version, "late");
        late.subscribe("gone", 0).expect_silence();
    }
}

// [MQTT-3.3.1-8] [MQTT3-3.3.1-12]
fn a_publish_without_retain_changes_nothing(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V4, "writer");
    writer.publish_retained("same", "old", 1);
    writer.publish("same", "passing", 1);
    writer.publish("same", "", 1);
    let mut late = Client::clean(&broker, V4, "late");
    late.subscribe("same", 0).receive("same", "old");
    late.expect_silence();
}

// [MQTT-3.8.4-4] [MQTT3-3.3.1-6] [MQTT3-3.8.4-3]: every SUBSCRIBE replays, also of a filter that the client has
// already.
fn resubscribing_replays(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    Client::clean(&broker, V4, "writer").publish_retained("again", "m", 1);
    let mut reader = Client::clean(&broker, V4, "reader");
    for _ in 0..3 {
        assert!(reader.subscribe("again", 0).receive("again", "m").retain);
    }
}

// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
fn retain_handling_options(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    Client::clean(&broker, V4, "writer").publish_retained("rh", "m", 1);
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("rh", NEVER).expect_silence();
    reader.subscribe("rh", ONLY_IF_NEW).expect_silence();
    reader.subscribe("rh", 0).receive("rh", "m");
    let mut new = Client::clean(&broker, V5, "new");
    new.subscribe("rh", ONLY_IF_NEW).receive("rh", "m");
    new.subscribe("rh", ONLY_IF_NEW).expect_silence();
}

// [MQTT-3.3.1-13]
fn retain_as_published(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V5, "writer");
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("rap", 1 | RETAIN_AS_PUBLISHED);
    writer.publish_retained("rap", "m", 1);
    assert!(reader.receive("rap", "m").retain);
    writer.publish("rap", "n", 1);
    assert!(!reader.receive("rap", "n").retain);
    // A replay carries RETAIN whatever the option says.
    let mut late = Client::clean(&broker, V5, "late");
    assert!(late.subscribe("rap", 1).receive("rap", "m").retain);
}

// What is acknowledged is visible to whoever subscribes afterwards, wherever that client lives.
fn an_acknowledged_retained_message_is_there_for_everybody(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V4, "writer");
    let mut readers: Vec<Client> =
        (0..16).map(|n| Client::clean(&broker, V4, &format!("reader{n}"))).collect();
    for round in 0..10 {
        let topic = format!("seen/{round}");
        writer.publish_retained(&topic, "m", 1);
        for reader in &mut readers {
            reader.subscribe(&topic, 0).receive(&topic, "m");
        }
    }
}

fn wildcards_replay_every_match(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V4, "writer");
    let topics = ["w", "w/a", "w/a/b", "w/b", "w//b", "/w", "x/a"];
    for topic in topics {
        writer.publish_retained(topic, "m", 1);
    }
    for (filter, wanted) in [
        ("#", &topics[..]),
        ("w/#", &["w", "w/a", "w/a/b", "w/b", "w//b"]),
        ("w/+", &["w/a", "w/b"]),
        ("+/+", &["w/a", "w/b", "/w", "x/a"]),
        ("w/+/b", &["w/a/b", "w//b"]),
        ("+", &["w"]),
        ("/#", &["/w"]),
    ] {
        let mut reader = Client::clean(&broker, V4, "reader");
        reader.subscribe(filter, 0);
        let mut seen: Vec<String> = wanted.iter().map(|_| reader.delivery().topic).collect();
        reader.expect_silence();
        let mut wanted = wanted.to_vec();
        seen.sort();
        wanted.sort_unstable();
        assert_eq!(seen, wanted, "{filter}");
        reader.disconnect();
    }
}

#[test]
fn retain_available_false_is_announced_and_enforced() {
    let broker = Conf::open().line("retain_available false").start();
    let (mut writer, connack) = Client::open(&broker, &Connect::new(V5, "writer"));
    assert!(decode::connack_properties(&connack).contains(&(0x25, vec![0])));
    writer.send(Publish::new(V5, "t", "m").retain().bytes());
    writer.expect_disconnect(0x9A);
    let mut old = Client::clean(&broker, V4, "old");
    old.send(Publish::new(V4, "t", "m").retain().bytes());
    old.expect_close();
    let mut will = Client::raw(&broker, V5);
    will.send(Connect::new(V5, "will").will(Publish::new(V5, "t", "m").retain()).bytes());
    will.expect([0x20, 3, 0, 0x9A, 0]);
    will.expect_close();
}

on_shards!(
    a_retained_message_meets_the_next_subscriber,
    an_established_subscription_sees_retain_0,
    an_empty_payload_deletes,
    a_publish_without_retain_changes_nothing,
    resubscribing_replays,
    retain_handling_options,
    retain_as_published,
    an_acknowledged_retained_message_is_there_for_everybody,
    wildcards_replay_every_match,
);
