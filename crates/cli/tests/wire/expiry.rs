//! Message expiry (MQTT 5): the remaining time is sent, and an expired message never.

use crate::kit::decode::properties;
use crate::kit::packet::prop;
use crate::kit::*;

/// A message that lives for some seconds.
fn mortal(topic: &str, payload: &str, seconds: u32) -> Publish {
    Publish::new(V5, topic, payload).qos(1, 1).property(prop::four(prop::MESSAGE_EXPIRY, seconds))
}

/// The remaining seconds of a delivery.
fn remaining(delivery: &decode::Delivery) -> Option<u32> {
    properties(&delivery.properties)
        .into_iter()
        .find(|(id, _)| *id == prop::MESSAGE_EXPIRY)
        .map(|(_, value)| u32::from_be_bytes(value.try_into().unwrap()))
}

/// Lets time pass on a connection that must stay silent meanwhile.
fn wait_in_silence(client: &mut Client, milliseconds: u64) {
    assert_eq!(client.frame_within(std::time::Duration::from_millis(milliseconds)), None);
}

#[test]
fn a_live_delivery_carries_the_interval() {
    let broker = Conf::open().start();
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("e", 1);
    let mut writer = Client::clean(&broker, V5, "writer");
    for seconds in [100, u32::MAX] {
        writer.send(mortal("e", "m", seconds).bytes());
        writer.frame();
        let left = remaining(&reader.receive("e", "m")).expect("an expiry interval");
        assert!(left == seconds || left == seconds - 1, "{left} of {seconds}");
    }
}

fn a_queued_message_ages_and_dies(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let durable = Connect::new(V5, "reader").durable();
    let (mut reader, _) = Client::open(&broker, &durable);
    reader.subscribe("e", 1);
    reader.disconnect();
    let mut writer = Client::clean(&broker, V5, "writer");
    for publish in [mortal("e", "long", 100), mortal("e", "short", 1), mortal("e", "long too", 50)] {
        writer.send(publish.bytes());
        writer.frame();
    }
    wait_in_silence(&mut writer, 2100);
    let (mut reader, _) = Client::open(&broker, &durable);
    let left = remaining(&reader.receive("e", "long")).expect("an expiry interval");
    assert!((90..=98).contains(&left), "{left}");
    let left = remaining(&reader.receive("e", "long too")).expect("an expiry interval");
    assert!((40..=48).contains(&left), "{left}");
    reader.expect_silence();
}

fn a_retained_message_ages_and_dies(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut writer = Client::clean(&broker, V5, "writer");
    for publish in [mortal("r/long", "m", 100), mortal("r/short", "m", 1)] {
        writer.send(publish.retain().bytes());
        writer.frame();
    }
    wait_in_silence(&mut writer, 2100);
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("r/#", 0);
    let delivery = reader.receive("r/long", "m");
    let left = remaining(&delivery).expect("an expiry interval");
    assert!((90..=98).contains(&left), "{left}");
    reader.expect_silence();
}

on_shards!(a_queued_message_ages_and_dies, a_retained_message_ages_and_dies);
