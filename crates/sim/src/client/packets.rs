//! Packets as clients write them and as they come from the broker, with what the simulator knows of them besides.

use pondhawk_broker::Millis;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::{Ack, Connect, Disconnect, FilterList, Publish, Subscribe, SubscribeFilter};
use pondhawk_codec::packet::{SubscribeOptions, Unsubscribe, UnsubscribeList, Will};
use pondhawk_codec::{Packet, PacketId, PacketType, Properties, PropertiesBuf, Property, Qos};
use pondhawk_codec::{ReasonCode, Version};

/// The number of a message in the shadow's list; it stands in the payload.
pub type MessageNo = u32;

/// A packet that a client wrote, as the shadow follows it.
#[derive(Clone, Debug)]
pub enum Sent {
    /// CONNECT.
    Connect(Box<Hello>),
    /// PUBLISH.
    Publish {
        /// The message.
        message: MessageNo,
        /// Its packet identifier, 0 at QoS 0.
        id: u16,
    },
    /// PUBREL.
    Pubrel {
        /// The packet identifier.
        id: u16,
    },
    /// PUBACK, PUBREC or PUBCOMP.
    Ack(PacketType, u16),
    /// SUBSCRIBE: packet identifier and subscriptions.
    Subscribe(u16, Vec<Wanted>),
    /// UNSUBSCRIBE: packet identifier and filters.
    Unsubscribe(u16, Vec<String>),
    /// PINGREQ.
    Ping,
    /// DISCONNECT with its reason code and session expiry interval.
    Disconnect(u8, Option<u32>),
    /// Bytes that break the protocol: nothing behind them counts. The type under which they are counted, if any.
    Poison(Option<PacketType>),
}

/// One subscription of a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The filter as the client writes it.
    pub filter: String,
    /// Its options.
    pub options: SubscribeOptions,
    /// The subscription identifier, or 0.
    pub id: u32,
}

/// What a CONNECT says.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Clean start.
    pub clean: bool,
    /// Seconds that the session outlives its connection; `u32::MAX` is for ever.
    pub keep_s: u32,
    /// Keep alive in seconds.
    pub keep_alive: u16,
    /// The will: message, delay in seconds.
    pub will: Option<(MessageNo, u32)>,
    /// A user name, and whether the password is right.
    pub user: Option<bool>,
}

/// A PUBLISH as a packet.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// The topic, empty if the alias says it.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// QoS, 0 to 2.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// DUP.
    pub dup: bool,
    /// The packet identifier.
    pub id: u16,
    /// A topic alias, or 0.
    pub alias: u16,
    /// A message expiry interval.
    pub expiry_s: Option<u32>,
}

/// A packet from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// CONNACK: session present, code, receive maximum, topic alias maximum, keep alive.
    Connack(bool, u8, Option<u16>, u16, Option<u16>),
    /// PUBLISH.
    Publish(Box<Delivery>),
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack(PacketType, u16, u8),
    /// SUBACK.
    Suback(u16, Vec<u8>),
    /// UNSUBACK.
    Unsuback(u16, Vec<u8>),
    /// PINGRESP.
    Pingresp,
    /// DISCONNECT.
    Disconnect(u8),
}

/// A PUBLISH from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message, if its payload says one.
    pub message: Option<MessageNo>,
    /// Payload bytes.
    pub len: usize,
    /// The topic as it came; empty if the alias says it.
    pub topic: String,
    /// QoS.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// DUP.
    pub dup: bool,
    /// Packet identifier, 0 at QoS 0.
    pub id: u16,
    /// Topic alias.
    pub alias: Option<u16>,
    /// Subscription identifiers.
    pub ids: Vec<u32>,
    /// Message expiry interval that is left.
    pub expiry_s: Option<u32>,
}

/// The payload of a message: its number, and bytes that follow from it.
#[must_use]
pub fn payload(message: MessageNo, len: usize) -> Vec<u8> {
    let mut bytes = message.to_be_bytes().to_vec();
    bytes.extend((0..len).map(|n| (message as usize * 31 + n) as u8));
    bytes
}

/// The message of a payload; `None` if it is empty, an error if it was changed on its way.
fn message_of(bytes: &[u8]) -> Result<Option<MessageNo>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let number = bytes.first_chunk::<4>().map(|first| u32::from_be_bytes(*first));
    match number.filter(|number| payload(*number, bytes.len() - 4) == bytes) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("a payload was changed: {bytes:?}")),
    }
}

/// A property block.
fn block(properties: &[Property<'_>]) -> PropertiesBuf {
    let mut block = PropertiesBuf::new();
    for property in properties {
        block.push(*property).expect("properties of the simulator are short");
    }
    block
}

fn bytes(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("packets of the simulator are short");
    out
}

/// What the bytes of a CONNECT need besides [`Hello`].
pub struct Greeting<'a> {
    /// The version to speak.
    pub version: Version,
    /// The client identifier.
    pub client_id: &'a str,
    /// It says that it is a bridge, as Mosquitto's do before MQTT 5.0.
    pub bridge: bool,
    /// Receive maximum.
    pub receive_max: u16,
    /// Topic alias maximum.
    pub aliases: u16,
    /// The will: topic, QoS, RETAIN, payload.
    pub will: Option<(&'a str, u8, bool, &'a [u8])>,
}

/// CONNECT.
#[must_use]
pub fn connect(hello: &Hello, greeting: &Greeting<'_>) -> Vec<u8> {
    let v5 = greeting.version == Version::V5;
    let mut properties = Vec::new();
    if v5 {
        properties.push(Property::ReceiveMaximum(greeting.receive_max));
        properties.push(Property::TopicAliasMaximum(greeting.aliases));
        if hello.keep_s > 0 {
            properties.push(Property::SessionExpiryInterval(hello.keep_s));
        }
    }
    let properties = block(&properties);
    let delay = match hello.will {
        Some((_, delay)) if v5 && delay > 0 => block(&[Property::WillDelayInterval(delay)]),
        _ => PropertiesBuf::new(),
    };
    let connect = Connect {
        version: greeting.version,
        bridge: greeting.bridge && !v5,
        clean_start: hello.clean,
        keep_alive: hello.keep_alive,
        properties: properties.as_properties(),
        client_id: greeting.client_id,
        will: greeting.will.map(|(topic, qos, retain, payload)| Will {
            properties: delay.as_properties(),
            topic,
            payload,
            qos: Qos::from_u8(qos).expect("a QoS"),
            retain,
        }),
        username: hello.user.map(|_| "user"),
        password: hello.user.map(|right| if right { &b"right"[..] } else { b"wrong" }),
    };
    let mut out = Vec::new();
    connect.encode(&mut out).expect("packets of the simulator are short");
    out
}

/// PUBLISH.
#[must_use]
pub fn publish(letter: &Letter<'_>, version: Version) -> Vec<u8> {
    let mut properties = Vec::new();
    if version == Version::V5 {
        properties.extend((letter.alias > 0).then_some(Property::TopicAlias(letter.alias)));
        properties.extend(letter.expiry_s.map(Property::MessageExpiryInterval));
    }
    let properties = block(&properties);
    let publish = Publish {
        dup: letter.dup,
        qos: Qos::from_u8(letter.qos).expect("a QoS"),
        retain: letter.retain,
        topic: letter.topic,
        packet_id: PacketId::new(letter.id),
        properties: properties.as_properties(),
        payload: letter.payload,
    };
    bytes(&Packet::Publish(publish), version)
}

/// SUBSCRIBE.
#[must_use]
pub fn subscribe(version: Version, id: u16, wanted: &[Wanted]) -> Vec<u8> {
    let mut payload = Vec::new();
    for one in wanted {
        let one = SubscribeFilter { filter: &one.filter, options: one.options };
        FilterList::push(one, &mut payload).expect("filters of the simulator are short");
    }
    let number = wanted.first().map_or(0, |one| one.id);
    let properties = match number {
        0 => PropertiesBuf::new(),
        number => block(&[Property::SubscriptionIdentifier(number)]),
    };
    let packet = Subscribe {
        packet_id: PacketId::new(id).expect("a packet id"),
        properties: properties.as_properties(),
        filters: FilterList::check(&payload, version).expect("legal filters"),
    };
    bytes(&Packet::Subscribe(packet), version)
}

/// UNSUBSCRIBE.
#[must_use]
pub fn unsubscribe(version: Version, id: u16, filters: &[String]) -> Vec<u8> {
    let mut payload = Vec::new();
    for filter in filters {
        UnsubscribeList::push(filter, &mut payload).expect("filters of the simulator are short");
    }
    let packet = Unsubscribe {
        packet_id: PacketId::new(id).expect("a packet id"),
        properties: Properties::EMPTY,
        filters: UnsubscribeList::check(&payload).expect("legal filters"),
    };
    bytes(&Packet::Unsubscribe(packet), version)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[must_use]
pub fn ack(version: Version, packet_type: PacketType, id: u16) -> Vec<u8> {
    let ack = Ack::new(PacketId::new(id).expect("a packet id"), ReasonCode(0));
    let packet = match packet_type {
        PacketType::Puback => Packet::Puback(ack),
        PacketType::Pubrec => Packet::Pubrec(ack),
        PacketType::Pubrel => Packet::Pubrel(ack),
        _ => Packet::Pubcomp(ack),
    };
    bytes(&packet, version)
}

/// PINGREQ.
#[must_use]
pub fn ping(version: Version) -> Vec<u8> {
    bytes(&Packet::Pingreq, version)
}

/// DISCONNECT; code and expiry in MQTT 5.0 only.
#[must_use]
pub fn disconnect(version: Version, code: u8, expiry_s: Option<u32>) -> Vec<u8> {
    let v5 = version == Version::V5;
    let expiry = expiry_s.filter(|_| v5).map(Property::SessionExpiryInterval);
    let properties = expiry.map_or_else(PropertiesBuf::new, |expiry| block(&[expiry]));
    let packet =
        Disconnect { code: ReasonCode(if v5 { code } else { 0 }), properties: properties.as_properties() };
    bytes(&Packet::Disconnect(packet), version)
}

/// The packets at the front of `bytes`, and how many bytes they take; a broken one is an error.
///
/// # Errors
/// What is wrong with the broker's bytes.
pub fn decode(mut bytes: &[u8], version: Version) -> Result<(usize, Vec<(usize, Got)>), String> {
    let mut found = Vec::new();
    let mut used = 0;
    while !bytes.is_empty() {
        let frame = match frame::next(bytes, usize::MAX) {
            Ok(Step::Frame(frame)) => frame,
            Ok(Step::Need(_)) => break,
            Err(error) => return Err(format!("the broker sent no MQTT: {error}")),
        };
        bytes = &bytes[frame.len..];
        used += frame.len;
        let packet = Packet::decode(&frame, version)
            .map_err(|error| format!("the broker sent a broken packet: {error}"))?;
        found.push((used, own(&packet)?));
    }
    Ok((used, found))
}

fn own(packet: &Packet<'_>) -> Result<Got, String> {
    Ok(match packet {
        Packet::Connack(packet) => {
            let (mut receive, mut alias, mut alive) = (None, 0, None);
            for property in packet.properties {
                match property {
                    Property::ReceiveMaximum(n) => receive = Some(n),
                    Property::TopicAliasMaximum(n) => alias = n,
                    Property::ServerKeepAlive(n) => alive = Some(n),
                    _ => {}
                }
            }
            Got::Connack(packet.session_present, packet.code.0, receive, alias, alive)
        }
        Packet::Publish(packet) => Got::Publish(Box::new(delivery(packet)?)),
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            Got::Ack(packet.packet_type(), ack.packet_id.get(), ack.code.0)
        }
        Packet::Suback(packet) => Got::Suback(packet.packet_id.get(), packet.codes.to_vec()),
        Packet::Unsuback(packet) => Got::Unsuback(packet.packet_id.get(), packet.codes.to_vec()),
        Packet::Pingresp => Got::Pingresp,
        Packet::Disconnect(packet) => Got::Disconnect(packet.code.0),
        other => return Err(format!("a broker does not send {other:?}")),
    })
}

fn delivery(packet: &Publish<'_>) -> Result<Delivery, String> {
    let mut delivery = Delivery {
        message: message_of(packet.payload)?,
        len: packet.payload.len(),
        topic: packet.topic.into(),
        qos: packet.qos.as_u8(),
        retain: packet.retain,
        dup: packet.dup,
        id: packet.packet_id.map_or(0, PacketId::get),
        alias: None,
        ids: Vec::new(),
        expiry_s: None,
    };
    for property in packet.properties {
        match property {
            Property::TopicAlias(alias) => delivery.alias = Some(alias),
            Property::SubscriptionIdentifier(id) => delivery.ids.push(id),
            Property::MessageExpiryInterval(seconds) => delivery.expiry_s = Some(seconds),
            _ => {}
        }
    }
    Ok(delivery)
}

/// When a message that was taken at `now` expires.
#[must_use]
pub fn expires_at(now: Millis, expiry_s: Option<u32>) -> Millis {
    expiry_s.map_or(Millis::MAX, |seconds| now + Millis::from(seconds) * 1000)
}
