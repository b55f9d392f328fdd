//! Packets that a server sends, decoded for judging: strict, since a server's mistake here is a finding.
//!
//! Before it: [`peer`](crate::peer) cuts the stream into frames. After it: [`pattern`](crate::pattern) compares.

/// One property: its identifier and its value's bytes.
pub(crate) type Property = (u8, Vec<u8>);

/// A packet from a server, whatever fields it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Packet type, 1 to 15.
    pub kind: u8,
    /// The flags of the fixed header.
    pub flags: u8,
    /// Packet identifier.
    pub id: Option<u16>,
    /// Return or reason codes.
    pub codes: Vec<u8>,
    /// Session Present.
    pub present: bool,
    /// Properties in order.
    pub properties: Vec<Property>,
    /// Topic name.
    pub topic: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

/// What a value looks like on the wire.
#[derive(Clone, Copy)]
enum Shape {
    Fixed(usize),
    Variable,
    Text,
    Binary,
    Pair,
}

/// Identifier, shape of the value, and the types of the server's packets that may carry it.
const PROPERTIES: &[(u8, Shape, &[u8])] = &[
    (0x01, Shape::Fixed(1), &[3]),
    (0x02, Shape::Fixed(4), &[3]),
    (0x03, Shape::Text, &[3]),
    (0x08, Shape::Text, &[3]),
    (0x09, Shape::Binary, &[3]),
    (0x0B, Shape::Variable, &[3]),
    (0x11, Shape::Fixed(4), &[2]),
    (0x12, Shape::Text, &[2]),
    (0x13, Shape::Fixed(2), &[2]),
    (0x15, Shape::Text, &[2, 15]),
    (0x16, Shape::Binary, &[2, 15]),
    (0x17, Shape::Fixed(1), &[]),
    (0x18, Shape::Fixed(4), &[]),
    (0x19, Shape::Fixed(1), &[]),
    (0x1A, Shape::Text, &[2]),
    (0x1C, Shape::Text, &[2, 14]),
    (0x1F, Shape::Text, &[2, 4, 5, 6, 7, 9, 11, 14, 15]),
    (0x21, Shape::Fixed(2), &[2]),
    (0x22, Shape::Fixed(2), &[2]),
    (0x23, Shape::Fixed(2), &[3]),
    (0x24, Shape::Fixed(1), &[2]),
    (0x25, Shape::Fixed(1), &[2]),
    (0x26, Shape::Pair, &[2, 3, 4, 5, 6, 7, 9, 11, 14, 15]),
    (0x27, Shape::Fixed(4), &[2]),
    (0x28, Shape::Fixed(1), &[2]),
    (0x29, Shape::Fixed(1), &[2]),
    (0x2A, Shape::Fixed(1), &[2]),
];

/// Codes that MQTT 5 lets the server's packets carry, by packet type.
const CODES: &[(u8, &[u8])] = &[
    (
        2,
        &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
            0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
    ),
    (4, &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
    (5, &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
    (6, &[0x00, 0x92]),
    (7, &[0x00, 0x92]),
    (9, &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]),
    (11, &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]),
    (
        14,
        &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95,
            0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ],
    ),
    (15, &[0x00, 0x18, 0x19]),
];

/// The length of the first frame in `bytes`, once its header is complete.
///
/// # Errors
/// The remaining length has more than four bytes.
pub(crate) fn frame_len(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut value = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(2 + index + value));
        }
    }
    if bytes.len() >= 5 { Err("a remaining length of more than four bytes".to_owned()) } else { Ok(None) }
}

/// Decodes one whole frame from a server.
///
/// # Errors
/// Says which rule the packet breaks.
pub(crate) fn decode(frame: &[u8], version: u8) -> Result<Received, String> {
    let (kind, flags) = (frame[0] >> 4, frame[0] & 0x0F);
    let header = 1 + frame[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let mut reader = Reader { bytes: &frame[header..] };
    let mut packet = Received { kind, flags, ..Received::default() };
    let wanted = if kind == 6 { 2 } else { 0 };
    if kind != 3 && flags != wanted {
        return Err(format!("flags {flags:X} in the fixed header"));
    }
    match kind {
        2 => connack(&mut reader, &mut packet, version)?,
        3 => publish(&mut reader, &mut packet, version)?,
        4..=7 => ack(&mut reader, &mut packet, version)?,
        9 => codes(&mut reader, &mut packet, version)?,
        11 if version == 5 => codes(&mut reader, &mut packet, version)?,
        11 => packet.id = Some(reader.id()?),
        13 => {}
        14 | 15 if version == 5 => reason(&mut reader, &mut packet)?,
        _ => return Err(format!("a packet of type {kind}, which a server does not send here")),
    }
    if !reader.bytes.is_empty() {
        return Err(format!("{} bytes behind the last field", reader.bytes.len()));
    }
    check_codes(&packet, version)?;
    Ok(packet)
}

fn check_codes(packet: &Received, version: u8) -> Result<(), String> {
    let allowed: &[u8] = match (version, packet.kind) {
        (5, _) => CODES.iter().find(|(kind, _)| *kind == packet.kind).map_or(&[], |(_, codes)| codes),
        (_, 2) => &[0, 1, 2, 3, 4, 5],
        (_, 9) => &[0, 1, 2, 0x80],
        _ => &[0],
    };
    match packet.codes.iter().find(|code| !allowed.contains(code)) {
        Some(code) => Err(format!("code {code:02X}, which this packet may not carry")),
        None => Ok(()),
    }
}

fn connack(reader: &mut Reader<'_>, packet: &mut Received, version: u8) -> Result<(), String> {
    let flags = reader.byte()?;
    if flags > 1 {
        return Err(format!("acknowledge flags {flags:02X}"));
    }
    packet.present = flags == 1;
    packet.codes = vec![reader.byte()?];
    if packet.present && packet.codes != [0] {
        return Err("session present in a refusal".to_owned());
    }
    if version == 5 {
        packet.properties = reader.properties(2)?;
    }
    Ok(())
}

fn publish(reader: &mut Reader<'_>, packet: &mut Received, version: u8) -> Result<(), String> {
    let qos = packet.flags >> 1 & 3;
    if qos == 3 || (qos == 0 && packet.flags & 8 != 0) {
        return Err(format!("PUBLISH with flags {:X}", packet.flags));
    }
    packet.topic = reader.sized()?;
    text(&packet.topic)?;
    if packet.topic.iter().any(|byte| matches!(byte, b'#' | b'+')) {
        return Err("a wildcard in a topic name".to_owned());
    }
    if qos > 0 {
        packet.id = Some(reader.id()?);
    }
    if version == 5 {
        packet.properties = reader.properties(3)?;
    }
    if packet.topic.is_empty() && !packet.properties.iter().any(|(id, _)| *id == 0x23) {
        return Err("an empty topic name".to_owned());
    }
    packet.payload = std::mem::take(&mut reader.bytes).to_vec();
    Ok(())
}

fn ack(reader: &mut Reader<'_>, packet: &mut Received, version: u8) -> Result<(), String> {
    packet.id = Some(reader.id()?);
    if version == 5 && !reader.bytes.is_empty() { reason(reader, packet) } else { ok(packet) }
}

fn ok(packet: &mut Received) -> Result<(), String> {
    packet.codes = vec![0];
    Ok(())
}

/// A reason code and properties, which may both be left out.
fn reason(reader: &mut Reader<'_>, packet: &mut Received) -> Result<(), String> {
    if reader.bytes.is_empty() {
        return ok(packet);
    }
    packet.codes = vec![reader.byte()?];
    if !reader.bytes.is_empty() {
        packet.properties = reader.properties(packet.kind)?;
    }
    Ok(())
}

fn codes(reader: &mut Reader<'_>, packet: &mut Received, version: u8) -> Result<(), String> {
    packet.id = Some(reader.id()?);
    if version == 5 {
        packet.properties = reader.properties(packet.kind)?;
    }
    packet.codes = std::mem::take(&mut reader.bytes).to_vec();
    if packet.codes.is_empty() { Err("no code".to_owned()) } else { Ok(()) }
}

fn text(bytes: &[u8]) -> Result<(), String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(()),
        _ => Err("a string that is not MQTT's UTF-8".to_owned()),
    }
}

/// Splits a property block without its length.
///
/// # Errors
/// Says which rule the block breaks in a packet of type `kind`.
pub(crate) fn properties(block: &[u8], kind: u8) -> Result<Vec<Property>, String> {
    let all = any_properties(block)?;
    for (at, (id, _)) in all.iter().enumerate() {
        let places =
            PROPERTIES.iter().find(|(known, ..)| known == id).map_or(&[][..], |(_, _, places)| places);
        if !places.contains(&kind) {
            return Err(format!("property {id:02X}, which this packet may not carry"));
        }
        if all[..at].iter().any(|(seen, _)| seen == id) && !matches!(id, 0x0B | 0x26) {
            return Err(format!("property {id:02X} twice"));
        }
    }
    Ok(all)
}

/// Splits a property block that may stand anywhere.
///
/// # Errors
/// Says what cannot be read.
pub(crate) fn any_properties(block: &[u8]) -> Result<Vec<Property>, String> {
    let mut reader = Reader { bytes: block };
    let mut found: Vec<Property> = Vec::new();
    while !reader.bytes.is_empty() {
        let id = reader.byte()?;
        let Some((_, shape, _)) = PROPERTIES.iter().find(|(known, ..)| *known == id) else {
            return Err(format!("unknown property {id:02X}"));
        };
        found.push((id, reader.value(*shape)?));
    }
    Ok(found)
}

/// The first value of a property, as a number.
pub(crate) fn number(properties: &[Property], id: u8) -> Option<u64> {
    let property = properties.iter().find(|(other, _)| *other == id);
    property.map(|(_, bytes)| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or("the packet ends inside a field")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn two(&mut self) -> Result<u16, String> {
        Ok(self.take(2)?.iter().fold(0, |value, byte| value << 8 | u16::from(*byte)))
    }

    fn id(&mut self) -> Result<u16, String> {
        match self.two()? {
            0 => Err("packet identifier 0".to_owned()),
            id => Ok(id),
        }
    }

    fn sized(&mut self) -> Result<Vec<u8>, String> {
        let count = usize::from(self.two()?);
        Ok(self.take(count)?.to_vec())
    }

    fn variable(&mut self) -> Result<usize, String> {
        let mut value = 0;
        for index in 0..4 {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                let shortest = index == 0 || byte != 0;
                return shortest
                    .then_some(value)
                    .ok_or("a variable byte integer not in its shortest form".to_owned());
            }
        }
        Err("a variable byte integer of more than four bytes".to_owned())
    }

    fn properties(&mut self, kind: u8) -> Result<Vec<Property>, String> {
        let count = self.variable()?;
        properties(self.take(count)?, kind)
    }

    fn value(&mut self, shape: Shape) -> Result<Vec<u8>, String> {
        let all = self.bytes;
        match shape {
            Shape::Fixed(count) => drop(self.take(count)?),
            Shape::Variable => drop(self.variable()?),
            Shape::Binary => drop(self.sized()?),
            Shape::Text => text(&self.sized()?)?,
            Shape::Pair => {
                text(&self.sized()?)?;
                text(&self.sized()?)?;
            }
        }
        Ok(all[..all.len() - self.bytes.len()].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_with_everything() {
        let frame = b"\x3D\x0f\0\x01t\0\x07\x07\x01\x01\x23\0\x05\x0B\x0Ahi";
        let packet = decode(frame, 5).expect("it is well formed");
        assert_eq!((packet.flags, packet.id, packet.topic.as_slice()), (0xD, Some(7), &b"t"[..]));
        assert_eq!(packet.properties, [(1, vec![1]), (0x23, vec![0, 5]), (0x0B, vec![10])]);
        assert_eq!(packet.payload, b"hi");
    }

    #[test]
    fn what_a_server_must_not_send() {
        let bad: [(&[u8], u8); 9] = [
            (&[0x20, 2, 2, 0], 4),
            (&[0x20, 2, 1, 5], 4),
            (&[0x41, 2, 0, 1], 4),
            (&[0x40, 2, 0, 0], 4),
            (&[0x40, 3, 0, 1, 0], 4),
            (&[0xE0, 0], 4),
            (&[0x90, 3, 0, 1, 3], 4),
            (&[0x20, 5, 0, 0, 2, 0x23, 1], 5),
            (&[0xE0, 2, 0x8E, 0x80], 5),
        ];
        for (frame, version) in bad {
            assert!(decode(frame, version).is_err(), "{frame:02X?}");
        }
    }

    #[test]
    fn frames_of_a_stream() {
        assert_eq!(frame_len(&[0xD0]), Ok(None));
        assert_eq!(frame_len(&[0xD0, 0]), Ok(Some(2)));
        assert_eq!(frame_len(&[0x30, 0x80, 1]), Ok(Some(131)));
        assert!(frame_len(&[0x30, 0x80, 0x80, 0x80, 0x80]).is_err());
    }
}
