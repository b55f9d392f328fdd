//! What the clients know of the run: which life of the broker it is, where it listens, and how far the run is.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Full load.
    Load,
    /// Publishers end what they have begun, everybody fetches what is theirs.
    Drain,
    /// All is decided.
    Over,
}

/// One life of the broker, up to its death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// Counts up.
    pub(crate) number: u32,
    pub(crate) port: u16,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    lives: u32,
    port: Option<u16>,
}

/// The gate that clients wait at.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let state = State { stage: Stage::Load, lives: 0, port: None };
        Gate { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// A life begins.
    pub(crate) fn open(&self, port: u16) {
        self.change(|state| {
            state.port = Some(port);
            state.lives += 1;
        });
    }

    /// The broker is dead.
    pub(crate) fn close(&self) {
        self.change(|state| state.port = None);
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.change(|state| state.stage = stage);
    }

    pub(crate) fn stage(&self) -> Stage {
        self.lock().stage
    }

    /// The number of the life that is or was last.
    pub(crate) fn lives(&self) -> u32 {
        self.lock().lives
    }

    /// Waits for a life from number `from` on; while draining, any will do. `None` when the run is over.
    pub(crate) fn enter(&self, from: u32) -> Option<Life> {
        let mut state = self.lock();
        loop {
            match (state.stage, state.port) {
                (Stage::Over, _) => return None,
                (stage, Some(port)) if state.lives >= from || stage != Stage::Load => {
                    return Some(Life { number: state.lives, port });
                }
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits a moment, or until something changes: after a connection that failed though the gate was open.
    pub(crate) fn pause(&self, span: Duration) {
        let _waited = self.changed.wait_timeout(self.lock(), span);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
