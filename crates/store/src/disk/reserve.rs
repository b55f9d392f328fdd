//! Room that is kept in reserve: a file of zeros, which is removed when the disk is full. What is small (the end of a
//! session, an acknowledgement from a client) can then still be kept, and a broker can start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// What is kept in reserve.
const BYTES: u64 = 2 << 20;
/// There must be so much more before it is made again, so that it is not taken from the last bytes time after time.
const AMPLE: u64 = 2;
const BLOCK: usize = 64 << 10;

/// Whether the file is there, as far as is known.
const UNKNOWN: u8 = 0;
const THERE: u8 = 1;
const GONE: u8 = 2;

/// The file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    state: AtomicU8,
}

impl Reserve {
    pub(super) fn new(folder: &Path) -> Self {
        Reserve { path: folder.join("reserve"), state: AtomicU8::new(UNKNOWN) }
    }

    /// Gives the room back; true if that may have changed something.
    pub(super) fn spend(&self) -> bool {
        let spent = self.state.swap(GONE, Ordering::Relaxed) != GONE;
        spent && fs::remove_file(&self.path).is_ok()
    }

    /// Makes the file if it is not there and `free` says that there is ample room: true if it is there.
    pub(super) fn keep(&self, free: impl FnOnce() -> io::Result<u64>) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        if state == THERE {
            return true;
        }
        // What an earlier process left takes no more room by being written again, and may have holes.
        let is_old = state == UNKNOWN && self.path.metadata().is_ok_and(|found| found.len() == BYTES);
        if !is_old && free().is_ok_and(|free| free < BYTES * AMPLE) {
            self.state.store(GONE, Ordering::Relaxed);
            return false;
        }
        match self.fill() {
            Err(error) if is_no_room(&error) => {
                self.state.store(THERE, Ordering::Relaxed);
                self.spend();
                false
            }
            // Where a file cannot be made at all, the store does without.
            Ok(()) | Err(_) => {
                self.state.store(THERE, Ordering::Relaxed);
                true
            }
        }
    }

    fn fill(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        let zeros = vec![0; BLOCK];
        for _ in 0..BYTES / BLOCK as u64 {
            file.write_all(&zeros)?;
        }
        Ok(())
    }
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn len(folder: &Path) -> Option<u64> {
        folder.join("reserve").metadata().ok().map(|found| found.len())
    }

    #[test]
    fn it_is_made_where_there_is_ample_room_and_spent_once() {
        let folder = folder();
        let reserve = Reserve::new(folder.path());
        assert!(!reserve.keep(|| Ok(2 * BYTES - 1)));
        assert_eq!(len(folder.path()), None);
        assert!(!reserve.spend());
        assert!(reserve.keep(|| Ok(2 * BYTES)));
        assert_eq!(len(folder.path()), Some(BYTES));
        assert!(reserve.keep(|| Ok(0)), "it is there");
        assert!(reserve.spend() && !reserve.spend());
        assert_eq!(len(folder.path()), None);
    }

    #[test]
    fn the_next_process_finds_it() {
        let folder = folder();
        assert!(Reserve::new(folder.path()).keep(|| Ok(2 * BYTES)));
        assert!(Reserve::new(folder.path()).keep(|| Ok(0)));
        assert!(Reserve::new(folder.path()).spend());
        assert_eq!(len(folder.path()), None);
    }
}
