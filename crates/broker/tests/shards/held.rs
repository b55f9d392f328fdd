//! Output that waits for the records that it rests on, and clients that are not listened to while they wait.

use crate::host::Right;
use crate::net::Net;
use crate::wire::{Got, ack, disconnect, msg, unsubscribe, v5, v311};
use pondhawk_broker::Settings;
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{Property, Version};

fn persistent(shards: u8) -> Net {
    let settings = Settings { persistent: true, ..Settings::default() };
    Net::new(shards, 1, settings)
}

fn stall(net: &mut Net) {
    net.run();
    net.store_stalls = true;
}

fn redeem(net: &mut Net) {
    net.store_stalls = false;
    net.run();
}

fn publish(text: &str, qos: u8, id: u16) -> Got {
    Got::Publish(msg("t", text).acked(qos, id))
}

#[test]
fn a_qos_2_message_to_a_kept_session_waits() {
    let mut net = persistent(2);
    let kept = net.join(&v5("kept").kept(1000).silent());
    let clean = net.join(&v5("clean").silent());
    for client in [kept, clean] {
        net.subscribe(client, &[("t", 2)]);
    }
    let publisher = net.join(&v5("publisher"));
    stall(&mut net);
    net.publish(publisher, &msg("t", "one").acked(1, 1));
    net.publish(publisher, &msg("t", "none"));
    net.publish(publisher, &msg("t", "two").acked(2, 2));
    net.publish(publisher, &msg("t", "behind"));
    let behind = || Got::Publish(msg("t", "behind"));
    let none = || Got::Publish(msg("t", "none"));
    // What stands in front goes out; what stands behind keeps its place.
    assert_eq!(net.got(kept), [publish("one", 1, 1), none()]);
    assert_eq!(net.got(clean), [publish("one", 1, 1), none(), publish("two", 2, 2), behind()]);
    redeem(&mut net);
    assert_eq!(net.got(kept), [publish("two", 2, 2), behind()]);

    stall(&mut net);
    net.ack(kept, Pubrec, 2);
    net.ack(clean, Pubrec, 2);
    assert!(net.got(kept).is_empty(), "PUBREL waits for the record of PUBREC");
    assert_eq!(net.got(clean), [Got::Ack(Pubrel, 2, 0)]);
    redeem(&mut net);
    assert_eq!(net.got(kept), [Got::Ack(Pubrel, 2, 0)]);
}

#[test]
fn connack_waits_for_what_it_says() {
    let mut net = persistent(2);
    stall(&mut net);
    let kept = net.greet(&v5("kept").kept(1000));
    let willed = net.greet(&v5("willed").will(msg("w", "x"), &[]));
    let clean = net.greet(&v5("clean"));
    assert!(net.got(kept).is_empty() && net.got(willed).is_empty());
    assert_eq!(net.got(clean).len(), 1);
    redeem(&mut net);
    assert_eq!((net.got(kept).len(), net.got(willed).len()), (1, 1));

    // The end of a session must not come undone either.
    stall(&mut net);
    net.send(kept, &disconnect(Version::V5, 0, &[Property::SessionExpiryInterval(0)]));
    let kept = net.greet(&v5("kept"));
    assert!(net.got(kept).is_empty());
    redeem(&mut net);
    assert!(matches!(net.got(kept)[..], [Got::Connack { present: false, code: 0, .. }]));
}

/// What is held back when a connection ends is not written: a DISCONNECT stands in its place, but never in place
/// of CONNACK.
#[test]
fn the_last_word_of_a_connection() {
    let mut net = persistent(1);
    let client = net.join(&v5("kept").kept(1000).silent());
    net.subscribe(client, &[("t", 2)]);
    let publisher = net.join(&v5("publisher"));
    stall(&mut net);
    net.publish(publisher, &msg("t", "x").acked(2, 1));
    let second = net.greet(&v5("kept").kept(1000).silent());
    assert_eq!(net.got(client), [Got::Disconnect(0x8e)]);
    let third = net.greet(&v5("kept").kept(1000).silent());
    assert!(net.got(second).is_empty() && !net.is_open(second));
    redeem(&mut net);
    let got = net.got(third);
    assert!(matches!(got[..], [Got::Connack { present: true, .. }, Got::Publish(_)]), "{got:?}");
}

#[test]
fn unsuback_of_a_kept_session_waits() {
    let mut net = persistent(2);
    let kept = net.join(&v311("kept").kept(0));
    let clean = net.join(&v311("clean"));
    for client in [kept, clean] {
        net.subscribe(client, &[("t", 1)]);
    }
    stall(&mut net);
    for client in [kept, clean] {
        net.send(client, &unsubscribe(Version::V311, 1, &["t"]));
    }
    assert!(net.got(kept).is_empty());
    assert_eq!(net.got(clean).len(), 1);
    redeem(&mut net);
    assert_eq!(net.got(kept).len(), 1);
}

/// [MQTT-4.3.3-11]: PUBREL again is no mistake while the first is at work, by whichever connection it comes.
#[test]
fn pubrel_again() {
    let mut net = persistent(2);
    let publisher = net.join(&v5("publisher").kept(1000).silent());
    net.publish(publisher, &msg("t", "x").acked(2, 1));
    net.got(publisher);
    stall(&mut net);
    for _ in 0..3 {
        net.ack(publisher, Pubrel, 1);
    }
    assert!(net.got(publisher).is_empty());
    net.cut(publisher);
    let publisher = net.greet_quietly(&v5("publisher").kept(1000).silent());
    for _ in 0..2 {
        net.write(publisher, &ack(Version::V5, Pubrel, 1, 0));
    }
    net.run();
    redeem(&mut net);
    let got = net.got(publisher);
    assert_eq!(got[1..], [Got::Ack(Pubcomp, 1, 0), Got::Ack(Pubcomp, 1, 0)]);
    // Then the id is unknown.
    net.ack(publisher, Pubrel, 1);
    assert_eq!(net.got(publisher), [Got::Ack(Pubcomp, 1, 0x92)]);
    assert_eq!(net.counters().waiting, 0);
}

/// While the store is slow, clients that wait for it wait; others are served.
#[test]
fn a_slow_store_holds_up_those_who_need_it() {
    for (messages, bytes) in [(5, 0), (0, 10)] {
        let settings = Settings {
            persistent: true,
            max_waiting_messages: messages,
            max_waiting_bytes: bytes,
            ..Settings::default()
        };
        let mut net = Net::new(1, 1, settings);
        let kept = net.join(&v5("kept").kept(1000));
        net.subscribe(kept, &[("t", 1)]);
        let clean = net.join(&v5("clean"));
        net.subscribe(clean, &[("t", 1)]);
        let durable = net.join(&v311("durable").silent());
        let plain = net.join(&v311("plain").silent());
        stall(&mut net);
        for id in 1..=50 {
            net.write(durable, &msg("t", "x").acked(1, id).encode(Version::V311));
            net.write(plain, &msg("t", "y").encode(Version::V311));
        }
        net.run();
        assert_eq!(net.payloads(clean).iter().filter(|text| *text == "x").count(), 5);
        assert_eq!(net.counters().waiting, 5);
        net.write(plain, &msg("t", "y").encode(Version::V311));
        net.run();
        assert!(net.payloads(clean).iter().all(|text| text == "y"));
        redeem(&mut net);
        assert_eq!(net.got(durable), (1..=50).map(|id| Got::Ack(Puback, id, 0)).collect::<Vec<_>>());
        assert_eq!(net.counters().waiting, 0);
    }
}

/// A message that was sent and must not be sent again leaves its id taken at the client until PUBREL.
#[test]
fn what_was_sent_and_is_forbidden_now_ends_with_pubrel() {
    for persistent in [false, true] {
        let mut net = Net::new(1, 1, Settings { persistent, ..Settings::default() });
        let client = net.join(&v5("client").kept(1000).silent());
        net.subscribe(client, &[("t", 2)]);
        let publisher = net.join(&v5("publisher"));
        net.publish(publisher, &msg("t", "x").acked(2, 1));
        net.publish(publisher, &msg("t", "y").acked(1, 2));
        net.cut(client);
        net.world.borrow_mut().deny("client", Right::Receive, "t");
        let client = net.join(&v5("client").kept(1000).silent());
        assert_eq!(net.got(client), [Got::Ack(Pubrel, 1, 0)]);
        assert_eq!(net.counters().publish_dropped, 2);
        // PUBREL that is only sent again drops nothing more, and takes nothing back.
        net.cut(client);
        let client = net.join(&v5("client").kept(1000));
        assert_eq!(net.got(client), [Got::Ack(Pubrel, 1, 0)]);
        assert_eq!((net.counters().publish_dropped, net.counters().queued), (2, 0));
    }
}

/// Such a PUBREL waits for its record like any other, also long after CONNACK.
#[test]
fn pubrel_without_pubrec_waits_too() {
    let mut net = persistent(1);
    let client = net.join(&v5("client").kept(1000).silent());
    net.subscribe(client, &[("t", 2)]);
    let publisher = net.join(&v5("publisher"));
    for id in 1..=2 {
        net.publish(publisher, &msg("t", "x").acked(2, id));
    }
    net.cut(client);
    net.world.borrow_mut().deny("client", Right::Receive, "t");
    let narrow = [Property::SessionExpiryInterval(1000), Property::ReceiveMaximum(1)];
    let mut hello = v5("client").props(&narrow).silent();
    hello.clean = false;
    let client = net.join(&hello);
    assert_eq!(net.got(client), [Got::Ack(Pubrel, 1, 0)]);
    stall(&mut net);
    net.ack(client, Pubcomp, 1);
    assert!(net.got(client).is_empty());
    redeem(&mut net);
    assert_eq!(net.got(client), [Got::Ack(Pubrel, 2, 0)]);
}

/// What is done no longer holds anybody back: neither its bytes nor its number.
#[test]
fn what_has_waited_makes_room() {
    let settings = Settings {
        persistent: true,
        max_waiting_messages: 2,
        max_waiting_bytes: 2000,
        ..Settings::default()
    };
    let mut net = Net::new(1, 1, settings);
    let kept = net.join(&v311("kept").kept(0));
    net.subscribe(kept, &[("t", 1)]);
    net.cut(kept);
    let (a, b) = (net.join(&v5("a").silent()), net.join(&v5("b").silent()));
    let text = "x".repeat(300);
    for id in 1..=10 {
        net.publish(a, &msg("t", &text).acked(1, id));
    }
    assert_eq!(net.got(a).len(), 10);
    stall(&mut net);
    // There is room for two that wait, whatever was before.
    for id in 11..=12 {
        net.publish(b, &msg("t", &text).acked(1, id));
    }
    net.send(b, &[0xc0, 0]);
    assert_eq!(net.counters().waiting, 2);
    assert!(net.got(b).is_empty(), "it waits, and is not listened to");
    net.send(a, &[0xc0, 0]);
    assert_eq!(net.got(a), [Got::Pingresp], "nothing of it waits");
    redeem(&mut net);
    assert_eq!(net.got(b).len(), 3);
}
