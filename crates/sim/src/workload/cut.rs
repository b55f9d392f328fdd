//! A connection breaks, and both ends see it.

use super::Operation;
use crate::world::World;
use crate::world::wire::Trouble;

/// The operation.
pub const OPERATION: Operation = Operation { name: "cut", weight: 6, run };

fn run(world: &mut World) -> bool {
    let Some(wire) = any(world) else { return false };
    world.wires[wire].trouble = Trouble::default();
    world.cut(wire);
    true
}

/// A connection that its client still reads.
pub fn any(world: &mut World) -> Option<usize> {
    let open: Vec<usize> = world.open.iter().copied().filter(|wire| world.wires[*wire].open).collect();
    if open.is_empty() { None } else { Some(open[world.rng.below(open.len())]) }
}
