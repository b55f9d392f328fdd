//! Order: for one publisher, topic and QoS a subscriber sees what was sent in the order it was sent.

use std::collections::HashMap;
use std::sync::Arc;

use crate::kit::packet::ack;
use crate::kit::*;

/// Messages of each publisher.
const EACH: usize = 300;

/// Sends numbered messages at a QoS, several in flight at a time.
fn publish_in_windows(broker: &Broker, name: &str, qos: u8) {
    let mut writer = Client::clean(broker, V4, name);
    for window in (0..EACH).collect::<Vec<_>>().chunks(10) {
        let bytes: Vec<u8> = window
            .iter()
            .flat_map(|n| Publish::new(V4, "order", format!("{name} {n}")).qos(qos, *n as u16 + 1).bytes())
            .collect();
        writer.send(bytes);
        if qos == 2 {
            for _ in window {
                let pubrec = writer.frame();
                assert_eq!(pubrec[0], 0x50);
                writer.send(ack(0x62, u16::from_be_bytes([pubrec[2], pubrec[3]])));
            }
        }
        if qos > 0 {
            for _ in window {
                assert_eq!(writer.frame()[0], if qos == 1 { 0x40 } else { 0x70 });
            }
        }
    }
    writer.expect_silence();
}

fn order_is_kept_between_any_two_clients(shards: usize) {
    for qos in 0..=2 {
        let conf = Conf::open().line("max_inflight_messages 50").line("max_queued_messages 0");
        let broker = Arc::new(conf.shards(shards).start());
        let mut readers: Vec<Client> = (0..4)
            .map(|n| {
                let mut reader = Client::clean(&broker, V4, &format!("reader{n}"));
                reader.subscribe("order", qos);
                reader
            })
            .collect();
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let broker = Arc::clone(&broker);
                std::thread::spawn(move || publish_in_windows(&broker, &format!("writer{n}"), qos))
            })
            .collect();
        for reader in &mut readers {
            let mut next: HashMap<String, usize> = HashMap::new();
            for _ in 0..4 * EACH {
                let text = reader.receive_any().text();
                let (name, number) = text.split_once(' ').expect("a name and a number");
                let expected = next.entry(name.to_owned()).or_default();
                assert_eq!(number.parse(), Ok(*expected), "QoS {qos}, {name}");
                *expected += 1;
            }
        }
        for writer in writers {
            writer.join().expect("the publisher is content");
        }
    }
}
on_shards!(order_is_kept_between_any_two_clients);
