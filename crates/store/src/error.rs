//! What goes wrong with a store, told so that the reader knows what to do.

use std::io;
use thiserror::Error;

/// An error of a store or of the engine below it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No room: nothing of the batch was applied, and the store takes the next one when there is room.
    #[error("no space is left for the store")]
    Full,
    /// Reading or writing failed; the text is the system's.
    #[error("the store cannot be {action}: {reason}")]
    Io {
        /// What was tried: "read", "written", "synced", …
        action: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// The bytes are not what was written.
    #[error("the store is damaged: {what} ({place})")]
    Corrupt {
        /// What cannot be believed.
        what: String,
        /// Where it stands: a file or a key.
        place: String,
    },
    /// Another broker has it open.
    #[error("the store is in use by another process ({place})")]
    Locked {
        /// The lock's file.
        place: String,
    },
    /// A later version of the program wrote it.
    #[error(
        "the store has format {found}, and this version reads up to {known}: use the newer program again"
    )]
    Newer {
        /// The version found.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// A sync failed before. What is on disk is not known any more, so nothing is promised until a restart.
    #[error("the store takes nothing since a sync failed: {reason}")]
    Poisoned {
        /// The first failure.
        reason: String,
    },
}

impl StoreError {
    /// The error for a failed `action`; no room is an error of its own.
    #[must_use]
    pub fn from_io(action: &'static str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
            _ => StoreError::Io { action, reason: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_is_told_apart() {
        // ENOSPC and EDQUOT by number, as the system reports them.
        for code in [28, 122] {
            assert_eq!(StoreError::from_io("written", &io::Error::from_raw_os_error(code)), StoreError::Full);
        }
        let error = StoreError::from_io("synced", &io::Error::from_raw_os_error(5));
        assert!(matches!(&error, StoreError::Io { action: "synced", .. }), "{error:?}");
        assert!(error.to_string().starts_with("the store cannot be synced: "), "{error}");
    }
}
