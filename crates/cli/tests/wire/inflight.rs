//! Flow control: receive maximum and maximum packet size in both directions, queues and their limits.

use crate::kit::packet::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack, prop};
use crate::kit::*;

/// Publishes messages numbered from 0 at QoS 1.
fn publish_numbers(broker: &Broker, topic: &str, count: usize) {
    let mut writer = Client::clean(broker, V4, "numbers");
    for number in 0..count {
        writer.publish(topic, number.to_string(), 1);
    }
}

// Below MQTT 5 the window is max_inflight_messages.
fn the_window_is_max_inflight_messages(shards: usize) {
    if !broker::ours() {
        return; // Mosquitto 2.0 sends one more.
    }
    let broker = Conf::open().line("max_inflight_messages 3").shards(shards).start();
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("n", 1);
    publish_numbers(&broker, "n", 6);
    let first: Vec<_> = (0..3).map(|_| reader.delivery()).collect();
    reader.expect_silence();
    reader.send(ack(PUBACK, first[1].mid));
    assert_eq!(reader.delivery().text(), "3");
    reader.expect_silence();
    reader.send([ack(PUBACK, first[0].mid), ack(PUBACK, first[2].mid)].concat());
    assert_eq!(reader.delivery().text(), "4");
    assert_eq!(reader.delivery().text(), "5");
}

// [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3]: the client's receive maximum
// limits the broker, and QoS 0 passes by.
fn receive_maximum_of_the_client(shards: usize) {
    if !broker::ours() {
        return; // Mosquitto 2.0 sends one more.
    }
    let broker = Conf::open().shards(shards).start();
    let connect = Connect::new(V5, "reader").property(prop::two(prop::RECEIVE_MAXIMUM, 2));
    let (mut reader, _) = Client::open(&broker, &connect);
    reader.subscribe("n", 2).subscribe("zero", 0);
    let mut writer = Client::clean(&broker, V5, "writer");
    for (payload, qos) in [("a", 1), ("b", 2), ("c", 2), ("d", 1)] {
        writer.publish("n", payload, qos);
    }
    let (a, b) = (reader.delivery(), reader.delivery());
    assert_eq!((a.text().as_str(), b.text().as_str()), ("a", "b"));
    writer.publish("zero", "passes", 0);
    assert_eq!(reader.delivery().text(), "passes");
    reader.send(ack(PUBACK, a.mid));
    let c = reader.delivery();
    assert_eq!(c.text(), "c");
    // PUBREC does not free a place, PUBCOMP does.
    reader.send(ack(PUBREC, b.mid));
    reader.expect(ack(PUBREL, b.mid));
    reader.expect_silence();
    reader.send(ack(PUBCOMP, b.mid));
    assert_eq!(reader.delivery().text(), "d");
}

// [MQTT-4.4.0-2] [MQTT-4.9.0-2] with an error: PUBREC with 0x80 or more ends the exchange and frees the place.
fn an_error_answer_frees_the_place(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let connect = Connect::new(V5, "reader").property(prop::two(prop::RECEIVE_MAXIMUM, 1));
    let (mut reader, _) = Client::open(&broker, &connect);
    reader.subscribe("n", 2);
    let mut writer = Client::clean(&broker, V5, "writer");
    for (payload, qos) in [("a", 2), ("b", 1), ("c", 2)] {
        writer.publish("n", payload, qos);
    }
    let a = reader.delivery();
    reader.send([PUBREC, 3, 0, a.mid as u8, 0x83]);
    let b = reader.delivery();
    assert_eq!(b.text(), "b");
    reader.send([PUBACK, 3, 0, b.mid as u8, 0x80]);
    assert_eq!(reader.receive_any().text(), "c");
    reader.expect_silence();
}

// More than our receive maximum of 20 without PUBREL is the client's error.
#[test]
fn receive_maximum_of_the_broker() {
    if !broker::ours() {
        return; // Mosquitto 2.0 does not enforce it.
    }
    let broker = Conf::open().start();
    let mut writer = Client::clean(&broker, V5, "writer");
    for mid in 1..=20 {
        writer.send(Publish::new(V5, "t", "m").qos(2, mid).bytes());
        assert_eq!(writer.frame()[0], PUBREC);
    }
    writer.send(Publish::new(V5, "t", "m").qos(2, 21).bytes());
    writer.expect_disconnect(0x93);
}

// Repeating a QoS 2 PUBLISH that is in flight already takes no second place.
#[test]
fn a_repeat_takes_no_second_place() {
    let broker = Conf::open().start();
    let mut writer = Client::clean(&broker, V5, "writer");
    for mid in 1..=20 {
        writer.send(Publish::new(V5, "t", "m").qos(2, mid).bytes());
        writer.frame();
    }
    writer.send(Publish::new(V5, "t", "m").qos(2, 20).dup().bytes());
    let again = writer.frame();
    assert_eq!((again[0], &again[2..4]), (PUBREC, &[0, 20][..]), "{}", hex::dump(&again));
    writer.send(ack(PUBREL, 20));
    writer.expect(ack(PUBCOMP, 20));
}

fn max_queued_messages_limits_an_absent_client(shards: usize) {
    let conf =
        Conf::open().line("max_inflight_messages 5").line("max_queued_messages 10").line("sys_interval 1");
    let broker = conf.shards(shards).start();
    let durable = Connect::new(V4, "absent").durable();
    let (mut reader, _) = Client::open(&broker, &durable);
    reader.subscribe("n", 1);
    reader.disconnect();
    publish_numbers(&broker, "n", 40);
    let (mut reader, _) = Client::open(&broker, &durable);
    let mut kept = Vec::new();
    while let Some(frame) = reader.frame_within(SECOND / 2) {
        let delivery = decode::delivery(V4, &frame).expect("a PUBLISH");
        reader.acknowledge(&delivery);
        kept.push(delivery.text().parse::<usize>().unwrap());
    }
    // The oldest are kept, in order; whether the window counts beside the queue is the broker's choice.
    assert!((10..=15).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept, (0..kept.len()).collect::<Vec<_>>());
    let mut sys = Sys::watch(&broker);
    let dropped = (40 - kept.len()).to_string();
    let counted = sys.until(5 * SECOND, |sys| sys.value("publish/messages/dropped") == Some(&dropped));
    assert!(counted, "{:?} counted of {dropped}", sys.value("publish/messages/dropped"));
}

// [MQTT-3.1.2-24] [MQTT-3.1.2-25]: what does not fit the client is not sent, and the rest goes on.
fn maximum_packet_size_of_the_client(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let connect = Connect::new(V5, "reader").property(prop::four(prop::MAXIMUM_PACKET_SIZE, 40));
    let (mut reader, _) = Client::open(&broker, &connect);
    reader.subscribe("m", 2);
    let mut writer = Client::clean(&broker, V5, "writer");
    for qos in 0..=2 {
        writer.publish("m", vec![b'x'; 45], qos);
        writer.publish("m", "fits", qos);
        reader.receive("m", "fits");
    }
    // Forty bytes is not more than forty: header 2, topic 3, identifier 2, properties 1.
    if broker::ours() {
        writer.publish("m", vec![b'x'; 33], 1); // Mosquitto 2.0 counts without the fixed header.
    }
    writer.publish("m", vec![b'y'; 32], 1);
    assert_eq!(reader.receive_any().payload.len(), 32);
    reader.expect_silence();
}

// [MQTT-4.6.0-5] [MQTT3-4.6.0-6] An offline queue is drained through the window, whole and in order.
fn a_long_queue_is_drained_in_order(shards: usize) {
    let broker = Conf::open().shards(shards).start();
    let durable = Connect::new(V5, "absent").durable();
    let (mut reader, _) = Client::open(&broker, &durable);
    reader.subscribe("n", 1);
    reader.disconnect();
    publish_numbers(&broker, "n", 500);
    let (mut reader, _) = Client::open(&broker, &durable);
    for number in 0..500 {
        reader.receive("n", &number.to_string());
    }
    reader.expect_silence();
}

on_shards!(
    the_window_is_max_inflight_messages,
    receive_maximum_of_the_client,
    an_error_answer_frees_the_place,
    max_queued_messages_limits_an_absent_client,
    maximum_packet_size_of_the_client,
    a_long_queue_is_drained_in_order,
);
