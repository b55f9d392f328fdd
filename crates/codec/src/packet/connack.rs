//! CONNACK: the server's answer to CONNECT.

use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::read::Reader;
use crate::reason::ReasonCode;
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;

/// A CONNACK packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connack<'a> {
    /// Whether the server had state for the client.
    pub session_present: bool,
    /// The reason code; before MQTT 5.0 the return code, 0 to 5.
    pub code: ReasonCode,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Connack<'a> {
    pub(super) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        // [MQTT-3.2.2-1]
        if flags > 1 {
            return Err(Malformed::new(Kind::ConnackFlags, 0));
        }
        let code = ReasonCode(reader.u8()?);
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Place::Packet(PacketType::Connack))?
        } else {
            Properties::EMPTY
        };
        reader.end()?;
        let known = if version.has_properties() { code.allowed_in(PacketType::Connack) } else { code.0 <= 5 };
        if !known {
            return Err(Malformed::new(Kind::ReasonCode, 1));
        }
        Ok(Connack { session_present: flags == 1, code, properties })
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::frame(out, PacketType::Connack.first_byte(), |out| {
            // [MQTT-3.2.2-1]
            out.extend_from_slice(&[u8::from(self.session_present), self.code.0]);
            if version.has_properties() {
                self.properties.write(out);
            }
            Ok(())
        })
    }
}
