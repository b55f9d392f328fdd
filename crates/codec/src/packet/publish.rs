//! PUBLISH: an application message, in either direction.

use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::qos::Qos;
use crate::read::Reader;
use crate::topic;
use crate::varint;
use crate::version::Version;
use crate::{PacketId, REMAINING_LENGTH_MAX};
use alloc::vec::Vec;

const DUP: u8 = 0x08;
const RETAIN: u8 = 0x01;

/// No more bytes than this stand in a PUBLISH besides topic, properties and payload.
pub const PUBLISH_OVERHEAD_MAX: usize = 1 + 4 + 2 + 2 + 4;

/// A PUBLISH packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Sent before.
    pub dup: bool,
    /// The QoS.
    pub qos: Qos,
    /// The retain flag.
    pub retain: bool,
    /// The topic name; empty only in MQTT 5.0, where an alias then stands for it.
    pub topic: &'a str,
    /// The packet identifier, there if and only if QoS is above 0. [MQTT-2.2.1-2] [MQTT3-2.3.1-5]
    pub packet_id: Option<PacketId>,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    pub(super) fn decode(flags: u8, body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        // [MQTT-3.3.1-4] [MQTT3-3.3.1-4]
        let qos = Qos::from_u8(flags >> 1 & 3).ok_or_else(|| reader.fail(Kind::Qos))?;
        // [MQTT-3.3.1-2] [MQTT3-3.3.1-2]
        if flags & DUP != 0 && qos == Qos::AtMostOnce {
            return Err(reader.fail(Kind::DupAtQos0));
        }
        let topic_at = reader;
        // [MQTT-3.3.2-1] [MQTT3-3.3.2-1]
        let topic = reader.string()?;
        match topic::check_name(topic) {
            Err(Kind::TopicEmpty) if version.has_properties() => {}
            checked => checked.map_err(|kind| topic_at.fail(kind))?,
        }
        let packet_id = if qos == Qos::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Place::Packet(PacketType::Publish))?
        } else {
            Properties::EMPTY
        };
        Ok(Publish {
            dup: flags & DUP != 0,
            qos,
            retain: flags & RETAIN != 0,
            topic,
            packet_id,
            properties,
            payload: reader.rest(),
        })
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        let header = PublishHeader {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic,
            packet_id: self.packet_id,
        };
        let block = version.has_properties().then_some([self.properties.as_bytes()]);
        header.encode(block.as_ref().map(<[_; 1]>::as_slice), self.payload, out)
    }
}

/// A PUBLISH without its properties and payload, for senders that hold those in pieces.
#[derive(Clone, Copy, Debug)]
pub struct PublishHeader<'a> {
    /// Sent before.
    pub dup: bool,
    /// The QoS.
    pub qos: Qos,
    /// The retain flag.
    pub retain: bool,
    /// The topic name.
    pub topic: &'a str,
    /// The packet identifier, there if and only if QoS is above 0.
    pub packet_id: Option<PacketId>,
}

impl PublishHeader<'_> {
    /// The length of the frame that [`encode`](Self::encode) would append.
    #[must_use]
    pub fn frame_len(&self, properties: Option<&[&[u8]]>, payload: &[u8]) -> usize {
        let remaining = self.remaining_len(properties, payload);
        1 + varint::len(remaining) + remaining
    }

    fn remaining_len(&self, properties: Option<&[&[u8]]>, payload: &[u8]) -> usize {
        let id = if self.packet_id.is_some() { 2 } else { 0 };
        let block = properties.map_or(0, |parts| {
            let len = parts.iter().map(|part| part.len()).sum();
            varint::len(len) + len
        });
        2 + self.topic.len() + id + block + payload.len()
    }

    /// Appends the frame. `properties` is the block in pieces without its length, or `None` before MQTT 5.0.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(
        &self,
        properties: Option<&[&[u8]]>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), TooLarge> {
        let topic_len = u16::try_from(self.topic.len()).map_err(|_| TooLarge)?;
        let remaining = self.remaining_len(properties, payload);
        if remaining > REMAINING_LENGTH_MAX {
            return Err(TooLarge);
        }
        out.reserve(1 + 4 + remaining);
        let dup = if self.dup { DUP } else { 0 };
        out.push(PacketType::Publish.first_byte() | dup | self.qos.as_u8() << 1 | u8::from(self.retain));
        varint::write(remaining, out);
        out.extend_from_slice(&topic_len.to_be_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        if let Some(id) = self.packet_id {
            out.extend_from_slice(&id.get().to_be_bytes());
        }
        if let Some(parts) = properties {
            varint::write(parts.iter().map(|part| part.len()).sum(), out);
            for part in parts {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(payload);
        Ok(())
    }
}
