//! A block of properties as each packet may carry it, and as the will may.
//!
//! The codec and a reader that follows table 2-4 of the standard agree on which blocks are legal, and a legal block
//! that is taken apart and put together again has the same bytes. [MQTT-2.2.2-1]

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_codec::property::Place;
use pondhawk_codec::{PacketType, Properties, PropertiesBuf};

/// How a value is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Byte,
    Two,
    Four,
    Varint,
    Text,
    Binary,
    Pair,
}

use Form::{Binary, Byte, Four, Pair, Text, Two, Varint};

/// Where a property may stand, by a letter each: Connect, connAck, Publish, Will, acKs, Subscribe, sUback,
/// uNsubscribe, unsuBack, Disconnect, auTh.
const TABLE: &[(u32, Form, &str)] = &[
    (1, Byte, "PW"),
    (2, Four, "PW"),
    (3, Text, "PW"),
    (8, Text, "PW"),
    (9, Binary, "PW"),
    (11, Varint, "PS"),
    (17, Four, "CAD"),
    (18, Text, "A"),
    (19, Two, "A"),
    (21, Text, "CAT"),
    (22, Binary, "CAT"),
    (23, Byte, "C"),
    (24, Four, "W"),
    (25, Byte, "C"),
    (26, Text, "A"),
    (28, Text, "AD"),
    (31, Text, "AKUBDT"),
    (33, Two, "CA"),
    (34, Two, "CA"),
    (35, Two, "P"),
    (36, Byte, "A"),
    (37, Byte, "A"),
    (38, Pair, "CAPWKSUNBDT"),
    (39, Four, "CA"),
    (40, Byte, "A"),
    (41, Byte, "A"),
    (42, Byte, "A"),
];

const PLACES: [(char, Place); 14] = [
    ('C', Place::Packet(PacketType::Connect)),
    ('A', Place::Packet(PacketType::Connack)),
    ('P', Place::Packet(PacketType::Publish)),
    ('W', Place::Will),
    ('K', Place::Packet(PacketType::Puback)),
    ('K', Place::Packet(PacketType::Pubrec)),
    ('K', Place::Packet(PacketType::Pubrel)),
    ('K', Place::Packet(PacketType::Pubcomp)),
    ('S', Place::Packet(PacketType::Subscribe)),
    ('U', Place::Packet(PacketType::Suback)),
    ('N', Place::Packet(PacketType::Unsubscribe)),
    ('B', Place::Packet(PacketType::Unsuback)),
    ('D', Place::Packet(PacketType::Disconnect)),
    ('T', Place::Packet(PacketType::Auth)),
];

fuzz_target!(|block: &[u8]| {
    for (letter, place) in PLACES {
        let checked = Properties::check(block, place);
        let expected = is_legal(block, letter);
        assert_eq!(checked.is_ok(), expected.is_some(), "{place:?} {checked:?} {block:02x?}");
        let (Ok(properties), Some(ids)) = (checked, expected) else { continue };
        let read: Vec<u32> = properties.iter().map(|property| u32::from(property.id())).collect();
        assert_eq!(read, ids);
        let mut again = PropertiesBuf::new();
        for property in properties {
            assert!(property.allowed_in(place));
            again.push(property).expect("what was read fits");
        }
        assert_eq!(again.as_properties().as_bytes(), block);
    }
});

/// The identifiers of the block's properties in order, if it may stand where the letter says.
fn is_legal(mut block: &[u8], letter: char) -> Option<Vec<u32>> {
    let mut ids = Vec::new();
    while !block.is_empty() {
        let id = u32::from(take(&mut block, 1)?[0]);
        let (_, form, places) = TABLE.iter().find(|(known, ..)| *known == id)?;
        let may_repeat = id == 38 || (id == 11 && letter == 'P');
        if !places.contains(letter) || (ids.contains(&id) && !may_repeat) {
            return None;
        }
        let number = match form {
            Byte => number(take(&mut block, 1)?),
            Two => number(take(&mut block, 2)?),
            Four => number(take(&mut block, 4)?),
            Varint => varint(&mut block)?,
            Text => text(&mut block, id)?,
            Binary => counted(&mut block)?.len() as u32,
            Pair => text(&mut block, id)?.min(text(&mut block, id)?),
        };
        let legal = match id {
            11 | 33 | 35 | 39 => number != 0,
            _ => *form != Byte || number <= 1,
        };
        if !legal {
            return None;
        }
        ids.push(id);
    }
    // Authentication data means nothing without a method. [MQTT-3.1.2-30]
    (!ids.contains(&22) || ids.contains(&21)).then_some(ids)
}

fn take<'a>(block: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = block.split_at_checked(len)?;
    *block = rest;
    Some(taken)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// [MQTT-1.5.5-1]
fn varint(block: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for index in 0..4 {
        let byte = take(block, 1)?[0];
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (index == 0 || byte != 0).then_some(value);
        }
    }
    None
}

fn counted<'a>(block: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(take(block, 2)?);
    take(block, len as usize)
}

/// The length of a text that MQTT allows; a response topic has no wildcards. [MQTT-3.3.2-14]
fn text(block: &mut &[u8], id: u32) -> Option<u32> {
    let text = std::str::from_utf8(counted(block)?).ok()?;
    let forbidden = |c: char| {
        let code = c as u32;
        code < 0x20
            || (0x7f..=0x9f).contains(&code)
            || (0xfdd0..=0xfdef).contains(&code)
            || code & 0xfffe == 0xfffe
    };
    let wrong = text.contains(forbidden) || (id == 8 && (text.is_empty() || text.contains(['+', '#'])));
    (!wrong).then_some(text.len() as u32)
}
