//! SUBACK: one code a filter, in the order of the SUBSCRIBE.

use crate::PacketId;
use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::read::Reader;
use crate::reason::{self, ReasonCode};
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;

/// A SUBACK packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suback<'a> {
    /// The packet identifier of the SUBSCRIBE. [MQTT-2.2.1-6] [MQTT3-2.3.1-7]
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
    /// The codes, a byte each.
    pub codes: &'a [u8],
}

impl<'a> Suback<'a> {
    pub(super) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Place::Packet(PacketType::Suback))?
        } else {
            Properties::EMPTY
        };
        let codes_at = reader;
        let codes = reader.rest();
        if codes.is_empty() {
            return Err(codes_at.fail(Kind::Truncated));
        }
        if !codes.iter().all(|code| is_legal(ReasonCode(*code), version)) {
            return Err(codes_at.fail(Kind::ReasonCode));
        }
        Ok(Suback { packet_id, properties, codes })
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::frame(out, PacketType::Suback.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.write(out);
            }
            out.extend_from_slice(self.codes);
            Ok(())
        })
    }
}

/// [MQTT-3.9.3-2] [MQTT3-3.9.3-2]
fn is_legal(code: ReasonCode, version: Version) -> bool {
    if version.has_properties() {
        code.allowed_in(PacketType::Suback)
    } else {
        code.0 <= 2 || code == reason::SUBACK_FAILURE
    }
}
