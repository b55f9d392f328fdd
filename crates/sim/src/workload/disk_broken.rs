//! The next sync fails. The store promises nothing more until the broker starts again.

use super::Operation;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "disk broken", weight: 1, run };

fn run(world: &mut World) -> bool {
    if !world.plan.settings.persistent {
        return false;
    }
    if world.rng.chance(3, 4) {
        return false;
    }
    world.broker.store.disk().broken = true;
    true
}
