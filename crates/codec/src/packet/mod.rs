//! The packets, one file each. Before them: [`frame`](crate::frame). After them: a session.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod publish;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::Connack;
pub use connect::{Connect, ConnectRefused, Will};
pub use disconnect::Disconnect;
pub use publish::{PUBLISH_OVERHEAD_MAX, Publish, PublishHeader};
pub use suback::Suback;
pub use subscribe::{FilterList, RetainHandling, Subscribe, SubscribeFilter, SubscribeOptions};
pub use unsuback::Unsuback;
pub use unsubscribe::{Unsubscribe, UnsubscribeList};

use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::{DUP_31, Frame, PacketType};
use crate::version::Version;
use alloc::vec::Vec;
use pondhawk_plants::planted;

/// Any packet but CONNECT, which alone says which version the others are in: see [`Connect::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Packet<'a> {
    Connack(Connack<'a>),
    Publish(Publish<'a>),
    Puback(Ack<'a>),
    Pubrec(Ack<'a>),
    Pubrel(Ack<'a>),
    Pubcomp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    Suback(Suback<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Unsuback(Unsuback<'a>),
    Pingreq,
    Pingresp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Decodes a frame of a connection that speaks `version`.
    ///
    /// # Errors
    /// The first rule that the bytes break. A CONNECT is [`Kind::PacketType`]: it has its own decoder.
    pub fn decode(frame: &Frame<'a>, version: Version) -> Result<Self, Malformed> {
        if version.has_properties() && !frame.minimal && !planted!(LongVarint) {
            return Err(Malformed::new(Kind::VarintNotMinimal, 0));
        }
        // [MQTT-2.1.3-1] [MQTT3-2.2.2-2]
        if version != Version::V31 && frame.packet_type != PacketType::Publish && frame.flags == DUP_31 {
            return Err(Malformed::new(Kind::HeaderFlags, 0));
        }
        let ack = |packet_type| Ack::decode(frame.body, packet_type, version);
        Ok(match frame.packet_type {
            PacketType::Connect => return Err(Malformed::new(Kind::PacketType, 0)),
            PacketType::Connack => Packet::Connack(Connack::decode(frame.body, version)?),
            PacketType::Publish => Packet::Publish(Publish::decode(frame.flags, frame.body, version)?),
            PacketType::Puback => Packet::Puback(ack(PacketType::Puback)?),
            PacketType::Pubrec => Packet::Pubrec(ack(PacketType::Pubrec)?),
            PacketType::Pubrel => Packet::Pubrel(ack(PacketType::Pubrel)?),
            PacketType::Pubcomp => Packet::Pubcomp(ack(PacketType::Pubcomp)?),
            PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(frame.body, version)?),
            PacketType::Suback => Packet::Suback(Suback::decode(frame.body, version)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(frame.body, version)?),
            PacketType::Unsuback => Packet::Unsuback(Unsuback::decode(frame.body, version)?),
            PacketType::Pingreq => bodyless(frame.body, Packet::Pingreq)?,
            PacketType::Pingresp => bodyless(frame.body, Packet::Pingresp)?,
            PacketType::Disconnect => Packet::Disconnect(Disconnect::decode(frame.body, version)?),
            PacketType::Auth => Packet::Auth(Auth::decode(frame.body, version)?),
        })
    }

    /// The packet's type.
    #[must_use]
    pub fn packet_type(&self) -> PacketType {
        match self {
            Packet::Connack(_) => PacketType::Connack,
            Packet::Publish(_) => PacketType::Publish,
            Packet::Puback(_) => PacketType::Puback,
            Packet::Pubrec(_) => PacketType::Pubrec,
            Packet::Pubrel(_) => PacketType::Pubrel,
            Packet::Pubcomp(_) => PacketType::Pubcomp,
            Packet::Subscribe(_) => PacketType::Subscribe,
            Packet::Suback(_) => PacketType::Suback,
            Packet::Unsubscribe(_) => PacketType::Unsubscribe,
            Packet::Unsuback(_) => PacketType::Unsuback,
            Packet::Pingreq => PacketType::Pingreq,
            Packet::Pingresp => PacketType::Pingresp,
            Packet::Disconnect(_) => PacketType::Disconnect,
            Packet::Auth(_) => PacketType::Auth,
        }
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`] if a field or the frame is too long for MQTT; `out` is unchanged then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        match self {
            Packet::Connack(packet) => packet.encode(version, out),
            Packet::Publish(packet) => packet.encode(version, out),
            Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
                ack.encode(self.packet_type(), version, out)
            }
            Packet::Subscribe(packet) => packet.encode(version, out),
            Packet::Suback(packet) => packet.encode(version, out),
            Packet::Unsubscribe(packet) => packet.encode(version, out),
            Packet::Unsuback(packet) => packet.encode(version, out),
            Packet::Pingreq | Packet::Pingresp => {
                out.extend_from_slice(&[self.packet_type().first_byte(), 0]);
                Ok(())
            }
            Packet::Disconnect(packet) => packet.encode(version, out),
            Packet::Auth(packet) => packet.encode(version, out),
        }
    }
}

fn bodyless<'a>(body: &[u8], packet: Packet<'a>) -> Result<Packet<'a>, Malformed> {
    if body.is_empty() { Ok(packet) } else { Err(Malformed::new(Kind::TrailingBytes, 0)) }
}
