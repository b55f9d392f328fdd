//! What happens to the world: one file an operation. An operation is drawn by its weight; it does nothing if the world
//! is not such that it can.

mod bridge;
mod burst;
mod connect;
mod crash;
mod cut;
mod disconnect;
mod disk_broken;
mod disk_full;
mod half_open;
mod jump;
mod misbehave;
mod publish;
mod retain;
mod rights;
mod settings;
mod share;
mod stall;
mod store_stall;
mod subscribe;
mod sweep;
mod system;
mod take_over;
mod time;
mod unsubscribe;
mod watch;

use crate::plan::Role;
use crate::world::World;

/// Something that can be done to the world.
pub struct Operation {
    /// Its name in the trace.
    pub name: &'static str,
    /// How often it is drawn, relative to the others.
    pub weight: usize,
    /// Does it; false if the world was not such that it could.
    pub run: fn(&mut World) -> bool,
}

/// All of them.
pub const OPERATIONS: &[Operation] = &[
    connect::OPERATION,
    take_over::OPERATION,
    subscribe::OPERATION,
    unsubscribe::OPERATION,
    share::OPERATION,
    watch::OPERATION,
    bridge::OPERATION,
    publish::OPERATION,
    burst::OPERATION,
    retain::OPERATION,
    disconnect::OPERATION,
    cut::OPERATION,
    half_open::OPERATION,
    stall::OPERATION,
    misbehave::OPERATION,
    rights::OPERATION,
    settings::OPERATION,
    system::OPERATION,
    sweep::OPERATION,
    store_stall::OPERATION,
    disk_full::OPERATION,
    disk_broken::OPERATION,
    crash::OPERATION,
    time::OPERATION,
    jump::OPERATION,
];

/// Draws an operation and does it.
pub fn act(world: &mut World) {
    let total: usize = OPERATIONS.iter().map(|operation| operation.weight).sum();
    let mut drawn = world.rng.below(total);
    for operation in OPERATIONS {
        if drawn < operation.weight {
            world.note(|_| format!("* {}", operation.name));
            let done = (operation.run)(world);
            world.trace.number(u64::from(done));
            return;
        }
        drawn -= operation.weight;
    }
}

/// One of the clients that `fits`, if there is one.
fn choose(world: &mut World, fits: impl Fn(&World, usize) -> bool) -> Option<usize> {
    let fitting: Vec<usize> = (0..world.clients.len()).filter(|client| fits(world, *client)).collect();
    if fitting.is_empty() { None } else { Some(fitting[world.rng.below(fitting.len())]) }
}

/// A client that is connected and has this role.
fn ready(world: &World, client: usize, role: Role) -> bool {
    world.clients[client].is_ready() && world.plan.clients[client].role == role
}

/// A client whose part is not to stay as it is.
fn is_free(world: &World, client: usize) -> bool {
    !matches!(world.plan.clients[client].role, Role::Watcher | Role::Auditor)
}
