//! Changes to a store that no broker uses.

use super::report::{lost_json, lost_lines};
use super::{DAMAGED, WALL, checked, explained, print, refuse_foreign_root};
use pondhawk_store::disk::{self, DiskEngine, Opened};
use pondhawk_store::engine::Engine;
use pondhawk_store::{Log, StoreError};
use serde_json::json;
use std::path::Path;

/// Gives back the room of what is gone. A damaged store is left as it is.
pub(super) fn compact(path: &Path, json: bool) -> Result<i32, String> {
    let before = checked(path)?;
    if !before.lost.is_empty() {
        eprint!("{}", lost_lines(&before.lost));
        eprintln!(
            "Error: {}: the store is damaged.\nhint: `pondhawk store repair` comes first.",
            path.display()
        );
        return Ok(DAMAGED);
    }
    refuse_foreign_root(path)?;
    let compacted = disk::open(path, WALL).and_then(|Opened { mut log, .. }| {
        finish(&mut log)?;
        log.engine_mut().compact()?;
        Ok(log.space()?.used)
    });
    let after = compacted.map_err(|error| explained(path, &error))?;
    let text = if json {
        format!("{}\n", json!({ "bytes_before": before.bytes, "bytes": after }))
    } else {
        format!("{} bytes, before {}\n", after, before.bytes)
    };
    Ok(print(&text, 0))
}

/// Sets aside what is damaged. What is sound stays.
pub(super) fn repair(path: &Path, json: bool) -> Result<i32, String> {
    // There must be a store: opening one would make it.
    checked(path)?;
    refuse_foreign_root(path)?;
    let repaired = disk::open(path, WALL).and_then(|mut opened| {
        finish(&mut opened.log)?;
        Ok(opened)
    });
    let Opened { log, recovered, aside, notes } = repaired.map_err(|error| explained(path, &error))?;
    drop(log);
    let is_sound = checked(path)?.lost.is_empty();
    let aside: Vec<String> = aside.iter().map(|path| path.display().to_string()).collect();
    let text = if json {
        let lost = lost_json(&recovered.lost);
        format!("{}\n", json!({ "lost": lost, "set_aside": aside, "notes": notes, "sound": is_sound }))
    } else {
        let mut text = lost_lines(&recovered.lost);
        text.extend(notes.iter().map(|note| format!("note: {note}\n")));
        text.extend(aside.iter().map(|path| format!("set aside: {path}\n")));
        text + if is_sound { "sound\n" } else { "damaged\n" }
    };
    Ok(print(&text, if is_sound { 0 } else { DAMAGED }))
}

/// Writes what opening the store has left to do: damaged records and those of sessions that are gone are deleted.
fn finish(log: &mut Log<DiskEngine>) -> Result<(), StoreError> {
    while log.has_work() {
        log.commit()?;
    }
    Ok(())
}
