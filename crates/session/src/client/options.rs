//! What a client wants of its connections, and the messages that it sends. After it: `connect`, `send`.

use alloc::string::String;
use alloc::vec::Vec;
use pondhawk_codec::{Properties, PropertiesBuf, Property, Qos, REMAINING_LENGTH_MAX, Version};

/// What a client says in CONNECT, and its own limits.
#[derive(Clone, Debug)]
pub struct Options {
    /// The protocol version.
    pub version: Version,
    /// The client identifier; empty asks the server for one, which needs `clean_start` before MQTT 5.0.
    pub client_id: String,
    /// Clean Start, which was Clean Session before MQTT 5.0.
    pub clean_start: bool,
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// The user name.
    pub username: Option<String>,
    /// The password; before MQTT 5.0 it needs a user name.
    pub password: Option<Vec<u8>>,
    /// The will.
    pub will: Option<WillMessage>,
    /// The properties of CONNECT. Receive Maximum, Maximum Packet Size and Topic Alias Maximum among them
    /// are held against the server.
    pub properties: PropertiesBuf,
    /// How many messages of QoS 1 and 2 may be unanswered at a time; the server may allow fewer.
    pub inflight_max: u16,
    /// How many bytes of messages of QoS 1 and 2 are kept, waiting or unanswered; a message that is alone may
    /// be larger.
    pub queue_bytes_max: usize,
    /// How many topic aliases to use of those that the server allows.
    pub topic_aliases_max: u16,
    /// How long CONNACK may take, in milliseconds; 0 is for ever.
    pub connect_timeout_ms: u64,
    /// Who acknowledges messages.
    pub ack: AckMode,
    /// Whether there is an [`Event::Trace`](super::Event::Trace) for every packet.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            version: Version::V5,
            client_id: String::new(),
            clean_start: true,
            keep_alive: 60,
            username: None,
            password: None,
            will: None,
            properties: PropertiesBuf::new(),
            inflight_max: 20,
            queue_bytes_max: 64 << 20,
            topic_aliases_max: 0,
            connect_timeout_ms: 30_000,
            ack: AckMode::Automatic,
            trace: false,
        }
    }
}

impl Options {
    fn property<T>(&self, pick: impl FnMut(Property<'_>) -> Option<T>) -> Option<T> {
        if !self.version.has_properties() {
            return None;
        }
        self.properties.as_properties().find(pick)
    }

    /// How many unanswered messages we let the server send.
    pub(super) fn receive_max(&self) -> usize {
        let told = self.property(|p| match p {
            Property::ReceiveMaximum(n) => Some(n),
            _ => None,
        });
        usize::from(told.unwrap_or(u16::MAX))
    }

    /// How large a packet we let the server send.
    pub(super) fn packet_size_max(&self) -> usize {
        let told = self.property(|p| match p {
            Property::MaximumPacketSize(n) => Some(n as usize),
            _ => None,
        });
        told.unwrap_or(REMAINING_LENGTH_MAX + 5)
    }

    /// How many aliases we let the server use.
    pub(super) fn incoming_aliases_max(&self) -> u16 {
        let told = self.property(|p| match p {
            Property::TopicAliasMaximum(n) => Some(n),
            _ => None,
        });
        told.unwrap_or(0)
    }

    /// The method of enhanced authentication, if the client asks for one.
    pub(super) fn authentication_method(&self) -> Option<String> {
        self.property(|p| match p {
            Property::AuthenticationMethod(method) => Some(String::from(method)),
            _ => None,
        })
    }
}

/// Who acknowledges messages of QoS 1 and 2 that arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckMode {
    /// The machine, when it hands the message over.
    #[default]
    Automatic,
    /// The application, through [`Client::acknowledge`](super::Client::acknowledge).
    Manual,
}

/// The will of a connection.
#[derive(Clone, Debug, Default)]
pub struct WillMessage {
    /// The topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The QoS.
    pub qos: Qos,
    /// Whether it is retained.
    pub retain: bool,
    /// Its properties, which only MQTT 5.0 sends.
    pub properties: PropertiesBuf,
}

/// A message that is to be published.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// The topic name; empty only if the properties hold an alias for it.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// The QoS.
    pub qos: Qos,
    /// The retain flag.
    pub retain: bool,
    /// Properties, which only MQTT 5.0 sends.
    pub properties: Properties<'a>,
}

impl<'a> NewMessage<'a> {
    /// A message of QoS 0 that is not retained.
    #[must_use]
    pub fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        NewMessage { topic, payload, qos: Qos::AtMostOnce, retain: false, properties: Properties::EMPTY }
    }

    /// The same with a QoS.
    #[must_use]
    pub fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }
}
