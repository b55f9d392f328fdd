//! A client that is away connects: clean or not, with a will or without.

use super::{Operation, choose, is_free};
use crate::client::Phase;
use crate::plan::Role;
use crate::shadow::message::Message;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "connect", weight: 14, run };

fn run(world: &mut World) -> bool {
    let away = |world: &World, client: usize| {
        world.clients[client].phase == Phase::Away && world.plan.clients[client].role != Role::Auditor
    };
    let Some(client) = choose(world, away) else { return false };
    connect(world, client);
    true
}

/// A client connects as it likes.
pub fn connect(world: &mut World, client: usize) {
    let clean = is_free(world, client) && world.rng.chance(1, 7);
    let will = world.rng.chance(1, 2).then(|| will(world, client));
    world.connect(client, clean, will);
}

fn will(world: &mut World, client: usize) -> (u32, u32) {
    let topic = world.shadow.mounted(client, &format!("w/{}", world.plan.clients[client].id));
    let qos = world.rng.below(3) as u8;
    let message = Message { will: true, len: world.rng.below(20), ..Message::new(topic, qos, client) };
    world.shadow.messages.push(message);
    let delay = world.rng.pick(&[0, 0, 3, 40, 1000]);
    let delay = if world.version(client) == pondhawk_codec::Version::V5 { delay } else { 0 };
    (world.shadow.messages.len() as u32 - 1, delay)
}
