//! No room, and a disk that fails.

use crate::kit::{Op, Pair, ops, reopened, text};
use pondhawk_store::engine::{Batch, Engine, MemoryEngine, Space, Visit};
use pondhawk_store::{Clock, Log, State, StoreError, Turn};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn without_room_nothing_is_promised_and_with_room_nothing_is_missing(
        steps in prop::collection::vec((ops(), 0u64..3_000), 1..20),
    ) {
        let mut pair = Pair::new();
        for (ops, room) in &steps {
            pair.turn(ops);
            pair.log.engine_mut().set_room(*room);
            let durable = pair.durable();
            match pair.log.commit() {
                Ok(()) => {
                    prop_assert_eq!(pair.log.state(), &State::Open);
                    prop_assert_eq!(pair.durable(), pair.turns.len());
                }
                Err(error) => {
                    prop_assert_eq!(error, StoreError::Full);
                    prop_assert_eq!(pair.log.state(), &State::Full);
                    prop_assert!(pair.log.pending_bytes() > 0);
                    prop_assert!(pair.durable() >= durable);
                }
            }
            let (_, restored, lost) = reopened(pair.log.engine().crashed(0));
            prop_assert_eq!(lost, Vec::<String>::new());
            prop_assert_eq!(text(&restored), text(&pair.replayed(pair.durable())));
        }
        pair.log.engine_mut().set_room(u64::MAX);
        prop_assert_eq!(pair.log.commit(), Ok(()));
        prop_assert_eq!(pair.log.state(), &State::Open);
        prop_assert_eq!(pair.log.pending_bytes(), 0);
        let (_, restored, _) = reopened(pair.log.engine().crashed(0));
        prop_assert_eq!(text(&restored), text(&pair.replayed(pair.turns.len())));
    }
}

/// An engine whose disk fails to sync, once.
pub struct FailsToSync {
    pub engine: MemoryEngine,
    pub error: Option<StoreError>,
}

impl Engine for FailsToSync {
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.engine.apply(batch)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.engine.sync(),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.get(key)
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.engine.scan(from, to, visit)
    }

    fn space(&self) -> Result<Space, StoreError> {
        self.engine.space()
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        self.engine.compact()
    }
}

fn failing(error: StoreError) -> (Log<FailsToSync>, Vec<pondhawk_broker::Persist>) {
    let engine = FailsToSync { engine: MemoryEngine::new(), error: Some(error) };
    let clock = Clock { wall_at_zero_ms: 0 };
    let (mut log, _) = Log::open(engine, clock).expect("opens");
    let mut pair = Pair::new();
    pair.turn(&[Op { kind: 1, who: 0, what: 0 }]);
    let records = pair.turns.remove(0);
    log.append(&turn(&records, 1)).expect("takes it");
    (log, records)
}

fn turn(records: &[pondhawk_broker::Persist], ticket: u64) -> Turn<'_> {
    Turn {
        shard: pondhawk_broker::ShardId(0),
        ticket: pondhawk_broker::Ticket(ticket),
        clock: Clock { wall_at_zero_ms: 0 },
        records,
    }
}

#[test]
fn after_a_failed_sync_nothing_is_promised_any_more() {
    let (mut log, records) =
        failing(StoreError::Io { action: "synced", reason: "Input/output error".to_owned() });
    let reason = "the store cannot be synced: Input/output error".to_owned();
    let poisoned = StoreError::Poisoned { reason };
    assert_eq!(log.commit(), Err(poisoned.clone()));
    // The disk would sync now, but what it has is not known.
    assert_eq!(log.commit(), Err(poisoned.clone()));
    assert_eq!(log.append(&turn(&records, 2)), Err(poisoned.clone()));
    assert_eq!(log.write(), Err(poisoned.clone()));
    assert_eq!(log.sync(), Err(poisoned.clone()));
    assert_eq!(log.state(), &State::Poisoned(poisoned));
    assert_eq!(log.durable(pondhawk_broker::ShardId(0)).0, 0);
}

#[test]
fn a_sync_without_room_is_made_again() {
    let (mut log, records) = failing(StoreError::Full);
    assert_eq!(log.commit(), Err(StoreError::Full));
    assert_eq!((log.state(), log.durable(pondhawk_broker::ShardId(0)).0), (&State::Full, 0));
    log.append(&turn(&records, 2)).expect("takes it");
    assert_eq!(log.commit(), Ok(()));
    assert_eq!((log.state(), log.durable(pondhawk_broker::ShardId(0)).0), (&State::Open, 2));
}
