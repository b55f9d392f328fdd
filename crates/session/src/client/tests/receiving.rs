//! Messages from the server.

use super::*;

// [MQTT-3.3.4-1] [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT3-3.3.4-1] [MQTT3-4.3.3-2]
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

// [MQTT-3.1.2-23] [MQTT-4.1.0-1] [MQTT3-3.1.2-4] [MQTT3-4.1.0-1] [MQTT3-4.1.0-2]
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

/// The application has the message and has not answered for it: a server that asks again must wait.
#[test]
fn a_second_pubrel_is_not_answered_for_the_application() {
    let mut wire = Wire::online(Options { ack: AckMode::Manual, ..options(V5) }, &[]);
    wire.serve_publish(Qos::ExactlyOnce, Some(2), "two", &[]);
    wire.serve(&Packet::Pubrel(ack(2, reason::SUCCESS)));
    assert_eq!((wire.sent(), wire.events().len()), (vec![PacketType::Pubrec], 1));
    wire.serve(&Packet::Pubrel(ack(2, reason::SUCCESS)));
    assert_eq!((wire.sent(), wire.events().len()), (vec![], 0));
}

/// What the client has acknowledged since the last look.
fn acks(wire: &mut Wire) -> Vec<(PacketType, u16)> {
    let mut acks = Vec::new();
    wire.packets(&mut |packet| match packet {
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            assert!(ack.properties.is_empty(), "no reason string, no user property");
            assert_eq!(ack.code, reason::SUCCESS);
            acks.push((packet.packet_type(), ack.packet_id.get()));
        }
        other => panic!("{other:?}"),
    });
    acks
}

// [MQTT-2.2.1-5] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3]
// [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-4.3.2-4] [MQTT-4.3.3-9] [MQTT-4.3.3-11] [MQTT-4.5.0-2] [MQTT-4.6.0-2]
// [MQTT-4.6.0-3] [MQTT-4.6.0-4] [MQTT3-2.3.1-6] [MQTT3-4.3.2-2] [MQTT3-4.5.0-2] [MQTT3-4.6.0-2] [MQTT3-4.6.0-3]
// [MQTT3-4.6.0-4]
#[test]
fn acknowledgements_repeat_the_identifier_and_keep_the_order() {
    for version in [V3, V5] {
        let mut wire = Wire::online(options(version), &[]);
        for (qos, id) in [(1, 9), (2, 7), (1, 300), (2, 3), (1, 2), (2, 5)] {
            let qos = if qos == 1 { Qos::AtLeastOnce } else { Qos::ExactlyOnce };
            wire.serve_publish(qos, Some(id), "t", &[]);
        }
        let got = acks(&mut wire);
        let of =
            |wanted| got.iter().filter(|(kind, _)| *kind == wanted).map(|(_, id)| *id).collect::<Vec<_>>();
        assert_eq!((of(PacketType::Puback), of(PacketType::Pubrec)), (vec![9, 300, 2], vec![7, 3, 5]));
        for id in [3, 5, 7] {
            wire.serve(&Packet::Pubrel(ack(id, reason::SUCCESS)));
            assert_eq!(acks(&mut wire), [(PacketType::Pubcomp, id)]);
        }
        // The other way: PUBREL in the order of PUBREC.
        let ids: Vec<u16> = (0..3).map(|_| wire.publish(Qos::ExactlyOnce).get()).collect();
        wire.sent();
        let order = [ids[1], ids[0], ids[2]];
        for id in order {
            wire.serve(&Packet::Pubrec(ack(id, reason::SUCCESS)));
        }
        assert_eq!(acks(&mut wire), order.map(|id| (PacketType::Pubrel, id)));
    }
}

// [MQTT-4.3.2-5] [MQTT-4.3.3-12] [MQTT3-4.3.2-2] [MQTT3-4.3.3-2]
#[test]
fn an_identifier_that_is_done_is_a_new_message() {
    for version in [V3, V5] {
        let mut wire = Wire::online(options(version), &[]);
        for _ in 0..2 {
            wire.serve_publish(Qos::AtLeastOnce, Some(1), "one", &[]);
            wire.serve_publish(Qos::ExactlyOnce, Some(2), "two", &[]);
            wire.serve(&Packet::Pubrel(ack(2, reason::SUCCESS)));
            assert_eq!(wire.events().len(), 2);
        }
    }
}

// [MQTT-4.3.3-13]: the exchange is completed, though the message has expired meanwhile.
#[test]
fn a_message_that_expires_on_its_way_is_still_released() {
    let mut wire = Wire::online(options(V5), &[]);
    wire.serve_publish(Qos::ExactlyOnce, Some(2), "two", &[Property::MessageExpiryInterval(1)]);
    wire.now += 10_000;
    wire.client.tick(wire.now);
    wire.serve(&Packet::Pubrel(ack(2, reason::SUCCESS)));
    assert_eq!(acks(&mut wire), [(PacketType::Pubrec, 2), (PacketType::Pubcomp, 2)]);
}

// [MQTT-4.6.0-2] [MQTT3-4.6.0-2]
#[test]
fn an_application_cannot_acknowledge_out_of_order() {
    let mut wire = Wire::online(Options { ack: AckMode::Manual, ..options(V5) }, &[]);
    let id = |n| PacketId::new(n).expect("not zero");
    for n in [9, 4] {
        wire.serve_publish(Qos::AtLeastOnce, Some(n), "one", &[]);
    }
    assert_eq!(wire.client.acknowledge(0, id(4), reason::SUCCESS), Err(Refused::AcknowledgeInOrder));
    assert_eq!(acks(&mut wire), []);
    for n in [9, 4] {
        wire.client.acknowledge(0, id(n), reason::SUCCESS).expect("its turn");
    }
    assert_eq!(acks(&mut wire), [(PacketType::Puback, 9), (PacketType::Puback, 4)]);
}

// [MQTT-3.1.2-4] [MQTT-3.2.2-5] [MQTT3-3.1.2-6]
#[test]
fn what_was_under_way_ends_with_the_session() {
    for clean_start in [true, false] {
        let mut wire = Wire::online(Options { clean_start, ..options(V5) }, &[]);
        wire.serve_publish(Qos::ExactlyOnce, Some(3), "two", &[]);
        wire.client.closed();
        assert_eq!(wire.cause(), Cause::Transport);
        wire.reconnect(false, &[]);
        wire.serve(&Packet::Pubrel(ack(3, reason::SUCCESS)));
        assert_eq!(wire.events(), []);
    }
}

// [MQTT-3.1.3-2] [MQTT3-3.1.3-2]: another client id is another session, also if the server has one for it.
#[test]
fn another_client_id_is_another_session() {
    for version in [V3, V5] {
        let mut wire = Wire::online(kept(version), &[]);
        let first = wire.publish(Qos::AtLeastOnce).get();
        assert_eq!(wire.published(), [(first, false)]);
        wire.serve_publish(Qos::ExactlyOnce, Some(3), "two", &[]);
        wire.client.closed();
        assert_eq!(wire.cause(), Cause::Transport);
        wire.client.options_mut().client_id = String::from("other");
        wire.reconnect(true, &[]);
        assert_eq!(wire.published(), [(first, false)], "no repetition for a server that never saw it");
        wire.serve(&Packet::Pubrel(ack(3, reason::SUCCESS)));
        assert_eq!(wire.events(), []);
    }
}

// [MQTT-3.3.2-10], and after the connection none is known. [MQTT-3.3.2-7]
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
    wire.reconnect(false, &[]);
    wire.serve_publish(Qos::AtMostOnce, None, "", &[Property::TopicAlias(2)]);
    assert_eq!(wire.violation(), Violation::TopicAliasUnknown(2));
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
