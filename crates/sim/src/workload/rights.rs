//! An administrator takes a right away from a client, or gives one back.

use super::{Operation, choose, is_free};
use crate::sometimes;
use crate::world::World;
use crate::world::host::{Right, Rules};
use std::rc::Rc;

/// The operation.
pub const OPERATION: Operation = Operation { name: "rights", weight: 4, run };

fn run(world: &mut World) -> bool {
    let latest = world.shadow.rules.last().cloned().unwrap_or_default();
    let mut rules = Rules { version: latest.version + 1, denied: latest.denied.clone() };
    if rules.denied.is_empty() || world.rng.chance(1, 2) {
        let Some(client) = choose(world, is_free) else { return false };
        let id = world.plan.clients[client].id.clone();
        let right = world.rng.pick(&[Right::Publish, Right::Receive, Right::Receive, Right::Subscribe]);
        let will = format!("w/{id}");
        let filter = world.rng.pick(&["t/a", "t/#", "t/+", "u/#", "n/+", "m/t/a", &will]).to_string();
        if right == Right::Receive && world.broker.counters().queued > 0 {
            sometimes!(world.shadow.reached, "right revoked with messages queued");
        }
        rules.denied.push((id, right, filter));
    } else {
        let at = world.rng.below(rules.denied.len());
        rules.denied.remove(at);
    }
    let rules = Rc::new(rules);
    world.shadow.rules.push(rules.clone());
    let settings = world.latest_settings();
    world.start_reload(&rules, &settings);
    true
}
