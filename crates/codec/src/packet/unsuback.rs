//! UNSUBACK: in MQTT 5.0 one code a filter; before it, nothing but the identifier.

use crate::PacketId;
use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::read::Reader;
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;

/// An UNSUBACK packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsuback<'a> {
    /// The packet identifier of the UNSUBSCRIBE. [MQTT-2.2.1-6] [MQTT3-2.3.1-7]
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
    /// The codes, a byte each; empty before MQTT 5.0.
    pub codes: &'a [u8],
}

impl<'a> Unsuback<'a> {
    pub(super) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mut packet =
            Unsuback { packet_id: reader.packet_id()?, properties: Properties::EMPTY, codes: &[] };
        if version.has_properties() {
            packet.properties = Properties::read(&mut reader, Place::Packet(PacketType::Unsuback))?;
            let codes_at = reader;
            packet.codes = reader.rest();
            if packet.codes.is_empty() {
                return Err(codes_at.fail(Kind::Truncated));
            }
            // [MQTT-3.11.3-2]
            if !packet.codes.iter().all(|code| ReasonCode(*code).allowed_in(PacketType::Unsuback)) {
                return Err(codes_at.fail(Kind::ReasonCode));
            }
        }
        reader.end()?;
        Ok(packet)
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::frame(out, PacketType::Unsuback.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.write(out);
                out.extend_from_slice(self.codes);
            }
            Ok(())
        })
    }
}
