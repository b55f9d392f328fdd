//! The properties of MQTT 5.0: one validated block of bytes that is read through an iterator, and a builder.

use crate::error::{Kind, Malformed, TooLarge};
use crate::frame::PacketType;
use crate::read::Reader;
use crate::varint;
use crate::write;
use alloc::vec::Vec;
use pondhawk_plants::planted;

/// One property with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Property<'a> {
    PayloadFormatIndicator(u8),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32),
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(u8),
    WillDelayInterval(u32),
    RequestResponseInformation(u8),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQos(u8),
    RetainAvailable(u8),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(u8),
    SubscriptionIdentifierAvailable(u8),
    SharedSubscriptionAvailable(u8),
}

/// Where a property block stands: in a packet, or in the will of CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the variable header of this packet.
    Packet(PacketType),
    /// In the payload of CONNECT, in front of the will topic.
    Will,
}

impl Place {
    fn bit(self) -> u16 {
        match self {
            Place::Packet(packet_type) => 1 << (packet_type as u8),
            Place::Will => 1,
        }
    }
}

/// Identifier, name in the style of `mosquitto_pub -D`, and the places that may carry it.
struct Rule {
    id: u8,
    name: &'static str,
    places: u16,
}

macro_rules! places {
    ($($packet:ident)*) => { 0 $(| places!(@ $packet))* };
    (@ Will) => { 1u16 };
    (@ $packet:ident) => { 1u16 << (PacketType::$packet as u8) };
}

macro_rules! rules {
    ($($id:literal $name:literal [$($packet:ident)*];)*) => {
        &[$(Rule { id: $id, name: $name, places: places!($($packet)*) }),*]
    };
}

/// Table 2-4 of the standard.
const RULES: &[Rule] = rules! {
    1 "payload-format-indicator" [Publish Will];
    2 "message-expiry-interval" [Publish Will];
    3 "content-type" [Publish Will];
    8 "response-topic" [Publish Will];
    9 "correlation-data" [Publish Will];
    11 "subscription-identifier" [Publish Subscribe];
    17 "session-expiry-interval" [Connect Connack Disconnect];
    18 "assigned-client-identifier" [Connack];
    19 "server-keep-alive" [Connack];
    21 "authentication-method" [Connect Connack Auth];
    22 "authentication-data" [Connect Connack Auth];
    23 "request-problem-information" [Connect];
    24 "will-delay-interval" [Will];
    25 "request-response-information" [Connect];
    26 "response-information" [Connack];
    28 "server-reference" [Connack Disconnect];
    31 "reason-string" [Connack Puback Pubrec Pubrel Pubcomp Suback Unsuback Disconnect Auth];
    33 "receive-maximum" [Connect Connack];
    34 "topic-alias-maximum" [Connect Connack];
    35 "topic-alias" [Publish];
    36 "maximum-qos" [Connack];
    37 "retain-available" [Connack];
    38 "user-property" [Connect Connack Publish Will Puback Pubrec Pubrel Pubcomp Subscribe Suback Unsubscribe Unsuback Disconnect Auth];
    39 "maximum-packet-size" [Connect Connack];
    40 "wildcard-subscription-available" [Connack];
    41 "subscription-identifier-available" [Connack];
    42 "shared-subscription-available" [Connack];
};

impl<'a> Property<'a> {
    /// The property's identifier, 1 to 42.
    #[must_use]
    pub fn id(&self) -> u8 {
        match self {
            Property::PayloadFormatIndicator(_) => 1,
            Property::MessageExpiryInterval(_) => 2,
            Property::ContentType(_) => 3,
            Property::ResponseTopic(_) => 8,
            Property::CorrelationData(_) => 9,
            Property::SubscriptionIdentifier(_) => 11,
            Property::SessionExpiryInterval(_) => 17,
            Property::AssignedClientIdentifier(_) => 18,
            Property::ServerKeepAlive(_) => 19,
            Property::AuthenticationMethod(_) => 21,
            Property::AuthenticationData(_) => 22,
            Property::RequestProblemInformation(_) => 23,
            Property::WillDelayInterval(_) => 24,
            Property::RequestResponseInformation(_) => 25,
            Property::ResponseInformation(_) => 26,
            Property::ServerReference(_) => 28,
            Property::ReasonString(_) => 31,
            Property::ReceiveMaximum(_) => 33,
            Property::TopicAliasMaximum(_) => 34,
            Property::TopicAlias(_) => 35,
            Property::MaximumQos(_) => 36,
            Property::RetainAvailable(_) => 37,
            Property::UserProperty(..) => 38,
            Property::MaximumPacketSize(_) => 39,
            Property::WildcardSubscriptionAvailable(_) => 40,
            Property::SubscriptionIdentifierAvailable(_) => 41,
            Property::SharedSubscriptionAvailable(_) => 42,
        }
    }

    /// The property's name in lower case with hyphens, as command lines write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        rule(self.id()).map_or("", |rule| rule.name)
    }

    /// True if the property may stand in `place`.
    #[must_use]
    pub fn allowed_in(&self, place: Place) -> bool {
        rule(self.id()).is_some_and(|rule| rule.places & place.bit() != 0)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let start = *reader;
        let id = reader.u8()?;
        Ok(match id {
            1 => Property::PayloadFormatIndicator(reader.u8()?),
            2 => Property::MessageExpiryInterval(reader.u32()?),
            // [MQTT-3.3.2-19]
            3 => Property::ContentType(reader.string()?),
            // [MQTT-3.3.2-13]
            8 => Property::ResponseTopic(reader.string()?),
            9 => Property::CorrelationData(reader.binary()?),
            11 => Property::SubscriptionIdentifier(reader.varint()?),
            17 => Property::SessionExpiryInterval(reader.u32()?),
            18 => Property::AssignedClientIdentifier(reader.string()?),
            19 => Property::ServerKeepAlive(reader.u16()?),
            21 => Property::AuthenticationMethod(reader.string()?),
            22 => Property::AuthenticationData(reader.binary()?),
            23 => Property::RequestProblemInformation(reader.u8()?),
            24 => Property::WillDelayInterval(reader.u32()?),
            25 => Property::RequestResponseInformation(reader.u8()?),
            26 => Property::ResponseInformation(reader.string()?),
            28 => Property::ServerReference(reader.string()?),
            31 => Property::ReasonString(reader.string()?),
            33 => Property::ReceiveMaximum(reader.u16()?),
            34 => Property::TopicAliasMaximum(reader.u16()?),
            35 => Property::TopicAlias(reader.u16()?),
            36 => Property::MaximumQos(reader.u8()?),
            37 => Property::RetainAvailable(reader.u8()?),
            // [MQTT-1.5.7-1]
            38 => Property::UserProperty(reader.string()?, reader.string()?),
            39 => Property::MaximumPacketSize(reader.u32()?),
            40 => Property::WildcardSubscriptionAvailable(reader.u8()?),
            41 => Property::SubscriptionIdentifierAvailable(reader.u8()?),
            42 => Property::SharedSubscriptionAvailable(reader.u8()?),
            _ => return Err(start.fail(Kind::PropertyUnknown)),
        })
    }

    /// True if the value is one that the property may have.
    fn value_is_legal(&self) -> bool {
        match *self {
            Property::PayloadFormatIndicator(n)
            | Property::RequestProblemInformation(n)
            | Property::RequestResponseInformation(n)
            | Property::MaximumQos(n)
            | Property::RetainAvailable(n)
            | Property::WildcardSubscriptionAvailable(n)
            | Property::SubscriptionIdentifierAvailable(n)
            | Property::SharedSubscriptionAvailable(n) => n <= 1,
            // [MQTT-3.3.2-8]
            Property::ReceiveMaximum(n) | Property::TopicAlias(n) => n != 0,
            Property::MaximumPacketSize(n) | Property::SubscriptionIdentifier(n) => n != 0,
            // [MQTT-3.3.2-14]
            Property::ResponseTopic(topic) => crate::topic::check_name(topic).is_ok(),
            _ => true,
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        out.push(self.id());
        match *self {
            Property::PayloadFormatIndicator(n)
            | Property::RequestProblemInformation(n)
            | Property::RequestResponseInformation(n)
            | Property::MaximumQos(n)
            | Property::RetainAvailable(n)
            | Property::WildcardSubscriptionAvailable(n)
            | Property::SubscriptionIdentifierAvailable(n)
            | Property::SharedSubscriptionAvailable(n) => out.push(n),
            Property::ServerKeepAlive(n)
            | Property::ReceiveMaximum(n)
            | Property::TopicAliasMaximum(n)
            | Property::TopicAlias(n) => out.extend_from_slice(&n.to_be_bytes()),
            Property::MessageExpiryInterval(n)
            | Property::SessionExpiryInterval(n)
            | Property::WillDelayInterval(n)
            | Property::MaximumPacketSize(n) => out.extend_from_slice(&n.to_be_bytes()),
            Property::SubscriptionIdentifier(n) if n > varint::MAX => return Err(TooLarge),
            Property::SubscriptionIdentifier(n) => varint::write(n as usize, out),
            Property::ContentType(s)
            | Property::ResponseTopic(s)
            | Property::AssignedClientIdentifier(s)
            | Property::AuthenticationMethod(s)
            | Property::ResponseInformation(s)
            | Property::ServerReference(s)
            | Property::ReasonString(s) => write::string(out, s)?,
            Property::CorrelationData(b) | Property::AuthenticationData(b) => write::binary(out, b)?,
            Property::UserProperty(key, value) => {
                write::string(out, key)?;
                write::string(out, value)?;
            }
        }
        Ok(())
    }
}

fn rule(id: u8) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// A block of properties in wire form, without its length: validated, in the sender's order.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Properties<'a> {
    block: &'a [u8],
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Properties<'static> = Properties { block: &[] };

    /// Reads a length-prefixed block that stands in `place`.
    pub(crate) fn read(reader: &mut Reader<'a>, place: Place) -> Result<Self, Malformed> {
        let at = *reader;
        let len = reader.varint()?;
        let block = reader.take(len as usize).map_err(|_| at.fail(Kind::PropertyLength))?;
        Self::check(block, place)
    }

    /// Checks a block without its length, as it may stand in `place`.
    ///
    /// # Errors
    /// The first rule that the block breaks, with an offset into the block.
    pub fn check(block: &'a [u8], place: Place) -> Result<Self, Malformed> {
        let mut reader = Reader::new(block);
        let mut seen = 0u64;
        while !reader.is_empty() {
            let at = reader;
            let property = Property::read(&mut reader)?;
            if !property.allowed_in(place) && !planted!(MisplacedProperty) {
                return Err(at.fail(Kind::PropertyMisplaced));
            }
            if !property.value_is_legal() {
                return Err(at.fail(Kind::PropertyValue));
            }
            let bit = 1u64 << property.id();
            if seen & bit != 0 && !may_repeat(&property, place) && !planted!(PropertyTwice) {
                return Err(at.fail(Kind::PropertyTwice));
            }
            seen |= bit;
        }
        // Authentication data means nothing without a method.
        if seen & (1 << 22) != 0 && seen & (1 << 21) == 0 {
            return Err(Malformed::new(Kind::PropertyValue, 0));
        }
        Ok(Properties { block })
    }

    /// The block's bytes, without its length.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.block
    }

    /// True if there is no property.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.block.is_empty()
    }

    /// The properties in the sender's order.
    #[must_use]
    pub fn iter(self) -> Iter<'a> {
        Iter { reader: Reader::new(self.block) }
    }

    /// The first value that `pick` takes.
    pub fn find<T>(self, pick: impl FnMut(Property<'a>) -> Option<T>) -> Option<T> {
        if self.is_empty() { None } else { self.iter().find_map(pick) }
    }

    /// Appends the block with its length in front. [MQTT-2.2.2-1]
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        varint::write(self.block.len(), out);
        out.extend_from_slice(self.block);
    }
}

/// User properties may repeat anywhere; a PUBLISH names every subscription that it matched. [MQTT-3.3.4-4]
fn may_repeat(property: &Property<'_>, place: Place) -> bool {
    match property {
        Property::UserProperty(..) => true,
        Property::SubscriptionIdentifier(_) => place == Place::Packet(PacketType::Publish),
        _ => false,
    }
}

impl core::fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over the properties of a block.
#[derive(Clone)]
pub struct Iter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        if self.reader.is_empty() {
            return None;
        }
        // The block was checked when it was made, so this does not fail.
        Property::read(&mut self.reader).ok()
    }
}

/// An owned block of properties, built one by one or copied from a [`Properties`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertiesBuf {
    block: Vec<u8>,
}

impl PropertiesBuf {
    /// No properties.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a property.
    ///
    /// # Errors
    /// [`TooLarge`] if a string or binary value has more than 65,535 bytes; nothing is appended then.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), TooLarge> {
        let start = self.block.len();
        property.write(&mut self.block).inspect_err(|_| self.block.truncate(start))
    }

    /// The block as packets take it. The caller answers for the properties being legal where it uses them.
    #[must_use]
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { block: &self.block }
    }

    /// True if there is no property.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Removes all properties, keeping the memory.
    pub fn clear(&mut self) {
        self.block.clear();
    }
}

impl From<Properties<'_>> for PropertiesBuf {
    fn from(properties: Properties<'_>) -> Self {
        PropertiesBuf { block: properties.block.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISH: Place = Place::Packet(PacketType::Publish);

    fn kind(block: &[u8], place: Place) -> Option<Kind> {
        Properties::check(block, place).err().map(|error| error.kind)
    }

    #[test]
    fn order_and_repeats_survive() {
        let mut buf = PropertiesBuf::new();
        let sent = [
            Property::UserProperty("k", "1"),
            Property::ContentType("text/plain"),
            Property::UserProperty("k", "2"),
            Property::SubscriptionIdentifier(varint::MAX),
        ];
        for property in sent {
            buf.push(property).expect("small");
        }
        let checked = Properties::check(buf.as_properties().as_bytes(), PUBLISH).expect("legal");
        assert!(checked.iter().eq(sent));
    }

    #[test]
    fn rules_are_held() {
        assert_eq!(kind(&[1, 0, 1, 0], PUBLISH), Some(Kind::PropertyTwice));
        assert_eq!(kind(&[1, 2], PUBLISH), Some(Kind::PropertyValue));
        assert_eq!(kind(&[35, 0, 0], PUBLISH), Some(Kind::PropertyValue));
        assert_eq!(kind(&[0x7f], PUBLISH), Some(Kind::PropertyUnknown));
        assert_eq!(kind(&[0x80, 1], PUBLISH), Some(Kind::PropertyUnknown));
        assert_eq!(kind(&[17, 0, 0, 0, 1], PUBLISH), Some(Kind::PropertyMisplaced));
        assert_eq!(kind(&[8, 0, 1, b'#'], PUBLISH), Some(Kind::PropertyValue));
        assert_eq!(kind(&[3, 0, 9, b'a'], PUBLISH), Some(Kind::Truncated));
        assert_eq!(kind(&[22, 0, 0], Place::Packet(PacketType::Connect)), Some(Kind::PropertyValue));
    }

    #[test]
    fn every_id_is_in_the_table_once() {
        let ids: Vec<u8> = RULES.iter().map(|rule| rule.id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ids.len(), 27);
    }
}
