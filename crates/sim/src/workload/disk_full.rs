//! The disk is full, or has room again.

use super::Operation;
use crate::sometimes;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "disk full", weight: 2, run };

fn run(world: &mut World) -> bool {
    if !world.plan.settings.persistent {
        return false;
    }
    let was_full = world.broker.store.is_full();
    let more = world.rng.below(300);
    let disk = world.broker.store.disk();
    disk.room = if disk.room.is_some() { None } else { Some(disk.len() + more) };
    if was_full {
        sometimes!(world.shadow.reached, "disk that was full has room again");
    }
    true
}
