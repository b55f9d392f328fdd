//! C: many subscriptions, and what they cost.

use std::time::Duration;

use crate::kit::decode::suback_codes;
use crate::kit::packet::{PINGREQ, PINGRESP, packet, sized, unsubscribe};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// Subscribes to all of these.
fn subscribe_all(client: &mut Client, filters: &[String]) {
    for some in filters.chunks(500) {
        let body: Vec<u8> = some.iter().flat_map(|filter| [sized(filter), vec![0]].concat()).collect();
        client.send(packet(0x82, [&[0, 1, 0][..], &body].concat()));
        assert_eq!(suback_codes(V5, &client.frame()), vec![0; some.len()]);
    }
}

/// Processor time that the broker spends on something.
fn cost(broker: &Broker, work: impl FnOnce()) -> Duration {
    let before = process::processor_time(broker.pid());
    work();
    process::processor_time(broker.pid()) - before
}

/// Every filter of so many levels that are `x` or `+`.
fn overlapping(levels: usize) -> Vec<String> {
    (0..1_usize << levels)
        .map(|bits| {
            let level = |place| if bits >> place & 1 == 1 { "+" } else { "x" };
            (0..levels).map(level).collect::<Vec<_>>().join("/")
        })
        .collect()
}

/// The cost of publishing to a topic again and again, and how many copies the client got.
fn matching(broker: &Broker, levels: usize) -> Duration {
    let mut client = Client::clean(broker, V5, "overlapping");
    let mut filters = overlapping(levels);
    filters.extend((0..100).map(|depth| "+/".repeat(depth) + "#"));
    subscribe_all(&mut client, &filters);
    let topic = vec!["x"; levels].join("/");
    let deep = vec!["x"; 100].join("/");
    let mut writer = Client::clean(broker, V5, "writer");
    let spent = cost(broker, || {
        for _ in 0..20 {
            writer.publish(&topic, "m", 1);
            client.receive(&topic, "m");
            writer.publish(&deep, "m", 1);
            client.receive(&deep, "m");
        }
    });
    client.expect_silence();
    [client, writer].into_iter().for_each(Client::disconnect);
    spent
}

// C14, G: the cost grows as the filters that match do, not as the ways to match. Scale: 8 292 filters instead of
// 10 000.
#[test]
fn c14_overlapping_wildcards() {
    let mut broker = target().line("allow_duplicate_messages false").start();
    let mut vitals = Vitals::begin(&broker);
    let few = matching(&broker, 11);
    vitals.during("C14", &mut broker);
    let many = matching(&broker, 13);
    println!("C14: 40 messages cost {few:?} with 2 148 filters and {many:?} with 8 292");
    assert!(many < few * 12, "four times the filters cost {many:?} instead of {few:?}");
    vitals.finish("C14 (overlapping wildcards)", &mut broker, Limits::of_connections(4));
}

/// Levels that hash alike in every polynomial of base 33 (`AB` and `B!`), and in one of base 31 (`Aa` and `BB`).
fn colliding(count: usize) -> Vec<String> {
    let pair = |number: usize, one: &str, other: &str| {
        (0..13).map(|bit| if number >> bit & 1 == 1 { one } else { other }.to_owned()).collect::<String>()
    };
    (0..count / 2).flat_map(|number| [pair(number, "AB", "B!"), pair(number, "Aa", "BB")]).collect()
}

/// Levels as long that have nothing in common.
fn scattered(count: usize) -> Vec<String> {
    (0..count as u64).map(|number| format!("{:026x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect()
}

// C15, G: levels that collide in the usual hashes cost what others do. Scale: 9 000 levels instead of 1 000 000.
#[test]
fn c15_levels_that_collide() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let round = |name: &str, levels: &[String]| {
        let mut client = Client::clean(&broker, V5, name);
        let spent = cost(&broker, || {
            subscribe_all(&mut client, levels);
            for level in levels.iter().step_by(10) {
                client.publish(level, "m", 0);
                client.receive(level, "m");
            }
        });
        client.disconnect();
        spent
    };
    let (usual, hostile) = (scattered(9_000), colliding(9_000));
    // The first round warms up.
    round("warm", &usual);
    let (plain, collided) = (round("plain", &usual), round("hostile", &hostile));
    println!("C15: {plain:?} for scattered levels, {collided:?} for colliding ones");
    assert!(collided < plain * 2, "colliding levels cost {collided:?} instead of {plain:?}");
    vitals.during("C15", &mut broker);
    vitals.finish("C15 (levels that collide)", &mut broker, Limits::of_connections(3));
}

// C16, C(CVE-2025-59946, CVE-2026-22040). Scale: 6 clients change 400 times each while 6 publish.
#[test]
fn c16_subscribing_while_publishing() {
    let mut broker = target().line("allow_duplicate_messages false").start();
    let mut vitals = Vitals::begin(&broker);
    let topics = ["busy/a", "busy/b", "busy/+", "busy/#", "$share/g/busy/#"];
    std::thread::scope(|scope| {
        for number in 0..6 {
            let broker = &broker;
            scope.spawn(move || change(broker, number, &topics));
            scope.spawn(move || {
                let mut writer = Client::clean(broker, V5, &format!("writer{number}"));
                for round in 0..1_000 {
                    writer.publish(["busy/a", "busy/b"][round % 2], "m", (round % 3) as u8);
                }
                writer.disconnect();
            });
        }
    });
    vitals.during("C16", &mut broker);
    // After all that a subscription is there once.
    let mut reader = Client::clean(&broker, V5, "reader");
    for filter in &topics[..4] {
        reader.subscribe(filter, 0);
        reader.subscribe(filter, 0);
    }
    let mut writer = Client::clean(&broker, V5, "last");
    writer.publish("busy/a", "marker", 0);
    reader.receive("busy/a", "marker");
    reader.expect_silence();
    [reader, writer].into_iter().for_each(Client::cut);
    vitals.finish("C16 (subscribing while publishing)", &mut broker, Limits::of_connections(14));
}

/// Subscribes and unsubscribes, and takes what comes in between.
fn change(broker: &Broker, number: usize, topics: &[&str]) {
    let mut client = Client::clean(broker, V5, &format!("changer{number}"));
    for round in 0..400 {
        let topic = topics[(round + number) % topics.len()];
        let subscribes = round % 2 == 0;
        let request = if subscribes {
            Subscribe::new(V5, 1, topic, 0).bytes()
        } else {
            unsubscribe(V5, 1, &[topics[(round + number - 1) % topics.len()]])
        };
        client.send(request);
        let wanted = if subscribes { 0x90 } else { 0xB0 };
        while client.frame()[0] != wanted {}
    }
    client.send(PINGREQ);
    while client.frame() != PINGRESP {}
    client.disconnect();
}

// C18, S C(2.0.13): retain handling, and shared subscriptions, which never get retained messages.
#[test]
fn c18_retain_handling() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.publish_retained("kept", "m", 1);
    // Options: QoS 1 and retain handling in bits 4 and 5. Told at a new subscription, and at a repeated one?
    for (handling, at_new, at_existing) in [(0, true, true), (1, true, false), (2, false, false)] {
        let mut reader = Client::clean(&broker, V5, "reader");
        for told in [at_new, at_existing, at_existing] {
            reader.subscribe("kept", handling << 4 | 1);
            if told {
                assert!(reader.receive("kept", "m").retain);
            }
            reader.expect_silence();
        }
        // Unsubscribed, it is new again.
        reader.send(unsubscribe(V5, 2, &["kept"]));
        assert_eq!(reader.frame()[0], 0xB0);
        reader.subscribe("kept", handling << 4 | 1);
        if at_new {
            reader.receive("kept", "m");
        }
        reader.expect_silence();
        reader.subscribe(&format!("$share/g{handling}/kept"), handling << 4 | 1);
        reader.subscribe(&format!("$share/g{handling}/#"), handling << 4 | 1);
        reader.expect_silence();
        reader.disconnect();
    }
    writer.publish_retained("kept", "", 1);
    writer.disconnect();
    vitals.finish("C18 (retain handling)", &mut broker, Limits::of_connections(4));
}
