//! `kill -9` at random moments under load, with a ledger of what was acknowledged kept outside the broker: nothing of it
//! may be lost, nothing doubled at QoS 2, and order is kept. `cargo xtask crash` does more (docs/crashes.md).
//!
//! When the broker dies is a matter of chance; what must hold then is not.

#![allow(clippy::unwrap_used)]

mod client;
#[path = "../kit/mod.rs"]
mod kit;
mod ledger;

use client::{Publisher, Subscriber};
use kit::{Broker, Conf};
use ledger::Ledger;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than the rest of any run takes once the broker is left alone.
const PATIENCE: Duration = Duration::from_secs(120);

fn broker_in(folder: &Path, shards: usize) -> Broker {
    Conf::open()
        .line("max_queued_messages 0")
        .line("persistence true")
        .line(&format!("persistence_location {}", folder.display()))
        .shards(shards)
        .start()
}

/// A small generator, so that a run can be repeated as far as chance allows.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct World {
    ledger: Ledger,
    publishers: Vec<Publisher>,
    subscriber: Subscriber,
}

impl World {
    fn connect(&mut self, broker: &Broker) {
        for publisher in &mut self.publishers {
            publisher.connect(broker);
        }
        self.subscriber.connect(broker);
    }

    /// Lets everybody do what there is to do; `more` says whether new messages are published.
    fn turn(&mut self, more: bool) {
        for publisher in &mut self.publishers {
            publisher.turn(more, &mut self.ledger);
        }
        self.subscriber.turn(&mut self.ledger);
    }

    fn is_settled(&self) -> bool {
        self.publishers.iter().all(Publisher::is_settled) && self.ledger.has_everything()
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_kill_9() {
    if !kit::broker::ours() {
        return;
    }
    let kills: u64 = std::env::var("PONDHAWK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6);
    let seed = std::env::var("PONDHAWK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let mut world = World {
        ledger: Ledger::default(),
        publishers: vec![
            Publisher::new("at-least", 1, false),
            Publisher::new("exactly", 2, false),
            Publisher::new("state", 1, true),
        ],
        subscriber: Subscriber::new(),
    };
    let mut broker = broker_in(folder.path(), 2);
    world.subscriber.connect(&broker);
    world.subscriber.subscribe();
    world.connect(&broker);
    for kill in 0..kills {
        // Sometimes the broker dies as soon as it is up: what it restored must survive that too.
        let life = Duration::from_millis([0, 20, 300][random.below(3) as usize] + random.below(150));
        let away = random.below(3) == 0;
        if away {
            world.subscriber.go_away();
        }
        let end = Instant::now() + life;
        while Instant::now() < end {
            world.turn(true);
        }
        broker.stop_with("KILL");
        broker = broker_in(folder.path(), 1 + random.below(3) as usize);
        world.connect(&broker);
        assert!(broker.log().contains("Store "), "{}", broker.log());
        assert!(!broker.log().contains("lost"), "kill {kill}: {}", broker.log());
    }
    let end = Instant::now() + PATIENCE;
    while !world.is_settled() {
        assert!(Instant::now() < end, "{}\n{}", world.ledger.summary(), broker.log());
        world.turn(false);
    }
    let retained = client::retained(&broker, "state");
    world.ledger.check(retained);
    println!("{kills} kills, seed {seed}: {}", world.ledger.summary());
}
