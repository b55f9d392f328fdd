//! I10: every counter equals a recount.

use crate::world::World;

/// What can be counted at any moment: places are those of sessions and connections.
pub fn places(world: &mut World) {
    let counters = world.broker.counters();
    let shadow = &world.shadow;
    let sessions = shadow.current.iter().flatten().count() as u64;
    let connected =
        shadow.current.iter().flatten().filter(|s| shadow.sessions[**s].link.is_some()).count() as u64;
    let subs = |shared: bool| -> u64 {
        let alive = shadow.current.iter().flatten().map(|session| &shadow.sessions[*session]);
        alive.flat_map(|session| &session.subs).filter(|s| s.end.is_none() && s.shared == shared).count()
            as u64
    };
    let held = {
        let host = world.broker.shared.borrow();
        [host.connections as u64, host.sessions as u64, u64::from(host.below_zero)]
    };
    let counted =
        [counters.connected, counters.sessions, counters.subscriptions, counters.shared_subscriptions];
    let recounted = [connected, sessions, subs(false), subs(true)];
    if counted != recounted || held != [connected, sessions, 0] {
        let text = format!(
            "connected, sessions, subscriptions, shared: counted {counted:?}, recounted {recounted:?}, places {held:?}"
        );
        world.fail("I10", text);
    }
}

/// Everything, at rest.
pub fn check(world: &mut World) {
    places(world);
    let counters = world.broker.counters();
    let packets = [counters.packets_received, counters.packets_sent];
    let retained = world.broker.shared.borrow().retained;
    // Output that waits for the store when its connection ends is counted and never seen.
    let lost = |counted: &[u64; 16], seen: &[u64; 16]| counted.iter().zip(seen).all(|(c, s)| c >= s);
    let [received, sent] = &world.shadow.packets;
    let right = packets[0] == *received
        && if world.shadow.persistent { lost(&packets[1], sent) } else { packets[1] == *sent };
    if !right {
        let text = format!("packets by type: counted {packets:?}, recounted {:?}", world.shadow.packets);
        world.fail("I10", text);
    }
    if (retained.0 as u64, retained.1 as u64) != (counters.retained, counters.retained_bytes) {
        let text = format!(
            "retained: the shards count {} with {} bytes, the host {retained:?}",
            counters.retained, counters.retained_bytes
        );
        world.fail("I10", text);
    }
}

/// Nothing is left of anybody.
pub fn empty(world: &mut World) {
    places(world);
    let counters = world.broker.counters();
    let left = [
        counters.sessions,
        counters.connected,
        counters.subscriptions,
        counters.shared_subscriptions,
        counters.queued,
        counters.queued_bytes,
        counters.inbox_bytes,
        counters.waiting,
    ];
    let roots = world.broker.shards.len() as u64;
    if left != [0; 8] || counters.trie_nodes != roots {
        world.fail("I10", format!("something is left when everybody has gone: {counters:?}"));
    }
}
