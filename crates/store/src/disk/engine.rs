//! The engine over redb: one table in one file.
//!
//! What is applied waits in memory; a sync is one transaction of redb. So no more is in the file than what was
//! synced, and a disk without room is found before anything that was promised is touched.

use super::copying::{Copying, Progress};
use super::folder::Folder;
use super::medium::{Medium, Watched};
use crate::StoreError;
use crate::engine::{Batch, Engine, Space, Visit};
use pondhawk_plants::planted;
use redb::{Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition, TableError};
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

/// A file is copied to give back what is dead in it if it has so many bytes,
const COPY_BYTES: u64 = 64 << 20;
/// so many times those of its records (of which pages are half full at the worst),
const COPY_FACTOR: u64 = 4;
/// and has grown so many times since the last copy.
const GROWN_FACTOR: u64 = 2;

/// An engine whose bytes are in a file.
#[derive(Debug)]
pub struct DiskEngine {
    file: Watched,
    /// `None` once it failed for good.
    database: Option<Database>,
    unsynced: Batch,
    /// How often a sync was refused since the disk was full.
    refused: Option<u32>,
    /// Where a copy is made; none if none is to be.
    folder: Option<Folder>,
    copying: Option<Copying>,
    /// Bytes of keys and values.
    live: u64,
    /// What was not dead when that was given back in place, since there was room for a reserve.
    shrunk: Option<u64>,
    /// Bytes of the file when it was copied last.
    settled: u64,
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
        Ok(DiskEngine {
            file,
            database: Some(database),
            unsynced: Batch::new(),
            refused: None,
            folder: None,
            copying: None,
            live: 0,
            shrunk: None,
            settled: 0,
        })
    }

    /// Lets it give back the room of what is dead, by a copy in this folder; `live` bytes are not.
    pub(super) fn copied_in(mut self, folder: Folder, live: u64) -> Self {
        (self.folder, self.live) = (Some(folder), live);
        self
    }

    fn database(&self) -> Result<&Database, StoreError> {
        self.database
            .as_ref()
            .ok_or_else(|| StoreError::Io { action: "used", reason: "it failed before".to_owned() })
    }

    /// Writes what was applied as one transaction.
    fn try_sync(&mut self) -> Result<(), StoreError> {
        let written = match &self.database {
            Some(database) => write_batch(database, &self.unsynced, Durability::Immediate),
            None => Err(redb::Error::DatabaseClosed),
        };
        let grown = written.map_err(|error| self.failed(error))?;
        self.live = self.live.saturating_add_signed(grown);
        if let Some(copying) = self.copying.as_mut().filter(|_| !planted!(CopyFallsBehind)) {
            copying.changed(&self.unsynced);
        }
        self.unsynced = Batch::new();
        self.refused = None;
        Ok(())
    }

    /// Gives back what a copy takes, or what is kept in reserve; true if there was something.
    fn make_room(&mut self) -> bool {
        match self.copying.take() {
            Some(copying) => {
                self.give_up(copying);
                true
            }
            None => self.file.medium().spend_reserve(),
        }
    }

    fn give_up(&mut self, copying: Copying) {
        copying.discard();
        // What went wrong with the copy is none of the store's troubles. It is not tried again at once.
        let _passed = self.file.take_trouble();
        self.settled = self.file.medium().len().unwrap_or(u64::MAX);
    }

    /// True if more than half of the file is certainly dead, and there is room for a copy of the rest.
    fn is_worth_a_copy(&self) -> bool {
        let medium = self.file.medium();
        let Ok(len) = medium.len() else { return false };
        let grown = len >= COPY_BYTES && len / GROWN_FACTOR >= self.settled;
        grown
            && self.refused.is_none()
            && len / COPY_FACTOR >= self.live
            && medium.free().is_ok_and(|free| free / COPY_FACTOR >= self.live + ROOM_BYTES)
    }

    /// The next piece of a copy; true if there is more.
    fn copy_on(&mut self, mut copying: Copying) -> Result<bool, StoreError> {
        let advanced = self.database().and_then(|database| copying.advance(database));
        match advanced {
            Ok(Progress::More) => {
                self.copying = Some(copying);
                Ok(true)
            }
            Ok(Progress::Complete) => {
                let copied = copying.take_place()?;
                (self.database, self.file) = (Some(copied.database), copied.file);
                self.settled = self.file.medium().len().unwrap_or(u64::MAX);
                Ok(false)
            }
            Err(_) => {
                self.give_up(copying);
                Ok(false)
            }
        }
    }

    /// Where there is no room for a copy either, gives back what is dead in its place; true if that may have made room.
    /// Everybody waits meanwhile, but nobody gets anything kept before.
    fn shrink(&mut self) -> bool {
        let len = self.file.medium().len().unwrap_or(0);
        let is_worth_it =
            len / GROWN_FACTOR >= self.live && self.shrunk.is_none_or(|live| self.live < live / GROWN_FACTOR);
        if !is_worth_it || self.copying.is_some() {
            return false;
        }
        self.shrunk = Some(self.live);
        self.compact().is_ok()
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
        loop {
            match self.try_sync() {
                Err(StoreError::Full) if self.make_room() => self.reopen()?,
                synced => return synced,
            }
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

    fn tidy(&mut self) -> Result<bool, StoreError> {
        if let Some(copying) = self.copying.take() {
            return self.copy_on(copying);
        }
        let Some(folder) = self.folder.clone().filter(|_| self.is_worth_a_copy()) else {
            return Ok(false);
        };
        match Copying::begin(folder) {
            Ok(copying) => self.copy_on(copying),
            // It is tried again when the file has grown.
            Err(_) => {
                self.settled = self.file.medium().len().unwrap_or(u64::MAX);
                Ok(false)
            }
        }
    }

    fn keep_reserve(&mut self) -> bool {
        let keeps = self.refused.is_none()
            && (self.file.medium().keep_reserve() || self.shrink() && self.file.medium().keep_reserve());
        if keeps {
            self.shrunk = None;
        }
        keeps
    }
}

/// Makes the changes of a batch in one transaction: how many bytes of keys and values there are more.
pub(super) fn write_batch(
    database: &Database,
    batch: &Batch,
    durability: Durability,
) -> Result<i64, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    let mut grown = 0;
    {
        let mut table = transaction.open_table(TABLE)?;
        for (key, value) in batch.iter() {
            let old = match value {
                Some(value) => {
                    grown += (key.len() + value.len()) as i64;
                    table.insert(key, value)?
                }
                None => table.remove(key)?,
            };
            grown -= old.map_or(0, |old| (key.len() + old.value().len()) as i64);
        }
    }
    transaction.commit()?;
    Ok(grown)
}

pub(super) fn read_table(database: &Database) -> Result<Option<Table>, StoreError> {
    let transaction = database.begin_read().map_err(|error| from_redb("read", error.into()))?;
    match transaction.open_table(TABLE) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(from_redb("read", error.into())),
    }
}

pub(super) fn open_database(file: &Watched) -> Result<Database, StoreError> {
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
