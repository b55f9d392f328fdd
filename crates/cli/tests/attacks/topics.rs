//! C: topics and subscriptions, the cases with volume or several parties.

use crate::kit::decode::suback_codes;
use crate::kit::packet::{packet, prop, sized, unsubscribe};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

// C05, C(CVE-2025-68699): the delivery path must not meet what SUBSCRIBE refused.
#[test]
fn c05_refused_shared_filters_leave_nothing_behind() {
    if !broker::ours() {
        return; // Mosquitto 2.0.11 grants some of them.
    }
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let filters = ["$share//a", "$share/", "$share/g", "$share/g/", "$share/+/a", "$share/g#/a"];
    for filter in filters {
        let (mut client, _) = Client::open(&broker, &Connect::new(V5, "sharer").durable());
        client.send(Subscribe::new(V5, 1, filter, 1).bytes());
        client.drain_within(SECOND / 2);
    }
    let mut writer = Client::clean(&broker, V4, "writer");
    for topic in ["a", "g", "g/", "/a", "/"] {
        writer.publish(topic, "m", 1);
    }
    vitals.during("C05", &mut broker);
    writer.disconnect();
    let (mut client, _) = Client::open(&broker, &Connect::new(V5, "sharer").durable());
    client.expect_silence();
    client.disconnect();
    Client::clean(&broker, V5, "sharer").disconnect();
    vitals.finish("C05 (refused shared filters)", &mut broker, Limits::of_connections(9));
}

/// A SUBSCRIBE with `count` filters numbered from `first`.
fn subscribe_many(version: Version, first: usize, count: usize) -> Vec<u8> {
    let mut subscribe = Subscribe::new(version, 1, format!("many/{first}"), 0);
    for number in first + 1..first + count {
        subscribe = subscribe.filter(format!("many/{number}"), 0);
    }
    subscribe.bytes()
}

// C08, G. Scale: 30 000 filters in all instead of 1 000 000; the cap is 10 000.
#[test]
fn c08_more_subscriptions_than_a_client_may_have() {
    if !broker::ours() {
        return; // Mosquitto has no such cap.
    }
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    for (version, refusal) in [(V4, 0x80), (V5, 0x97)] {
        let mut client = Client::clean(&broker, version, "greedy");
        client.send(subscribe_many(version, 0, 15_000));
        let suback = client.frame();
        let codes = suback_codes(version, &suback);
        assert_eq!(codes.len(), 15_000, "{version:?}: a code for each filter");
        let granted = codes.iter().filter(|code| **code == 0).count();
        assert_eq!(granted, 10_000, "{version:?}");
        assert!(
            codes[10_000..].iter().all(|code| *code == refusal),
            "{version:?}: refused with {refusal:#04x}"
        );
        // A filter that is there already takes no place, and a freed place can be used.
        client.send(Subscribe::new(version, 2, "many/5", 0).filter("new", 0).bytes());
        let suback = client.frame();
        assert_eq!(suback_codes(version, &suback), [0, refusal]);
        client.send(unsubscribe(version, 3, &["many/5"]));
        client.frame();
        client.subscribe("new", 0);
        vitals.during("C08", &mut broker);
        client.disconnect();
    }
    vitals.finish("C08 (subscription cap)", &mut broker, Limits::of_connections(2));
}

/// Subscribes to and unsubscribes from `total` filters, 500 a packet.
fn churn(client: &mut Client, total: usize, name: impl Fn(usize) -> String) {
    for first in (0..total).step_by(500) {
        let names: Vec<String> = (first..first + 500).map(&name).collect();
        let body: Vec<u8> = names.iter().flat_map(|name| [sized(name), vec![0]].concat()).collect();
        client.send(packet(0x82, [&[0, 1, 0][..], &body].concat()));
        assert_eq!(suback_codes(V5, &client.frame()), vec![0; 500]);
        let body: Vec<u8> = names.iter().flat_map(sized).collect();
        client.send(packet(0xA2, [&[0, 2, 0][..], &body].concat()));
        assert_eq!(client.frame()[0], 0xB0);
    }
}

// C09, C(CVE-2024-8376). Scale: 60 000 filters instead of 1 000 000, three kinds.
#[test]
fn c09_subscription_churn() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let mut client = Client::clean(&broker, V5, "churner");
    churn(&mut client, 20_000, |n| format!("churn/{n}/+/x"));
    churn(&mut client, 20_000, |n| format!("$share/g{}/churn/{n}", n % 7));
    churn(&mut client, 20_000, |n| format!("{}churn/{}", ["", "$share/g/"][n % 2], n / 2));
    vitals.during("C09", &mut broker);
    client.disconnect();
    vitals.finish("C09 (subscription churn)", &mut broker, Limits::of_connections(1));
}

// C10, C(FlashMQ#169, mosquitto#2887). Scale: 20 000 retained topics instead of 1 000 000, 20 readers.
#[test]
fn c10_many_retained_messages() {
    if !broker::ours() {
        return; // Mosquitto has no such cap.
    }
    let mut broker = target().line("max_retained_messages 5000").line("max_queued_messages 0").start();
    let mut vitals = Vitals::begin(&broker);
    let mut writer = Client::clean(&broker, V5, "writer");
    let (mut kept, mut refused) = (0, 0);
    for first in (0..20_000_u32).step_by(10) {
        let batch: Vec<u8> = (first..first + 10)
            .flat_map(|n| {
                Publish::new(V5, format!("kept/{n}"), "m").retain().qos(1, (n % 10) as u16 + 1).bytes()
            })
            .collect();
        writer.send(batch);
        for _ in 0..10 {
            match writer.frame().get(4) {
                Some(0x97) => refused += 1,
                _ => kept += 1,
            }
        }
    }
    // The `$SYS` topics are retained too and may or may not count.
    assert!((4_800..=5_000).contains(&kept) && kept + refused == 20_000, "{kept} kept, {refused} refused");
    vitals.during("C10, storing", &mut broker);
    let mut readers: Vec<Client> =
        (0..20).map(|n| Client::clean(&broker, V4, &format!("reader{n}"))).collect();
    for reader in &mut readers {
        reader.send(Subscribe::new(V4, 1, "kept/#", 1).bytes());
    }
    for reader in &mut readers {
        assert_eq!(reader.frame()[0], 0x90);
        for _ in 0..kept {
            reader.receive_any();
        }
        reader.expect_silence();
    }
    vitals.during("C10, replay", &mut broker);
    for number in 0..20_000 {
        writer.send(Publish::new(V5, format!("kept/{number}"), "").retain().bytes());
    }
    readers.drain(..).for_each(Client::cut);
    writer.expect_silence();
    writer.disconnect();
    vitals.finish("C10 (retained messages)", &mut broker, Limits::of_connections(21));
}

// C11, S.
#[test]
fn c11_leading_wildcards_and_dollar_topics() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut watcher = Client::clean(&broker, V5, "watcher");
    watcher.subscribe("#", 0).subscribe("+/x", 0).subscribe("+/#", 0);
    let mut insider = Client::clean(&broker, V5, "insider");
    insider.subscribe("$foo/#", 0);
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.publish("$SYS/x", "never", 0);
    writer.publish("$foo/x", "ordinary", 0);
    insider.receive("$foo/x", "ordinary");
    writer.publish("marker", "m", 0);
    watcher.receive("marker", "m");
    [watcher, insider, writer].into_iter().for_each(Client::cut);
    vitals.finish("C11 (dollar topics)", &mut broker, Limits::of_connections(3));
}

// C12, C(CVE-2018-12543): acknowledged or refused, and never part of the broker's own topics.
#[test]
fn c12_publishing_to_reserved_topics() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut watcher = Client::clean(&broker, V5, "watcher");
    watcher
        .subscribe("$SYS/x", 1)
        .subscribe("$SYS/broker/fake", 1)
        .subscribe("$CONTROL/#", 1)
        .subscribe("$foo", 1);
    for version in [V4, V5] {
        let mut writer = Client::clean(&broker, version, "writer");
        let mut topics = vec!["$SYS/x", "$SYS/broker/fake", "$CONTROL/x", "$share/g/a", "$foo"];
        if !broker::ours() {
            topics.remove(2); // Mosquitto 2.0 routes it.
        }
        for topic in topics {
            let publish = Publish::new(version, topic, "m").qos(1, 1).retain();
            writer.send(publish.bytes());
            let frame = writer.frame();
            assert_eq!(frame[..4], [0x40, frame[1], 0, 1], "{version:?}: PUBACK for {topic}");
        }
        let delivery = watcher.receive("$foo", "m");
        assert!(!delivery.retain);
        writer.publish_retained("$foo", "", 1);
        watcher.receive("$foo", "");
        writer.send(Publish::new(version, "$share/g/a", "").qos(1, 1).retain().bytes());
        writer.frame();
        writer.disconnect();
    }
    let mut late = Client::clean(&broker, V5, "late");
    late.subscribe("$SYS/x", 0).subscribe("$SYS/broker/fake", 0).subscribe("$CONTROL/#", 0).expect_silence();
    watcher.expect_silence();
    late.disconnect();
    watcher.disconnect();
    vitals.finish("C12 (reserved topics)", &mut broker, Limits::of_connections(4));
}

// C13, C(2.0.16): a will on the broker's own topics is refused with the connection.
#[test]
fn c13_wills_on_reserved_topics() {
    if !broker::ours() {
        return; // Mosquitto 2.0.11 accepts them.
    }
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    for topic in ["$SYS/broker/x", "$CONTROL/dynamic-security/v1"] {
        for version in [V3, V4, V5] {
            let mut client = Client::raw(&broker, version);
            client.send(Connect::new(version, "x").will(Publish::new(version, topic, "m")).bytes());
            let (bytes, closed) = client.drain();
            let refused = bytes.is_empty() || decode::reason(&bytes).is_some_and(|reason| reason != 0);
            assert!(closed && refused, "{topic} {version:?}: {}", hex::dump(&bytes));
        }
    }
    vitals.finish("C13 (reserved wills)", &mut broker, Limits::of_connections(6));
}

// C17, S: many subscription identifiers on one message.
#[test]
fn c17_a_hundred_subscription_identifiers() {
    let mut broker = target().line("allow_duplicate_messages true").start();
    let vitals = Vitals::begin(&broker);
    let mut client = Client::clean(&broker, V5, "identified");
    for id in 1..=100_usize {
        let filter = if id % 2 == 0 {
            format!("+/{}", "+/".repeat(id) + "#")
        } else {
            format!("id/{}#", "+/".repeat(id))
        };
        client.send(
            Subscribe::new(V5, 1, filter, 0)
                .property(prop::var(prop::SUBSCRIPTION_ID, 268_435_356 + id - 1))
                .bytes(),
        );
        assert_eq!(suback_codes(V5, &client.frame()), [0]);
    }
    let topic = format!("id{}", "/x".repeat(150));
    client.send(Publish::new(V5, &topic, "m").bytes());
    let mut ids = Vec::new();
    while ids.len() < 100 {
        let delivery = client.receive(&topic, "m");
        ids.extend(decode::properties(&delivery.properties));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100, "every identifier once");
    client.expect_silence();
    client.disconnect();
    vitals.finish("C17 (subscription identifiers)", &mut broker, Limits::of_connections(1));
}
