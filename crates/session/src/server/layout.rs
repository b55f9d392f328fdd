//! PUBLISH frames of one message: encoded once per layout, then copied to every recipient that shares it.
//!
//! A layout is what makes frames differ: MQTT 5.0 or not, QoS, retain flag. Recipients with subscription
//! identifiers or topic aliases get frames of their own.

use super::link::AliasOut;
use super::{Delivery, Link, MessageRef, Millis};
use alloc::vec::Vec;
use pondhawk_codec::packet::PublishHeader;
use pondhawk_codec::{PacketId, PropertiesBuf, Property, Qos, TooLarge};
use pondhawk_plants::planted;

/// One PUBLISH to one recipient.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// How it goes out.
    pub delivery: &'a Delivery,
    /// Its packet id, for QoS 1 and 2.
    pub id: Option<PacketId>,
    /// Sent before.
    pub dup: bool,
    /// Bytes of the topic that the recipient does not see: its listener's mount point.
    pub hidden: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    start: usize,
    len: usize,
}

const SLOTS: usize = 12;

/// The frames of the message that is being fanned out.
#[derive(Debug, Default)]
pub struct Layouts {
    frames: Vec<u8>,
    slots: [Slot; SLOTS],
    used: bool,
}

impl Layouts {
    /// Forgets the last message's frames.
    pub fn reset(&mut self) {
        if self.used {
            self.frames.clear();
            self.slots = [Slot::default(); SLOTS];
            self.used = false;
        }
    }

    /// Appends the PUBLISH of `message` for the client behind `link` to `out`, and returns its length, or 0 if
    /// it is larger than the client takes. [MQTT-3.1.2-24]
    ///
    /// # Errors
    /// [`TooLarge`] if no MQTT packet can carry it.
    pub fn append(
        &mut self,
        (message, now): (&MessageRef<'_>, Millis),
        outgoing: &Outgoing<'_>,
        link: &mut Link,
        out: &mut Vec<u8>,
    ) -> Result<usize, TooLarge> {
        let own = outgoing.dup
            || outgoing.hidden > 0
            || link.has_aliases_out()
            || !outgoing.delivery.ids.as_slice().is_empty();
        if own {
            return append_own((message, now), outgoing, link, out);
        }
        let v5 = link.version.has_properties();
        let slot = self.slot((message, now), outgoing, v5)?;
        if slot.len > link.packet_max as usize && !planted!(TooLargeSent) {
            return Ok(0);
        }
        let at = out.len();
        out.extend_from_slice(&self.frames[slot.start..slot.start + slot.len]);
        if let Some(id) = outgoing.id {
            // The id stands behind the topic: fixed header, two bytes of length, topic.
            let header = header_len(slot.len);
            let id_at = at + header + 2 + message.topic.len();
            out[id_at..id_at + 2].copy_from_slice(&id.get().to_be_bytes());
        }
        Ok(slot.len)
    }

    fn slot(
        &mut self,
        (message, now): (&MessageRef<'_>, Millis),
        outgoing: &Outgoing<'_>,
        v5: bool,
    ) -> Result<Slot, TooLarge> {
        let delivery = outgoing.delivery;
        let index =
            usize::from(delivery.qos.as_u8()) * 4 + usize::from(delivery.retain) * 2 + usize::from(v5);
        if self.slots[index].len == 0 {
            let start = self.frames.len();
            let header = PublishHeader {
                // Whatever the publisher said: this is the first sending. [MQTT-3.3.1-3] [MQTT-4.3.1-1]
                // [MQTT-4.3.2-2] [MQTT-4.3.3-2] [MQTT3-3.3.1-3] [MQTT3-4.3.1-1]
                dup: false,
                qos: delivery.qos,
                retain: delivery.retain,
                topic: message.topic,
                packet_id: (delivery.qos != Qos::AtMostOnce).then_some(PacketId::MIN),
            };
            let expiry = expiry_property(message, now);
            let parts = [message.properties, &expiry];
            header.encode(v5.then_some(&parts[..]), message.payload, &mut self.frames)?;
            self.slots[index] = Slot { start, len: self.frames.len() - start };
            self.used = true;
        }
        Ok(self.slots[index])
    }
}

/// The length of the fixed header of a frame of `len` bytes.
fn header_len(len: usize) -> usize {
    match len {
        0..=129 => 2,
        130..=16_386 => 3,
        16_387..=2_097_155 => 4,
        _ => 5,
    }
}

/// The message expiry property with the time that remains, in wire form; empty if there is none.
fn expiry_property(message: &MessageRef<'_>, now: Millis) -> Vec<u8> {
    let mut block = Vec::new();
    if let Some(seconds) = message.remaining_expiry_s(now) {
        block.push(2);
        block.extend_from_slice(&seconds.to_be_bytes());
    }
    block
}

/// A frame that no other recipient shares.
fn append_own(
    (message, now): (&MessageRef<'_>, Millis),
    outgoing: &Outgoing<'_>,
    link: &mut Link,
    out: &mut Vec<u8>,
) -> Result<usize, TooLarge> {
    let delivery = outgoing.delivery;
    let visible = message.topic.get(outgoing.hidden..).unwrap_or(message.topic);
    let v5 = link.version.has_properties();
    let alias = if v5 { link.alias_out(visible) } else { AliasOut::None };
    let mut first = PropertiesBuf::new();
    for id in delivery.ids.as_slice().iter().filter(|_| !planted!(SubscriptionIdLost)) {
        first.push(Property::SubscriptionIdentifier(*id))?;
    }
    if let AliasOut::Set(n) | AliasOut::Use(n) = alias {
        first.push(Property::TopicAlias(n))?;
    }
    let expiry = expiry_property(message, now);
    let parts = [first.as_properties().as_bytes(), message.properties, &expiry];
    let properties = v5.then_some(&parts[..]);
    let header = PublishHeader {
        dup: outgoing.dup,
        qos: delivery.qos,
        retain: delivery.retain,
        topic: if matches!(alias, AliasOut::Use(_)) { "" } else { visible },
        packet_id: outgoing.id,
    };
    let len = header.frame_len(properties, message.payload);
    if len > link.packet_max as usize && !planted!(TooLargeSent) {
        if matches!(alias, AliasOut::Set(_)) {
            link.forget_alias(visible);
        }
        return Ok(0);
    }
    header.encode(properties, message.payload, out)?;
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{NEVER, Origin, SubscriptionIds};
    use pondhawk_codec::frame::{self, Step};
    use pondhawk_codec::packet::Publish;
    use pondhawk_codec::{Packet, Version};

    fn view(payload: &[u8], expires_at: Millis) -> MessageRef<'_> {
        MessageRef {
            topic: "m/a/b",
            properties: &[],
            payload,
            qos: Qos::ExactlyOnce,
            retain: false,
            expires_at,
            origin: Origin(0),
            source: None,
        }
    }

    fn decode(bytes: &[u8], version: Version) -> Publish<'_> {
        let Ok(Step::Frame(frame)) = frame::next(bytes, usize::MAX) else { panic!("no frame in {bytes:x?}") };
        assert_eq!(frame.len, bytes.len());
        match Packet::decode(&frame, version) {
            Ok(Packet::Publish(publish)) => publish,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn shared_frames_carry_their_own_ids_at_every_header_size() {
        for size in [0, 1, 115, 116, 117, 118, 119, 120, 121, 16_370, 16_380, 2_097_140, 2_097_150] {
            let payload = alloc::vec![7u8; size];
            let message = view(&payload, NEVER);
            let mut layouts = Layouts::default();
            for version in [Version::V311, Version::V5] {
                let mut link = Link::new(version);
                for n in [1u16, 0x1234] {
                    let delivery =
                        Delivery { qos: Qos::AtLeastOnce, retain: false, ids: SubscriptionIds::None };
                    let outgoing =
                        Outgoing { delivery: &delivery, id: PacketId::new(n), dup: false, hidden: 0 };
                    let mut out = Vec::new();
                    let len = layouts.append((&message, 0), &outgoing, &mut link, &mut out).expect("fits");
                    assert_eq!(len, out.len());
                    let publish = decode(&out, version);
                    assert_eq!(publish.packet_id, PacketId::new(n), "{size}");
                    assert_eq!((publish.topic, publish.payload), ("m/a/b", &payload[..]));
                }
            }
        }
    }

    #[test]
    fn own_frames_hold_ids_alias_and_expiry() {
        let message = view(b"x", 5_000);
        let mut link = Link::new(Version::V5);
        link.set_alias_maximums(0, 1);
        let ids = SubscriptionIds::Many([3, 9].into());
        let delivery = Delivery { qos: Qos::AtMostOnce, retain: true, ids };
        let outgoing = Outgoing { delivery: &delivery, id: None, dup: false, hidden: 2 };
        let mut layouts = Layouts::default();
        for (now, topic, left) in [(0, "a/b", 5), (2_500, "", 3)] {
            let mut out = Vec::new();
            layouts.append((&message, now), &outgoing, &mut link, &mut out).expect("fits");
            let publish = decode(&out, Version::V5);
            assert_eq!((publish.topic, publish.retain), (topic, true));
            assert!(publish.properties.iter().eq([
                Property::SubscriptionIdentifier(3),
                Property::SubscriptionIdentifier(9),
                Property::TopicAlias(1),
                Property::MessageExpiryInterval(left),
            ]));
        }
    }

    // [MQTT-3.1.2-24]: to the byte, in a frame that others share and in one of its own.
    #[test]
    fn a_frame_is_as_large_as_the_client_takes_and_no_larger() {
        let message = view(b"0123456789", NEVER);
        for hidden in [0, 2] {
            let delivery = Delivery { qos: Qos::AtMostOnce, retain: false, ids: SubscriptionIds::None };
            let outgoing = Outgoing { delivery: &delivery, id: None, dup: false, hidden };
            // Header, topic with its length, the length of no properties, payload.
            let len = 2 + 2 + (5 - hidden) + 1 + 10;
            for (packet_max, sent) in [(len, len), (len - 1, 0)] {
                let mut link = Link::new(Version::V5);
                link.packet_max = packet_max as u32;
                let mut out = Vec::new();
                let appended = Layouts::default().append((&message, 0), &outgoing, &mut link, &mut out);
                assert_eq!((appended, out.len()), (Ok(sent), sent), "{hidden}");
            }
        }
    }

    /// Frames are copied where recipients share a layout, and nothing of a frame of its own is in another's.
    #[test]
    fn each_recipient_gets_its_own_kind_of_frame() {
        let (plain, numbered) = (SubscriptionIds::None, SubscriptionIds::One(7));
        let mut kinds = Vec::new();
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            for retain in [false, true] {
                for version in [Version::V311, Version::V5] {
                    kinds.push((version, qos, retain, &plain, 0));
                }
            }
        }
        kinds.push((Version::V5, Qos::AtLeastOnce, true, &plain, 2));
        kinds.push((Version::V5, Qos::ExactlyOnce, false, &numbered, 0));
        kinds.push((Version::V311, Qos::ExactlyOnce, false, &plain, 2));
        let mut layouts = Layouts::default();
        for payload in [&b"first"[..], b"second, which is longer"] {
            layouts.reset();
            let message = view(payload, NEVER);
            for (n, (version, qos, retain, ids, hidden)) in kinds.iter().chain(&kinds).enumerate() {
                let delivery = Delivery { qos: *qos, retain: *retain, ids: (*ids).clone() };
                let id = PacketId::new(if *qos == Qos::AtMostOnce { 0 } else { 100 + n as u16 });
                let outgoing =
                    Outgoing { delivery: &delivery, id, dup: n % 3 == 0 && id.is_some(), hidden: *hidden };
                let mut out = Vec::new();
                let mut link = Link::new(*version);
                let len = layouts.append((&message, 0), &outgoing, &mut link, &mut out);
                let publish = decode(&out, *version);
                assert_eq!(len, Ok(out.len()));
                assert_eq!((publish.topic, publish.payload), (&"m/a/b"[*hidden..], payload));
                assert_eq!((publish.qos, publish.retain, publish.dup), (*qos, *retain, outgoing.dup));
                assert_eq!(publish.packet_id, id);
                let told = publish.properties.iter().filter_map(|property| match property {
                    Property::SubscriptionIdentifier(id) => Some(id),
                    _ => None,
                });
                assert!(told.eq(ids.as_slice().iter().copied()));
            }
        }
    }

    /// A client with aliases gets a frame of its own, and the others what they got before.
    #[test]
    fn an_alias_is_nobody_elses() {
        let message = view(b"x", NEVER);
        let delivery = Delivery { qos: Qos::AtMostOnce, retain: false, ids: SubscriptionIds::None };
        let outgoing = Outgoing { delivery: &delivery, id: None, dup: false, hidden: 0 };
        let mut layouts = Layouts::default();
        let mut aliased = Link::new(Version::V5);
        aliased.set_alias_maximums(0, 1);
        assert!(aliased.has_aliases_out() && !Link::new(Version::V5).has_aliases_out());
        for (topic, known) in [("m/a/b", 1), ("", 1)] {
            let mut out = Vec::new();
            layouts.append((&message, 0), &outgoing, &mut aliased, &mut out).expect("fits");
            let publish = decode(&out, Version::V5);
            assert_eq!(publish.topic, topic);
            assert!(publish.properties.iter().eq([Property::TopicAlias(known)]));
            let mut out = Vec::new();
            layouts.append((&message, 0), &outgoing, &mut Link::new(Version::V5), &mut out).expect("fits");
            let publish = decode(&out, Version::V5);
            assert_eq!((publish.topic, publish.properties.is_empty()), ("m/a/b", true));
        }
    }

    // [MQTT-3.1.2-24]
    #[test]
    fn what_the_client_cannot_take_is_not_sent() {
        let message = view(b"0123456789", NEVER);
        let mut link = Link::new(Version::V5);
        link.packet_max = 15;
        link.set_alias_maximums(0, 1);
        let delivery = Delivery { qos: Qos::AtMostOnce, retain: false, ids: SubscriptionIds::None };
        let outgoing = Outgoing { delivery: &delivery, id: None, dup: false, hidden: 0 };
        let mut out = Vec::new();
        let mut layouts = Layouts::default();
        assert_eq!(layouts.append((&message, 0), &outgoing, &mut link, &mut out), Ok(0));
        assert!(out.is_empty());
        assert_eq!(link.alias_out("other"), AliasOut::Set(1));
    }
}
