//! Retained messages: stored, replaced, deleted, found, and replayed in pages.

use crate::SHARDS;
use crate::host::Right;
use crate::net::{Net, net};
use crate::wire::{Got, msg, v5, v311};
use pondhawk_broker::Settings;
use pondhawk_codec::{PacketType, Property};

/// [MQTT-3.3.1-5] [MQTT-3.3.1-7] [MQTT-3.3.1-8] [MQTT3-3.3.1-5] [MQTT3-3.3.1-6] [MQTT3-3.3.1-7] [MQTT3-3.3.1-8]
/// [MQTT3-3.3.1-9] [MQTT3-3.3.1-11] [MQTT3-3.3.1-12]
#[test]
fn stored_replaced_deleted() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a"));
        net.publish(a, &msg("t", "1").retained().acked(2, 1));
        net.publish(a, &msg("t", "2").retained());
        net.publish(a, &msg("t", "not retained"));
        assert_eq!((net.counters().retained, net.counters().retained_bytes), (1, 2));
        for version in [v311("old"), v5("new")] {
            let b = net.join(&version);
            net.subscribe(b, &[("t", 1)]);
            let got = net.messages(b);
            assert_eq!((got.len(), got[0].text(), got[0].retain, got[0].qos), (1, "2", true, 0));
            net.publish(a, &msg("t", "3").retained());
            let got = net.messages(b);
            // [MQTT-3.3.1-12] [MQTT3-3.3.1-9]: it is not old for those who are subscribed.
            assert_eq!((got[0].text(), got[0].retain), ("3", false));
            net.publish(a, &msg("t", "2").retained());
            net.leave(b);
        }
        net.publish(a, &msg("t", "").retained());
        assert_eq!((net.counters().retained, net.counters().retained_bytes), (0, 0));
        net.leave(a);
        net.assert_empty();
    }
}

/// [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4] [MQTT3-3.8.4-3]
#[test]
fn retain_handling() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a").fresh(100));
        net.publish(a, &msg("t", "x").retained());
        let mut replayed = |options| {
            net.subscribe(a, &[("t", options)]);
            net.messages(a).len()
        };
        assert_eq!(replayed(2 << 4), 0, "never");
        assert_eq!(replayed(1 << 4), 0, "if new, and it is not");
        assert_eq!((replayed(0), replayed(0)), (1, 1), "always");
        net.unsubscribe(a, "t");
        net.subscribe(a, &[("t", 1 << 4)]);
        assert_eq!(net.messages(a).len(), 1, "new again");
        net.cut(a);
        let a = net.join(&v5("a").kept(100));
        net.subscribe(a, &[("t", 1 << 4)]);
        assert!(net.messages(a).is_empty(), "the session kept its subscription");
    }
}

/// [MQTT-3.3.1-12] [MQTT-3.3.1-13]
#[test]
fn retain_as_published() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (a, b) = (net.join(&v5("a")), net.join(&v5("b")));
        net.subscribe(a, &[("t", 8)]);
        net.subscribe(b, &[("t", 0)]);
        net.publish(a, &msg("t", "1").retained());
        net.publish(a, &msg("t", "2"));
        let flags = |net: &mut Net, c| -> Vec<bool> { net.messages(c).iter().map(|m| m.retain).collect() };
        assert_eq!((flags(&mut net, a), flags(&mut net, b)), (vec![true, false], vec![false, false]));
    }
}

/// [MQTT-4.7.2-1] [MQTT3-4.7.2-1], with wildcards of every shape.
#[test]
fn filters_find_what_they_match() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a"));
        for topic in ["a", "a/b", "a/b/c", "ab", "b/c", "a b", "/", "a//c"] {
            net.publish(a, &msg(topic, topic).retained());
        }
        net.publish_system("$SYS/broker/version", "v");
        for (filter, expected) in [
            ("#", &["/", "a", "a b", "a/b", "a/b/c", "a//c", "ab", "b/c"][..]),
            ("a/#", &["a", "a/b", "a/b/c", "a//c"]),
            ("+/+", &["/", "a/b", "b/c"]),
            ("a/+/c", &["a/b/c", "a//c"]),
            ("a/b", &["a/b"]),
            ("$SYS/#", &["v"]),
            ("$SYS/broker/+", &["v"]),
            ("nothing", &[]),
        ] {
            net.subscribe(a, &[(filter, 0)]);
            let mut got = net.payloads(a);
            let mut expected = expected.to_vec();
            got.sort();
            expected.sort_unstable();
            assert_eq!(got, expected, "{filter}");
            net.unsubscribe(a, filter);
        }
    }
}

/// Ten thousand retained messages reach a client with a window of 20, a queue of 10 and a blocked socket, none
/// twice and none dropped, whatever the QoS. (C10)
#[test]
fn ten_thousand_for_a_slow_client() {
    for shards in SHARDS {
        let mut settings = Settings { max_output_bytes: 20_000, ..Settings::default() };
        settings.outbox.queued_messages = 10;
        let mut net = Net::new(shards, 5, settings);
        let publisher = net.join(&v311("publisher"));
        for n in 0..10_000 {
            let message = msg(&format!("r/{n}"), "x").retained().acked(1, 1);
            net.write(publisher, &message.encode(pondhawk_codec::Version::V311));
        }
        net.run();
        assert_eq!(net.counters().retained, 10_000);
        for qos in 0..=2 {
            let slow = net.join(&v5(&format!("slow {qos}")));
            net.write(slow, &crate::wire::subscribe(pondhawk_codec::Version::V5, 1, &[("r/#", qos)], 0));
            net.block(slow, true);
            assert!(net.counters().queued <= 31, "{:?}", net.counters());
            let mut turns = 0;
            let mut got = Vec::new();
            loop {
                net.block(slow, false);
                let before = got.len();
                got.extend(net.messages(slow));
                if got.len() == before {
                    break;
                }
                net.block(slow, true);
                turns += 1;
            }
            let mut topics: Vec<_> = got.iter().map(|message| &message.topic).collect();
            topics.sort();
            topics.dedup();
            assert_eq!((got.len(), topics.len()), (10_000, 10_000), "QoS {qos}, {turns} turns");
            assert_eq!(net.counters().publish_dropped, 0);
            net.leave(slow);
        }
        net.leave(publisher);
        net.assert_empty();
    }
}

/// A socket that takes everything at once never reports that it is writable: the replay goes on all the same.
#[test]
fn a_replay_larger_than_the_output_bound() {
    for shards in SHARDS {
        for qos in 0..=1 {
            let mut net = Net::new(shards, 2, Settings { max_output_bytes: 1000, ..Settings::default() });
            let publisher = net.join(&v311("publisher"));
            for n in 0..50 {
                net.publish(publisher, &msg(&format!("r/{n}"), &"x".repeat(900)).retained());
            }
            let a = net.join(&v5("a"));
            net.subscribe(a, &[("r/#", qos)]);
            assert_eq!(net.messages(a).len(), 50);
            net.leave(a);
            net.leave(publisher);
            net.assert_empty();
        }
    }
}

/// A client that goes away in the middle of a replay leaves nothing behind; a kept session gets the rest.
#[test]
fn a_break_in_the_middle() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        for n in 0..200 {
            net.publish(publisher, &msg(&format!("r/{n}"), "x").retained().acked(1, 1));
        }
        let a = net.join(&v5("a").silent());
        net.subscribe(a, &[("r/#", 1)]);
        assert_eq!(net.messages(a).len(), 20);
        assert_eq!(net.counters().waiting, 1);
        net.cut(a);
        assert_eq!(net.counters().waiting, 0);
        let b = net.join(&v5("b").fresh(100).silent());
        net.subscribe(b, &[("r/#", 1)]);
        net.cut(b);
        let b = net.join(&v5("b").kept(100));
        let mut topics: Vec<_> = net.messages(b).into_iter().map(|message| message.topic).collect();
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), 200);
        net.leave(publisher);
        net.cut(b);
        net.advance(100_000);
        net.assert_empty();
    }
}

/// What was found before it was replaced or deleted is not sent after the news of that.
#[test]
fn nothing_old_after_something_new() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        for n in 0..100 {
            net.publish(publisher, &msg(&format!("r/{n}"), "old").retained().acked(1, 1));
        }
        let slow = net.join(&v5("slow").silent());
        net.subscribe(slow, &[("r/#", 1)]);
        let mut got = net.messages(slow);
        for n in 0..100 {
            let payload = if n % 2 == 0 { "new" } else { "" };
            net.publish(publisher, &msg(&format!("r/{n}"), payload).retained().acked(1, 1));
        }
        let mut acked = 0;
        while acked < got.len() {
            net.ack(slow, PacketType::Puback, got[acked].id);
            acked += 1;
            got.extend(net.messages(slow));
        }
        let mut last = std::collections::BTreeMap::new();
        for message in &got {
            last.insert(message.topic.as_str(), message.text());
        }
        assert_eq!(last.len(), 100);
        for (topic, text) in last {
            let even = topic.ends_with(['0', '2', '4', '6', '8']);
            assert_eq!(text, if even { "new" } else { "" }, "{topic}");
        }
    }
}

/// A message that is not to be retained takes the place of none that is still to come.
#[test]
fn nothing_is_replaced_by_what_is_not_retained() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        for n in 0..40 {
            net.publish(publisher, &msg(&format!("r/{n}"), "retained").retained().acked(1, 1));
        }
        let slow = net.join(&v5("slow").silent());
        net.subscribe(slow, &[("r/#", 1)]);
        let mut got = net.messages(slow);
        for n in 0..40 {
            net.publish(publisher, &msg(&format!("r/{n}"), "live").acked(1, 1));
        }
        let mut acked = 0;
        while acked < got.len() {
            net.ack(slow, PacketType::Puback, got[acked].id);
            acked += 1;
            got.extend(net.messages(slow));
        }
        let retained = got.iter().filter(|message| message.text() == "retained");
        assert_eq!((retained.count(), got.len()), (40, 80));
    }
}

/// Nor if the pages, the news and the changes are under way between the shards at the same time.
#[test]
fn nothing_old_after_something_new_on_its_way() {
    let version = pondhawk_codec::Version::V311;
    for seed in 0..150 {
        let mut net = Net::new(8, seed, Settings::default());
        let publisher = net.join(&v311("publisher"));
        for n in 0..20 {
            net.publish(publisher, &msg(&format!("r/{n}"), "old").retained());
        }
        let a = net.join(&v311("a"));
        net.write(a, &crate::wire::subscribe(version, 1, &[("r/#", 0), ("r/+", 0)], 0));
        let mut got = Vec::new();
        while got.is_empty() {
            net.step();
            got = net.got(a);
        }
        for _ in 0..seed / 2 {
            net.step();
        }
        for n in 0..20 {
            let payload = if n % 2 == 0 { "new" } else { "" };
            net.write(publisher, &msg(&format!("r/{n}"), payload).retained().encode(version));
        }
        net.run();
        let mut last = std::collections::BTreeMap::new();
        for message in net.messages(a) {
            last.insert(message.topic.clone(), message.text().to_owned());
        }
        assert!(last.len() == 20 && last.values().all(|text| text != "old"), "seed {seed}: {last:?}");
    }
}

/// Subscribing over and over without reading starts one search at a time.
#[test]
fn many_searches_of_one_client() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        for n in 0..100 {
            net.publish(publisher, &msg(&format!("r/{n}"), "x").retained());
        }
        let a = net.join(&v5("a").silent());
        for _ in 0..50 {
            net.subscribe(a, &[("r/#", 0), ("r/+", 0)]);
        }
        assert_eq!(net.messages(a).len(), 50 * 200);
        let b = net.join(&v5("b").silent());
        net.publish(publisher, &msg("r/0", "x").retained().acked(1, 1));
        for n in 0..100 {
            net.publish(publisher, &msg(&format!("r/{n}"), "x").retained().acked(1, 1));
        }
        for _ in 0..50 {
            net.subscribe(b, &[("r/#", 1), ("r/+", 1)]);
        }
        assert!(net.counters().waiting <= 1, "{:?}", net.counters());
        let mut got = 0;
        loop {
            let messages = net.messages(b);
            if messages.is_empty() {
                break;
            }
            got += messages.len();
            for message in messages {
                net.ack(b, PacketType::Puback, message.id);
            }
        }
        // What was under way when the last SUBSCRIBE came, and then all of both.
        assert!((200..300).contains(&got), "{got}");
        for client in [a, b, publisher] {
            net.leave(client);
        }
        net.assert_empty();
    }
}

/// [MQTT-3.10.4-2] [MQTT3-3.10.4-2]: a search ends with its subscription.
#[test]
fn unsubscribed_in_the_middle() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        for n in 0..100 {
            net.publish(publisher, &msg(&format!("r/{n}"), "x").retained().acked(1, 1));
        }
        let a = net.join(&v5("a").silent());
        net.subscribe(a, &[("r/#", 1)]);
        let ids: Vec<_> = net.messages(a).iter().map(|message| message.id).collect();
        net.unsubscribe(a, "r/#");
        for id in ids {
            net.ack(a, PacketType::Puback, id);
        }
        // At the most what already stood in its queue.
        assert!(net.messages(a).len() <= 1);
        assert_eq!(net.counters().waiting, 0);
    }
}

/// A page that comes after its search was called off is nobody's.
#[test]
fn a_page_that_comes_too_late() {
    for seed in 0..100 {
        let mut net = Net::new(8, seed, Settings::default());
        let publisher = net.join(&v311("publisher"));
        for n in 0..20 {
            net.publish(publisher, &msg(&format!("r/{n}"), "x").retained());
            net.publish(publisher, &msg(&format!("s/{n}"), "x").retained());
        }
        let a = net.join(&v5("a"));
        net.write(a, &crate::wire::subscribe(pondhawk_codec::Version::V5, 1, &[("r/#", 0), ("s/#", 0)], 0));
        for _ in 0..seed {
            net.step();
        }
        net.write(a, &crate::wire::unsubscribe(pondhawk_codec::Version::V5, 2, &["r/#"]));
        net.run();
        let got = net.got(a);
        let at = got.iter().position(|got| matches!(got, Got::Unsuback(..)));
        let (_, after) = got.split_at(at.expect("UNSUBACK"));
        let count = |got: &[Got], prefix: &str| {
            let of = |got: &&Got| matches!(got, Got::Publish(message) if message.topic.starts_with(prefix));
            got.iter().filter(of).count()
        };
        assert_eq!((count(after, "r/"), count(&got, "s/")), (0, 20), "seed {seed}");
        assert_eq!(net.counters().waiting, 0);
    }
}

/// [MQTT-3.3.2-5] [MQTT-3.3.2-6]: they expire, and say how long they have still to live.
#[test]
fn expiry() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a"));
        net.publish(a, &msg("t", "x").retained().with(&[Property::MessageExpiryInterval(10)]));
        net.publish(a, &msg("u", "x").retained().with(&[Property::MessageExpiryInterval(u32::MAX)]));
        net.advance(3_500);
        net.subscribe(a, &[("t", 0)]);
        assert_eq!(net.messages(a)[0].expiry(), Some(7));
        net.advance(6_500);
        net.subscribe(a, &[("t", 0), ("u", 0)]);
        let got = net.messages(a);
        assert_eq!((got.len(), got[0].expiry()), (1, Some(u32::MAX - 10)));
        assert_eq!(net.counters().retained, 2);
        for shard in &mut net.shards {
            shard.sweep_retained();
        }
        net.run();
        assert_eq!(net.counters().retained, 1);
    }
}

/// Limits are each shard's own; over them a message is delivered and not kept, and the publisher is told if it
/// is at home there.
#[test]
fn limits() {
    let mut net =
        Net::new(1, 1, Settings { max_retained_messages: 2, max_retained_bytes: 20, ..Settings::default() });
    let a = net.join(&v5("a"));
    let mut codes = Vec::new();
    for (topic, payload) in [("a", "1"), ("b", "1"), ("c", "1"), ("a", "2"), ("a", "")] {
        net.publish(a, &msg(topic, payload).retained().acked(1, 1));
        codes.extend(net.got(a));
    }
    let codes: Vec<_> = codes.iter().map(|got| matches!(got, Got::Ack(_, _, 0x97))).collect();
    assert_eq!(codes, [false, false, true, false, false]);
    net.publish(a, &msg("big", &"x".repeat(20)).retained());
    assert_eq!(net.counters().retained, 1);
}

#[test]
fn not_available() {
    let mut net = Net::new(1, 1, Settings { retain_available: false, ..Settings::default() });
    let a = net.join(&v5("a"));
    net.publish(a, &msg("t", "x").retained());
    assert_eq!(net.got(a), [Got::Disconnect(0x9a)]);
    assert_eq!(net.counters().retained, 0);
}

/// E07: `check_retain_source` asks whether the publisher still may.
#[test]
fn the_publishers_right_is_checked_again() {
    for (check, expected) in [(false, 3), (true, 0)] {
        for shards in SHARDS {
            let settings = Settings { check_retain_source: check, ..Settings::default() };
            let mut net = Net::new(shards, 1, settings);
            let (a, b) = (net.join(&v5("a")), net.join(&v5("b")));
            for (topic, qos) in [("t/0", 0), ("t/1", 1), ("t/2", 2)] {
                net.publish(a, &msg(topic, "x").acked(qos, qos.into()).retained());
            }
            net.world.borrow_mut().deny("a", Right::Publish, "t/#");
            net.subscribe(b, &[("t/#", 0)]);
            assert_eq!(net.messages(b).len(), expected);
        }
    }
}

/// A subscription that is made while another still waits for its retained messages gets those that the client has been
/// sent live before, too: they were not of it. [MQTT-3.3.1-9]
#[test]
fn a_later_subscription_gets_what_came_live_before_it() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v5("publisher"));
        let slow = net.join(&v5("slow").props(&[Property::ReceiveMaximum(1)]).silent());
        net.subscribe(slow, &[("a", 1)]);
        for text in ["1", "2"] {
            net.publish(publisher, &msg("a", text).acked(1, 1));
        }
        // Its search waits behind what the client has not taken.
        net.subscribe(slow, &[("#", 1)]);
        net.publish(publisher, &msg("a", "kept").acked(1, 1).retained());
        net.subscribe(slow, &[("+", 0)]);
        let mut texts = Vec::new();
        for _ in 0..10 {
            for message in net.messages(slow) {
                texts.push((message.text().to_owned(), message.qos, message.retain));
                if message.qos == 1 {
                    net.ack(slow, PacketType::Puback, message.id);
                }
            }
        }
        assert!(texts.contains(&("kept".into(), 0, true)), "{shards} shards: {texts:?}");
        assert_eq!(texts.iter().filter(|(text, ..)| text == "kept").count(), 3, "{texts:?}");
    }
}
