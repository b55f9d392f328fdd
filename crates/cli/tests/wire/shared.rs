//! Shared subscriptions: each message to one member, groups apart, members coming and going.

use std::collections::BTreeMap;

use crate::kit::packet::unsubscribe;
use crate::kit::*;

/// `count` members of the group `g` on `work/#`, spread over the shards by their names.
fn members(broker: &Broker, version: Version, count: usize) -> Vec<Client> {
    (0..count)
        .map(|n| {
            let mut member = Client::clean(broker, version, &format!("member{n}"));
            member.subscribe("$share/g/work/#", 1);
            member
        })
        .collect()
}

/// Sends `count` messages numbered from 0.
fn send_work(broker: &Broker, count: usize) {
    let mut writer = Client::clean(broker, V4, "writer");
    for number in 0..count {
        writer.publish("work/item", number.to_string(), 1);
    }
}

/// Everything that each client has received until its answer to a ping, as number → how often.
fn collect(clients: &mut [Client], total: usize) -> (Vec<usize>, BTreeMap<usize, usize>) {
    let mut shares = vec![0; clients.len()];
    let mut seen = BTreeMap::new();
    let complete = poll(10 * SECOND, || {
        for (index, client) in clients.iter_mut().enumerate() {
            while let Some(frame) = client.frame_within(SECOND / 50) {
                let delivery = decode::delivery(client.version(), &frame).expect("a PUBLISH");
                client.acknowledge(&delivery);
                *seen.entry(delivery.text().parse().unwrap()).or_insert(0) += 1;
                shares[index] += 1;
            }
        }
        (shares.iter().sum::<usize>() >= total).then_some(())
    });
    assert!(complete.is_some(), "only {shares:?} of {total} came");
    (shares, seen)
}

fn each_message_goes_to_one_member(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    for version in [V4, V5] {
        let mut members = members(&broker, version, 4);
        send_work(&broker, 80);
        let (shares, seen) = collect(&mut members, 80);
        assert_eq!(seen, (0..80).map(|n| (n, 1)).collect());
        assert!(shares.iter().all(|share| *share > 0), "somebody was left out: {shares:?}");
        for member in &mut members {
            member.expect_silence();
        }
    }
}

fn groups_and_ordinary_subscribers_are_independent(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut ordinary = Client::clean(&broker, V5, "ordinary");
    ordinary.subscribe("work/#", 1);
    let mut first = Client::clean(&broker, V5, "first");
    first.subscribe("$share/one/work/#", 1);
    let mut second = Client::clean(&broker, V5, "second");
    second.subscribe("$share/two/work/#", 1);
    send_work(&broker, 10);
    for client in [&mut ordinary, &mut first, &mut second] {
        for number in 0..10 {
            client.receive("work/item", &number.to_string());
        }
        client.expect_silence();
    }
}

fn a_member_that_leaves_gets_nothing_more(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let mut members = members(&broker, V5, 3);
    members[0].send(unsubscribe(V5, 0x21, &["$share/g/work/#"]));
    members[0].expect([0xB0, 4, 0, 0x21, 0, 0]);
    members.remove(1).disconnect();
    send_work(&broker, 20);
    for number in 0..20 {
        members[1].receive("work/item", &number.to_string());
    }
    members[0].expect_silence();
}

// Retained messages are never sent to a shared subscription.
fn retained_messages_are_not_replayed(shards: usize) {
    if !broker::ours() {
        return; // Mosquitto replays them until 2.0.13.
    }
    let broker = Conf::open().shards(shards).start();
    Client::clean(&broker, V5, "writer").publish_retained("work/kept", "m", 1);
    let mut members = members(&broker, V5, 2);
    for member in &mut members {
        member.expect_silence();
    }
}

// [MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription_is_an_error() {
    if !broker::ours() {
        return; // Mosquitto 2.0 grants it.
    }
    let broker = Conf::open().start();
    let mut client = Client::clean(&broker, V5, "client");
    client.send(Subscribe::new(V5, 1, "$share/g/t", 0x04).bytes());
    client.expect_disconnect(0x82);
}

// An offline member's share goes to those who are there.
fn an_absent_member_does_not_swallow_messages(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let (mut absent, _) = Client::open(&broker, &Connect::new(V5, "absent").durable());
    absent.subscribe("$share/g/work/#", 1);
    absent.disconnect();
    let mut present = members(&broker, V5, 1);
    send_work(&broker, 10);
    if broker::ours() {
        let (_, seen) = collect(&mut present, 10);
        assert_eq!(seen, (0..10).map(|n| (n, 1)).collect());
    }
}

on_shards!(
    each_message_goes_to_one_member,
    groups_and_ordinary_subscribers_are_independent,
    a_member_that_leaves_gets_nothing_more,
    retained_messages_are_not_replayed,
    an_absent_member_does_not_swallow_messages,
);
