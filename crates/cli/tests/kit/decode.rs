//! An MQTT decoder for tests: frames out of a byte stream, and the fields of what a broker sends.
//!
//! Before it: [`super::client`] reads bytes. After it: the tests compare.

use super::packet::{V5, Version};

/// Length of the first whole packet in `bytes`, or nothing while it is incomplete.
pub fn frame_len(bytes: &[u8]) -> Option<usize> {
    let (length, used) = read_varint(bytes.get(1..)?)?;
    let total = 1 + used + length;
    (bytes.len() >= total).then_some(total)
}

/// Value and size of a variable-length integer.
pub fn read_varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The body of a packet, behind its fixed header.
pub fn body(frame: &[u8]) -> &[u8] {
    let (_, used) = read_varint(&frame[1..]).expect("a whole packet has a length");
    &frame[1 + used..]
}

/// Takes a two-byte length and that many bytes off the front of `rest`.
fn take_sized<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(take_u16(rest));
    let (head, tail) = rest.split_at(length);
    *rest = tail;
    head
}

fn take_u16(rest: &mut &[u8]) -> u16 {
    let (head, tail) = rest.split_at(2);
    *rest = tail;
    u16::from_be_bytes([head[0], head[1]])
}

/// Takes a property block off the front of `rest`.
fn take_block<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (length, used) = read_varint(rest).expect("a property block has a length");
    let (head, tail) = rest[used..].split_at(length);
    *rest = tail;
    head
}

/// A PUBLISH that the broker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// DUP flag.
    pub dup: bool,
    /// QoS of the delivery.
    pub qos: u8,
    /// RETAIN flag.
    pub retain: bool,
    /// Topic name.
    pub topic: String,
    /// Packet identifier, 0 at QoS 0.
    pub mid: u16,
    /// The raw property block, without its length (empty below MQTT 5).
    pub properties: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Delivery {
    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// Decodes a PUBLISH, or nothing for another packet.
pub fn delivery(version: Version, frame: &[u8]) -> Option<Delivery> {
    let first = frame[0];
    if first >> 4 != 3 {
        return None;
    }
    let mut rest = body(frame);
    let topic = String::from_utf8(take_sized(&mut rest).to_vec()).expect("a topic is UTF-8");
    let qos = (first >> 1) & 3;
    let mid = if qos > 0 { take_u16(&mut rest) } else { 0 };
    let properties = if version == V5 { take_block(&mut rest).to_vec() } else { Vec::new() };
    Some(Delivery {
        dup: first & 8 != 0,
        qos,
        retain: first & 1 != 0,
        topic,
        mid,
        properties,
        payload: rest.to_vec(),
    })
}

/// The reason code of a CONNACK or a DISCONNECT; 0 when it has none.
pub fn reason(frame: &[u8]) -> Option<u8> {
    let body = body(frame);
    match frame[0] {
        0x20 => body.get(1).copied(),
        0xE0 => Some(body.first().copied().unwrap_or(0)),
        _ => None,
    }
}

/// The return codes of a SUBACK.
pub fn suback_codes(version: Version, frame: &[u8]) -> Vec<u8> {
    assert_eq!(frame[0], 0x90, "SUBACK expected, got {}", super::hex::dump(frame));
    let mut rest = &body(frame)[2..];
    if version == V5 {
        take_block(&mut rest);
    }
    rest.to_vec()
}

/// One property of a property block as identifier and raw value.
pub type Property = (u8, Vec<u8>);

/// Splits a property block.
pub fn properties(mut block: &[u8]) -> Vec<Property> {
    let mut all = Vec::new();
    while let Some((&id, rest)) = block.split_first() {
        let length = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => 1,
            0x13 | 0x21 | 0x22 | 0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x0B => read_varint(rest).expect("a whole integer").1,
            0x26 => {
                let key = 2 + usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                key + 2 + usize::from(u16::from_be_bytes([rest[key], rest[key + 1]]))
            }
            _ => 2 + usize::from(u16::from_be_bytes([rest[0], rest[1]])),
        };
        all.push((id, rest[..length].to_vec()));
        block = &rest[length..];
    }
    all
}

/// The properties of a CONNACK.
pub fn connack_properties(frame: &[u8]) -> Vec<Property> {
    let mut rest = &body(frame)[2..];
    properties(take_block(&mut rest))
}
