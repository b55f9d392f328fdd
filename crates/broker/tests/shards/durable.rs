//! Durability: acknowledgements wait for the store, on all shards that a message reaches.

use crate::SHARDS;
use crate::net::{Client, Net};
use crate::wire::{Got, disconnect, msg, v5, v311};
use pondhawk_broker::{Persist, Settings};
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{Property, Version};

fn persistent(shards: u8) -> Net {
    let settings = Settings { persistent: true, ..Settings::default() };
    Net::new(shards, 1, settings)
}

/// What was persisted since the last call, by kind.
fn kinds(net: &mut Net) -> Vec<&'static str> {
    let kind = |record| match record {
        Persist::Session { .. } => "session",
        Persist::SessionGone { .. } => "session gone",
        Persist::Subscribed { .. } => "subscribed",
        Persist::Unsubscribed { .. } => "unsubscribed",
        Persist::Queued { .. } => "queued",
        Persist::Dequeued { .. } => "dequeued",
        Persist::Recorded { .. } => "recorded",
        Persist::Homes { .. } => "homes",
        Persist::UnderWay { .. } => "under way",
        Persist::Reached { .. } => "reached",
        Persist::Routed { .. } => "routed",
        Persist::Will { .. } => "will",
        Persist::WillGone { .. } => "will gone",
        Persist::Received { .. } => "received",
        Persist::Released { .. } => "released",
        Persist::Retained { .. } => "retained",
        Persist::RetainedGone { .. } => "retained gone",
    };
    let mut kinds: Vec<_> = net.persisted.drain(..).map(kind).collect();
    kinds.sort_unstable();
    kinds
}

fn stall(net: &mut Net) {
    net.run();
    net.persisted.clear();
    net.store_stalls = true;
}

fn redeem(net: &mut Net) {
    net.store_stalls = false;
    net.run();
}

fn subscribers(net: &mut Net, count: usize, filter: &str) -> Vec<Client> {
    (0..count)
        .map(|n| {
            let client = net.join(&v5(&format!("subscriber {n}")).fresh(1000));
            net.subscribe(client, &[(filter, 2)]);
            client
        })
        .collect()
}

#[test]
fn puback_waits_for_every_shard() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let publisher = net.join(&v5("publisher").silent());
        subscribers(&mut net, 16, "t");
        stall(&mut net);
        net.publish(publisher, &msg("t", "x").acked(1, 1).retained());
        assert!(net.got(publisher).is_empty());
        assert_eq!(kinds(&mut net).iter().filter(|kind| **kind == "queued").count(), 16);
        redeem(&mut net);
        assert_eq!(net.got(publisher), [Got::Ack(Puback, 1, 0)]);
        assert_eq!(net.counters().waiting, 0);
    }
}

/// The member of a shared group may live on a third shard.
#[test]
fn puback_waits_for_the_member_that_was_picked() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let publisher = net.join(&v5("publisher").silent());
        let members = subscribers(&mut net, 5, "$share/g/t");
        for member in &members {
            net.cut(*member);
        }
        for id in 1..=10 {
            stall(&mut net);
            net.publish(publisher, &msg("t", "x").acked(1, id));
            assert!(net.got(publisher).is_empty());
            assert_eq!(kinds(&mut net), ["queued"]);
            redeem(&mut net);
            assert_eq!(net.got(publisher), [Got::Ack(Puback, id, 0)]);
        }
        assert_eq!(net.counters().waiting, 0);
    }
}

/// The store is that of the start.
#[test]
fn a_reload_does_not_change_what_is_kept() {
    for kept in [false, true] {
        let mut net = Net::new(2, 1, Settings { persistent: kept, ..Settings::default() });
        net.reload(Settings { persistent: !kept, ..Settings::default() });
        net.join(&v5("client").fresh(1000));
        assert_eq!(!kinds(&mut net).is_empty(), kept);
    }
}

#[test]
fn what_promises_nothing_does_not_wait() {
    let mut net = persistent(2);
    let publisher = net.join(&v5("publisher").silent());
    let clean = net.join(&v5("clean"));
    net.subscribe(clean, &[("t", 2)]);
    stall(&mut net);
    net.publish(publisher, &msg("t", "x").acked(1, 1));
    net.publish(publisher, &msg("nobody", "x").acked(1, 2));
    assert_eq!(net.got(publisher), [Got::Ack(Puback, 1, 0), Got::Ack(Puback, 2, 0x10)]);
    net.publish(publisher, &msg("t", "x").acked(2, 3));
    net.ack(publisher, Pubrel, 3);
    assert_eq!(net.got(publisher), [Got::Ack(Pubrec, 3, 0), Got::Ack(Pubcomp, 3, 0)]);
    assert!(kinds(&mut net).is_empty());
}

/// An acknowledgement waits for its own message and for none that came later.
#[test]
fn an_acknowledgement_waits_for_its_own() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let publisher = net.join(&v5("publisher").silent());
        subscribers(&mut net, 8, "t");
        net.publish(publisher, &msg("t", "x").acked(1, 1));
        assert_eq!(net.got(publisher), [Got::Ack(Puback, 1, 0)]);
        stall(&mut net);
        // At QoS 0 nothing is promised, and nobody need confirm it.
        net.publish(publisher, &msg("t", "x"));
        net.publish(publisher, &msg("t", "x").retained());
        assert_eq!(net.counters().waiting, 0);
    }
}

/// [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] held back until it is true.
#[test]
fn pubrec_and_pubcomp_wait() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let publisher = net.join(&v5("publisher").fresh(1000).silent());
        subscribers(&mut net, 4, "t");
        stall(&mut net);
        net.publish(publisher, &msg("t", "x").acked(2, 1));
        // A repeat does not get around the wait either.
        net.publish(publisher, &msg("t", "x").acked(2, 1).again());
        assert_eq!((net.got(publisher), kinds(&mut net)), (vec![], vec!["received"]));
        redeem(&mut net);
        assert_eq!(net.got(publisher), [Got::Ack(Pubrec, 1, 0), Got::Ack(Pubrec, 1, 0)]);
        stall(&mut net);
        net.ack(publisher, Pubrel, 1);
        assert!(net.got(publisher).is_empty());
        let promised = kinds(&mut net).into_iter().filter(|kind| matches!(*kind, "queued" | "released"));
        assert!(promised.eq(["queued", "queued", "queued", "queued", "released"]));
        redeem(&mut net);
        assert_eq!(net.got(publisher), [Got::Ack(Pubcomp, 1, 0)]);
        assert_eq!(net.counters().waiting, 0);
    }
}

#[test]
fn suback_of_a_kept_session_waits() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let kept = net.join(&v311("kept").kept(0));
        let clean = net.join(&v311("clean"));
        stall(&mut net);
        for client in [kept, clean] {
            net.send(client, &crate::wire::subscribe(Version::V311, 1, &[("t", 1), ("u", 1)], 0));
        }
        assert_eq!(net.got(clean), [Got::Suback(1, vec![1, 1])]);
        assert!(net.got(kept).is_empty());
        redeem(&mut net);
        assert_eq!(net.got(kept), [Got::Suback(1, vec![1, 1])]);
        assert_eq!(net.counters().waiting, 0);
    }
}

/// The publisher is gone before its acknowledgement is due: nothing is left of it.
#[test]
fn the_publisher_does_not_wait() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let publisher = net.join(&v5("publisher").silent());
        let subscribers = subscribers(&mut net, 8, "t");
        stall(&mut net);
        net.publish(publisher, &msg("t", "x").acked(1, 1));
        net.cut(publisher);
        // Its place is taken by another connection.
        let other = net.join(&v5("publisher").silent());
        redeem(&mut net);
        assert!(net.got(other).is_empty(), "the acknowledgement was not for this connection");
        net.cut(other);
        for client in subscribers {
            net.cut(client);
        }
        net.advance(1_000_000);
        net.assert_empty();
    }
}

#[test]
fn retained_messages() {
    let mut net = persistent(2);
    let a = net.join(&v5("a").silent());
    stall(&mut net);
    net.publish(a, &msg("t", "x").retained().acked(1, 1));
    net.publish(a, &msg("t", "").retained().acked(1, 2));
    net.publish(a, &msg("t", "").retained().acked(1, 3));
    assert_eq!(kinds(&mut net), ["retained", "retained gone"]);
    redeem(&mut net);
    let acks = net.got(a).iter().filter(|got| matches!(got, Got::Ack(Puback, ..))).count();
    assert_eq!((acks, net.counters().waiting), (3, 0));
}

/// The store hears of a session's beginning, its changes and its end: once each.
#[test]
fn the_life_of_a_session() {
    let mut net = persistent(1);
    let clean = net.join(&v5("clean"));
    net.leave(clean);
    assert!(kinds(&mut net).is_empty());

    let a = net.join(&v5("a").fresh(10));
    net.subscribe(a, &[("t", 1)]);
    net.unsubscribe(a, "t");
    net.cut(a);
    net.advance(10_000);
    assert_eq!(kinds(&mut net), ["session", "session", "session gone", "subscribed", "unsubscribed"]);

    // Lowered to 0 by DISCONNECT, and by the next CONNECT.
    let lower = disconnect(Version::V5, 0, &[Property::SessionExpiryInterval(0)]);
    let a = net.join(&v5("a").fresh(10));
    net.send(a, &lower);
    assert_eq!(kinds(&mut net).last(), Some(&"session gone"));
    let a = net.join(&v5("a").fresh(10));
    net.cut(a);
    let a = net.join(&v5("a").kept(0));
    net.leave(a);
    assert_eq!(kinds(&mut net).last(), Some(&"session gone"));

    // Raised: the store must know when it ends.
    let a = net.join(&v5("a").fresh(10));
    kinds(&mut net);
    net.send(a, &disconnect(Version::V5, 0, &[Property::SessionExpiryInterval(20)]));
    let kept = |record: &Persist| match record {
        Persist::Session { kept, .. } => (kept.expiry_s, kept.ends_at),
        other => panic!("{other:?}"),
    };
    let ends_at = net.now + 20_000;
    assert_eq!(net.persisted.iter().map(kept).collect::<Vec<_>>(), [(20, Some(ends_at))]);
    net.advance(20_000);
    net.assert_empty();
}

#[test]
fn acknowledged_by_the_subscriber() {
    let mut net = persistent(1);
    let publisher = net.join(&v5("publisher"));
    subscribers(&mut net, 1, "t");
    net.run();
    net.persisted.clear();
    net.publish(publisher, &msg("t", "x").acked(2, 1));
    net.publish(publisher, &msg("t", "x").acked(1, 2));
    assert_eq!(kinds(&mut net), ["dequeued", "dequeued", "queued", "queued", "recorded"]);
}

/// A restart takes the front of the queue, as far as the window goes, for sent. A QoS 2 message that was sent in the
/// place of another whose end a crash takes back would be dropped without its PUBREL, if its time or its right is over
/// by then.
#[test]
fn a_delivery_rests_on_the_end_of_the_one_that_made_room() {
    let settings = Settings { persistent: true, max_inflight_messages: 1, ..Settings::default() };
    let mut net = Net::new(1, 1, settings);
    let publisher = net.join(&v5("publisher"));
    let subscriber = net.join(&v5("subscriber").fresh(1000).silent());
    net.subscribe(subscriber, &[("t", 2)]);
    for id in 1..=2 {
        net.publish(publisher, &msg("t", "x").acked(2, id));
    }
    assert_eq!(net.messages(subscriber).len(), 1);
    net.ack(subscriber, Pubrec, 1);
    net.got(subscriber);
    stall(&mut net);
    net.ack(subscriber, Pubcomp, 1);
    assert_eq!((net.got(subscriber), kinds(&mut net)), (vec![], vec!["dequeued"]));
    redeem(&mut net);
    assert_eq!(net.messages(subscriber).len(), 1);
}

/// Who deletes what is gone already is told so once that will not come back.
#[test]
fn a_second_deletion_waits_for_the_first() {
    let mut net = persistent(1);
    let [a, b] = ["a", "b"].map(|id| net.join(&v5(id).silent()));
    net.publish(a, &msg("t", "x").retained());
    stall(&mut net);
    net.publish(a, &msg("t", "").retained());
    net.publish(b, &msg("t", "").retained().acked(1, 1));
    assert_eq!((net.got(b), kinds(&mut net)), (vec![], vec!["retained gone"]));
    redeem(&mut net);
    assert_eq!(net.got(b), [Got::Ack(Puback, 1, 0x10)]);
}
