//! D: the QoS state machine under a peer that does not follow it.

use std::collections::HashSet;

use crate::kit::packet::{PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBREC, PUBREL, ack, prop};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// Sends bytes and a ping, and gives the frames up to the answer; nothing if the broker hangs up.
fn answers(client: &mut Client, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    client.send([bytes, &PINGREQ].concat());
    let mut frames = Vec::new();
    loop {
        let frame = client.frame_within(10 * SECOND)?;
        if frame == PINGRESP {
            return Some(frames);
        }
        frames.push(frame);
    }
}

// D01, C(CVE-2023-28366): 10 000 times the same QoS 2 PUBLISH is one message.
#[test]
fn d01_the_same_qos_2_publish_again_and_again() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    for version in [V4, V5] {
        let mut reader = Client::clean(&broker, V4, "reader");
        reader.subscribe("repeat", 2);
        let (mut writer, _) = Client::open(&broker, &Connect::new(version, "writer").durable());
        let publish = Publish::new(version, "repeat", vec![b'x'; 1000]).qos(2, 7);
        writer.send(publish.bytes());
        writer.expect(ack(PUBREC, 7));
        let repeats = publish.dup().bytes().repeat(100);
        // A broker may lose its patience with such a client: the hang-up ends the loop.
        for frames in (0..100).map_while(|_| answers(&mut writer, &repeats)) {
            assert!(frames.iter().all(|frame| *frame == ack(PUBREC, 7)), "{version:?}");
        }
        vitals.during("D01", &mut broker);
        writer.cut();
        let (mut writer, _) = Client::open(&broker, &Connect::new(version, "writer").durable());
        writer.send(ack(PUBREL, 7));
        assert_eq!(writer.frame()[0], PUBCOMP);
        assert_eq!(reader.receive_any().payload.len(), 1000);
        reader.expect_silence();
        reader.disconnect();
        writer.disconnect();
        Client::clean(&broker, version, "writer").disconnect();
    }
    vitals.finish("D01 (one QoS 2 PUBLISH 10 000 times)", &mut broker, Limits::of_connections(8));
}

// D02, S C(1.6.12): more unreleased QoS 2 messages than the receive maximum of 20, on every connection.
#[test]
fn d02_unreleased_qos_2_messages() {
    if !broker::ours() {
        return; // Mosquitto 2.0 does not enforce its receive maximum.
    }
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let durable = Connect::new(V5, "hoarder").durable();
    let (mut hoarder, _) = Client::open(&broker, &durable);
    for mid in 1..=20 {
        hoarder.send(Publish::new(V5, "hoard", vec![b'x'; 1000]).qos(2, mid).bytes());
        assert_eq!(hoarder.frame()[0], PUBREC);
    }
    hoarder.send(Publish::new(V5, "hoard", "m").qos(2, 21).bytes());
    hoarder.expect_disconnect(0x93);
    for round in 0..50_u16 {
        let (mut hoarder, _) = Client::open(&broker, &durable);
        let flood: Vec<u8> = (0..100)
            .flat_map(|n| Publish::new(V5, "hoard", vec![b'x'; 1000]).qos(2, 100 * (round + 1) + n).bytes())
            .collect();
        hoarder.send(flood);
        let (_, closed) = hoarder.drain();
        assert!(closed, "round {round}: the receive maximum is forgotten");
    }
    vitals.during("D02", &mut broker);
    Client::clean(&broker, V5, "hoarder").disconnect();
    vitals.finish("D02 (unreleased QoS 2 messages)", &mut broker, Limits::of_connections(52));
}

// D02 below MQTT 5, where there is no receive maximum: the memory is bounded all the same.
#[test]
fn d02_unreleased_qos_2_messages_of_mqtt_3() {
    if !broker::ours() {
        return; // Mosquitto 2.0 keeps all of them.
    }
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let durable = Connect::new(V4, "hoarder").durable();
    for round in 0..3 {
        let (mut hoarder, _) = Client::open(&broker, &durable);
        for first in (1..65_000_u16).step_by(1000) {
            let flood: Vec<u8> = (first..first + 1000)
                .flat_map(|mid| Publish::new(V4, "hoard", vec![b'x'; 1000]).qos(2, mid).bytes())
                .collect();
            if answers(&mut hoarder, &flood).is_none() {
                break;
            }
        }
        vitals.during(&format!("D02, round {round}"), &mut broker);
        hoarder.cut();
    }
    Client::clean(&broker, V4, "hoarder").disconnect();
    let limits = Limits::of_connections(4).peak(80 << 20);
    vitals.finish("D02 (unreleased QoS 2 messages, MQTT 3.1.1)", &mut broker, limits);
}

/// A reader with one delivery of the given QoS on `wrong`.
fn reader_with_delivery(broker: &Broker, version: Version, qos: u8) -> (Client, decode::Delivery) {
    let mut reader = Client::clean(broker, version, "reader");
    reader.subscribe("wrong", qos);
    Client::clean(broker, V4, "writer").publish("wrong", "m", qos);
    let delivery = reader.delivery();
    assert_eq!(delivery.qos, qos);
    (reader, delivery)
}

// D04, S C(1.5.6): the wrong acknowledgement closes or is ignored, and never completes the exchange.
#[test]
fn d04_the_wrong_acknowledgement() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let wrong = [(2, PUBACK), (1, PUBREC), (2, PUBCOMP), (1, PUBCOMP)];
    let rounds = wrong.len() * 2;
    for version in [V4, V5] {
        for (qos, first) in wrong {
            let (mut reader, delivery) = reader_with_delivery(&broker, version, qos);
            let Some(frames) = answers(&mut reader, &ack(first, delivery.mid)) else {
                continue; // Closed.
            };
            let advanced =
                frames.iter().any(|frame| frame[0] == PUBREL && frame.get(4).is_none_or(|r| *r < 0x80));
            assert!(!advanced, "{version:?}: {first:#04x} for QoS {qos} was answered {frames:?}");
            // The right one still works.
            reader.acknowledge(&delivery);
            reader.expect_silence();
        }
    }
    vitals.finish("D04 (the wrong acknowledgement)", &mut broker, Limits::of_connections(2 * rounds));
}

// D05, G. Scale: 20 000 messages instead of 1 000 000.
#[test]
fn d05_a_subscriber_that_never_acknowledges() {
    let mut broker = target().line("max_inflight_messages 20").line("max_queued_messages 1000").start();
    let mut vitals = Vitals::begin(&broker);
    let mut lazy = Client::clean(&broker, V4, "lazy");
    lazy.subscribe("lazy", 1);
    let mut writer = Client::clean(&broker, V4, "writer");
    let total = 20_000;
    for first in (0..total).step_by(100) {
        let batch: Vec<u8> = (first..first + 100)
            .flat_map(|n| Publish::new(V4, "lazy", n.to_string()).qos(1, (n % 100) as u16 + 1).bytes())
            .collect();
        let acks = answers(&mut writer, &batch).expect("the publisher is served");
        assert_eq!(acks.len(), 100, "every PUBLISH is acknowledged");
    }
    vitals.during("D05", &mut broker);
    let mut deliveries: Vec<_> = (0..20).map(|_| lazy.delivery()).collect();
    lazy.expect_silence();
    // Now it wakes up: what was kept comes in order, and nothing twice.
    let mut seen = Vec::new();
    while let Some(delivery) = deliveries.pop() {
        seen.push(delivery.text().parse::<usize>().expect("a number"));
        let frames = answers(&mut lazy, &ack(PUBACK, delivery.mid)).expect("still connected");
        deliveries.extend(frames.iter().filter_map(|frame| decode::delivery(V4, frame)));
    }
    assert!((1000..=1020).contains(&seen.len()), "{} kept", seen.len());
    let distinct: HashSet<usize> = seen.iter().copied().collect();
    assert_eq!(distinct, (0..seen.len()).collect(), "the oldest are kept, the newest dropped");
    lazy.disconnect();
    writer.disconnect();
    let dropped = total as usize - seen.len();
    let mut sys = Sys::watch_as(&broker, &Connect::new(V4, "sys-drop"));
    let counted = sys.until(10 * SECOND, |sys| sys.number("publish/messages/dropped") >= dropped as i64);
    assert!(counted, "{} of {dropped} are counted", sys.number("publish/messages/dropped"));
    drop(sys);
    vitals.finish("D05 (a subscriber that never acknowledges)", &mut broker, Limits::of_connections(3));
}

// D06, S C(EMQX CVE-2026-8741): exactly once over a cut link, cut at every step.
#[test]
fn d06_exactly_once_over_a_cut_link() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("once/#", 2);
    let mut connections = 1;
    for version in [V4, V5] {
        for step in 0..4 {
            let durable = Connect::new(version, format!("writer{step}")).durable();
            let topic = format!("once/{}/{step}", version.0);
            let publish = Publish::new(version, &topic, "m").qos(2, 9);
            let (mut writer, _) = Client::open(&broker, &durable);
            if step > 0 {
                writer.send(publish.clone().bytes());
                assert_eq!(writer.frame(), ack(PUBREC, 9));
            }
            if step > 1 {
                writer.send(ack(PUBREL, 9));
            }
            if step > 2 {
                writer.expect(ack(PUBCOMP, 9));
            }
            writer.cut();
            let (mut writer, _) = Client::open(&broker, &durable);
            if step < 2 {
                writer.send(publish.dup().bytes());
                assert_eq!(writer.frame(), ack(PUBREC, 9));
            }
            writer.send(ack(PUBREL, 9));
            assert_eq!(
                writer.frame()[..4],
                [PUBCOMP, if version == V5 && step > 1 && broker::ours() { 3 } else { 2 }, 0, 9]
            );
            reader.receive(&topic, "m");
            writer.disconnect();
            let mut end = Client::clean(&broker, version, &format!("writer{step}"));
            end.publish(&topic, "marker", 2);
            reader.receive(&topic, "marker");
            end.disconnect();
            connections += 3;
        }
    }
    reader.disconnect();
    vitals.finish("D06 (exactly once over a cut link)", &mut broker, Limits::of_connections(connections));
}

// D09, S C(EMQX#16296): as many messages in flight as there are identifiers.
#[test]
fn d09_all_identifiers_in_flight() {
    if !broker::ours() {
        return; // Mosquitto 2.0 reads 0 as no limit, and gets slow far below it.
    }
    let conf = target().line("max_inflight_messages 0").line("max_queued_messages 0");
    let mut broker = conf.own_line("max_output_bytes 16777216").start();
    let mut vitals = Vitals::begin(&broker);
    let connect = Connect::new(V5, "wide").property(prop::two(prop::RECEIVE_MAXIMUM, 65_535));
    let (mut wide, _) = Client::open(&broker, &connect);
    wide.subscribe("wide", 1);
    let total: u32 = 65_535;
    let mut writer = Client::clean(&broker, V4, "writer");
    let mut mids = Vec::new();
    let mut used = HashSet::new();
    for first in (0..total).step_by(257) {
        let batch: Vec<u8> = (first..first + 257)
            .flat_map(|n| Publish::new(V4, "wide", n.to_string()).qos(1, (n - first) as u16 + 1).bytes())
            .collect();
        assert_eq!(answers(&mut writer, &batch).map(|acks| acks.len()), Some(257));
        for number in first..first + 257 {
            let delivery = wide.delivery();
            assert_eq!(delivery.text(), number.to_string(), "order");
            assert!(used.insert(delivery.mid), "identifier {} is used twice", delivery.mid);
            mids.push(delivery.mid);
        }
    }
    vitals.during("D09", &mut broker);
    // One more waits for an identifier, and gets the first that is free.
    writer.publish("wide", "one more", 1);
    wide.expect_silence();
    for mid in mids.iter().rev() {
        wide.send(ack(PUBACK, *mid));
    }
    let last = wide.delivery();
    assert_eq!(last.text(), "one more");
    wide.send(ack(PUBACK, last.mid));
    wide.expect_silence();
    wide.disconnect();
    writer.disconnect();
    vitals.finish("D09 (65 535 in flight)", &mut broker, Limits::of_connections(2));
}

// D11, S: the same identifier again before its PUBACK.
#[test]
fn d11_one_identifier_twice_in_flight() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("twice", 1);
    let mut writer = Client::clean(&broker, V4, "writer");
    writer.send(
        [Publish::new(V4, "twice", "1").qos(1, 7).bytes(), Publish::new(V4, "twice", "2").qos(1, 7).bytes()]
            .concat(),
    );
    writer.expect([ack(PUBACK, 7), ack(PUBACK, 7)].concat());
    reader.receive("twice", "1");
    reader.receive("twice", "2");
    [reader, writer].into_iter().for_each(Client::disconnect);
    vitals.finish("D11 (one identifier twice)", &mut broker, Limits::of_connections(2));
}
