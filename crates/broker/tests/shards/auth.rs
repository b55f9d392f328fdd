//! Questions that take time: passwords, and exchanges of enhanced authentication.

use crate::net::{Client, Net, net};
use crate::wire::{Got, auth, msg, v5, v311};
use pondhawk_broker::{Answer, Gate, Question, Subject};
use pondhawk_codec::{Property, Version, reason};

const METHOD: Property<'static> = Property::AuthenticationMethod("M");

fn accept() -> Answer {
    Answer::Accept { username: None, data: None }
}

fn asking(shards: u8) -> Net {
    let net = net(shards);
    net.world.borrow_mut().gate = Gate::Ask;
    net
}

/// Method and data of the question that is pending.
fn exchange(net: &Net) -> (String, Vec<u8>, bool) {
    match net.questions.front() {
        Some((_, Question { subject: Subject::Exchange { method, data, first, .. }, .. })) => {
            (method.to_string(), data.to_vec(), *first)
        }
        other => panic!("{other:?}"),
    }
}

fn code(net: &mut Net, client: Client) -> u8 {
    match net.got(client).first() {
        Some(Got::Connack { code, .. } | Got::Auth { code, .. } | Got::Disconnect(code)) => *code,
        other => panic!("{other:?}"),
    }
}

/// [MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT3-3.1.4-5] A19 A22: what comes behind CONNECT waits for the answer.
#[test]
fn early_packets_wait() {
    for shards in [1, 8] {
        for right in [true, false] {
            let mut net = net(shards);
            let witness = net.join(&v5("witness"));
            net.subscribe(witness, &[("#", 0)]);
            net.world.borrow_mut().gate = Gate::Ask;
            let client = net.greet_quietly(&v311("c").user("u"));
            net.write(client, &msg("t", "early").encode(Version::V311));
            net.run();
            assert!(net.got(client).is_empty() && net.messages(witness).is_empty());
            assert!(matches!(
                &net.questions[0].1.subject,
                Subject::Password { username: Some(name), .. } if **name == *"u"
            ));
            net.answer(&if right { accept() } else { Answer::Refuse(reason::BAD_USERNAME_OR_PASSWORD) });
            assert_eq!(code(&mut net, client), if right { 0 } else { 4 });
            assert_eq!(net.messages(witness).len(), usize::from(right));
            assert_eq!(net.is_open(client), right);
        }
    }
}

/// [MQTT-4.12.0-4]: refused at the first step, and after some.
#[test]
fn a_refused_exchange_ends_with_connack() {
    for steps in 0..2 {
        let mut net = asking(1);
        let c = net.greet(&v5("c").props(&[METHOD]));
        for _ in 0..steps {
            net.answer(&Answer::Continue { data: [].into() });
            net.got(c);
            net.send(c, &auth(0x18, &[METHOD]));
        }
        net.answer(&Answer::Refuse(reason::NOT_AUTHORIZED));
        assert_eq!((code(&mut net, c), net.is_open(c)), (0x87, false));
        net.assert_empty();
    }
}

/// [MQTT-4.12.0-6]: whatever the host answers, a client that named no method sees neither AUTH nor a method.
#[test]
fn no_method_no_exchange() {
    let data = || Some((*b"data").into());
    let mut net = asking(1);
    let c = net.greet(&v5("c"));
    net.answer(&Answer::Continue { data: [1].into() });
    assert_eq!(net.got(c), [Got::Connack { present: false, code: 0x87, properties: vec![] }]);
    let c = net.greet(&v5("c"));
    net.answer(&Answer::Accept { username: None, data: data() });
    let [Got::Connack { code: 0, properties, .. }] = &net.got(c)[..] else { panic!("no CONNACK") };
    assert!(!properties.windows(4).any(|bytes| bytes == b"data"));
    net.leave(c);
    net.assert_empty();
}

#[test]
fn an_answer_that_comes_too_late() {
    let mut net = asking(1);
    let gone = net.greet(&v5("gone"));
    net.cut(gone);
    net.answer(&accept());
    let slow = net.greet(&v5("slow"));
    net.advance(30_000);
    assert!(!net.is_open(slow));
    net.answer(&accept());
    net.assert_empty();
}

/// The name that the answer gives is the one that counts.
#[test]
fn the_answer_names_the_user() {
    let mut net = asking(1);
    let named = Answer::Accept { username: Some("alice".into()), data: None };
    for (answer, expected) in [(&named, 0), (&accept(), 0x87), (&named, 0)] {
        let client = net.greet(&v5("c").user("token").fresh(100));
        net.answer(answer);
        assert_eq!(code(&mut net, client), expected);
    }
}

/// [MQTT-3.15.2-2] [MQTT-3.15.2-3] [MQTT-4.12.0-2] [MQTT-4.12.0-5]
#[test]
fn an_exchange_of_several_steps() {
    let mut net = asking(2);
    let c = net.greet(&v5("c").props(&[METHOD, Property::AuthenticationData(b"1")]));
    assert_eq!(exchange(&net), ("M".into(), b"1".to_vec(), true));
    net.answer(&Answer::Continue { data: (*b"2").into() });
    // No reason string and no user property, which could be too much.
    let [Got::Auth { code: 0x18, properties }] = &net.got(c)[..] else { panic!("no AUTH") };
    assert_eq!(properties[..], *b"\x15\x00\x01M\x16\x00\x012");
    net.send(c, &auth(0x18, &[METHOD, Property::AuthenticationData(b"3")]));
    assert_eq!(exchange(&net), ("M".into(), b"3".to_vec(), false));
    net.answer(&Answer::Accept { username: None, data: Some((*b"4").into()) });
    let [Got::Connack { code: 0, properties, .. }] = &net.got(c)[..] else { panic!("no CONNACK") };
    assert_eq!(properties[..11], *b"\x22\x00\x0a\x15\x00\x01M\x16\x00\x014");
    net.leave(c);
    net.assert_empty();
}

/// B07: other packets, another method, and silence end an exchange.
#[test]
fn exchanges_that_go_wrong() {
    let step = |bytes: &[u8]| {
        let mut net = asking(1);
        let c = net.greet(&v5("c").props(&[METHOD]));
        net.answer(&Answer::Continue { data: [].into() });
        net.got(c);
        net.send(c, bytes);
        assert!(!net.is_open(c), "{bytes:x?}");
        net.assert_empty();
        net.got(c)
    };
    let connack = |code| vec![Got::Connack { present: false, code, properties: vec![] }];
    assert_eq!(step(&auth(0x18, &[Property::AuthenticationMethod("N")])), connack(0x82));
    assert_eq!(step(&auth(0x19, &[METHOD])), connack(0x82));
    assert_eq!(step(&auth(0x18, &[])), connack(0x82));
    assert_eq!(step(&[0x30, 4, 0, 1, b'a', 0]), connack(0x82));
    assert_eq!(step(&[0xc0, 0]), connack(0x82));
    assert_eq!(step(&[0xe0, 0]), []);

    let mut net = asking(1);
    let c = net.greet(&v5("c").props(&[METHOD]));
    net.answer(&Answer::Continue { data: [].into() });
    net.advance(30_000);
    assert!(!net.is_open(c));
    net.assert_empty();
}

fn connected(net: &mut Net) -> Client {
    let c = net.greet(&v5("c").props(&[METHOD]));
    net.answer(&accept());
    net.got(c);
    c
}

/// [MQTT-4.12.0-5] [MQTT-4.12.1-2]
#[test]
fn authenticating_again() {
    let mut net = asking(1);
    let c = connected(&mut net);
    net.send(c, &auth(0x19, &[METHOD, Property::AuthenticationData(b"again")]));
    assert_eq!(exchange(&net), ("M".into(), b"again".to_vec(), true));
    // Meanwhile it goes on as before.
    net.send(c, &[0xc0, 0]);
    assert_eq!(net.got(c), [Got::Pingresp]);
    net.answer(&Answer::Continue { data: [].into() });
    assert_eq!(code(&mut net, c), 0x18);
    net.send(c, &auth(0x18, &[METHOD]));
    net.answer(&accept());
    assert_eq!(code(&mut net, c), 0);
    net.send(c, &auth(0x19, &[METHOD]));
    net.answer(&Answer::Refuse(reason::NOT_AUTHORIZED));
    assert_eq!((code(&mut net, c), net.is_open(c)), (0x87, false));
    net.assert_empty();
}

/// Each round has its own time, counted from its own beginning.
#[test]
fn the_time_of_a_second_round() {
    let mut net = asking(1);
    let c = connected(&mut net);
    net.advance(29_000);
    net.send(c, &auth(0x19, &[METHOD]));
    net.advance(29_000);
    assert!(net.is_open(c));
    net.answer(&accept());
    net.send(c, &auth(0x19, &[METHOD]));
    net.advance(29_999);
    assert!(net.is_open(c));
    net.advance(1);
    assert!(!net.is_open(c));
    net.answer(&accept());
    net.assert_empty();
}

/// Timers that are of no use any more are tidied up, and no others: nobody is waited for any longer than before.
#[test]
fn silence_among_many_stale_timers() {
    let mut net = asking(1);
    let exchanging = connected(&mut net);
    net.send(exchanging, &auth(0x19, &[METHOD]));
    let silent = net.open(0, 0, Version::V5);
    for _ in 0..2000 {
        let gone = net.open(0, 0, Version::V5);
        net.cut(gone);
    }
    net.advance(29_999);
    assert!(net.is_open(exchanging) && net.is_open(silent));
    net.advance(1);
    assert!(!net.is_open(exchanging));
    assert!(!net.is_open(silent));
}

/// Only one question of a client is pending at a time.
#[test]
fn impatient_clients() {
    let mut net = asking(1);
    let c = connected(&mut net);
    net.send(c, &auth(0x19, &[METHOD]));
    net.send(c, &auth(0x18, &[METHOD]));
    assert_eq!((net.got(c), net.questions.len()), (vec![Got::Disconnect(0x82)], 1));
    for bytes in [auth(0x19, &[Property::AuthenticationMethod("N")]), auth(0x18, &[METHOD])] {
        net.questions.clear();
        let c = connected(&mut net);
        net.send(c, &bytes);
        assert_eq!(net.got(c), [Got::Disconnect(0x82)]);
    }
    net.world.borrow_mut().gate = Gate::Accept;
    let plain = net.join(&v5("plain"));
    net.send(plain, &auth(0x19, &[METHOD]));
    assert_eq!(net.got(plain), [Got::Disconnect(0x82)]);
    net.assert_empty();
}
