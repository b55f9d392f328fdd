//! The boundary to what keeps bytes: an ordered map from keys to values that survives a crash.
//!
//! Everything that knows MQTT is above, everything that knows files below.

mod batch;
mod memory;

pub use batch::Batch;
pub use memory::MemoryEngine;

use crate::StoreError;
use std::ops::ControlFlow;

/// Sees a key and its value, and says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered map with atomic batches.
///
/// # Contract
/// - Batches are totally ordered. What a crash leaves is what some prefix of them made, and that prefix holds
///   every batch that was applied before the last sync that succeeded. A batch is in it whole or not at all.
/// - Readers see every batch that was applied, synced or not.
/// - After [`StoreError::Full`] from [`apply`](Engine::apply) nothing of that batch is there, now or after a
///   crash; after it from [`sync`](Engine::sync), what was applied stays applied and not synced. The engine goes
///   on in both cases, and the call may be made again when there is room.
/// - After any other error of a call that changes or syncs, what is on disk is unknown until the engine is
///   opened again: the caller makes no such call any more.
pub trait Engine: Send {
    /// Makes the changes of a batch, behind those of all earlier ones.
    ///
    /// # Errors
    /// [`StoreError::Full`], or what the disk says.
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// Returns once everything that was applied survives a crash.
    ///
    /// # Errors
    /// [`StoreError::Full`], or what the disk says.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// The value of a key.
    ///
    /// # Errors
    /// If it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Shows the keys from `from` on, and before `to` if there is one, in order.
    ///
    /// # Errors
    /// If one cannot be read; those before it have been shown.
    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// How much room it takes and has.
    ///
    /// # Errors
    /// If the system does not say.
    fn space(&self) -> Result<Space, StoreError>;

    /// Gives back the room of what was deleted.
    ///
    /// # Errors
    /// [`StoreError::Full`], or what the disk says.
    fn compact(&mut self) -> Result<(), StoreError>;

    /// Does a small piece of the work of giving back the room of what was deleted, if there is much; true if there is
    /// more of it. It may be called at any time, and never again.
    ///
    /// # Errors
    /// What the disk says, if it is not known any more which file is the store.
    fn tidy(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Keeps room in reserve, in which what is small finds a place when there is none elsewhere. False if it has been
    /// used up: nothing large should come until it is there again.
    fn keep_reserve(&mut self) -> bool {
        true
    }
}

/// Bytes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What the store takes, with what is dead in it.
    pub used: u64,
    /// What it may still take.
    pub free: u64,
}

impl<E: Engine + ?Sized> Engine for Box<E> {
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        (**self).apply(batch)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        (**self).sync()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(key)
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        (**self).scan(from, to, visit)
    }

    fn space(&self) -> Result<Space, StoreError> {
        (**self).space()
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        (**self).compact()
    }

    fn tidy(&mut self) -> Result<bool, StoreError> {
        (**self).tidy()
    }

    fn keep_reserve(&mut self) -> bool {
        (**self).keep_reserve()
    }
}
