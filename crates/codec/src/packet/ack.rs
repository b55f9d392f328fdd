//! PUBACK, PUBREC, PUBREL and PUBCOMP: four packets of one shape.

use crate::PacketId;
use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::read::Reader;
use crate::reason::{self, ReasonCode};
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;

/// The body of a PUBACK, PUBREC, PUBREL or PUBCOMP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The packet identifier of the PUBLISH. [MQTT-2.2.1-5] [MQTT3-2.3.1-6]
    pub packet_id: PacketId,
    /// The reason code; success before MQTT 5.0.
    pub code: ReasonCode,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// An acknowledgement without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, code: ReasonCode) -> Self {
        Ack { packet_id, code, properties: Properties::EMPTY }
    }

    pub(super) fn decode(
        body: &'a [u8],
        packet_type: PacketType,
        version: Version,
    ) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mut ack = Ack::new(reader.packet_id()?, reason::SUCCESS);
        if version.has_properties() && !reader.is_empty() {
            let code_at = reader;
            ack.code = ReasonCode(reader.u8()?);
            if !ack.code.allowed_in(packet_type) {
                return Err(code_at.fail(Kind::ReasonCode));
            }
            if !reader.is_empty() {
                ack.properties = Properties::read(&mut reader, Place::Packet(packet_type))?;
            }
        }
        reader.end()?;
        Ok(ack)
    }

    /// Appends the frame of a packet of type `packet_type` to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(
        &self,
        packet_type: PacketType,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLarge> {
        write::frame(out, packet_type.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                write_code(self.code, self.properties, out);
            }
            Ok(())
        })
    }
}

/// Reason code and properties at the end of a packet; both are left out where they say nothing.
pub(super) fn write_code(code: ReasonCode, properties: Properties<'_>, out: &mut Vec<u8>) {
    if code != reason::SUCCESS || !properties.is_empty() {
        out.push(code.0);
    }
    if !properties.is_empty() {
        properties.write(out);
    }
}
