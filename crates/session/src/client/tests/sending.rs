//! Messages and subscriptions to the server.

use super::*;

// [MQTT-4.3.1-1] [MQTT3-4.3.1-1]
#[test]
fn qos_0_leaves_at_once() {
    let mut wire = Wire::online(options(V3), &[]);
    let id = wire.publish(Qos::AtMostOnce);
    assert_eq!(wire.published(), [(0, false)]);
    let published = |event: &Event| matches!(event, Event::Published { id: got, .. } if *got == id);
    assert!(published(&wire.events()[0]));
    wire.client.closed();
    let message = NewMessage::new("t", b"");
    assert_eq!(wire.client.publish(0, &message), Err(Refused::NotConnected));
}

// [MQTT-4.3.2-2] [MQTT-4.3.2-3] [MQTT-4.4.0-2] [MQTT3-4.3.2-1]
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

// [MQTT-4.3.3-2] [MQTT-4.3.3-3] [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT3-4.3.3-1]
#[test]
fn qos_2_takes_four_packets() {
    let mut wire = Wire::online(options(V3), &[]);
    let id = wire.publish(Qos::ExactlyOnce);
    assert_eq!(wire.published(), [(id.get(), false)]);
    wire.serve(&Packet::Pubrec(ack(id.get(), reason::SUCCESS)));
    assert_eq!(wire.sent(), [PacketType::Pubrel]);
    assert_eq!((wire.events(), wire.client.unanswered()), (vec![], 1));
    wire.serve(&Packet::Pubcomp(ack(id.get(), reason::SUCCESS)));
    assert_eq!(wire.events().len(), 1);
    assert_eq!(wire.client.unanswered(), 0);
}

// [MQTT-4.3.3-4] [MQTT-4.4.0-2]
#[test]
fn pubrec_with_an_error_ends_the_exchange() {
    let mut wire = Wire::online(options(V5), &[]);
    let id = wire.publish(Qos::ExactlyOnce);
    wire.serve(&Packet::Pubrec(ack(id.get(), reason::QUOTA_EXCEEDED)));
    assert_eq!(wire.sent(), [PacketType::Publish]);
    assert!(matches!(wire.events()[..], [Event::Published { code: reason::QUOTA_EXCEEDED, .. }]));
    assert_eq!(wire.client.unanswered(), 0);
}

// [MQTT-3.3.4-7] [MQTT-3.3.4-8] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3]
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
    // Nor does anything else.
    let plain = [SubscribeFilter { filter: "a", options: SubscribeOptions::default() }];
    wire.client.subscribe(wire.now, &plain, &PropertiesBuf::new()).expect("legal");
    wire.serve_publish(Qos::AtLeastOnce, Some(1), "t", &[]);
    wire.client.tick(wire.now + 60_000);
    assert_eq!(wire.sent(), [PacketType::Subscribe, PacketType::Puback, PacketType::Pingreq]);
}

// [MQTT-3.1.2-23] [MQTT-3.3.1-1] [MQTT-4.3.3-6] [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT3-2.3.1-3] [MQTT3-3.1.2-4]
// [MQTT3-3.3.1-1] [MQTT3-4.1.0-1] [MQTT3-4.3.3-1] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1]
#[test]
fn a_kept_session_resends_with_dup_in_order() {
    let mut wire = Wire::online(kept(V3), &[]);
    let first = wire.publish(Qos::AtLeastOnce).get();
    let second = wire.publish(Qos::ExactlyOnce).get();
    let third = wire.publish(Qos::ExactlyOnce).get();
    wire.serve(&Packet::Pubrec(ack(second, reason::SUCCESS)));
    wire.sent();
    wire.client.tick(wire.now + 59_000);
    assert_eq!(wire.sent(), [], "nothing is sent again while the connection stands");
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

// [MQTT-4.3.3-7]
#[test]
fn a_message_under_way_does_not_expire() {
    let mut wire = Wire::online(kept(V5), &[]);
    let expiring = block(&[Property::MessageExpiryInterval(1)]);
    let message = NewMessage { properties: expiring.as_properties(), ..NewMessage::new("t", b"") };
    let id = wire.client.publish(wire.now, &message.qos(Qos::ExactlyOnce)).expect("accepted").get();
    assert_eq!(wire.published(), [(id, false)]);
    wire.client.closed();
    assert_eq!(wire.cause(), Cause::Transport);
    wire.now += 60_000;
    wire.reconnect(true, &[]);
    assert_eq!(wire.published(), [(id, true)]);
}

// [MQTT-3.2.2-5] [MQTT3-3.1.2-6]
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

// [MQTT-3.2.2-15]
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

// [MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-17] [MQTT-3.3.2-9]: also for what was accepted before CONNACK.
#[test]
fn a_new_servers_limits_hold_for_what_waited() {
    let limits = [Property::MaximumQos(1), Property::RetainAvailable(0), Property::TopicAliasMaximum(2)];
    let mut wire = Wire::new(options(V5));
    let message = NewMessage::new("t", b"").qos(Qos::AtLeastOnce);
    let mut publish = |message: &NewMessage<'_>| wire.client.publish(0, message).expect("accepted");
    let two = publish(&message.qos(Qos::ExactlyOnce));
    let retained = publish(&NewMessage { retain: true, ..message });
    let known = block(&[Property::ContentType("c"), Property::TopicAlias(2)]);
    let unknown = block(&[Property::ContentType("c"), Property::TopicAlias(3)]);
    for properties in [&known, &unknown] {
        publish(&NewMessage { properties: properties.as_properties(), ..message });
    }
    wire.reconnect(false, &limits);
    let answers: Vec<_> = wire
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Published { id, code, .. } => (id, code),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answers, [(two, reason::QOS_NOT_SUPPORTED), (retained, reason::RETAIN_NOT_SUPPORTED)]);
    let mut sent = Vec::new();
    wire.packets(&mut |packet| {
        let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
        sent.push((String::from(publish.topic), PropertiesBuf::from(publish.properties)));
    });
    let topic = String::from("t");
    assert_eq!(sent, [(topic.clone(), known), (topic, block(&[Property::ContentType("c")]))]);
}

// [MQTT-3.3.4-6]
#[test]
fn a_message_names_no_subscription() {
    let mut wire = Wire::online(options(V5), &[]);
    let numbered = block(&[Property::SubscriptionIdentifier(1)]);
    let message = NewMessage { properties: numbered.as_properties(), ..NewMessage::new("t", b"") };
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        let refused = wire.client.publish(0, &message.qos(qos));
        assert!(matches!(refused, Err(Refused::PropertiesInvalid(_))));
    }
    assert_eq!(wire.sent(), []);
}

// [MQTT-3.3.2-7]
#[test]
fn aliases_of_the_application_end_with_the_connection() {
    let mut wire = Wire::online(options(V5), &[Property::TopicAliasMaximum(1)]);
    let alias = block(&[Property::TopicAlias(1)]);
    let nameless = NewMessage { properties: alias.as_properties(), ..NewMessage::new("", b"") };
    assert!(wire.client.publish(0, &nameless).is_ok());
    let kept = wire.client.publish(0, &nameless.qos(Qos::AtLeastOnce));
    assert_eq!(kept, Err(Refused::TopicInvalid), "it could not be sent again");
}

// [MQTT-3.2.2-11] [MQTT-3.2.2-14] [MQTT-3.2.2-18] [MQTT-3.3.2-9]
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
    let hash = SubscribeFilter { filter: "#", ..one };
    let refused = wire.client.subscribe(0, &[hash], &PropertiesBuf::new());
    assert_eq!(refused, Err(Refused::SubscriptionNotSupported));
    assert_eq!(wire.sent(), []);
    // What no limit is about goes out.
    wire.client.publish(0, &message).expect("not retained");
    wire.client.subscribe(0, &[one], &PropertiesBuf::new()).expect("plain");
    assert_eq!(wire.sent(), [PacketType::Publish, PacketType::Subscribe]);
}

#[test]
fn a_server_that_allows_it_gets_subscription_identifiers() {
    let mut wire = Wire::online(options(V5), &[]);
    let one = SubscribeFilter { filter: "a", options: SubscribeOptions::default() };
    let numbered = block(&[Property::SubscriptionIdentifier(1)]);
    wire.client.subscribe(0, &[one], &numbered).expect("supported");
}

/// To the byte, for each packet by itself. [MQTT-3.2.2-15]
#[test]
fn a_packet_may_be_as_large_as_the_server_says() {
    // Two bytes each of header and length, one filter with length and options, the length of no properties.
    let len = 2 + 2 + 1 + 2 + 1 + 1;
    let one = SubscribeFilter { filter: "a", options: SubscribeOptions::default() };
    for (packet_max, fits) in [(len, true), (len - 1, false)] {
        let mut wire = Wire::online(options(V5), &[Property::MaximumPacketSize(packet_max)]);
        for _ in 0..2 {
            let outcome = wire.client.subscribe(0, &[one], &PropertiesBuf::new());
            assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
        }
    }
}

/// The length of a message that may wait is reckoned, from above. [MQTT-3.2.2-15]
#[test]
fn a_message_that_is_too_large_is_refused_at_once() {
    let properties = block(&[Property::UserProperty("k", "v")]);
    let payload = [0; 100];
    let message = NewMessage { properties: properties.as_properties(), ..NewMessage::new("topic", &payload) };
    let message = message.qos(Qos::AtLeastOnce);
    // Header, topic with its length, identifier, properties with their length, payload.
    let len = 2 + 2 + 5 + 2 + 1 + 7 + 100;
    for (packet_max, outcome) in [(len, Ok(PacketId::MIN)), (len - 1, Err(Refused::PacketTooLarge))] {
        let mut wire = Wire::online(options(V5), &[Property::MaximumPacketSize(packet_max)]);
        assert_eq!(wire.client.publish(0, &message), outcome);
        assert_eq!(wire.client.unanswered(), usize::from(outcome.is_ok()));
    }
}

// [MQTT-4.7.3-3] [MQTT3-4.7.3-3]
#[test]
fn a_topic_has_65_535_bytes_at_the_most() {
    let mut wire = Wire::new(options(V5));
    let topic = "t".repeat(65_536);
    let publish = |wire: &mut Wire, topic: &str| {
        wire.client.publish(0, &NewMessage::new(topic, b"").qos(Qos::AtLeastOnce)).map(|_| ())
    };
    assert_eq!(publish(&mut wire, &topic), Err(Refused::TooLarge));
    assert_eq!(publish(&mut wire, &topic[1..]), Ok(()));
}

#[test]
fn an_alias_that_the_application_chose_is_the_only_one() {
    let mut wire =
        Wire::online(Options { topic_aliases_max: 5, ..options(V5) }, &[Property::TopicAliasMaximum(5)]);
    let chosen = block(&[Property::TopicAlias(3)]);
    let message = NewMessage { properties: chosen.as_properties(), ..NewMessage::new("t", b"") };
    wire.client.publish(0, &message).expect("allowed");
    let mut sent = Vec::new();
    wire.packets(&mut |packet| match packet {
        Packet::Publish(publish) => sent = publish.properties.as_bytes().to_vec(),
        other => panic!("{other:?}"),
    });
    assert_eq!(sent, chosen.as_properties().as_bytes());
}

// [MQTT-3.8.3-1] [MQTT-3.8.3-2] [MQTT-3.8.3-4] [MQTT-3.10.3-1] [MQTT-3.10.3-2] [MQTT3-3.8.3-1] [MQTT3-3.8.3-3]
// [MQTT3-3.10.3-1] [MQTT3-3.10.3-2]
#[test]
fn subscribe_and_unsubscribe() {
    let mut wire = Wire::online(options(V5), &[]);
    let plain = |filter| SubscribeFilter { filter, options: SubscribeOptions::default() };
    let id = wire.client.subscribe(0, &[plain("a"), plain("b/#")], &PropertiesBuf::new()).expect("legal");
    assert_eq!(wire.client.subscribe(0, &[plain("b#")], &PropertiesBuf::new()), Err(Refused::FilterInvalid));
    assert_eq!(wire.client.subscribe(0, &[], &PropertiesBuf::new()), Err(Refused::FilterInvalid));
    assert_eq!(wire.client.subscribe(0, &[plain("\0")], &PropertiesBuf::new()), Err(Refused::FilterInvalid));
    let no_local = SubscribeOptions { no_local: true, ..SubscribeOptions::default() };
    let shared = [SubscribeFilter { filter: "$share/g/a", options: no_local }];
    assert_eq!(wire.client.subscribe(0, &shared, &PropertiesBuf::new()), Err(Refused::FilterInvalid));
    for filters in [&[][..], &["\0"]] {
        let refused = wire.client.unsubscribe(0, filters, &PropertiesBuf::new());
        assert_eq!(refused, Err(Refused::FilterInvalid));
    }
    wire.serve(&Packet::Suback(Suback { packet_id: id, properties: Default::default(), codes: &[0, 0x87] }));
    let codes = vec![reason::SUCCESS, reason::NOT_AUTHORIZED];
    assert_eq!(wire.events(), [Event::Subscribed { id, codes, properties: PropertiesBuf::new() }]);
    let id = wire.client.unsubscribe(0, &["a"], &PropertiesBuf::new()).expect("legal");
    assert_eq!(wire.sent(), [PacketType::Subscribe, PacketType::Unsubscribe]);
    wire.serve(&Packet::Unsuback(Unsuback { packet_id: id, properties: Default::default(), codes: &[0x11] }));
    let codes = vec![reason::NO_SUBSCRIPTION_EXISTED];
    assert_eq!(wire.events(), [Event::Unsubscribed { id, codes, properties: PropertiesBuf::new() }]);
}

// [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-7] [MQTT-3.3.2-9]
#[test]
fn aliases_outbound() {
    let wanted = Options { topic_aliases_max: 10, ..options(V5) };
    let mut wire = Wire::online(wanted, &[Property::TopicAliasMaximum(1)]);
    let topics = |wire: &mut Wire| {
        let mut topics = Vec::new();
        for topic in ["long/topic", "long/topic", "other"] {
            wire.client.publish(0, &NewMessage::new(topic, b"")).expect("accepted");
        }
        wire.packets(&mut |packet| {
            if let Packet::Publish(publish) = packet {
                topics.push((String::from(publish.topic), publish.properties.iter().count()));
            }
        });
        topics
    };
    let named = |topic: &str, properties| (String::from(topic), properties);
    let expected = [named("long/topic", 1), named("", 1), named("other", 0)];
    assert_eq!(topics(&mut wire), expected);
    wire.client.closed();
    assert_eq!(wire.cause(), Cause::Transport);
    wire.reconnect(false, &[Property::TopicAliasMaximum(1)]);
    assert_eq!(topics(&mut wire), expected, "the next connection begins without aliases");
    wire.client.closed();
    assert_eq!(wire.cause(), Cause::Transport);
    wire.reconnect(false, &[]);
    assert!(topics(&mut wire).iter().all(|(topic, aliases)| !topic.is_empty() && *aliases == 0));
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
    // What waits, and the payload: just as much as is allowed.
    let mut wire = Wire::new(Options { queue_bytes_max: 11, ..options(V3) });
    wire.publish(Qos::AtLeastOnce);
    wire.publish(Qos::AtLeastOnce);
}

// [MQTT-2.2.1-3] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT3-2.3.1-2]
#[test]
fn packet_ids_go_round_without_meeting() {
    let mut wire = Wire::online(options(V3), &[]);
    wire.publish(Qos::AtLeastOnce);
    let one = SubscribeFilter { filter: "a", options: SubscribeOptions::default() };
    wire.client.subscribe(0, &[one], &PropertiesBuf::new()).expect("legal");
    for _ in 3..=u16::MAX {
        wire.publish(Qos::AtMostOnce);
    }
    // 1 is a message's and 2 a subscription's; each alone is enough to be passed by.
    assert_eq!(wire.publish(Qos::AtLeastOnce).get(), 3);
}

#[test]
fn what_is_kept_of_a_message_is_its_identifier_once_it_was_received() {
    let mut wire = Wire::online(options(V3), &[]);
    wire.publish(Qos::AtLeastOnce);
    let id = wire.publish(Qos::ExactlyOnce);
    assert_eq!(wire.client.unanswered_bytes(), 2 * "thello".len());
    wire.serve(&Packet::Pubrec(ack(id.get(), reason::SUCCESS)));
    assert_eq!((wire.client.unanswered_bytes(), wire.client.unanswered()), ("thello".len(), 2));
}

/// A server may remember a message that an earlier program sent with this session. [MQTT-4.3.3-4]
#[test]
fn pubrec_for_an_unknown_message_is_answered() {
    let answer = |version, code| {
        let mut wire = Wire::online(options(version), &[]);
        wire.serve(&Packet::Pubrec(ack(7, code)));
        let mut answers = Vec::new();
        wire.packets(&mut |packet| match packet {
            Packet::Pubrel(ack) => answers.push((ack.packet_id.get(), ack.code)),
            other => panic!("{other:?}"),
        });
        answers
    };
    assert_eq!(answer(V3, reason::SUCCESS), [(7, reason::SUCCESS)]);
    assert_eq!(answer(V5, reason::SUCCESS), [(7, reason::PACKET_ID_NOT_FOUND)]);
    assert_eq!(answer(V5, reason::PACKET_ID_IN_USE), []);
}
