//! E: identity, rights and sessions. Accounts are alice, bob and eve.

use crate::kit::packet::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, guarded, watched};

/// Rights to everything for alice and bob.
const BOTH: &str = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite #\n";

/// A CONNECT of an account.
pub fn account(version: Version, id: &str, user: &str) -> Connect {
    Connect::new(version, id).login(user, accounts::PASSWORD)
}

/// A connection of an account.
#[track_caller]
pub fn login(broker: &Broker, version: Version, user: &str) -> Client {
    Client::open(broker, &account(version, &format!("{user}-client"), user)).0
}

/// The refusal "not authorised".
#[track_caller]
pub fn refused(broker: &Broker, connect: &Connect) {
    let mut client = Client::raw(broker, connect.version());
    client.send(connect.bytes());
    client.expect(if connect.version() == V5 { &[0x20, 3, 0, 0x87, 0][..] } else { &[0x20, 2, 0, 5] });
    client.expect_close();
}

/// Replaces the ACL and waits until it is in force: the topic `reloaded/N` tells, which only the N-th version
/// of the rules lets alice write and read. Eight connections look, so that no shard is left out.
#[track_caller]
pub fn reload_acl(broker: &Broker, generation: usize, rules: &str) {
    let topic = format!("reloaded/{generation}");
    broker.write("acl", watched(&format!("user alice\ntopic readwrite {topic}\n{rules}")));
    broker.signal("HUP");
    for number in 0..8 {
        let (mut probe, _) = Client::open(broker, &account(V4, &format!("probe{number}"), "alice"));
        probe.subscribe(&topic, 0);
        let there = poll(10 * SECOND, || {
            probe.send(Publish::new(V4, &topic, "now").bytes());
            probe.send(packet::PINGREQ);
            let first = probe.frame();
            let delivered = first[0] >> 4 == 3;
            if delivered {
                probe.frame();
            }
            delivered.then_some(())
        });
        assert!(there.is_some(), "the new rules never come into force; log:\n{}", broker.log());
        probe.cut();
    }
}

// E01 and E02, G C(mosquitto#3551, #3553, CVE-2026-33215, CVE-2026-6564): another user's client id.
#[test]
fn e01_e02_another_users_client_id() {
    if !broker::ours() {
        return; // Mosquitto hands the session over.
    }
    let mut broker = guarded(BOTH).start();
    let vitals = Vitals::begin_guarded(&broker);
    for version in [V4, V5] {
        let (mut owner, _) = Client::open(&broker, &account(version, "device", "alice").durable());
        owner.subscribe("private/#", 1);
        for attack in [account(version, "device", "bob").durable(), account(version, "device", "bob")] {
            refused(&broker, &attack);
            owner.expect_silence();
        }
        owner.disconnect();
        let mut writer = login(&broker, V4, "alice");
        writer.publish("private/note", "for alice", 1);
        for attack in [account(version, "device", "bob").durable(), account(version, "device", "bob")] {
            refused(&broker, &attack);
        }
        let (mut owner, connack) = Client::open(&broker, &account(version, "device", "alice").durable());
        assert_eq!(connack[2], 1, "alice's session is intact");
        owner.receive("private/note", "for alice");
        owner.disconnect();
        Client::open(&broker, &account(version, "device", "alice")).0.disconnect();
        // A session that has ended has no owner.
        Client::open(&broker, &account(version, "device", "bob")).0.disconnect();
        writer.disconnect();
    }
    vitals.finish("E01, E02 (another user's client id)", &mut broker, Limits::of_connections(16));
}

// E01 where the transfer is allowed: what waits is checked again for the new owner.
#[test]
fn e01_an_allowed_transfer_is_checked_again() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic read public/#\n";
    let mut broker = guarded(rules).own_line("allow_session_transfer true").start();
    let vitals = Vitals::begin_guarded(&broker);
    let (mut owner, _) = Client::open(&broker, &account(V4, "device", "alice").durable());
    owner.subscribe("private/#", 1).subscribe("public/#", 1);
    owner.disconnect();
    let mut writer = login(&broker, V4, "alice");
    writer.publish("private/note", "secret", 1);
    writer.publish("public/note", "news", 1);
    let (mut heir, _) = Client::open(&broker, &account(V4, "device", "bob").durable());
    heir.receive("public/note", "news");
    writer.publish("private/note", "secret", 1);
    writer.publish("public/note", "more news", 1);
    heir.receive("public/note", "more news");
    heir.expect_silence();
    heir.cut();
    Client::open(&broker, &account(V4, "device", "bob")).0.disconnect();
    writer.disconnect();
    vitals.finish("E01 (an allowed transfer)", &mut broker, Limits::of_connections(4));
}

// E03, C(CVE-2017-7650, NanoMQ#2344): a substitution never yields a wildcard or another level.
#[test]
fn e03_client_ids_as_patterns() {
    let rules = "pattern readwrite dev/%c/#\nuser alice\ntopic readwrite #\n";
    let mut broker = guarded(rules).line("allow_anonymous true").start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("#", 0);
    for id in ["#", "+", "a/#", "../", "%u", "%c", "$share", "a/b"] {
        let mut client = Client::raw(&broker, V4);
        client.send(Connect::new(V4, id).bytes());
        if client.frame()[..] != [0x20, 2, 0, 0] {
            continue; // Refused outright.
        }
        client.subscribe("#", 0).subscribe("dev/#", 0);
        for topic in ["dev/victim/x", "dev/alice/x", "dev/x", "dev"] {
            client.publish(topic, id, 0);
        }
        if broker::ours() {
            client.publish("dev/a/b/x", id, 0); // Belongs to the client `a`.
        }
        alice.publish("dev/victim/x", "marker", 0);
        alice.receive("dev/victim/x", "marker");
        client.expect_silence();
        client.cut();
    }
    alice.disconnect();
    vitals.finish("E03 (client ids as patterns)", &mut broker, Limits::of_connections(9));
}

// E05, C(mosquitto#3552, EMQX#8978): a will that may not be written is never published.
#[test]
fn e05_a_will_without_the_right() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite bob/#\n";
    let mut broker = guarded(rules).start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("#", 0);
    for version in [V3, V4, V5] {
        let mut bob = Client::raw(&broker, version);
        let will = Publish::new(version, "alice/secret", "forged").retain();
        bob.send(account(version, "bob", "bob").will(will).bytes());
        let connack = bob.frame();
        if broker::ours() && decode::reason(&connack) != Some(0) {
            bob.expect_close();
        } else {
            bob.cut();
        }
        let will = Publish::new(version, "bob/will", "real");
        Client::open(&broker, &account(version, "bob", "bob").will(will)).0.cut();
        alice.receive("bob/will", "real");
    }
    alice.disconnect();
    vitals.finish("E05 (a will without the right)", &mut broker, Limits::of_connections(7));
}

// E06, G: the right of the moment when it is sent.
#[test]
fn e06_a_will_whose_right_is_revoked() {
    let mut broker = guarded(BOTH).start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("will/#", 0);
    let will = |topic: &str| account(V4, topic, "bob").will(Publish::new(V4, topic, "m"));
    let (revoked, _) = Client::open(&broker, &will("will/revoked"));
    let (kept, _) = Client::open(&broker, &will("will/kept"));
    reload_acl(&broker, 1, "topic readwrite #\nuser bob\ntopic readwrite will/kept\n");
    revoked.cut();
    kept.cut();
    alice.receive("will/kept", "m");
    alice.expect_silence();
    alice.disconnect();
    vitals.finish("E06 (a will whose right is revoked)", &mut broker, Limits::of_connections(11));
}

// E07, C(CVE-2018-12546, EMQX#10192).
#[test]
fn e07_retained_messages_of_a_revoked_writer() {
    let mut broker = guarded(BOTH).line("check_retain_source true").start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    alice.publish_retained("kept/by-alice", "m", 1);
    login(&broker, V4, "bob").publish_retained("kept/by-bob", "m", 1);
    reload_acl(&broker, 1, "topic read #\nuser bob\ntopic readwrite #\n");
    let mut bob = login(&broker, V4, "bob");
    bob.subscribe("kept/#", 0).receive("kept/by-bob", "m");
    bob.expect_silence();
    for topic in ["kept/by-alice", "kept/by-bob"] {
        bob.publish_retained(topic, "", 1);
    }
    [alice, bob].into_iter().for_each(Client::cut);
    vitals.finish("E07 (retained by a revoked writer)", &mut broker, Limits::of_connections(11));
}

// E08, C(CVE-2021-34434): live delivery stops, and what waits is not delivered later.
#[test]
fn e08_a_reader_whose_right_is_revoked() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic read a/#\ntopic read b/#\n";
    let mut broker = guarded(rules).start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    let (mut live, _) = Client::open(&broker, &account(V4, "live", "bob"));
    live.subscribe("a/#", 1).subscribe("b/#", 1);
    let away = account(V5, "away", "bob").durable();
    let (mut client, _) = Client::open(&broker, &away);
    client.subscribe("a/#", 1).subscribe("b/#", 1);
    client.disconnect();
    alice.publish("a/x", "before", 1);
    live.receive("a/x", "before");
    reload_acl(&broker, 1, "topic readwrite #\nuser bob\ntopic read b/#\n");
    alice.publish("a/x", "after", 1);
    alice.publish("b/x", "allowed", 1);
    live.receive("b/x", "allowed");
    live.expect_silence();
    if broker::ours() {
        // Mosquitto sends what it has queued.
        let (mut client, _) = Client::open(&broker, &away);
        client.receive("b/x", "allowed");
        client.expect_silence();
        client.cut();
    }
    Client::open(&broker, &account(V5, "away", "bob")).0.disconnect();
    [alice, live].into_iter().for_each(Client::cut);
    vitals.finish("E08 (a reader whose right is revoked)", &mut broker, Limits::of_connections(13));
}

// E09, C(NATS 2026-26): one denied topic under an allowed filter, on all five paths.
#[test]
fn e09_a_denied_topic_below_an_allowed_filter() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic read a/#\ntopic deny a/secret\n";
    let mut broker = guarded(rules).start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    let send = |alice: &mut Client| {
        alice.publish("a/secret", "never", 1);
        alice.publish("a/open", "m", 1);
    };
    let durable = account(V4, "bob-client", "bob").durable();
    let (mut bob, _) = Client::open(&broker, &durable);
    bob.subscribe("a/#", 1);
    send(&mut alice); // Live.
    let unacknowledged = bob.delivery();
    assert_eq!(unacknowledged.topic, "a/open");
    bob.cut();
    send(&mut alice); // Queued; and the first is sent again.
    let (mut bob, _) = Client::open(&broker, &durable);
    assert!(bob.receive("a/open", "m").dup);
    bob.receive("a/open", "m");
    bob.expect_silence();
    alice.publish_retained("a/secret", "never", 1);
    alice.publish_retained("a/open", "kept", 1);
    bob.receive("a/open", "kept");
    bob.subscribe("a/+", 1).receive("a/open", "kept"); // Replayed.
    bob.expect_silence();
    alice.publish_retained("a/open", "", 1);
    bob.receive("a/open", "");
    let (mut sharer, _) = Client::open(&broker, &account(V5, "sharer", "bob"));
    sharer.subscribe("$share/g/a/#", 1);
    send(&mut alice); // Shared.
    sharer.receive("a/open", "m");
    sharer.expect_silence();
    alice.publish_retained("a/secret", "", 1);
    [alice, bob, sharer].into_iter().for_each(Client::cut);
    Client::open(&broker, &account(V4, "bob-client", "bob")).0.disconnect();
    vitals.finish("E09 (a denied topic below an allowed filter)", &mut broker, Limits::of_connections(5));
}

// E10, C(2.0.12): a QoS 2 message whose right goes between PUBLISH and PUBREL.
#[test]
fn e10_a_right_revoked_in_the_middle_of_qos_2() {
    if !broker::ours() {
        return; // Mosquitto routes it until 2.0.12.
    }
    let mut broker = guarded(BOTH).start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("half", 2);
    let durable = account(V4, "bob-client", "bob").durable();
    let (mut bob, _) = Client::open(&broker, &durable);
    bob.send(Publish::new(V4, "half", "m").qos(2, 5).bytes());
    bob.expect(ack(PUBREC, 5));
    // A broker that routes at PUBLISH has done so while it was allowed.
    alice.send(packet::PINGREQ);
    let mut early = 0;
    while let Some(delivery) = Some(alice.frame()).and_then(|frame| decode::delivery(V4, &frame)) {
        alice.acknowledge(&delivery);
        early += 1;
    }
    assert!(early <= 1);
    reload_acl(&broker, 1, "topic readwrite #\nuser bob\ntopic read #\n");
    bob.cut();
    let (mut bob, _) = Client::open(&broker, &durable);
    bob.send(ack(PUBREL, 5));
    bob.expect(ack(PUBCOMP, 5));
    alice.publish("half", "marker", 1);
    alice.receive("half", "marker");
    [alice, bob].into_iter().for_each(Client::cut);
    Client::open(&broker, &account(V4, "bob-client", "bob")).0.disconnect();
    vitals.finish("E10 (a right revoked in the middle of QoS 2)", &mut broker, Limits::of_connections(12));
}

// E15, G: a shared filter is judged by the topic behind the group.
#[test]
fn e15_shared_filters_are_judged_by_their_topics() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic read open/#\n";
    let mut broker = guarded(rules).start();
    let vitals = Vitals::begin_guarded(&broker);
    let (mut bob, _) = Client::open(&broker, &account(V5, "bob-client", "bob"));
    bob.send(Subscribe::new(V5, 1, "$share/g/secret/#", 1).filter("$share/g/open/#", 1).bytes());
    bob.frame();
    let mut alice = login(&broker, V4, "alice");
    alice.send(Publish::new(V4, "secret/x", "never").qos(1, 1).bytes());
    alice.expect(ack(PUBACK, 1));
    alice.publish("open/x", "m", 1);
    bob.receive("open/x", "m");
    [alice, bob].into_iter().for_each(Client::cut);
    vitals.finish("E15 (shared filters are judged by their topics)", &mut broker, Limits::of_connections(2));
}
