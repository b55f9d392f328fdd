//! From publisher to subscribers: matching, options, properties, order, and the time of a subscription.

use crate::SHARDS;
use crate::net::{Net, net};
use crate::wire::{Got, msg, subscribe, v5, v311};
use pondhawk_broker::{ListenerSettings, Settings};
use pondhawk_codec::{Property, Version};

/// [MQTT-3.8.3-3]
#[test]
fn no_local() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (a, b) = (net.join(&v5("a").fresh(100)), net.join(&v5("b")));
        for client in [a, b] {
            net.subscribe(client, &[("t", 1 | 4)]);
        }
        net.publish(a, &msg("t", "from a").retained());
        assert_eq!((net.payloads(a), net.payloads(b)), (vec![], vec!["from a".to_owned()]));
        // It stays the client's own on its next connection.
        net.cut(a);
        let a = net.join(&v5("a").kept(100));
        net.subscribe(a, &[("t", 1 | 4)]);
        net.publish(a, &msg("t", "again"));
        assert!(net.messages(a).is_empty());
        net.publish(b, &msg("t", "from b"));
        assert_eq!(net.payloads(a), ["from b"]);
    }
}

/// [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5] [MQTT3-3.3.5-1]: a copy a subscription, or one
/// for all of them.
#[test]
fn overlapping_subscriptions() {
    for duplicates in [true, false] {
        for shards in SHARDS {
            let settings = Settings { allow_duplicate_messages: duplicates, ..Settings::default() };
            let mut net = Net::new(shards, 1, settings);
            let (a, b) = (net.join(&v5("a")), net.join(&v5("b")));
            net.subscribe_as(a, &[("t/#", 0)], 1);
            net.subscribe_as(a, &[("t/+", 2)], 268_435_455);
            net.subscribe(a, &[("t/x", 1)]);
            net.publish(b, &msg("t/x", "x").acked(2, 1));
            let mut got: Vec<_> = net
                .messages(a)
                .iter()
                .map(|message| {
                    let mut ids = message.subscription_ids();
                    ids.sort_unstable();
                    (message.qos, ids)
                })
                .collect();
            got.sort();
            let copies = vec![(0, vec![1]), (1, vec![]), (2, vec![268_435_455])];
            let one = vec![(2, vec![1, 268_435_455])];
            assert_eq!(got, if duplicates { copies } else { one });
        }
    }
}

/// One copy for all subscriptions leaves out those that do not want the client's own messages.
#[test]
fn no_local_among_overlapping_subscriptions() {
    let settings = Settings { allow_duplicate_messages: false, ..Settings::default() };
    let mut net = Net::new(1, 1, settings);
    let a = net.join(&v5("a"));
    net.subscribe_as(a, &[("t/#", 2 | 4)], 1);
    net.publish(a, &msg("t/x", "x").acked(2, 1));
    assert!(net.messages(a).is_empty());
    net.subscribe_as(a, &[("t/+", 1)], 2);
    net.publish(a, &msg("t/x", "x").acked(2, 1));
    let got = net.messages(a);
    assert_eq!((got.len(), got[0].qos, got[0].subscription_ids()), (1, 1, vec![2]));
}

/// [MQTT-3.8.4-3] [MQTT3-3.8.4-3]: a second subscription to a filter replaces the first.
#[test]
fn subscribing_again() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a"));
        net.subscribe_as(a, &[("t", 0)], 1);
        net.subscribe_as(a, &[("t", 1)], 2);
        net.publish(a, &msg("t", "x").acked(1, 1));
        let got = net.messages(a);
        assert_eq!((got.len(), got[0].qos, got[0].subscription_ids()), (1, 1, vec![2]));
        assert_eq!(net.counters().subscriptions, 1);
        net.subscribe(a, &[("t", 1), ("t", 2)]);
        net.publish(a, &msg("t", "x").acked(2, 2));
        let got = net.messages(a);
        assert_eq!((got.len(), got[0].qos, got[0].subscription_ids()), (1, 2, vec![]));
        net.leave(a);
        net.assert_empty();
    }
}

/// [MQTT-4.5.0-1] [MQTT3-4.5.0-1] Once SUBACK is there, a message that anybody publishes afterwards arrives:
/// for the second subscriber of a filter too, whose shard is just about to announce it.
#[test]
fn suback_means_that_all_shards_know() {
    for seed in 0..200 {
        let mut net = Net::new(8, seed, Settings::default());
        let publishers: Vec<_> = (0..8).map(|n| net.join(&v5(&format!("p{n}")))).collect();
        let home = net.homes.of_client("s0");
        let same_home = (1..).map(|n| format!("s{n}")).filter(|id| net.homes.of_client(id) == home);
        let ids: Vec<String> = same_home.take(3).collect();
        let subscribers: Vec<_> = ids.iter().map(|id| net.join(&v5(id))).collect();
        let filters = ["t/#", "$share/g/t/#"];
        for (n, subscriber) in subscribers.iter().enumerate() {
            net.write(*subscriber, &subscribe(Version::V5, 1, &[(filters[n / 2], 0)], 0));
        }
        let mut due = vec![false; 3];
        let mut count = [0; 3];
        let mut more = true;
        while more {
            more = net.step();
            for (n, subscriber) in subscribers.iter().enumerate() {
                for got in net.got(*subscriber) {
                    match got {
                        Got::Suback(..) => {
                            (due[n], more) = (true, true);
                            for publisher in &publishers {
                                net.write(*publisher, &msg("t/x", &n.to_string()).encode(Version::V5));
                            }
                        }
                        Got::Publish(message) => count[n] += usize::from(message.text() == n.to_string()),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert_eq!((due, count), (vec![true; 3], [8; 3]), "seed {seed}");
    }
}

/// Subscriptions that come and go quickly leave the shards of one mind. (C16)
#[test]
fn subscribing_and_unsubscribing_at_once() {
    for seed in 0..50 {
        let mut net = Net::new(8, seed, Settings::default());
        let clients: Vec<_> = (0..10).map(|n| net.join(&v5(&format!("c{n}")))).collect();
        for round in 0..10u16 {
            for (n, client) in clients.iter().enumerate() {
                let filter = ["t/#", "t/+", "$share/g/t/#"][(n + usize::from(round)) % 3];
                net.write(*client, &subscribe(Version::V5, 2 * round + 1, &[(filter, 0)], 0));
                net.write(*client, &msg("t/x", "x").encode(Version::V5));
                if (n + usize::from(round)) % 2 == 0 || round == 9 {
                    net.write(*client, &crate::wire::unsubscribe(Version::V5, 2 * round + 2, &[filter]));
                }
            }
        }
        net.run();
        for client in &clients {
            for filter in ["t/#", "t/+", "$share/g/t/#"] {
                net.unsubscribe(*client, filter);
            }
        }
        assert_eq!(net.counters().trie_nodes, 8, "seed {seed}");
        for client in clients {
            net.leave(client);
        }
        net.assert_empty();
    }
}

/// [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT3-4.6.0-5] [MQTT3-4.6.0-6]: order of one publisher, topic and QoS,
/// whatever the mail does.
#[test]
fn order() {
    for seed in 0..20 {
        for shards in SHARDS {
            let mut net = Net::new(shards, seed, Settings::default());
            let publishers = [net.join(&v5("p")), net.join(&v311("q"))];
            let subscribers: Vec<_> = (0..6).map(|n| net.join(&v5(&format!("s{n}")))).collect();
            for subscriber in &subscribers {
                net.subscribe(*subscriber, &[("t/#", 2)]);
            }
            for n in 0..60u16 {
                for (p, publisher) in publishers.iter().enumerate() {
                    let qos = (n % 3) as u8;
                    let id = if qos == 0 { 0 } else { n + 1 };
                    let version = [Version::V5, Version::V311][p];
                    let message = msg(&format!("t/{p}"), &format!("{n:03}")).acked(qos, id);
                    net.write(*publisher, &message.encode(version));
                }
            }
            net.run();
            for subscriber in subscribers {
                let got = net.messages(subscriber);
                assert_eq!(got.len(), 120);
                for topic in ["t/0", "t/1"] {
                    for qos in 0..=2 {
                        let one = got.iter().filter(|message| message.topic == topic && message.qos == qos);
                        let texts: Vec<_> = one.map(|message| message.text()).collect();
                        assert!(texts.len() == 20 && texts.is_sorted(), "seed {seed}: {texts:?}");
                    }
                }
            }
        }
    }
}

/// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]: passed on
/// unaltered, in the publisher's order.
#[test]
fn properties_are_passed_on() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (a, b) = (net.join(&v5("a")), net.join(&v5("b")));
        net.subscribe(b, &[("t", 1)]);
        let properties = [
            Property::UserProperty("z", "1"),
            Property::ContentType("text/plain"),
            Property::PayloadFormatIndicator(1),
            Property::UserProperty("a", "2"),
            Property::CorrelationData(&[0, 1, 2]),
            Property::ResponseTopic("r/x"),
            Property::UserProperty("z", "1"),
        ];
        let sent = msg("t", "x").with(&properties);
        for message in [sent.clone(), sent.clone().acked(1, 1), sent.clone().acked(2, 2)] {
            net.publish(a, &message);
            assert_eq!(net.messages(b)[0].properties, sent.properties);
        }
        // With one or the other alone, nothing else is lost.
        for own in [Property::TopicAlias(2), Property::MessageExpiryInterval(9)] {
            net.publish(a, &sent.clone().with(&[&[own][..], &properties[..3]].concat()));
            let passed_on = net.messages(b).remove(0).find(|property| match property {
                Property::UserProperty(name, _) => Some(name.to_owned()),
                Property::ContentType(value) => Some(value.to_owned()),
                _ => None,
            });
            assert_eq!(passed_on, ["z", "text/plain"], "{own:?}");
        }
        // With an alias and an expiry of its own, which are not passed on as they are.
        let mut more = vec![Property::TopicAlias(1), Property::MessageExpiryInterval(9)];
        more.extend(properties);
        net.publish(a, &msg("t", "x").with(&more));
        net.publish(a, &msg("", "y").with(&more));
        let got = net.messages(b);
        assert_eq!((got.len(), got[1].text(), got[1].topic.as_str()), (2, "y", "t"));
        assert!(got.iter().all(|message| message.alias().is_none() && message.expiry() == Some(9)));
        assert!(got[1].properties.starts_with(&sent.properties));
    }
}

/// B09 [MQTT-3.3.2-7] [MQTT-3.3.2-12]: an alias belongs to its connection.
#[test]
fn aliases_from_the_client() {
    let mut net = net(2);
    let b = net.join(&v5("b"));
    net.subscribe(b, &[("t/#", 0)]);
    let with = |topic: &str, alias| msg(topic, "x").with(&[Property::TopicAlias(alias)]);
    let a = net.join(&v5("a").fresh(100));
    for message in [with("t/1", 1), with("", 1), with("t/2", 1), with("", 1), with("t/10", 10)] {
        net.publish(a, &message);
    }
    let topics: Vec<_> = net.messages(b).into_iter().map(|message| message.topic).collect();
    assert_eq!(topics, ["t/1", "t/1", "t/2", "t/2", "t/10"]);
    net.cut(a);
    let a = net.join(&v5("a").kept(100));
    net.publish(a, &with("", 1));
    assert_eq!(net.got(a), [Got::Disconnect(0x82)]);
}

/// [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
#[test]
fn aliases_to_the_client() {
    let mut net = net(2);
    let publisher = net.join(&v311("p"));
    let b = net.join(&v5("b").props(&[Property::TopicAliasMaximum(2), Property::MaximumPacketSize(100)]));
    net.subscribe(b, &[("t/#", 1)]);
    // What is too large does not go out, and sets no alias. The wire checks that each was set before it is used.
    net.publish(publisher, &msg("t/3", &"x".repeat(100)));
    for topic in ["t/1", "t/2", "t/3", "t/1", "t/3", "t/2"] {
        net.publish(publisher, &msg(topic, topic).acked(1, 1));
    }
    let got = net.messages(b);
    let aliases: Vec<_> = got.iter().map(|message| message.alias()).collect();
    assert_eq!(aliases, [Some(1), Some(2), None, Some(1), None, Some(2)]);
    assert!(got.iter().all(|message| message.topic == message.text()));
    // No more than the listener's setting, however many the client would take.
    let mut none = Settings::default();
    none.listeners[0].max_topic_alias_broker = 0;
    let mut net = Net::new(1, 1, none);
    let b = net.join(&v5("b").props(&[Property::TopicAliasMaximum(100)]));
    net.subscribe(b, &[("t", 0)]);
    net.publish(b, &msg("t", "x"));
    assert_eq!(net.messages(b)[0].alias(), None);
}

/// [MQTT-3.3.2-5] [MQTT-3.3.2-6] B19
#[test]
fn message_expiry() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (a, b) = (net.join(&v5("a")), net.join(&v5("b").fresh(1000)));
        net.subscribe(b, &[("t", 1)]);
        let expiring = |seconds| msg("t", "x").acked(1, 1).with(&[Property::MessageExpiryInterval(seconds)]);
        net.publish(a, &expiring(5));
        net.publish(a, &expiring(0));
        net.cut(b);
        for seconds in [5, 60, u32::MAX, 0] {
            net.publish(a, &expiring(seconds));
        }
        net.advance(5_000);
        let b2 = net.join(&v5("b").kept(1000));
        let got = |net: &mut Net, c| -> Vec<_> { net.messages(c).iter().map(|m| m.expiry()).collect() };
        assert_eq!(got(&mut net, b), [Some(5)]);
        assert_eq!(got(&mut net, b2), [Some(55), Some(u32::MAX - 5)]);
        assert_eq!((net.counters().queued, net.counters().publish_dropped), (0, 3));
    }
}

/// A session that comes back behind a mount point gets nothing else by its subscriptions of before.
#[test]
fn a_session_that_moves_behind_a_mount_point() {
    let mut settings = Settings::default();
    settings
        .listeners
        .push(ListenerSettings { mount_point: Some("m/".into()), ..ListenerSettings::default() });
    let mut net = Net::new(1, 1, settings);
    let client = net.join(&v5("c").kept(100));
    net.subscribe(client, &[("#", 0)]);
    net.cut(client);
    let client = net.join(&v5("c").kept(100).on(1));
    let publisher = net.join(&v5("publisher"));
    net.publish(publisher, &msg("outside", "1"));
    net.publish(publisher, &msg("m/t", "2"));
    let got: Vec<_> = net.messages(client).into_iter().map(|message| message.topic).collect();
    assert_eq!(got, ["t"]);
}

/// Topics and filters behind a mount point, shared ones included; the client sees neither.
#[test]
fn mount_points() {
    for shards in SHARDS {
        let mut settings = Settings::default();
        settings
            .listeners
            .push(ListenerSettings { mount_point: Some("m/".into()), ..ListenerSettings::default() });
        let mut net = Net::new(shards, 1, settings);
        let (inside, outside) = (net.join(&v5("in").on(1)), net.join(&v5("out")));
        net.subscribe(inside, &[("#", 0)]);
        net.subscribe(outside, &[("m/t", 0)]);
        net.publish(inside, &msg("t", "1").retained());
        net.publish(outside, &msg("m/../t", "2"));
        net.publish(outside, &msg("n/t", "3"));
        net.publish(outside, &msg("m/", "4"));
        let topics = |net: &mut Net, c| -> Vec<_> { net.messages(c).into_iter().map(|m| m.topic).collect() };
        let seen: Vec<String> = topics(&mut net, inside);
        assert_eq!(topics(&mut net, outside), ["m/t"]);
        assert_eq!(seen[..2], ["t", "../t"]);
        net.subscribe(inside, &[("t", 0)]);
        assert_eq!(topics(&mut net, inside), ["t"]);
    }
}
