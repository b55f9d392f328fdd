//! What can be wrong with bytes ([`Malformed`]) and with values that do not fit a packet ([`TooLarge`]).

use crate::reason::{self, ReasonCode};
use core::fmt;

/// The bytes are not MQTT: which rule they break and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The rule that is broken.
    pub kind: Kind,
    /// Byte offset in the frame's body at which it was noticed.
    pub offset: usize,
}

/// The rules that bytes can break; one variant a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The remaining length has a fifth byte.
    RemainingLength,
    /// A variable byte integer is longer than it needs to be. [MQTT-1.5.5-1]
    VarintNotMinimal,
    /// The frame is larger than the limit in force.
    FrameTooLarge,
    /// Packet type 0, or a type that this protocol version does not have.
    PacketType,
    /// The flags of the fixed header are not those of the packet type. [MQTT-2.1.3-1] [MQTT3-2.2.2-2]
    HeaderFlags,
    /// The packet ends inside a field.
    Truncated,
    /// Bytes are left over behind the last field.
    TrailingBytes,
    /// A string is not UTF-8, or holds a character that MQTT forbids. [MQTT-1.5.4-1] [MQTT3-1.5.3-1]
    Utf8,
    /// QoS 3. [MQTT-3.3.1-4] [MQTT3-3.3.1-4]
    Qos,
    /// DUP set on a QoS 0 message. [MQTT-3.3.1-2] [MQTT3-3.3.1-2]
    DupAtQos0,
    /// Packet identifier 0. [MQTT3-2.3.1-1]
    PacketIdZero,
    /// An empty topic name where one is needed. [MQTT-4.7.3-1] [MQTT3-4.7.3-1]
    TopicEmpty,
    /// A topic name with a wildcard. [MQTT-3.3.2-2] [MQTT3-3.3.2-2]
    TopicWildcard,
    /// A topic filter that breaks the wildcard or `$share` rules. [MQTT-4.7.1-1] [MQTT3-4.7.1-2]
    TopicFilter,
    /// SUBSCRIBE or UNSUBSCRIBE without a topic filter. [MQTT-3.8.3-2] [MQTT3-3.8.3-3]
    NoFilters,
    /// Reserved bits or an impossible value in the subscription options. [MQTT-3.8.3-5] [MQTT3-3.8.3-4]
    SubscribeOptions,
    /// No Local on a shared subscription. [MQTT-3.8.3-4]
    NoLocalShared,
    /// The connect flags contradict each other or set the reserved bit. [MQTT-3.1.2-3] [MQTT3-3.1.2-3]
    ConnectFlags,
    /// Reserved bits in the connect acknowledge flags. [MQTT-3.2.2-1]
    ConnackFlags,
    /// A return or reason code that the packet may not carry.
    ReasonCode,
    /// The property block's length does not fit the packet.
    PropertyLength,
    /// A property identifier that MQTT 5.0 does not define.
    PropertyUnknown,
    /// A property that this packet may not carry.
    PropertyMisplaced,
    /// A property twice that may appear once.
    PropertyTwice,
    /// A property with a value that it may not have.
    PropertyValue,
}

impl Kind {
    /// The MQTT 5.0 reason code that says what is wrong.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Kind::FrameTooLarge => reason::PACKET_TOO_LARGE,
            Kind::TopicWildcard => reason::TOPIC_NAME_INVALID,
            Kind::NoFilters
            | Kind::NoLocalShared
            | Kind::ReasonCode
            | Kind::PacketIdZero
            | Kind::TopicEmpty
            | Kind::PropertyMisplaced
            | Kind::PropertyTwice
            | Kind::PropertyValue => reason::PROTOCOL_ERROR,
            Kind::RemainingLength
            | Kind::VarintNotMinimal
            | Kind::PacketType
            | Kind::HeaderFlags
            | Kind::Truncated
            | Kind::TrailingBytes
            | Kind::Utf8
            | Kind::Qos
            | Kind::DupAtQos0
            | Kind::TopicFilter
            | Kind::SubscribeOptions
            | Kind::ConnectFlags
            | Kind::ConnackFlags
            | Kind::PropertyLength
            | Kind::PropertyUnknown => reason::MALFORMED_PACKET,
        }
    }

    /// A sentence part for a log line.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Kind::RemainingLength => "remaining length of more than four bytes",
            Kind::VarintNotMinimal => "variable byte integer not in its shortest form",
            Kind::FrameTooLarge => "packet larger than the limit",
            Kind::PacketType => "packet type that this protocol version does not have",
            Kind::HeaderFlags => "wrong flags in the fixed header",
            Kind::Truncated => "packet ends inside a field",
            Kind::TrailingBytes => "bytes behind the last field",
            Kind::Utf8 => "string is not valid MQTT UTF-8",
            Kind::Qos => "QoS 3",
            Kind::DupAtQos0 => "DUP flag on a QoS 0 message",
            Kind::PacketIdZero => "packet identifier 0",
            Kind::TopicEmpty => "empty topic",
            Kind::TopicWildcard => "wildcard in a topic name",
            Kind::TopicFilter => "invalid topic filter",
            Kind::NoFilters => "no topic filter",
            Kind::SubscribeOptions => "invalid subscription options",
            Kind::NoLocalShared => "No Local on a shared subscription",
            Kind::ConnectFlags => "invalid connect flags",
            Kind::ConnackFlags => "invalid connect acknowledge flags",
            Kind::ReasonCode => "reason code that the packet may not carry",
            Kind::PropertyLength => "property length does not fit the packet",
            Kind::PropertyUnknown => "unknown property",
            Kind::PropertyMisplaced => "property that the packet may not carry",
            Kind::PropertyTwice => "property given twice",
            Kind::PropertyValue => "property with an invalid value",
        }
    }
}

impl Malformed {
    pub(crate) fn new(kind: Kind, offset: usize) -> Self {
        Malformed { kind, offset }
    }

    /// The MQTT 5.0 reason code that says what is wrong.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        self.kind.reason()
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind.text(), self.offset)
    }
}

impl core::error::Error for Malformed {}

/// A value that no MQTT packet can carry: a string or binary field over 65,535 bytes, or a packet over
/// [`REMAINING_LENGTH_MAX`](crate::REMAINING_LENGTH_MAX).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("value too large for an MQTT packet")
    }
}

impl core::error::Error for TooLarge {}
