//! What the engine holds, back into what the shards can be given.
//!
//! No byte is believed without its checksum. What cannot be believed is reported with its name, as far as that is
//! known, and with its bytes, so that they can be set aside; everything else is given.

mod read;

use crate::StoreError;
use crate::engine::Engine;
use crate::format::{Clock, Damage, Key, Kind, Opened, VERSION};
use crate::log::Index;
use pondhawk_broker::{InMemory, Restored};
use read::Reading;
use std::fmt;
use std::ops::ControlFlow;

/// What a store gave back.
#[derive(Debug, Default)]
pub struct Recovered {
    /// What was kept.
    pub restored: Restored,
    /// What was kept and cannot be given back.
    pub lost: Vec<Lost>,
}

/// Something that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What it was, as far as that can be told.
    pub what: String,
    /// How it is known to be lost.
    pub why: String,
    /// Its key; empty where it is not one record.
    pub key: Vec<u8>,
    /// What stands there.
    pub value: Vec<u8>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// Everything that a scan found.
pub(crate) struct Found {
    pub(crate) recovered: Recovered,
    pub(crate) index: Index,
    /// Keys of what is damaged or nobody's: to be deleted.
    pub(crate) garbage: Vec<Vec<u8>>,
    /// True if there was nothing.
    pub(crate) is_new: bool,
}

/// Reads a store.
pub(crate) fn recover(engine: &dyn Engine, clock: Clock, in_memory: InMemory) -> Result<Found, StoreError> {
    let mut reading = Reading::new(clock, in_memory);
    let is_new = check_format(engine, clock, &mut reading)?;
    for kind in Kind::ALL {
        read_range(engine, &mut reading, (&kind.first_key(), Some(&kind.end_key())))?;
    }
    // No key is meant to be behind those.
    read_range(engine, &mut reading, (&Kind::Will.end_key(), None))?;
    reading.complete(engine)?;
    let (recovered, index, garbage) = reading.finish();
    Ok(Found { recovered, index, garbage, is_new })
}

fn read_range(
    engine: &dyn Engine,
    reading: &mut Reading,
    (from, to): (&[u8], Option<&[u8]>),
) -> Result<(), StoreError> {
    let mut last = from.to_vec();
    let scanned = engine.scan(from, to, &mut |key, value| {
        last.clear();
        last.extend_from_slice(key);
        reading.take(key, value);
        ControlFlow::Continue(())
    });
    match scanned {
        Err(StoreError::Corrupt { what, place }) => {
            reading.rest_is_lost(from, &last, &format!("the store is damaged: {what} ({place})"));
            Ok(())
        }
        other => other,
    }
}

/// Refuses what a later version wrote. True if the store is empty.
fn check_format(engine: &dyn Engine, clock: Clock, reading: &mut Reading) -> Result<bool, StoreError> {
    let key = Key::Format.encode();
    if let Some(value) = engine.get(&key)? {
        return match Opened::new(&key, &value, clock).and_then(Opened::format) {
            Ok(found) if found > VERSION => Err(StoreError::Newer { found, known: VERSION }),
            // The checksum is right, so a later version wrote it.
            Err(Damage::Layout(found)) => Err(StoreError::Newer { found: u32::from(found), known: VERSION }),
            // What is damaged is told when it is read with the others.
            Ok(_) | Err(_) => Ok(false),
        };
    }
    let mut empty = true;
    engine.scan(&[], None, &mut |_, _| {
        empty = false;
        ControlFlow::Break(())
    })?;
    if !empty {
        reading.lose("the version of the format".to_owned(), "it is missing".to_owned(), &key, &[]);
    }
    Ok(empty)
}
