//! Properties that a broker carries and does not understand (MQTT 5).

use crate::kit::decode::properties;
use crate::kit::packet::prop;
use crate::kit::*;

/// Properties in an order nobody would choose, user properties between the others.
fn odd_order() -> Vec<Vec<u8>> {
    vec![
        prop::user("z", "1"),
        prop::text(prop::CORRELATION_DATA, [0, 255, 1]),
        prop::user("a", "2"),
        prop::text(prop::RESPONSE_TOPIC, "answer/here"),
        prop::byte(prop::PAYLOAD_FORMAT, 1),
        prop::user("a", "2"),
        prop::text(prop::CONTENT_TYPE, "text/plain"),
        prop::user("", ""),
    ]
}

fn publish_odd(topic: &str) -> Publish {
    odd_order().into_iter().fold(Publish::new(V5, topic, "m").qos(1, 1), Publish::property)
}

// Mosquitto keeps the publisher's order; the standard demands it for user properties [MQTT-3.3.2-18].
fn properties_arrive_in_the_publishers_order(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("p", 1);
    let mut old = Client::clean(&broker, V4, "old");
    old.subscribe("p", 1);
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.send(publish_odd("p").bytes());
    writer.frame();
    assert_eq!(reader.receive("p", "m").properties, odd_order().concat());
    old.receive("p", "m");
    // And nothing is invented for a message that has none.
    writer.publish("p", "bare", 1);
    assert!(reader.receive("p", "bare").properties.is_empty());
}

fn retained_messages_keep_theirs(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.send(publish_odd("kept").retain().bytes());
    writer.frame();
    let mut reader = Client::clean(&broker, V5, "reader");
    assert_eq!(reader.subscribe("kept", 1).receive("kept", "m").properties, odd_order().concat());
}

fn queued_messages_keep_theirs(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let durable = Connect::new(V5, "absent").durable();
    let (mut reader, _) = Client::open(&broker, &durable);
    reader.subscribe("queued", 1);
    reader.disconnect();
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.send(publish_odd("queued").bytes());
    writer.frame();
    let (mut reader, _) = Client::open(&broker, &durable);
    assert_eq!(reader.receive("queued", "m").properties, odd_order().concat());
}

fn request_and_response(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut responder = Client::clean(&broker, V5, "responder");
    responder.subscribe("service", 1);
    let mut requester = Client::clean(&broker, V5, "requester");
    requester.subscribe("answer/me", 1);
    let request = Publish::new(V5, "service", "question")
        .property(prop::text(prop::RESPONSE_TOPIC, "answer/me"))
        .property(prop::text(prop::CORRELATION_DATA, "42"));
    requester.send(request.bytes());
    let asked = properties(&responder.receive("service", "question").properties);
    let value = |id| asked.iter().find(|(i, _)| *i == id).map(|(_, value)| value[2..].to_vec()).unwrap();
    let topic = String::from_utf8(value(prop::RESPONSE_TOPIC)).unwrap();
    let response = Publish::new(V5, &topic, "reply")
        .property(prop::text(prop::CORRELATION_DATA, value(prop::CORRELATION_DATA)));
    responder.send(response.bytes());
    let answer = requester.receive("answer/me", "reply");
    assert_eq!(answer.properties, prop::text(prop::CORRELATION_DATA, "42"));
}

on_shards!(
    properties_arrive_in_the_publishers_order,
    retained_messages_keep_theirs,
    queued_messages_keep_theirs,
    request_and_response,
);
