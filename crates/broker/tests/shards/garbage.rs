//! Packets with bytes changed, cut and repeated, on every version and from several clients at once. Nothing that a
//! client sends may panic a shard, disturb another client, or leave anything behind; and whatever the broker
//! answers must be valid, which the wire checks.

use crate::net::{Client, Net, Rng};
use crate::wire::{Got, Hello, ack, auth, disconnect, hello, msg, subscribe, unsubscribe};
use pondhawk_broker::{Answer, Gate, Settings};
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{Property, Version, reason};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn properties(rng: &mut Rng) -> Vec<Property<'static>> {
    let all = [
        Property::TopicAlias(1 + rng.below(12) as u16),
        Property::MessageExpiryInterval(rng.below(3) as u32),
        Property::UserProperty("k", "v"),
        Property::ResponseTopic("r"),
    ];
    all.into_iter().filter(|_| rng.below(3) == 0).collect()
}

fn packet(rng: &mut Rng, version: Version) -> Vec<u8> {
    const FILTERS: [&str; 5] = ["#", "t/+", "$share/g/t/#", "$SYS/#", "t/x"];
    let id = 1 + rng.below(5) as u16;
    let filter = FILTERS[rng.below(FILTERS.len())];
    match rng.below(12) {
        0..=3 => {
            let topic = ["t/x", "t/y", "", "$SYS/x", "u"][rng.below(5)];
            let qos = rng.below(3) as u8;
            let mut message = msg(topic, "payload").acked(qos, if qos == 0 { 0 } else { id });
            message.retain = rng.below(3) == 0;
            if version == Version::V5 {
                message = message.with(&properties(rng));
            }
            message.encode(version)
        }
        4 => {
            let options = if version == Version::V5 { rng.below(0x30) as u8 } else { 0 };
            let legal = options & 3 != 3 && !(filter.starts_with("$share") && options & 4 != 0);
            subscribe(version, id, &[(filter, if legal { options } else { 1 })], 0)
        }
        5 => unsubscribe(version, id, &[filter]),
        6 if version == Version::V5 => auth(0x19, &[Property::AuthenticationMethod("M")]),
        7 if rng.below(8) == 0 => disconnect(version, 0, &[]),
        8 => vec![0xc0, 0],
        n => ack(version, [Puback, Pubrec, Pubrel, Pubcomp][n % 4], id, 0),
    }
}

/// Changes a byte, cuts the end off, or says it twice; most of the time nothing.
fn spoil(rng: &mut Rng, bytes: &mut Vec<u8>) {
    match rng.below(24) {
        0 => {
            let at = rng.below(bytes.len());
            bytes[at] ^= 1 << rng.below(8);
        }
        1 => {
            let len = 1 + rng.below(bytes.len());
            bytes.truncate(len);
        }
        2 => bytes.extend_from_within(..),
        _ => {}
    }
}

fn greeting(rng: &mut Rng, who: usize) -> Hello {
    let version = VERSIONS[rng.below(3)];
    let mut greeting = hello(&format!("c{who}"), version).silent();
    if version == Version::V5 && rng.below(2) == 0 {
        greeting = greeting.props(&[
            Property::AuthenticationMethod("M"),
            Property::SessionExpiryInterval(rng.below(3) as u32),
            Property::ReceiveMaximum(1 + rng.below(3) as u16),
            Property::TopicAliasMaximum(rng.below(3) as u16),
        ]);
    }
    greeting.clean = rng.below(2) == 0;
    if rng.below(2) == 0 {
        greeting = greeting.will(msg("t/will", "gone").retained(), &[]);
    }
    greeting
}

fn run(shards: u8, seed: u64, steps: usize) {
    let settings = Settings {
        persistent: seed & 1 == 0,
        persistent_client_expiration_s: Some(10),
        ..Settings::default()
    };
    let mut net = Net::new(shards, seed, settings);
    let mut rng = Rng::new(!seed);
    let honest = net.join(&hello("honest", Version::V5));
    net.subscribe(honest, &[("honest/x", 1)]);
    net.world.borrow_mut().gate = Gate::Ask;
    let mut clients: Vec<Option<(Client, Version)>> = vec![None; 4];
    for _ in 0..steps {
        let who = rng.below(clients.len());
        match clients[who].filter(|(client, _)| net.is_open(*client)) {
            None => {
                let greeting = greeting(&mut rng, who);
                let client = net.greet_quietly(&greeting);
                clients[who] = Some((client, greeting.version));
            }
            Some((client, version)) => {
                let mut bytes = packet(&mut rng, version);
                spoil(&mut rng, &mut bytes);
                net.write(client, &bytes);
            }
        }
        for _ in 0..rng.below(8) {
            net.step();
        }
        if !net.questions.is_empty() {
            net.answer(&match rng.below(4) {
                0 => Answer::Refuse(reason::NOT_AUTHORIZED),
                1 => Answer::Continue { data: [1].into() },
                _ => Answer::Accept { username: None, data: None },
            });
        }
    }
    net.run();
    net.publish(honest, &msg("honest/x", "still here").acked(1, 1));
    let got = net.messages(honest);
    assert!(got.iter().any(|message| message.text() == "still here"), "{shards} shards, seed {seed}");
    assert!(!net.got(honest).iter().any(|got| matches!(got, Got::Disconnect(_))));
    for (client, _) in clients.into_iter().flatten() {
        net.cut(client);
    }
    net.questions.clear();
    net.leave(honest);
    net.advance(60_000);
    net.assert_empty();
}

/// The codes that the broker says are among those that the standard lists: the wire takes no others.
/// [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
/// [MQTT-3.14.2-1] [MQTT-3.15.2-1] [MQTT3-3.9.3-2]
#[test]
fn garbage_leaves_nothing_behind() {
    for shards in crate::SHARDS {
        for seed in 1..=20 {
            run(shards, seed, 500);
        }
    }
}

mod random {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        #[test]
        fn garbage_leaves_nothing_behind(seed in any::<u64>(), steps in 1usize..800, shards in 1u8..9) {
            super::run(shards, seed, steps);
        }
    }
}
