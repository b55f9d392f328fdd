//! Cutting one whole frame out of received bytes. Before it: the transport. After it: [`packet`](crate::packet).

use crate::error::{Kind, Malformed};
use crate::varint;
use pondhawk_plants::planted;

/// The flags of a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE of MQTT 3.1: QoS 1 and DUP.
pub(crate) const DUP_31: u8 = 0b1010;

/// The type of a packet: the upper four bits of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum PacketType {
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// All of them, in the order of their numbers.
    pub const ALL: [PacketType; 15] = [
        PacketType::Connect,
        PacketType::Connack,
        PacketType::Publish,
        PacketType::Puback,
        PacketType::Pubrec,
        PacketType::Pubrel,
        PacketType::Pubcomp,
        PacketType::Subscribe,
        PacketType::Suback,
        PacketType::Unsubscribe,
        PacketType::Unsuback,
        PacketType::Pingreq,
        PacketType::Pingresp,
        PacketType::Disconnect,
        PacketType::Auth,
    ];

    /// The type in the first byte of a frame, whose flags must be those of the type. [MQTT-2.1.3-1]
    /// [MQTT3-2.2.2-2]
    ///
    /// MQTT 3.1 lets a client set DUP when it repeats a PUBREL, SUBSCRIBE or UNSUBSCRIBE. That passes here, where
    /// the version is not known, and [`Packet::decode`](crate::Packet::decode) refuses it in later versions.
    ///
    /// # Errors
    /// [`Kind::PacketType`] for type 0, [`Kind::HeaderFlags`] for wrong flags.
    pub fn of(first: u8) -> Result<PacketType, Kind> {
        let index = usize::from(first >> 4).checked_sub(1).ok_or(Kind::PacketType)?;
        let packet_type = PacketType::ALL[index];
        match packet_type.fixed_flags() {
            Some(flags) if flags == first & 0x0f || flags == 0b0010 && first & 0x0f == DUP_31 => {
                Ok(packet_type)
            }
            Some(_) if !planted!(AnyHeaderFlags) => Err(Kind::HeaderFlags),
            _ => Ok(packet_type),
        }
    }

    /// The lower four bits of the first byte, where they are fixed: everywhere but in PUBLISH. [MQTT-2.1.3-1]
    /// [MQTT3-2.2.2-1]
    #[must_use]
    pub fn fixed_flags(self) -> Option<u8> {
        match self {
            PacketType::Publish => None,
            // [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT3-3.6.1-1] [MQTT3-3.8.1-1] [MQTT3-3.10.1-1]
            PacketType::Pubrel | PacketType::Subscribe | PacketType::Unsubscribe => Some(0b0010),
            // [MQTT-3.14.1-1] [MQTT-3.15.1-1] [MQTT3-3.14.1-1]
            _ => Some(0),
        }
    }

    /// The first byte of a frame of this type, PUBLISH with all its flags 0.
    #[must_use]
    pub fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.fixed_flags().unwrap_or(0)
    }

    /// The name in the standard, in capitals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PacketType::Connect => "CONNECT",
            PacketType::Connack => "CONNACK",
            PacketType::Publish => "PUBLISH",
            PacketType::Puback => "PUBACK",
            PacketType::Pubrec => "PUBREC",
            PacketType::Pubrel => "PUBREL",
            PacketType::Pubcomp => "PUBCOMP",
            PacketType::Subscribe => "SUBSCRIBE",
            PacketType::Suback => "SUBACK",
            PacketType::Unsubscribe => "UNSUBSCRIBE",
            PacketType::Unsuback => "UNSUBACK",
            PacketType::Pingreq => "PINGREQ",
            PacketType::Pingresp => "PINGRESP",
            PacketType::Disconnect => "DISCONNECT",
            PacketType::Auth => "AUTH",
        }
    }
}

/// One frame: type, flags and body, borrowed from the received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The packet's type.
    pub packet_type: PacketType,
    /// The lower four bits of the first byte.
    pub flags: u8,
    /// What the remaining length counts.
    pub body: &'a [u8],
    /// The whole frame's length in bytes, fixed header included.
    pub len: usize,
    /// False if the remaining length was longer than it needs to be, which MQTT 5.0 forbids. [MQTT-1.5.5-1]
    pub minimal: bool,
}

/// What [`next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole frame stands at the front of the bytes.
    Frame(Frame<'a>),
    /// No whole frame yet: the frame will take at least this many bytes in all.
    Need(usize),
}

/// Looks for a whole frame of at most `len_max` bytes at the front of `bytes`.
///
/// The first byte is judged as soon as it is there and the length as soon as it is complete, so that
/// impossible input is refused before anything is kept for it.
///
/// # Errors
/// [`Kind::PacketType`], [`Kind::HeaderFlags`], [`Kind::RemainingLength`] or [`Kind::FrameTooLarge`].
pub fn next(bytes: &[u8], len_max: usize) -> Result<Step<'_>, Malformed> {
    let Some(first) = bytes.first() else {
        return Ok(Step::Need(2));
    };
    let packet_type = PacketType::of(*first).map_err(|kind| Malformed::new(kind, 0))?;
    let read = varint::read(&bytes[1..]).map_err(|kind| Malformed::new(kind, 1))?;
    let Some((remaining, size)) = read else {
        return Ok(Step::Need(bytes.len() + 1));
    };
    let len = 1 + size + remaining as usize;
    if len > len_max {
        return Err(Malformed::new(Kind::FrameTooLarge, 1));
    }
    if bytes.len() < len {
        return Ok(Step::Need(len));
    }
    Ok(Step::Frame(Frame {
        packet_type,
        flags: first & 0x0f,
        body: &bytes[1 + size..len],
        len,
        minimal: size == varint::len(remaining as usize),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_and_what_follows_it() {
        let bytes = [0xc0, 0x00, 0x30];
        let Ok(Step::Frame(frame)) = next(&bytes, 100) else { panic!("whole frame") };
        assert_eq!((frame.packet_type, frame.len, frame.body), (PacketType::Pingreq, 2, &[][..]));
        assert_eq!(next(&bytes[2..], 100), Ok(Step::Need(2)));
    }

    // [MQTT-2.1.3-1] [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]
    // [MQTT3-2.2.2-1] [MQTT3-2.2.2-2] [MQTT3-3.6.1-1] [MQTT3-3.8.1-1] [MQTT3-3.10.1-1] [MQTT3-3.14.1-1]
    #[test]
    fn bad_first_bytes_are_refused_at_once() {
        for first in [0x00, 0x80, 0xa0, 0x60, 0x11, 0xc1, 0x41, 0xe1, 0xf1] {
            assert!(next(&[first], 100).is_err(), "{first:x}");
        }
    }

    #[test]
    fn too_large_is_refused_before_the_body_arrives() {
        assert_eq!(
            next(&[0x30, 0xff, 0xff, 0xff, 0x7f], 2_000_000),
            Err(Malformed::new(Kind::FrameTooLarge, 1))
        );
        assert_eq!(
            next(&[0x10, 0xff, 0xff, 0xff, 0xff, 0x01], 100),
            Err(Malformed::new(Kind::RemainingLength, 1))
        );
    }
}
