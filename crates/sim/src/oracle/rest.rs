//! At rest nothing is left half done: every acknowledgement has come, every window is empty.

use crate::shadow::session::IdUse;
use crate::world::World;
use crate::world::host::Right;

/// Checks clients, sessions and the broker's own figures.
pub fn check(world: &mut World) {
    let mut wrong = Vec::new();
    for client in &world.clients {
        if !client.is_ready() {
            continue;
        }
        let id = &client.plan.id;
        if let Some(out) = client.out.front() {
            wrong.push(format!("{id}: packet {} (message {}) was never acknowledged", out.id, out.message));
        }
        if let Some((id_asked, asked)) = client.asked.first_key_value() {
            wrong.push(format!("{id}: {id_asked} ({asked:?}) was never answered"));
        }
        if let Some(held) = client.held.first() {
            wrong.push(format!("{id}: QoS 2 message {held} was never released"));
        }
    }
    for session in world.shadow.sessions.iter().filter(|session| session.alive && session.link.is_some()) {
        let id = &world.shadow.clients[session.client].id;
        // What its client may not have any more is given up, and its identifier with it.
        let allowed = |topic: &str| world.shadow.always_allowed(0, session.client, Right::Receive, topic);
        let lost = |held: &IdUse| held.doubtful && held.qos == 1;
        let unfinished = |held: &IdUse| allowed(&held.topic) && !lost(held);
        if let Some((packet, held)) = session.ids.iter().find(|(_, held)| unfinished(held)) {
            wrong.push(format!("{id}: the broker's packet {packet} ({held:?}) is unfinished"));
        }
        if let Some((packet, message)) = session.inbox.first_key_value() {
            wrong.push(format!("{id}: packet {packet} (message {message}) waits for PUBREL"));
        }
    }
    let counters = world.broker.counters();
    // The search for retained messages of a client that has not come back waits for it.
    let mut there = world.shadow.current.iter().flatten().map(|session| &world.shadow.sessions[*session]);
    if counters.waiting > 0 && there.all(|session| session.link.is_some()) {
        wrong.push(format!("{} things wait in the broker", counters.waiting));
    }
    for text in wrong {
        world.shadow.fail("I11", text);
    }
}
