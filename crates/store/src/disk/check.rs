//! A look at a store that changes nothing, for people and their scripts.

use super::folder::Folder;
use super::{Health, best, health, lost};
use crate::engine::{Batch, Engine, MemoryEngine};
use crate::format::Clock;
use crate::recover::recover;
use crate::{Lost, StoreError};
use pondhawk_broker::Restored;
use std::path::Path;

/// What a store holds, and how it is.
#[derive(Debug)]
pub struct Checked {
    /// What it would give to a broker.
    pub restored: Restored,
    /// What it would not, because it is damaged.
    pub lost: Vec<Lost>,
    /// The last transaction is not whole and would be taken back: the machine stopped in the middle of it.
    pub torn: bool,
    /// Bytes of its file.
    pub bytes: u64,
    /// How many records there are, and their bytes: what the file has beyond them is the engine's, or free.
    pub records: (usize, u64),
}

/// Reads a store from end to end. No broker may have it open.
///
/// # Errors
/// [`StoreError::Locked`], [`StoreError::Newer`], or what the disk says: also if there is no store.
pub fn check(path: &Path, clock: Clock) -> Result<Checked, StoreError> {
    let folder = Folder::look(path)?;
    if folder.is_old && !folder.has_records() {
        let lost = vec![everything("the file records.redb is missing")];
        return Ok(Checked { restored: Restored::default(), lost, torn: false, bytes: 0, records: (0, 0) });
    }
    let medium = folder.existing_records()?;
    let bytes = medium.len().map_err(|error| StoreError::from_io("read", &error))?;
    let torn = matches!(health(&*medium)?, Health::Torn);
    let mut copy = MemoryEngine::new();
    let mut missing = Vec::new();
    let mut records = (0, 0);
    match best(&*medium)? {
        None => missing.push(everything("the head of the file records.redb is damaged")),
        Some((image, commit)) => {
            let mut batch = Batch::new();
            let holes = image.walk(&commit, &mut |key, value| batch.put(key.to_vec(), value.to_vec()))?;
            records = (batch.len(), batch.bytes() as u64);
            copy.apply(&batch)?;
            missing.extend(holes.iter().map(lost));
        }
    }
    let recovered = recover(&copy, clock, super::EVERYTHING)?.recovered;
    missing.extend(recovered.lost);
    Ok(Checked { restored: recovered.restored, lost: missing, torn, bytes, records })
}

fn everything(why: &str) -> Lost {
    Lost { what: "everything".to_owned(), why: why.to_owned(), key: Vec::new(), value: Vec::new() }
}
