//! An administrator changes settings: windows and buffers.

use super::Operation;
use crate::world::World;
use std::sync::Arc;

/// The operation.
pub const OPERATION: Operation = Operation { name: "settings", weight: 2, run };

fn run(world: &mut World) -> bool {
    let mut settings = (*world.latest_settings()).clone();
    settings.max_output_bytes = world.rng.pick(&[100, 1000, 1 << 20]);
    if !settings.persistent {
        // After a crash the setting of then tells what may have been sent; see docs/simulator.md.
        settings.max_inflight_messages = world.rng.pick(&[2, 10, 20]);
    }
    let rules = world.shadow.rules.last().cloned().unwrap_or_default();
    world.start_reload(&rules, &Arc::new(settings));
    true
}
