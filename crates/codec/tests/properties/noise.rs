//! Bytes that nobody meant: the decoder never panics, and what it accepts it writes back.

use crate::generate::sample;
use crate::model::View;
use crate::round_trip::decode;
use crate::standard;
use pondhawk_codec::frame::{self, Frame, Step};
use pondhawk_codec::{Packet, PacketType, Properties, PropertiesBuf, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const LIMIT: usize = 1 << 20;

/// The shortest way to say what an accepted frame says: success codes and empty property blocks at the end of
/// acknowledgements, DISCONNECT and AUTH are left out, and the DUP flag of MQTT 3.1.
fn shortest(frame: &Frame<'_>, version: Version) -> Vec<u8> {
    let mut body = frame.body.to_vec();
    let code_at = match frame.packet_type {
        PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp => Some(2),
        PacketType::Disconnect | PacketType::Auth => Some(0),
        _ => None,
    };
    if let Some(code_at) = code_at.filter(|_| version == Version::V5) {
        for spare in [code_at + 1, code_at] {
            if body.len() == spare + 1 && body[spare] == 0 {
                body.truncate(spare);
            }
        }
    }
    let flags = frame.packet_type.fixed_flags().unwrap_or(frame.flags);
    standard::frame((frame.packet_type as u8) << 4 | flags, &body)
}

/// Walks every accessor that parses again what was checked.
fn walk(view: &View<'_>) {
    let rebuilt = |properties: Properties<'_>| {
        let mut buf = PropertiesBuf::new();
        for property in properties {
            buf.push(property).expect("it came out of a packet");
        }
        assert_eq!(buf.as_properties(), properties);
    };
    match view {
        View::Connect(connect) => {
            rebuilt(connect.properties);
            if let Some(will) = connect.will {
                rebuilt(will.properties);
            }
        }
        View::Packet(Packet::Publish(publish)) => rebuilt(publish.properties),
        View::Packet(Packet::Connack(connack)) => rebuilt(connack.properties),
        View::Packet(Packet::Subscribe(subscribe)) => {
            rebuilt(subscribe.properties);
            assert!(subscribe.filters.iter().count() > 0);
        }
        View::Packet(Packet::Unsubscribe(unsubscribe)) => {
            assert!(unsubscribe.filters.iter().count() > 0);
        }
        View::Packet(_) => {}
    }
}

/// Reads `bytes` as a connection of each version would, up to the first error.
fn drain(mut bytes: &[u8]) {
    while let Ok(Step::Frame(frame)) = frame::next(bytes, LIMIT) {
        assert!(frame.len <= bytes.len() && frame.body.len() < frame.len);
        for version in [Version::V31, Version::V311, Version::V5] {
            let Ok(view) = decode(&frame, version) else {
                continue;
            };
            walk(&view);
            let version = match &view {
                View::Connect(connect) => connect.version,
                View::Packet(_) => version,
            };
            assert_eq!(view.encode(version), shortest(&frame, version), "{view:?}");
        }
        bytes = &bytes[frame.len..];
    }
}

/// One change to a packet's bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, u8),
    Remove(Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        match self {
            Change::Set(at, byte) => bytes[at.index(len)] = *byte,
            Change::Flip(at, bit) => bytes[at.index(len)] ^= 1 << (bit % 8),
            Change::Insert(at, byte) => bytes.insert(at.index(len), *byte),
            Change::Remove(at) => drop(bytes.remove(at.index(len))),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..200)) {
        drain(&bytes);
    }

    #[test]
    fn arbitrary_bodies_of_every_type(
        first in select_first(),
        body in vec(prop_oneof![Just(0u8), Just(1), 0u8..=43, any::<u8>()], 0..40),
    ) {
        drain(&standard::frame(first, &body));
    }

    #[test]
    fn damaged_packets(sample in sample(), changes in vec(change(), 1..4)) {
        let mut bytes = sample.encode();
        for change in &changes {
            change.apply(&mut bytes);
        }
        drain(&bytes);
    }

    #[test]
    fn damaged_bodies_in_a_whole_frame(sample in sample(), changes in vec(change(), 1..4)) {
        let bytes = sample.encode();
        let mut body = crate::round_trip::front(&bytes).body.to_vec();
        for change in &changes {
            change.apply(&mut body);
        }
        drain(&standard::frame(bytes[0], &body));
    }
}

fn select_first() -> impl Strategy<Value = u8> {
    (0x10u8..=0xff).prop_filter("a legal first byte", |first| PacketType::of(*first).is_ok())
}
