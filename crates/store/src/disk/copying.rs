//! A file with much that is dead gives its room back: what lives is copied to a new file, a piece at a time between
//! commits, and the new file takes the place of the old one.
//!
//! # Invariants
//! - The old file is the store until the new one has its name, durably. What goes wrong before costs the copy only.
//! - Every committed change of a key that has been copied is in `behind` or in the copy.

use super::engine::{open_database, read_table, write_batch};
use super::folder::Folder;
use super::medium::Watched;
use crate::StoreError;
use crate::engine::Batch;
use redb::{Database, Durability};
use std::ops::Bound;

/// Bytes of records that a piece copies.
const PIECE_BYTES: usize = 256 << 10;
/// Each so many pieces the copy is synced, so that no sync has much to write.
const SYNC_EVERY: u32 = 8;

/// A copy in the making.
#[derive(Debug)]
pub(super) struct Copying {
    database: Database,
    file: Watched,
    folder: Folder,
    cursor: Cursor,
    /// Changes of what is copied that the copy does not have.
    behind: Batch,
    pieces: u32,
}

/// How far the copy is.
#[derive(Debug)]
enum Cursor {
    /// All keys up to this one are copied; none if it is empty.
    At(Vec<u8>),
    /// All keys are.
    End,
}

/// The copy, which has the name of the store now.
pub(super) struct Copied {
    pub(super) database: Database,
    pub(super) file: Watched,
}

/// What a piece of work has led to.
pub(super) enum Progress {
    /// There is more.
    More,
    /// Everything is in the copy, and durable.
    Complete,
}

impl Copying {
    pub(super) fn begin(folder: Folder) -> Result<Self, StoreError> {
        let file = Watched::new(folder.new_records()?);
        let database = open_database(&file)?;
        let cursor = Cursor::At(Vec::new());
        Ok(Copying { database, file, folder, cursor, behind: Batch::new(), pieces: 0 })
    }

    /// The store has made these changes.
    pub(super) fn changed(&mut self, batch: &Batch) {
        for (key, value) in batch.iter() {
            let is_copied = match &self.cursor {
                Cursor::At(cursor) => key <= cursor.as_slice(),
                Cursor::End => true,
            };
            match value {
                _ if !is_copied => {}
                Some(value) => self.behind.put(key.to_vec(), value.to_vec()),
                None => self.behind.delete(key.to_vec()),
            }
        }
    }

    /// Copies a piece of what the store has.
    pub(super) fn advance(&mut self, from: &Database) -> Result<Progress, StoreError> {
        self.read_piece(from)?;
        self.pieces += 1;
        let is_end = matches!(self.cursor, Cursor::End);
        let durability = if is_end || self.pieces.is_multiple_of(SYNC_EVERY) {
            Durability::Immediate
        } else {
            Durability::None
        };
        let piece = std::mem::take(&mut self.behind);
        write_batch(&self.database, &piece, durability)
            .map_err(|error| StoreError::Io { action: "copied", reason: error.to_string() })?;
        Ok(if is_end { Progress::Complete } else { Progress::More })
    }

    /// Adds the next records to what the copy lacks.
    fn read_piece(&mut self, from: &Database) -> Result<(), StoreError> {
        let Cursor::At(cursor) = &self.cursor else { return Ok(()) };
        let mut last = None;
        if let Some(table) = read_table(from)? {
            let failed =
                |error: redb::StorageError| StoreError::Io { action: "copied", reason: error.to_string() };
            let start = if cursor.is_empty() { Bound::Unbounded } else { Bound::Excluded(cursor.as_slice()) };
            for pair in table.range::<&[u8]>((start, Bound::Unbounded)).map_err(failed)? {
                let (key, value) = pair.map_err(failed)?;
                self.behind.put(key.value().to_vec(), value.value().to_vec());
                if self.behind.bytes() >= PIECE_BYTES {
                    last = Some(key.value().to_vec());
                    break;
                }
            }
        }
        self.cursor = last.map_or(Cursor::End, Cursor::At);
        Ok(())
    }

    /// Puts the copy, which is complete, in the place of the store.
    pub(super) fn take_place(self) -> Result<Copied, StoreError> {
        self.folder.adopt_new_records()?;
        Ok(Copied { database: self.database, file: self.file })
    }

    /// Gives the copy up.
    pub(super) fn discard(self) {
        let Copying { database, folder, .. } = self;
        drop(database);
        folder.remove_new_records();
    }
}
