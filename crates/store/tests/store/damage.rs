//! Bytes that are not what was written.

use crate::fixture::one_of_each;
use crate::kit::{CLOCK, Pair, ops, reopened, text};
use pondhawk_store::engine::{Batch, Engine, MemoryEngine};
use pondhawk_store::format::{Key, Kind, Value};
use pondhawk_store::{Log, StoreError};
use proptest::prelude::*;
use std::ops::ControlFlow;

fn records(engine: &MemoryEngine) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    let scanned = engine.scan(&[], None, &mut |key, value| {
        records.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    assert_eq!(scanned, Ok(()));
    records
}

#[test]
fn every_damaged_record_is_named_and_the_rest_is_given() {
    let pair = one_of_each();
    let intact = pair.log.engine();
    let mut told = Vec::new();
    for (key, mut value) in records(intact) {
        value[1] ^= 0x10;
        let mut engine = intact.clone();
        engine.damage(&key, Some(value));
        let (mut log, restored, lost) = reopened(engine);
        // What is damaged is gone after the first write, and nothing else is lost by that.
        while log.has_work() {
            assert_eq!(log.commit(), Ok(()));
        }
        let (_, again, lost_again) = reopened(log.engine().crashed(0));
        assert_eq!(lost_again, Vec::<String>::new(), "{lost:?}");
        assert_eq!(text(&again), text(&restored));
        told.push(lost.join("; "));
    }
    let expected = [
        "the version of the format: its checksum differs",
        "the homes of names: its checksum differs",
        "session number 0, whose client is not known: its checksum differs; \
         subscription \"a/#\" of session number 0, whose client is not known: the record of its session is missing; \
         message 1 for session number 0, whose client is not known: the record of its session is missing; \
         message 2 for session number 0, whose client is not known: the record of its session is missing",
        "session number 1, whose client is not known: its checksum differs; \
         message 1 for session number 1, whose client is not known: the record of its session is missing; \
         PUBREC for message 1 from session number 1, whose client is not known: the record of its session is \
         missing; QoS 2 message with packet identifier 3 from session number 1, whose client is not known: the \
         record of its session is missing",
        "the end of session number 2: its checksum differs; \
         subscription \"a\" of session number 2, whose client is not known: the record of its session is missing",
        "message number 0 of several queues: its checksum differs; \
         message 1 for client \"client-0\": its message is missing; \
         message 1 for client \"client-1\": its message is missing; \
         message 1 between shards: its message is missing; \
         a place of message 1 between shards: the message is missing; \
         a place of message 1 between shards: the message is missing",
        "subscription \"a/#\" of client \"client-0\": its checksum differs",
        // What a session has left that is gone is no loss.
        "",
        "message 1 for client \"client-0\": its checksum differs",
        "message 2 for client \"client-0\": its checksum differs",
        "message 1 for client \"client-1\": its checksum differs",
        "PUBREC for message 1 from client \"client-1\": its checksum differs",
        "QoS 2 message with packet identifier 3 from client \"client-1\": its checksum differs",
        "message 1 between shards: its checksum differs; \
         a place of message 1 between shards: the message is missing; \
         a place of message 1 between shards: the message is missing",
        "a place of message 1 between shards: its checksum differs",
        "a place of message 1 between shards: its checksum differs",
        "retained message of \"a/b\": its checksum differs",
        "will of client \"client-0\": its checksum differs",
    ];
    assert_eq!(told, expected);
}

#[test]
fn pubrel_is_owed_though_the_message_is_damaged() {
    let pair = one_of_each();
    let mut engine = pair.log.engine().clone();
    let key = Key::Queued(pondhawk_store::format::SessionNo(1), pondhawk_session::server::Seq(1)).encode();
    engine.damage(&key, Some(b"nonsense".to_vec()));
    let (_, restored, lost) = reopened(engine);
    assert_eq!(lost, ["message 1 for client \"client-1\": its checksum differs"]);
    let queue = &restored.sessions["client-1"].queue;
    assert!(matches!(queue.first_key_value(), Some((_, (None, _)))), "{queue:?}");
}

#[test]
fn a_store_of_a_later_version_is_refused() {
    let key = Key::Format.encode();
    let mut value = Value::new(CLOCK).format(2).seal(&key);
    let mut engine = MemoryEngine::new();
    let mut batch = Batch::new();
    batch.put(key.clone(), value.clone());
    assert_eq!(engine.apply(&batch), Ok(()));
    let error = Log::open(engine.clone(), CLOCK).err();
    assert_eq!(error, Some(StoreError::Newer { found: 2, known: 1 }));
    // Damage to the version is not a later version.
    value[1] ^= 1;
    engine.damage(&key, Some(value));
    assert!(Log::open(engine, CLOCK).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_flipped_bit_loses_what_is_named_and_nothing_without_a_word(
        turns in prop::collection::vec(ops(), 1..10),
        at in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut pair = Pair::new();
        for turn in &turns {
            pair.turn(turn);
        }
        prop_assert_eq!(pair.log.commit(), Ok(()));
        let mut engine = pair.log.engine().crashed(0);
        let all = records(&engine);
        let (mut key, mut value) = at.get(&all).clone();
        let bit = bit.index((key.len() + value.len()) * 8);
        if let Some(bit) = bit.checked_sub(key.len() * 8) {
            value[bit / 8] ^= 1 << (bit % 8);
        } else {
            engine.damage(&key, None);
            key[bit / 8] ^= 1 << (bit % 8);
        }
        engine.damage(&key, Some(value));
        let (_, restored, lost) = reopened(engine);
        // What a session has left that is gone is no loss.
        prop_assert!(!lost.is_empty() || is_left(&all, &key));
        let whole = text(&pair.replayed(pair.turns.len()));
        let given = text(&restored);
        for line in given.lines().filter(|line| line.contains("client-")) {
            prop_assert!(whole.contains(line.trim()), "{line}");
        }
    }
}

/// True if a gone session has left the record.
fn is_left(all: &[(Vec<u8>, Vec<u8>)], key: &[u8]) -> bool {
    let session_of = |key: &[u8]| key.get(1..9).map(<[u8]>::to_vec);
    let of_session = Kind::OF_SESSION.iter().any(|kind| key.first() == Some(&(*kind as u8)));
    let is_end = |end: &[u8]| end[0] == Kind::Gone as u8 && session_of(end) == session_of(key);
    of_session && all.iter().any(|(end, _)| is_end(end))
}
