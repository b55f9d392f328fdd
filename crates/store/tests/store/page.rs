//! Long queues stay on disk at a start, and are read back page by page.

use crate::kit::{CLOCK, Op, Pair, message, ops, text};
use pondhawk_broker::{Fetch, InMemory, Kept, Page, Persist, Restored, SessionId};
use pondhawk_codec::Qos;
use pondhawk_session::server::{Delivery, Seq, SubscriptionIds};
use pondhawk_store::Log;
use pondhawk_store::engine::{Batch, Engine, MemoryEngine};
use pondhawk_store::format::Key;
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::Arc;

fn fetch(client_id: &Arc<str>, numbers: (Seq, Seq), bytes: usize) -> Fetch {
    let (from, through) = numbers;
    Fetch { session: SessionId::default(), client_id: client_id.clone(), from, through, bytes }
}

/// Puts what is on disk where it would have been, page by page.
fn read_all(log: &Log<MemoryEngine>, restored: &mut Restored, bytes: usize) {
    for (client_id, session) in &mut restored.sessions {
        let Some(run) = session.on_disk.take() else { continue };
        assert!(session.queue.keys().all(|seq| *seq < run.from || *seq > run.through), "{run:?}");
        let (mut from, mut left) = (run.from, (run.messages, run.bytes));
        while from <= run.through {
            let page = log.page(&fetch(client_id, (from, run.through), bytes), CLOCK).expect("can be read");
            assert!(page.lost.is_empty() && page.through >= from && page.through <= run.through);
            from = Seq(page.through.0 + 1);
            for (seq, message, delivery) in page.messages {
                left = (left.0 - 1, left.1 - message.size());
                assert!(session.queue.insert(seq, (Some(message), delivery)).is_none());
            }
        }
        assert_eq!(left, (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_on_disk_is_what_would_have_been_in_memory(
        turns in prop::collection::vec(ops(), 1..30),
        (messages, bytes, page) in (0usize..4, 1usize..900, 1usize..900),
    ) {
        let mut pair = Pair::new();
        turns.iter().for_each(|ops| pair.turn(ops));
        prop_assert_eq!(pair.log.commit(), Ok(()));
        let engine = pair.log.engine().crashed(0);
        let in_memory = InMemory { messages, bytes };
        let (mut log, recovered) = Log::open_within(engine, CLOCK, in_memory).expect("opens");
        prop_assert_eq!(recovered.lost.len(), 0);
        let mut restored = recovered.restored;
        for session in restored.sessions.values() {
            let Some(run) = session.on_disk else { continue };
            prop_assert!(session.queue.keys().all(|seq| *seq < run.from));
            prop_assert!(session.queue.len() >= messages || session.kept.ends_at.is_some());
            prop_assert!(run.from > session.kept.sent);
        }
        read_all(&log, &mut restored, page);
        prop_assert_eq!(text(&restored), text(&pair.replayed(turns.len())));
        // Shared messages stay as long as anything on disk refers to them.
        while log.has_work() {
            prop_assert_eq!(log.commit(), Ok(()));
        }
        let (log, again) = Log::open_within(log.engine().clone(), CLOCK, in_memory).expect("opens");
        let mut again = again.restored;
        read_all(&log, &mut again, page);
        prop_assert_eq!(text(&again), text(&restored));
    }
}

/// Messages of ten bytes with the numbers 1 to 20, of which the first five stay in memory.
fn twenty() -> (Log<MemoryEngine>, Arc<str>) {
    let mut pair = Pair::new();
    let client_id: Arc<str> = "client-0".into();
    pair.turn(&[Op { kind: 1, who: 0, what: 1 }]);
    let delivery = || Delivery { qos: Qos::AtLeastOnce, retain: false, ids: SubscriptionIds::None };
    let queued = |seq| Persist::Queued {
        client_id: client_id.clone(),
        seq: Seq(seq),
        message: message("t", 7, 5_000),
        delivery: delivery(),
    };
    pair.records((1..=20).map(queued).collect());
    assert_eq!(pair.log.commit(), Ok(()));
    (pair.log, client_id)
}

fn numbers(page: &Page) -> Vec<u64> {
    page.messages.iter().map(|(seq, ..)| seq.0).collect()
}

#[test]
fn a_page_ends_behind_the_message_that_fills_it() {
    let (log, client_id) = twenty();
    let page = log.page(&fetch(&client_id, (Seq(6), Seq(20)), 25), CLOCK).expect("can be read");
    assert_eq!((numbers(&page), page.through), (vec![6, 7, 8], Seq(8)));
    let page = log.page(&fetch(&client_id, (Seq(18), Seq(19)), 1000), CLOCK).expect("can be read");
    assert_eq!((numbers(&page), page.through), (vec![18, 19], Seq(19)));
    let nobody = log.page(&fetch(&"nobody".into(), (Seq(1), Seq(9)), 1000), CLOCK).expect("can be read");
    assert_eq!((nobody.messages.len(), nobody.through), (0, Seq(9)));
}

#[test]
fn a_start_leaves_on_disk_what_the_window_does_not_hold() {
    let (log, client_id) = twenty();
    let open = |messages| {
        let in_memory = InMemory { messages, bytes: 45 };
        let (_, recovered) = Log::open_within(log.engine().clone(), CLOCK, in_memory).expect("opens");
        let session = recovered.restored.sessions[&client_id].clone();
        assert_eq!(session.queue_len(), 20);
        assert_eq!(session.last_queued(), Some(Seq(20)));
        session.on_disk.map(|run| (run.from.0, run.through.0, run.messages, run.bytes))
    };
    assert_eq!(open(0), Some((6, 20, 15, 150)));
    // The client was away: its window does not matter.
    assert_eq!(open(12), Some((6, 20, 15, 150)));
}

#[test]
fn what_is_damaged_behind_the_stores_back_is_named() {
    let (mut log, client_id) = twenty();
    let mut keys = Vec::new();
    let scanned = log.engine().scan(&[], None, &mut |key, value| {
        if matches!(Key::decode(key), Ok(Key::Queued(_, Seq(7 | 9)))) {
            keys.push((key.to_vec(), value.to_vec()));
        }
        ControlFlow::Continue(())
    });
    assert_eq!((scanned, keys.len()), (Ok(()), 2));
    let mut batch = Batch::new();
    for (key, mut value) in keys {
        value[3] ^= 1;
        batch.put(key, value);
    }
    assert_eq!(log.engine_mut().apply(&batch), Ok(()));
    let page = log.page(&fetch(&client_id, (Seq(6), Seq(10)), 1000), CLOCK).expect("can be read");
    assert_eq!((numbers(&page), page.lost), (vec![6, 8, 10], vec![Seq(7), Seq(9)]));
}

/// With a smaller window than before, less may have been sent than was: what stands in front of a message that the
/// client has is in memory all the same.
#[test]
fn what_is_in_front_of_a_message_that_was_sent_was_sent_too() {
    let (mut log, client_id) = twenty();
    let kept = Kept {
        username: None,
        listener: 0,
        expiry_s: 100,
        ends_at: None,
        sent: Seq(0),
        doubtful: Seq(0),
        unclaimed: false,
    };
    let records = [
        Persist::Session { client_id: client_id.clone(), kept },
        Persist::Recorded { client_id: client_id.clone(), seq: Seq(12) },
    ];
    let turn = pondhawk_store::Turn {
        shard: pondhawk_broker::ShardId(0),
        ticket: pondhawk_broker::Ticket(9),
        clock: CLOCK,
        records: &records,
    };
    assert_eq!(log.append(&turn).and_then(|()| log.commit()), Ok(()));
    let in_memory = InMemory { messages: 2, bytes: 15 };
    let (_, recovered) = Log::open_within(log.engine().clone(), CLOCK, in_memory).expect("opens");
    let session = &recovered.restored.sessions[&client_id];
    assert_eq!(session.queue.len(), 12);
    assert!(session.queue.iter().all(|(seq, (message, _))| message.is_some() == (*seq != Seq(12))));
    assert_eq!(session.on_disk.map(|run| (run.from.0, run.messages, run.bytes)), Some((13, 8, 80)));
}
