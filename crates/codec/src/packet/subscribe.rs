//! SUBSCRIBE: topic filters with what the client wants of each.

use crate::PacketId;
use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::property::{Place, Properties};
use crate::qos::Qos;
use crate::read::Reader;
use crate::topic::SubscriptionFilter;
use crate::version::Version;
use crate::write;
use alloc::vec::Vec;
use pondhawk_plants::planted;

/// A SUBSCRIBE packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The packet identifier.
    pub packet_id: PacketId,
    /// Properties, empty before MQTT 5.0.
    pub properties: Properties<'a>,
    /// The filters, at least one. [MQTT-3.8.3-2] [MQTT3-3.8.3-3]
    pub filters: FilterList<'a>,
}

/// What happens to retained messages when a subscription is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// They are sent. [MQTT-3.3.1-9]
    #[default]
    Send = 0,
    /// They are sent if the subscription is new. [MQTT-3.3.1-10]
    SendIfNew = 1,
    /// They are not sent. [MQTT-3.3.1-11]
    DoNotSend = 2,
}

/// The options of one subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscribeOptions {
    /// The highest QoS that the client wants.
    pub qos: Qos,
    /// Not the client's own messages. [MQTT-3.8.3-3]
    pub no_local: bool,
    /// Keep the publisher's retain flag. [MQTT-3.3.1-13]
    pub retain_as_published: bool,
    /// What to do with retained messages.
    pub retain_handling: RetainHandling,
}

impl SubscribeOptions {
    /// The options byte of MQTT 5.0.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        self.qos.as_u8()
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | (self.retain_handling as u8) << 4
    }

    /// The options in `byte`: only a QoS before MQTT 5.0. [MQTT-3.8.3-5] [MQTT3-3.8.3-4]
    ///
    /// # Errors
    /// [`Kind::SubscribeOptions`] for QoS 3, retain handling 3 or reserved bits.
    pub fn from_byte(byte: u8, version: Version) -> Result<Self, Kind> {
        let reserved = if version.has_properties() { 0xc0 } else { 0xfc };
        if byte & reserved != 0 && !planted!(ReservedOptions) {
            return Err(Kind::SubscribeOptions);
        }
        Ok(SubscribeOptions {
            qos: Qos::from_u8(byte & 3).ok_or(Kind::SubscribeOptions)?,
            no_local: byte & 0x04 != 0,
            retain_as_published: byte & 0x08 != 0,
            retain_handling: match byte >> 4 & 3 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(Kind::SubscribeOptions),
            },
        })
    }
}

/// One filter of a SUBSCRIBE with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeFilter<'a> {
    /// The filter as it was sent, `$share/…` included.
    pub filter: &'a str,
    /// Its options.
    pub options: SubscribeOptions,
}

/// The filters of a SUBSCRIBE, in wire form and checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FilterList<'a> {
    bytes: &'a [u8],
    version: Version,
}

impl<'a> FilterList<'a> {
    /// Checks the payload of a SUBSCRIBE.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(bytes: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        // [MQTT-3.8.3-2] [MQTT3-3.8.3-3]
        if reader.is_empty() {
            return Err(reader.fail(Kind::NoFilters));
        }
        while !reader.is_empty() {
            let at = reader;
            let one = read_filter(&mut reader, version)?;
            let parsed = SubscriptionFilter::parse(one.filter).map_err(|kind| at.fail(kind))?;
            // [MQTT-3.8.3-4]
            if parsed.share.is_some() && one.options.no_local {
                return Err(at.fail(Kind::NoLocalShared));
            }
        }
        Ok(FilterList { bytes, version })
    }

    /// Appends one filter to the payload of a SUBSCRIBE that is being built.
    ///
    /// # Errors
    /// [`TooLarge`] for a filter over 65,535 bytes.
    pub fn push(one: SubscribeFilter<'_>, payload: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::string(payload, one.filter)?;
        payload.push(one.options.to_byte());
        Ok(())
    }

    /// The filters in the client's order.
    pub fn iter(self) -> impl Iterator<Item = SubscribeFilter<'a>> {
        let mut reader = Reader::new(self.bytes);
        core::iter::from_fn(move || {
            if reader.is_empty() { None } else { read_filter(&mut reader, self.version).ok() }
        })
    }
}

impl core::fmt::Debug for FilterList<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn read_filter<'a>(reader: &mut Reader<'a>, version: Version) -> Result<SubscribeFilter<'a>, Malformed> {
    // [MQTT-3.8.3-1] [MQTT3-3.8.3-1]
    let filter = reader.string()?;
    let at = *reader;
    let options = SubscribeOptions::from_byte(reader.u8()?, version).map_err(|kind| at.fail(kind))?;
    Ok(SubscribeFilter { filter, options })
}

impl<'a> Subscribe<'a> {
    pub(super) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if version.has_properties() {
            Properties::read(&mut reader, Place::Packet(PacketType::Subscribe))?
        } else {
            Properties::EMPTY
        };
        Ok(Subscribe { packet_id, properties, filters: FilterList::check(reader.rest(), version)? })
    }

    /// Appends the packet's frame to `out`.
    ///
    /// # Errors
    /// [`TooLarge`]; `out` is unchanged then.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        write::frame(out, PacketType::Subscribe.first_byte(), |out| {
            out.extend_from_slice(&self.packet_id.get().to_be_bytes());
            if version.has_properties() {
                self.properties.write(out);
            }
            out.extend_from_slice(self.filters.bytes);
            Ok(())
        })
    }
}
