//! A bridge subscribes to what it passes on, and, in MQTT 5.0, to what it passes it on to without its own.

use super::{Operation, choose, ready};
use crate::client::packets::Wanted;
use crate::plan::Role;
use crate::world::World;
use pondhawk_codec::packet::SubscribeOptions;
use pondhawk_codec::{Qos, Version};

/// The operation.
pub const OPERATION: Operation = Operation { name: "bridge", weight: 2, run };

fn run(world: &mut World) -> bool {
    let fits = |world: &World, client: usize| {
        ready(world, client, Role::Bridge) && world.clients[client].subs.is_empty()
    };
    let Some(client) = choose(world, fits) else { return false };
    let v5 = world.version(client) == Version::V5;
    let options = SubscribeOptions { qos: Qos::ExactlyOnce, no_local: v5, ..SubscribeOptions::default() };
    let mut wanted = vec![Wanted { filter: "u/#".into(), options, id: 0 }];
    if v5 {
        wanted.push(Wanted { filter: "t/#".into(), options, id: 0 });
    }
    world.subscribe(client, wanted);
    true
}
