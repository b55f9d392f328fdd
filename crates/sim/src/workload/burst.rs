//! A client publishes many messages at once to few topics.

use super::{Operation, choose, ready};
use crate::plan::Role;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "burst", weight: 4, run };

fn run(world: &mut World) -> bool {
    let Some(client) = choose(world, |world, client| ready(world, client, Role::Plain)) else { return false };
    for _ in 0..world.rng.between(3, 15) {
        super::publish::publish(world, client, 2);
    }
    true
}
