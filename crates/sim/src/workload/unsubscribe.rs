//! A client unsubscribes from something that it has, or has not.

use super::{Operation, choose};
use crate::plan::{FILTERS, Role};
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "unsubscribe", weight: 3, run };

fn run(world: &mut World) -> bool {
    let fits = |world: &World, client: usize| {
        let role = world.plan.clients[client].role;
        world.clients[client].is_ready()
            && matches!(role, Role::Plain | Role::Member)
            && world.clients[client].asked.len() < 4
    };
    let Some(client) = choose(world, fits) else { return false };
    let known: Vec<String> = world.clients[client].subs.keys().cloned().collect();
    let filter = if known.is_empty() || world.rng.chance(1, 5) {
        world.rng.pick(FILTERS).to_string()
    } else {
        known[world.rng.below(known.len())].clone()
    };
    world.unsubscribe(client, vec![filter]);
    true
}
