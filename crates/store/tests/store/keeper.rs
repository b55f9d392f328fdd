//! The thread that keeps the records of all shards.

use crate::kit::{CLOCK, Op, Pair, client, message, reopened, text};
use crate::room::FailsToSync;
use pondhawk_broker::{Fetch, Keeping, Persist, Restored, SessionId, Ticket};
use pondhawk_session::server::Seq;
use pondhawk_store::engine::{Batch, Engine, MemoryEngine, Space, Visit};
use pondhawk_store::{Desk, Durability, Event, Keeper, Log, State, StoreError, Wake};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

struct Kept<E> {
    keeper: Keeper<E>,
    desks: Vec<Desk>,
    woken: Receiver<usize>,
    told: Receiver<State>,
    unread: Receiver<StoreError>,
}

fn keeper<E: Engine + 'static>(engine: E, shards: usize, durability: Durability) -> Kept<E> {
    let (log, _) = Log::open(engine, CLOCK).expect("opens");
    let (wake, woken) = channel();
    let (tell, told) = channel();
    let (tell_unread, unread) = channel();
    let wakes = (0..shards).map(|shard| {
        let wake = wake.clone();
        Box::new(move || wake.send(shard).unwrap_or_default()) as Wake
    });
    let tell = Box::new(move |event: Event<'_>| match event {
        Event::State(state) => tell.send(state.clone()).unwrap_or_default(),
        Event::Unread(error) => tell_unread.send(error.clone()).unwrap_or_default(),
    });
    let (keeper, desks) = Keeper::start(log, (durability, CLOCK), wakes.collect(), tell).expect("starts");
    Kept { keeper, desks, woken, told, unread }
}

fn retained(topic: &str) -> Vec<Persist> {
    vec![Persist::Retained { message: message(topic, 4, 0) }]
}

fn wait_for(woken: &Receiver<usize>, desk: &Desk, ticket: u64) {
    while desk.durable() < Ticket(ticket) {
        woken.recv_timeout(PATIENCE).expect("the ticket advances");
    }
}

#[test]
fn every_shard_hears_of_its_own_tickets() {
    let mut kept = keeper(MemoryEngine::new(), 3, Durability::Group);
    let desks = std::mem::take(&mut kept.desks);
    let desks = std::thread::scope(|scope| {
        let shards: Vec<_> = desks
            .into_iter()
            .enumerate()
            .map(|(shard, mut desk)| {
                scope.spawn(move || {
                    for turn in 1..=50 {
                        let mut records = retained(&format!("{shard}/{turn}"));
                        desk.append(&mut records, Ticket(turn));
                        assert!(records.is_empty());
                    }
                    desk
                })
            })
            .collect();
        shards.into_iter().map(|shard| shard.join().expect("no panic")).collect::<Vec<_>>()
    });
    for desk in &desks {
        wait_for(&kept.woken, desk, 50);
    }
    let log = kept.keeper.close().expect("no panic");
    let (_, restored, lost) = reopened(log.engine().crashed(0));
    assert_eq!((restored.retained.len(), lost.len()), (150, 0));
}

#[test]
fn closing_keeps_everything_first() {
    for durability in [Durability::Group, Durability::Interval(PATIENCE * 60)] {
        let mut kept = keeper(MemoryEngine::new(), 1, durability);
        let mut pair = Pair::new();
        // A session with a queue that is gone: it is cleared away too.
        let op = |kind| Op { kind, who: 0, what: 1 };
        for (number, kind) in [1, 7, 7, 4, 1, 7].into_iter().enumerate() {
            pair.turn(&[op(kind)]);
            kept.desks[0].append(&mut pair.turns[number].clone(), Ticket(number as u64 + 1));
        }
        let log = kept.keeper.close().expect("no panic");
        let (log, restored, _) = reopened(log.engine().crashed(0));
        assert_eq!(text(&restored), text(&pair.replayed(6)));
        assert!(!log.has_work());
    }
}

/// A session with one message.
fn queue() -> Vec<Persist> {
    let mut pair = Pair::new();
    pair.turn(&[Op { kind: 1, who: 0, what: 1 }, Op { kind: 7, who: 0, what: 2 }]);
    pair.turns.remove(0)
}

#[test]
fn what_is_asked_for_is_read_for_the_shard_that_asked() {
    for durability in [Durability::Group, Durability::Interval(Duration::from_millis(1))] {
        let mut kept = keeper(MemoryEngine::new(), 3, durability);
        kept.desks[0].append(&mut queue(), Ticket(2));
        while kept.desks[0].stored() < Ticket(2) {
            kept.woken.recv_timeout(PATIENCE).expect("the ticket advances");
        }
        let (from, through, bytes) = (Seq(1), Seq(1), 100);
        let fetch = Fetch { session: SessionId::default(), client_id: client(0), from, through, bytes };
        kept.desks[1].fetch(&mut vec![fetch.clone(), fetch]);
        let mut pages = Vec::new();
        while pages.len() < 2 {
            kept.woken.recv_timeout(PATIENCE).expect("the shard is woken");
            pages.extend(kept.desks[1].fetched());
        }
        assert!(kept.desks[0].fetched().is_empty() && kept.desks[2].fetched().is_empty());
        for fetched in pages {
            let page = fetched.page.expect("can be read");
            assert_eq!((page.messages.len(), page.through, page.messages[0].1.topic()), (1, Seq(1), "a/b"));
        }
        assert!(kept.keeper.close().is_some());
    }
}

#[test]
fn by_interval_what_is_promised_is_not_yet_stored() {
    let mut kept = keeper(MemoryEngine::new(), 1, Durability::Interval(PATIENCE * 60));
    kept.desks[0].append(&mut retained("a"), Ticket(1));
    assert_eq!((kept.desks[0].durable(), kept.desks[0].stored()), (Ticket(1), Ticket(0)));
    assert!(kept.keeper.close().is_some());
    assert_eq!(kept.desks[0].stored(), Ticket(1));
}

#[test]
fn by_interval_a_promise_is_said_at_once() {
    let mut kept = keeper(MemoryEngine::new(), 1, Durability::Interval(PATIENCE * 60));
    kept.desks[0].append(&mut retained("a"), Ticket(1));
    assert_eq!(kept.desks[0].durable(), Ticket(1));
    assert!(kept.keeper.close().is_some());
}

/// An engine that can be short of room for what is large, and cannot be read then.
struct Short(MemoryEngine, Arc<AtomicBool>);

impl Engine for Short {
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.0.apply(batch)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.0.sync()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(StoreError::Io { action: "read", reason: "a bad sector".to_owned() });
        }
        self.0.scan(from, to, visit)
    }

    fn space(&self) -> Result<Space, StoreError> {
        self.0.space()
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        self.0.compact()
    }

    fn keep_reserve(&mut self) -> bool {
        !self.1.load(Ordering::Relaxed)
    }
}

/// It is told once, and again after it has been read in between; the shard has an answer each time.
#[test]
fn what_cannot_be_read_is_told() {
    let bad = Arc::new(AtomicBool::new(false));
    let mut kept = keeper(Short(MemoryEngine::new(), bad.clone()), 1, Durability::Group);
    kept.desks[0].append(&mut queue(), Ticket(2));
    while kept.desks[0].stored() < Ticket(2) {
        kept.woken.recv_timeout(PATIENCE).expect("the ticket advances");
    }
    for is_bad in [true, true, false, true] {
        bad.store(is_bad, Ordering::Relaxed);
        let (from, through, bytes) = (Seq(1), Seq(1), 100);
        let fetch = Fetch { session: SessionId::default(), client_id: client(0), from, through, bytes };
        kept.desks[0].fetch(&mut vec![fetch]);
        let mut pages = Vec::new();
        while pages.is_empty() {
            kept.woken.recv_timeout(PATIENCE).expect("the shard is woken");
            pages = kept.desks[0].fetched();
        }
        assert_eq!(pages[0].page.is_none(), is_bad);
    }
    assert!(kept.keeper.close().is_some());
    let told: Vec<String> = kept.unread.iter().map(|error| error.to_string()).collect();
    assert_eq!(told, ["the store cannot be read: a bad sector"; 2]);
}

/// What comes is kept, and the shards know that no more should come before they take the next message.
#[test]
fn without_a_reserve_the_store_is_full_until_there_is_one() {
    let short = Arc::new(AtomicBool::new(false));
    let mut kept = keeper(Short(MemoryEngine::new(), short.clone()), 2, Durability::Group);
    assert_eq!(kept.desks[1].keeping(), Keeping::Works);
    short.store(true, Ordering::Relaxed);
    kept.desks[0].append(&mut retained("a"), Ticket(1));
    wait_for(&kept.woken, &kept.desks[0], 1);
    assert_eq!(kept.desks[1].keeping(), Keeping::Full);
    assert_eq!(kept.told.recv_timeout(PATIENCE), Ok(State::Full));
    short.store(false, Ordering::Relaxed);
    assert_eq!(kept.told.recv_timeout(PATIENCE), Ok(State::Open));
    assert_eq!(kept.desks[1].keeping(), Keeping::Works);
    assert!(kept.keeper.close().is_some());
}

#[test]
fn figures_say_what_waits_and_a_hurry_ends_it() {
    let mut kept = keeper(MemoryEngine::new(), 1, Durability::Interval(PATIENCE * 60));
    kept.desks[0].append(&mut retained("a"), Ticket(1));
    let figures = kept.keeper.figures();
    assert_eq!((figures.waiting, figures.syncs, &figures.state), (1, 0, &State::Open));
    kept.keeper.hurry();
    kept.woken.recv_timeout(PATIENCE).expect("the ticket advances");
    while kept.keeper.figures().waiting > 0 {
        std::thread::yield_now();
    }
    let figures = kept.keeper.figures();
    assert_eq!(figures.syncs, 1);
    assert!(figures.bytes > 0);
    assert!(kept.keeper.close().is_some());
}

#[test]
fn a_full_disk_is_told_and_passes() {
    let engine = FailsToSync { engine: MemoryEngine::new(), error: Some(StoreError::Full) };
    let mut kept = keeper(engine, 1, Durability::Group);
    kept.desks[0].append(&mut retained("a"), Ticket(1));
    wait_for(&kept.woken, &kept.desks[0], 1);
    let told: Vec<State> = (0..2).map(|_| kept.told.recv_timeout(PATIENCE).expect("told")).collect();
    assert_eq!(told, [State::Full, State::Open]);
    assert!(kept.keeper.close().is_some());
}

#[test]
fn a_poisoned_store_promises_nothing_and_still_ends() {
    let error = StoreError::Io { action: "synced", reason: "Input/output error".to_owned() };
    let engine = FailsToSync { engine: MemoryEngine::new(), error: Some(error) };
    let mut kept = keeper(engine, 1, Durability::Group);
    kept.desks[0].append(&mut retained("a"), Ticket(1));
    let told = kept.told.recv_timeout(PATIENCE).expect("told");
    assert!(matches!(told, State::Poisoned(_)), "{told:?}");
    kept.desks[0].append(&mut retained("b"), Ticket(2));
    let log = kept.keeper.close().expect("no panic");
    assert_eq!(kept.desks[0].durable(), Ticket(0));
    let (_, restored, _) = reopened(log.engine().engine.crashed(0));
    assert_eq!(text(&restored), text(&Restored::default()));
}
