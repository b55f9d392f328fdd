//! The store as the driver sees it: turns go in, tickets come back, and a crash leaves what the disk leaves.

use super::disk::{Damage, Disk};
use crate::random::Rng;
use pondhawk_broker::{Fetch, InMemory, Page, Persist, Restored, ShardId, Ticket};
use pondhawk_store::{Clock, Log, State, StoreError, Turn};
use std::collections::VecDeque;

/// How the shards' clock stands to the wall's.
const CLOCK: Clock = Clock { wall_at_zero_ms: 1_700_000_000_000 };

/// The log, and which steps of the run are in the file.
pub struct Store {
    log: Log<Disk>,
    /// Turns that were handed over and are not written, and those that are but are not durable.
    turns: [VecDeque<Handed>; 2],
    /// The file's length after each write, and the last step that is in it.
    marks: Vec<(usize, u64)>,
    /// The last step that is in the file.
    written: u64,
    /// The last step that is durable.
    pub durable: u64,
}

/// A turn's step, shard and ticket.
type Handed = (u64, ShardId, Ticket);

/// What a crash has left.
pub struct Left {
    /// What the store gives back.
    pub restored: Restored,
    /// The last step that is in it.
    pub step: u64,
    /// What happened to the rest.
    pub damage: Damage,
}

impl Store {
    /// A store on an empty disk.
    ///
    /// # Errors
    /// None that an empty disk could have.
    pub fn new() -> Result<Store, StoreError> {
        let (log, _) = Log::open(Disk::default(), CLOCK)?;
        Ok(Store { log, turns: Default::default(), marks: vec![(0, 0)], written: 0, durable: 0 })
    }

    /// Takes the records of a turn. A poisoned store takes none.
    pub fn append(&mut self, step: u64, (shard, ticket): (ShardId, Ticket), records: &[Persist]) {
        let turn = Turn { shard, ticket, clock: CLOCK, records };
        if self.log.append(&turn).is_ok() {
            self.turns[0].push_back((step, shard, ticket));
        }
    }

    /// True if something is not durable, and may become so.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.is_poisoned() && self.log.has_work()
    }

    /// True if it must be opened again.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        matches!(self.log.state(), State::Poisoned(_))
    }

    /// True if it waits for room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self.log.state() == State::Full
    }

    /// Everything of the shard up to this ticket is durable.
    #[must_use]
    pub fn durable(&self, shard: ShardId) -> Ticket {
        self.log.durable(shard)
    }

    /// What is asked for, of what is durable.
    ///
    /// # Errors
    /// None that this disk has.
    pub fn page(&self, fetch: &Fetch) -> Result<Page, StoreError> {
        self.log.page(fetch, CLOCK)
    }

    /// The disk.
    pub fn disk(&mut self) -> &mut Disk {
        self.log.engine_mut()
    }

    /// Writes what came, and syncs it if `sync`.
    pub fn write(&mut self, sync: bool) {
        // A full disk is tried again, and a broken one not: what is written says enough.
        let _unfinished = if sync { self.log.commit() } else { self.log.write() };
        let Store { log, turns: [handed, written], .. } = self;
        while let Some(turn) = take(handed, |shard| log.written(shard)) {
            self.written = turn.0;
            written.push_back(turn);
        }
        self.marks.push((log.engine().len(), self.written));
        while let Some(turn) = take(written, |shard| log.durable(shard)) {
            self.durable = turn.0;
        }
    }

    /// The machine crashes and starts again.
    ///
    /// # Errors
    /// If the store cannot be read, which no crash excuses.
    pub fn crash(&mut self, in_memory: InMemory, rng: &mut Rng) -> Result<Left, String> {
        let disk = self.log.engine_mut();
        let damage = disk.crash(rng);
        let readable = disk.readable();
        self.marks.retain(|(len, _)| *len <= readable);
        let (len, step) = self.marks.last().copied().unwrap_or_default();
        if step < self.durable {
            return Err(format!("step {} was durable, and {step} is left", self.durable));
        }
        disk.reopen(len);
        let disk = std::mem::take(disk);
        let (log, recovered) = Log::open_within(disk, CLOCK, in_memory).map_err(|error| error.to_string())?;
        if let Some(lost) = recovered.lost.first() {
            return Err(format!("the store lost something: {lost}"));
        }
        (self.log, self.written, self.durable) = (log, step, step);
        self.turns = Default::default();
        Ok(Left { restored: recovered.restored, step, damage })
    }
}

/// Takes the oldest turn, if its shard has come so far.
fn take(turns: &mut VecDeque<Handed>, reached: impl Fn(ShardId) -> Ticket) -> Option<Handed> {
    let (_, shard, ticket) = turns.front()?;
    if reached(*shard) < *ticket {
        return None;
    }
    turns.pop_front()
}
