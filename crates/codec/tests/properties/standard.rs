//! Tables of MQTT 5.0 as its text gives them: 2.2.2.2 (properties) and 2.4 (reason codes).

use pondhawk_codec::PacketType;
use pondhawk_codec::property::Place;

/// How a property's value is written. (Section 1.5.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A byte that is 0 or 1.
    Flag,
    /// Two bytes; the bool says whether 0 is legal.
    Two(bool),
    /// Four bytes; the bool says whether 0 is legal.
    Four(bool),
    /// A variable byte integer above 0.
    Varint,
    /// A string.
    Text,
    /// A string that is a topic name.
    Topic,
    /// Binary data.
    Data,
    /// Two strings.
    Pair,
}

/// A row of table 2-4.
pub struct Row {
    pub id: u8,
    pub form: Form,
    /// The letters of [`letter`].
    pub places: &'static str,
}

const fn row(id: u8, form: Form, places: &'static str) -> Row {
    Row { id, form, places }
}

/// Table 2-4. The places are letters: C CONNECT, c CONNACK, P PUBLISH, W will, a PUBACK, r PUBREC, l PUBREL,
/// m PUBCOMP, S SUBSCRIBE, s SUBACK, U UNSUBSCRIBE, u UNSUBACK, D DISCONNECT, A AUTH.
pub const PROPERTIES: [Row; 27] = [
    row(0x01, Form::Flag, "PW"),
    row(0x02, Form::Four(true), "PW"),
    row(0x03, Form::Text, "PW"),
    row(0x08, Form::Topic, "PW"),
    row(0x09, Form::Data, "PW"),
    row(0x0b, Form::Varint, "PS"),
    row(0x11, Form::Four(true), "CcD"),
    row(0x12, Form::Text, "c"),
    row(0x13, Form::Two(true), "c"),
    row(0x15, Form::Text, "CcA"),
    row(0x16, Form::Data, "CcA"),
    row(0x17, Form::Flag, "C"),
    row(0x18, Form::Four(true), "W"),
    row(0x19, Form::Flag, "C"),
    row(0x1a, Form::Text, "c"),
    row(0x1c, Form::Text, "cD"),
    row(0x1f, Form::Text, "carlmsuDA"),
    row(0x21, Form::Two(false), "Cc"),
    row(0x22, Form::Two(true), "Cc"),
    row(0x23, Form::Two(false), "P"),
    row(0x24, Form::Flag, "c"),
    row(0x25, Form::Flag, "c"),
    row(0x26, Form::Pair, "CcPWarlmSsUuDA"),
    row(0x27, Form::Four(false), "Cc"),
    row(0x28, Form::Flag, "c"),
    row(0x29, Form::Flag, "c"),
    row(0x2a, Form::Flag, "c"),
];

/// All places: the fifteen packets and the will.
pub fn places() -> impl Iterator<Item = Place> {
    PacketType::ALL.into_iter().map(Place::Packet).chain([Place::Will])
}

/// The letter of a place in [`PROPERTIES`].
pub fn letter(place: Place) -> char {
    match place {
        Place::Will => 'W',
        Place::Packet(packet_type) => match packet_type {
            PacketType::Connect => 'C',
            PacketType::Connack => 'c',
            PacketType::Publish => 'P',
            PacketType::Puback => 'a',
            PacketType::Pubrec => 'r',
            PacketType::Pubrel => 'l',
            PacketType::Pubcomp => 'm',
            PacketType::Subscribe => 'S',
            PacketType::Suback => 's',
            PacketType::Unsubscribe => 'U',
            PacketType::Unsuback => 'u',
            PacketType::Pingreq => '>',
            PacketType::Pingresp => '<',
            PacketType::Disconnect => 'D',
            PacketType::Auth => 'A',
        },
    }
}

/// True if the property may stand there more than once: user properties anywhere, subscription identifiers in a
/// PUBLISH [MQTT-3.3.4-4].
pub fn repeats(id: u8, place: Place) -> bool {
    id == 0x26 || (id == 0x0b && place == Place::Packet(PacketType::Publish))
}

/// The codes that a packet may carry, from the tables of its own section (3.2.2.2, 3.4.2.1, … 3.15.2.1), and
/// 0x8c in DISCONNECT from table 2-6 alone.
pub fn codes(packet_type: PacketType) -> &'static [u8] {
    match packet_type {
        PacketType::Connack => &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97,
            0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
        ],
        PacketType::Puback | PacketType::Pubrec => &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        PacketType::Pubrel | PacketType::Pubcomp => &[0x00, 0x92],
        PacketType::Suback => &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
        PacketType::Unsuback => &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
        PacketType::Disconnect => &[
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94,
            0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
        ],
        PacketType::Auth => &[0x00, 0x18, 0x19],
        _ => &[],
    }
}

/// A variable byte integer, by the pseudo code of 1.5.5.
pub fn varint(mut x: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let digit = u8::try_from(x % 128).expect("below 128");
        x /= 128;
        bytes.push(if x > 0 { digit | 128 } else { digit });
        if x == 0 {
            return bytes;
        }
    }
}

/// A frame of any body.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(varint(body.len()));
    bytes.extend_from_slice(body);
    bytes
}
