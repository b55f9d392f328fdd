//! A client subscribes to one to three filters.

use super::{Operation, choose, ready};
use crate::client::packets::Wanted;
use crate::plan::{FILTERS, Role};
use crate::sometimes;
use crate::world::World;
use pondhawk_codec::packet::{RetainHandling, SubscribeOptions};
use pondhawk_codec::{Qos, Version};

/// The operation.
pub const OPERATION: Operation = Operation { name: "subscribe", weight: 9, run };

fn run(world: &mut World) -> bool {
    let fits = |world: &World, client: usize| {
        ready(world, client, Role::Plain) && world.clients[client].asked.len() < 4
    };
    let Some(client) = choose(world, fits) else { return false };
    let mut wanted: Vec<Wanted> = Vec::new();
    for _ in 0..world.rng.between(1, 3) {
        let filter = world.rng.pick(FILTERS);
        if wanted.iter().all(|one| one.filter != filter) {
            let known = world.clients[client].subs.get(filter).cloned().filter(|_| world.rng.chance(1, 2));
            wanted.push(known.unwrap_or_else(|| any(world, client, filter)));
        }
    }
    if world.clients[client].subs.len() + wanted.len() > 2 {
        sometimes!(world.shadow.reached, "overlapping subscriptions");
    }
    world.subscribe(client, wanted);
    true
}

/// A subscription with any options that the client's version has.
pub fn any(world: &mut World, client: usize, filter: &str) -> Wanted {
    let v5 = world.version(client) == Version::V5;
    let rng = &mut world.rng;
    let shared = filter.starts_with("$share/");
    let options = SubscribeOptions {
        qos: rng.pick(&[Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::ExactlyOnce]),
        no_local: v5 && !shared && rng.chance(1, 4),
        retain_as_published: v5 && rng.chance(1, 8),
        retain_handling: if v5 {
            rng.pick(&[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend])
        } else {
            RetainHandling::Send
        },
    };
    Wanted { filter: filter.into(), options, id: u32::from(v5 && rng.chance(1, 2)) }
}
