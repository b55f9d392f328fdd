//! Rights: asked at every step, with the identity of now.

use crate::SHARDS;
use crate::host::Right;
use crate::net::{Net, net};
use crate::wire::{Got, hello, msg, v5, v311};
use pondhawk_broker::Settings;
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::Version;

/// E01 E02: a session belongs to its user.
#[test]
fn somebody_elses_client_id() {
    for shards in SHARDS {
        let mut net = net(shards);
        let sender = net.join(&v5("sender"));
        let owner = net.join(&v5("c").user("owner").fresh(1000));
        net.subscribe(owner, &[("t", 1)]);
        for version in [Version::V311, Version::V5] {
            for online in [true, false] {
                if !online {
                    net.cut(owner);
                }
                for clean in [true, false] {
                    for user in [Some("thief".to_owned()), None] {
                        let mut stolen = hello("c", version);
                        (stolen.clean, stolen.user) = (clean, user);
                        let thief = net.greet(&stolen);
                        let code = if version == Version::V5 { 0x87 } else { 5 };
                        assert!(matches!(net.got(thief)[..], [Got::Connack { code: c, .. }] if c == code));
                        assert_eq!(net.is_open(owner), online && version == Version::V311);
                    }
                }
            }
        }
        net.publish(sender, &msg("t", "for the owner").acked(1, 1));
        let (owner, present) = net.join_present(&v5("c").user("owner").kept(1000));
        assert!(present);
        assert_eq!(net.payloads(owner), ["for the owner"]);
    }
}

/// E01 with `allow_session_transfer`: everything is judged by the new user's rights.
#[test]
fn a_session_that_is_handed_over() {
    for shards in SHARDS {
        let settings = Settings { allow_session_transfer: true, ..Settings::default() };
        let mut net = Net::new(shards, 1, settings);
        let sender = net.join(&v5("sender"));
        let old = net.join(&v5("c").user("old").fresh(1000).silent());
        net.subscribe(old, &[("#", 1)]);
        net.publish(sender, &msg("secret", "in flight").acked(1, 1));
        net.publish(sender, &msg("open", "in flight").acked(1, 1));
        net.cut(old);
        net.publish(sender, &msg("secret", "queued").acked(1, 1));
        net.publish(sender, &msg("open", "queued").acked(1, 1));
        net.world.borrow_mut().deny("c", Right::Receive, "secret");
        let new = net.join(&v5("c").user("new").kept(1000));
        net.publish(sender, &msg("secret", "live").acked(1, 1));
        let topics: Vec<_> = net.messages(new).into_iter().map(|message| message.topic).collect();
        assert_eq!(topics, ["open", "open"]);
        assert_eq!((net.counters().queued, net.counters().queued_bytes), (0, 0));
    }
}

/// E09: live, retained, offline, in flight, shared: never.
#[test]
fn the_five_paths() {
    for shards in SHARDS {
        let mut net = net(shards);
        net.world.borrow_mut().deny("b", Right::Receive, "a/secret");
        let sender = net.join(&v5("sender"));
        net.publish(sender, &msg("a/secret", "retained").retained().acked(1, 1));
        net.publish(sender, &msg("a/open", "retained").retained().acked(1, 1));
        let b = net.join(&v5("b").fresh(1000).silent());
        net.subscribe(b, &[("a/#", 1), ("$share/g/a/#", 1)]);
        assert_eq!(net.messages(b).iter().filter(|message| message.topic == "a/open").count(), 1);
        net.publish(sender, &msg("a/secret", "live").acked(1, 1));
        net.publish(sender, &msg("a/secret", "live"));
        assert!(net.messages(b).is_empty());
        // In flight while it was allowed; not any more when it is resent.
        net.publish(sender, &msg("a/turn", "x").acked(1, 1));
        assert_eq!(net.messages(b).len(), 2);
        net.cut(b);
        net.publish(sender, &msg("a/secret", "offline").acked(1, 1));
        net.publish(sender, &msg("a/turn", "offline").acked(1, 1));
        net.world.borrow_mut().deny("b", Right::Receive, "a/turn");
        let b = net.join(&v5("b").kept(1000));
        let topics: Vec<_> = net.messages(b).into_iter().map(|message| message.topic).collect();
        assert!(topics.iter().all(|topic| topic == "a/open"), "{topics:?}");
        assert_eq!(net.counters().queued, 0);
    }
}

/// E08: a right that goes at a reload stops deliveries at once, those in the queue included.
#[test]
fn revoked_at_reload() {
    for shards in SHARDS {
        let settings = Settings { max_inflight_messages: 1, ..Settings::default() };
        let mut net = Net::new(shards, 1, settings.clone());
        let sender = net.join(&v5("sender"));
        let (here, away) = (net.join(&v5("here").silent()), net.join(&v5("away").fresh(1000)));
        net.subscribe(here, &[("a/#", 1)]);
        net.subscribe(away, &[("a/#", 1)]);
        net.cut(away);
        for n in 0..3 {
            net.publish(sender, &msg("a/x", &n.to_string()).acked(1, 1));
        }
        assert_eq!(net.payloads(here), ["0"]);
        net.world.borrow_mut().deny("*", Right::Receive, "a/#");
        net.reload(settings);
        net.publish(sender, &msg("a/x", "live"));
        net.ack(here, Puback, 1);
        assert!(net.messages(here).is_empty());
        let away = net.join(&v5("away").kept(1000));
        assert!(net.messages(away).is_empty());
        assert_eq!(net.counters().queued, 0);
    }
}

/// E10: the right to publish is asked again at PUBREL.
#[test]
fn revoked_between_publish_and_pubrel() {
    for (shards, persistent) in SHARDS.into_iter().flat_map(|n| [(n, false), (n, true)]) {
        for reconnect in [false, true] {
            let settings = Settings { persistent, ..Settings::default() };
            let mut net = Net::new(shards, 1, settings.clone());
            let b = net.join(&v5("b"));
            net.subscribe(b, &[("t", 2)]);
            let mut a = net.join(&v5("a").fresh(1000).silent());
            net.publish(a, &msg("t", "x").acked(2, 5));
            net.world.borrow_mut().deny("a", Right::Publish, "t");
            if reconnect {
                net.cut(a);
                a = net.join(&v5("a").kept(1000).silent());
            } else {
                net.reload(settings);
            }
            net.got(a);
            net.ack(a, Pubrel, 5);
            assert_eq!(net.got(a), [Got::Ack(Pubcomp, 5, 0)]);
            assert!(net.messages(b).is_empty());
        }
    }
}

/// [MQTT-4.3.3-9] [MQTT3-3.3.5-2]: what may not be published is acknowledged and goes no further.
#[test]
fn publishing_without_the_right() {
    for shards in SHARDS {
        let mut net = net(shards);
        net.world.borrow_mut().deny("a", Right::Publish, "no/#");
        let (b, a) = (net.join(&v5("b")), net.join(&v5("a").silent()));
        let old = net.join(&v311("old").silent());
        net.world.borrow_mut().deny("old", Right::Publish, "no/#");
        net.reload(Settings::default());
        net.subscribe(b, &[("no/#", 0)]);
        for qos in 0..=2 {
            let message = msg("no/x", "x").retained().acked(qos, u16::from(qos > 0));
            net.publish(a, &message);
            net.publish(old, &message);
        }
        net.ack(old, Pubrel, 1);
        assert_eq!(net.got(a), [Got::Ack(Puback, 1, 0x87), Got::Ack(Pubrec, 1, 0x87)]);
        assert_eq!(net.got(old), [Got::Ack(Puback, 1, 0), Got::Ack(Pubrec, 1, 0), Got::Ack(Pubcomp, 1, 0)]);
        assert!(net.messages(b).is_empty());
        assert_eq!(net.counters().retained, 0);
    }
}

/// E15: a group's name does not hide the filter. [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT3-3.8.4-5] [MQTT3-3.9.3-1]
/// [MQTT3-3.9.3-2]
#[test]
fn subscribing_without_the_right() {
    for shards in SHARDS {
        let settings = Settings { refused_filters: vec!["#".into()], ..Settings::default() };
        let mut net = Net::new(shards, 1, settings);
        net.world.borrow_mut().deny("*", Right::Subscribe, "secret/#");
        let (new, old) = (net.join(&v5("new")), net.join(&v311("old")));
        let filters = [("secret/#", 0), ("$share/g/secret/#", 0), ("#", 0), ("$share/g/#", 0), ("open/#", 2)];
        assert_eq!(net.subscribe(new, &filters), [0x87, 0x87, 0x87, 0x87, 2]);
        assert_eq!(net.subscribe(old, &filters), [0x80, 0x80, 0x80, 0x80, 2]);
        let oldest = net.join(&hello("oldest", Version::V31));
        assert_eq!(net.subscribe(oldest, &[("secret/#", 1), ("open/#", 2)]), [1, 2]);
        assert_eq!((net.counters().subscriptions, net.counters().shared_subscriptions), (3, 0));
        net.publish(oldest, &msg("secret/x", "x"));
        assert!(net.messages(oldest).is_empty());
        net.leave(oldest);
        net.leave(new);
        net.leave(old);
        net.assert_empty();
    }
}

/// C11 C12: topics of the broker are neither published by clients nor matched by a leading wildcard.
#[test]
fn system_topics() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a").silent());
        net.subscribe(a, &[("#", 0), ("+/x", 0), ("$SYS/#", 0), ("$share/g/#", 0)]);
        net.publish_system("$SYS/x", "up");
        let got = net.messages(a);
        assert_eq!((got.len(), got[0].topic.as_str()), (1, "$SYS/x"));
        for (topic, code) in
            [("$SYS/x", 0x87), ("$CONTROL/x", 0x87), ("$share/g/a", 0x87), ("$SYS", 0x87), ("$foo/x", 0x10)]
        {
            net.publish(a, &msg(topic, "x").acked(1, 1));
            assert_eq!(net.got(a), [Got::Ack(Puback, 1, code)], "{topic}");
        }
        assert_eq!(net.counters().retained, 1);
    }
}

/// The retain flag gives no right that the client has not.
#[test]
fn a_retained_message_of_the_moment_needs_the_right_too() {
    let mut net = net(1);
    net.world.borrow_mut().deny("reader", Right::Receive, "secret");
    let (publisher, reader) = (net.join(&v5("publisher")), net.join(&v5("reader")));
    net.subscribe(reader, &[("#", 0)]);
    net.publish(publisher, &msg("secret", "x").retained());
    net.publish(publisher, &msg("public", "x").retained());
    let topics: Vec<String> = net.messages(reader).into_iter().map(|message| message.topic).collect();
    assert_eq!(topics, ["public"]);
}
