//! Who is to blame: the server ([`Violation`]) or the caller ([`Refused`]).

use core::fmt;
use pondhawk_codec::{Kind, Malformed, PacketId, PacketType, ReasonCode, TooLarge, reason};

/// A rule that the server broke; one variant a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The bytes are not MQTT.
    Malformed(Malformed),
    /// The first packet was not CONNACK. [MQTT-3.2.0-1]
    ConnackExpected(PacketType),
    /// A second CONNACK. [MQTT-3.2.0-2]
    ConnackTwice,
    /// A packet that only clients send, or that this version does not have.
    NotFromServer(PacketType),
    /// Session Present though Clean Start was set. [MQTT-3.2.2-4]
    SessionPresentCleanStart,
    /// Session Present in a CONNACK that refuses. [MQTT-3.2.2-6]
    SessionPresentRefused,
    /// An acknowledgement of a kind that the packet with this identifier does not get.
    AckMismatch(PacketType, PacketId),
    /// A SUBACK or UNSUBACK that nothing asked for. [MQTT-3.8.4-2]
    AckUnasked(PacketType, PacketId),
    /// A SUBACK or UNSUBACK without one code a filter. [MQTT-3.8.4-6]
    AckCodes {
        /// The packet identifier.
        id: PacketId,
        /// How many filters the request had.
        filters: usize,
        /// How many codes the answer has.
        codes: usize,
    },
    /// More unanswered messages than our Receive Maximum. [MQTT-3.3.4-9]
    ReceiveMaximumExceeded,
    /// A topic alias over our maximum. [MQTT-3.1.2-26]
    TopicAliasTooHigh(u16),
    /// A topic alias that no topic was given.
    TopicAliasUnknown(u16),
    /// Neither topic nor alias. [MQTT-4.7.3-1]
    TopicMissing,
    /// AUTH though no method was asked for. [MQTT-4.12.0-6]
    AuthUnasked,
    /// AUTH with another method than was asked for. [MQTT-4.12.0-5]
    AuthMethodChanged,
}

impl Violation {
    /// The reason code that tells the server.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Violation::Malformed(malformed) => malformed.reason(),
            Violation::ReceiveMaximumExceeded => reason::RECEIVE_MAXIMUM_EXCEEDED,
            Violation::TopicAliasTooHigh(_) | Violation::TopicAliasUnknown(_) => reason::TOPIC_ALIAS_INVALID,
            Violation::AuthMethodChanged => reason::BAD_AUTHENTICATION_METHOD,
            Violation::ConnackExpected(_)
            | Violation::ConnackTwice
            | Violation::NotFromServer(_)
            | Violation::SessionPresentCleanStart
            | Violation::SessionPresentRefused
            | Violation::AckMismatch(..)
            | Violation::AckUnasked(..)
            | Violation::AckCodes { .. }
            | Violation::TopicMissing
            | Violation::AuthUnasked => reason::PROTOCOL_ERROR,
        }
    }

    /// True if a packet was larger than our Maximum Packet Size.
    #[must_use]
    pub fn is_oversize(self) -> bool {
        matches!(self, Violation::Malformed(malformed) if malformed.kind == Kind::FrameTooLarge)
    }
}

impl From<Malformed> for Violation {
    fn from(malformed: Malformed) -> Self {
        Violation::Malformed(malformed)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Malformed(malformed) => malformed.fmt(f),
            Violation::ConnackExpected(got) => write!(f, "{} before CONNACK", got.name()),
            Violation::ConnackTwice => f.write_str("a second CONNACK"),
            Violation::NotFromServer(got) => write!(f, "{} from a server", got.name()),
            Violation::SessionPresentCleanStart => f.write_str("session present after a clean start"),
            Violation::SessionPresentRefused => f.write_str("session present in a refusal"),
            Violation::AckMismatch(got, id) => write!(f, "{} does not fit packet {id}", got.name()),
            Violation::AckUnasked(got, id) => write!(f, "{} for packet {id}, which is not open", got.name()),
            Violation::AckCodes { id, filters, codes } => {
                write!(f, "{codes} codes for the {filters} filters of packet {id}")
            }
            Violation::ReceiveMaximumExceeded => f.write_str("more messages than our receive maximum"),
            Violation::TopicAliasTooHigh(alias) => write!(f, "topic alias {alias} over our maximum"),
            Violation::TopicAliasUnknown(alias) => write!(f, "topic alias {alias} was never set"),
            Violation::TopicMissing => f.write_str("PUBLISH with neither topic nor alias"),
            Violation::AuthUnasked => f.write_str("AUTH without an authentication method"),
            Violation::AuthMethodChanged => f.write_str("AUTH with another authentication method"),
        }
    }
}

impl core::error::Error for Violation {}

/// Why a command was not carried out. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is a connection already.
    AlreadyConnected,
    /// The command needs a connection.
    NotConnected,
    /// MQTT 5.0 has this, the connection's version does not.
    VersionTooOld,
    /// An empty client id needs a clean start.
    ClientIdEmpty,
    /// A password without a user name, before MQTT 5.0.
    PasswordWithoutUsername,
    /// The client id or the user name is not a string for MQTT.
    TextInvalid,
    /// The topic name is empty, has a wildcard, or is not a string for MQTT.
    TopicInvalid,
    /// A topic filter breaks the wildcard rules, or there is none.
    FilterInvalid,
    /// A property that the packet may not carry, or with a value that it may not have.
    PropertiesInvalid(Malformed),
    /// A topic alias over the server's maximum.
    TopicAliasInvalid,
    /// A field or packet that is larger than MQTT can say.
    TooLarge,
    /// A packet larger than the server takes.
    PacketTooLarge,
    /// A QoS higher than the server takes.
    QosNotSupported,
    /// The server does not retain.
    RetainNotSupported,
    /// The server has no wildcard, shared or numbered subscriptions, whichever was asked for.
    SubscriptionNotSupported,
    /// Too many messages wait already.
    QueueFull,
    /// No message with this identifier waits for an acknowledgement.
    NothingToAcknowledge,
    /// A message that came before this one waits for its acknowledgement.
    AcknowledgeInOrder,
    /// AUTH without the method of CONNECT, or with a code that is not the client's to send now.
    AuthenticationInvalid,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Refused::AlreadyConnected => "there is a connection already",
            Refused::NotConnected => "there is no connection",
            Refused::VersionTooOld => "the connection's MQTT version does not have this",
            Refused::ClientIdEmpty => "an empty client id needs a clean start",
            Refused::PasswordWithoutUsername => "a password needs a user name before MQTT 5.0",
            Refused::TextInvalid => "the client id or user name is not valid",
            Refused::TopicInvalid => "the topic name is not valid",
            Refused::FilterInvalid => "the topic filter is not valid",
            Refused::PropertiesInvalid(malformed) => return write!(f, "properties: {malformed}"),
            Refused::TopicAliasInvalid => "the topic alias is over the server's maximum",
            Refused::TooLarge => "a field is too large for MQTT",
            Refused::PacketTooLarge => "the packet is larger than the server takes",
            Refused::QosNotSupported => "the server does not take this QoS",
            Refused::RetainNotSupported => "the server does not retain messages",
            Refused::SubscriptionNotSupported => "the server does not have this kind of subscription",
            Refused::QueueFull => "too many messages wait already",
            Refused::NothingToAcknowledge => "no such message waits for an acknowledgement",
            Refused::AcknowledgeInOrder => "an earlier message is to be acknowledged first",
            Refused::AuthenticationInvalid => "the authentication does not fit the connection",
        };
        f.write_str(text)
    }
}

impl core::error::Error for Refused {}

impl From<TooLarge> for Refused {
    fn from(_: TooLarge) -> Self {
        Refused::TooLarge
    }
}
