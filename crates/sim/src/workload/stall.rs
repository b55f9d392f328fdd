//! A connection stops moving in one direction, or moves again.

use super::Operation;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "stall", weight: 8, run };

fn run(world: &mut World) -> bool {
    let Some(wire) = super::cut::any(world) else { return false };
    let down = world.rng.chance(2, 3);
    let trouble = &mut world.wires[wire].trouble;
    let way = if down { &mut trouble.stalled_down } else { &mut trouble.stalled_up };
    *way = !*way;
    true
}
