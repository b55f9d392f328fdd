//! Restarts: each kind of thing that the store keeps comes back, and what fell due while the broker was down happens.

use crate::host::Right;
use crate::net::Net;
use crate::wire::{Got, Hello, Msg, msg, v5, v311};
use pondhawk_broker::{Kept, ListenerSettings, Persist, Settings};
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{PacketType, Property};
use pondhawk_session::server::{Millis, Seq};
use std::sync::Arc;

fn persistent(shards: u8) -> Net {
    let settings = Settings { persistent: true, ..Settings::default() };
    Net::new(shards, 1, settings)
}

/// The broker crashes and is back at once with three shards. It had kept everything.
fn restart(net: &mut Net) -> Net {
    net.run();
    net.after_crash(*net.cuts().end(), 3, 7)
}

/// The same, after `ms` without a broker.
fn restart_after(net: &mut Net, ms: u64) -> Net {
    net.run();
    net.now += ms;
    restart(net)
}

fn acks(got: &[Got]) -> Vec<(PacketType, u16)> {
    let ack = |got: &Got| match got {
        Got::Ack(packet_type, id, _) => Some((*packet_type, *id)),
        _ => None,
    };
    got.iter().filter_map(ack).collect()
}

fn brief(messages: &[Msg]) -> Vec<(&str, u8, u16, bool)> {
    messages.iter().map(|message| (message.text(), message.qos, message.id, message.dup)).collect()
}

fn will_of(hello: Hello, delay_s: u32) -> Hello {
    hello.will(msg("w", "will").acked(1, 0), &[Property::WillDelayInterval(delay_s)])
}

/// A kept client that is away and waits for wills.
fn mourner(net: &mut Net) {
    let client = net.join(&v311("mourner").kept(0));
    net.subscribe(client, &[("w", 1)]);
    net.cut(client);
}

fn mourned(net: &mut Net) -> Vec<String> {
    let client = net.join(&v311("mourner").kept(0));
    net.cut(client);
    net.payloads(client)
}

#[test]
fn a_session_comes_back_with_what_it_holds() {
    for shards in crate::SHARDS {
        let mut net = persistent(shards);
        let subscriber = net.join(&v5("subscriber").kept(1000).silent());
        net.subscribe_as(subscriber, &[("t/+", 2)], 17);
        let publisher = net.join(&v5("publisher"));
        net.publish(publisher, &msg("t/1", "sent").acked(1, 1));
        net.cut(subscriber);
        net.publish(publisher, &msg("t/1", "queued").acked(2, 2));
        net.publish(publisher, &msg("t/2", "too").acked(1, 3).retained());
        let mut net = restart(&mut net);
        let (subscriber, present) = net.join_present(&v5("subscriber").kept(1000));
        assert!(present);
        let got = net.messages(subscriber);
        assert_eq!(
            brief(&got),
            [("sent", 1, 1, true), ("queued", 2, 2, false), ("too", 1, 3, false)],
            "the same ids, and DUP where it had been sent"
        );
        assert!(got.iter().all(|message| message.subscription_ids() == [17]));
        // The subscription is there for what comes now, and numbers go on.
        let publisher = net.join(&v5("publisher"));
        net.publish(publisher, &msg("t/3", "new").acked(1, 1));
        assert_eq!(brief(&net.messages(subscriber)), [("new", 1, 4, false)]);
        // So is the retained message.
        let other = net.join(&v5("other"));
        net.subscribe(other, &[("#", 0)]);
        assert_eq!(net.payloads(other), ["too"]);
    }
}

/// What a connected client may have been sent has DUP: at QoS 2 no more than its window, at QoS 1 what was queued.
#[test]
fn a_crash_does_not_know_what_was_sent() {
    let settings = Settings { persistent: true, max_inflight_messages: 2, ..Settings::default() };
    let mut net = Net::new(2, 1, settings);
    let subscriber = net.join(&v5("subscriber").kept(1000).silent());
    net.subscribe(subscriber, &[("t", 2)]);
    let publisher = net.join(&v5("publisher"));
    for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
        net.publish(publisher, &msg("t", "x").acked(qos, id));
    }
    let mut net = restart(&mut net);
    let publisher = net.join(&v5("publisher"));
    net.publish(publisher, &msg("t", "new").acked(1, 9));
    let mut net = restart(&mut net);
    let subscriber = net.join(&v5("subscriber").kept(1000));
    let expected =
        [("x", 1, 1, true), ("x", 2, 2, true), ("x", 1, 3, true), ("x", 2, 4, false), ("new", 1, 5, false)];
    assert_eq!(brief(&net.messages(subscriber)), expected);
}

/// Of a message that the client has, only PUBREL is owed.
#[test]
fn the_second_half_of_a_delivery() {
    let mut net = persistent(2);
    let subscriber = net.join(&v5("subscriber").kept(1000).silent());
    net.subscribe(subscriber, &[("t", 2)]);
    let publisher = net.join(&v5("publisher"));
    net.publish(publisher, &msg("t", "x").acked(2, 1));
    net.ack(subscriber, Pubrec, 1);
    let mut net = restart(&mut net);
    let subscriber = net.join(&v5("subscriber").kept(1000));
    assert_eq!(net.got(subscriber), [Got::Ack(Pubrel, 1, 0)]);
    assert_eq!(net.counters().queued, 0);
    // Its PUBCOMP was kept too.
    let mut net = restart(&mut net);
    let subscriber = net.join(&v5("subscriber").kept(1000));
    assert!(net.got(subscriber).is_empty());
}

#[test]
fn the_first_half_of_a_publish() {
    for shards in crate::SHARDS {
        let mut net = persistent(shards);
        let mourner = net.join(&v311("subscriber").kept(0));
        net.subscribe(mourner, &[("t", 2)]);
        let publisher = net.join(&v5("publisher").kept(1000).silent());
        net.publish(publisher, &msg("t", "x").acked(2, 1));
        assert_eq!(net.got(publisher), [Got::Ack(Pubrec, 1, 0)]);
        let mut net = restart(&mut net);
        let subscriber = net.join(&v311("subscriber").kept(0));
        let publisher = net.join(&v5("publisher").kept(1000).silent());
        net.publish(publisher, &msg("t", "x").acked(2, 1).again());
        net.ack(publisher, Pubrel, 1);
        assert_eq!(acks(&net.got(publisher)), [(Pubrec, 1), (Pubcomp, 1)]);
        assert_eq!(net.payloads(subscriber), ["x"]);
    }
}

/// Numbers never fall back to what the client may know.
#[test]
fn ids_go_on_where_they_were() {
    let mut net = persistent(1);
    let subscriber = net.join(&v5("subscriber").kept(1000));
    net.subscribe(subscriber, &[("t", 1)]);
    let publisher = net.join(&v5("publisher"));
    for id in 1..=3 {
        net.publish(publisher, &msg("t", "x").acked(1, id));
    }
    net.cut(subscriber);
    let mut net = restart(&mut net);
    let publisher = net.join(&v5("publisher"));
    net.publish(publisher, &msg("t", "y").acked(1, 1));
    let subscriber = net.join(&v5("subscriber").kept(1000));
    assert_eq!(brief(&net.messages(subscriber)), [("y", 1, 4, false)]);
}

#[test]
fn sessions_end_while_the_broker_is_down() {
    let mut net = persistent(2);
    for (id, expiry_s) in [("short", 10), ("long", 100), ("ever", u32::MAX)] {
        let away = net.join(&v5(&format!("{id} away")).fresh(expiry_s));
        net.cut(away);
        net.join(&v5(&format!("{id} there")).fresh(expiry_s));
    }
    net.join(&v5("clean"));
    let mut net = restart_after(&mut net, 20_000);
    // Who was there has its time from the restart on.
    let mut present = |id: &str| net.join_present(&v5(id).kept(50)).1;
    assert!(!present("short away") && present("short there"));
    assert!(present("long away") && present("long there"));
    assert!(present("ever away") && present("ever there"));
    assert!(!present("clean"));

    let mut net = restart(&mut net);
    net.advance(50_000);
    net.assert_empty();
}

#[test]
fn the_crash_ends_connections_whose_wills_are_due() {
    for shards in crate::SHARDS {
        let mut net = persistent(shards);
        mourner(&mut net);
        net.join(&will_of(v5("clean"), 0));
        net.join(&will_of(v5("clean, with a delay that its session does not live"), 5));
        net.join(&will_of(v5("kept").fresh(1000), 0));
        net.join(&v5("none").fresh(1000));
        let left = net.join(&will_of(v5("left").fresh(1000), 0));
        net.leave(left);
        let mut net = restart(&mut net);
        assert_eq!(mourned(&mut net), ["will"; 3]);
        // Once.
        let mut net = restart(&mut net);
        assert!(mourned(&mut net).is_empty());
    }
}

#[test]
fn delayed_wills() {
    let mut net = persistent(2);
    mourner(&mut net);
    net.join(&will_of(v5("there").fresh(1000), 30));
    for (id, delay_s) in [("due", 10), ("later", 40), ("back", 40)] {
        let client = net.join(&will_of(v5(id).fresh(1000), delay_s));
        net.cut(client);
    }
    let ends = net.join(&will_of(v5("ends before").fresh(15), 100));
    net.cut(ends);
    let mut net = restart_after(&mut net, 20_000);
    assert_eq!(mourned(&mut net), ["will"; 2], "the one that was due and the one whose session has ended");
    net.join(&v5("back").kept(1000));
    net.advance(19_000);
    assert!(mourned(&mut net).is_empty());
    net.advance(2_000);
    assert_eq!(mourned(&mut net), ["will"], "40 seconds after its connection");
    net.advance(20_000);
    assert_eq!(mourned(&mut net), ["will"], "30 seconds after the crash");
    net.advance(1_000_000);
    assert!(mourned(&mut net).is_empty());
}

/// Nothing is routed or delivered that the rules forbid by then.
#[test]
fn rights_of_the_moment() {
    let mut net = persistent(2);
    let subscriber = net.join(&v5("subscriber").kept(1000).silent());
    net.subscribe(subscriber, &[("t", 2), ("w", 2)]);
    let publisher = net.join(&v5("publisher"));
    for id in 1..=3 {
        net.publish(publisher, &msg("t", "x").acked(if id == 3 { 1 } else { 2 }, id));
    }
    net.ack(subscriber, Pubrec, 2);
    net.join(&will_of(v5("muted"), 0));
    let mut net = restart(&mut net);
    net.world.borrow_mut().deny("subscriber", Right::Receive, "t");
    net.world.borrow_mut().deny("muted", Right::Publish, "w");
    let subscriber = net.join(&v5("subscriber").kept(1000));
    // The right to the will was there when the crash ended its connection.
    let will = Got::Publish(msg("w", "will").acked(1, 4));
    // The first may be half done at the client: PUBREL ends it there, so that its id is free on both sides.
    assert_eq!(net.got(subscriber), [Got::Ack(Pubrel, 1, 0), Got::Ack(Pubrel, 2, 0), will]);
    assert_eq!(net.counters().queued, 0);
    let mut net = restart(&mut net);
    let subscriber = net.join(&v5("subscriber").kept(1000));
    assert!(net.got(subscriber).is_empty(), "what was dropped stays dropped");
}

#[test]
fn a_topic_without_a_retained_message_stays_so() {
    let mut net = persistent(3);
    let publisher = net.join(&v5("publisher"));
    net.publish(publisher, &msg("gone", "x").retained());
    net.publish(publisher, &msg("gone", "").retained());
    let brief = Property::MessageExpiryInterval(5);
    net.publish(publisher, &msg("brief", "x").retained().with(&[brief]));
    net.publish(publisher, &msg("kept", "x").retained());
    net.publish_system("$SYS/up", "1");
    let mut net = restart_after(&mut net, 10_000);
    let client = net.join(&v5("client"));
    net.subscribe(client, &[("#", 0), ("$SYS/#", 0)]);
    let topics: Vec<String> = net.messages(client).into_iter().map(|message| message.topic).collect();
    assert_eq!(topics, ["kept"]);
}

/// A crash before the records of a restart are durable is followed by the same restart.
#[test]
fn a_restart_can_be_repeated() {
    let mut net = persistent(4);
    mourner(&mut net);
    net.join(&will_of(v5("kept").fresh(1000), 0));
    net.run();
    let cut = *net.cuts().end();
    for shards in 1..=8 {
        let mut net = net.after_crash(cut, shards, u64::from(shards));
        assert_eq!(mourned(&mut net), ["will"]);
    }
}

/// Shared subscriptions come back: a client that is there is preferred to one that is away.
#[test]
fn a_shared_group_comes_back() {
    for shards in crate::SHARDS {
        let mut net = persistent(shards);
        for n in 0..4 {
            let client = net.join(&v311(&format!("member {n}")).kept(0));
            net.subscribe(client, &[("$share/g/t", 1)]);
        }
        let mut net = restart(&mut net);
        let there = net.join(&v311("member 2").kept(0));
        let publisher = net.join(&v5("publisher").silent());
        for id in 1..=5 {
            net.publish(publisher, &msg("t", "x").acked(1, id));
        }
        assert_eq!(net.payloads(there), ["x"; 5]);
        assert_eq!(acks(&net.got(publisher)), [1, 2, 3, 4, 5].map(|id| (Puback, id)));
    }
}

/// A retained message that has reached its home does not come over a newer one, though it was under way to the end.
#[test]
fn what_has_arrived_does_not_arrive_again() {
    let mut net = persistent(8);
    let publisher = net.join(&v5("publisher").kept(1000).silent());
    let other = net.join(&v5("other"));
    let topics: Vec<String> = (0..16).map(|n| format!("t/{n:02}")).collect();
    for (id, topic) in (1..).zip(&topics) {
        net.publish(publisher, &msg(topic, "older").acked(2, id).retained());
    }
    net.store_stalls = true;
    for (id, topic) in (1..).zip(&topics) {
        net.ack(publisher, Pubrel, id);
        net.publish(other, &msg(topic, "newer").retained());
    }
    let mut net = restart(&mut net);
    let client = net.join(&v5("client"));
    net.subscribe(client, &[("t/#", 0)]);
    assert_eq!(net.payloads(client), ["newer"; 16]);
}

/// Acknowledgements make room in the window, and the store hears of them later than the client gets what comes next.
/// [MQTT-3.3.1-1] [MQTT3-3.3.1-1]
#[test]
fn what_was_sent_beyond_the_window_has_dup_after_a_crash() {
    let settings = Settings { persistent: true, max_inflight_messages: 2, ..Settings::default() };
    let mut net = Net::new(1, 1, settings);
    let reader = net.join(&v311("reader").kept(0).silent());
    net.subscribe(reader, &[("t", 1)]);
    let publisher = net.join(&v5("publisher"));
    for n in 1..=4 {
        net.publish(publisher, &msg("t", &n.to_string()).acked(1, n));
    }
    net.run();
    let kept = *net.cuts().end();
    net.store_stalls = true;
    for id in 1..=2 {
        net.ack(reader, Puback, id);
    }
    assert_eq!(net.payloads(reader), ["1", "2", "3", "4"]);
    // Another crash before the client is back changes nothing.
    let mut net = net.after_crash(kept, 3, 7);
    let mut net = restart(&mut net);
    let (reader, present) = net.join_present(&v311("reader").kept(0));
    assert!(present);
    let got = net.messages(reader);
    assert_eq!(brief(&got), [("1", 1, 1, true), ("2", 1, 2, true), ("3", 1, 3, true), ("4", 1, 4, true)]);
}

/// What another broker has left does not always say whose it is.
#[test]
fn an_imported_session_belongs_to_the_first_client_that_comes_for_it() {
    let mut net = persistent(2);
    let kept = Kept {
        username: Some("wrong".into()),
        listener: 0,
        expiry_s: 1000,
        ends_at: Some(Millis::MAX),
        sent: Seq(0),
        doubtful: Seq(0),
        unclaimed: true,
    };
    let record = |client_id: &str| Persist::Session { client_id: client_id.into(), kept: kept.clone() };
    net.import(vec![record("c"), record("d")]);
    // It stays so until somebody comes, and no longer.
    let mut net = restart(&mut net);
    let (client, present) = net.join_present(&v5("c").user("right").kept(1000));
    assert!(present);
    net.cut(client);
    let mut net = restart(&mut net);
    for (id, user, fine) in [("c", "wrong", false), ("d", "any", true), ("c", "right", true)] {
        let client = net.greet(&v5(id).user(user).kept(1000));
        let connack = &net.got(client)[0];
        assert!(
            matches!(connack, Got::Connack { code, .. } if (*code == 0) == fine),
            "{id} {user}: {connack:?}"
        );
    }
}

/// A client does not get its own will, if it asked for that. [MQTT-3.8.3-3]
#[test]
fn no_local_holds_over_a_restart() {
    let mut net = persistent(3);
    let own = net.join(&will_of(v5("own").kept(1000), 0));
    // QoS 1, No Local.
    net.subscribe(own, &[("w", 0b101)]);
    mourner(&mut net);
    let mut net = restart(&mut net);
    let own = net.join(&v5("own").kept(1000));
    assert!(net.payloads(own).is_empty());
    assert_eq!(mourned(&mut net), ["will"]);
}

/// The places of the sessions of before go to others, and their messages do not. [MQTT-3.8.3-3]
#[test]
fn what_was_published_before_a_restart_is_not_ones_own() {
    let mut net = persistent(1);
    let publisher = net.join(&v5("publisher"));
    net.publish(publisher, &msg("t", "retained").retained());
    let mut net = net.after_crash(*net.cuts().end(), 1, 1);
    let other = net.join(&v5("other"));
    // QoS 0, No Local.
    net.subscribe(other, &[("t", 0b100)]);
    assert_eq!(net.payloads(other), ["retained"]);
}

/// What a restart publishes is retained while there is room, as at any other time.
#[test]
fn limits_of_retained_messages_hold_over_a_restart() {
    let limits = [(1, 0), (2, 0), (0, 10), (0, 11), (0, 0)];
    for (messages, bytes) in limits {
        let settings = Settings {
            persistent: true,
            max_retained_messages: messages,
            max_retained_bytes: bytes,
            ..Settings::default()
        };
        let mut net = Net::new(2, 1, settings);
        let publisher = net.join(&v5("publisher"));
        net.publish(publisher, &msg("t", "stays").retained());
        let heir = net.join(&v5("heir").kept(1000));
        // QoS 1, Retain As Published.
        net.subscribe(heir, &[("w", 0b1001)]);
        net.join(&v5("dying").will(msg("w", "will").acked(1, 0).retained(), &[]));
        let mut net = restart(&mut net);
        // "t" and "stays" are 6 bytes, "w" and "will" 5.
        let room = messages != 1 && bytes != 10;
        assert_eq!(net.counters().retained, 1 + u64::from(room), "{messages} messages, {bytes} bytes");
        let heir = net.join(&v5("heir").kept(1000));
        let told: Vec<bool> = net.messages(heir).iter().map(|message| message.retain).collect();
        assert_eq!(told, [room], "what is not retained is not called so");
    }
}

/// An unsubscribed filter does not come back.
#[test]
fn what_was_unsubscribed_stays_so() {
    let mut net = persistent(2);
    let subscriber = net.join(&v5("subscriber").kept(1000));
    net.subscribe(subscriber, &[("t", 1), ("u", 1)]);
    net.unsubscribe(subscriber, "t");
    let mut net = restart(&mut net);
    let publisher = net.join(&v5("publisher"));
    net.publish(publisher, &msg("t", "gone").acked(1, 1));
    net.publish(publisher, &msg("u", "kept").acked(1, 2));
    let subscriber = net.join(&v5("subscriber").kept(1000));
    assert_eq!(net.payloads(subscriber), ["kept"]);
}

/// A will that the crash brought goes by the subscriptions as a will at any other time: one copy where one is asked
/// for, none at QoS 0 for who is away, its own client's too unless that refused it.
#[test]
fn wills_of_a_crash_go_by_the_subscriptions() {
    let settings = Settings { persistent: true, allow_duplicate_messages: false, ..Settings::default() };
    let mut net = Net::new(2, 1, settings);
    let own = net.join(&will_of(v5("own").kept(1000), 0));
    net.subscribe(own, &[("w", 1)]);
    let overlapping = net.join(&v5("overlapping").kept(1000));
    // No Local, which is nothing to others.
    net.subscribe(overlapping, &[("w", 0b101), ("#", 0b101)]);
    let at_most_once = net.join(&v5("at most once").kept(1000));
    net.subscribe(at_most_once, &[("w", 0)]);
    let mut net = restart(&mut net);
    for (id, copies) in [("own", 1), ("overlapping", 1), ("at most once", 0)] {
        let client = net.join(&v5(id).kept(1000));
        assert_eq!(net.payloads(client).len(), copies, "{id}");
    }
}

/// An empty will that asks to be retained deletes, whatever the limit; one that replaces needs no room.
#[test]
fn wills_of_a_crash_delete_and_replace_at_the_limit() {
    for (text, left) in [("", None), ("newer", Some("newer"))] {
        let mut net =
            Net::new(2, 1, Settings { persistent: true, max_retained_messages: 1, ..Settings::default() });
        let publisher = net.join(&v5("publisher"));
        net.publish(publisher, &msg("t", "older").retained());
        net.join(&v5("dying").will(msg("t", text).retained(), &[]));
        let mut net = restart(&mut net);
        let reader = net.join(&v5("reader"));
        net.subscribe(reader, &[("t", 0)]);
        assert_eq!(net.payloads(reader), Vec::from_iter(left));
    }
}

/// What the client may not see any more does not take up its queue.
#[test]
fn a_restart_queues_nothing_that_is_forbidden() {
    let mut net = persistent(2);
    mourner(&mut net);
    net.join(&will_of(v5("dying"), 0));
    net.world.borrow_mut().deny("mourner", Right::Receive, "w");
    let mut net = restart(&mut net);
    assert_eq!((net.counters().queued, net.counters().publish_dropped), (0, 0));
}

/// Sessions come back though there are more than may be by now, and give back no place that they do not have.
#[test]
fn more_sessions_than_places() {
    let mut net = persistent(1);
    for id in ["a", "b"] {
        let client = net.join(&v5(id).fresh(100));
        net.cut(client);
    }
    net.world.borrow_mut().sessions.max = 1;
    let mut net = restart(&mut net);
    assert_eq!((net.counters().sessions, net.world.borrow().sessions.used), (2, 1));
    net.advance(200_000);
    net.assert_empty();
}

/// Behind a mount point, a session of before it may have a filter that it could not ask for now.
#[test]
fn a_mount_point_holds_for_who_is_away() {
    let mut settings = Settings { persistent: true, ..Settings::default() };
    settings
        .listeners
        .push(ListenerSettings { mount_point: Some("m/".into()), ..ListenerSettings::default() });
    let mut net = Net::new(1, 1, settings);
    let kept = Kept {
        username: None,
        listener: 1,
        expiry_s: 1000,
        ends_at: Some(Millis::MAX),
        sent: Seq(0),
        doubtful: Seq(0),
        unclaimed: false,
    };
    let client_id: Arc<str> = "away".into();
    let subscribed = |filter: &str| Persist::Subscribed {
        client_id: client_id.clone(),
        filter: filter.into(),
        options: 1,
        id: 0,
    };
    let session = Persist::Session { client_id: client_id.clone(), kept };
    net.import(vec![session, subscribed("outside"), subscribed("m/inside")]);
    let mut net = restart(&mut net);
    let publisher = net.join(&v5("publisher"));
    for (id, topic) in [(1, "outside"), (2, "m/inside")] {
        net.publish(publisher, &msg(topic, "x").acked(1, id));
    }
    assert_eq!(net.counters().queued, 1);
}
