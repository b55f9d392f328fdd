//! Sessions: clean start, expiry, take-over, keep alive, and how connections end.

use crate::SHARDS;
use crate::net::{Net, net};
use crate::wire::{Got, disconnect, hello, msg, v5, v311};
use pondhawk_broker::{ListenerSettings, Settings};
use pondhawk_codec::{Property, Version};

const DAY: u64 = 86_400_000;

/// [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.3-2] [MQTT-3.1.4-4] [MQTT-3.2.0-1] [MQTT-3.2.2-2]
/// [MQTT-3.2.2-3] [MQTT3-3.1.2-4] [MQTT3-3.1.2-6] [MQTT3-3.1.3-2] [MQTT3-3.1.4-3] [MQTT3-3.2.0-1]
/// [MQTT3-3.2.2-1] [MQTT3-3.2.2-2] [MQTT3-3.2.2-3] [MQTT3-4.1.0-1] [MQTT3-4.1.0-2]
#[test]
fn clean_start_and_session_present() {
    for shards in SHARDS {
        let mut net = net(shards);
        for version in [Version::V31, Version::V311, Version::V5] {
            let kept = hello("c", version).kept(3600);
            let (a, present) = net.join_present(&kept);
            assert!(!present);
            net.subscribe(a, &[("t", 1)]);
            net.cut(a);
            let (a, present) = net.join_present(&kept);
            // MQTT 3.1 has no flag to say so.
            assert_eq!(present, version != Version::V31);
            net.publish(a, &msg("t", "1"));
            assert_eq!(net.payloads(a), ["1"]);
            let (b, present) = net.join_present(&hello("c", version));
            assert!(!present);
            net.publish(b, &msg("t", "2"));
            assert!(net.payloads(b).is_empty());
            net.leave(b);
            let (a, present) = net.join_present(&kept);
            assert!(!present, "a clean session of {version:?} is not kept");
            net.cut(a);
            let clean = net.join(&hello("c", version));
            net.leave(clean);
        }
        net.assert_empty();
    }
}

/// [MQTT-3.1.2-23] [MQTT-4.1.0-1] [MQTT-4.1.0-2]
#[test]
fn sessions_expire() {
    for shards in SHARDS {
        let mut net = net(shards);
        let a = net.join(&v5("a").fresh(10));
        net.subscribe(a, &[("t/#", 1), ("$share/g/t", 1)]);
        net.cut(a);
        net.advance(9_999);
        assert_eq!(net.counters().sessions, 1);
        let a = net.join(&v5("a").kept(10));
        net.advance(60_000);
        net.leave(a);
        net.advance(9_999);
        assert_eq!(net.counters().sessions, 1);
        net.advance(1);
        net.assert_empty();
        assert_eq!(net.counters().clients_expired, 1);
    }
}

#[test]
fn never_and_the_servers_cap() {
    let mut forever = net(1);
    let a = forever.join(&v5("a").fresh(u32::MAX));
    forever.cut(a);
    forever.advance(1000 * DAY);
    assert_eq!(forever.counters().sessions, 1);

    let settings = Settings { persistent_client_expiration_s: Some(60), ..Settings::default() };
    let mut net = Net::new(1, 1, settings);
    let a = net.greet(&v5("a").fresh(u32::MAX));
    let Some(Got::Connack { properties, .. }) = net.got(a).first().cloned() else { panic!("no CONNACK") };
    assert_eq!(properties[..5], [0x11, 0, 0, 0, 60]);
    let b = net.join(&v311("b").kept(0));
    let c = net.join(&v5("c").fresh(10));
    net.cut(a);
    net.cut(b);
    // DISCONNECT cannot get around the cap either.
    net.send(c, &disconnect(Version::V5, 0, &[Property::SessionExpiryInterval(u32::MAX)]));
    net.advance(59_999);
    assert_eq!(net.counters().sessions, 3);
    net.advance(1);
    net.assert_empty();
}

/// DISCONNECT may change the expiry, but not from 0.
#[test]
fn disconnect_changes_the_expiry() {
    let mut net = net(1);
    let set = |seconds| disconnect(Version::V5, 0, &[Property::SessionExpiryInterval(seconds)]);
    let a = net.join(&v5("a"));
    net.send(a, &set(10));
    assert_eq!(net.got(a), [Got::Disconnect(0x82)]);
    net.assert_empty();
    let a = net.join(&v5("a").fresh(10));
    net.send(a, &set(0));
    net.assert_empty();
    let a = net.join(&v5("a").fresh(10));
    net.send(a, &set(20));
    net.advance(19_999);
    assert_eq!(net.counters().sessions, 1);
    net.advance(1);
    net.assert_empty();
    // A client does not refer to another server, and its reason codes are those of a client.
    let a = net.join(&v5("a"));
    net.send(a, &disconnect(Version::V5, 0, &[Property::ServerReference("x")]));
    assert_eq!(net.got(a), [Got::Disconnect(0x82)]);
    net.assert_empty();
}

/// [MQTT-3.1.4-3] [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT3-3.1.4-2]: nothing goes to the first behind its
/// DISCONNECT.
#[test]
fn take_over() {
    for shards in SHARDS {
        let mut net = net(shards);
        let first = net.join(&v5("c").fresh(100));
        net.subscribe(first, &[("t", 1)]);
        let (second, present) = net.join_present(&v5("c").kept(100));
        assert!(present && !net.is_open(first) && net.is_open(second));
        assert_eq!(net.got(first), [Got::Disconnect(0x8e)]);
        net.publish(second, &msg("t", "1").acked(1, 1));
        assert_eq!(net.payloads(second), ["1"]);
        assert_eq!(net.got(first), []);
        let third = net.join(&v311("c"));
        let fourth = net.join(&v311("c"));
        assert_eq!((net.got(second), net.got(third)), (vec![Got::Disconnect(0x8e)], vec![]));
        net.assert_places(1, 1);
        net.leave(fourth);
        net.assert_empty();
    }
}

/// E28: the same client id, over and over, all at once.
#[test]
fn a_storm_of_the_same_client_id() {
    for shards in SHARDS {
        let mut net = net(shards);
        let watcher = net.join(&v5("watcher"));
        net.subscribe(watcher, &[("will", 0)]);
        let clients: Vec<_> = (0..200)
            .map(|n| {
                let hello = v5("c").will(msg("will", &n.to_string()), &[]);
                let hello = if n % 3 == 0 { hello.kept(50) } else { hello.fresh(n % 2) };
                let client = net.greet_quietly(&hello);
                net.write(client, &crate::wire::subscribe(Version::V5, 1, &[("x/#", 1)], 0));
                client
            })
            .collect();
        net.run();
        assert_eq!(clients.iter().filter(|client| net.is_open(**client)).count(), 1);
        net.assert_places(2, 2);
        let counters = net.counters();
        assert_eq!((counters.subscriptions, counters.sessions), (2, 2));
        assert_eq!(net.messages(watcher).len(), 199, "one will a connection");
        for client in clients {
            net.cut(client);
        }
        net.advance(50_000);
        net.leave(watcher);
        net.assert_empty();
    }
}

/// [MQTT-3.1.2-22] [MQTT-3.2.2-22] [MQTT-3.12.4-1] [MQTT3-3.1.2-24] [MQTT3-3.12.4-1]: one and a half times the
/// keep alive.
#[test]
fn keep_alive() {
    let mut net = net(1);
    let (old, new) = (net.join(&v311("a").alive(10)), net.join(&v5("b").alive(10)));
    let eternal = net.join(&v311("c"));
    net.advance(14_999);
    net.send(new, &[0xc0, 0]);
    assert_eq!(net.got(new), [Got::Pingresp]);
    net.advance(1);
    assert!(!net.is_open(old) && net.is_open(new));
    net.advance(14_998);
    assert!(net.is_open(new));
    net.advance(1);
    assert_eq!(net.got(new), [Got::Disconnect(0x8d)]);
    net.advance(DAY);
    assert!(net.is_open(eternal));
    net.leave(eternal);
    net.assert_empty();
}

/// What counts is the keep alive that the server said, and the client's where it said none. [MQTT-3.2.2-22]
#[test]
fn server_keep_alive() {
    let settings = Settings { max_keepalive_s: 10, ..Settings::default() };
    let mut net = Net::new(1, 1, settings);
    for (asked, seconds) in [(0, 10), (60, 10), (10, 10), (4, 4)] {
        let client = net.join(&v5("a").alive(asked));
        net.advance(seconds * 1500 - 1);
        assert!(net.is_open(client), "{asked}");
        net.advance(1);
        assert!(!net.is_open(client), "{asked}");
    }
}

/// A client that does not say CONNECT in time is let go, however slowly it goes on talking; once.
#[test]
fn connect_timeout() {
    let mut net = net(1);
    net.world.borrow_mut().wants_notes = true;
    let (mute, slow) = (net.open(0, 0, Version::V311), net.open(0, 0, Version::V311));
    let bytes = v311("slow").encode();
    for byte in &bytes[..6] {
        net.send(slow, &[*byte]);
        net.advance(5_000 - 1);
    }
    assert!(net.is_open(mute) && net.is_open(slow));
    net.advance(10);
    assert!(!net.is_open(mute) && !net.is_open(slow));
    assert_eq!(net.world.borrow().notes.len(), 2, "{:?}", net.world.borrow().notes);
    let client = net.join(&v311("a"));
    net.advance(DAY);
    assert!(net.is_open(client));
}

#[test]
fn shutdown_tells_everybody() {
    for shards in SHARDS {
        let mut net = net(shards);
        let clients = [net.join(&v5("a")), net.join(&v311("b")), net.join(&v5("c").fresh(10))];
        net.shutdown();
        assert!(clients.iter().all(|client| !net.is_open(*client)));
        assert_eq!(net.got(clients[0]), [Got::Disconnect(0x8b)]);
        assert_eq!(net.got(clients[1]), []);
        net.assert_places(0, 1);
    }
}

/// Violations close the client that broke the rule, and nobody else. [MQTT-3.6.1-1] [MQTT-3.8.1-1]
/// [MQTT-3.10.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1] [MQTT-4.13.1-1] [MQTT-4.13.2-1] [MQTT3-2.2.2-2]
/// [MQTT3-3.3.1-4] [MQTT3-3.6.1-1] [MQTT3-3.8.1-1] [MQTT3-3.8.3-4] [MQTT3-3.10.1-1] [MQTT3-3.14.1-1]
/// [MQTT3-4.8.0-1]
#[test]
fn violations() {
    let mut net = net(1);
    let bystander = net.join(&v5("bystander"));
    for (bytes, code) in [
        (&[0xd0, 0][..], 0x82),
        (&[0x20, 3, 0, 0, 0], 0x82),
        (&[0x36, 4, 0, 1, b'a', 0], 0x81),
        (&[0x38, 4, 0, 1, b'a', 0], 0x81),
        (&[0x60, 2, 0, 1], 0x81),
        (&[0x80, 7, 0, 1, 0, 0, 1, b'a', 0], 0x81),
        (&[0xa0, 6, 0, 1, 0, 0, 1, b'a'], 0x81),
        (&[0xe1, 0], 0x81),
        (&[0xf1, 0], 0x81),
        (&[0x00, 0], 0x81),
        (&[0x82, 3, 0, 1, 0], 0x82),
        (&[0x32, 6, 0, 1, b'a', 0, 0, 0], 0x82),
        (&[0x30, 6, 0, 1, b'a', 2, 0x0b, 1], 0x82),
        (&[0x30, 3, 0, 0, 0], 0x82),
        (&[0x30, 6, 0, 0, 3, 0x23, 0, 1], 0x82),
        (&[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 11], 0x94),
        (&[0x30, 0xff, 0xff, 0xff, 0x7f], 0x95),
        (&[0x30, 5, 0, 2, b'a', b'#', 0], 0x90),
        (&[0x82, 15, 0, 1, 0, 0, 9, b'$', b's', b'h', b'a', b'r', b'e', b'/', b'g', b'/', 4], 0x81),
    ] {
        let client = net.join(&v5("bad"));
        net.send(client, bytes);
        let got = net.got(client);
        assert_eq!(got, [Got::Disconnect(code)], "{bytes:x?}");
        assert!(!net.is_open(client));
    }
    // Before MQTT 5.0 without a word.
    for bytes in [
        &[0x36, 4, 0, 1, b'a', 0][..],
        &[0x38, 3, 0, 1, b'a'],
        &[0x60, 2, 0, 1],
        &[0x80, 6, 0, 1, 0, 1, b'a', 0],
        &[0x82, 2, 0, 1],
        &[0x82, 6, 0, 1, 0, 1, b'a', 3],
        &[0x82, 6, 0, 1, 0, 1, b'a', 4],
        &[0xa0, 5, 0, 1, 0, 1, b'a'],
        &[0xa2, 2, 0, 1],
        &[0x30, 4, 0, 2, b'a', b'#'],
        &[0x32, 5, 0, 1, b'a', 0, 0],
        &[0x30, 4, 0, 2, b'a', 0],
        &[0xe1, 0],
        &[0xd0, 0],
    ] {
        let client = net.join(&v311("bad"));
        net.send(client, bytes);
        assert_eq!((net.got(client), net.is_open(client)), (vec![], false), "{bytes:x?}");
    }
    net.assert_places(1, 1);
    net.leave(bystander);
    net.assert_empty();
}

/// Stale timers are thrown away in bulk; those that count are not.
#[test]
fn many_connections_leave_no_timers_behind() {
    let mut net = net(1);
    let watcher = net.join(&v5("watcher"));
    net.subscribe(watcher, &[("w", 0)]);
    let alive = net.join(&v5("alive").alive(10));
    let delay = [Property::WillDelayInterval(10)];
    let kept = net.join(&v5("kept").fresh(20).will(msg("w", "gone"), &delay));
    net.cut(kept);
    for _ in 0..3000 {
        let client = net.open(0, 0, Version::V311);
        net.cut(client);
    }
    net.advance(10_000);
    assert_eq!((net.payloads(watcher), net.is_open(alive)), (vec!["gone".to_owned()], true));
    net.advance(5_000);
    assert!(!net.is_open(alive));
    assert_eq!(net.counters().sessions, 2);
    net.advance(5_000);
    assert_eq!(net.counters().sessions, 1);
    net.leave(watcher);
    net.assert_empty();
}

/// Notes say once how a connection ended, by the client that it belonged to.
#[test]
fn every_end_is_noted_once() {
    let mut net = net(1);
    net.world.borrow_mut().wants_notes = true;
    let (a, b) = (net.join(&v5("a").alive(1)), net.join(&v5("b")));
    let c = net.join(&v5("c"));
    net.cut(c);
    net.join(&v5("b"));
    net.send(a, &[0]);
    net.cut(b);
    net.advance(DAY);
    let notes = net.world.borrow().notes.clone();
    let ended: Vec<_> = notes.iter().filter(|note| note.starts_with("Ended")).collect();
    assert_eq!(ended.len(), 3, "{ended:#?}");
}

/// A session that comes in by another listener keeps to that one's mount point.
#[test]
fn mount_points_are_not_left_by_changing_listener() {
    let mut settings = Settings::default();
    for mount in ["m/", "longer/"] {
        settings
            .listeners
            .push(ListenerSettings { mount_point: Some(mount.into()), ..ListenerSettings::default() });
    }
    let mut net = Net::new(2, 1, settings);
    let plain = net.join(&v5("plain"));
    net.subscribe(plain, &[("#", 0)]);
    let a = net.join(&v5("a").fresh(100).on(1));
    net.subscribe(a, &[("t/#", 1), ("$share/g/s", 1)]);
    net.publish(a, &msg("t/x", "inside"));
    assert_eq!(net.messages(plain)[0].topic, "m/t/x");
    assert_eq!(net.messages(a)[0].topic, "t/x");
    net.publish(plain, &msg("m/s", "shared"));
    assert_eq!(net.messages(a)[0].topic, "s");
    net.publish(plain, &msg("t/x", "outside"));
    assert!(net.messages(a).is_empty());
    net.cut(a);
    net.publish(plain, &msg("m/t/x", "kept").acked(1, 1));
    let a = net.join(&v5("a").kept(100).on(2));
    // Nothing of m/ is under longer/.
    assert!(net.messages(a).is_empty());
    net.cut(a);
    let a = net.join(&v5("a").kept(100));
    net.publish(plain, &msg("m/t/y", "in full").acked(1, 2));
    assert_eq!(net.messages(a).last().map(|message| message.topic.clone()), Some("m/t/y".into()));
}
