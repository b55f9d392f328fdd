//! The broker dies and starts again from its store.

use super::Operation;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "crash", weight: 2, run };

fn run(world: &mut World) -> bool {
    if !world.plan.settings.persistent {
        return false;
    }
    world.crash();
    true
}
