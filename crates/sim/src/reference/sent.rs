//! Packets from a broker to a client, owned and in a form in which two brokers' packets can be compared.

use pondhawk_codec::packet::PublishHeader;
use pondhawk_codec::{Packet, PacketId, PacketType, Properties, PropertiesBuf, Property, Qos, Version};

/// A property in wire form.
pub type Wire = Vec<u8>;

/// A packet from a broker. Reason strings, and user properties of other packets than PUBLISH, are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Sent {
    Connack {
        present: bool,
        code: u8,
        properties: Vec<Wire>,
    },
    Publish(Outgoing),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP: packet id and reason code.
    Ack(PacketType, u16, u8),
    Suback(u16, Vec<u8>),
    Unsuback(u16, Vec<u8>),
    Pingresp,
    Disconnect(u8),
    Auth(u8),
}

/// A PUBLISH to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic name.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// The QoS.
    pub qos: u8,
    /// The retain flag.
    pub retain: bool,
    /// Sent before.
    pub dup: bool,
    /// The packet id; 0 at QoS 0.
    pub id: u16,
    /// The subscription identifiers, ascending.
    pub subscriptions: Vec<u32>,
    /// The message expiry interval.
    pub expiry_s: Option<u32>,
    /// The properties that the publisher sent for its readers: user properties in its order, behind the others.
    pub properties: Vec<Wire>,
}

impl Sent {
    /// A packet that was decoded, as it is compared.
    #[must_use]
    pub fn of(packet: &Packet<'_>) -> Option<Sent> {
        Some(match packet {
            Packet::Connack(connack) => Sent::Connack {
                present: connack.session_present,
                code: connack.code.0,
                properties: comparable(connack.properties, |property| {
                    !matches!(property, Property::UserProperty(..) | Property::ReasonString(_))
                }),
            },
            Packet::Publish(publish) => Sent::Publish(Outgoing {
                topic: publish.topic.into(),
                payload: publish.payload.into(),
                qos: publish.qos.as_u8(),
                retain: publish.retain,
                dup: publish.dup,
                id: publish.packet_id.map_or(0, PacketId::get),
                subscriptions: subscriptions(publish.properties),
                expiry_s: expiry(publish.properties),
                properties: comparable(publish.properties, is_for_readers),
            }),
            Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
                Sent::Ack(packet.packet_type(), ack.packet_id.get(), ack.code.0)
            }
            Packet::Suback(suback) => Sent::Suback(suback.packet_id.get(), suback.codes.into()),
            Packet::Unsuback(unsuback) => Sent::Unsuback(unsuback.packet_id.get(), unsuback.codes.into()),
            Packet::Pingresp => Sent::Pingresp,
            Packet::Disconnect(disconnect) => Sent::Disconnect(disconnect.code.0),
            Packet::Auth(auth) => Sent::Auth(auth.code.0),
            _ => return None,
        })
    }
}

impl Outgoing {
    /// The length of its frame in bytes.
    pub(super) fn frame_len(&self, version: Version) -> usize {
        let mut own = PropertiesBuf::new();
        let extra = self.expiry_s.map(Property::MessageExpiryInterval).into_iter();
        for property in extra.chain(self.subscriptions.iter().map(|id| Property::SubscriptionIdentifier(*id)))
        {
            own.push(property).expect("a short property");
        }
        let own = own.as_properties();
        let mut parts: Vec<&[u8]> = self.properties.iter().map(Vec::as_slice).collect();
        parts.push(own.as_bytes());
        let header = PublishHeader {
            dup: self.dup,
            qos: Qos::from_u8(self.qos).expect("0 to 2"),
            retain: self.retain,
            topic: &self.topic,
            packet_id: PacketId::new(if self.qos == 0 { 0 } else { 1 }),
        };
        header.frame_len(version.has_properties().then_some(&parts[..]), &self.payload)
    }
}

/// Properties that a broker passes on; the others of a PUBLISH are between one client and the broker.
pub(super) fn is_for_readers(property: &Property<'_>) -> bool {
    !matches!(
        property,
        Property::TopicAlias(_)
            | Property::MessageExpiryInterval(_)
            | Property::SubscriptionIdentifier(_)
            | Property::WillDelayInterval(_)
    )
}

/// The wanted properties: user properties keep their order [MQTT-3.3.2-18], that of the others says nothing.
pub(super) fn comparable(properties: Properties<'_>, wanted: fn(&Property<'_>) -> bool) -> Vec<Wire> {
    let (mut users, mut others): (Vec<Wire>, Vec<Wire>) = (Vec::new(), Vec::new());
    for property in properties.iter().filter(wanted) {
        let mut one = PropertiesBuf::new();
        one.push(property).expect("it came in a packet");
        let place = if matches!(property, Property::UserProperty(..)) { &mut users } else { &mut others };
        place.push(one.as_properties().as_bytes().to_vec());
    }
    others.sort();
    others.append(&mut users);
    others
}

/// The subscription identifiers among the properties.
fn subscriptions(properties: Properties<'_>) -> Vec<u32> {
    let id = |property| match property {
        Property::SubscriptionIdentifier(id) => Some(id),
        _ => None,
    };
    let mut ids: Vec<u32> = properties.iter().filter_map(id).collect();
    ids.sort_unstable();
    ids
}

/// The message expiry interval among the properties.
pub(super) fn expiry(properties: Properties<'_>) -> Option<u32> {
    properties.find(|property| match property {
        Property::MessageExpiryInterval(seconds) => Some(seconds),
        _ => None,
    })
}
