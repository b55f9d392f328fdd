//! Strategies: every packet type in every version that has it, with every property it may carry.

use crate::model::{Model, OwnedProperty, OwnedWill, Sample, Value};
use crate::standard::{Form, PROPERTIES, codes, letter, repeats};
use pondhawk_codec::property::Place;
use pondhawk_codec::{PacketId, PacketType, Qos, Version};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// A character that MQTT strings may hold.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => proptest::char::range(' ', '~'),
        1 => select(vec!['\u{feff}', '\u{e9}', '\u{4e2d}', '\u{1f986}', '\u{10fffd}', '\u{fdcf}', '\u{a0}']),
    ]
}

fn text() -> impl Strategy<Value = String> {
    vec(character(), 0..12).prop_map(String::from_iter)
}

/// Mostly short; sometimes long enough that lengths take two or three bytes.
fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..24),
        1 => (100usize..20_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn topic() -> impl Strategy<Value = String> {
    let wild = |c: &char| *c == '+' || *c == '#';
    vec(character(), 1..16)
        .prop_map(move |chars| chars.into_iter().map(|c| if wild(&c) { '/' } else { c }).collect())
}

/// A filter; the bool says whether it is shared.
fn filter() -> impl Strategy<Value = (String, bool)> {
    let level = prop_oneof![3 => "[a-z0-9$ ]{0,4}", 1 => Just("+".to_owned())];
    (vec(level, 1..5), any::<bool>(), option::weighted(0.2, "[a-z0-9]{1,3}")).prop_map(
        |(mut levels, rest, share)| {
            if rest {
                levels.push("#".to_owned());
            }
            let mut filter = levels.join("/");
            if filter.is_empty() {
                filter.push('/');
            }
            match share {
                Some(name) => (format!("$share/{name}/{filter}"), true),
                None => (filter, false),
            }
        },
    )
}

fn options(version: Version, shared: bool) -> BoxedStrategy<u8> {
    if version != Version::V5 {
        return (0u8..3).boxed();
    }
    (0u8..3, any::<bool>(), any::<bool>(), 0u8..3)
        .prop_map(move |(qos, no_local, as_published, handling)| {
            qos | u8::from(no_local && !shared) << 2 | u8::from(as_published) << 3 | handling << 4
        })
        .boxed()
}

fn qos() -> impl Strategy<Value = Qos> {
    select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

/// A legal value of the form.
pub fn value(form: Form) -> BoxedStrategy<Value> {
    let least = |zero: bool| u8::from(!zero);
    match form {
        Form::Flag => (0u8..=1).prop_map(Value::Byte).boxed(),
        Form::Two(zero) => (u16::from(least(zero))..).prop_map(Value::Two).boxed(),
        Form::Four(zero) => (u32::from(least(zero))..).prop_map(Value::Four).boxed(),
        Form::Varint => prop_oneof![
            1u32..=268_435_455,
            select(vec![1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455]),
        ]
        .prop_map(Value::Varint)
        .boxed(),
        Form::Text => text().prop_map(Value::Text).boxed(),
        Form::Topic => topic().prop_map(Value::Text).boxed(),
        Form::Data => data().prop_map(Value::Data).boxed(),
        Form::Pair => (text(), text()).prop_map(|(key, value)| Value::Pair(key, value)).boxed(),
    }
}

/// Legal properties of a place, in any order; empty before MQTT 5.0.
fn properties(version: Version, place: Place) -> BoxedStrategy<Vec<OwnedProperty>> {
    let rows: Vec<_> = PROPERTIES
        .iter()
        .filter(|row| row.places.contains(letter(place)))
        .map(|row| (row.id, row.form))
        .collect();
    if version != Version::V5 || rows.is_empty() {
        return Just(Vec::new()).boxed();
    }
    let twice: Vec<_> = rows.iter().copied().filter(|(id, _)| repeats(*id, place)).collect();
    let count = rows.len();
    (subsequence(rows, 0..=count), vec(select(twice), 0..3))
        .prop_map(|(once, again)| [once, again].concat())
        .prop_shuffle()
        .prop_flat_map(|rows| {
            let one = |(id, form)| value(form).prop_map(move |value| OwnedProperty { id, value });
            rows.into_iter().map(one).collect::<Vec<_>>()
        })
        .prop_map(with_method)
        .boxed()
}

/// Authentication data needs a method beside it.
fn with_method(mut properties: Vec<OwnedProperty>) -> Vec<OwnedProperty> {
    let has = |id| properties.iter().any(|property: &OwnedProperty| property.id == id);
    if has(0x16) && !has(0x15) {
        properties.push(OwnedProperty { id: 0x15, value: Value::Text("SCRAM-SHA-256".to_owned()) });
    }
    properties
}

fn will(version: Version) -> impl Strategy<Value = OwnedWill> {
    (properties(version, Place::Will), topic(), data(), qos(), any::<bool>()).prop_map(
        |(properties, topic, payload, qos, retain)| OwnedWill { properties, topic, payload, qos, retain },
    )
}

fn connect(version: Version) -> impl Strategy<Value = Model> {
    let identity = (text(), option::of(text()), option::of(data()));
    (any::<bool>(), any::<bool>(), any::<u16>(), identity, option::of(will(version))).prop_map(
        move |(bridge, clean_start, keep_alive, (client_id, username, password), will)| Model::Connect {
            bridge: bridge && version != Version::V5,
            clean_start,
            keep_alive,
            client_id,
            will,
            // A password alone is legal in MQTT 5.0 only. [MQTT3-3.1.2-22]
            password: password.filter(|_| version == Version::V5 || username.is_some()),
            username,
        },
    )
}

fn publish() -> impl Strategy<Value = Model> {
    (any::<bool>(), qos(), any::<bool>(), topic(), data()).prop_map(|(dup, qos, retain, topic, payload)| {
        Model::Publish { dup: dup && qos != Qos::AtMostOnce, qos, retain, topic, payload }
    })
}

/// A code that the packet may carry in this version.
fn code(version: Version, packet_type: PacketType) -> impl Strategy<Value = u8> {
    select(match (version, packet_type) {
        (Version::V5, _) if !codes(packet_type).is_empty() => codes(packet_type).to_vec(),
        (_, PacketType::Connack) => (0..=5).collect(),
        (_, PacketType::Suback) => vec![0, 1, 2, 0x80],
        _ => vec![0],
    })
}

fn model(version: Version, packet_type: PacketType) -> BoxedStrategy<Model> {
    let code = code(version, packet_type);
    match packet_type {
        PacketType::Connect => connect(version).boxed(),
        PacketType::Connack => (any::<bool>(), code)
            .prop_map(|(session_present, code)| Model::Connack { session_present, code })
            .boxed(),
        PacketType::Publish => publish().boxed(),
        PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp => {
            code.prop_map(move |code| Model::Ack(packet_type, code)).boxed()
        }
        PacketType::Subscribe => {
            let one =
                filter().prop_flat_map(move |(filter, shared)| (Just(filter), options(version, shared)));
            vec(one, 1..4).prop_map(Model::Subscribe).boxed()
        }
        PacketType::Suback => vec(code, 1..4).prop_map(Model::Suback).boxed(),
        PacketType::Unsubscribe => {
            vec(filter().prop_map(|(filter, _)| filter), 1..4).prop_map(Model::Unsubscribe).boxed()
        }
        PacketType::Unsuback if version == Version::V5 => vec(code, 1..4).prop_map(Model::Unsuback).boxed(),
        PacketType::Unsuback => Just(Model::Unsuback(Vec::new())).boxed(),
        PacketType::Pingreq => Just(Model::Pingreq).boxed(),
        PacketType::Pingresp => Just(Model::Pingresp).boxed(),
        PacketType::Disconnect => code.prop_map(Model::Disconnect).boxed(),
        PacketType::Auth => code.prop_map(Model::Auth).boxed(),
    }
}

/// Any legal packet of any version.
pub fn sample() -> impl Strategy<Value = Sample> {
    (select(VERSIONS.to_vec()), select(PacketType::ALL.to_vec())).prop_flat_map(|(version, packet_type)| {
        // AUTH is new in MQTT 5.0.
        let version = if packet_type == PacketType::Auth { Version::V5 } else { version };
        let place = Place::Packet(packet_type);
        (model(version, packet_type), properties(version, place), 1u16..).prop_map(
            move |(model, properties, id)| Sample {
                version,
                packet_id: PacketId::new(id).expect("generated above 0"),
                properties,
                model,
            },
        )
    })
}
