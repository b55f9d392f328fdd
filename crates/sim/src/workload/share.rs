//! A member joins its shared group. It has one filter for the whole run, so that nothing reaches it twice.

use super::{Operation, choose, ready};
use crate::client::packets::Wanted;
use crate::plan::{Role, SHARED};
use crate::world::World;
use pondhawk_codec::Qos;
use pondhawk_codec::packet::SubscribeOptions;

/// The operation.
pub const OPERATION: Operation = Operation { name: "share", weight: 3, run };

fn run(world: &mut World) -> bool {
    let fits = |world: &World, client: usize| {
        ready(world, client, Role::Member) && world.clients[client].asked.is_empty()
    };
    let Some(client) = choose(world, fits) else { return false };
    // Members of two groups, or of one with two filters, would get a message for each.
    let filter = SHARED[(world.plan.seed as usize + client / 2) % SHARED.len()];
    let options = SubscribeOptions { qos: Qos::ExactlyOnce, ..SubscribeOptions::default() };
    world.subscribe(client, vec![Wanted { filter: filter.into(), options, id: 0 }]);
    true
}
