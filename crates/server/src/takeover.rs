//! What Mosquitto has kept goes into a store that has never had a record. Its file is only read.

pub use crate::durable::FOLDER;

use pondhawk_broker::{ShardId, Ticket};
use pondhawk_config::{Address, Config};
use pondhawk_import::{ImportError, Imported, Report, Surroundings};
use pondhawk_store::disk::{self, Opened};
use pondhawk_store::{Clock, StoreError, Turn};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of Mosquitto's file, unless `persistence_file` has another.
const FILE: &str = "mosquitto.db";
/// Records whose times are those of the wall.
const WALL: Clock = Clock { wall_at_zero_ms: 0 };

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not one that is understood.
    #[error("{}: {error}", path.display())]
    Import {
        /// Its name.
        path: PathBuf,
        /// Why.
        error: ImportError,
    },
    /// The store takes nothing.
    #[error("{}: {error}", path.display())]
    Store {
        /// Its folder.
        path: PathBuf,
        /// Why.
        error: StoreError,
    },
    /// The store has records, or lost some.
    #[error("{}: the store is not empty, and what it has must not be mixed with what another broker had", .0.display())]
    NotEmpty(PathBuf),
}

/// The store's folder and Mosquitto's file, where the configuration has them.
#[must_use]
pub fn places(config: &Config) -> (PathBuf, PathBuf) {
    let location = config.persistence.location.clone().unwrap_or_default();
    let named = config.persistence.file.as_path();
    let file = if named.as_os_str().is_empty() { Path::new(FILE) } else { named };
    (location.join(FOLDER), location.join(file))
}

/// The listener that has this port, or the first.
#[must_use]
pub fn listener_of(config: &Config, wanted: u16) -> u16 {
    let has_it = |address: &Address| matches!(address, Address::Tcp { port, .. } if *port == wanted);
    let place = config.listeners.iter().position(|listener| has_it(&listener.address));
    place.and_then(|place| u16::try_from(place).ok()).unwrap_or(0)
}

/// True if no broker has ever used the store.
pub(crate) fn is_new(opened: &Opened) -> bool {
    let restored = &opened.recovered.restored;
    opened.recovered.lost.is_empty()
        && restored.homes.is_none()
        && restored.sessions.is_empty()
        && restored.retained.is_empty()
        && restored.wills.is_empty()
        && restored.under_way.is_empty()
}

/// Puts what `file` has into the store in `folder`, all of it or nothing.
///
/// # Errors
/// If the file cannot be read whole, or the store is not a new one.
pub fn import(file: &Path, folder: &Path, listener_of: &dyn Fn(u16) -> u16) -> Result<Report, TakeoverError> {
    let bytes = fs::read(file).map_err(|error| TakeoverError::File { path: file.to_owned(), error })?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let Imported { records, report } =
        pondhawk_import::read(&bytes, &Surroundings { now_ms, listener_of })
            .map_err(|error| TakeoverError::Import { path: file.to_owned(), error })?;
    let failed = |error| TakeoverError::Store { path: folder.to_owned(), error };
    let mut opened = disk::open(folder, WALL).map_err(failed)?;
    if !is_new(&opened) {
        return Err(TakeoverError::NotEmpty(folder.to_owned()));
    }
    // One turn is one transaction.
    let turn = Turn { shard: ShardId(0), ticket: Ticket(0), clock: WALL, records: &records };
    opened.log.append(&turn).and_then(|()| opened.log.commit()).map_err(failed)?;
    Ok(report)
}
