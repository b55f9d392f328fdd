//! The judge. Faults stop, everybody comes back, everything must settle; then what every application was given is
//! held against what it was owed, every counter against a recount, and nothing may be left of anybody.
//!
//! | file | invariants |
//! |---|---|
//! | `settle` | I11: recovery is bounded |
//! | `rest` | I1, I9, I11: nothing is left half done |
//! | `delivery` | I1, I2, I6, I7, I8: who got what |
//! | `group` | the same for shared subscriptions |
//! | `retained` | I4: what is retained |
//! | `count` | I10: counters are recounts |

mod count;
mod delivery;
mod group;
mod rest;
mod retained;
mod settle;

use crate::world::World;

/// Cheap checks in the middle of a run.
pub fn glance(world: &mut World) {
    count::places(world);
}

/// Everything, at the end of a run.
pub fn judge(world: &mut World) {
    let stages: &[fn(&mut World)] = &[
        settle::settle,
        rest::check,
        count::check,
        delivery::check,
        group::check,
        retained::check,
        settle::leave,
        count::empty,
    ];
    for stage in stages {
        stage(world);
        if !world.is_sound() {
            return;
        }
    }
}
