//! The rules that a client can break, one variant each.

use core::fmt;
use pondhawk_codec::reason::{self, ReasonCode};
use pondhawk_codec::{Malformed, PacketType};

/// The peer broke a rule of the protocol: its connection ends with [`reason`](Violation::reason).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The bytes are not MQTT.
    Malformed(Malformed),
    /// A second CONNECT. [MQTT-3.1.0-2] [MQTT3-3.1.0-2]
    SecondConnect,
    /// A packet that only a server sends, or that does not belong here.
    UnexpectedPacket(PacketType),
    /// A subscription identifier in a PUBLISH. [MQTT-3.3.4-6]
    SubscriptionId,
    /// Topic alias above the maximum that was announced. [MQTT-3.3.2-9]
    AliasTooLarge,
    /// Neither a topic nor an alias that was set before.
    NoTopic,
    /// More QoS 2 messages under way than the receive maximum allows. [MQTT-3.3.4-7]
    ReceiveMaximum,
    /// An acknowledgement that does not fit the state of its message.
    WrongAck,
    /// DISCONNECT raises a session expiry interval of 0.
    ExpiryRaised,
    /// QoS above the announced maximum. [MQTT-3.2.2-11]
    QosNotSupported,
    /// A retained message where they are not available. [MQTT-3.2.2-14]
    RetainNotSupported,
    /// More user properties than the limit.
    TooManyUserProperties,
    /// More topic levels than the limit.
    TopicTooDeep,
    /// AUTH without or with another method than CONNECT's. [MQTT-4.12.0-7]
    AuthMethod,
    /// More bytes held for unfinished QoS 2 messages than the limit.
    InboxFull,
}

impl Violation {
    /// The reason code that DISCONNECT carries in MQTT 5.0.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Violation::Malformed(malformed) => malformed.reason(),
            Violation::SecondConnect
            | Violation::UnexpectedPacket(_)
            | Violation::SubscriptionId
            | Violation::NoTopic
            | Violation::WrongAck
            | Violation::ExpiryRaised
            | Violation::AuthMethod => reason::PROTOCOL_ERROR,
            Violation::AliasTooLarge => reason::TOPIC_ALIAS_INVALID,
            Violation::ReceiveMaximum => reason::RECEIVE_MAXIMUM_EXCEEDED,
            Violation::QosNotSupported => reason::QOS_NOT_SUPPORTED,
            Violation::RetainNotSupported => reason::RETAIN_NOT_SUPPORTED,
            Violation::TooManyUserProperties | Violation::InboxFull => reason::QUOTA_EXCEEDED,
            Violation::TopicTooDeep => reason::MALFORMED_PACKET,
        }
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
            Violation::Malformed(malformed) => write!(f, "malformed packet: {malformed}"),
            Violation::SecondConnect => f.write_str("second CONNECT"),
            Violation::UnexpectedPacket(packet_type) => write!(f, "unexpected {}", packet_type.name()),
            Violation::SubscriptionId => f.write_str("subscription identifier in a client's PUBLISH"),
            Violation::AliasTooLarge => f.write_str("topic alias above the maximum"),
            Violation::NoTopic => f.write_str("PUBLISH with neither a topic nor a known alias"),
            Violation::ReceiveMaximum => f.write_str("receive maximum exceeded"),
            Violation::WrongAck => f.write_str("acknowledgement does not fit the message"),
            Violation::ExpiryRaised => f.write_str("DISCONNECT raises the session expiry from 0"),
            Violation::QosNotSupported => f.write_str("QoS above the listener's maximum"),
            Violation::RetainNotSupported => f.write_str("retained messages are not available"),
            Violation::TooManyUserProperties => f.write_str("too many user properties"),
            Violation::TopicTooDeep => f.write_str("too many topic levels"),
            Violation::AuthMethod => f.write_str("AUTH does not fit the authentication method of CONNECT"),
            Violation::InboxFull => f.write_str("too many bytes in unfinished QoS 2 messages"),
        }
    }
}

impl core::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_violation_has_its_code() {
        let codes = [
            (Violation::SecondConnect, 0x82),
            (Violation::WrongAck, 0x82),
            (Violation::TopicTooDeep, 0x81),
            (Violation::ReceiveMaximum, 0x93),
            (Violation::AliasTooLarge, 0x94),
            (Violation::InboxFull, 0x97),
            (Violation::RetainNotSupported, 0x9a),
            (Violation::QosNotSupported, 0x9b),
        ];
        for (violation, code) in codes {
            assert_eq!(violation.reason().0, code, "{violation}");
        }
    }
}
