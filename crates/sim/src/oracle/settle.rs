//! Faults stop, and everything comes to rest within bounds (I11).

use crate::client::Phase;
use crate::plan::Role;
use crate::world::World;
use pondhawk_broker::Millis;

/// Events after which a world without faults must be at rest.
const EVENTS_MAX: usize = 400_000;
/// Times that a client may be turned away before it is let in.
const ROUNDS_MAX: usize = 60;

/// No more faults: everybody comes back, and everything that is under way arrives.
pub fn settle(world: &mut World) {
    heal(world);
    run(world);
    // What could not be read is asked for again.
    pass(world, 1_001);
    if world.rng.chance(1, 2) {
        // Delayed wills are due, and some sessions end, before their clients come back.
        pass(world, 120_000);
    }
    for _ in 0..ROUNDS_MAX {
        let away: Vec<usize> = (0..world.clients.len()).filter(|client| comes_back(world, *client)).collect();
        if away.is_empty() || !world.is_sound() {
            return;
        }
        for client in away {
            world.connect(client, false, None);
        }
        run(world);
    }
    world.fail("I11", "a client is turned away for ever");
}

fn comes_back(world: &World, client: usize) -> bool {
    let state = &world.clients[client];
    state.phase == Phase::Away && state.kept && !state.must_start_clean
}

/// Links move again; what was dead, or was left for another, is seen to be so.
fn heal(world: &mut World) {
    world.broker.stalled = false;
    world.healed = true;
    world.broker.store.disk().room = None;
    world.broker.store.disk().broken = false;
    if world.broker.store.is_poisoned() {
        world.crash();
    }
    for wire in world.open.clone() {
        let way = &mut world.wires[wire];
        let left = world.clients[way.client].wire != Some(wire);
        let dead = std::mem::take(&mut way.trouble).dead;
        if dead || left && way.open {
            world.cut(wire);
        }
    }
}

/// Lets everything happen that can without time passing.
pub fn run(world: &mut World) {
    for _ in 0..EVENTS_MAX {
        if !world.is_sound() || !world.step() {
            world.sweep();
            return;
        }
    }
    world.fail("I11", "the world does not come to rest");
}

/// Lets time pass, stopping at every deadline.
pub fn pass(world: &mut World, ms: Millis) {
    let target = world.now + ms;
    while world.now < target && world.is_sound() {
        let next = world.next_deadline().map_or(target, |at| at.clamp(world.now + 1, target));
        world.pass(next - world.now);
        run(world);
    }
}

/// Everybody starts clean and leaves.
pub fn leave(world: &mut World) {
    let everybody = 0..world.clients.len();
    for _ in 0..ROUNDS_MAX {
        let left: Vec<usize> =
            everybody.clone().filter(|client| world.shadow.current[*client].is_some()).collect();
        if left.is_empty() || !world.is_sound() {
            return;
        }
        for client in left {
            world.connect(client, true, None);
            run(world);
            if world.clients[client].is_ready() {
                world.disconnect(client, 0, Some(0));
                run(world);
            }
        }
    }
    world.fail("I11", "somebody cannot leave");
}

/// The client of the run that only looks.
pub fn auditor(world: &World) -> usize {
    let found = world.plan.clients.iter().position(|client| client.role == Role::Auditor);
    found.expect("every plan has an auditor")
}
