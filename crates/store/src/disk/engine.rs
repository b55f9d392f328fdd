//! The engine over redb: one table in one file.
//!
//! What is applied waits in memory; a sync is one transaction of redb. So no more is in the file than what was
//! synced, and a disk without room is found before anything that was promised is touched.

use super::medium::{Medium, Watched};
use crate::StoreError;
use crate::engine::{Batch, Engine, Space, Visit};
use redb::{Builder, Database, ReadOnlyTable, ReadableDatabase, TableDefinition, TableError};
use std::cell::Cell;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Arc;
use std::sync::Once;

/// The name of the table.
pub(super) const TABLE_NAME: &str = "records";
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(TABLE_NAME);
type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;
/// Bytes of pages that are kept in memory.
const CACHE_BYTES: usize = 64 << 20;
/// After the disk was full, a sync is tried again when there is room for so many times its bytes, and so much more.
const ROOM_FACTOR: u64 = 4;
const ROOM_BYTES: u64 = 1 << 20;
/// Or at every so many calls: room in the file itself does not show from outside.
const TRY_ANYWAY: u32 = 16;

/// An engine whose bytes are in a file.
#[derive(Debug)]
pub struct DiskEngine {
    file: Watched,
    /// `None` once it failed for good.
    database: Option<Database>,
    unsynced: Batch,
    /// How often a sync was refused since the disk was full.
    refused: Option<u32>,
}

impl DiskEngine {
    /// Opens the engine's file, or makes it in an empty one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], or what the disk says.
    pub fn open(medium: Arc<dyn Medium>) -> Result<Self, StoreError> {
        let file = Watched::new(medium);
        let database = match open_database(&file) {
            Err(StoreError::Full) if file.medium().spend_reserve() => open_database(&file)?,
            opened => opened?,
        };
        Ok(DiskEngine { file, database: Some(database), unsynced: Batch::new(), refused: None })
    }

    fn database(&self) -> Result<&Database, StoreError> {
        self.database
            .as_ref()
            .ok_or_else(|| StoreError::Io { action: "used", reason: "it failed before".to_owned() })
    }

    /// Writes what was applied as one transaction.
    fn commit(&self) -> Result<(), redb::Error> {
        let Some(database) = &self.database else {
            return Err(redb::Error::DatabaseClosed);
        };
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in self.unsynced.iter() {
                match value {
                    Some(value) => drop(table.insert(key, value)?),
                    None => drop(table.remove(key)?),
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn try_sync(&mut self) -> Result<(), StoreError> {
        self.commit().map_err(|error| self.failed(error))?;
        self.unsynced = Batch::new();
        self.refused = None;
        Ok(())
    }

    /// What a failed transaction means. Without room, the file is opened again as it was before.
    fn failed(&mut self, error: redb::Error) -> StoreError {
        let trouble = self.file.take_trouble();
        // Dropping it writes nothing more: redb remembers that it failed.
        self.database = None;
        let Some(trouble) = trouble else {
            return from_redb("written", error);
        };
        let error = StoreError::from_io(trouble.action, &trouble.error);
        if trouble.action == "synced" {
            // The system may have thrown away what it could not write, and say that all is well next time.
            return StoreError::Io { action: "synced", reason: trouble.error.to_string() };
        }
        if error == StoreError::Full {
            self.refused = Some(0);
            return self.reopen().err().unwrap_or(error);
        }
        error
    }

    /// Opens the file again after there was no room.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.database.is_none() && self.refused.is_some() {
            self.database = Some(open_database(&self.file)?);
        }
        Ok(())
    }

    /// True if it is known that there is still no room.
    fn is_still_full(&mut self) -> bool {
        let Some(refused) = &mut self.refused else {
            return false;
        };
        *refused += 1;
        let needed = (self.unsynced.bytes() as u64).saturating_mul(ROOM_FACTOR) + ROOM_BYTES;
        let has_room = self.file.medium().free().is_ok_and(|free| free >= needed);
        !has_room && !refused.is_multiple_of(TRY_ANYWAY)
    }
}

impl Engine for DiskEngine {
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.reopen()?;
        self.database()?;
        self.unsynced.append(batch);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.is_still_full() {
            return Err(StoreError::Full);
        }
        self.reopen()?;
        self.database()?;
        if self.unsynced.is_empty() {
            return Ok(());
        }
        match self.try_sync() {
            Err(StoreError::Full) if self.file.medium().spend_reserve() => {
                self.reopen()?;
                self.try_sync()
            }
            synced => synced,
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(change) = self.unsynced.get(key) {
            return Ok(change.map(<[u8]>::to_vec));
        }
        let Some(table) = read_table(self.database()?)? else {
            return Ok(None);
        };
        let value = table.get(key).map_err(|error| from_redb("read", error.into()))?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let mut unsynced = self.unsynced.range(from, to).peekable();
        if let Some(table) = read_table(self.database()?)? {
            let bounds = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
            let stored = table.range::<&[u8]>(bounds).map_err(|error| from_redb("read", error.into()))?;
            for pair in stored {
                let (key, value) = pair.map_err(|error| from_redb("read", error.into()))?;
                let key = key.value();
                while let Some((before, value)) = unsynced.next_if(|(before, _)| *before < key) {
                    if value.is_some_and(|value| visit(before, value).is_break()) {
                        return Ok(());
                    }
                }
                let flow = match unsynced.next_if(|(changed, _)| *changed == key) {
                    Some((_, Some(value))) => visit(key, value),
                    Some((_, None)) => ControlFlow::Continue(()),
                    None => visit(key, value.value()),
                };
                if flow.is_break() {
                    return Ok(());
                }
            }
        }
        for (key, value) in unsynced {
            if value.is_some_and(|value| visit(key, value).is_break()) {
                break;
            }
        }
        Ok(())
    }

    fn space(&self) -> Result<Space, StoreError> {
        let medium = self.file.medium();
        let read = |error: std::io::Error| StoreError::from_io("read", &error);
        Ok(Space { used: medium.len().map_err(read)?, free: medium.free().map_err(read)? })
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        let Some(database) = &mut self.database else {
            return Ok(());
        };
        match database.compact() {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error.into())),
        }
    }

    fn keep_reserve(&mut self) -> bool {
        self.refused.is_none() && self.file.medium().keep_reserve()
    }
}

fn read_table(database: &Database) -> Result<Option<Table>, StoreError> {
    let transaction = database.begin_read().map_err(|error| from_redb("read", error.into()))?;
    match transaction.open_table(TABLE) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(from_redb("read", error.into())),
    }
}

fn open_database(file: &Watched) -> Result<Database, StoreError> {
    let open = || Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file.clone());
    // Bytes that are not redb's can make it panic.
    let opened = contained(open).ok_or_else(|| corrupt("the file of the engine"))?;
    opened.map_err(|error| match file.take_trouble() {
        Some(trouble) => StoreError::from_io(trouble.action, &trouble.error),
        None => from_redb("opened", error.into()),
    })
}

thread_local! {
    /// Whether a panic of this thread is an answer that is waited for.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Does what may panic; nothing if it did. Nobody is shown that panic: what it means is said by the error made of it, and
/// a backtrace at the start would look like the broker's end.
fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let shown = take_hook();
        set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                shown(info);
            }
        }));
    });
    CONTAINED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(false);
    outcome.ok()
}

fn from_redb(action: &'static str, error: redb::Error) -> StoreError {
    match error {
        redb::Error::Corrupted(what) => corrupt(&what),
        redb::Error::UpgradeRequired(_) => corrupt("the engine's file is of an older version"),
        redb::Error::Io(error) => StoreError::from_io(action, &error),
        other => StoreError::Io { action, reason: other.to_string() },
    }
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), place: "records.redb".to_owned() }
}
