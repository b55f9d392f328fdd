//! A client sets a retained message or deletes one.

use super::{Operation, choose, ready};
use crate::client::Published;
use crate::plan::{Role, TOPICS};
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "retain", weight: 9, run };

fn run(world: &mut World) -> bool {
    let Some(client) = choose(world, |world, client| ready(world, client, Role::Plain)) else { return false };
    let rng = &mut world.rng;
    // Some topics have no retained message, so that plain deliveries are not mixed up with those.
    let topic = rng.pick(&[TOPICS[2], TOPICS[5], TOPICS[8], TOPICS[9], TOPICS[10], TOPICS[11]]);
    let (qos, empty) = (rng.below(3) as u8, rng.chance(1, 3));
    // The large one fills a page alone.
    let len = rng.pick(&[0, 0, 0, 10, 10, 100, 100, 100, 100, 70_000]);
    let expiry_s = if rng.chance(1, 8) { Some(rng.pick(&[5, 500])) } else { None };
    world.publish(client, &Published { topic, qos, retain: true, empty, len, expiry_s });
    true
}
