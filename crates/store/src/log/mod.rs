//! Turns of records on their way to the disk, and the tickets that come back.
//!
//! ```text
//! append: turn ─► batch that is being filled ─► write: batches, applied in order ─► sync ─► tickets are durable
//! ```
//!
//! # Invariants
//! - Turns are applied in the order in which they came, each whole.
//! - A ticket is durable only after a sync that came behind its turn.
//! - After an error that is not [`StoreError::Full`] nothing is written, synced or durable any more.

mod encode;
mod index;
mod page;
mod sweep;

pub(crate) use index::{Index, ReleaseIndex, SessionIndex};

use crate::StoreError;
use crate::engine::{Batch, Engine, Space};
use crate::format::{Clock, Key, VERSION, Value};
use crate::recover::{Recovered, recover};
use encode::Encoder;
use pondhawk_broker::{InMemory, Persist, ShardId, Ticket};
use pondhawk_plants::planted;
use std::collections::{BTreeMap, VecDeque};

/// Bytes of changes in one batch, after which another is begun.
const BATCH_BYTES: usize = 4 << 20;
/// Keys that one batch deletes, when it deletes what nobody needs.
const SWEEP_KEYS: usize = 1024;

/// What one turn of a shard has left.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The shard.
    pub shard: ShardId,
    /// The ticket of the last record.
    pub ticket: Ticket,
    /// The clock that the records' times are on.
    pub clock: Clock,
    /// The records.
    pub records: &'a [Persist],
}

/// Whether a [`Log`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Open,
    /// There is no room. What came is kept and tried again by each call; nothing of it is durable yet.
    Full,
    /// It failed for good, until the store is opened again.
    Poisoned(StoreError),
}

/// Records on their way into an engine.
#[derive(Debug)]
pub struct Log<E> {
    engine: E,
    index: Index,
    /// What takes in the next turn.
    filling: Filling,
    /// Behind it, full batches, oldest first.
    waiting: VecDeque<Filling>,
    waiting_bytes: usize,
    /// Keys that nobody needs, found when the store was opened.
    garbage: Vec<Vec<u8>>,
    applied: Tickets,
    durable: Tickets,
    /// Whether something was applied since the last sync.
    unsynced: bool,
    state: State,
}

type Tickets = BTreeMap<ShardId, Ticket>;

#[derive(Debug, Default)]
struct Filling {
    batch: Batch,
    tickets: Tickets,
}

impl<E: Engine> Log<E> {
    /// Reads what the engine holds. What is damaged is deleted with the first write: set it aside before.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or the engine's. Damage to single records is no error, but is in what is returned.
    pub fn open(engine: E, clock: Clock) -> Result<(Self, Recovered), StoreError> {
        Self::open_within(engine, clock, InMemory { messages: 0, bytes: 0 })
    }

    /// The same, with the longer queues left on disk: see [`page`](Self::page).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_within(
        engine: E,
        clock: Clock,
        in_memory: InMemory,
    ) -> Result<(Self, Recovered), StoreError> {
        let found = recover(&engine, clock, in_memory)?;
        let mut log = Log {
            engine,
            index: found.index,
            filling: Filling::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            garbage: found.garbage,
            applied: Tickets::new(),
            durable: Tickets::new(),
            unsynced: false,
            state: State::Open,
        };
        let key = Key::Format.encode();
        let damaged = found.recovered.lost.iter().any(|lost| lost.key == key);
        if found.is_new || damaged {
            let value = Value::new(clock).format(VERSION).seal(&key);
            log.filling.batch.put(key, value);
        }
        Ok((log, found.recovered))
    }

    /// Takes in the records of a turn.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`]. While there is no room, turns are taken: see [`pending_bytes`](Self::pending_bytes).
    pub fn append(&mut self, turn: &Turn<'_>) -> Result<(), StoreError> {
        self.refuse_poisoned()?;
        Encoder::turn(&mut self.index, &mut self.filling.batch, turn.clock, turn.records);
        self.filling.tickets.insert(turn.shard, turn.ticket);
        // Without room, batches do not leave: in one, what comes later replaces what came before.
        if self.filling.batch.bytes() >= BATCH_BYTES && self.state == State::Open {
            self.close_batch();
        }
        Ok(())
    }

    /// Writes everything that came, without a promise.
    ///
    /// # Errors
    /// [`StoreError::Full`]: some of it waits for room. [`StoreError::Poisoned`]: it failed, now or before.
    pub fn write(&mut self) -> Result<(), StoreError> {
        self.refuse_poisoned()?;
        if self.state == State::Full && self.unsynced {
            // What was applied before has no room to be synced: no more goes on top.
            self.sync()?;
        }
        self.apply_waiting()?;
        // Only now: while batches wait for room, what comes behind them gathers in one.
        self.sweep()?;
        self.close_batch();
        self.apply_waiting()
    }

    fn apply_waiting(&mut self) -> Result<(), StoreError> {
        while let Some(next) = self.waiting.front() {
            match self.engine.apply(&next.batch) {
                Ok(()) => {}
                Err(StoreError::Full) => {
                    self.state = State::Full;
                    return Err(StoreError::Full);
                }
                Err(error) => return Err(self.poison(error)),
            }
            if let Some(done) = self.waiting.pop_front() {
                self.waiting_bytes -= done.batch.bytes();
                self.applied.extend(done.tickets);
                self.unsynced = true;
            }
        }
        Ok(())
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.refuse_poisoned()?;
        if self.unsynced {
            match self.engine.sync() {
                Ok(()) => {}
                Err(_) if planted!(SyncErrorPassedOver) => {}
                Err(StoreError::Full) => {
                    self.state = State::Full;
                    return Err(StoreError::Full);
                }
                Err(error) => return Err(self.poison(error)),
            }
            self.unsynced = false;
            self.durable.clone_from(&self.applied);
        }
        if self.waiting.is_empty() {
            self.state = State::Open;
        }
        Ok(())
    }

    /// Writes and syncs everything that came. Without room, what could be written is synced.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn commit(&mut self) -> Result<(), StoreError> {
        match self.write() {
            Ok(()) => self.sync(),
            Err(StoreError::Full) => {
                self.sync()?;
                if self.state != State::Open {
                    return Err(StoreError::Full);
                }
                // There has been room again, and nothing waits any more but what has come since.
                self.write()?;
                self.sync()
            }
            Err(error) => Err(error),
        }
    }

    /// Everything of the shard up to this ticket is durable.
    #[must_use]
    pub fn durable(&self, shard: ShardId) -> Ticket {
        if planted!(DurableWhenWritten) {
            return self.written(shard);
        }
        self.durable.get(&shard).copied().unwrap_or_default()
    }

    /// Everything of the shard up to this ticket was written.
    #[must_use]
    pub fn written(&self, shard: ShardId) -> Ticket {
        self.applied.get(&shard).copied().unwrap_or_default()
    }

    /// Whether it works.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// True if a [`commit`](Self::commit) has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.unsynced
            || !self.waiting.is_empty()
            || !self.filling.batch.is_empty()
            || !self.filling.tickets.is_empty()
            || !self.garbage.is_empty()
            || !self.index.gone.is_empty()
    }

    /// Bytes of changes that are not written.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.waiting_bytes + self.filling.batch.bytes()
    }

    /// How much room the engine takes and has.
    ///
    /// # Errors
    /// The engine's.
    pub fn space(&self) -> Result<Space, StoreError> {
        self.engine.space()
    }

    /// Does a small piece of the work of giving back the room of what was deleted; true if there is more of it.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn tidy(&mut self) -> Result<bool, StoreError> {
        if self.state != State::Open {
            return Ok(false);
        }
        self.engine.tidy().map_err(|error| self.poison(error))
    }

    /// Keeps room in reserve; false if there is none, so that nothing large should come.
    pub fn keep_reserve(&mut self) -> bool {
        self.state == State::Open && self.engine.keep_reserve()
    }

    /// The engine, for looking at.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.engine
    }

    /// The engine, for what is not a record: room, compaction.
    pub fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    fn close_batch(&mut self) {
        if self.filling.batch.is_empty() && self.filling.tickets.is_empty() {
            return;
        }
        let full = std::mem::take(&mut self.filling);
        self.waiting_bytes += full.batch.bytes();
        self.waiting.push_back(full);
    }

    fn refuse_poisoned(&self) -> Result<(), StoreError> {
        match &self.state {
            State::Poisoned(error) => Err(error.clone()),
            State::Open | State::Full => Ok(()),
        }
    }

    fn poison(&mut self, error: StoreError) -> StoreError {
        let error = match error {
            StoreError::Poisoned { .. } => error,
            other => StoreError::Poisoned { reason: other.to_string() },
        };
        self.state = State::Poisoned(error.clone());
        error
    }
}
