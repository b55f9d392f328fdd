//! An administrator changes settings: windows and buffers.

use super::Operation;
use crate::world::World;
use std::sync::Arc;

/// The operation.
pub const OPERATION: Operation = Operation { name: "settings", weight: 2, run };

fn run(world: &mut World) -> bool {
    let mut settings = (*world.latest_settings()).clone();
    settings.max_output_bytes = world.rng.pick(&[100, 1000, 1 << 20]);
    let rules = world.shadow.rules.last().cloned().unwrap_or_default();
    world.start_reload(&rules, &Arc::new(settings));
    true
}
