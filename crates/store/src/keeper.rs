//! The thread that keeps the records of all shards: it takes every turn that has come, writes and syncs them as one,
//! and tells each shard how far it is. The slower the disk, the more turns share a sync.

use crate::engine::Engine;
use crate::{Clock, Log, State, StoreError, Turn};
use pondhawk_broker::{Persist, ShardId, Ticket};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long to wait for room before the next try.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// When what a record promises may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk.
    Group,
    /// At once; it is on disk so much later at the most.
    Interval(Duration),
}

/// Wakes a shard because its ticket has advanced.
pub type Wake = Box<dyn Fn() + Send>;
/// Is told when the store fills up, has room again, or fails.
pub type Told = Box<dyn FnMut(&State) + Send>;

/// The thread.
#[derive(Debug)]
pub struct Keeper<E> {
    shared: Arc<Shared>,
    thread: JoinHandle<Log<E>>,
}

/// A shard's side of it.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
    shard: ShardId,
    clock: Clock,
    durability: Durability,
    /// The last ticket that was handed over.
    last: Ticket,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    /// How far each shard is.
    tickets: Vec<AtomicU64>,
}

#[derive(Debug, Default)]
struct Queue {
    turns: Vec<Owned>,
    closed: bool,
}

#[derive(Debug)]
struct Owned {
    shard: ShardId,
    ticket: Ticket,
    clock: Clock,
    records: Vec<Persist>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics between two changes that belong together.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Hands over a turn's records, up to `ticket`, and leaves `records` empty.
    pub fn append(&mut self, records: &mut Vec<Persist>, ticket: Ticket) {
        let records = std::mem::take(records);
        let turn = Owned { shard: self.shard, ticket, clock: self.clock, records };
        self.last = ticket;
        self.shared.queue().turns.push(turn);
        self.shared.more.notify_one();
    }

    /// The last ticket whose promise may be said.
    #[must_use]
    pub fn durable(&self) -> Ticket {
        match self.durability {
            Durability::Group => {
                let ticket = self.shared.tickets.get(usize::from(self.shard.0));
                Ticket(ticket.map_or(0, |ticket| ticket.load(Ordering::Acquire)))
            }
            Durability::Interval(_) => self.last,
        }
    }
}

impl<E: Engine + 'static> Keeper<E> {
    /// Starts the thread, with a desk for each shard.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(
        log: Log<E>,
        (durability, clock): (Durability, Clock),
        wakes: Vec<Wake>,
        told: Told,
    ) -> io::Result<(Self, Vec<Desk>)> {
        let tickets: Vec<_> = wakes.iter().map(|_| AtomicU64::new(0)).collect();
        let shards = wakes.len();
        let shared = Arc::new(Shared { queue: Mutex::default(), more: Condvar::new(), tickets });
        let desk = |shard: usize| Desk {
            shared: shared.clone(),
            shard: ShardId(shard as u8),
            clock,
            durability,
            last: Ticket(0),
        };
        let desks = (0..shards).map(desk).collect();
        let worker = Worker {
            log,
            shared: shared.clone(),
            durability,
            wakes,
            told,
            state: State::Open,
            synced: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || worker.run())?;
        Ok((Keeper { shared, thread }, desks))
    }

    /// True if the thread has ended, which it does on its own by a fault only.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the thread once everything that was handed over is kept, as far as there is room, and gives the log back.
    /// `None` if the thread has panicked.
    #[must_use]
    pub fn close(self) -> Option<Log<E>> {
        self.shared.queue().closed = true;
        self.shared.more.notify_one();
        self.thread.join().ok()
    }
}

struct Worker<E> {
    log: Log<E>,
    shared: Arc<Shared>,
    durability: Durability,
    wakes: Vec<Wake>,
    told: Told,
    /// What was told last.
    state: State,
    synced: Instant,
}

impl<E: Engine> Worker<E> {
    fn run(mut self) -> Log<E> {
        loop {
            let (turns, closed) = self.next();
            for turn in &turns {
                let Owned { shard, ticket, clock, records } = turn;
                let turn = Turn { shard: *shard, ticket: *ticket, clock: *clock, records };
                // A poisoned log takes nothing any more, and nothing is promised.
                let _refused = self.log.append(&turn);
            }
            let kept = self.keep(closed);
            self.tell();
            if closed && (kept.is_err() || !self.log.has_work()) {
                return self.log;
            }
        }
    }

    /// Waits until there is something to do, and takes it.
    fn next(&self) -> (Vec<Owned>, bool) {
        let mut queue = self.shared.queue();
        while queue.turns.is_empty() && !queue.closed {
            queue = match self.pause() {
                None => self.shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(pause) => {
                    let (queue, waited) =
                        self.shared.more.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() {
                        return (Vec::new(), queue.closed);
                    }
                    queue
                }
            };
        }
        (std::mem::take(&mut queue.turns), queue.closed)
    }

    /// How long to wait for the next turn; `None`: until it comes.
    fn pause(&self) -> Option<Duration> {
        match (self.log.state(), self.durability) {
            (State::Poisoned(_), _) => None,
            (State::Full, _) => Some(FULL_PAUSE),
            (State::Open, _) if !self.log.has_work() => None,
            (State::Open, Durability::Group) => Some(Duration::ZERO),
            (State::Open, Durability::Interval(interval)) => {
                Some(interval.saturating_sub(self.synced.elapsed()))
            }
        }
    }

    fn keep(&mut self, closed: bool) -> Result<(), StoreError> {
        let due = match self.durability {
            Durability::Group => true,
            Durability::Interval(interval) => closed || self.synced.elapsed() >= interval,
        };
        if !due {
            return self.log.write();
        }
        let kept = self.log.commit();
        self.synced = Instant::now();
        kept
    }

    fn tell(&mut self) {
        if self.state != *self.log.state() {
            self.state = self.log.state().clone();
            (self.told)(&self.state);
        }
        for (shard, (ticket, wake)) in self.shared.tickets.iter().zip(&self.wakes).enumerate() {
            let durable = self.log.durable(ShardId(shard as u8)).0;
            if ticket.swap(durable, Ordering::Release) != durable {
                wake();
            }
        }
    }
}
