//! The store stops to sync, or goes on.

use super::Operation;
use crate::sometimes;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "store stall", weight: 3, run };

fn run(world: &mut World) -> bool {
    let stalled = world.broker.stalled;
    if stalled && world.broker.store.has_work() && world.broker.counters().waiting > 0 {
        sometimes!(world.shadow.reached, "store stalled with acknowledgements held");
    }
    world.broker.stalled = !stalled;
    true
}
