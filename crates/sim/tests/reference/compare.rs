//! What the two brokers sent in one step, and where they may differ.
//!
//! The reference already follows the real broker in the choices that change what comes later (see `Witness`). What
//! may still differ, and says nothing:
//!
//! - a PUBLISH and a packet of another type, and packets of different types among each other, in either order; but
//!   CONNACK comes first and DISCONNECT last;
//! - PUBACK, PUBREC and PUBCOMP for different packet ids in either order, since those that wait for a store take
//!   longer (the standard orders them for clients only);
//! - a PUBACK or PUBREC with code 0 instead of 0x10: nobody needs to know that there are no subscribers;
//! - a CONNACK that refuses in MQTT 5.0 may be missing, as long as the connection is closed;
//! - the remaining expiry by one second, as a matter of rounding;
//! - topic aliases, reason strings, and user properties of other packets than PUBLISH.

use pondhawk_codec::PacketType;
use pondhawk_sim::reference::{Outgoing, Sent};

/// A difference, if there is one that counts.
pub fn difference(real: &[Sent], reference: &[Sent]) -> Option<String> {
    if let Some(order) = out_of_place(real) {
        return Some(order);
    }
    let (sent, expected) = (messages(real), messages(reference));
    let same = sent.len() == expected.len() && sent.iter().zip(&expected).all(|(a, b)| same_message(a, b));
    if !same {
        return Some("PUBLISH packets differ".into());
    }
    let (real, reference) = (others(real), others(reference));
    let may_be_missing = |packet: &Sent| matches!(packet, Sent::Connack { code: 0x80.., .. });
    if real.is_empty() && reference.iter().all(|packet| may_be_missing(packet)) {
        return None;
    }
    let same = real.len() == reference.len() && real.iter().zip(&reference).all(|(a, b)| same_packet(a, b));
    (!same).then(|| "other packets than PUBLISH differ".into())
}

/// CONNACK is the first packet, DISCONNECT the last.
fn out_of_place(real: &[Sent]) -> Option<String> {
    let connack = real.iter().position(|packet| matches!(packet, Sent::Connack { .. }));
    let disconnect = real.iter().position(|packet| matches!(packet, Sent::Disconnect(_)));
    if connack.is_some_and(|at| at > 0) {
        return Some("CONNACK is not the first packet [MQTT-3.2.0-1]".into());
    }
    let behind = disconnect.is_some_and(|at| at + 1 < real.len());
    behind.then(|| "a packet follows DISCONNECT [MQTT-3.14.4-1]".into())
}

fn messages<'a>(packets: &'a [Sent]) -> Vec<&'a Outgoing> {
    let message = |packet: &'a Sent| if let Sent::Publish(message) = packet { Some(message) } else { None };
    packets.iter().filter_map(message).collect()
}

/// The others, type by type.
fn others(packets: &[Sent]) -> Vec<&Sent> {
    let mut others: Vec<&Sent> =
        packets.iter().filter(|packet| !matches!(packet, Sent::Publish(_))).collect();
    others.sort_by_key(|packet| match packet {
        Sent::Connack { .. } => (PacketType::Connack as u8, 0),
        Sent::Publish(_) => (PacketType::Publish as u8, 0),
        Sent::Ack(PacketType::Pubrel, ..) => (PacketType::Pubrel as u8, 0),
        Sent::Ack(packet_type, id, _) => (*packet_type as u8, *id),
        Sent::Suback(..) => (PacketType::Suback as u8, 0),
        Sent::Unsuback(..) => (PacketType::Unsuback as u8, 0),
        Sent::Pingresp => (PacketType::Pingresp as u8, 0),
        Sent::Disconnect(_) => (PacketType::Disconnect as u8, 0),
        Sent::Auth(_) => (PacketType::Auth as u8, 0),
    });
    others
}

fn same_message(real: &Outgoing, reference: &Outgoing) -> bool {
    real.is_like(reference) && (real.id, real.dup) == (reference.id, reference.dup)
}

fn same_packet(real: &Sent, reference: &Sent) -> bool {
    match (real, reference) {
        (
            Sent::Ack(PacketType::Puback | PacketType::Pubrec, id, 0),
            Sent::Ack(packet_type, reference_id, 0 | 0x10),
        ) => {
            let Sent::Ack(real_type, ..) = real else { return false };
            real_type == packet_type && id == reference_id
        }
        _ => real == reference,
    }
}

#[test]
fn what_counts_and_what_does_not() {
    let puback = |code| Sent::Ack(PacketType::Puback, 7, code);
    let refused = Sent::Connack { present: false, code: 0x85, properties: Vec::new() };
    assert_eq!(difference(&[puback(0)], &[puback(0x10)]), None);
    assert_eq!(difference(&[], std::slice::from_ref(&refused)), None);
    assert_eq!(difference(&[Sent::Pingresp, puback(0)], &[puback(0), Sent::Pingresp]), None);
    assert!(difference(&[puback(0x10)], &[puback(0)]).is_some(), "there was a subscriber");
    assert!(difference(&[refused], &[]).is_some());
    assert!(difference(&[puback(0), puback(0)], &[puback(0)]).is_some());
    assert!(difference(&[Sent::Disconnect(0x82), Sent::Pingresp], &[]).is_some());
}
