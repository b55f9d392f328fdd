//! Messages and subscriptions to the server.

use super::*;

#[test]
fn qos_0_leaves_at_once() {
    let mut wire = Wire::online(options(V3), &[]);
    let id = wire.publish(Qos::AtMostOnce);
    assert_eq!(wire.sent(), [PacketType::Publish]);
    let published = |event: &Event| matches!(event, Event::Published { id: got, .. } if *got == id);
    assert!(published(&wire.events()[0]));
    wire.client.closed();
    let message = NewMessage::new("t", b"");
    assert_eq!(wire.client.publish(0, &message), Err(Refused::NotConnected));
}

#[test]
fn qos_1_waits_for_puback() {
    let mut wire = Wire::online(options(V5), &[]);
    let id = wire.publish(Qos::AtLeastOnce);
    assert_eq!(wire.published(), [(id.get(), false)]);
    assert_eq!((wire.events(), wire.client.unanswered()), (vec![], 1));
    wire.serve(&Packet::Puback(ack(id.get(), reason::NOT_AUTHORIZED)));
    let code = reason::NOT_AUTHORIZED;
    let answered = Event::Published { id, code, properties: PropertiesBuf::new() };
    assert_eq!((wire.events(), wire.client.unanswered()), (vec![answered], 0));
}

// [MQTT-4.3.3-4]
#[test]
fn qos_2_takes_four_packets() {
    let mut wire = Wire::online(options(V3), &[]);
    let id = wire.publish(Qos::ExactlyOnce);
    wire.serve(&Packet::Pubrec(ack(id.get(), reason::SUCCESS)));
    assert_eq!(wire.sent(), [PacketType::Publish, PacketType::Pubrel]);
    assert_eq!(wire.events(), []);
    wire.serve(&Packet::Pubcomp(ack(id.get(), reason::SUCCESS)));
    assert_eq!(wire.events().len(), 1);
    assert_eq!(wire.client.unanswered(), 0);
}

#[test]
fn pubrec_with_an_error_ends_the_exchange() {
    let mut wire = Wire::online(options(V5), &[]);
    let id = wire.publish(Qos::ExactlyOnce);
    wire.serve(&Packet::Pubrec(ack(id.get(), reason::QUOTA_EXCEEDED)));
    assert_eq!(wire.sent(), [PacketType::Publish]);
    assert!(matches!(wire.events()[..], [Event::Published { code: reason::QUOTA_EXCEEDED, .. }]));
}

// [MQTT-3.3.4-7]
#[test]
fn the_servers_receive_maximum_is_kept() {
    let mut wire = Wire::online(options(V5), &[Property::ReceiveMaximum(2)]);
    let ids: Vec<u16> = (0..5).map(|_| wire.publish(Qos::AtLeastOnce).get()).collect();
    assert_eq!(wire.published(), [(ids[0], false), (ids[1], false)]);
    wire.serve(&Packet::Puback(ack(ids[0], reason::SUCCESS)));
    assert_eq!(wire.published(), [(ids[2], false)]);
    // QoS 0 does not count.
    wire.publish(Qos::AtMostOnce);
    assert_eq!(wire.published(), [(0, false)]);
}

// [MQTT-4.4.0-1] [MQTT-3.3.1-1]
#[test]
fn a_kept_session_resends_with_dup_in_order() {
    let mut wire = Wire::online(kept(V3), &[]);
    let first = wire.publish(Qos::AtLeastOnce).get();
    let second = wire.publish(Qos::ExactlyOnce).get();
    let third = wire.publish(Qos::ExactlyOnce).get();
    wire.serve(&Packet::Pubrec(ack(second, reason::SUCCESS)));
    wire.client.closed();
    assert_eq!(wire.cause(), Cause::Transport);
    let offline = wire.publish(Qos::AtLeastOnce).get();
    wire.reconnect(true, &[]);
    let mut seen = Vec::new();
    wire.packets(&mut |packet| match packet {
        Packet::Pubrel(ack) => seen.push((ack.packet_id.get(), false)),
        Packet::Publish(publish) => seen.push((publish.packet_id.map_or(0, PacketId::get), publish.dup)),
        other => panic!("{other:?}"),
    });
    assert_eq!(seen, [(second, false), (first, true), (third, true), (offline, false)]);
}

#[test]
fn a_server_that_forgot_gets_the_messages_anew() {
    let mut wire = Wire::online(kept(V5), &[]);
    let first = wire.publish(Qos::AtLeastOnce).get();
    let second = wire.publish(Qos::ExactlyOnce).get();
    wire.serve(&Packet::Pubrec(ack(second, reason::SUCCESS)));
    wire.client.closed();
    assert_eq!(wire.cause(), Cause::Transport);
    wire.reconnect(false, &[]);
    assert_eq!(wire.published(), [(first, false)]);
    let done = wire.events();
    assert!(matches!(&done[..], [Event::Published { id, .. }] if id.get() == second));
}

#[test]
fn what_a_new_server_cannot_take_is_given_up() {
    let mut wire = Wire::new(options(V5));
    let big = NewMessage::new("t", &[0; 200]).qos(Qos::AtLeastOnce);
    let id = wire.client.publish(0, &big).expect("accepted");
    wire.reconnect(false, &[Property::MaximumPacketSize(100)]);
    assert_eq!(wire.sent(), []);
    let Some(Event::Published { id: given_up, code, .. }) = wire.client.poll_event() else {
        panic!("an answer")
    };
    assert_eq!((given_up, code), (id, reason::PACKET_TOO_LARGE));
    assert_eq!(wire.client.publish(0, &big), Err(Refused::PacketTooLarge));
    let small = NewMessage::new("t", &[0; 20]).qos(Qos::AtLeastOnce);
    assert!(wire.client.publish(0, &small).is_ok());
}

#[test]
fn the_servers_limits_refuse_commands() {
    let limits = [
        Property::MaximumQos(1),
        Property::RetainAvailable(0),
        Property::WildcardSubscriptionAvailable(0),
        Property::SharedSubscriptionAvailable(0),
        Property::SubscriptionIdentifierAvailable(0),
    ];
    let mut wire = Wire::online(options(V5), &limits);
    let message = NewMessage::new("t", b"");
    let two = message.qos(Qos::ExactlyOnce);
    assert_eq!(wire.client.publish(0, &two), Err(Refused::QosNotSupported));
    let retained = NewMessage { retain: true, ..message };
    assert_eq!(wire.client.publish(0, &retained), Err(Refused::RetainNotSupported));
    let alias = block(&[Property::TopicAlias(1)]);
    let aliased = NewMessage { properties: alias.as_properties(), ..message };
    assert_eq!(wire.client.publish(0, &aliased), Err(Refused::TopicAliasInvalid));
    for filter in ["a/+", "$share/g/a"] {
        let one = SubscribeFilter { filter, options: SubscribeOptions::default() };
        let refused = wire.client.subscribe(0, &[one], &PropertiesBuf::new());
        assert_eq!(refused, Err(Refused::SubscriptionNotSupported), "{filter}");
    }
    let one = SubscribeFilter { filter: "a", options: SubscribeOptions::default() };
    let numbered = block(&[Property::SubscriptionIdentifier(1)]);
    assert_eq!(wire.client.subscribe(0, &[one], &numbered), Err(Refused::SubscriptionNotSupported));
    assert_eq!(wire.sent(), []);
}

#[test]
fn subscribe_and_unsubscribe() {
    let mut wire = Wire::online(options(V5), &[]);
    let plain = |filter| SubscribeFilter { filter, options: SubscribeOptions::default() };
    let id = wire.client.subscribe(0, &[plain("a"), plain("b/#")], &PropertiesBuf::new()).expect("legal");
    assert_eq!(wire.client.subscribe(0, &[plain("b#")], &PropertiesBuf::new()), Err(Refused::FilterInvalid));
    assert_eq!(wire.client.subscribe(0, &[], &PropertiesBuf::new()), Err(Refused::FilterInvalid));
    wire.serve(&Packet::Suback(Suback { packet_id: id, properties: Default::default(), codes: &[0, 0x87] }));
    let codes = vec![reason::SUCCESS, reason::NOT_AUTHORIZED];
    assert_eq!(wire.events(), [Event::Subscribed { id, codes, properties: PropertiesBuf::new() }]);
    let id = wire.client.unsubscribe(0, &["a"], &PropertiesBuf::new()).expect("legal");
    assert_eq!(wire.sent(), [PacketType::Subscribe, PacketType::Unsubscribe]);
    wire.serve(&Packet::Unsuback(Unsuback { packet_id: id, properties: Default::default(), codes: &[0x11] }));
    let codes = vec![reason::NO_SUBSCRIPTION_EXISTED];
    assert_eq!(wire.events(), [Event::Unsubscribed { id, codes, properties: PropertiesBuf::new() }]);
}

#[test]
fn aliases_outbound() {
    let wanted = Options { topic_aliases_max: 10, ..options(V5) };
    let mut wire = Wire::online(wanted, &[Property::TopicAliasMaximum(1)]);
    let mut topics = Vec::new();
    for topic in ["long/topic", "long/topic", "other"] {
        wire.client.publish(0, &NewMessage::new(topic, b"")).expect("accepted");
    }
    wire.packets(&mut |packet| {
        if let Packet::Publish(publish) = packet {
            topics.push((String::from(publish.topic), publish.properties.iter().count()));
        }
    });
    let named = |topic: &str, properties| (String::from(topic), properties);
    assert_eq!(topics, [named("long/topic", 1), named("", 1), named("other", 0)]);
}

#[test]
fn what_is_kept_has_a_limit() {
    let mut wire = Wire::new(Options { queue_bytes_max: 12, ..options(V3) });
    wire.publish(Qos::AtLeastOnce);
    wire.publish(Qos::AtLeastOnce);
    let message = NewMessage::new("t", b"hello").qos(Qos::AtLeastOnce);
    assert_eq!(wire.client.publish(0, &message), Err(Refused::QueueFull));
    assert_eq!((wire.client.unanswered(), wire.client.unanswered_bytes()), (2, 12));
    let mut wire = Wire::new(Options { queue_bytes_max: 1, ..options(V3) });
    wire.publish(Qos::AtLeastOnce);
}

#[test]
fn packet_ids_go_round_without_meeting() {
    let mut wire = Wire::online(options(V3), &[]);
    let held = wire.publish(Qos::AtLeastOnce);
    for _ in 0..u16::MAX {
        wire.publish(Qos::AtMostOnce);
    }
    assert_ne!(wire.publish(Qos::AtLeastOnce), held);
}
