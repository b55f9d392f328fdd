//! E: rights that are narrower than what is asked for, and identities that change hands.

use std::collections::HashSet;

use crate::identity::{account, login, refused, reload_acl};
use crate::kit::client::tcp;
use crate::kit::packet::PUBACK;
use crate::kit::*;
use crate::vitals::{Limits, Vitals, guarded, passwords};

// E16, G: a filter wider than the right gets what the right covers, and nothing else.
#[test]
fn e16_wildcards_over_literal_rights() {
    let rules =
        "user alice\ntopic readwrite #\ntopic readwrite $foo/#\nuser bob\ntopic read a/x/b\ntopic read c\n";
    let mut broker = guarded(rules).start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V5, "alice");
    let others = ["a/y/b", "a/x/b/c", "a/x", "d", "/c", "c/", "$foo/c"];
    for topic in others {
        alice.publish_retained(topic, "never", 1);
    }
    for filter in ["#", "+", "a/+/b", "+/+/+", "a/#", "/#", "+/", "$foo/#", "$share/g/#"] {
        let mut bob = login(&broker, V5, "bob");
        bob.send(Subscribe::new(V5, 1, filter, 1).bytes());
        bob.frame();
        for topic in others {
            alice.publish(topic, "never", 1);
        }
        alice.publish("a/x/b", "m", 1);
        alice.publish("c", "m", 1);
        bob.send(packet::PINGREQ);
        loop {
            let frame = bob.frame();
            let Some(delivery) = decode::delivery(V5, &frame) else { break };
            assert!(["a/x/b", "c"].contains(&delivery.topic.as_str()), "{filter}: {delivery:?}");
            bob.acknowledge(&delivery);
        }
        bob.disconnect();
    }
    for topic in others {
        alice.publish_retained(topic, "", 1);
    }
    alice.disconnect();
    vitals.finish("E16 (wildcards over literal rights)", &mut broker, Limits::of_connections(10));
}

/// A client of the listener with the mount point.
fn mounted(broker: &Broker, id: &str) -> Client {
    let mut client = Client::over(tcp(broker.port_n(2)), V5);
    client.handshake(&Connect::new(V5, id));
    client
}

// E18, C(CVE-2024-3935): nothing leads out of a mount point, and nothing shorter than it leads in.
#[test]
fn e18_leaving_a_mount_point() {
    let conf = crate::vitals::target().line("listener {port2} 127.0.0.1").line("mount_point tenant/");
    let mut broker = conf.start();
    let vitals = Vitals::begin(&broker);
    let mut outside = Client::clean(&broker, V5, "outside");
    for filter in ["#", "+/#", "/#", "../#"] {
        outside.subscribe(filter, 0);
    }
    let mut tenant = mounted(&broker, "tenant");
    // Out: whatever it is called, it is below the prefix.
    for topic in ["../x", "/x", "x", "..", "tenant/x", "//", "$SYS/x", "$foo"] {
        tenant.publish(topic, "out", 0);
        let copies = outside.delivery();
        assert_eq!(copies.topic, format!("tenant/{topic}"));
        while let Some(copy) = outside_copy(&mut outside) {
            assert_eq!(copy, copies.topic);
        }
    }
    // In: what is not below the prefix never arrives, whatever is subscribed to.
    for filter in ["#", "+", "../#", "/#", "tenant/#", "$SYS/#", "$share/g/#", "+/+/#"] {
        tenant.subscribe(filter, 0);
    }
    for topic in ["x", "tenant", "tenan", "tenantx/y", "/tenant/x", "../tenant/x", "t"] {
        outside.publish(topic, "in", 0);
    }
    tenant.expect_silence();
    outside.publish("tenant/inside", "in", 0);
    let arrived = tenant.delivery();
    assert_eq!(arrived.topic, "inside");
    // A will, and retained messages, stay below as well.
    let mut dying = Client::over(tcp(broker.port_n(2)), V5);
    dying.handshake(&Connect::new(V5, "dying").will(Publish::new(V5, "../will", "w").retain()));
    dying.cut();
    let mut late = Client::clean(&broker, V5, "late");
    let found = poll(10 * SECOND, || {
        late.subscribe("tenant/../will", 0);
        late.frame_within(SECOND / 4)
    });
    assert!(found.is_some(), "the will is below the prefix");
    late.publish_retained("tenant/../will", "", 1);
    for client in [outside, tenant, late] {
        client.cut();
    }
    vitals.finish("E18 (leaving a mount point)", &mut broker, Limits::of_connections(4));
}

/// The topic of another copy that has already come.
fn outside_copy(client: &mut Client) -> Option<String> {
    client.send(packet::PINGREQ);
    let mut last = None;
    loop {
        let frame = client.frame();
        match decode::delivery(V5, &frame) {
            Some(delivery) => last = Some(delivery.topic),
            None => return last,
        }
    }
}

// E23, G: `$SYS` is for those who may read it, and says nothing of who is connected.
#[test]
fn e23_sys_for_strangers() {
    let rules = "topic read #\nuser alice\ntopic read #\n";
    let mut broker = guarded(rules).line("allow_anonymous true").start();
    let vitals = Vitals::begin_guarded(&broker);
    for connect in [Connect::new(V5, "stranger"), account(V5, "a-secret-name", "alice")] {
        let (mut client, _) = Client::open(&broker, &connect);
        for filter in ["$SYS/#", "$SYS/broker/version", "$SYS/broker/+", "$SYS/+/clients/connected", "#"] {
            client.subscribe(filter, 0);
        }
        client.expect_silence();
        // A whole interval of updates later there is still nothing.
        assert_eq!(client.frame_within(2 * SECOND), None, "no $SYS for {connect:?}");
        client.disconnect();
    }
    let told = Connect::new(V4, "again").login("watcher", accounts::PASSWORD);
    let alice = Client::open(&broker, &account(V5, "a-secret-name", "alice")).0;
    let mut sys = Sys::watch_as(&broker, &told);
    sys.settle();
    for topic in sys.topics() {
        let value = sys.value(topic.trim_start_matches("$SYS/broker/")).unwrap_or_default();
        assert!(!topic.contains("a-secret-name") && !value.contains("a-secret-name"), "{topic} {value}");
    }
    drop(sys);
    alice.cut();
    vitals.finish("E23 ($SYS for strangers)", &mut broker, Limits::of_connections(4));
}

// E25, G. Users are in files here: a reload takes the user away while it is connected.
#[test]
fn e25_a_user_removed_while_connected() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite #\n";
    let mut broker = guarded(rules).start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("from/bob", 1);
    let (mut bob, _) = Client::open(&broker, &account(V4, "bob-away", "bob").durable());
    bob.subscribe("to/bob", 1);
    let mut idle = login(&broker, V4, "bob");
    idle.subscribe("to/bob", 1);
    broker.write("passwd", passwords(&["alice", "eve"]));
    reload_acl(&broker, 1, "topic readwrite #\n");
    // He may be cut off or stay; he is told nothing and heard by nobody.
    alice.publish("to/bob", "never", 1);
    for gone in [&mut bob, &mut idle] {
        gone.send(Publish::new(V4, "from/bob", "never").qos(1, 1).bytes());
        gone.send(packet::PINGREQ);
        let (bytes, _) = gone.drain_within(SECOND);
        assert!(!bytes.windows(6).any(|some| some == b"to/bob"), "{}", hex::dump(&bytes));
    }
    alice.expect_silence();
    [bob, idle].into_iter().for_each(Client::cut);
    refused(&broker, &account(V4, "bob-away", "bob").durable());
    // Back again, he does not find what was not his meanwhile.
    broker.write("passwd", passwords(&["alice", "bob", "eve"]));
    reload_acl(&broker, 2, "topic readwrite #\nuser bob\ntopic readwrite #\n");
    let (mut bob, _) = Client::open(&broker, &account(V4, "bob-away", "bob").durable());
    alice.publish("to/bob", "now", 1);
    bob.receive("to/bob", "now");
    bob.disconnect();
    Client::open(&broker, &account(V4, "bob-away", "bob")).0.disconnect();
    alice.disconnect();
    vitals.finish("E25 (a user removed while connected)", &mut broker, Limits::of_connections(23));
}

// E28, C(CVE-2026-22040, CVE-2026-32134). Scale: 4 connect 150 times each under one id, as fast as they can.
#[test]
fn e28_take_over_again_and_again() {
    let mut broker = crate::vitals::target().line("connection_messages false").start();
    let mut vitals = Vitals::begin(&broker);
    let mut watcher = Client::clean(&broker, V5, "watcher");
    watcher.subscribe("wills", 0);
    std::thread::scope(|scope| {
        let broker = &broker;
        for fighter in 0..4 {
            scope.spawn(move || (0..150).for_each(|round| fight(broker, fighter, round)));
        }
        scope.spawn(move || {
            let mut writer = Client::clean(broker, V5, "writer");
            (0..1_000).for_each(|round| writer.publish("contested", "m", (round % 3) as u8));
            writer.disconnect();
        });
    });
    vitals.during("E28", &mut broker);
    let mut sys = Sys::watch_as(&broker, &Connect::new(V4, "sys-count"));
    sys.settle();
    // The three of the watch, this one, the watcher and at most one of the fighters.
    assert!((5..=6).contains(&sys.number("clients/total")), "{} sessions", sys.number("clients/total"));
    drop(sys);
    Client::clean(&broker, V5, "contested").disconnect();
    watcher.send(packet::PINGREQ);
    let mut seen = HashSet::new();
    while let Some(will) = decode::delivery(V5, &watcher.frame()) {
        assert!(seen.insert(will.text()), "will {} came twice", will.text());
    }
    println!("E28: {} wills of 600 connections", seen.len());
    watcher.disconnect();
    vitals.finish("E28 (take-over again and again)", &mut broker, Limits::of_connections(604));
}

/// One connection of the contested id: it subscribes, and stays until it is taken over, leaves or is cut.
fn fight(broker: &Broker, fighter: usize, round: usize) {
    let will = Publish::new(V5, "wills", format!("{fighter}/{round}"));
    let connect = Connect::new(V5, "contested").will(will);
    let mut client = Client::raw(broker, V5);
    client.send(if round.is_multiple_of(2) { connect } else { connect.durable() }.bytes());
    client.send(Subscribe::new(V5, 1, "contested", 1).bytes());
    client.send(Publish::new(V5, "elsewhere", "m").qos(1, 2).bytes());
    while let Some(frame) = client.frame_within(10 * SECOND) {
        if frame[0] == 0xE0 {
            assert_eq!(decode::reason(&frame), Some(0x8E), "taken over");
        }
        if frame[0] == PUBACK && round.is_multiple_of(3) {
            return client.disconnect_or_lose();
        }
        if frame[0] == PUBACK {
            return client.cut();
        }
    }
}
