//! A client publishes a message at any QoS.

use super::{Operation, choose, ready};
use crate::client::Published;
use crate::plan::{Role, TOPICS};
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "publish", weight: 28, run };

fn run(world: &mut World) -> bool {
    let Some(client) = choose(world, |world, client| ready(world, client, Role::Plain)) else { return false };
    publish(world, client, TOPICS.len());
    true
}

/// Publishes to one of the first `topics` topics.
pub fn publish(world: &mut World, client: usize, topics: usize) {
    let rng = &mut world.rng;
    let topic = TOPICS[rng.below(topics)];
    let qos = rng.pick(&[0, 1, 1, 2, 2, 2]);
    let len = rng.pick(&[0, 3, 20, 150]);
    let expiry_s = if rng.chance(1, 10) { Some(rng.pick(&[1, 10, 1000])) } else { None };
    world.publish(client, &Published { topic, qos, retain: false, empty: false, len, expiry_s });
}
