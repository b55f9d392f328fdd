//! UNSUBSCRIBE: topic filters to let go.

use crate::PacketId;
use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::read::Reader;
use crate::topic;
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;

/// An UNSUBSCRIBE packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The packet identifier.
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
    /// The filters, at least one. [MQTT-3.10.3-2] [MQTT3-3.10.3-2]
    pub filters: UnsubscribeList<'a>,
}

/// The filters of an UNSUBSCRIBE, in wire form and checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnsubscribeList<'a> {
    bytes: &'a [u8],
}

impl<'a> UnsubscribeList<'a> {
    /// Checks the payload of an UNSUBSCRIBE.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        // [MQTT-3.10.3-2] [MQTT3-3.10.3-2]
        if reader.is_empty() {
            return Err(reader.fail(Kind::NoFilters));
        }
        while !reader.is_empty() {
            let at = reader;
            // [MQTT-3.10.3-1] [MQTT3-3.10.3-1]
            topic::check_filter(reader.string()?).map_err(|kind| at.fail(kind))?;
        }
        Ok(UnsubscribeList { bytes })
    }

    /// Appends one filter to the payload of an UNSUBSCRIBE that is being built.
    ///
    /// # Errors
    /// [`TooLarge`] for a filter over 65,535 bytes.
    pub fn push(filter: &str, payload: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::string(payload, filter)
    }

    /// The filters in the client's order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.bytes);
        core::iter::from_fn(move || if reader.is_empty() { None } else { reader.string().ok() })
    }
}

impl core::fmt::Debug for UnsubscribeList<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Place::Packet(PacketType::Unsubscribe))?
        } else {
            Properties::EMPTY
        };
        Ok(Unsubscribe { packet_id, properties, filters: UnsubscribeList::check(reader.rest())? })
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::frame(out, PacketType::Unsubscribe.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.write(out);
            }
            out.extend_from_slice(self.filters.bytes);
            Ok(())
        })
    }
}
