//! A little time passes.

use super::Operation;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "time", weight: 8, run };

fn run(world: &mut World) -> bool {
    let ms = world.rng.pick(&[1, 20, 500, 3_000]);
    world.pass(ms);
    true
}
