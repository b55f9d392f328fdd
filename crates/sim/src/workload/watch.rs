//! A watcher subscribes to all wills. It never unsubscribes.

use super::{Operation, choose, ready};
use crate::client::packets::Wanted;
use crate::plan::Role;
use crate::world::World;
use pondhawk_codec::Qos;
use pondhawk_codec::packet::SubscribeOptions;

/// The operation.
pub const OPERATION: Operation = Operation { name: "watch", weight: 6, run };

fn run(world: &mut World) -> bool {
    let fits = |world: &World, client: usize| {
        ready(world, client, Role::Watcher) && world.clients[client].subs.is_empty()
    };
    let Some(client) = choose(world, fits) else { return false };
    let options = SubscribeOptions { qos: Qos::ExactlyOnce, ..SubscribeOptions::default() };
    let wanted = |filter: &str| Wanted { filter: filter.into(), options, id: 0 };
    world.subscribe(client, vec![wanted("w/#"), wanted("m/w/#")]);
    true
}
