//! Reason codes of MQTT 5.0 and return codes of CONNACK before it.

use crate::frame::PacketType;

/// A reason code: below 0x80 success, from 0x80 on failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(pub u8);

macro_rules! reasons {
    ($($name:ident = $code:literal, $text:literal, [$($packet:ident)*];)*) => {
        $(#[doc = concat!("`", stringify!($code), "` ", $text, ".")]
        pub const $name: ReasonCode = ReasonCode($code);)*

        /// Every code of MQTT 5.0 with the packets that may carry it.
        const TABLE: &[(u8, &str, &[PacketType])] = &[$(($code, $text, &[$(PacketType::$packet),*])),*];
    };
}

reasons! {
    SUCCESS = 0x00, "Success", [Connack Puback Pubrec Pubrel Pubcomp Suback Unsuback Disconnect Auth];
    GRANTED_QOS1 = 0x01, "Granted QoS 1", [Suback];
    GRANTED_QOS2 = 0x02, "Granted QoS 2", [Suback];
    DISCONNECT_WITH_WILL = 0x04, "Disconnect with Will Message", [Disconnect];
    NO_MATCHING_SUBSCRIBERS = 0x10, "No matching subscribers", [Puback Pubrec];
    NO_SUBSCRIPTION_EXISTED = 0x11, "No subscription existed", [Unsuback];
    CONTINUE_AUTHENTICATION = 0x18, "Continue authentication", [Auth];
    REAUTHENTICATE = 0x19, "Re-authenticate", [Auth];
    UNSPECIFIED_ERROR = 0x80, "Unspecified error", [Connack Puback Pubrec Suback Unsuback Disconnect];
    MALFORMED_PACKET = 0x81, "Malformed Packet", [Connack Disconnect];
    PROTOCOL_ERROR = 0x82, "Protocol Error", [Connack Disconnect];
    IMPLEMENTATION_SPECIFIC = 0x83, "Implementation specific error", [Connack Puback Pubrec Suback Unsuback Disconnect];
    UNSUPPORTED_PROTOCOL_VERSION = 0x84, "Unsupported Protocol Version", [Connack];
    CLIENT_ID_NOT_VALID = 0x85, "Client Identifier not valid", [Connack];
    BAD_USERNAME_OR_PASSWORD = 0x86, "Bad User Name or Password", [Connack];
    NOT_AUTHORIZED = 0x87, "Not authorized", [Connack Puback Pubrec Suback Unsuback Disconnect];
    SERVER_UNAVAILABLE = 0x88, "Server unavailable", [Connack];
    SERVER_BUSY = 0x89, "Server busy", [Connack Disconnect];
    BANNED = 0x8a, "Banned", [Connack];
    SERVER_SHUTTING_DOWN = 0x8b, "Server shutting down", [Disconnect];
    BAD_AUTHENTICATION_METHOD = 0x8c, "Bad authentication method", [Connack Disconnect];
    KEEP_ALIVE_TIMEOUT = 0x8d, "Keep Alive timeout", [Disconnect];
    SESSION_TAKEN_OVER = 0x8e, "Session taken over", [Disconnect];
    TOPIC_FILTER_INVALID = 0x8f, "Topic Filter invalid", [Suback Unsuback Disconnect];
    TOPIC_NAME_INVALID = 0x90, "Topic Name invalid", [Connack Puback Pubrec Disconnect];
    PACKET_ID_IN_USE = 0x91, "Packet Identifier in use", [Puback Pubrec Suback Unsuback];
    PACKET_ID_NOT_FOUND = 0x92, "Packet Identifier not found", [Pubrel Pubcomp];
    RECEIVE_MAXIMUM_EXCEEDED = 0x93, "Receive Maximum exceeded", [Disconnect];
    TOPIC_ALIAS_INVALID = 0x94, "Topic Alias invalid", [Disconnect];
    PACKET_TOO_LARGE = 0x95, "Packet too large", [Connack Disconnect];
    MESSAGE_RATE_TOO_HIGH = 0x96, "Message rate too high", [Disconnect];
    QUOTA_EXCEEDED = 0x97, "Quota exceeded", [Connack Puback Pubrec Suback Disconnect];
    ADMINISTRATIVE_ACTION = 0x98, "Administrative action", [Disconnect];
    PAYLOAD_FORMAT_INVALID = 0x99, "Payload format invalid", [Connack Puback Pubrec Disconnect];
    RETAIN_NOT_SUPPORTED = 0x9a, "Retain not supported", [Connack Disconnect];
    QOS_NOT_SUPPORTED = 0x9b, "QoS not supported", [Connack Disconnect];
    USE_ANOTHER_SERVER = 0x9c, "Use another server", [Connack Disconnect];
    SERVER_MOVED = 0x9d, "Server moved", [Connack Disconnect];
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9e, "Shared Subscriptions not supported", [Suback Disconnect];
    CONNECTION_RATE_EXCEEDED = 0x9f, "Connection rate exceeded", [Connack Disconnect];
    MAXIMUM_CONNECT_TIME = 0xa0, "Maximum connect time", [Disconnect];
    SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xa1, "Subscription Identifiers not supported", [Suback Disconnect];
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xa2, "Wildcard Subscriptions not supported", [Suback Disconnect];
}

/// SUBACK failure before MQTT 5.0. [MQTT3-3.9.3-2]
pub const SUBACK_FAILURE: ReasonCode = UNSPECIFIED_ERROR;

impl ReasonCode {
    /// True from 0x80 on.
    #[must_use]
    pub fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// True if MQTT 5.0 lets `packet_type` carry this code. [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1]
    /// [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2] [MQTT-3.14.2-1] [MQTT-3.15.2-1]
    #[must_use]
    pub fn allowed_in(self, packet_type: PacketType) -> bool {
        TABLE.iter().any(|(code, _, packets)| *code == self.0 && packets.contains(&packet_type))
    }

    /// The name that the standard gives it, if it defines it.
    #[must_use]
    pub fn text(self) -> Option<&'static str> {
        TABLE.iter().find(|(code, _, _)| *code == self.0).map(|(_, text, _)| *text)
    }

    /// The CONNACK return code of MQTT 3.1 and 3.1.1 that comes nearest.
    #[must_use]
    pub fn to_connack_v3(self) -> u8 {
        match self {
            SUCCESS => 0,
            UNSUPPORTED_PROTOCOL_VERSION => 1,
            CLIENT_ID_NOT_VALID => 2,
            BAD_USERNAME_OR_PASSWORD => 4,
            NOT_AUTHORIZED | BANNED | BAD_AUTHENTICATION_METHOD => 5,
            _ => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_belong_to_packets() {
        assert!(NO_MATCHING_SUBSCRIBERS.allowed_in(PacketType::Puback));
        assert!(!NO_MATCHING_SUBSCRIBERS.allowed_in(PacketType::Pubcomp));
        assert!(!ReasonCode(0x03).allowed_in(PacketType::Disconnect));
        assert_eq!(NOT_AUTHORIZED.text(), Some("Not authorized"));
        assert_eq!(ReasonCode(0x7f).text(), None);
    }
}
