//! A client connects again while the broker still has its last connection.

use super::{Operation, choose};
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "take over", weight: 3, run };

fn run(world: &mut World) -> bool {
    let Some(client) = choose(world, |world, client| world.clients[client].wire.is_some()) else {
        return false;
    };
    super::connect::connect(world, client);
    true
}
