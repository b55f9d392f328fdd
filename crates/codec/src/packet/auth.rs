//! AUTH: enhanced authentication, MQTT 5.0 only.

use super::ack::write_code;
use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::read::Reader;
use crate::reason::{self, ReasonCode};
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;

/// An AUTH packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success, continue authentication or re-authenticate. [MQTT-3.15.2-1]
    pub code: ReasonCode,
    /// Properties.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(super) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if !version.has_properties() {
            return Err(reader.fail(Kind::PacketType));
        }
        let mut packet = Auth { code: reason::SUCCESS, properties: Properties::EMPTY };
        if !reader.is_empty() {
            packet.code = ReasonCode(reader.u8()?);
            if !packet.code.allowed_in(PacketType::Auth) {
                return Err(Malformed::new(Kind::ReasonCode, 0));
            }
            if !reader.is_empty() {
                packet.properties = Properties::read(&mut reader, Place::Packet(PacketType::Auth))?;
            }
        }
        reader.end()?;
        Ok(packet)
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(&self, _version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::frame(out, PacketType::Auth.first_byte(), |out| {
            write_code(self.code, self.properties, out);
            Ok(())
        })
    }
}
