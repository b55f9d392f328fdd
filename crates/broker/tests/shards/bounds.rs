//! Limits at their very edge: what is just allowed, what is just too much, and what no limit means.

use crate::net::{Net, net};
use crate::wire::{Got, encode, msg, v5};
use pondhawk_broker::{Answer, Gate, Persist, Settings};
use pondhawk_codec::packet::{FilterList, Subscribe, SubscribeFilter, SubscribeOptions};
use pondhawk_codec::{Packet, PacketId, PacketType, Property, Qos, Version, reason};

/// The code of CONNACK, if there is one.
fn code(got: &[Got]) -> Option<u8> {
    match got.first() {
        Some(Got::Connack { code, .. }) => Some(*code),
        _ => None,
    }
}

#[test]
fn a_connect_at_its_limits() {
    let settings = Settings {
        max_client_id_bytes: 4,
        max_username_bytes: 4,
        message_size_limit: 4,
        ..Settings::default()
    };
    let mut net = Net::new(1, 1, settings);
    let will = |payload: &str, levels: usize| v5("w").will(msg(&"/".repeat(levels - 1), payload), &[]);
    for (fits, over) in [
        (v5("aaaa"), v5("aaaaa")),
        (v5("u").user("name"), v5("u").user("name!")),
        (will("1234", 1 + 1), will("12345", 1 + 1)),
        (will("x", 201), will("x", 202)),
    ] {
        let (fits, over) = (net.greet(&fits), net.greet(&over));
        assert_eq!(code(&net.got(fits)), Some(0));
        assert_ne!(code(&net.got(over)), Some(0));
    }
}

/// A CONNECT whose reserved flag is set is closed without a word. [MQTT-3.1.2-3]
#[test]
fn a_connect_with_the_reserved_flag() {
    let mut net = net(1);
    let client = net.open(0, 0, Version::V5);
    net.send(client, b"\x10\x0d\x00\x04MQTT\x05\x01\x00\x00\x00\x00\x00");
    assert_eq!((net.is_open(client), net.got(client)), (false, vec![]));
}

/// What has no limit is not told, and holds nobody back.
#[test]
fn no_limits() {
    let mut settings = Settings {
        max_packet_size: 0,
        max_inflight_messages: 0,
        max_subscriptions: 0,
        ..Settings::default()
    };
    settings.listeners[0].max_topic_alias = 0;
    let mut net = Net::new(1, 1, settings);
    let a = net.greet(&v5("a"));
    assert_eq!(net.got(a), [Got::Connack { present: false, code: 0, properties: vec![] }]);
    assert_eq!(net.subscribe(a, &[("t", 0)]), [0]);
    net.publish(a, &msg("t", "x"));
    assert_eq!(net.payloads(a), ["x"]);
}

/// An id that the broker gives is a random UUID, and says so by its version and variant.
#[test]
fn an_assigned_client_id_is_a_uuid() {
    let mut net = net(1);
    for _ in 0..8 {
        let client = net.greet(&v5(""));
        let Some(Got::Connack { properties, .. }) = net.got(client).pop() else { panic!("no CONNACK") };
        let text = String::from_utf8_lossy(&properties).into_owned();
        let uuid = &text[text.find("auto-").expect("an id") + 5..][..36];
        assert_eq!((&uuid[8..9], &uuid[14..15]), ("-", "4"), "{uuid}");
        assert!("89AB".contains(&uuid[19..20]), "{uuid}");
    }
}

#[test]
fn the_log_says_why_an_answer_refuses() {
    let reasons = [
        (reason::CONNECTION_RATE_EXCEEDED, "too many failed logins"),
        (reason::SERVER_BUSY, "server busy"),
        (reason::NOT_AUTHORIZED, "not authorised"),
    ];
    for (code, why) in reasons {
        let mut net = net(1);
        net.world.borrow_mut().gate = Gate::Ask;
        net.world.borrow_mut().wants_notes = true;
        net.greet(&v5("a"));
        net.answer(&Answer::Refuse(code));
        let world = net.world.borrow();
        assert!(
            world.notes.iter().any(|note| note.contains("Refused") && note.contains(why)),
            "{:?}",
            world.notes
        );
    }
}

/// Zero is no raise: the session was never to outlive its connection.
#[test]
fn a_disconnect_that_says_zero_again() {
    let mut net = net(1);
    let a = net.join(&v5("a"));
    let bytes = crate::wire::disconnect(Version::V5, 0, &[Property::SessionExpiryInterval(0)]);
    net.send(a, &bytes);
    assert_eq!((net.is_open(a), net.got(a)), (false, vec![]));
}

/// A timer of an earlier absence does not end a session that has been back meanwhile.
#[test]
fn an_absence_begins_anew() {
    let mut net = net(1);
    for _ in 0..2 {
        let a = net.join(&v5("a").kept(100));
        net.cut(a);
        net.advance(60_000);
    }
    assert_eq!(net.counters().sessions, 1, "the second absence is 60 seconds old");
    net.advance(50_000);
    net.assert_empty();
}

#[test]
fn user_properties_of_a_subscribe() {
    for (count, taken) in [(128, true), (129, false), (130, false)] {
        let mut net = net(1);
        let a = net.join(&v5("a"));
        let properties = crate::wire::block(&vec![Property::UserProperty("a", "b"); count]);
        let mut payload = Vec::new();
        let options = SubscribeOptions::default();
        FilterList::push(SubscribeFilter { filter: "t", options }, &mut payload).expect("short");
        let packet = Subscribe {
            packet_id: PacketId::new(1).expect("not 0"),
            properties: properties.as_properties(),
            filters: FilterList::check(&payload, Version::V5).expect("legal"),
        };
        net.send(a, &encode(&Packet::Subscribe(packet), Version::V5));
        let expected = if taken { Got::Suback(1, vec![0]) } else { Got::Disconnect(0x97) };
        assert_eq!(net.got(a), [expected], "{count}");
    }
}

/// An alias, or an expiry, is the publisher's and not among what is passed on.
#[test]
fn an_alias_is_not_passed_on() {
    let mut net = net(1);
    let a = net.join(&v5("a"));
    net.subscribe(a, &[("t", 0)]);
    net.publish(a, &msg("t", "x").with(&[Property::TopicAlias(1)]));
    net.publish(a, &msg("t", "x").with(&[Property::MessageExpiryInterval(9)]));
    let got = net.messages(a);
    assert_eq!((got[0].alias(), got[0].expiry()), (None, None));
    let expiries =
        got[1].find(|property| matches!(property, Property::MessageExpiryInterval(9)).then_some(()));
    assert_eq!(expiries.len(), 1);
}

/// Bytes of a topic and of a payload count for what a client may leave unfinished.
#[test]
fn an_inbox_that_is_just_full() {
    let mut net = Net::new(1, 1, Settings { max_inbox_bytes: 22, ..Settings::default() });
    let a = net.join(&v5("a").silent());
    for id in 1..=2 {
        net.publish(a, &msg("tt", "123456789").acked(2, id));
    }
    assert!(net.is_open(a));
    assert_eq!(net.counters().inbox_bytes, 22);
    net.publish(a, &msg("tt", "").acked(2, 3));
    assert!(!net.is_open(a));
}

/// All answers of a turn are smaller than the client's largest packet, whatever their sum is.
#[test]
fn small_answers_of_one_turn() {
    let mut net = net(1);
    let a = net.join(&v5("a").props(&[Property::MaximumPacketSize(20)]));
    net.send(a, &[0xc0, 0].repeat(30));
    assert_eq!(net.got(a), vec![Got::Pingresp; 30]);
}

/// Without memory a message of QoS 0 is dropped, and counted.
#[test]
fn what_is_shed_is_counted() {
    let mut net = net(1);
    let a = net.join(&v5("a"));
    net.world.borrow_mut().overloaded = true;
    for n in 1..=3 {
        net.publish(a, &msg("t", "x"));
        assert_eq!(net.counters().publish_dropped, n);
    }
}

/// What the store learns of a subscription is what was granted.
#[test]
fn the_granted_qos_is_recorded() {
    let mut settings = Settings { persistent: true, ..Settings::default() };
    settings.listeners[0].max_qos = Qos::AtLeastOnce;
    let mut net = Net::new(1, 1, settings);
    let a = net.join(&v5("a").kept(100));
    assert_eq!(net.subscribe(a, &[("t", 2)]), [1]);
    let recorded = net.persisted.iter().find_map(|record| match record {
        Persist::Subscribed { options, .. } => Some(options & 3),
        _ => None,
    });
    assert_eq!(recorded, Some(1));
}

/// The code that a retained message of QoS 1 is acknowledged with.
fn retain(net: &mut Net, client: crate::net::Client, message: crate::wire::Msg) -> u8 {
    net.publish(client, &message.acked(1, 1).retained());
    match net.got(client)[..] {
        [Got::Ack(PacketType::Puback, 1, code)] => code,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn room_for_retained_messages_to_the_last_byte() {
    const FULL: u8 = 0x97;
    let limited = |messages, bytes| {
        let settings =
            Settings { max_retained_messages: messages, max_retained_bytes: bytes, ..Settings::default() };
        let mut net = Net::new(1, 1, settings);
        let client = net.join(&v5("a").silent());
        (net, client)
    };
    // A topic of 3, properties of 4 and a payload of 3 bytes.
    let content = [Property::ContentType("x")];
    let (mut net, a) = limited(0, 10);
    assert_eq!(retain(&mut net, a, msg("abc", "1234").with(&content)), FULL);
    assert_ne!(retain(&mut net, a, msg("abc", "123").with(&content)), FULL);
    assert_eq!(net.counters().retained_bytes, 10);
    assert_ne!(retain(&mut net, a, msg("other", "")), FULL, "a deletion needs no room");
    assert_eq!(retain(&mut net, a, msg("b", "")), retain(&mut net, a, msg("c", "")));
    let (mut net, a) = limited(1, 0);
    assert_ne!(retain(&mut net, a, msg("t", "1")), FULL);
    assert_eq!(retain(&mut net, a, msg("u", "1")), FULL);
    assert_ne!(retain(&mut net, a, msg("t", "12")), FULL, "it replaces one");
    assert_ne!(retain(&mut net, a, msg("u", "")), FULL, "a deletion needs no room");
    let (mut net, a) = limited(0, 0);
    assert_ne!(retain(&mut net, a, msg("t", &"x".repeat(1000))), FULL);
}

/// The broker's total is right at every moment: a message on its way to another shard counts already.
#[test]
fn retained_messages_are_counted_from_the_first_moment_on() {
    let mut net = net(2);
    let a = net.join(&v5("a"));
    let home = net.homes.of_client("a");
    let topics: Vec<String> = (0..16).map(|n| format!("t/{n:02}")).collect();
    let total = |net: &Net| net.world.borrow().retained;
    for (n, topic) in (1..).zip(&topics) {
        net.write(a, &msg(topic, "12345").retained().encode(Version::V5));
        assert!(net.step());
        assert_eq!(total(&net), (n, n * 9), "one step: only its input can have happened");
        net.run();
        assert_eq!(total(&net), (n, n * 9));
    }
    net.publish(a, &msg(&topics[0], "1").retained());
    assert_eq!(total(&net), (16, 140));
    let mut left = (16, 140);
    for topic in &topics {
        net.write(a, &msg(topic, "").retained().encode(Version::V5));
        assert!(net.step());
        let size = if *topic == topics[0] { 5 } else { 9 };
        let after = (left.0 - 1, left.1 - size);
        assert_eq!(total(&net), if net.homes.of_topic(topic) == home { after } else { left });
        net.run();
        left = after;
        assert_eq!(total(&net), left);
    }
}
