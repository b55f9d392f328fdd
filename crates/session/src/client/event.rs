//! What the machine tells the application. Before it: `receive`, `keepalive`.

use super::error::Violation;
use alloc::string::String;
use alloc::vec::Vec;
use pondhawk_codec::{PacketId, PacketType, PropertiesBuf, Qos, ReasonCode};

/// Something that the application should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server said yes.
    Connected(Connected),
    /// A message arrived. One of QoS 2 comes when the server has released it, so that it comes once.
    Message(Message),
    /// A message left our hands: QoS 0 is in the output, or the server has answered for it.
    Published {
        /// What `publish` returned.
        id: PacketId,
        /// The server's answer; success before MQTT 5.0.
        code: ReasonCode,
        /// The properties of the answer.
        properties: PropertiesBuf,
    },
    /// SUBACK.
    Subscribed {
        /// What `subscribe` returned.
        id: PacketId,
        /// One code a filter.
        codes: Vec<ReasonCode>,
        /// The properties of SUBACK.
        properties: PropertiesBuf,
    },
    /// UNSUBACK.
    Unsubscribed {
        /// What `unsubscribe` returned.
        id: PacketId,
        /// One code a filter; none before MQTT 5.0.
        codes: Vec<ReasonCode>,
        /// The properties of UNSUBACK.
        properties: PropertiesBuf,
    },
    /// The server wants authentication data (code "continue": answer with `authenticate`), or has accepted a
    /// re-authentication (code "success").
    Auth {
        /// What the server says.
        code: ReasonCode,
        /// Method and data among them.
        properties: PropertiesBuf,
    },
    /// The connection is over. The last event of a connection.
    Disconnected(Cause),
    /// A packet was sent or received; only with [`Options::trace`](super::Options::trace).
    Trace(Trace),
}

/// What CONNACK said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Whether the server had state for the client.
    pub session_present: bool,
    /// The properties of CONNACK.
    pub properties: PropertiesBuf,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic name, an alias resolved.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The QoS.
    pub qos: Qos,
    /// The retain flag.
    pub retain: bool,
    /// The server sent it before.
    pub dup: bool,
    /// The packet identifier, for QoS 1 and 2.
    pub id: Option<PacketId>,
    /// Its properties.
    pub properties: PropertiesBuf,
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `disconnect` was called.
    Requested,
    /// CONNACK said no.
    Refused {
        /// The reason code; before MQTT 5.0 the return code 1 to 5.
        code: ReasonCode,
        /// The properties of CONNACK.
        properties: PropertiesBuf,
    },
    /// The server sent DISCONNECT.
    Server {
        /// Its reason.
        code: ReasonCode,
        /// The properties of DISCONNECT.
        properties: PropertiesBuf,
    },
    /// The transport was closed.
    Transport,
    /// CONNACK took too long.
    ConnectTimeout,
    /// The server did not answer a PINGREQ.
    KeepAliveTimeout,
    /// The server broke a rule.
    Violation(Violation),
}

/// A packet that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It is in the output.
    Sent(TracedPacket),
    /// It arrived.
    Received(TracedPacket),
}

/// What a log says of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TracedPacket {
    /// PUBLISH.
    Publish {
        /// Sent before.
        dup: bool,
        /// The QoS.
        qos: Qos,
        /// The retain flag.
        retain: bool,
        /// The packet identifier; for an outgoing QoS 0 message the number that `publish` returned.
        id: Option<PacketId>,
        /// The topic, empty where an alias stands for it.
        topic: String,
        /// The payload's length in bytes.
        len: usize,
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack {
        /// Which of them.
        packet_type: PacketType,
        /// The packet identifier.
        id: PacketId,
        /// The reason code.
        code: ReasonCode,
    },
    /// SUBSCRIBE: each filter with its options byte.
    Subscribe {
        /// The packet identifier.
        id: PacketId,
        /// The filters with their options byte.
        filters: Vec<(String, u8)>,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// The packet identifier.
        id: PacketId,
        /// The filters.
        filters: Vec<String>,
    },
    /// CONNACK, DISCONNECT or AUTH.
    Coded {
        /// Which of them.
        packet_type: PacketType,
        /// The reason code.
        code: ReasonCode,
    },
    /// A packet of which there is nothing more to say.
    Plain(PacketType),
}
