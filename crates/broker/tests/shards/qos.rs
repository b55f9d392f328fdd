//! QoS 1 and 2 in both directions: acknowledgements, windows, queues, and what happens after a break.

use crate::SHARDS;
use crate::net::{Client, Net, net};
use crate::wire::{Got, Msg, ack, msg, v5, v311};
use pondhawk_broker::Settings;
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{Property, Version};

fn pair(net: &mut Net, version: Version) -> (Client, Client) {
    let publisher = net.join(&crate::wire::hello("publisher", version).silent());
    let subscriber = net.join(&crate::wire::hello("subscriber", version).kept(3600).silent());
    net.subscribe(subscriber, &[("t", 2)]);
    (publisher, subscriber)
}

fn settings(window: u16, queue: usize) -> Settings {
    let mut settings = Settings { max_inflight_messages: window, ..Settings::default() };
    settings.outbox.queued_messages = queue;
    settings
}

/// What is sent: packet id and DUP.
fn ids(messages: &[Msg]) -> Vec<(u16, bool)> {
    messages.iter().map(|message| (message.id, message.dup)).collect()
}

/// [MQTT-2.2.1-5] [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11]: the codes of MQTT 5.0 say
/// whether anybody was there.
#[test]
fn acknowledgements_to_the_publisher() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (publisher, _) = pair(&mut net, Version::V5);
        net.publish(publisher, &msg("t", "1").acked(1, 9));
        net.publish(publisher, &msg("nobody", "2").acked(1, 10));
        net.publish(publisher, &msg("$SYS/x", "3").acked(1, 11));
        net.publish(publisher, &msg("t", "4").acked(2, 12));
        net.ack(publisher, Pubrel, 12);
        net.ack(publisher, Pubrel, 12);
        assert_eq!(
            net.got(publisher),
            [
                Got::Ack(Puback, 9, 0),
                Got::Ack(Puback, 10, 0x10),
                Got::Ack(Puback, 11, 0x87),
                Got::Ack(Pubrec, 12, 0),
                Got::Ack(Pubcomp, 12, 0),
                Got::Ack(Pubcomp, 12, 0x92),
            ]
        );
    }
}

/// D01 D06 [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT3-4.3.3-2]: a QoS 2 message is routed once,
/// whatever is repeated.
#[test]
fn exactly_once_from_the_publisher() {
    for shards in SHARDS {
        let mut net = net(shards);
        let subscriber = net.join(&v5("subscriber"));
        net.subscribe(subscriber, &[("t", 2)]);
        let mut publisher = net.join(&v311("publisher").kept(0).silent());
        for _ in 0..1000 {
            net.publish(publisher, &msg("t", "once").acked(2, 7).again());
        }
        assert_eq!(net.got(publisher), vec![Got::Ack(Pubrec, 7, 0); 1000]);
        assert!(net.messages(subscriber).is_empty());
        net.cut(publisher);
        publisher = net.join(&v311("publisher").kept(0).silent());
        net.publish(publisher, &msg("t", "once").acked(2, 7).again());
        net.ack(publisher, Pubrel, 7);
        net.ack(publisher, Pubrel, 7);
        assert_eq!(
            net.got(publisher),
            [Got::Ack(Pubrec, 7, 0), Got::Ack(Pubcomp, 7, 0), Got::Ack(Pubcomp, 7, 0)]
        );
        assert_eq!(net.payloads(subscriber), ["once"]);
        net.publish(publisher, &msg("t", "new").acked(2, 7));
        net.ack(publisher, Pubrel, 7);
        assert_eq!(net.payloads(subscriber), ["new"]);
    }
}

/// D02: our receive maximum is held against the client.
#[test]
fn receive_maximum_of_the_broker() {
    let mut net = net(1);
    let c = net.join(&v5("c").fresh(100).silent());
    for id in 1..=20 {
        net.publish(c, &msg("t", "x").acked(2, id));
    }
    assert!(net.is_open(c));
    net.publish(c, &msg("t", "x").acked(2, 20).again());
    assert!(net.is_open(c), "a repeat is not one more");
    net.publish(c, &msg("t", "x").acked(2, 21));
    assert_eq!(net.got(c).last(), Some(&Got::Disconnect(0x93)));
    let c = net.join(&v5("c").kept(100).silent());
    net.publish(c, &msg("t", "x").acked(2, 22));
    assert_eq!(net.got(c), [Got::Disconnect(0x93)], "the session remembers");
}

/// Who was told a receive maximum may use it, also after a reload has lowered the setting. [MQTT-3.3.4-9]
#[test]
fn a_reload_does_not_take_back_the_receive_maximum() {
    let mut net = net(1);
    let c = net.join(&v5("c").fresh(100).silent());
    net.reload(Settings { max_inflight_messages: 2, ..Settings::default() });
    for id in 1..=20 {
        net.publish(c, &msg("t", "x").acked(2, id));
    }
    assert!(net.is_open(c));
    net.publish(c, &msg("t", "x").acked(2, 21));
    assert_eq!(net.got(c).last(), Some(&Got::Disconnect(0x93)));
}

/// D03: acknowledgements of what is not in flight.
#[test]
fn unknown_ids() {
    let mut net = net(1);
    let (old, new) = (net.join(&v311("old").silent()), net.join(&v5("new").silent()));
    for (c, code) in [(old, 0), (new, 0x92)] {
        for packet_type in [Puback, Pubrec, Pubrel, Pubcomp] {
            net.ack(c, packet_type, 5);
        }
        assert_eq!(net.got(c), [Got::Ack(Pubrel, 5, code), Got::Ack(Pubcomp, 5, code)]);
        assert!(net.is_open(c));
    }
    net.send(new, &ack(Version::V5, Pubrec, 5, 0x80));
    assert_eq!(net.got(new), [], "a refusal of what is unknown needs no answer");
}

/// D04: acknowledgements of the wrong kind end the connection, and the session is as before.
#[test]
fn wrong_acknowledgements() {
    for (qos, wrong) in [(2, Puback), (1, Pubrec), (2, Pubcomp), (1, Pubcomp)] {
        let mut net = net(1);
        let (publisher, subscriber) = pair(&mut net, Version::V5);
        net.publish(publisher, &msg("t", "x").acked(qos, 1));
        net.ack(publisher, Pubrel, 1);
        assert_eq!(net.messages(subscriber).len(), 1);
        net.ack(subscriber, wrong, 1);
        assert_eq!(net.got(subscriber), [Got::Disconnect(0x82)]);
        let subscriber = net.join(&v5("subscriber").kept(3600));
        assert_eq!(ids(&net.messages(subscriber)), [(1, true)]);
        assert_eq!(net.counters().queued, 0);
    }
}

/// B16 [MQTT-4.3.3-4] [MQTT-4.4.0-2] [MQTT-4.9.0-2]: a client that refuses a message has its window back.
#[test]
fn refused_by_the_subscriber() {
    let mut net = Net::new(1, 1, settings(1, 100));
    let (publisher, subscriber) = pair(&mut net, Version::V5);
    for (id, qos) in [(1, 1), (2, 2), (3, 1)] {
        net.publish(publisher, &msg("t", "x").acked(qos, id));
        net.ack(publisher, Pubrel, id);
    }
    assert_eq!(ids(&net.messages(subscriber)), [(1, false)]);
    net.send(subscriber, &ack(Version::V5, Puback, 1, 0x97));
    assert_eq!(ids(&net.messages(subscriber)), [(2, false)]);
    net.send(subscriber, &ack(Version::V5, Pubrec, 2, 0x83));
    assert_eq!(net.got(subscriber).len(), 1, "the next message, and no PUBREL");
    net.ack(subscriber, Puback, 3);
    assert_eq!(net.counters().queued, 0);
    // Too late: it was accepted before.
    net.publish(publisher, &msg("t", "x").acked(2, 4));
    net.ack(publisher, Pubrel, 4);
    net.ack(subscriber, Pubrec, 4);
    net.got(subscriber);
    net.send(subscriber, &ack(Version::V5, Pubrec, 4, 0x83));
    assert_eq!((net.got(subscriber), net.counters().queued), (vec![Got::Ack(Pubrel, 4, 0)], 1));
}

/// [MQTT-3.3.1-1] [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6]
/// [MQTT-4.4.0-1] [MQTT3-3.3.1-1] [MQTT3-4.3.3-1] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1]: in flight first, in order,
/// DUP, the same ids; then the rest.
#[test]
fn resent_after_a_break() {
    for shards in SHARDS {
        let mut net = Net::new(shards, 3, settings(3, 100));
        let (publisher, subscriber) = pair(&mut net, Version::V311);
        for id in 1..=5 {
            net.publish(publisher, &msg("t", &id.to_string()).acked(2, id));
            net.ack(publisher, Pubrel, id);
        }
        assert_eq!(ids(&net.messages(subscriber)), [(1, false), (2, false), (3, false)]);
        net.ack(subscriber, Pubrec, 2);
        assert_eq!(net.got(subscriber), [Got::Ack(Pubrel, 2, 0)]);
        net.advance(3_600_000);
        assert_eq!(net.got(subscriber), [], "nothing is sent again while the connection stands");
        net.cut(subscriber);
        let subscriber = net.join(&v311("subscriber").kept(0).silent());
        let got = net.got(subscriber);
        let [Got::Publish(one), Got::Ack(Pubrel, 2, 0), Got::Publish(three)] = got.as_slice() else {
            panic!("{got:?}")
        };
        assert_eq!(ids(&[one.clone(), three.clone()]), [(1, true), (3, true)]);
        net.ack(subscriber, Pubcomp, 2);
        assert_eq!(ids(&net.messages(subscriber)), [(4, false)]);
        for id in [1, 3, 4, 5] {
            net.ack(subscriber, Pubrec, id);
            net.ack(subscriber, Pubcomp, id);
        }
        assert_eq!(net.counters().queued, 0);
    }
}

/// D05: a subscriber that never acknowledges has its window and its queue, and the rest is counted as dropped.
#[test]
fn window_and_queue_have_limits() {
    for shards in SHARDS {
        let mut net = Net::new(shards, 1, settings(20, 50));
        let (publisher, subscriber) = pair(&mut net, Version::V311);
        for id in 1..=100 {
            net.publish(publisher, &msg("t", "x").acked(1, id));
        }
        assert_eq!(net.got(publisher).len(), 100, "the publisher is acknowledged all the same");
        assert_eq!(net.messages(subscriber).len(), 20);
        let counters = net.counters();
        assert_eq!((counters.queued, counters.publish_dropped), (70, 30));
        net.cut(subscriber);
        net.publish(publisher, &msg("t", "x").acked(1, 101));
        assert_eq!(net.counters().publish_dropped, 31);
        let subscriber = net.join(&v311("subscriber").kept(0));
        assert_eq!(net.messages(subscriber).len(), 70);
        assert_eq!((net.counters().queued, net.counters().queued_bytes), (0, 0));
    }
}

#[test]
fn limits_in_bytes() {
    let mut limits = settings(0, 0);
    limits.outbox.inflight_bytes = 25;
    limits.outbox.queued_bytes = 22;
    let mut net = Net::new(1, 1, limits);
    let (publisher, subscriber) = pair(&mut net, Version::V311);
    // Eleven bytes each with the topic.
    for id in 1..=6 {
        net.publish(publisher, &msg("t", "0123456789").acked(1, id));
    }
    assert_eq!(net.messages(subscriber).len(), 2);
    let counters = net.counters();
    assert_eq!((counters.queued, counters.queued_bytes, counters.publish_dropped), (4, 44, 2));
    // A small one would fit, but does not overtake those that wait.
    net.ack(subscriber, Puback, 1);
    assert_eq!(ids(&net.messages(subscriber)), [(3, false)]);
    net.publish(publisher, &msg("t", "x").acked(1, 7));
    net.ack(subscriber, Puback, 2);
    net.ack(subscriber, Puback, 3);
    let got = net.payloads(subscriber);
    assert_eq!(got, ["0123456789", "x"]);
}

/// [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.6.0-5] [MQTT3-4.6.0-6], and D10: a receive maximum of
/// 1, slow acknowledgements, and a break at every third message.
#[test]
fn receive_maximum_of_the_client() {
    let mut net = Net::new(2, 1, settings(20, 0));
    let one = v5("subscriber").kept(3600).silent().props(&[]).kept(3600);
    let one = crate::wire::Hello {
        properties: crate::wire::block(&[Property::SessionExpiryInterval(3600), Property::ReceiveMaximum(1)]),
        ..one
    };
    let publisher = net.join(&v5("publisher"));
    let mut subscriber = net.join(&one);
    net.subscribe(subscriber, &[("t", 1)]);
    for n in 0..300 {
        net.publish(publisher, &msg("t", &n.to_string()).acked(1, 1));
    }
    for n in 0..300 {
        let got = net.messages(subscriber);
        assert_eq!((got.len(), got[0].text()), (1, n.to_string().as_str()));
        let mut id = got[0].id;
        if n % 3 == 0 {
            net.cut(subscriber);
            subscriber = net.join(&one);
            let again = net.messages(subscriber);
            assert_eq!(ids(&again), [(id, true)]);
            id = again[0].id;
        }
        net.ack(subscriber, Puback, id);
    }
    assert!(net.messages(subscriber).is_empty());
}

/// Nor more than the broker's own window, however much the client would take.
#[test]
fn the_smaller_window_counts() {
    let mut net = Net::new(1, 1, settings(5, 100));
    let generous = v5("subscriber").props(&[Property::ReceiveMaximum(1000)]).silent();
    let (publisher, subscriber) = (net.join(&v5("publisher")), net.join(&generous));
    net.subscribe(subscriber, &[("t", 1)]);
    for _ in 0..10 {
        net.publish(publisher, &msg("t", "x").acked(1, 1));
    }
    assert_eq!(net.messages(subscriber).len(), 5);
}

/// A client that comes back with a smaller receive maximum gets its messages again one at a time.
#[test]
fn resent_within_a_smaller_window() {
    let mut net = Net::new(1, 1, settings(3, 100));
    let (publisher, subscriber) = pair(&mut net, Version::V5);
    for id in 1..=4 {
        net.publish(publisher, &msg("t", "x").acked(1, id));
    }
    assert_eq!(net.messages(subscriber).len(), 3);
    net.cut(subscriber);
    let mut one = v5("subscriber").props(&[Property::ReceiveMaximum(1)]).silent();
    one.clean = false;
    let subscriber = net.join(&one);
    for expected in [(1, true), (2, true), (3, true), (4, false)] {
        assert_eq!(ids(&net.messages(subscriber)), [expected]);
        net.ack(subscriber, Puback, expected.0);
    }
}

/// D09 [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.2-3] [MQTT3-2.3.1-4] [MQTT3-4.3.2-1]: all packet ids in flight,
/// acknowledged from the last to the first.
#[test]
fn all_packet_ids_in_flight() {
    let mut net = Net::new(1, 1, settings(0, 0));
    let (publisher, subscriber) = pair(&mut net, Version::V311);
    let bytes = msg("t", "x").acked(1, 1).encode(Version::V311);
    net.send(publisher, &bytes.repeat(65_540));
    let sent = net.messages(subscriber);
    assert!(sent.iter().map(|message| message.id).eq(1..=65_535));
    for id in (1..=65_535).rev() {
        net.write(subscriber, &ack(Version::V311, Puback, id, 0));
    }
    net.run();
    assert_eq!(net.messages(subscriber).len(), 5);
}

/// D11 [MQTT-4.3.2-5] [MQTT3-4.3.2-2]
#[test]
fn the_same_id_twice_at_qos_1() {
    let mut net = net(1);
    let (publisher, subscriber) = pair(&mut net, Version::V311);
    let twice = [msg("t", "a").acked(1, 7), msg("t", "b").acked(1, 7)];
    for message in &twice {
        net.write(publisher, &message.encode(Version::V311));
    }
    net.run();
    assert_eq!(net.got(publisher), [Got::Ack(Puback, 7, 0), Got::Ack(Puback, 7, 0)]);
    assert_eq!(net.payloads(subscriber), ["a", "b"]);
}

/// [MQTT-3.8.4-7] [MQTT-3.8.4-8] [MQTT3-3.8.4-6]: the lower of the two; or the higher, with
/// `upgrade_outgoing_qos`.
#[test]
fn the_qos_of_a_delivery() {
    for upgrade in [false, true] {
        let mut net = Net::new(2, 1, Settings { upgrade_outgoing_qos: upgrade, ..Settings::default() });
        let publisher = net.join(&v5("publisher"));
        for granted in 0..=2 {
            let subscriber = net.join(&v5(&format!("s{granted}")));
            assert_eq!(net.subscribe(subscriber, &[("t", granted)]), [granted]);
            for published in 0..=2 {
                net.publish(publisher, &msg("t", "x").acked(published, u16::from(published > 0)));
                let got = net.messages(subscriber);
                let expected = if upgrade { granted } else { granted.min(published) };
                assert_eq!((got.len(), got[0].qos), (1, expected));
            }
        }
    }
}

/// QoS 0 for an absent client is dropped, or queued with `queue_qos0_messages`, and stays in order then.
#[test]
fn qos_0_for_the_absent() {
    for queue in [false, true] {
        let mut net = Net::new(
            2,
            1,
            Settings { queue_qos0_messages: queue, max_inflight_messages: 1, ..Settings::default() },
        );
        let publisher = net.join(&v5("publisher"));
        let subscriber = net.join(&v311("subscriber").kept(0));
        net.subscribe(subscriber, &[("t", 1)]);
        net.cut(subscriber);
        net.publish(publisher, &msg("t", "a").acked(1, 1));
        net.publish(publisher, &msg("t", "b").acked(1, 1));
        net.publish(publisher, &msg("t", "1"));
        net.publish(publisher, &msg("t", "2"));
        let subscriber = net.join(&v311("subscriber").kept(0).silent());
        assert_eq!(net.payloads(subscriber), ["a"]);
        net.publish(publisher, &msg("t", "3"));
        net.ack(subscriber, Puback, 1);
        net.ack(subscriber, Puback, 2);
        let got = net.payloads(subscriber);
        let qos_0: Vec<_> = got.iter().filter(|payload| *payload != "b").collect();
        assert_eq!(qos_0, if queue { vec!["1", "2", "3"] } else { vec!["3"] });
        assert_eq!(net.counters().queued, 0);
    }
}

/// A reload that ends the queueing of QoS 0 lets nothing overtake what is queued. [MQTT-4.6.0-5] [MQTT3-4.6.0-6]
#[test]
fn qos_0_stays_in_order_over_a_reload() {
    let queueing = Settings { queue_qos0_messages: true, max_inflight_messages: 1, ..Settings::default() };
    let mut net = Net::new(2, 1, queueing.clone());
    let publisher = net.join(&v5("publisher"));
    let subscriber = net.join(&v311("subscriber").kept(0).silent());
    net.subscribe(subscriber, &[("t", 1)]);
    for acked in ["a", "b"] {
        net.publish(publisher, &msg("t", acked).acked(1, 1));
    }
    net.publish(publisher, &msg("t", "1"));
    net.reload(Settings { queue_qos0_messages: false, ..queueing });
    net.publish(publisher, &msg("t", "2"));
    for id in [1, 2] {
        net.ack(subscriber, Puback, id);
    }
    assert_eq!(net.payloads(subscriber), ["a", "b", "1", "2"]);
    // With nothing of QoS 0 in the queue, it goes past the others.
    for (id, acked) in [(3, "c"), (4, "d")] {
        net.publish(publisher, &msg("t", acked).acked(1, id));
    }
    net.publish(publisher, &msg("t", "3"));
    assert_eq!(net.payloads(subscriber), ["c", "3"]);
}

/// D12 [MQTT-3.10.4-2] [MQTT-3.10.4-3] [MQTT-3.10.4-5] [MQTT3-3.10.4-2] [MQTT3-3.10.4-3] [MQTT3-3.10.4-5]: what
/// is in flight is completed after UNSUBSCRIBE.
#[test]
fn unsubscribed_with_messages_in_flight() {
    let mut net = net(2);
    let (publisher, subscriber) = pair(&mut net, Version::V5);
    net.publish(publisher, &msg("t", "x").acked(2, 1));
    net.ack(publisher, Pubrel, 1);
    assert_eq!(net.unsubscribe(subscriber, "t"), [0]);
    assert_eq!(net.unsubscribe(subscriber, "t"), [0x11]);
    net.got(subscriber);
    net.ack(subscriber, Pubrec, 1);
    assert_eq!(net.got(subscriber), [Got::Ack(Pubrel, 1, 0)]);
    net.ack(subscriber, Pubcomp, 1);
    net.publish(publisher, &msg("t", "y").acked(1, 2));
    assert!(net.messages(subscriber).is_empty());
    assert_eq!(net.counters().queued, 0);
}

/// Where QoS 0 is queued, it still goes straight to a client that nothing waits for.
#[test]
fn qos_0_is_not_queued_for_a_client_that_is_there() {
    let mut net = Net::new(2, 1, Settings { queue_qos0_messages: true, ..Settings::default() });
    let (publisher, subscriber) = pair(&mut net, Version::V5);
    net.publish(publisher, &msg("t", "now"));
    assert_eq!(net.payloads(subscriber), ["now"]);
}
