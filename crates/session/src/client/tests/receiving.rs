//! Messages from the server.

use super::*;

#[test]
fn messages_arrive_once() {
    let mut wire = Wire::online(options(V3), &[]);
    wire.serve_publish(Qos::AtMostOnce, None, "zero", &[]);
    wire.serve_publish(Qos::AtLeastOnce, Some(9), "one", &[]);
    wire.serve_publish(Qos::ExactlyOnce, Some(10), "two", &[]);
    wire.serve_publish(Qos::ExactlyOnce, Some(10), "two", &[]);
    assert_eq!(wire.events().len(), 2);
    wire.serve(&Packet::Pubrel(ack(10, reason::SUCCESS)));
    assert_eq!(wire.events().len(), 1);
    wire.serve(&Packet::Pubrel(ack(10, reason::SUCCESS)));
    assert_eq!(wire.events(), []);
    let acks = [
        PacketType::Puback,
        PacketType::Pubrec,
        PacketType::Pubrec,
        PacketType::Pubcomp,
        PacketType::Pubcomp,
    ];
    assert_eq!(wire.sent(), acks);
}

#[test]
fn a_message_of_qos_2_is_released_on_the_next_connection() {
    let mut wire = Wire::online(kept(V5), &[]);
    wire.serve_publish(Qos::ExactlyOnce, Some(3), "two", &[]);
    wire.client.closed();
    assert_eq!(wire.cause(), Cause::Transport);
    wire.reconnect(true, &[]);
    wire.serve(&Packet::Pubrel(ack(3, reason::SUCCESS)));
    assert!(matches!(&wire.events()[..], [Event::Message(message)] if message.topic == "two"));
}

#[test]
fn manual_acknowledgements() {
    let mut wire = Wire::online(Options { ack: AckMode::Manual, ..options(V5) }, &[]);
    wire.serve_publish(Qos::AtLeastOnce, Some(1), "one", &[]);
    wire.serve_publish(Qos::ExactlyOnce, Some(2), "two", &[]);
    assert_eq!(wire.sent(), [PacketType::Pubrec]);
    let id = |n| PacketId::new(n).expect("not zero");
    let early = wire.client.acknowledge(0, id(2), reason::SUCCESS);
    assert_eq!(early, Err(Refused::NothingToAcknowledge));
    wire.serve(&Packet::Pubrel(ack(2, reason::SUCCESS)));
    assert_eq!((wire.sent(), wire.events().len()), (vec![], 2));
    wire.client.acknowledge(0, id(1), reason::SUCCESS).expect("owed");
    wire.client.acknowledge(0, id(2), reason::SUCCESS).expect("owed");
    assert_eq!(wire.sent(), [PacketType::Puback, PacketType::Pubcomp]);
    let again = wire.client.acknowledge(0, id(1), reason::SUCCESS);
    assert_eq!(again, Err(Refused::NothingToAcknowledge));
}

#[test]
fn aliases_inbound() {
    let told = Options { properties: block(&[Property::TopicAliasMaximum(2)]), ..options(V5) };
    let mut wire = Wire::online(told, &[]);
    wire.serve_publish(Qos::AtMostOnce, None, "topic", &[Property::TopicAlias(2)]);
    wire.serve_publish(Qos::AtMostOnce, None, "", &[Property::TopicAlias(2)]);
    let topics: Vec<_> = wire.events();
    assert!(topics.iter().all(|event| matches!(event, Event::Message(m) if m.topic == "topic")));
    assert_eq!(topics.len(), 2);
    wire.serve_publish(Qos::AtMostOnce, None, "", &[Property::TopicAlias(1)]);
    assert_eq!(wire.violation(), Violation::TopicAliasUnknown(1));
}

#[test]
fn one_packet_at_a_time() {
    let mut wire = Wire::online(options(V3), &[]);
    let mut bytes = Vec::new();
    for id in [1, 2] {
        let publish = Publish {
            dup: false,
            qos: Qos::AtLeastOnce,
            retain: false,
            topic: "t",
            packet_id: PacketId::new(id),
            properties: Default::default(),
            payload: b"",
        };
        publish.encode(V3, &mut bytes).expect("small");
    }
    let half = bytes.len() / 2;
    assert_eq!(wire.client.receive_packet(0, &bytes[..3]), 3);
    assert_eq!(wire.events(), []);
    // The second packet is left to the caller, and is not acknowledged.
    assert_eq!(wire.client.receive_packet(0, &bytes[3..]), half - 3);
    assert_eq!((wire.events().len(), wire.sent()), (1, vec![PacketType::Puback]));
    assert_eq!(wire.client.receive_packet(0, &bytes[half..]), half);
    assert_eq!(wire.events().len(), 1);
    wire.client.closed();
    assert_eq!(wire.client.receive_packet(0, &bytes), bytes.len());
}
