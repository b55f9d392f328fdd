//! DISCONNECT: the last packet of a connection.

use super::ack::write_code;
use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::read::Reader;
use crate::reason::{self, ReasonCode};
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;

/// A DISCONNECT packet; before MQTT 5.0 only the client sends it and it says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// The reason code; success before MQTT 5.0.
    pub code: ReasonCode,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// A DISCONNECT without properties.
    #[must_use]
    pub fn new(code: ReasonCode) -> Self {
        Disconnect { code, properties: Properties::EMPTY }
    }

    pub(super) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mut packet = Disconnect::new(reason::SUCCESS);
        if version.has_properties() && !reader.is_empty() {
            packet.code = ReasonCode(reader.u8()?);
            // [MQTT-3.14.2-1]
            if !packet.code.allowed_in(PacketType::Disconnect) {
                return Err(Malformed::new(Kind::ReasonCode, 0));
            }
            if !reader.is_empty() {
                packet.properties = Properties::read(&mut reader, Place::Packet(PacketType::Disconnect))?;
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
        write::frame(out, PacketType::Disconnect.first_byte(), |out| {
            if version.has_properties() {
                write_code(self.code, self.properties, out);
            }
            Ok(())
        })
    }
}
