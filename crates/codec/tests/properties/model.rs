//! A packet that owns what it says, to be made at random, encoded, and compared with what was decoded.

use crate::standard::{letter, varint};
use pondhawk_codec::packet::{
    Ack, Auth, Connack, Connect, Disconnect, FilterList, Publish, Suback, Subscribe, SubscribeFilter,
    Unsuback, Unsubscribe, UnsubscribeList, Will,
};
use pondhawk_codec::property::Place;
use pondhawk_codec::{
    Packet, PacketId, PacketType, Properties, PropertiesBuf, Property, Qos, ReasonCode, Version,
};

/// A property's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Varint(u32),
    Text(String),
    Data(Vec<u8>),
    Pair(String, String),
}

/// A property: identifier and value.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedProperty {
    pub id: u8,
    pub value: Value,
}

fn lengthed(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(bytes.len()).expect("generated short");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
}

impl OwnedProperty {
    /// The property's bytes, written without the crate.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![self.id];
        match &self.value {
            Value::Byte(n) => out.push(*n),
            Value::Two(n) => out.extend(n.to_be_bytes()),
            Value::Four(n) => out.extend(n.to_be_bytes()),
            Value::Varint(n) => out.extend(varint(*n as usize)),
            Value::Text(s) => lengthed(s.as_bytes(), &mut out),
            Value::Data(b) => lengthed(b, &mut out),
            Value::Pair(k, v) => {
                lengthed(k.as_bytes(), &mut out);
                lengthed(v.as_bytes(), &mut out);
            }
        }
        out
    }

    /// The property as the crate names it.
    pub fn as_property(&self) -> Property<'_> {
        match (self.id, &self.value) {
            (1, Value::Byte(n)) => Property::PayloadFormatIndicator(*n),
            (2, Value::Four(n)) => Property::MessageExpiryInterval(*n),
            (3, Value::Text(s)) => Property::ContentType(s),
            (8, Value::Text(s)) => Property::ResponseTopic(s),
            (9, Value::Data(b)) => Property::CorrelationData(b),
            (11, Value::Varint(n)) => Property::SubscriptionIdentifier(*n),
            (17, Value::Four(n)) => Property::SessionExpiryInterval(*n),
            (18, Value::Text(s)) => Property::AssignedClientIdentifier(s),
            (19, Value::Two(n)) => Property::ServerKeepAlive(*n),
            (21, Value::Text(s)) => Property::AuthenticationMethod(s),
            (22, Value::Data(b)) => Property::AuthenticationData(b),
            (23, Value::Byte(n)) => Property::RequestProblemInformation(*n),
            (24, Value::Four(n)) => Property::WillDelayInterval(*n),
            (25, Value::Byte(n)) => Property::RequestResponseInformation(*n),
            (26, Value::Text(s)) => Property::ResponseInformation(s),
            (28, Value::Text(s)) => Property::ServerReference(s),
            (31, Value::Text(s)) => Property::ReasonString(s),
            (33, Value::Two(n)) => Property::ReceiveMaximum(*n),
            (34, Value::Two(n)) => Property::TopicAliasMaximum(*n),
            (35, Value::Two(n)) => Property::TopicAlias(*n),
            (36, Value::Byte(n)) => Property::MaximumQos(*n),
            (37, Value::Byte(n)) => Property::RetainAvailable(*n),
            (38, Value::Pair(k, v)) => Property::UserProperty(k, v),
            (39, Value::Four(n)) => Property::MaximumPacketSize(*n),
            (40, Value::Byte(n)) => Property::WildcardSubscriptionAvailable(*n),
            (41, Value::Byte(n)) => Property::SubscriptionIdentifierAvailable(*n),
            (42, Value::Byte(n)) => Property::SharedSubscriptionAvailable(*n),
            _ => panic!("no property {} has the value {:?}", self.id, self.value),
        }
    }
}

/// A property block by the crate's builder.
pub fn block(properties: &[OwnedProperty]) -> PropertiesBuf {
    let mut buf = PropertiesBuf::new();
    for property in properties {
        buf.push(property.as_property()).expect("generated short");
    }
    buf
}

/// The will of a [`Model::Connect`].
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedWill {
    pub properties: Vec<OwnedProperty>,
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: Qos,
    pub retain: bool,
}

/// The content of a packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    Connect {
        bridge: bool,
        clean_start: bool,
        keep_alive: u16,
        client_id: String,
        will: Option<OwnedWill>,
        username: Option<String>,
        password: Option<Vec<u8>>,
    },
    Connack {
        session_present: bool,
        code: u8,
    },
    Publish {
        dup: bool,
        qos: Qos,
        retain: bool,
        topic: String,
        payload: Vec<u8>,
    },
    Ack(PacketType, u8),
    Subscribe(Vec<(String, u8)>),
    Suback(Vec<u8>),
    Unsubscribe(Vec<String>),
    Unsuback(Vec<u8>),
    Pingreq,
    Pingresp,
    Disconnect(u8),
    Auth(u8),
}

/// A whole packet.
#[derive(Clone, Debug)]
pub struct Sample {
    pub version: Version,
    /// Used by the packets that have one.
    pub packet_id: PacketId,
    /// Empty before MQTT 5.0.
    pub properties: Vec<OwnedProperty>,
    pub model: Model,
}

/// A packet as the crate sees it: CONNECT stands beside the others.
#[derive(Debug, PartialEq)]
pub enum View<'a> {
    Connect(Connect<'a>),
    Packet(Packet<'a>),
}

impl View<'_> {
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            View::Connect(connect) => connect.encode(&mut out),
            View::Packet(packet) => packet.encode(version, &mut out),
        }
        .expect("generated short");
        out
    }
}

impl Sample {
    pub fn packet_type(&self) -> PacketType {
        match &self.model {
            Model::Connect { .. } => PacketType::Connect,
            Model::Connack { .. } => PacketType::Connack,
            Model::Publish { .. } => PacketType::Publish,
            Model::Ack(packet_type, _) => *packet_type,
            Model::Subscribe(_) => PacketType::Subscribe,
            Model::Suback(_) => PacketType::Suback,
            Model::Unsubscribe(_) => PacketType::Unsubscribe,
            Model::Unsuback(_) => PacketType::Unsuback,
            Model::Pingreq => PacketType::Pingreq,
            Model::Pingresp => PacketType::Pingresp,
            Model::Disconnect(_) => PacketType::Disconnect,
            Model::Auth(_) => PacketType::Auth,
        }
    }

    /// Hands the packet to `see` in the crate's borrowed form.
    pub fn view<R>(&self, see: impl FnOnce(View<'_>) -> R) -> R {
        let block = block(&self.properties);
        let properties = block.as_properties();
        let Sample { version, packet_id, .. } = *self;
        let packet = match &self.model {
            Model::Connect { .. } => return self.view_connect(properties, see),
            Model::Connack { session_present, code } => Packet::Connack(Connack {
                session_present: *session_present,
                code: ReasonCode(*code),
                properties,
            }),
            Model::Publish { dup, qos, retain, topic, payload } => Packet::Publish(Publish {
                dup: *dup,
                qos: *qos,
                retain: *retain,
                topic,
                packet_id: (*qos > Qos::AtMostOnce).then_some(packet_id),
                properties,
                payload,
            }),
            Model::Ack(packet_type, code) => {
                let code = ReasonCode(*code);
                ack(*packet_type, Ack { packet_id, code, properties })
            }
            Model::Subscribe(filters) => {
                let payload = subscribe_payload(filters, version);
                let filters = FilterList::check(&payload, version).expect("generated legal");
                return see(View::Packet(Packet::Subscribe(Subscribe { packet_id, properties, filters })));
            }
            Model::Unsubscribe(filters) => {
                let mut payload = Vec::new();
                for filter in filters {
                    UnsubscribeList::push(filter, &mut payload).expect("generated short");
                }
                let filters = UnsubscribeList::check(&payload).expect("generated legal");
                return see(View::Packet(Packet::Unsubscribe(Unsubscribe {
                    packet_id,
                    properties,
                    filters,
                })));
            }
            Model::Suback(codes) => Packet::Suback(Suback { packet_id, properties, codes }),
            Model::Unsuback(codes) => Packet::Unsuback(Unsuback { packet_id, properties, codes }),
            Model::Pingreq => Packet::Pingreq,
            Model::Pingresp => Packet::Pingresp,
            Model::Disconnect(code) => Packet::Disconnect(Disconnect { code: ReasonCode(*code), properties }),
            Model::Auth(code) => Packet::Auth(Auth { code: ReasonCode(*code), properties }),
        };
        see(View::Packet(packet))
    }

    fn view_connect<R>(&self, properties: Properties<'_>, see: impl FnOnce(View<'_>) -> R) -> R {
        let Model::Connect { bridge, clean_start, keep_alive, client_id, will, username, password } =
            &self.model
        else {
            panic!("not a CONNECT");
        };
        let will_block = will.as_ref().map(|will| block(&will.properties)).unwrap_or_default();
        see(View::Connect(Connect {
            version: self.version,
            bridge: *bridge,
            clean_start: *clean_start,
            keep_alive: *keep_alive,
            properties,
            client_id,
            will: will.as_ref().map(|will| Will {
                properties: will_block.as_properties(),
                topic: &will.topic,
                payload: &will.payload,
                qos: will.qos,
                retain: will.retain,
            }),
            username: username.as_deref(),
            password: password.as_deref(),
        }))
    }

    /// The packet's frame by the crate's encoder.
    pub fn encode(&self) -> Vec<u8> {
        self.view(|view| view.encode(self.version))
    }

    /// True if the packet's properties may stand in it by the standard's table; a check of the generator.
    pub fn properties_belong(&self) -> bool {
        let letter = letter(Place::Packet(self.packet_type()));
        self.properties.iter().all(|property| {
            crate::standard::PROPERTIES.iter().any(|row| row.id == property.id && row.places.contains(letter))
        })
    }
}

fn ack(packet_type: PacketType, ack: Ack<'_>) -> Packet<'_> {
    match packet_type {
        PacketType::Puback => Packet::Puback(ack),
        PacketType::Pubrec => Packet::Pubrec(ack),
        PacketType::Pubrel => Packet::Pubrel(ack),
        PacketType::Pubcomp => Packet::Pubcomp(ack),
        other => panic!("{} is no acknowledgement", other.name()),
    }
}

fn subscribe_payload(filters: &[(String, u8)], version: Version) -> Vec<u8> {
    let mut payload = Vec::new();
    for (filter, options) in filters {
        let options = pondhawk_codec::packet::SubscribeOptions::from_byte(*options, version).expect("legal");
        FilterList::push(SubscribeFilter { filter, options }, &mut payload).expect("generated short");
    }
    payload
}
