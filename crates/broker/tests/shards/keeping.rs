//! While the store has no room, or has failed: what must be kept has no effect, and everything else goes on.

use crate::SHARDS;
use crate::net::{Client, Net};
use crate::wire::{Got, disconnect, msg, v5, v311};
use pondhawk_broker::{Keeping, Settings};
use pondhawk_codec::PacketType::{Puback, Pubrec};
use pondhawk_codec::{Property, Version};

fn persistent(shards: u8) -> Net {
    Net::new(shards, 1, Settings { persistent: true, ..Settings::default() })
}

/// A client with a kept session that subscribes to `kept`, and one without.
fn subscribers(net: &mut Net) -> (Client, Client) {
    let kept = net.join(&v5("kept").fresh(1000));
    net.subscribe(kept, &[("kept", 2)]);
    let clean = net.join(&v5("clean"));
    net.subscribe(clean, &[("live", 2)]);
    (kept, clean)
}

// [MQTT-4.3.3-9]
#[test]
fn what_a_full_store_cannot_keep_is_refused_and_never_delivered() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let (kept, _) = subscribers(&mut net);
        let publisher = net.join(&v5("publisher").fresh(1000).silent());
        net.keeping(Keeping::Full);
        net.persisted.clear();
        net.publish(publisher, &msg("kept", "1").acked(1, 1));
        net.publish(publisher, &msg("kept", "2").acked(2, 2));
        net.publish(publisher, &msg("nobody", "3").acked(1, 3).retained());
        let refused = [Got::Ack(Puback, 1, 0x97), Got::Ack(Pubrec, 2, 0x97), Got::Ack(Puback, 3, 0x97)];
        assert_eq!(net.got(publisher), refused);
        assert!(net.persisted.is_empty());
        net.keeping(Keeping::Works);
        net.publish(publisher, &msg("kept", "4").acked(1, 1));
        assert_eq!(net.got(publisher), [Got::Ack(Puback, 1, 0)]);
        assert_eq!(net.payloads(kept), ["4"]);
        assert_eq!(net.counters().retained, 0);
    }
}

#[test]
fn what_needs_no_store_goes_on() {
    for (shards, keeping) in SHARDS.into_iter().flat_map(|n| [(n, Keeping::Full), (n, Keeping::Failed)]) {
        let mut net = persistent(shards);
        let (kept, clean) = subscribers(&mut net);
        let publisher = net.join(&v5("publisher").silent());
        net.keeping(keeping);
        net.publish(publisher, &msg("kept", "0"));
        net.publish(publisher, &msg("live", "1").acked(1, 1));
        assert_eq!(net.got(publisher), [Got::Ack(Puback, 1, 0)]);
        assert_eq!(net.payloads(kept), ["0"]);
        assert_eq!(net.payloads(clean), ["1"]);
        let other = net.join(&v5("other"));
        assert_eq!(net.subscribe(other, &[("live", 1)]), [1]);
    }
}

/// A client that cannot be told by a code, or whose message may have been taken before, waits.
#[test]
fn who_cannot_be_refused_is_not_listened_to_until_there_is_room() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let (kept, _) = subscribers(&mut net);
        let old = net.join(&v311("old").silent());
        let new = net.join(&v5("new").silent());
        net.keeping(Keeping::Full);
        net.persisted.clear();
        net.publish(old, &msg("kept", "1").acked(1, 1));
        net.publish(old, &msg("kept", "2").acked(1, 2));
        net.publish(new, &msg("kept", "3").acked(1, 1).again());
        assert!(net.got(old).is_empty() && net.got(new).is_empty());
        assert!(net.payloads(kept).is_empty() && net.persisted.is_empty());
        net.keeping(Keeping::Works);
        assert_eq!(net.got(old), [Got::Ack(Puback, 1, 0), Got::Ack(Puback, 2, 0)]);
        assert_eq!(net.got(new), [Got::Ack(Puback, 1, 0)]);
        let mut payloads = net.payloads(kept);
        payloads.sort_unstable();
        assert_eq!(payloads, ["1", "2", "3"]);
    }
}

/// A client that waits for room is not listened to, whatever it sends meanwhile.
#[test]
fn what_comes_behind_waits_too() {
    let mut net = persistent(1);
    subscribers(&mut net);
    let old = net.join(&v311("old").silent());
    net.keeping(Keeping::Full);
    net.publish(old, &msg("kept", "1").acked(1, 1));
    let received = |net: &mut Net| net.counters().packets_received;
    let before = received(&mut net);
    net.send(old, &[0xc0, 0]);
    assert_eq!(received(&mut net), before, "not even the first is looked at again");
    net.keeping(Keeping::Works);
    // PUBACK waits for the store.
    assert_eq!(net.got(old), [Got::Pingresp, Got::Ack(Puback, 1, 0)]);
}

/// Whether the member of a shared group is kept is known where it lives: elsewhere it may be.
#[test]
fn a_message_to_a_group_is_refused_if_its_member_may_be_kept() {
    let mut net = persistent(1);
    let clean = net.join(&v5("clean"));
    net.subscribe(clean, &[("$share/g/t", 1)]);
    let publisher = net.join(&v5("publisher").silent());
    net.keeping(Keeping::Full);
    net.publish(publisher, &msg("t", "1").acked(1, 1));
    assert_eq!(net.got(publisher), [Got::Ack(Puback, 1, 0)]);
    assert_eq!(net.payloads(clean), ["1"]);

    let mut net = persistent(8);
    let kept = net.join(&v5("kept").fresh(1000));
    net.subscribe(kept, &[("$share/g/t", 1)]);
    net.keeping(Keeping::Full);
    // Some of them on the group's home, which is not its member's.
    for n in 0..32 {
        let publisher = net.join(&v5(&format!("publisher {n}")).silent());
        net.publish(publisher, &msg("t", "1").acked(1, 1));
        assert_eq!(net.got(publisher), [Got::Ack(Puback, 1, 0x97)], "{n}");
    }
    assert!(net.payloads(kept).is_empty());
}

// [MQTT3-4.8.0-2]
#[test]
fn a_store_that_has_failed_promises_nothing() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let (kept, _) = subscribers(&mut net);
        let new = net.join(&v5("new").silent());
        let old = net.join(&v311("old").silent());
        net.keeping(Keeping::Failed);
        net.persisted.clear();
        net.publish(new, &msg("kept", "1").acked(1, 1));
        assert_eq!(net.got(new), [Got::Ack(Puback, 1, 0x83)]);
        net.publish(old, &msg("kept", "2").acked(1, 1));
        assert!(!net.is_open(old) && net.is_open(new));
        net.publish(new, &msg("kept", "3").acked(1, 1).again());
        assert!(!net.is_open(new), "the first may have been kept");
        assert_eq!(net.subscribe(kept, &[("more", 1)]), [0x83]);
        assert!(net.payloads(kept).is_empty());
        let refused = |net: &mut Net, client| match net.got(client).as_slice() {
            [Got::Connack { code, .. }] => *code,
            other => panic!("{other:?}"),
        };
        let client = net.greet(&v5("another").fresh(10));
        assert_eq!(refused(&mut net, client), 0x88);
        let client = net.greet(&v311("yet another").kept(1));
        assert_eq!(refused(&mut net, client), 3);
        let client = net.greet(&v5("with a will").will(msg("will", "w"), &[]));
        assert_eq!(refused(&mut net, client), 0x88);
    }
}

/// What decides is whether anything must be kept, not whose message it is.
#[test]
fn a_full_store_takes_what_leaves_no_record() {
    for shards in SHARDS {
        let mut net = persistent(shards);
        let publisher = net.join(&v5("publisher").fresh(1000).silent());
        net.publish(publisher, &msg("nobody", "0").acked(2, 9));
        let (_, clean) = subscribers(&mut net);
        net.got(publisher);
        net.keeping(Keeping::Full);
        net.persisted.clear();
        net.publish(publisher, &msg("live", "1").acked(1, 1));
        // The one that it repeats was taken before. A new one would have to be kept until PUBREL.
        net.publish(publisher, &msg("nobody", "0").acked(2, 9).again());
        net.publish(publisher, &msg("nobody", "2").acked(2, 2));
        assert_eq!(
            net.got(publisher),
            [Got::Ack(Puback, 1, 0), Got::Ack(Pubrec, 9, 0), Got::Ack(Pubrec, 2, 0x97)]
        );
        assert_eq!(net.payloads(clean), ["1"]);
        assert!(net.persisted.is_empty());
    }
    // Nothing is kept for a subscription at QoS 0, which only the session's own shard can tell.
    let mut net = persistent(1);
    let (kept, _) = subscribers(&mut net);
    net.subscribe(kept, &[("at most once", 0)]);
    let publisher = net.join(&v5("publisher").silent());
    net.keeping(Keeping::Full);
    net.publish(publisher, &msg("at most once", "3").acked(1, 3));
    assert_eq!(net.got(publisher), [Got::Ack(Puback, 3, 0)]);
    assert_eq!(net.payloads(kept), ["3"]);
}

/// A session that ends now would be there again after a restart, so its client is not told that it has ended.
#[test]
fn a_store_that_has_failed_lets_no_session_end() {
    let mut net = persistent(2);
    net.join(&v5("kept").fresh(1000));
    let gone = net.join(&v5("gone").fresh(1000));
    net.store_stalls = true;
    let bytes = disconnect(Version::V5, 0, &[Property::SessionExpiryInterval(0)]);
    net.send(gone, &bytes);
    assert_eq!(net.counters().sessions, 1);
    net.keeping(Keeping::Failed);
    for (id, code) in [("kept", 0x88), ("gone", 0x88), ("new", 0)] {
        let client = net.greet(&v5(id));
        let got = net.got(client);
        assert!(matches!(got[..], [Got::Connack { code: said, .. }] if said == code), "{id}: {got:?}");
    }
}
