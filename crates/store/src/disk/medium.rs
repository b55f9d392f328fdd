//! The file below the engine, so that tests can put a bad one in its place.

use redb::StorageBackend;
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Mutex, PoisonError};

/// A file of bytes.
pub trait Medium: Debug + Send + Sync + 'static {
    /// Bytes in it.
    ///
    /// # Errors
    /// The system's, here and below.
    fn len(&self) -> io::Result<u64>;
    /// True if there is none.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `to` from `at` on.
    fn read(&self, at: u64, to: &mut [u8]) -> io::Result<()>;
    /// Writes `from` at `at`.
    fn write(&self, at: u64, from: &[u8]) -> io::Result<()>;
    /// Cuts it or fills it up with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns when everything is on the disk.
    fn sync(&self) -> io::Result<()>;
    /// Bytes that there is still room for.
    fn free(&self) -> io::Result<u64>;
    /// Gives room back that is kept in reserve; true if there was some.
    fn spend_reserve(&self) -> bool {
        false
    }
    /// Keeps room in reserve, if there is any: false if there is none.
    fn keep_reserve(&self) -> bool {
        true
    }
}

impl Medium for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, at: u64, to: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(to, at)
    }

    fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        self.write_all_at(from, at)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()?;
        // What a file without a name holds ends with this process.
        if self.metadata()?.nlink() == 0 { Err(rustix::io::Errno::NOENT.into()) } else { Ok(()) }
    }

    fn free(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(self)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// What went wrong first below the engine. It tells a full disk, which passes, from a failed sync, which does not.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) action: &'static str,
    pub(super) error: io::Error,
}

/// A medium as redb sees it, with the first error kept.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    medium: Arc<dyn Medium>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Watched {
    pub(super) fn new(medium: Arc<dyn Medium>) -> Self {
        Watched { medium, trouble: Arc::default() }
    }

    /// The first error since this was last asked.
    pub(super) fn take_trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn medium(&self) -> &dyn Medium {
        &*self.medium
    }

    fn note<T>(&self, action: &'static str, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            // The error goes on to redb; a copy of its kind and text is what is kept.
            let copy = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble.get_or_insert(Trouble { action, error: copy });
        })
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.note("read", self.medium.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.note("read", self.medium.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note("written", self.medium.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note("synced", self.medium.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note("written", self.medium.write(offset, data))
    }
}
