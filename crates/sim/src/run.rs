//! One seed, from its plan to the oracle's word.

use crate::oracle;
use crate::plan::{Plan, Wishes};
use crate::points::Reached;
use crate::shadow::Failure;
use crate::trace::Words;
use crate::workload;
use crate::world::World;
use std::panic::{self, AssertUnwindSafe};

/// What became of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The first invariant that did not hold, if any.
    pub failure: Option<Failure>,
    /// The operation during which it failed; the number of operations if it did so at the end.
    pub at: usize,
    /// Events.
    pub events: u64,
    /// The hash of everything that happened.
    pub hash: u64,
    /// The rare branches that it reached.
    pub reached: Reached,
    /// The last lines of the trace, if they were asked for.
    pub lines: Vec<String>,
}

/// Runs one seed. A panic of the broker is a failure like any other.
#[must_use]
pub fn run(seed: u64, wishes: Wishes, words: Words) -> Outcome {
    let mut world = World::new(Plan::new(seed, wishes), words);
    let mut at = 0;
    let ran = panic::catch_unwind(AssertUnwindSafe(|| play(&mut world, &mut at)));
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        world.shadow.fail("panic", text.unwrap_or_default());
    }
    Outcome {
        seed,
        failure: world.shadow.failures.first().cloned(),
        at,
        events: world.step,
        hash: world.trace.hash(),
        reached: world.shadow.reached.clone(),
        lines: world.trace.into_lines(),
    }
}

fn play(world: &mut World, at: &mut usize) {
    for step in 0..world.plan.steps {
        *at = step;
        workload::act(world);
        let events = world.rng.pick(&[0, 1, 3, 8, 20]);
        world.steps(events);
        if step % 16 == 0 {
            world.sweep();
            oracle::glance(world);
        }
        if !world.is_sound() {
            return;
        }
    }
    *at = world.plan.steps;
    oracle::judge(world);
}
