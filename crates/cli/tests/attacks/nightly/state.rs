//! D: windows and links that keep breaking.

use crate::kit::packet::{PUBACK, ack, prop, unsubscribe};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

// D10, S. Scale: 600 messages instead of 10 000.
#[test]
fn d10_a_window_of_one_over_a_link_that_keeps_breaking() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let narrow = Connect::new(V5, "narrow").durable().property(prop::two(prop::RECEIVE_MAXIMUM, 1));
    let (mut reader, _) = Client::open(&broker, &narrow);
    reader.subscribe("line", 1);
    reader.disconnect();
    let mut writer = Client::clean(&broker, V5, "writer");
    let total = 600;
    for number in 0..total {
        writer.publish("line", number.to_string(), 1);
    }
    let (mut reader, _) = Client::open(&broker, &narrow);
    let mut connections = 3;
    for number in 0..total {
        let mut delivery = reader.delivery();
        assert_eq!((delivery.text(), delivery.dup), (number.to_string(), false));
        if number % 3 == 2 {
            // Cut before the acknowledgement: it comes again, first, marked, and under its own number.
            reader.cut();
            reader = Client::open(&broker, &narrow).0;
            connections += 1;
            let again = reader.delivery();
            assert_eq!((again.text(), again.dup, again.mid), (number.to_string(), true, delivery.mid));
            delivery = again;
        }
        reader.send(ack(PUBACK, delivery.mid));
    }
    reader.expect_silence();
    reader.disconnect();
    Client::clean(&broker, V5, "narrow").disconnect();
    writer.disconnect();
    vitals.finish("D10 (a window of one)", &mut broker, Limits::of_connections(connections));
}

// D12, S: what is in flight is finished. What is queued still comes: it was matched when it was published.
#[test]
fn d12_unsubscribing_with_messages_in_flight() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    for (version, qos) in [(V4, 1), (V5, 1), (V4, 2), (V5, 2)] {
        let (mut reader, _) = Client::open(&broker, &Connect::new(version, "leaver").durable());
        reader.subscribe("leave", qos);
        let mut writer = Client::clean(&broker, version, "writer");
        for number in 0..50 {
            writer.publish("leave", number.to_string(), qos);
        }
        reader.send(unsubscribe(version, 9, &["leave"]));
        let mut deliveries = Vec::new();
        loop {
            let frame = reader.frame();
            match decode::delivery(version, &frame) {
                Some(delivery) => deliveries.push(delivery),
                None => break assert_eq!(frame[0], 0xB0),
            }
        }
        assert!(deliveries.len() >= 20, "{} in flight", deliveries.len());
        writer.publish("leave", "too late", qos);
        writer.disconnect();
        let mut seen = Vec::new();
        // A PUBREL of one exchange may stand between deliveries of others, which `acknowledge` keeps in line.
        for delivery in deliveries {
            reader.acknowledge(&delivery);
            seen.push(delivery.text());
        }
        seen.extend((seen.len()..50).map(|_| reader.receive_any().text()));
        reader.expect_silence();
        assert_eq!(
            seen,
            (0..50).map(|number| number.to_string()).collect::<Vec<_>>(),
            "{version:?} QoS {qos}"
        );
        reader.disconnect();
        Client::clean(&broker, version, "leaver").disconnect();
    }
    vitals.finish("D12 (unsubscribing in flight)", &mut broker, Limits::of_connections(12));
}
