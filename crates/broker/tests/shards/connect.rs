//! CONNECT: its checks, and the bytes of CONNACK.

use crate::net::{Client, Net, net};
use crate::wire::{Got, Hello, hello, msg, v5, v311};
use pondhawk_broker::{ListenerSettings, Settings};
use pondhawk_codec::{Property, Qos, Version};

fn refused(net: &mut Net, hello: &Hello) -> Option<u8> {
    let client = net.greet(hello);
    assert!(!net.is_open(client), "{} is let in", hello.id);
    match net.got(client).as_slice() {
        [] => None,
        [Got::Connack { present: false, code, properties }] => {
            // Mosquitto's refusals carry no properties.
            assert!(properties.is_empty());
            Some(*code)
        }
        other => panic!("{other:?}"),
    }
}

fn raw(net: &mut Net, version: Version, bytes: &[u8]) -> (Client, Vec<Got>) {
    let client = net.open(0, 0, version);
    net.send(client, bytes);
    let got = net.got(client);
    (client, got)
}

fn connack_properties(net: &mut Net, hello: &Hello) -> Vec<u8> {
    let client = net.greet(hello);
    match net.got(client).first() {
        Some(Got::Connack { code: 0, properties, .. }) => properties.clone(),
        other => panic!("{other:?}"),
    }
}

/// [MQTT-3.1.4-5] [MQTT-3.2.2-9] [MQTT-3.2.2-22] [MQTT3-3.1.4-4], in the order that Mosquitto has; response
/// information is not there though the client asks for it. [MQTT-3.1.2-28]
#[test]
fn connack_has_mosquittos_properties_in_its_order() {
    let mut net = net(1);
    let defaults = [0x22, 0, 10, 0x27, 0, 0x1e, 0x84, 0x80, 0x21, 0, 20];
    for wanted in [0, 1] {
        let wanted = [Property::RequestResponseInformation(wanted)];
        assert_eq!(connack_properties(&mut net, &v5("a").props(&wanted)), defaults);
    }
    assert_eq!(connack_properties(&mut net, &v311("b")), []);

    let settings = Settings {
        max_keepalive_s: 60,
        retain_available: false,
        listeners: vec![ListenerSettings { max_qos: Qos::AtLeastOnce, ..ListenerSettings::default() }],
        ..Settings::default()
    };
    let mut net = Net::new(1, 1, settings);
    let properties = connack_properties(&mut net, &v5("").alive(100));
    let id = &properties[6..6 + 3 + 41];
    assert_eq!(properties[..6], [0x13, 0, 60, 0x22, 0, 10]);
    assert_eq!(id[..8], *b"\x12\x00\x29auto-");
    assert_eq!(properties[6 + id.len()..], [0x25, 0, 0x27, 0, 0x1e, 0x84, 0x80, 0x21, 0, 20, 0x24, 1]);
}

/// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]: an upper-case UUID of version 4, whose home is the shard that
/// made it.
#[test]
fn assigned_ids_are_unique_and_at_home() {
    let mut net = net(8);
    let mut seen = std::collections::HashSet::new();
    for shard in 0..8 {
        for _ in 0..8 {
            let client = net.open(shard, 0, Version::V5);
            net.send(client, &v5("").encode());
            let Some(Got::Connack { properties, .. }) = net.got(client).first().cloned() else {
                panic!("no CONNACK")
            };
            let id = String::from_utf8(properties[6..6 + 41].to_vec()).expect("text");
            assert!(id.starts_with("auto-") && id.as_bytes()[19] == b'4', "{id}");
            assert_eq!(id, format!("auto-{}", id[5..].to_uppercase()));
            assert_eq!(usize::from(net.homes.of_client(&id).0), shard);
            assert!(seen.insert(id));
        }
    }
}

/// [MQTT-3.1.3-6] [MQTT-3.1.3-8] [MQTT-3.2.2-7] [MQTT3-3.1.3-6] [MQTT3-3.1.3-8] [MQTT3-3.1.3-9] [MQTT3-3.2.2-5]
#[test]
fn empty_client_ids() {
    let mut net = net(1);
    assert_eq!(refused(&mut net, &v311("").kept(0)), Some(2));
    assert_eq!(refused(&mut net, &hello("", Version::V31)), Some(2));
    net.join(&v311(""));
    net.join(&v5(""));
    net.join(&v5("").kept(10));
    assert_eq!(net.counters().sessions, 3);

    let mut settings = Settings::default();
    settings.listeners[0].allow_zero_length_client_id = false;
    let mut net = Net::new(1, 1, settings);
    assert_eq!(refused(&mut net, &v5("")), Some(0x85));
    assert_eq!(refused(&mut net, &v311("")), Some(2));
}

#[test]
fn limits_of_connect() {
    let mut settings = Settings {
        max_client_id_bytes: 8,
        max_username_bytes: 4,
        max_user_properties: 2,
        max_keepalive_s: 60,
        client_id_prefix: Some("c".into()),
        ..Settings::default()
    };
    settings.listeners[0].versions = vec![Version::V311, Version::V5];
    let mut net = Net::new(1, 1, settings);
    let many = [Property::UserProperty("a", "b"); 3];
    assert_eq!(refused(&mut net, &v5("c23456789").alive(1)), Some(0x85));
    assert_eq!(refused(&mut net, &v311("c23456789").alive(1)), Some(2));
    assert_eq!(refused(&mut net, &v5("c").user("12345")), Some(0x86));
    assert_eq!(refused(&mut net, &v5("c").props(&many)), Some(0x97));
    assert_eq!(refused(&mut net, &v5("d")), Some(0x87));
    assert_eq!(refused(&mut net, &v311("c").alive(61)), Some(2));
    assert_eq!(refused(&mut net, &v311("c").alive(0)), Some(2));
    assert_eq!(refused(&mut net, &hello("c", Version::V31).alive(1)), Some(1));
    net.join(&v311("c").alive(60));
    net.join(&v5("c2").props(&many[..2]));
    net.assert_places(2, 2);
}

#[test]
fn places_are_limited_and_given_back() {
    let mut net = net(2);
    net.world.borrow_mut().connections.max = 1;
    let a = net.join(&v5("a").fresh(100));
    assert_eq!(refused(&mut net, &v5("b")), Some(0x89));
    assert_eq!(refused(&mut net, &v311("b")), Some(3));
    net.leave(a);
    net.world.borrow_mut().sessions.max = 1;
    assert_eq!(refused(&mut net, &v5("b")), Some(0x97));
    net.assert_places(0, 1);
    // The session is there already: it takes no other place, and neither does a connection that takes over.
    let (a, present) = net.join_present(&v5("a").kept(100));
    assert!(present);
    let (b, present) = net.join_present(&v5("a").kept(0));
    assert!(present && !net.is_open(a));
    let a = b;
    net.leave(a);
    net.assert_empty();
}

/// [MQTT-3.1.2-1] [MQTT-3.1.2-2] [MQTT3-3.1.2-1] [MQTT3-3.1.2-2]
#[test]
fn protocol_names_and_levels() {
    let mut net = net(1);
    let connect = |name: &[u8], level: u8| {
        let mut body = vec![0, name.len() as u8];
        body.extend_from_slice(name);
        body.extend_from_slice(&[level, 2, 0, 0]);
        if level == 5 {
            body.push(0);
        }
        body.extend_from_slice(&[0, 1, b'x']);
        [&[0x10, body.len() as u8][..], &body].concat()
    };
    let connack = |code| Got::Connack { present: false, code, properties: Vec::new() };
    for (name, level, version, expected) in [
        (&b"mqtt"[..], 4, Version::V311, None),
        (b"", 4, Version::V311, None),
        (b"MQIsdp", 4, Version::V311, Some(1)),
        (b"MQTT", 3, Version::V311, Some(1)),
        (b"MQTT", 0, Version::V311, Some(1)),
        (b"MQTT", 6, Version::V5, Some(0x84)),
    ] {
        let (client, got) = raw(&mut net, version, &connect(name, level));
        assert!(!net.is_open(client));
        assert_eq!(got, Vec::from_iter(expected.map(connack)), "{name:?} {level}");
    }
    let (client, got) = raw(&mut net, Version::V311, &connect(b"MQTT", 0x84));
    assert_eq!((net.is_open(client), got), (true, vec![connack(0)]));
}

/// Whatever comes first must be CONNECT. [MQTT-4.13.1-1] [MQTT3-4.8.0-1]
#[test]
fn nothing_before_connect() {
    let mut net = net(1);
    for first in [
        &[0x30, 3, 0, 1, b'a'][..],
        &[0xc0, 0],
        &[0x40, 2, 0, 1],
        &[0xf0, 0],
        &[0x20, 2, 0, 0],
        &[0x30, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0xff, 0xff, 0xff, 0x7f],
        &[0x16, 3, 1],
        b"GET / HTTP/1.1\r\n",
    ] {
        let (client, got) = raw(&mut net, Version::V311, first);
        assert_eq!((net.is_open(client), got), (false, vec![]), "{first:x?}");
    }
    net.assert_empty();
}

/// [MQTT-3.1.0-2] [MQTT-3.2.0-2] [MQTT3-3.1.0-2]
#[test]
fn a_second_connect_is_a_protocol_error() {
    let mut net = net(1);
    let (old, new) = (net.join(&v311("a")), net.join(&v5("b")));
    net.send(old, &v311("a").encode());
    net.send(new, &v5("b").encode());
    assert_eq!((net.got(old), net.got(new)), (vec![], vec![Got::Disconnect(0x82)]));
    net.assert_empty();
}

/// [MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT3-3.1.4-5]: packets behind CONNECT wait for the gate's answer; a refused
/// client's are dropped.
#[test]
fn what_is_sent_behind_a_refused_connect_is_dropped() {
    let mut net = net(2);
    let witness = net.join(&v5("witness"));
    net.subscribe(witness, &[("#", 0)]);
    net.world.borrow_mut().gate =
        pondhawk_broker::Gate::Refuse(pondhawk_codec::reason::BAD_USERNAME_OR_PASSWORD);
    let thief = net.greet_quietly(&v311("thief"));
    net.write(thief, &msg("t", "x").encode(Version::V311));
    net.run();
    assert_eq!(net.got(thief), [Got::Connack { present: false, code: 4, properties: vec![] }]);
    assert!(net.messages(witness).is_empty() && !net.is_open(thief));
}

/// A session works the same however its bytes are cut.
#[test]
fn byte_by_byte() {
    let mut net = net(2);
    let client = net.open(usize::from(net.homes.of_client("x").0), 0, Version::V311);
    let mut bytes = v311("x").encode();
    bytes.extend(crate::wire::subscribe(Version::V311, 1, &[("t", 1)], 0));
    bytes.extend(msg("t", "hello").acked(1, 7).encode(Version::V311));
    bytes.extend([0xc0, 0]);
    for byte in bytes {
        net.send(client, &[byte]);
    }
    let got = net.got(client);
    assert_eq!(got.len(), 5, "{got:?}");
    assert!(got.contains(&Got::Suback(1, vec![1])) && got.contains(&Got::Pingresp));
    assert!(got.contains(&Got::Publish(msg("t", "hello").acked(1, 1))));
}

/// A client that says it takes next to nothing cannot be told that it is connected. [MQTT-3.1.2-24]
#[test]
fn connack_larger_than_the_client_takes() {
    let mut net = net(1);
    let client = net.greet(&v5("a").props(&[Property::MaximumPacketSize(5)]));
    assert_eq!((net.is_open(client), net.got(client)), (false, vec![]));
    net.assert_empty();
}

/// The will of CONNECT obeys the limits of PUBLISH. [MQTT-3.2.2-12] [MQTT-3.2.2-13] [MQTT3-3.2.2-6]
#[test]
fn wills_that_are_not_taken() {
    let mut settings = Settings {
        retain_available: false,
        message_size_limit: 10,
        max_user_properties: 1,
        ..Settings::default()
    };
    settings.listeners[0].max_qos = Qos::AtLeastOnce;
    let mut net = Net::new(1, 1, settings);
    let large = msg("w", "0123456789x");
    assert_eq!(refused(&mut net, &v5("a").will(large.clone(), &[])), Some(0x95));
    assert_eq!(refused(&mut net, &v311("a").will(large, &[])), None);
    let many = [Property::UserProperty("a", "b"); 2];
    assert_eq!(refused(&mut net, &v5("a").will(msg("w", ""), &many)), Some(0x97));
    let will = msg("w", "gone");
    assert_eq!(refused(&mut net, &v5("a").will(will.clone().acked(2, 0), &[])), Some(0x9b));
    assert_eq!(refused(&mut net, &v5("a").will(will.clone().retained(), &[])), Some(0x9a));
    assert_eq!(refused(&mut net, &v311("a").will(will.retained(), &[])), None);
    for topic in ["$SYS/x", "$CONTROL/dynamic-security/v1", "$share/g/x"] {
        assert_eq!(refused(&mut net, &v5("a").will(msg(topic, ""), &[])), Some(0x87));
        assert_eq!(refused(&mut net, &v311("a").will(msg(topic, ""), &[])), Some(5));
    }
    net.assert_empty();
}

#[test]
fn the_user_name_as_client_id() {
    let mut settings = Settings::default();
    settings.listeners[0].use_username_as_client_id = true;
    let mut net = Net::new(1, 1, settings);
    assert_eq!(refused(&mut net, &v5("a")), Some(0x87));
    let properties = connack_properties(&mut net, &v5("a").user("u"));
    assert_eq!(properties[3..7], [0x12, 0, 1, b'u']);
    let again = net.join(&v5("other").user("u"));
    assert!(net.is_open(again));
    assert_eq!(net.counters().sessions, 1);
}
