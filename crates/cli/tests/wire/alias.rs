//! Topic aliases in both directions (MQTT 5).

use std::collections::HashMap;

use crate::kit::decode::{Delivery, properties};
use crate::kit::packet::prop;
use crate::kit::*;

/// A PUBLISH with a topic alias.
fn aliased(topic: &str, alias: u16, payload: &str) -> Vec<u8> {
    Publish::new(V5, topic, payload).property(prop::two(prop::TOPIC_ALIAS, alias)).bytes()
}

fn client_to_broker(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("#", 0);
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.send(aliased("first/topic", 1, "1"));
    writer.send(aliased("", 1, "2"));
    writer.send(aliased("second/topic", 10, "3"));
    writer.send(aliased("", 1, "4"));
    writer.send(aliased("", 10, "5"));
    writer.send(aliased("third/topic", 1, "6"));
    writer.send(aliased("", 1, "7"));
    for (topic, payload) in [
        ("first/topic", "1"),
        ("first/topic", "2"),
        ("second/topic", "3"),
        ("first/topic", "4"),
        ("second/topic", "5"),
        ("third/topic", "6"),
        ("third/topic", "7"),
    ] {
        reader.receive(topic, payload);
    }
}

#[test]
fn an_alias_above_the_announced_maximum_is_refused() {
    let broker = Conf::open().start();
    for alias in [11, 65535] {
        let mut writer = Client::clean(&broker, V5, "writer");
        writer.send(aliased("t", alias, "m"));
        writer.expect_disconnect(0x94);
    }
}

#[test]
fn an_unknown_alias_is_a_protocol_error() {
    let broker = Conf::open().start();
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.send(aliased("", 3, "m"));
    writer.expect_disconnect(0x82);
}

// Aliases belong to the connection, not to the session.
#[test]
fn a_new_connection_knows_no_aliases() {
    let broker = Conf::open().start();
    let durable = Connect::new(V5, "writer").durable();
    let (mut writer, _) = Client::open(&broker, &durable);
    writer.send(aliased("t", 1, "m"));
    writer.expect_silence();
    writer.disconnect();
    let (mut writer, _) = Client::open(&broker, &durable);
    writer.send(aliased("", 1, "m"));
    writer.expect_disconnect(0x82);
}

#[test]
fn max_topic_alias_changes_the_announcement() {
    let broker = Conf::open().line("max_topic_alias 3").start();
    let (mut writer, connack) = Client::open(&broker, &Connect::new(V5, "writer"));
    assert!(decode::connack_properties(&connack).contains(&(0x22, vec![0, 3])));
    writer.send(aliased("t", 3, "m"));
    writer.expect_silence();
    writer.send(aliased("t", 4, "m"));
    writer.expect_disconnect(0x94);
}

/// The topic that a delivery means, under the aliases that came before.
fn resolve(delivery: &Delivery, aliases: &mut HashMap<u16, String>) -> String {
    let alias = properties(&delivery.properties)
        .iter()
        .find(|(id, _)| *id == prop::TOPIC_ALIAS)
        .map(|(_, value)| u16::from_be_bytes([value[0], value[1]]));
    match (alias, delivery.topic.is_empty()) {
        (Some(alias), true) => aliases.get(&alias).expect("an alias must be introduced first").clone(),
        (Some(alias), false) => {
            aliases.insert(alias, delivery.topic.clone());
            delivery.topic.clone()
        }
        (None, empty) => {
            assert!(!empty, "neither a topic nor an alias");
            delivery.topic.clone()
        }
    }
}

// The broker may use at most what the client allows, and by default ten.
fn broker_to_client(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let connect = Connect::new(V5, "reader").property(prop::two(prop::TOPIC_ALIAS_MAXIMUM, 4));
    let (mut reader, _) = Client::open(&broker, &connect);
    reader.subscribe("#", 1);
    let mut writer = Client::clean(&broker, V4, "writer");
    let mut aliases = HashMap::new();
    let mut shortened = 0;
    for round in 0..10 {
        for topic in ["a/long/topic/name", "another/long/topic/name"] {
            writer.publish(topic, round.to_string(), 1);
            let delivery = reader.receive_any();
            assert_eq!(resolve(&delivery, &mut aliases), topic);
            shortened += usize::from(delivery.topic.is_empty());
        }
    }
    assert!(aliases.keys().all(|alias| (1..=4).contains(alias)), "{aliases:?}");
    assert!(shortened > 0 || !broker::ours(), "no alias was ever used");
    // Many topics: the table is full at some point and everything still arrives under its name.
    for number in 0..20 {
        let topic = format!("topic/{number}");
        writer.publish(&topic, "m", 1);
        assert_eq!(resolve(&reader.receive_any(), &mut aliases), topic);
    }
    assert!(aliases.keys().all(|alias| (1..=4).contains(alias)), "{aliases:?}");
}

#[test]
fn no_aliases_for_a_client_that_allows_none() {
    let broker = Conf::open().start();
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("t", 0);
    let mut writer = Client::clean(&broker, V4, "writer");
    for _ in 0..5 {
        writer.publish("t", "m", 0);
        assert!(reader.receive("t", "m").properties.is_empty());
    }
}

on_shards!(client_to_broker, broker_to_client);
