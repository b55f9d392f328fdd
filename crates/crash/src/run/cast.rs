//! Who plays: the clients of a run, and their threads.

use crate::args::{Options, Trouble};
use crate::chance::Chance;
use crate::client::{
    Auditor, EVERYTHING, Ending, Habit, Publisher, SHARED, Settler, Subscriber, Testator, World,
};
use crate::gate::Gate;
use crate::ledger::receipts::Receipts;
use crate::ledger::{Ledger, Plan};
use crate::wire::Version;
use anyhow::{Result, bail};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Streams with the version of their publisher and its window. The last is the barrier, which is sent when all others
/// are done.
const STREAMS: [(Plan, Version, usize); 7] = [
    (Plan { qos: 1, retain: false, topics: 4 }, Version::V311, 60),
    (Plan { qos: 1, retain: false, topics: 4 }, Version::V5, 60),
    (Plan { qos: 2, retain: false, topics: 4 }, Version::V311, 40),
    (Plan { qos: 2, retain: false, topics: 4 }, Version::V5, 40),
    (Plan { qos: 1, retain: true, topics: 8 }, Version::V5, 20),
    (Plan { qos: 2, retain: true, topics: 8 }, Version::V311, 20),
    (Plan { qos: 2, retain: false, topics: 1 }, Version::V311, 1),
];
const BARRIER: usize = STREAMS.len() - 1;

/// Testators: version, kept session, when the will is due.
const TESTATORS: [(Version, bool, Ending); 5] = [
    (Version::V311, false, Ending::AtOnce),
    (Version::V311, true, Ending::AtOnce),
    (Version::V5, true, Ending::AtOnce),
    (Version::V5, true, Ending::Late),
    (Version::V5, true, Ending::Delayed),
];

/// How long subscribers may take to subscribe at the beginning.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(60);

/// The clients, and the threads of those who have entered.
pub(super) struct Cast {
    waiting: Vec<Subscriber>,
    chance: Chance,
    pub(super) receipts: Vec<Arc<Mutex<Receipts>>>,
    subscribers: Vec<JoinHandle<()>>,
    pub(super) others: Vec<JoinHandle<()>>,
    auditor: Option<JoinHandle<Auditor>>,
}

/// Makes the ledger and the clients of a run.
pub(super) fn assemble(options: &Options, chance: &mut Chance) -> (Arc<World>, Cast) {
    let ledger = Ledger::new(STREAMS.iter().map(|(plan, ..)| *plan).collect(), TESTATORS.len());
    let habits = habits(options);
    let group = group();
    let counter = |habit: &Habit| match habit {
        Habit::Online | Habit::Blinking(_) => AtomicU64::new(0),
        Habit::Away(_) | Habit::Late(_) => AtomicU64::new(u64::MAX),
    };
    let received = habits.iter().map(|(habit, ..)| counter(habit));
    // Nobody of a group gets all.
    let received = received.chain(group.iter().map(|_| AtomicU64::new(u64::MAX))).collect();
    let is_well = options.trouble == Trouble::None;
    let world = Arc::new(World { gate: Gate::new(), ledger, received, is_well });
    let mut cast = Cast {
        waiting: Vec::new(),
        chance: chance.split(),
        receipts: Vec::new(),
        subscribers: Vec::new(),
        others: Vec::new(),
        auditor: None,
    };
    let first_of_group = habits.len();
    for (index, (habit, version, qos)) in habits.into_iter().chain(group).enumerate() {
        let is_shared = index >= first_of_group;
        let name = format!("{}-{index}-{habit:?}-QoS{qos}", if is_shared { "member" } else { "subscriber" });
        if index <= first_of_group {
            let receipts = Receipts::new(if is_shared { "group" } else { &name }, qos, &world.ledger);
            let receipts = if is_shared { receipts.shared() } else { receipts };
            cast.receipts.push(Arc::new(Mutex::new(receipts)));
        }
        let receipts = cast.receipts[index.min(first_of_group)].clone();
        let filter = if is_shared { SHARED } else { EVERYTHING };
        let chance = chance.split();
        cast.waiting.push(Subscriber { index, name, filter, version, qos, habit, chance, receipts });
    }
    (world, cast)
}

/// Those who share what they subscribe to.
fn group() -> [(Habit, Version, u8); 3] {
    [
        (Habit::Online, Version::V5, 2),
        (Habit::Blinking(1000), Version::V5, 2),
        (Habit::Away(2), Version::V311, 2),
    ]
}

fn habits(options: &Options) -> Vec<(Habit, Version, u8)> {
    let mut habits = vec![
        (Habit::Online, Version::V311, 2),
        (Habit::Online, Version::V5, 1),
        (Habit::Blinking(3000), Version::V5, 2),
        (Habit::Blinking(3000), Version::V311, 1),
    ];
    if options.trouble == Trouble::Full {
        // Nobody stays away for long: what fills the disk is to go again.
        habits.push((Habit::Away(1), Version::V5, 1));
    } else {
        habits.extend([(Habit::Away(3), Version::V311, 2), (Habit::Away(7), Version::V5, 1)]);
        habits.extend([1, 2, 3].map(|quarter| (Habit::Late(options.kills * quarter / 4), Version::V5, 2)));
    }
    habits
}

impl Cast {
    /// Subscribers enter, and all but the late ones have subscribed when this returns.
    pub(super) fn enter_subscribers(&mut self, world: &Arc<World>) -> Result<()> {
        let until = Instant::now() + SUBSCRIBED_WITHIN;
        let first: Vec<_> = (self.waiting.iter())
            .filter(|subscriber| !matches!(subscriber.habit, Habit::Late(_)))
            .map(|subscriber| subscriber.receipts.clone())
            .collect();
        for subscriber in self.waiting.drain(..) {
            let world = world.clone();
            self.subscribers.push(thread::spawn(move || subscriber.run(&world)));
        }
        for receipts in first {
            while !receipts.lock().unwrap_or_else(PoisonError::into_inner).is_subscribed() {
                if Instant::now() > until {
                    bail!("a subscriber could not subscribe within {SUBSCRIBED_WITHIN:?}");
                }
                thread::park_timeout(Duration::from_millis(2));
            }
        }
        Ok(())
    }

    /// Publishers, testators and the auditor enter.
    pub(super) fn enter_others(&mut self, world: &Arc<World>) {
        for (stream, (_, version, window)) in STREAMS.iter().enumerate().take(BARRIER) {
            let publisher = Publisher::new(stream, *version, *window, u64::MAX);
            let world = world.clone();
            self.others.push(thread::spawn(move || publisher.run(&world)));
        }
        for (index, (version, kept, ending)) in TESTATORS.into_iter().enumerate() {
            let testator = Testator { index, version, kept, ending, chance: self.chance.split() };
            let world = world.clone();
            self.others.push(thread::spawn(move || testator.run(&world)));
        }
        for version in [Version::V311, Version::V5] {
            let settler = Settler::new(version, self.chance.split());
            let world = world.clone();
            self.others.push(thread::spawn(move || settler.run(&world)));
        }
        let world = world.clone();
        self.auditor = Some(thread::spawn(move || Auditor::default().run(&world)));
    }

    /// Publishes the last message of all, behind everything else.
    pub(super) fn send_barrier(&mut self, world: &Arc<World>) {
        let publisher = Publisher::new(BARRIER, STREAMS[BARRIER].1, 1, 1);
        let world = world.clone();
        self.others.push(thread::spawn(move || publisher.run(&world)));
    }

    /// The auditor's book, once it has left.
    pub(super) fn auditor(&mut self) -> Auditor {
        self.auditor.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }

    /// Waits for everybody. The run is over.
    pub(super) fn dismiss(&mut self) {
        for thread in self.subscribers.drain(..).chain(self.others.drain(..)) {
            // A panic has been shown by the thread itself, and leaves its messages missing.
            let _ended = thread.join();
        }
        self.auditor();
    }
}
