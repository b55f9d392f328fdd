//! The broker publishes a message of its own, as it does with its figures.

use super::Operation;
use crate::client::packets;
use crate::shadow::SYSTEM;
use crate::shadow::message::Message;
use crate::world::World;

/// The operation.
pub const OPERATION: Operation = Operation { name: "system", weight: 2, run };

fn run(world: &mut World) -> bool {
    let topic = "$SYS/broker/uptime";
    let retain = world.rng.chance(1, 2);
    let message = Message { retain, ..Message::new(topic.into(), 2, SYSTEM) };
    world.shadow.messages.push(message);
    let number = world.shadow.messages.len() as u32 - 1;
    world.step += 1;
    world.route_system(number);
    world.publish_system(topic, &packets::payload(number, 0), retain);
    true
}
