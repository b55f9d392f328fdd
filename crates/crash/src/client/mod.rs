//! The clients of a run, each on a thread of its own. A connection that breaks is made anew as soon as there is a broker.

mod auditor;
mod publisher;
mod settler;
mod subscriber;
mod testator;

pub(crate) use auditor::{Auditor, probe, retained_at_rest};
pub(crate) use publisher::Publisher;
pub(crate) use settler::Settler;
pub(crate) use subscriber::{Habit, Subscriber};
pub(crate) use testator::{Ending, Testator};

use crate::gate::{Gate, Life};
use crate::ledger::Ledger;
use crate::ledger::fault::Kind;
use crate::wire::Wire;
use crate::wire::encode::Hello;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What subscribers of the ledger subscribe to.
pub(crate) const EVERYTHING: &str = "crash/#";
/// What those of a group do.
pub(crate) const SHARED: &str = "$share/group/crash/#";
/// How long a client waits for packets before it looks whether the run goes on.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Publishers pause when a subscriber that keeps up is so many messages behind: the load is to be served, not queued.
const BEHIND_MAX: u64 = 3000;

/// What clients share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) gate: Gate,
    pub(crate) ledger: Ledger,
    /// How many messages each subscriber that keeps up has got; the others have `u64::MAX`.
    pub(crate) received: Vec<AtomicU64>,
    /// Nothing happens to the disk: the broker has no reason to refuse anything.
    pub(crate) is_well: bool,
}

impl World {
    /// The broker has done what it may do only when its disk is in trouble.
    fn unexpected(&self, text: impl FnOnce() -> String) {
        if self.is_well {
            self.ledger.fault(Kind::Broker, text());
        }
    }

    /// True while publishers should wait for subscribers.
    fn is_behind(&self) -> bool {
        let slowest = self.received.iter().map(|received| received.load(Ordering::Relaxed)).min();
        slowest.is_some_and(|slowest| self.ledger.acked_total() > slowest.saturating_add(BEHIND_MAX))
    }
}

/// Tells whether the broker's word on a session is the truth.
#[derive(Debug, Default)]
struct SessionWatch {
    /// A CONNACK has promised that the session is kept.
    is_established: bool,
    /// The broker may have made a session.
    is_tried: bool,
}

impl SessionWatch {
    /// Opens a connection in this life; `None` if that fails, as it does when the broker is being killed. The flag says
    /// whether the session is one that the broker had lost.
    fn open(&mut self, world: &World, life: Life, hello: &Hello<'_>) -> Option<(Wire, bool)> {
        let is_tried = std::mem::replace(&mut self.is_tried, true);
        match Wire::open(life.port, hello) {
            Ok((wire, present)) => {
                if present && !(is_tried && hello.kept) {
                    let text = format!("{} has a session that nobody made", hello.client);
                    world.ledger.fault(Kind::Session, text);
                }
                let lost = self.is_established && hello.kept && !present;
                if lost {
                    let text = format!("the session of {} is gone in life {}", hello.client, life.number);
                    world.ledger.fault(Kind::Session, text);
                }
                self.is_established = hello.kept;
                Some((wire, lost))
            }
            Err(_killed) => {
                world.gate.pause(Duration::from_millis(5));
                None
            }
        }
    }
}
