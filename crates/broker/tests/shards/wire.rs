//! Packets as the scripted clients write and read them.

use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::{Ack, Auth, Connect, Disconnect, Publish, Subscribe, SubscribeFilter};
use pondhawk_codec::packet::{FilterList, SubscribeOptions, Unsubscribe, UnsubscribeList, Will};
use pondhawk_codec::{Packet, PacketId, PacketType, PropertiesBuf, Property, Qos, ReasonCode, Version};

/// A packet from the broker, owned. The broker gives no reason strings or user properties, and `decode` sees to it
/// that acknowledgements, SUBACK, UNSUBACK and DISCONNECT have no properties at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Connack { present: bool, code: u8, properties: Vec<u8> },
    Publish(Msg),
    Ack(PacketType, u16, u8),
    Suback(u16, Vec<u8>),
    Unsuback(u16, Vec<u8>),
    Pingresp,
    Disconnect(u8),
    Auth { code: u8, properties: Vec<u8> },
}

/// A PUBLISH, in either direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Msg {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// 0 at QoS 0.
    pub id: u16,
    pub properties: Vec<u8>,
}

pub fn msg(topic: &str, payload: &str) -> Msg {
    Msg { topic: topic.into(), payload: payload.into(), ..Msg::default() }
}

pub fn qos(n: u8) -> Qos {
    Qos::from_u8(n).expect("0 to 2")
}

pub fn block(properties: &[Property<'_>]) -> PropertiesBuf {
    let mut block = PropertiesBuf::new();
    for property in properties {
        block.push(*property).expect("short");
    }
    block
}

impl Msg {
    /// With QoS above 0, and the packet id.
    pub fn acked(mut self, qos: u8, id: u16) -> Msg {
        (self.qos, self.id) = (qos, id);
        self
    }

    pub fn retained(mut self) -> Msg {
        self.retain = true;
        self
    }

    pub fn again(mut self) -> Msg {
        self.dup = true;
        self
    }

    pub fn with(mut self, properties: &[Property<'_>]) -> Msg {
        self.properties = block(properties).as_properties().as_bytes().to_vec();
        self
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("text")
    }

    /// The values that `pick` takes of its properties.
    pub fn find<T>(&self, pick: impl Fn(Property<'_>) -> Option<T>) -> Vec<T> {
        let place = pondhawk_codec::property::Place::Packet(PacketType::Publish);
        let properties = pondhawk_codec::Properties::check(&self.properties, place).expect("legal");
        properties.iter().filter_map(pick).collect()
    }

    pub fn subscription_ids(&self) -> Vec<u32> {
        self.find(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        })
    }

    pub fn expiry(&self) -> Option<u32> {
        let found = self.find(|property| match property {
            Property::MessageExpiryInterval(seconds) => Some(seconds),
            _ => None,
        });
        found.first().copied()
    }

    pub fn alias(&self) -> Option<u16> {
        let found = self.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        found.first().copied()
    }

    pub fn encode(&self, version: Version) -> Vec<u8> {
        let place = pondhawk_codec::property::Place::Packet(PacketType::Publish);
        let publish = Publish {
            dup: self.dup,
            qos: qos(self.qos),
            retain: self.retain,
            topic: &self.topic,
            packet_id: PacketId::new(self.id),
            properties: pondhawk_codec::Properties::check(&self.properties, place).expect("legal"),
            payload: &self.payload,
        };
        encode(&Packet::Publish(publish), version)
    }
}

/// What a client says first.
#[derive(Clone)]
pub struct Hello {
    pub id: String,
    pub version: Version,
    pub clean: bool,
    pub keep_alive: u16,
    pub properties: PropertiesBuf,
    pub will: Option<(Msg, PropertiesBuf)>,
    pub user: Option<String>,
    pub listener: u16,
    /// The client acknowledges what it gets without being told.
    pub acks: bool,
}

/// A client with a clean start that acknowledges by itself.
pub fn hello(id: &str, version: Version) -> Hello {
    Hello {
        id: id.into(),
        version,
        clean: true,
        keep_alive: 0,
        properties: PropertiesBuf::new(),
        will: None,
        user: None,
        listener: 0,
        acks: true,
    }
}

pub fn v5(id: &str) -> Hello {
    hello(id, Version::V5)
}

pub fn v311(id: &str) -> Hello {
    hello(id, Version::V311)
}

impl Hello {
    pub fn props(mut self, properties: &[Property<'_>]) -> Hello {
        self.properties = block(properties);
        self
    }

    /// Resumes, and is kept for `seconds`.
    pub fn kept(mut self, seconds: u32) -> Hello {
        self.clean = false;
        if self.version == Version::V5 {
            let _fits = self.properties.push(Property::SessionExpiryInterval(seconds));
        }
        self
    }

    /// Starts clean, and is kept for `seconds`.
    pub fn fresh(self, seconds: u32) -> Hello {
        Hello { clean: true, ..self.kept(seconds) }
    }

    pub fn will(mut self, will: Msg, properties: &[Property<'_>]) -> Hello {
        self.will = Some((will, block(properties)));
        self
    }

    pub fn user(mut self, name: &str) -> Hello {
        self.user = Some(name.into());
        self
    }

    pub fn on(mut self, listener: u16) -> Hello {
        self.listener = listener;
        self
    }

    pub fn alive(mut self, seconds: u16) -> Hello {
        self.keep_alive = seconds;
        self
    }

    /// The test acknowledges.
    pub fn silent(mut self) -> Hello {
        self.acks = false;
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        let will = self.will.as_ref().map(|(will, properties)| Will {
            properties: properties.as_properties(),
            topic: &will.topic,
            payload: &will.payload,
            qos: qos(will.qos),
            retain: will.retain,
        });
        let connect = Connect {
            version: self.version,
            bridge: false,
            clean_start: self.clean,
            keep_alive: self.keep_alive,
            properties: self.properties.as_properties(),
            client_id: &self.id,
            will,
            username: self.user.as_deref(),
            password: None,
        };
        let mut out = Vec::new();
        connect.encode(&mut out).expect("short");
        out
    }
}

pub fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("short");
    out
}

/// SUBSCRIBE: filters with their option bytes, and a subscription identifier unless it is 0.
pub fn subscribe(version: Version, id: u16, filters: &[(&str, u8)], sub_id: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    for (filter, byte) in filters {
        let options = SubscribeOptions::from_byte(*byte, Version::V5).expect("legal");
        FilterList::push(SubscribeFilter { filter, options }, &mut payload).expect("short");
    }
    let properties = match sub_id {
        0 => PropertiesBuf::new(),
        id => block(&[Property::SubscriptionIdentifier(id)]),
    };
    let packet = Subscribe {
        packet_id: PacketId::new(id).expect("not 0"),
        properties: properties.as_properties(),
        filters: FilterList::check(&payload, version).expect("legal"),
    };
    encode(&Packet::Subscribe(packet), version)
}

pub fn unsubscribe(version: Version, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut payload = Vec::new();
    for filter in filters {
        UnsubscribeList::push(filter, &mut payload).expect("short");
    }
    let packet = Unsubscribe {
        packet_id: PacketId::new(id).expect("not 0"),
        properties: pondhawk_codec::Properties::EMPTY,
        filters: UnsubscribeList::check(&payload).expect("legal"),
    };
    encode(&Packet::Unsubscribe(packet), version)
}

pub fn ack(version: Version, packet_type: PacketType, id: u16, code: u8) -> Vec<u8> {
    let ack = Ack::new(PacketId::new(id).expect("not 0"), ReasonCode(code));
    let packet = match packet_type {
        PacketType::Puback => Packet::Puback(ack),
        PacketType::Pubrec => Packet::Pubrec(ack),
        PacketType::Pubrel => Packet::Pubrel(ack),
        PacketType::Pubcomp => Packet::Pubcomp(ack),
        other => panic!("{other:?} is no acknowledgement"),
    };
    encode(&packet, version)
}

pub fn disconnect(version: Version, code: u8, properties: &[Property<'_>]) -> Vec<u8> {
    let properties = block(properties);
    let packet = Disconnect { code: ReasonCode(code), properties: properties.as_properties() };
    encode(&Packet::Disconnect(packet), version)
}

pub fn auth(code: u8, properties: &[Property<'_>]) -> Vec<u8> {
    let properties = block(properties);
    let packet = Auth { code: ReasonCode(code), properties: properties.as_properties() };
    encode(&Packet::Auth(packet), Version::V5)
}

/// Every packet in `bytes`, which must be whole frames that the codec takes.
pub fn decode(mut bytes: &[u8], version: Version) -> Vec<Got> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let frame = match frame::next(bytes, usize::MAX) {
            Ok(Step::Frame(frame)) => frame,
            other => panic!("no frame in {bytes:x?}: {other:?}"),
        };
        bytes = &bytes[frame.len..];
        let packet = Packet::decode(&frame, version).expect("the broker's packets are valid");
        packets.push(own(&packet));
    }
    packets
}

fn own(packet: &Packet<'_>) -> Got {
    match packet {
        Packet::Connack(packet) => Got::Connack {
            present: packet.session_present,
            code: packet.code.0,
            properties: packet.properties.as_bytes().to_vec(),
        },
        Packet::Publish(packet) => Got::Publish(Msg {
            topic: packet.topic.into(),
            payload: packet.payload.to_vec(),
            qos: packet.qos.as_u8(),
            retain: packet.retain,
            dup: packet.dup,
            id: packet.packet_id.map_or(0, PacketId::get),
            properties: packet.properties.as_bytes().to_vec(),
        }),
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            assert!(ack.properties.is_empty());
            Got::Ack(packet.packet_type(), ack.packet_id.get(), ack.code.0)
        }
        Packet::Suback(packet) => {
            assert!(packet.properties.is_empty());
            Got::Suback(packet.packet_id.get(), packet.codes.to_vec())
        }
        Packet::Unsuback(packet) => {
            assert!(packet.properties.is_empty());
            Got::Unsuback(packet.packet_id.get(), packet.codes.to_vec())
        }
        Packet::Pingresp => Got::Pingresp,
        Packet::Disconnect(packet) => {
            assert!(packet.properties.is_empty());
            Got::Disconnect(packet.code.0)
        }
        Packet::Auth(packet) => {
            Got::Auth { code: packet.code.0, properties: packet.properties.as_bytes().to_vec() }
        }
        other => panic!("a broker does not send {other:?}"),
    }
}
