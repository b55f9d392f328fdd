//! Tests of the outbox, which stands beside this file.

use super::*;
use crate::server::{MessageRef, NEVER, Origin};
use alloc::vec::Vec;

const UNLIMITED: OutboxLimits = OutboxLimits { inflight_bytes: 0, queued_messages: 0, queued_bytes: 0 };

fn message(n: u32, qos: Qos) -> (Arc<Message>, Delivery) {
    let view = MessageRef {
        topic: "t",
        properties: &[],
        payload: &n.to_be_bytes(),
        qos,
        retain: false,
        expires_at: NEVER,
        origin: Origin(0),
        source: None,
    };
    (Arc::new(view.to_message()), Delivery { qos, retain: false, ids: SubscriptionIds::None })
}

fn id(n: u16) -> PacketId {
    PacketId::new(n).expect("not zero")
}

fn drain(outbox: &mut Outbox, window: u16) -> Vec<(u16, bool)> {
    let mut sent = Vec::new();
    while let Some(next) = outbox.poll(window, &UNLIMITED, &mut |_, _| true) {
        match next {
            Next::Publish { seq, dup, .. } => sent.push((seq.map_or(0, |seq| seq.packet_id().get()), dup)),
            Next::Release { seq, .. } => sent.push((seq.packet_id().get() + 10_000, false)),
            Next::Dropped(seq) => panic!("{seq:?} is wanted"),
        }
    }
    sent
}

#[test]
fn window_then_queue_then_drop() {
    let limits = OutboxLimits { queued_messages: 1, ..UNLIMITED };
    let mut outbox = Outbox::default();
    let offered: Vec<_> =
        (0..4).map(|n| outbox.offer(message(n, Qos::AtLeastOnce), Some(2), &limits)).collect();
    assert_eq!(
        offered,
        [Offered::Start(Seq(1)), Offered::Start(Seq(2)), Offered::Queued(Some(Seq(3))), Offered::Dropped]
    );
    assert!(drain(&mut outbox, 2).is_empty());
    assert_eq!(outbox.puback(id(2)), Ok(Some(Seq(2))));
    assert_eq!(drain(&mut outbox, 2), [(3, false)]);
    assert_eq!(outbox.puback(id(2)), Ok(None));
}

// [MQTT-3.3.1-1] [MQTT-4.3.3-6] [MQTT-4.4.0-1] [MQTT3-3.3.1-1] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1]
#[test]
fn resume_sends_in_order_with_dup_and_pubrel() {
    let mut outbox = Outbox::default();
    for n in 0..3 {
        outbox.offer(message(n, Qos::ExactlyOnce), Some(10), &UNLIMITED);
    }
    outbox.offer(message(3, Qos::AtLeastOnce), None, &UNLIMITED);
    assert_eq!(outbox.pubrec(id(2), false), Ok(PubrecOutcome::Release { seq: Seq(2), first: true }));
    outbox.resume();
    assert_eq!(drain(&mut outbox, 10), [(1, true), (10_002, false), (3, true), (4, false)]);
}

#[test]
fn resume_keeps_to_a_smaller_window() {
    let mut outbox = Outbox::default();
    for n in 0..3 {
        outbox.offer(message(n, Qos::AtLeastOnce), Some(10), &UNLIMITED);
    }
    outbox.resume();
    assert_eq!(drain(&mut outbox, 1), [(1, true)]);
    assert_eq!(outbox.puback(id(1)), Ok(Some(Seq(1))));
    assert_eq!(drain(&mut outbox, 1), [(2, true)]);
    assert_eq!(outbox.puback(id(2)), Ok(Some(Seq(2))));
    assert_eq!(
        outbox.offer(message(9, Qos::AtLeastOnce), Some(1), &UNLIMITED),
        Offered::Queued(Some(Seq(4)))
    );
    assert_eq!(drain(&mut outbox, 1), [(3, true)]);
    assert_eq!(outbox.puback(id(3)), Ok(Some(Seq(3))));
    assert_eq!(drain(&mut outbox, 1), [(4, false)]);
}

#[test]
fn an_ack_of_an_unsent_entry_keeps_the_count_right() {
    let mut outbox = Outbox::default();
    for n in 0..3 {
        outbox.offer(message(n, Qos::AtLeastOnce), Some(10), &UNLIMITED);
    }
    outbox.resume();
    assert_eq!(outbox.puback(id(3)), Ok(Some(Seq(3))));
    assert_eq!(drain(&mut outbox, 10), [(1, true), (2, true)]);
    assert!(outbox.puback(id(1)).is_ok() && outbox.puback(id(2)).is_ok());
    assert!(outbox.is_empty());
    assert_eq!(outbox.bytes(), 0);
}

// [MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.3.3-5] [MQTT-4.4.0-2]
#[test]
fn wrong_acks_change_nothing() {
    let mut outbox = Outbox::default();
    outbox.offer(message(0, Qos::ExactlyOnce), Some(10), &UNLIMITED);
    outbox.offer(message(1, Qos::AtLeastOnce), Some(10), &UNLIMITED);
    assert_eq!(outbox.puback(id(1)), Err(WrongAck));
    assert_eq!(outbox.pubcomp(id(1)), Err(WrongAck));
    assert_eq!(outbox.pubrec(id(2), false), Err(WrongAck));
    assert_eq!(outbox.pubrec(id(7), false), Ok(PubrecOutcome::Unknown));
    assert_eq!(outbox.inflight_len(), 2);
    assert_eq!(outbox.pubrec(id(1), true), Ok(PubrecOutcome::Done(Seq(1))));
    assert_eq!(outbox.inflight_len(), 1);
}

// [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT3-2.3.1-4] [MQTT3-4.3.2-1]
#[test]
fn all_ids_in_flight_acknowledged_in_reverse() {
    let mut outbox = Outbox::default();
    for n in 0..65_535 {
        let offered = outbox.offer(message(n, Qos::AtLeastOnce), Some(u16::MAX), &UNLIMITED);
        assert_eq!(offered, Offered::Start(Seq(u64::from(n) + 1)));
    }
    assert_eq!(
        outbox.offer(message(0, Qos::AtLeastOnce), Some(u16::MAX), &UNLIMITED),
        Offered::Queued(Some(Seq(65_536)))
    );
    for n in (1..=65_535).rev() {
        assert_eq!(outbox.puback(id(n)), Ok(Some(Seq(n.into()))), "{n}");
    }
    assert_eq!(drain(&mut outbox, u16::MAX), [(1, false)]);
}

// [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT3-2.3.1-4]
#[test]
fn ids_wrap_but_never_pass_the_oldest() {
    let mut outbox = Outbox::default();
    outbox.offer(message(0, Qos::AtLeastOnce), Some(2), &UNLIMITED);
    for n in 2..=65_535u16 {
        assert_eq!(
            outbox.offer(message(0, Qos::AtLeastOnce), Some(2), &UNLIMITED),
            Offered::Start(Seq(n.into()))
        );
        assert_eq!(outbox.puback(id(n)), Ok(Some(Seq(n.into()))));
    }
    assert_eq!(
        outbox.offer(message(0, Qos::AtLeastOnce), Some(2), &UNLIMITED),
        Offered::Queued(Some(Seq(65_536)))
    );
    assert_eq!(outbox.puback(id(1)), Ok(Some(Seq(1))));
    assert_eq!(drain(&mut outbox, 2), [(1, false)]);
}

#[test]
fn restored_in_the_order_of_numbers() {
    let released = |n| (Seq(n), None, message(0, Qos::ExactlyOnce).1);
    let published = |n: u64| {
        let (message, delivery) = message(n as u32, Qos::AtLeastOnce);
        (Seq(n), Some(message), delivery)
    };
    // Up to 70,001 was sent; 70,003 must have been, since PUBREC has come for it.
    let entries = [published(70_000), published(70_002), released(70_003), published(70_004)];
    let mut outbox = Outbox::restore(entries, None, (Seq(70_001), Seq(0)));
    assert_eq!((outbox.inflight_len(), outbox.queue_len(), outbox.bytes()), (3, 1, 15));
    let id = |n: u64| Seq(n).packet_id().get();
    let sent = [(id(70_000), true), (id(70_002), true), (id(70_003) + 10_000, false), (id(70_004), false)];
    assert_eq!(drain(&mut outbox, 10), sent);
    assert_eq!(id(70_000), 4_465);
    assert_eq!(outbox.pubcomp(Seq(70_003).packet_id()), Ok(Some(Seq(70_003))));
    assert_eq!(outbox.offer(message(0, Qos::AtLeastOnce), Some(10), &UNLIMITED), Offered::Start(Seq(70_005)));
    // Of a session that holds nothing, the last number that was sent is known.
    let mut empty = Outbox::restore([], None, (Seq(9), Seq(0)));
    assert_eq!(empty.sent(), Seq(9));
    assert_eq!(empty.offer(message(0, Qos::AtLeastOnce), Some(1), &UNLIMITED), Offered::Start(Seq(10)));
}

#[test]
fn a_message_that_may_not_go_out_again() {
    let mut outbox = Outbox::default();
    for (n, qos) in [Qos::ExactlyOnce, Qos::AtLeastOnce].into_iter().enumerate() {
        outbox.offer(message(n as u32, qos), Some(2), &UNLIMITED);
        outbox.offer(message(n as u32, qos), None, &UNLIMITED);
    }
    outbox.resume();
    let mut polled = Vec::new();
    while let Some(next) = outbox.poll(10, &UNLIMITED, &mut |_, _| false) {
        polled.push(match next {
            Next::Release { seq, given_up: true } => (seq.0, "given up"),
            Next::Dropped(Some(seq)) => (seq.0, "dropped"),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(polled, [(1, "given up"), (2, "dropped"), (3, "dropped"), (4, "dropped")]);
    assert_eq!((outbox.inflight_len(), outbox.bytes()), (1, 0));
    outbox.resume();
    assert_eq!(drain(&mut outbox, 10), [(10_001, false)]);
    assert_eq!(outbox.pubcomp(id(1)), Ok(Some(Seq(1))));
}

#[test]
fn the_queue_has_a_limit_in_bytes() {
    // Each has a topic of one byte and a payload of four.
    let limits = OutboxLimits { queued_bytes: 10, ..UNLIMITED };
    let mut outbox = Outbox::default();
    let offered = [0, 1, 2].map(|n| outbox.offer(message(n, Qos::AtLeastOnce), None, &limits));
    assert_eq!(offered, [Offered::Queued(Some(Seq(1))), Offered::Queued(Some(Seq(2))), Offered::Dropped]);
    assert_eq!((outbox.queue_len(), outbox.bytes()), (2, 10));
    // What goes out of the queue counts in flight, until it is acknowledged.
    assert_eq!(drain(&mut outbox, 1), [(1, false)]);
    assert_eq!((outbox.queue_len(), outbox.bytes()), (1, 10));
    assert!(outbox.puback(id(1)).is_ok());
    assert_eq!((outbox.queue_len(), outbox.bytes()), (1, 5));
}

/// A message of QoS 1 that was sent leaves nothing at the client that PUBREL could end.
#[test]
fn a_message_of_qos_1_that_may_not_go_out_again_is_dropped() {
    let mut outbox = Outbox::default();
    outbox.offer(message(0, Qos::AtLeastOnce), Some(1), &UNLIMITED);
    outbox.resume();
    let next = outbox.poll(1, &UNLIMITED, &mut |_, _| false);
    assert!(matches!(next, Some(Next::Dropped(Some(Seq(1))))), "{next:?}");
    assert!(outbox.is_empty());
}

#[test]
fn what_was_sent_before_a_restart_is_in_flight_after_it() {
    let entries = [5, 6, 7].map(|n: u64| {
        let (message, delivery) = message(n as u32, Qos::AtLeastOnce);
        (Seq(n), Some(message), delivery)
    });
    let mut outbox = Outbox::restore(entries, None, (Seq(6), Seq(6)));
    assert_eq!((outbox.inflight_len(), outbox.queue_len()), (2, 1));
    assert_eq!(drain(&mut outbox, 10), [(5, true), (6, true), (7, false)]);
}

#[test]
fn what_may_have_been_sent_before_a_crash_has_dup_at_qos_1() {
    let entries = [(5, Qos::AtLeastOnce), (6, Qos::AtLeastOnce), (7, Qos::ExactlyOnce)].map(|(n, qos)| {
        let (message, delivery) = message(n, qos);
        (Seq(n.into()), Some(message), delivery)
    });
    let mut outbox = Outbox::restore(entries, None, (Seq(5), Seq(7)));
    outbox.offer(message(8, Qos::AtLeastOnce), None, &UNLIMITED);
    // PUBLISH waits for its records at QoS 2, so that one was not sent; 8 is new.
    assert_eq!(drain(&mut outbox, 10), [(5, true), (6, true), (7, false), (8, false)]);
}

/// Ids that have gone round belong to the messages behind those at the end of the range.
#[test]
fn acks_are_found_where_ids_go_round() {
    let none: [(Seq, Option<Arc<Message>>, Delivery); 0] = [];
    let mut outbox = Outbox::restore(none, None, (Seq(65_533), Seq(65_533)));
    let offered: Vec<_> =
        (0..4).map(|n| outbox.offer(message(n, Qos::AtLeastOnce), Some(10), &UNLIMITED)).collect();
    assert_eq!(offered, [65_534, 65_535, 65_536, 65_537].map(|n| Offered::Start(Seq(n))));
    assert_eq!(outbox.puback(id(2)), Ok(Some(Seq(65_537))));
    assert_eq!(outbox.puback(id(1)), Ok(Some(Seq(65_536))));
    assert_eq!(outbox.puback(id(3)), Ok(None));
    assert_eq!(outbox.puback(id(65_535)), Ok(Some(Seq(65_535))));
    assert_eq!(outbox.inflight_len(), 1);
}

/// A topic of one byte and a payload of four are five.
#[test]
fn bytes_in_flight_have_a_limit() {
    let limits = OutboxLimits { inflight_bytes: 10, ..UNLIMITED };
    let mut outbox = Outbox::default();
    let mut offer = |n| outbox.offer(message(n, Qos::AtLeastOnce), Some(10), &limits);
    assert_eq!(
        [offer(1), offer(2)],
        [Offered::Start(Seq(1)), Offered::Start(Seq(2))],
        "ten bytes are allowed"
    );
    assert_eq!(offer(3), Offered::Queued(Some(Seq(3))));
    // One is sent whatever its size: it would never be otherwise.
    let small = OutboxLimits { inflight_bytes: 1, ..UNLIMITED };
    let mut outbox = Outbox::default();
    assert_eq!(outbox.offer(message(1, Qos::AtLeastOnce), Some(10), &small), Offered::Start(Seq(1)));
    assert_eq!(outbox.offer(message(2, Qos::AtLeastOnce), Some(10), &small), Offered::Queued(Some(Seq(2))));
    let mut outbox = Outbox::default();
    for n in 1..=5 {
        assert_eq!(
            outbox.offer(message(n, Qos::AtLeastOnce), Some(10), &UNLIMITED),
            Offered::Start(Seq(u64::from(n)))
        );
    }
}

#[test]
fn an_outbox_is_empty_when_nothing_is_in_flight_or_queued() {
    let mut outbox = Outbox::default();
    assert!(outbox.is_empty());
    outbox.offer(message(1, Qos::AtLeastOnce), Some(1), &UNLIMITED);
    assert!(!outbox.is_empty(), "one is in flight");
    outbox.offer(message(2, Qos::AtLeastOnce), Some(1), &UNLIMITED);
    outbox.discard(Seq(1));
    assert!(!outbox.is_empty(), "one is queued");
    assert_eq!((outbox.inflight_len(), outbox.queue_len()), (0, 1));
    assert_eq!(drain(&mut outbox, 1), [(2, false)]);
    outbox.discard(Seq(2));
    assert!(outbox.is_empty());
    assert_eq!(outbox.bytes(), 0);
}
