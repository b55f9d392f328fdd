//! Statements of the standard that no story in another file tells.

use crate::SHARDS;
use crate::net::{Client, Net, net};
use crate::wire::{Got, ack, auth, hello, msg, subscribe, unsubscribe, v5, v311};
use pondhawk_broker::{Answer, Gate};
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{Property, Version, reason};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// [MQTT-3.1.3-5] [MQTT3-3.1.3-5]
#[test]
fn ids_of_letters_and_digits_are_accepted() {
    let letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut net = net(2);
    for version in VERSIONS {
        for len in 1..=23 {
            for start in [0, letters.len() - len] {
                let client = net.join(&hello(&letters[start..start + len], version));
                net.leave(client);
            }
        }
        for letter in letters.chars() {
            let client = net.join(&hello(&letter.to_string(), version));
            net.leave(client);
        }
    }
    net.assert_empty();
}

/// [MQTT-3.1.4-1] [MQTT3-3.1.4-1]: closed; in MQTT 5.0 with the reason, as far as CONNECT said that it is one.
#[test]
fn a_connect_that_is_malformed() {
    for (body, answer) in [
        (&b"\0\x04MQTT\x04\x02\0\x3c\0\x05x"[..], None),
        (b"\0\x04MQTT\x04\x02\0\x3c\0\x01x!", None),
        (b"\0\x04MQTT\x04\x03\0\x3c\0\x01x", None),
        (b"\0\x04MQTT\x04\x02\0\x3c\0\x01\0", None),
        (b"\0\x04MQT", None),
        (b"\0\x04MQTT\x05\x02\0\x3c\0\0\x05x", Some(0x81)),
        (b"\0\x04MQTT\x05\x02\0\x3c\0\0\x01\0", Some(0x81)),
        (b"\0\x04MQTT\x05\x02\0\x3c\x02\x01\x01\0\x01x", Some(0x82)),
    ] {
        let version = if answer.is_some() { Version::V5 } else { Version::V311 };
        let mut net = net(1);
        let client = net.open(0, 0, version);
        net.send(client, &[&[0x10, body.len() as u8], body].concat());
        let expected = answer.map(|code| Got::Connack { present: false, code, properties: vec![] });
        assert_eq!((net.got(client), net.is_open(client)), (Vec::from_iter(expected), false), "{body:x?}");
        net.assert_empty();
    }
}

/// [MQTT-3.1.4-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.14.0-1] [MQTT3-3.2.2-4] [MQTT3-3.2.2-5]: CONNACK and
/// the end, no session though there is one, and no DISCONNECT.
#[test]
fn a_refusal_says_nothing_of_the_session() {
    for version in VERSIONS {
        let mut net = net(2);
        let kept = net.join(&hello("c", version).kept(1000));
        net.cut(kept);
        net.world.borrow_mut().gate = Gate::Refuse(reason::NOT_AUTHORIZED);
        let client = net.greet(&hello("c", version).kept(1000));
        let code = if version == Version::V5 { 0x87 } else { 5 };
        assert_eq!(net.got(client), [Got::Connack { present: false, code, properties: vec![] }]);
        assert!(!net.is_open(client));
        assert_eq!(net.counters().sessions, 1, "it is as it was");
    }
}

/// [MQTT-3.1.4-6] [MQTT-3.2.0-2] [MQTT3-3.1.4-5]: a second CONNECT in the same segment is not asked about
/// again.
#[test]
fn nothing_is_read_behind_a_refusal() {
    for version in VERSIONS {
        let mut net = net(2);
        net.world.borrow_mut().gate = Gate::Refuse(reason::NOT_AUTHORIZED);
        let client = net.greet_quietly(&hello("c", version));
        let again = hello("c", version).encode();
        net.write(client, &again);
        net.write(client, &msg("t", "x").encode(version));
        net.run();
        let code = if version == Version::V5 { 0x87 } else { 5 };
        assert_eq!(net.got(client), [Got::Connack { present: false, code, properties: vec![] }]);
    }
}

/// [MQTT-3.14.0-1]: a client that has no CONNACK yet gets no DISCONNECT, whatever ends its connection.
#[test]
fn no_disconnect_before_connack() {
    let method = Property::AuthenticationMethod("M");
    let endings: [fn(&mut Net, Client); 3] =
        [|net, _| net.shutdown(), |net, _| net.advance(60_000), |net, client| net.send(client, &[0xc0, 0])];
    for (n, end) in endings.iter().enumerate() {
        let mut net = net(1);
        net.world.borrow_mut().gate = Gate::Ask;
        let client = net.greet(&v5("c").props(&[method]));
        net.answer(&Answer::Continue { data: [].into() });
        assert!(matches!(net.got(client)[..], [Got::Auth { .. }]));
        end(&mut net, client);
        let said = net.got(client);
        assert!(said.iter().all(|got| matches!(got, Got::Connack { code: 0x80.., .. })), "{n}: {said:?}");
        assert!(!net.is_open(client));
    }
}

/// [MQTT3-3.1.2-7]: retained messages outlive the session that published them.
#[test]
fn retained_messages_are_nobodys_session() {
    for shards in SHARDS {
        let mut net = net(shards);
        for version in VERSIONS {
            let writer = net.join(&hello("writer", version));
            net.publish(writer, &msg("t", "kept").retained());
            net.leave(writer);
            let reader = net.join(&hello("reader", version));
            net.subscribe(reader, &[("t", 0)]);
            assert_eq!(net.payloads(reader), ["kept"]);
            net.leave(reader);
        }
    }
}

/// [MQTT-3.3.1-6] [MQTT3-3.3.1-10]: an empty retained message goes to those who are there, and takes the old
/// one away.
#[test]
fn an_empty_retained_message_is_forwarded() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (writer, reader) = (net.join(&v5("writer")), net.join(&v311("reader")));
        net.publish(writer, &msg("t", "old").retained());
        net.subscribe(reader, &[("t", 0)]);
        assert_eq!(net.payloads(reader), ["old"]);
        net.publish(writer, &msg("t", "").retained());
        assert_eq!((net.payloads(reader), net.counters().retained), (vec![String::new()], 0));
    }
}

/// [MQTT-3.3.1-3] [MQTT3-3.3.1-3], and [MQTT-4.3.1-1] [MQTT3-4.3.1-1]
#[test]
fn dup_is_not_passed_on() {
    for version in VERSIONS {
        let mut net = net(2);
        let (writer, reader) = (net.join(&hello("writer", version)), net.join(&hello("reader", version)));
        for granted in 0..=2 {
            net.subscribe(reader, &[("t", granted)]);
            for (id, qos) in [(1, 1), (2, 2)] {
                net.publish(writer, &msg("t", "x").acked(qos, id).again());
                let got = net.messages(reader);
                assert_eq!((got.len(), got[0].dup, got[0].qos), (1, false, granted.min(qos)));
                assert_eq!(got[0].id == 0, granted == 0);
            }
        }
    }
}

/// [MQTT-2.2.1-6] [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.9.3-1] [MQTT3-2.3.1-7]
/// [MQTT3-3.8.4-1] [MQTT3-3.8.4-2] [MQTT3-3.8.4-4] [MQTT3-3.8.4-5] [MQTT3-3.9.3-1]: one SUBACK, one code a
/// filter, in order.
#[test]
fn many_filters_in_one_subscribe() {
    for shards in SHARDS {
        for version in VERSIONS {
            let mut net = net(shards);
            let (writer, reader) = (net.join(&v5("writer")), net.join(&hello("reader", version)));
            net.publish(writer, &msg("b", "old").retained());
            let filters = [("a", 2), ("b", 0), ("c/#", 1), ("d/+", 2)];
            net.send(reader, &subscribe(version, 0xabcd, &filters, 0));
            let got = net.got(reader);
            assert_eq!(got[0], Got::Suback(0xabcd, vec![2, 0, 1, 2]));
            assert!(matches!(&got[1..], [Got::Publish(message)] if message.text() == "old"));
            for topic in ["a", "b", "c/x", "d/x"] {
                net.publish(writer, &msg(topic, topic).acked(2, 1));
            }
            let got: Vec<_> =
                net.messages(reader).into_iter().map(|message| (message.topic, message.qos)).collect();
            assert_eq!(got, [("a".into(), 2), ("b".into(), 0), ("c/x".into(), 1), ("d/x".into(), 2)]);
        }
    }
}

/// [MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT3-2.3.1-7]
/// [MQTT3-3.10.4-1] [MQTT3-3.10.4-4] [MQTT3-3.10.4-5] [MQTT3-3.10.4-6]: only the same bytes are the same
/// filter.
#[test]
fn unsubscribing_is_exact() {
    for version in VERSIONS {
        let mut net = net(2);
        let (writer, reader) = (net.join(&v5("writer")), net.join(&hello("reader", version)));
        net.subscribe(reader, &[("a/+", 0), ("e\u{301}", 0), ("gone", 0)]);
        let others = ["A/+", "a/#", "a/x", "+/+", "a/+/", "\u{e9}", "gone"];
        net.send(reader, &unsubscribe(version, 0xabcd, &others));
        let codes = if version == Version::V5 { vec![0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0] } else { vec![] };
        assert_eq!(net.got(reader), [Got::Unsuback(0xabcd, codes)]);
        for topic in ["a/x", "e\u{301}", "gone"] {
            net.publish(writer, &msg(topic, topic));
        }
        assert_eq!(net.payloads(reader), ["a/x", "e\u{301}"]);
    }
}

/// [MQTT-3.3.2-3] [MQTT-4.7.3-4] [MQTT3-3.3.2-3] [MQTT3-3.8.3-2] [MQTT3-4.7.3-4]: matched as the bytes are,
/// with wildcards.
#[test]
fn topics_are_matched_as_they_are() {
    for shards in SHARDS {
        let mut net = net(shards);
        let writer = net.join(&v5("writer"));
        let topics =
            ["a/b", "A/b", "a/b/", "/a/b", "a//b", "a/b ", "\u{e9}/b", "e\u{301}/b", "a%2Fb", "a/../a/b"];
        for (filter, expected) in [
            ("a/b", &["a/b"][..]),
            ("A/b", &["A/b"]),
            ("\u{e9}/+", &["\u{e9}/b"]),
            ("e\u{301}/#", &["e\u{301}/b"]),
            ("a/+", &["a/b", "a/b "]),
            ("a/+/b", &["a//b"]),
            ("a/b/#", &["a/b", "a/b/"]),
        ] {
            let reader = net.join(&v5("reader"));
            net.subscribe(reader, &[(filter, 0)]);
            for topic in topics {
                net.publish(writer, &msg(topic, topic));
            }
            let got = net.messages(reader);
            assert!(
                got.iter().all(|message| message.topic == message.text()),
                "{filter}: passed on as it came"
            );
            let texts: Vec<_> = got.iter().map(|message| message.text()).collect();
            assert_eq!(texts, expected, "{filter}");
        }
    }
}

/// A subscriber that has one message of QoS 2 that it has not answered, and its publisher.
fn unanswered(net: &mut Net, expiry_s: u32) -> (Client, Client) {
    let (writer, reader) = (net.join(&v5("writer")), net.join(&v5("reader").fresh(1000).silent()));
    net.subscribe(reader, &[("t", 2)]);
    net.publish(writer, &msg("t", "x").acked(2, 1).with(&[Property::MessageExpiryInterval(expiry_s)]));
    assert_eq!(net.messages(reader).len(), 1);
    (writer, reader)
}

/// [MQTT-4.3.3-7]: what was sent once does not expire any more.
#[test]
fn a_message_under_way_does_not_expire() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (_, reader) = unanswered(&mut net, 5);
        net.cut(reader);
        net.advance(60_000);
        let reader = net.join(&v5("reader").kept(1000).silent());
        let got = net.messages(reader);
        assert_eq!((got.len(), got[0].dup, got[0].id), (1, true, 1));
        net.ack(reader, Pubrec, 1);
        net.ack(reader, Pubcomp, 1);
        assert_eq!((net.got(reader), net.counters().queued), (vec![Got::Ack(Pubrel, 1, 0)], 0));
    }
}

/// [MQTT-4.3.3-13]: the exchange with its publisher is completed as well.
#[test]
fn an_expired_message_is_still_acknowledged() {
    for shards in SHARDS {
        let mut net = net(shards);
        let writer = net.join(&v5("writer").silent());
        let reader = net.join(&v5("reader"));
        net.subscribe(reader, &[("t", 2)]);
        net.publish(writer, &msg("t", "x").acked(2, 1).with(&[Property::MessageExpiryInterval(5)]));
        net.advance(60_000);
        net.ack(writer, Pubrel, 1);
        assert_eq!(net.got(writer), [Got::Ack(Pubrec, 1, 0), Got::Ack(Pubcomp, 1, 0)]);
        assert!(net.messages(reader).is_empty());
    }
}

/// [MQTT-4.3.3-9]: what was refused at PUBREC is forgotten, and its identifier is a new message's.
#[test]
fn a_refused_identifier_is_free_again() {
    for shards in SHARDS {
        let mut net = net(shards);
        let (writer, reader) = (net.join(&v5("writer").silent()), net.join(&v5("reader")));
        net.subscribe(reader, &[("t", 2)]);
        net.publish(writer, &msg("$SYS/x", "refused").acked(2, 7));
        net.publish(writer, &msg("t", "taken").acked(2, 7));
        net.ack(writer, Pubrel, 7);
        let expected = [Got::Ack(Pubrec, 7, 0x87), Got::Ack(Pubrec, 7, 0), Got::Ack(Pubcomp, 7, 0)];
        assert_eq!((net.got(writer), net.payloads(reader)), (expected.to_vec(), vec!["taken".into()]));
    }
}

/// [MQTT3-4.8.0-2]: no memory for a message, and no other way to say so.
#[test]
fn a_message_that_cannot_be_taken_ends_the_connection() {
    for version in VERSIONS {
        let mut net = net(2);
        let writer = net.join(&hello("writer", version).silent());
        net.world.borrow_mut().overloaded = true;
        net.publish(writer, &msg("t", "x").acked(1, 1));
        let new = version == Version::V5;
        let told = if new { vec![Got::Ack(Puback, 1, 0x97)] } else { vec![] };
        assert_eq!((net.got(writer), net.is_open(writer)), (told, new));
    }
}

/// [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-2] [MQTT-4.9.0-3]: no quota, and everything but QoS 1 and 2 goes
/// on.
#[test]
fn an_exhausted_quota_holds_nothing_else_back() {
    let mut net = net(2);
    let writer = net.join(&v5("writer").silent());
    let reader = net.join(&v5("reader").props(&[Property::ReceiveMaximum(1)]).silent());
    net.subscribe(reader, &[("t", 2), ("zero", 0)]);
    for id in [1, 2] {
        net.publish(writer, &msg("t", "x").acked(2, id));
        net.ack(writer, Pubrel, id);
    }
    assert_eq!(net.messages(reader).len(), 1);
    net.publish(writer, &msg("zero", "0"));
    assert_eq!(net.payloads(reader), ["0"]);
    net.send(reader, &[0xc0, 0]);
    net.publish(reader, &msg("nobody", "x").acked(1, 9));
    assert_eq!(net.unsubscribe(reader, "zero"), [0]);
    net.ack(reader, Pubrec, 1);
    let expected = [Got::Pingresp, Got::Ack(Puback, 9, 0x10), Got::Ack(Pubrel, 1, 0)];
    assert_eq!(net.got(reader), expected);
    net.ack(reader, Pubcomp, 1);
    assert_eq!(net.messages(reader).len(), 1);
}

/// [MQTT-3.1.2-29] [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3]
/// [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1]
/// [MQTT-3.11.2-2] [MQTT-3.14.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4] [MQTT-3.15.2-2] [MQTT-3.15.2-3]: the broker
/// explains itself by codes alone, whatever the client's maximum packet size is. The wire looks at every
/// packet's properties.
#[test]
fn neither_reason_strings_nor_user_properties() {
    let mut net = net(1);
    net.world.borrow_mut().gate = Gate::Ask;
    let method = Property::AuthenticationMethod("M");
    let c = net.greet(&v5("c").props(&[method, Property::RequestProblemInformation(1)]).silent());
    net.answer(&Answer::Continue { data: [].into() });
    net.send(c, &auth(0x18, &[method]));
    net.answer(&Answer::Accept { username: None, data: None });
    let [Got::Auth { properties: asked, .. }, Got::Connack { properties: told, .. }] = &net.got(c)[..] else {
        panic!("AUTH and CONNACK")
    };
    for properties in [asked, told] {
        let place = pondhawk_codec::property::Place::Packet(pondhawk_codec::PacketType::Connack);
        let properties = pondhawk_codec::Properties::check(properties, place).expect("legal");
        let explains = |p| matches!(p, Property::ReasonString(_) | Property::UserProperty(..)).then_some(());
        assert_eq!(properties.find(explains), None);
    }
    net.subscribe(c, &[("t", 2)]);
    net.publish(c, &msg("t", "x").acked(1, 1));
    net.publish(c, &msg("$SYS/t", "x").acked(2, 2));
    net.ack(c, Pubrel, 2);
    net.send(c, &ack(Version::V5, Pubrec, 9, 0));
    net.unsubscribe(c, "t");
    net.send(c, &[0xd0, 0]);
    let kinds: Vec<_> = net.got(c).into_iter().filter(|got| !matches!(got, Got::Publish(_))).collect();
    let expected = [
        Got::Ack(Puback, 1, 0),
        Got::Ack(Pubrec, 2, 0x87),
        Got::Ack(Pubcomp, 2, 0x92),
        Got::Ack(Pubrel, 9, 0x92),
        Got::Disconnect(0x82),
    ];
    assert_eq!(kinds, expected);
}
