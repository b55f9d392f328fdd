//! Shared subscriptions: one member a message, wherever the members, the group and the publisher live.

use crate::SHARDS;
use crate::net::{Client, Net, net};
use crate::wire::{Got, msg, v5, v311};
use pondhawk_codec::{PacketType, Property};

fn members(net: &mut Net, count: usize, filter: &str) -> Vec<Client> {
    (0..count)
        .map(|n| {
            let member = net.join(&v5(&format!("member {n}")).fresh(1000));
            assert_eq!(net.subscribe(member, &[(filter, 1)]), [1]);
            member
        })
        .collect()
}

fn send(net: &mut Net, from: Client, count: usize) {
    for n in 0..count {
        net.publish(from, &msg("t/x", &n.to_string()).acked(1, 1));
    }
}

fn counts(net: &mut Net, members: &[Client]) -> Vec<usize> {
    members.iter().map(|member| net.messages(*member).len()).collect()
}

/// Members take turns.
#[test]
fn one_member_each_in_turn() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        let members = members(&mut net, 4, "$share/g/t/+");
        send(&mut net, publisher, 40);
        assert_eq!(counts(&mut net, &members), [10, 10, 10, 10]);
    }
}

/// Every group has its copy, and so has every plain subscription.
#[test]
fn groups_do_not_know_each_other() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        let a = members(&mut net, 2, "$share/a/t/#");
        let b = net.join(&v5("b"));
        net.subscribe(b, &[("$share/b/t/#", 0), ("$share/b/t/x", 0), ("t/x", 0)]);
        send(&mut net, publisher, 10);
        assert_eq!(counts(&mut net, &a), [5, 5]);
        assert_eq!(net.messages(b).len(), 30);
    }
}

/// The will of a member goes to one that is there, not to the one that has just gone.
#[test]
fn a_members_will_reaches_the_others() {
    for shards in SHARDS {
        let mut net = net(shards);
        let going = net.join(&v5("going").fresh(1000).will(msg("t/x", "gone"), &[]));
        net.subscribe(going, &[("$share/g/t/x", 0)]);
        let staying = net.join(&v5("staying"));
        net.subscribe(staying, &[("$share/g/t/x", 0)]);
        net.cut(going);
        assert_eq!(net.payloads(staying), ["gone"]);
    }
}

#[test]
fn those_who_are_there_are_preferred() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        let members = members(&mut net, 3, "$share/g/t/x");
        net.cut(members[0]);
        send(&mut net, publisher, 10);
        assert_eq!(counts(&mut net, &members[1..]), [5, 5]);
        // Back again, it takes its turns.
        let back = [net.join(&v5("member 0").kept(1000)), members[1], members[2]];
        send(&mut net, publisher, 9);
        assert_eq!(counts(&mut net, &back), [3, 3, 3]);
        for member in back {
            net.cut(member);
        }
        // Nobody is there: it waits for somebody.
        send(&mut net, publisher, 6);
        assert_eq!(net.counters().queued, 6);
        let mut got = 0;
        for n in 0..3 {
            let member = net.join(&v5(&format!("member {n}")).kept(1000));
            got += net.messages(member).len();
        }
        assert_eq!(got, 6);
    }
}

#[test]
fn members_leave_and_sessions_end() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        let members = members(&mut net, 3, "$share/g/t/x");
        assert_eq!(net.counters().shared_subscriptions, 3);
        assert_eq!(net.unsubscribe(members[1], "$share/g/t/x"), [0]);
        send(&mut net, publisher, 4);
        assert_eq!(counts(&mut net, &members), [2, 0, 2]);
        net.cut(members[0]);
        net.advance(1_000_000);
        send(&mut net, publisher, 4);
        assert_eq!(counts(&mut net, &members), [0, 0, 4]);
        assert_eq!(net.counters().shared_subscriptions, 1);
        net.join(&v5("member 1"));
        net.join(&v5("member 2"));
        net.publish(publisher, &msg("t/x", "nobody").acked(1, 1));
        assert_eq!(net.got(publisher).last(), Some(&Got::Ack(PacketType::Puback, 1, 0)));
        assert_eq!((net.counters().shared_subscriptions, net.counters().queued), (0, 0));
        for id in ["member 1", "member 2"] {
            let last = net.join(&v5(id));
            net.leave(last);
        }
        net.leave(publisher);
        net.assert_empty();
    }
}

/// [MQTT-4.8.2-3]: the member's own QoS counts. Subscribing again replaces the options and does not add a
/// member; retained messages are not for groups.
#[test]
fn subscribing_again() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        net.publish(publisher, &msg("t/x", "old").retained());
        let a = net.join(&v5("a"));
        assert_eq!(net.subscribe_as(a, &[("$share/g/t/x", 0)], 5), [0]);
        assert_eq!(net.subscribe_as(a, &[("$share/g/t/x", 2)], 6), [2]);
        assert!(net.messages(a).is_empty());
        assert_eq!(net.counters().shared_subscriptions, 1);
        net.publish(publisher, &msg("t/x", "x").acked(1, 1));
        let got = net.messages(a);
        assert_eq!((got.len(), got[0].qos, got[0].subscription_ids()), (1, 1, vec![6]));
        net.leave(a);
        net.leave(publisher);
        net.assert_empty();
    }
}

/// [MQTT-4.8.2-4] [MQTT-4.8.2-5] [MQTT-4.8.2-6]: what one member was given is nobody else's, be it away, gone
/// or unwilling.
#[test]
fn what_a_member_was_given_is_its_own() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        let members: Vec<_> = (0..2)
            .map(|n| {
                let member = net.join(&v5(&format!("member {n}")).fresh(100).silent());
                net.subscribe(member, &[("$share/g/t/x", 2)]);
                member
            })
            .collect();
        for n in 0..2 {
            net.publish(publisher, &msg("t/x", &n.to_string()).acked(2, 1));
        }
        assert_eq!(
            (net.payloads(members[0]), net.payloads(members[1])),
            (vec!["0".into()], vec!["1".into()])
        );
        net.cut(members[0]);
        let back = net.join(&v5("member 0").kept(100).silent());
        assert_eq!(net.payloads(back), ["0"]);
        let refuse = crate::wire::ack(pondhawk_codec::Version::V5, PacketType::Pubrec, 1, 0x80);
        net.send(members[1], &refuse);
        assert!(net.messages(back).is_empty());
        net.join(&v5("member 0"));
        assert!(net.messages(members[1]).is_empty());
        assert_eq!(net.counters().queued, 0);
    }
}

/// A shared and a plain subscription to one filter live and die apart. (C09)
#[test]
fn shared_and_plain_of_one_filter() {
    for shards in SHARDS {
        let mut net = net(shards);
        let publisher = net.join(&v311("publisher"));
        let a = net.join(&v5("a"));
        net.subscribe(a, &[("t/x", 0), ("$share/g/t/x", 0)]);
        send(&mut net, publisher, 1);
        assert_eq!(net.messages(a).len(), 2);
        net.unsubscribe(a, "t/x");
        send(&mut net, publisher, 1);
        assert_eq!(net.messages(a).len(), 1);
        net.subscribe(a, &[("t/x", 0)]);
        net.unsubscribe(a, "$share/g/t/x");
        send(&mut net, publisher, 1);
        assert_eq!(net.messages(a).len(), 1);
        net.leave(a);
        net.leave(publisher);
        net.assert_empty();
    }
}

/// C09: names that come and go leave nothing behind.
#[test]
fn nothing_is_left_of_many_filters() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a"));
        for n in 0..500 {
            let (plain, shared) = (format!("a/{n}/+/b"), format!("$share/g{n}/a/{n}/+/b"));
            assert_eq!(net.subscribe(a, &[(&plain, 0), (&shared, 1)]), [0, 1]);
            net.unsubscribe(a, &plain);
            net.unsubscribe(a, &shared);
        }
        assert_eq!(net.counters().trie_nodes, u64::from(shards));
        net.leave(a);
        net.assert_empty();
    }
}

/// The receive maximum of the member that was picked is its own affair: the message waits in its queue.
#[test]
fn a_slow_member_keeps_what_it_was_given() {
    let mut net = net(2);
    let publisher = net.join(&v311("publisher"));
    let slow = net.join(&v5("slow").props(&[Property::ReceiveMaximum(1)]).silent());
    let fast = net.join(&v5("fast"));
    for member in [slow, fast] {
        net.subscribe(member, &[("$share/g/t/x", 1)]);
    }
    send(&mut net, publisher, 10);
    assert_eq!(counts(&mut net, &[slow, fast]), [1, 5]);
    assert_eq!(net.counters().queued, 5);
}
