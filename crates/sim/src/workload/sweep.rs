//! The broker begins to remove retained messages that have expired.

use super::Operation;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "sweep", weight: 1, run };

fn run(world: &mut World) -> bool {
    for station in &mut world.broker.shards {
        station.shard.sweep_retained();
    }
    true
}
