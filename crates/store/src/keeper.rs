//! The thread that keeps the records of all shards: it takes every turn that has come, writes and syncs them as one,
//! and tells each shard how far it is. The slower the disk, the more turns share a sync.

use crate::engine::Engine;
use crate::{Clock, Log, State, StoreError, Turn};
use pondhawk_broker::{Fetch, Fetched, Keeping, Persist, ShardId, Ticket};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long to wait for room before the next try.
const FULL_PAUSE: Duration = Duration::from_millis(500);
/// Between two pieces of tidying while nothing else is to be done.
const TIDY_PAUSE: Duration = Duration::from_millis(2);
/// The same while there is: so long, and so many times the last piece, so that those who wait share the time with little.
const BUSY_TIDY_PAUSE: Duration = Duration::from_millis(50);
const BUSY_TIDY_FACTOR: u32 = 9;

/// When what a record promises may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk.
    Group,
    /// At once; it is on disk so much later at the most.
    Interval(Duration),
}

/// Wakes a shard because its ticket has advanced, or something that it asked for has been read.
pub type Wake = Box<dyn Fn() + Send>;
/// Is told what the people who run the store should know.
pub type Told = Box<dyn FnMut(Event<'_>) + Send>;

/// What there is to tell.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The store fills up, has room again, or fails. It is full from when its reserve is used up.
    State(&'a State),
    /// Messages that a shard has asked for cannot be read. It asks again; this is told once until one can.
    Unread(&'a StoreError),
}

/// What the thread has done, and how the store is.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How it fares, as it was told last.
    pub state: State,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// How long the last of them took, with the writing before it.
    pub last_sync: Duration,
    /// Records that were handed over and are not durable.
    pub waiting: u64,
    /// Bytes on disk, with what is dead in them.
    pub bytes: u64,
}

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
    /// What each shard is to be told.
    news: Vec<News>,
    /// A [`Keeping`].
    keeping: AtomicU8,
    figures: Mutex<Figures>,
}

#[derive(Debug, Default)]
struct News {
    /// How far it is.
    ticket: AtomicU64,
    /// What was read for it, and whether there is any.
    fetched: Mutex<Vec<Fetched>>,
    has_fetched: AtomicBool,
}

/// What the thread has to do.
#[derive(Debug, Default)]
struct Queue {
    turns: Vec<Owned>,
    fetches: Vec<Asked>,
    closed: bool,
    /// Everything is to be synced now, whatever the interval.
    hurried: bool,
}

#[derive(Debug)]
struct Owned {
    shard: ShardId,
    ticket: Ticket,
    clock: Clock,
    records: Vec<Persist>,
}

#[derive(Debug)]
struct Asked {
    shard: ShardId,
    clock: Clock,
    fetch: Fetch,
}

impl Shared {
    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
            Durability::Group => self.stored(),
            Durability::Interval(_) => self.last,
        }
    }

    /// The last ticket up to which everything is on disk.
    #[must_use]
    pub fn stored(&self) -> Ticket {
        Ticket(self.news().ticket.load(Ordering::Acquire))
    }

    /// Asks for messages to be read: they come by [`fetched`](Self::fetched), and the shard is woken.
    pub fn fetch(&mut self, fetches: &mut Vec<Fetch>) {
        let (shard, clock) = (self.shard, self.clock);
        let asked = fetches.drain(..).map(|fetch| Asked { shard, clock, fetch });
        self.shared.queue().fetches.extend(asked);
        self.shared.more.notify_one();
    }

    /// What has been read since the last call.
    #[must_use]
    pub fn fetched(&mut self) -> Vec<Fetched> {
        let news = self.news();
        if !news.has_fetched.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *news.fetched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the store keeps what it is given.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        match self.shared.keeping.load(Ordering::Acquire) {
            FULL => Keeping::Full,
            FAILED => Keeping::Failed,
            _ => Keeping::Works,
        }
    }

    fn news(&self) -> &News {
        &self.shared.news[usize::from(self.shard.0)]
    }
}

/// What [`Keeping`] is in a number.
const WORKS: u8 = 0;
const FULL: u8 = 1;
const FAILED: u8 = 2;

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
        let durable = |shard: usize| log.durable(ShardId(shard as u8));
        let news = |shard| News { ticket: AtomicU64::new(durable(shard).0), ..News::default() };
        let news: Vec<_> = (0..wakes.len()).map(news).collect();
        let shards = wakes.len();
        let figures = Figures {
            state: State::Open,
            syncs: 0,
            last_sync: Duration::ZERO,
            waiting: 0,
            bytes: log.space().map_or(0, |space| space.used),
        };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            more: Condvar::new(),
            news,
            keeping: AtomicU8::new(WORKS),
            figures: Mutex::new(figures),
        });
        let desk = |shard: usize| Desk {
            shared: shared.clone(),
            shard: ShardId(shard as u8),
            clock,
            durability,
            last: durable(shard),
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
            unsynced: 0,
            unread: false,
            tidying: false,
            tidy_again: Instant::now(),
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || worker.run())?;
        Ok((Keeper { shared, thread }, desks))
    }

    /// What has been done and how the store is.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let handed: usize = self.shared.queue().turns.iter().map(|turn| turn.records.len()).sum();
        let mut figures = self.shared.figures().clone();
        figures.waiting += handed as u64;
        figures
    }

    /// Has everything that was handed over synced at once, if there is room.
    pub fn hurry(&self) {
        self.shared.queue().hurried = true;
        self.shared.more.notify_one();
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
    /// Records that the log has and that are not durable.
    unsynced: u64,
    /// The last page could not be read.
    unread: bool,
    /// Room of what was deleted is being given back.
    tidying: bool,
    /// When the next piece may be done though there is something else to do.
    tidy_again: Instant,
}

impl<E: Engine> Worker<E> {
    fn run(mut self) -> Log<E> {
        self.tell();
        loop {
            let Queue { turns, fetches, closed, hurried } = self.next();
            // What is asked for was synced before: it need not wait for what comes now.
            fetches.into_iter().for_each(|asked| self.read(&asked));
            for turn in &turns {
                let Owned { shard, ticket, clock, records } = turn;
                self.unsynced += records.len() as u64;
                let turn = Turn { shard: *shard, ticket: *ticket, clock: *clock, records };
                // A poisoned log takes nothing any more, and nothing is promised.
                let _refused = self.log.append(&turn);
            }
            let kept = self.keep(closed || hurried);
            self.tell();
            if closed && (kept.is_err() || !self.log.has_work()) {
                return self.log;
            }
            self.tidy(turns.is_empty());
        }
    }

    /// Waits until there is something to do, and takes it.
    fn next(&self) -> Queue {
        let mut queue = self.shared.queue();
        while queue.turns.is_empty() && queue.fetches.is_empty() && !queue.closed && !queue.hurried {
            queue = match self.pause() {
                None => self.shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(pause) => {
                    let (queue, waited) =
                        self.shared.more.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() {
                        return Queue { closed: queue.closed, ..Queue::default() };
                    }
                    queue
                }
            };
        }
        let closed = queue.closed;
        std::mem::replace(&mut *queue, Queue { closed, ..Queue::default() })
    }

    /// How long to wait for the next turn; `None`: until it comes.
    fn pause(&self) -> Option<Duration> {
        match (self.log.state(), self.durability) {
            (State::Poisoned(_), _) => None,
            (State::Full, _) => Some(FULL_PAUSE),
            // Its reserve is used up.
            (State::Open, _) if !self.log.has_work() && self.state == State::Full => Some(FULL_PAUSE),
            (State::Open, _) if !self.log.has_work() => self.tidying.then_some(TIDY_PAUSE),
            (State::Open, Durability::Group) => Some(Duration::ZERO),
            (State::Open, Durability::Interval(interval)) => {
                Some(interval.saturating_sub(self.synced.elapsed()))
            }
        }
    }

    fn keep(&mut self, now: bool) -> Result<(), StoreError> {
        let due = match self.durability {
            Durability::Group => true,
            Durability::Interval(interval) => now || self.synced.elapsed() >= interval,
        };
        if !due {
            return self.log.write();
        }
        let begun = Instant::now();
        let has_work = self.log.has_work();
        let kept = self.log.commit();
        self.synced = Instant::now();
        if kept.is_ok() && has_work {
            self.unsynced = 0;
            let mut figures = self.shared.figures();
            figures.syncs += 1;
            figures.last_sync = self.synced.duration_since(begun);
            figures.bytes = self.log.space().map_or(figures.bytes, |space| space.used);
        }
        kept
    }

    fn read(&mut self, asked: &Asked) {
        let Asked { shard, clock, fetch } = asked;
        let page = self.log.page(fetch, *clock);
        let is_news = !std::mem::replace(&mut self.unread, page.is_err());
        if let (Err(error), true) = (&page, is_news) {
            (self.told)(Event::Unread(error));
        }
        // What cannot be read now is asked for again.
        let page = page.ok();
        let place = usize::from(shard.0);
        if let (Some(news), Some(wake)) = (self.shared.news.get(place), self.wakes.get(place)) {
            let mut fetched = news.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            fetched.push(Fetched { session: fetch.session, page });
            drop(fetched);
            news.has_fetched.store(true, Ordering::Release);
            wake();
        }
    }

    /// Gives back some room of what was deleted, so little that nobody has to wait for long.
    fn tidy(&mut self, is_idle: bool) {
        let begun = Instant::now();
        if !is_idle && begun < self.tidy_again {
            return;
        }
        let tidied = self.log.tidy();
        self.tidy_again = Instant::now() + (begun.elapsed() * BUSY_TIDY_FACTOR).max(BUSY_TIDY_PAUSE);
        if self.tidying && tidied == Ok(false) {
            let mut figures = self.shared.figures();
            figures.bytes = self.log.space().map_or(figures.bytes, |space| space.used);
        }
        self.tidying = tidied == Ok(true);
        if tidied.is_err() {
            self.tell();
        }
    }

    /// How the store fares, as those who give it something must know it.
    fn fares(&mut self) -> State {
        let state = self.log.state().clone();
        if state == State::Open && !self.log.keep_reserve() { State::Full } else { state }
    }

    fn tell(&mut self) {
        let state = self.fares();
        let changed = self.state != state;
        if changed {
            let keeping = match state {
                State::Open => WORKS,
                State::Full => FULL,
                State::Poisoned(_) => FAILED,
            };
            self.shared.keeping.store(keeping, Ordering::Release);
            (self.told)(Event::State(&state));
            self.state = state.clone();
        }
        self.shared.figures().waiting = self.unsynced;
        if changed {
            self.shared.figures().state = state;
            // They must know before they take the next message.
            self.wakes.iter().for_each(|wake| wake());
        }
        for (shard, (news, wake)) in self.shared.news.iter().zip(&self.wakes).enumerate() {
            let durable = self.log.durable(ShardId(shard as u8)).0;
            if news.ticket.swap(durable, Ordering::Release) != durable {
                wake();
            }
        }
    }
}
