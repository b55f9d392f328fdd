//! A client leaves in order, with or without its will, and with or without its session.

use super::{Operation, choose, is_free};
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "disconnect", weight: 4, run };

fn run(world: &mut World) -> bool {
    let fits = |world: &World, client: usize| world.clients[client].is_ready();
    let Some(client) = choose(world, fits) else { return false };
    let code = if world.rng.chance(1, 4) { 4 } else { 0 };
    let expiry_s = (is_free(world, client) && world.rng.chance(1, 8)).then_some(0);
    world.disconnect(client, code, expiry_s);
    true
}
