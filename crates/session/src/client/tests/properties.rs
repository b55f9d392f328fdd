//! Whatever the bytes, the splits and the breaks are.

use super::*;
use proptest::prelude::*;

/// A server's side of a conversation: CONNACK, then messages and releases.
fn conversation(version: Version) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut say = |packet: &Packet<'_>| packet.encode(version, &mut wire).expect("small");
    say(&Packet::Connack(Connack {
        session_present: false,
        code: reason::SUCCESS,
        properties: Default::default(),
    }));
    for n in 1..=6u16 {
        let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][usize::from(n % 3)];
        say(&Packet::Publish(Publish {
            dup: false,
            qos,
            retain: n % 2 == 0,
            topic: "some/topic",
            packet_id: PacketId::new(n).filter(|_| qos != Qos::AtMostOnce),
            properties: Default::default(),
            payload: &[7; 300][..usize::from(n) * 50],
        }));
        say(&Packet::Pingresp);
        if qos == Qos::ExactlyOnce {
            say(&Packet::Pubrel(ack(n, reason::SUCCESS)));
        }
    }
    wire
}

fn hear(version: Version, pieces: &[&[u8]]) -> (Vec<Event>, Vec<u8>) {
    let mut wire = Wire::new(options(version));
    wire.client.connect(0).expect("offline");
    for piece in pieces {
        wire.client.receive(0, piece);
    }
    (wire.events(), wire.client.take_output())
}

proptest! {
    #[test]
    fn splits_change_nothing(v5: bool, mut cuts in proptest::collection::vec(0usize..1500, 0..20)) {
        let version = if v5 { V5 } else { V3 };
        let whole = conversation(version);
        let mut pieces = Vec::new();
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(whole.len()));
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&whole[from..cut]);
            from = cut;
        }
        pieces.push(&whole[from..]);
        let expected = hear(version, &[&whole]);
        prop_assert_eq!(expected.0.len(), 7);
        prop_assert_eq!(hear(version, &pieces), expected);
    }

    #[test]
    fn any_bytes_are_survived(v5: bool, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let version = if v5 { V5 } else { V3 };
        let mut wire = Wire::online(options(version), &[]);
        wire.publish(Qos::ExactlyOnce);
        for piece in bytes.chunks(7) {
            wire.client.receive(0, piece);
        }
        let ends = wire.events().iter().filter(|event| matches!(event, Event::Disconnected(_))).count();
        prop_assert_eq!(ends, usize::from(wire.client.is_offline()));
    }

    /// Whatever the server answers and however often the connection breaks: every message is answered for
    /// once, and the window is never exceeded. [MQTT-3.3.4-7] [MQTT-4.9.0-1] [MQTT-4.9.0-2]
    #[test]
    fn every_message_is_answered_for_once(
        qos2 in proptest::collection::vec(any::<bool>(), 1..30),
        window in 1u16..5,
        breaks in proptest::collection::vec(any::<bool>(), 0..40),
    ) {
        let mut wire = Wire::new(kept(V5));
        let mut open: Vec<PacketId> = qos2
            .iter()
            .map(|two| wire.publish(if *two { Qos::ExactlyOnce } else { Qos::AtLeastOnce }))
            .collect();
        let mut breaks = breaks.into_iter();
        wire.reconnect(false, &[Property::ReceiveMaximum(window)]);
        let mut unanswered = 0;
        while !open.is_empty() {
            let mut answers = Vec::new();
            wire.packets(&mut |packet| match packet {
                Packet::Publish(publish) => answers.push((publish.qos, publish.packet_id)),
                Packet::Pubrel(ack) => answers.push((Qos::AtMostOnce, Some(ack.packet_id))),
                other => panic!("{other:?}"),
            });
            unanswered += answers.iter().filter(|(qos, _)| *qos != Qos::AtMostOnce).count();
            prop_assert!(unanswered <= usize::from(window));
            if breaks.next() == Some(true) {
                unanswered = 0;
                wire.client.closed();
                wire.reconnect_quietly(window);
                continue;
            }
            for (qos, id) in answers {
                let ack = Ack::new(id.expect("QoS above 0"), reason::SUCCESS);
                match qos {
                    Qos::AtLeastOnce => wire.serve(&Packet::Puback(ack)),
                    Qos::ExactlyOnce => wire.serve(&Packet::Pubrec(ack)),
                    Qos::AtMostOnce => wire.serve(&Packet::Pubcomp(ack)),
                }
                unanswered -= usize::from(qos != Qos::ExactlyOnce && unanswered > 0);
            }
            for event in wire.events() {
                if let Event::Published { id, .. } = event {
                    let at = open.iter().position(|open| *open == id);
                    prop_assert!(at.is_some(), "answered twice");
                    open.remove(at.expect("just checked"));
                }
            }
        }
        prop_assert_eq!(wire.client.unanswered(), 0);
    }
}
