//! What gone sessions leave behind is deleted bit by bit, so that the end of a large one does not hold up the rest.

use super::{Log, SWEEP_KEYS};
use crate::StoreError;
use crate::engine::{Batch, Engine};
use crate::format::{Key, Kind, SessionNo};
use std::ops::ControlFlow;

impl<E: Engine> Log<E> {
    /// Adds some deletions to the next batch. No batch waits: it could hold the very records that are to go.
    pub(super) fn sweep(&mut self) -> Result<(), StoreError> {
        let rest = self.garbage.len().saturating_sub(SWEEP_KEYS);
        for key in self.garbage.drain(rest..) {
            self.filling.batch.delete(key);
        }
        let Some(session) = self.index.gone.front().copied() else {
            return Ok(());
        };
        if self.filling.batch.get(&Key::Gone(session).encode()).is_some() {
            // It went in this very batch: its last records are not written yet.
            return Ok(());
        }
        match delete_some(&self.engine, &mut self.filling.batch, session) {
            Ok(true) => {}
            Ok(false) => {
                self.filling.batch.delete(Key::Gone(session).encode());
                self.index.gone.pop_front();
            }
            Err(error) => return Err(self.poison(error)),
        }
        Ok(())
    }
}

/// Deletes some of what a gone session has left; true if there may be more.
fn delete_some(engine: &impl Engine, batch: &mut Batch, session: SessionNo) -> Result<bool, StoreError> {
    let mut left = SWEEP_KEYS;
    for kind in Kind::OF_SESSION {
        let (from, to) = kind.keys_of(session);
        engine.scan(&from, Some(&to), &mut |key, _| {
            batch.delete(key.to_vec());
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if left == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
