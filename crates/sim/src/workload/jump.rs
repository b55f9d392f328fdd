//! Time jumps to the next deadline, or far beyond: keep alives, delayed wills, expiry.

use super::Operation;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "jump", weight: 2, run };

fn run(world: &mut World) -> bool {
    let next = world.next_deadline().unwrap_or(world.now).saturating_sub(world.now);
    let ms = if world.rng.chance(3, 4) { next } else { world.rng.pick(&[6_000, 50_000, 200_000]) };
    world.pass(ms);
    true
}
