//! Packets as the clients of a trace write them, the lawful and the odd.

use crate::ops::{FILTERS, Hello, Item, Payload, TOPICS};
use pondhawk_codec::packet::{
    self, Connect, Disconnect, FilterList, Publish, Subscribe, SubscribeFilter, SubscribeOptions,
    Unsubscribe, UnsubscribeList,
};
use pondhawk_codec::{
    Packet, PacketId, PacketType, Properties, PropertiesBuf, Property, Qos, ReasonCode, Version,
};

/// How many kinds of [`odd`] and [`odd_first`] packets there are.
pub const ODD: usize = 24;
pub const ODD_FIRST: usize = 9;

fn block(properties: &[Property<'_>]) -> PropertiesBuf {
    let mut block = PropertiesBuf::new();
    for property in properties {
        block.push(*property).expect("short");
    }
    block
}

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("short");
    out
}

fn qos(n: u8) -> Qos {
    Qos::from_u8(n).expect("0 to 2")
}

pub fn connect(client: &str, hello: &Hello, payload: &str) -> Vec<u8> {
    let v5 = hello.version == Version::V5;
    let mut properties = Vec::new();
    let mut will_properties = Vec::new();
    if v5 {
        if hello.expiry_s > 0 {
            properties.push(Property::SessionExpiryInterval(hello.expiry_s));
        }
        if hello.receive_maximum > 0 {
            properties.push(Property::ReceiveMaximum(hello.receive_maximum));
        }
        if hello.packet_maximum > 0 {
            properties.push(Property::MaximumPacketSize(hello.packet_maximum));
        }
        if hello.alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(hello.alias_maximum));
        }
        if let Some(will) = &hello.will {
            will_properties.push(Property::UserProperty("of", "a will"));
            if will.delay_s > 0 {
                will_properties.push(Property::WillDelayInterval(will.delay_s));
            }
            will_properties.extend(will.expiry_s.map(Property::MessageExpiryInterval));
        }
    }
    let (properties, will_properties) = (block(&properties), block(&will_properties));
    let will = hello.will.as_ref().map(|will| packet::Will {
        properties: will_properties.as_properties(),
        topic: TOPICS[will.topic],
        payload: payload.as_bytes(),
        qos: qos(will.qos),
        retain: will.retain,
    });
    let connect = Connect {
        version: hello.version,
        bridge: false,
        clean_start: hello.clean,
        keep_alive: hello.keep_alive_s,
        properties: properties.as_properties(),
        client_id: client,
        will,
        username: None,
        password: None,
    };
    let mut out = Vec::new();
    connect.encode(&mut out).expect("short");
    out
}

pub fn publish(item: &Item, (id, dup): (u16, bool), payload: &str, version: Version) -> Vec<u8> {
    let mut properties = Vec::new();
    let mut topic = TOPICS[item.topic];
    if version == Version::V5 {
        properties.extend(item.expiry_s.map(Property::MessageExpiryInterval));
        if item.properties {
            properties.push(Property::UserProperty("b", "1"));
            properties.push(Property::ContentType("text"));
            properties.push(Property::UserProperty("a", "2"));
            properties.push(Property::CorrelationData(b"\0\xff"));
            properties.push(Property::ResponseTopic("answers/here"));
            properties.push(Property::PayloadFormatIndicator(1));
        }
        if let Some((alias, alone)) = item.alias {
            properties.push(Property::TopicAlias(alias));
            topic = if alone { "" } else { topic };
        }
    }
    let payload = match item.payload {
        Payload::Empty => String::new(),
        Payload::Short => payload.to_owned(),
        Payload::Long => format!("{payload}{:.<150}", ""),
    };
    let properties = block(&properties);
    let publish = Publish {
        dup,
        qos: qos(item.qos),
        retain: item.retain,
        topic,
        packet_id: PacketId::new(id),
        properties: properties.as_properties(),
        payload: payload.as_bytes(),
    };
    encode(&Packet::Publish(publish), version)
}

pub fn subscribe(id: u16, filters: &[(usize, u8)], identifier: Option<u32>, version: Version) -> Vec<u8> {
    let mut payload = Vec::new();
    for (filter, options) in filters {
        let filter = FILTERS[*filter];
        let mut options = if version == Version::V5 { *options } else { *options & 3 };
        if filter.starts_with("$share") {
            // [MQTT-3.8.3-4]
            options &= !4;
        }
        let options = SubscribeOptions::from_byte(options, version).expect("legal");
        FilterList::push(SubscribeFilter { filter, options }, &mut payload).expect("short");
    }
    let properties: Vec<Property<'_>> = identifier
        .map(Property::SubscriptionIdentifier)
        .filter(|_| version == Version::V5)
        .into_iter()
        .collect();
    let properties = block(&properties);
    let packet = Subscribe {
        packet_id: PacketId::new(id).expect("not 0"),
        properties: properties.as_properties(),
        filters: FilterList::check(&payload, version).expect("legal"),
    };
    encode(&Packet::Subscribe(packet), version)
}

pub fn unsubscribe(id: u16, filters: &[usize], version: Version) -> Vec<u8> {
    let mut payload = Vec::new();
    for filter in filters {
        UnsubscribeList::push(FILTERS[*filter], &mut payload).expect("short");
    }
    let packet = Unsubscribe {
        packet_id: PacketId::new(id).expect("not 0"),
        properties: Properties::EMPTY,
        filters: UnsubscribeList::check(&payload).expect("legal"),
    };
    encode(&Packet::Unsubscribe(packet), version)
}

pub fn ack(packet_type: PacketType, id: u16, code: u8, version: Version) -> Vec<u8> {
    let ack = packet::Ack::new(PacketId::new(id).expect("not 0"), ReasonCode(code));
    let packet = match packet_type {
        PacketType::Puback => Packet::Puback(ack),
        PacketType::Pubrec => Packet::Pubrec(ack),
        PacketType::Pubrel => Packet::Pubrel(ack),
        _ => Packet::Pubcomp(ack),
    };
    encode(&packet, version)
}

pub fn ping() -> Vec<u8> {
    vec![0xc0, 0]
}

pub fn disconnect(code: u8, expiry_s: Option<u32>, version: Version) -> Vec<u8> {
    let properties: Vec<Property<'_>> = expiry_s.map(Property::SessionExpiryInterval).into_iter().collect();
    let properties = block(&properties);
    let packet = Disconnect { code: ReasonCode(code), properties: properties.as_properties() };
    encode(&Packet::Disconnect(packet), version)
}

/// A packet that a connected client ought not to send, or not like this.
pub fn odd(which: usize) -> &'static [u8] {
    let all: [&[u8]; ODD] = [
        // A second CONNECT.
        b"\x10\x0d\0\x04MQTT\x05\x02\0\0\0\0\0",
        // CONNACK, SUBACK, UNSUBACK, PINGRESP: packets of a server.
        b"\x20\x03\0\0\0",
        b"\x90\x04\0\x01\0\0",
        b"\xb0\x04\0\x01\0\0",
        b"\xd0\0",
        // AUTH without a method.
        b"\xf0\0",
        // Acknowledgements of what was never sent.
        b"\x40\x02\x7f\xff",
        b"\x50\x02\x7f\xff",
        b"\x50\x04\x7f\xff\x80\0",
        b"\x62\x02\x7f\xff",
        b"\x70\x02\x7f\xff",
        // Flags: of PUBREL, of SUBSCRIBE, QoS 3, DUP at QoS 0.
        b"\x60\x02\0\x01",
        b"\x80\x07\0\x01\0\0\x01a\0",
        b"\x36\x06\0\x01a\0\x01\0",
        b"\x38\x04\0\x01a\0",
        // Packet id 0, no filters, reserved options, No Local on a shared filter.
        b"\x32\x06\0\x01a\0\0\0",
        b"\x82\x03\0\x01\0",
        b"\x82\x07\0\x01\0\0\x01a\xc0",
        b"\x82\x10\0\x01\0\0\x0a$share/g/a\x04",
        // A wildcard in a topic, no topic, a subscription identifier, alias 0.
        b"\x30\x05\0\x02a+\0",
        b"\x30\x03\0\0\0",
        b"\x30\x06\0\x01a\x02\x0b\x01",
        b"\x30\x07\0\x01a\x03\x23\0\0",
        // A length above the limit.
        b"\x30\xff\xff\xff\x7f",
    ];
    all[which]
}

/// A first packet that a client ought not to send, and the version in which the answer is read.
pub fn odd_first(which: usize) -> (&'static [u8], Version) {
    let all: [(&[u8], Version); ODD_FIRST] = [
        (b"\xc0\0", Version::V311),
        (b"\x30\x03\0\x01a", Version::V311),
        // Another protocol; level 6; level 2; level 3 of the new name.
        (b"\x10\x0d\0\x04HTTP\x05\x02\0\0\0\0\0", Version::V5),
        (b"\x10\x0d\0\x04MQTT\x06\x02\0\0\0\0\0", Version::V5),
        (b"\x10\x0c\0\x04MQTT\x02\x02\0\0\0\0", Version::V311),
        (b"\x10\x0c\0\x04MQTT\x03\x02\0\0\0\0", Version::V311),
        // The reserved flag; an empty identifier that is to be kept; one in MQTT 3.1.
        (b"\x10\x0c\0\x04MQTT\x04\x03\0\0\0\0", Version::V311),
        (b"\x10\x0c\0\x04MQTT\x04\x00\0\0\0\0", Version::V311),
        (b"\x10\x0e\0\x06MQIsdp\x03\x02\0\0\0\0", Version::V31),
    ];
    all[which]
}
