//! An MQTT encoder for tests: every builder can also say what the standard forbids.
//!
//! Before it: nothing. After it: [`super::client`] sends the bytes.

/// A protocol version by its level byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u8);

/// MQTT 3.1 (`MQIsdp`).
pub const V3: Version = Version(3);
/// MQTT 3.1.1.
pub const V4: Version = Version(4);
/// MQTT 5.0.
pub const V5: Version = Version(5);

/// The remaining length in as few bytes as possible.
pub fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return out;
        }
    }
}

/// A two-byte length and the bytes: strings and binary data.
pub fn sized(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a string of at most 65535 bytes");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A whole packet: first byte, remaining length, body.
pub fn packet(first: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[first][..], &varint(body.len()), body].concat()
}

/// A property block with its length in front.
pub fn block(properties: &[Vec<u8>]) -> Vec<u8> {
    let all = properties.concat();
    [varint(all.len()), all].concat()
}

/// MQTT 5 properties, by the shape of their value.
pub mod prop {
    use super::{sized, varint};

    /// A one-byte property.
    pub fn byte(id: u8, value: u8) -> Vec<u8> {
        vec![id, value]
    }

    /// A two-byte property.
    pub fn two(id: u8, value: u16) -> Vec<u8> {
        [&[id][..], &value.to_be_bytes()].concat()
    }

    /// A four-byte property.
    pub fn four(id: u8, value: u32) -> Vec<u8> {
        [&[id][..], &value.to_be_bytes()].concat()
    }

    /// A variable-length integer property.
    pub fn var(id: u8, value: usize) -> Vec<u8> {
        [vec![id], varint(value)].concat()
    }

    /// A string or binary property.
    pub fn text(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
        [vec![id], sized(value)].concat()
    }

    /// A user property.
    pub fn user(key: &str, value: &str) -> Vec<u8> {
        [vec![0x26], sized(key), sized(value)].concat()
    }

    /// Payload Format Indicator.
    pub const PAYLOAD_FORMAT: u8 = 0x01;
    /// Message Expiry Interval.
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    /// Content Type.
    pub const CONTENT_TYPE: u8 = 0x03;
    /// Response Topic.
    pub const RESPONSE_TOPIC: u8 = 0x08;
    /// Correlation Data.
    pub const CORRELATION_DATA: u8 = 0x09;
    /// Subscription Identifier.
    pub const SUBSCRIPTION_ID: u8 = 0x0B;
    /// Session Expiry Interval.
    pub const SESSION_EXPIRY: u8 = 0x11;
    /// Will Delay Interval.
    pub const WILL_DELAY: u8 = 0x18;
    /// Receive Maximum.
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    /// Topic Alias Maximum.
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    /// Topic Alias.
    pub const TOPIC_ALIAS: u8 = 0x23;
    /// Maximum Packet Size.
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
}

/// A CONNECT packet under construction: clean, keep alive 60, no will, no credentials.
#[derive(Clone, Debug)]
pub struct Connect {
    version: Version,
    id: Vec<u8>,
    clean: bool,
    keepalive: u16,
    will: Option<Publish>,
    will_properties: Vec<Vec<u8>>,
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    properties: Vec<Vec<u8>>,
}

impl Connect {
    /// A clean connection of client `id`.
    pub fn new(version: Version, id: impl AsRef<[u8]>) -> Self {
        Self {
            version,
            id: id.as_ref().to_vec(),
            clean: true,
            keepalive: 60,
            will: None,
            will_properties: Vec::new(),
            user: None,
            password: None,
            properties: Vec::new(),
        }
    }

    /// The protocol version of this connection.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Clean session off: the broker resumes what it has.
    pub fn resume(mut self) -> Self {
        self.clean = false;
        self
    }

    /// Resume, and (for MQTT 5) keep the session for an hour: a durable client of any version.
    pub fn durable(self) -> Self {
        if self.version == V5 {
            self.resume().property(prop::four(prop::SESSION_EXPIRY, 3600))
        } else {
            self.resume()
        }
    }

    /// Keep alive in seconds.
    pub fn keepalive(mut self, seconds: u16) -> Self {
        self.keepalive = seconds;
        self
    }

    /// A will, given as the PUBLISH it turns into.
    pub fn will(mut self, will: Publish) -> Self {
        self.will = Some(will);
        self
    }

    /// One property of the will (MQTT 5).
    pub fn will_property(mut self, property: Vec<u8>) -> Self {
        self.will_properties.push(property);
        self
    }

    /// A user name without a password.
    pub fn user(mut self, name: impl AsRef<[u8]>) -> Self {
        self.user = Some(name.as_ref().to_vec());
        self
    }

    /// A password.
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.password = Some(password.as_ref().to_vec());
        self
    }

    /// User name and password.
    pub fn login(self, name: &str, password: &str) -> Self {
        self.user(name).password(password)
    }

    /// One property (MQTT 5).
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }

    fn flags(&self) -> u8 {
        let mut flags = u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | (will.qos << 3) | (u8::from(will.retain) << 5);
        }
        flags | (u8::from(self.password.is_some()) << 6) | (u8::from(self.user.is_some()) << 7)
    }

    /// The packet's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let name: &str = if self.version == V3 { "MQIsdp" } else { "MQTT" };
        let mut body = [sized(name), vec![self.version.0, self.flags()]].concat();
        body.extend(self.keepalive.to_be_bytes());
        if self.version == V5 {
            body.extend(block(&self.properties));
        }
        body.extend(sized(&self.id));
        if let Some(will) = &self.will {
            if self.version == V5 {
                body.extend(block(&self.will_properties));
            }
            body.extend(sized(&will.topic));
            body.extend(sized(&will.payload));
        }
        for field in [&self.user, &self.password].into_iter().flatten() {
            body.extend(sized(field));
        }
        packet(0x10, body)
    }
}

/// A PUBLISH packet under construction.
#[derive(Clone, Debug)]
pub struct Publish {
    version: Version,
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    dup: bool,
    mid: u16,
    properties: Vec<Vec<u8>>,
}

impl Publish {
    /// A QoS 0 message.
    pub fn new(version: Version, topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        Self {
            version,
            topic: topic.as_ref().to_vec(),
            payload: payload.as_ref().to_vec(),
            qos: 0,
            retain: false,
            dup: false,
            mid: 0,
            properties: Vec::new(),
        }
    }

    /// QoS and packet identifier.
    pub fn qos(mut self, qos: u8, mid: u16) -> Self {
        (self.qos, self.mid) = (qos, mid);
        self
    }

    /// Sets RETAIN.
    pub fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Sets DUP.
    pub fn dup(mut self) -> Self {
        self.dup = true;
        self
    }

    /// One property (MQTT 5).
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }

    /// The packet's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let first = 0x30 | (u8::from(self.dup) << 3) | (self.qos << 1) | u8::from(self.retain);
        let mut body = sized(&self.topic);
        if self.qos > 0 {
            body.extend(self.mid.to_be_bytes());
        }
        if self.version == V5 {
            body.extend(block(&self.properties));
        }
        body.extend(&self.payload);
        packet(first, body)
    }
}

/// A SUBSCRIBE packet under construction.
#[derive(Clone, Debug)]
pub struct Subscribe {
    version: Version,
    mid: u16,
    filters: Vec<(Vec<u8>, u8)>,
    properties: Vec<Vec<u8>>,
}

impl Subscribe {
    /// One filter with its options byte (the QoS, and in MQTT 5 the other options).
    pub fn new(version: Version, mid: u16, filter: impl AsRef<[u8]>, options: u8) -> Self {
        Self { version, mid, filters: Vec::new(), properties: Vec::new() }.filter(filter, options)
    }

    /// Another filter.
    pub fn filter(mut self, filter: impl AsRef<[u8]>, options: u8) -> Self {
        self.filters.push((filter.as_ref().to_vec(), options));
        self
    }

    /// One property (MQTT 5).
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.push(property);
        self
    }

    /// The packet's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut body = self.mid.to_be_bytes().to_vec();
        if self.version == V5 {
            body.extend(block(&self.properties));
        }
        for (filter, options) in &self.filters {
            body.extend(sized(filter));
            body.push(*options);
        }
        packet(0x82, body)
    }
}

/// UNSUBSCRIBE of some filters.
pub fn unsubscribe(version: Version, mid: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = mid.to_be_bytes().to_vec();
    if version == V5 {
        body.push(0);
    }
    filters.iter().for_each(|filter| body.extend(sized(filter)));
    packet(0xA2, body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP in the two-byte form, by its first byte.
pub fn ack(first: u8, mid: u16) -> Vec<u8> {
    packet(first, mid.to_be_bytes())
}

/// First byte of PUBACK.
pub const PUBACK: u8 = 0x40;
/// First byte of PUBREC.
pub const PUBREC: u8 = 0x50;
/// First byte of PUBREL.
pub const PUBREL: u8 = 0x62;
/// First byte of PUBCOMP.
pub const PUBCOMP: u8 = 0x70;

/// PINGREQ.
pub const PINGREQ: [u8; 2] = [0xC0, 0];
/// PINGRESP.
pub const PINGRESP: [u8; 2] = [0xD0, 0];
/// DISCONNECT without a reason (normal).
pub const DISCONNECT: [u8; 2] = [0xE0, 0];
