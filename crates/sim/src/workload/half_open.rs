//! A connection goes dead, and neither end learns of it before its keep alive.

use super::Operation;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "half open", weight: 2, run };

fn run(world: &mut World) -> bool {
    let Some(wire) = super::cut::any(world) else { return false };
    world.wires[wire].trouble.dead = true;
    true
}
