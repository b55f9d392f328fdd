//! The folder of a store: who may see it, who has it open, and which version wrote it.

use super::medium::Medium;
use super::reserve::Reserve;
use crate::format::VERSION;
use crate::{Lost, StoreError};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const RECORDS: &str = "records.redb";
const NEW_RECORDS: &str = "records.new";
const LOCK: &str = "lock";
const FORMAT: &str = "format";

/// A folder that this process has for itself.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: Arc<File>,
    /// A store was made here before.
    pub(super) is_old: bool,
}

impl Folder {
    /// Makes the folder if there is none, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let is_new = !path.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(written)?;
        sync_name(path, is_new).map_err(synced)?;
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(written)?;
        let lock = file(&path.join(LOCK), true).map_err(written)?;
        let mut folder = Folder { path: path.to_owned(), lock: Arc::new(lock), is_old: false };
        folder.take_lock()?;
        folder.is_old = folder.check_format()?;
        Ok(folder)
    }

    /// Locks a folder that is there, and makes nothing.
    pub(super) fn look(path: &Path) -> Result<Self, StoreError> {
        let read = |error: io::Error| StoreError::from_io("read", &error);
        let lock = file(&path.join(LOCK), false).map_err(read)?;
        let mut folder = Folder { path: path.to_owned(), lock: Arc::new(lock), is_old: false };
        folder.take_lock()?;
        folder.is_old = folder.check_format()?;
        Ok(folder)
    }

    fn take_lock(&self) -> Result<(), StoreError> {
        match self.lock.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::Locked { place: self.path.join(LOCK).display().to_string() })
            }
            Err(TryLockError::Error(error)) => Err(written(error)),
        }
    }

    /// The file of the engine, as it is.
    pub(super) fn existing_records(&self) -> Result<Arc<dyn Medium>, StoreError> {
        let read = |error: io::Error| StoreError::from_io("read", &error);
        Ok(Arc::new(File::open(self.path.join(RECORDS)).map_err(read)?))
    }

    /// Whether a store was made here; one of a later version is refused.
    fn check_format(&self) -> Result<bool, StoreError> {
        let text = match fs::read_to_string(self.path.join(FORMAT)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            // Not text: damaged, but a store was here. Its records have the version too.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(true),
            Err(error) => return Err(StoreError::from_io("read", &error)),
        };
        match text.trim().parse() {
            Ok(found) if found > VERSION => Err(StoreError::Newer { found, known: VERSION }),
            _ => Ok(true),
        }
    }

    /// The store is made: from now on a missing file is a loss.
    pub(super) fn finish(&self) -> Result<(), StoreError> {
        if !self.is_old {
            self.write_whole(FORMAT, format!("{VERSION}\n").as_bytes())?;
        }
        Ok(())
    }

    /// The file of the engine; made if there is none.
    pub(super) fn records(&self) -> Result<Arc<dyn Medium>, StoreError> {
        let records = self.locked(file(&self.path.join(RECORDS), true))?;
        self.sync()?;
        Ok(records)
    }

    /// True if there is a file of the engine.
    pub(super) fn has_records(&self) -> bool {
        self.path.join(RECORDS).exists()
    }

    /// Throws away what is left of a store that was never made.
    pub(super) fn remove_records(&self) -> Result<(), StoreError> {
        fs::remove_file(self.path.join(RECORDS)).map_err(written)
    }

    /// An empty file for the engine, to be put in the place of the damaged one.
    pub(super) fn new_records(&self) -> Result<Arc<dyn Medium>, StoreError> {
        let path = self.path.join(NEW_RECORDS);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(written(error)),
            _ => self.locked(file(&path, true)),
        }
    }

    /// Puts the new file, whose content is durable, in the place of the old one.
    pub(super) fn adopt_new_records(&self) -> Result<(), StoreError> {
        fs::rename(self.path.join(NEW_RECORDS), self.path.join(RECORDS)).map_err(written)?;
        self.sync()
    }

    /// Throws away what is left of a new file.
    pub(super) fn remove_new_records(&self) {
        // If it is not there, that is as it should be; if it cannot be removed, the next one overwrites it.
        let _gone = fs::remove_file(self.path.join(NEW_RECORDS));
    }

    /// Puts the new file in the place of the old one, which keeps another name. There is one of them at any moment.
    pub(super) fn replace_records(&self) -> Result<PathBuf, StoreError> {
        let records = self.path.join(RECORDS);
        let aside = self.free_name("records.damaged-", ".redb");
        fs::hard_link(&records, &aside).map_err(written)?;
        fs::rename(self.path.join(NEW_RECORDS), &records).map_err(written)?;
        self.sync()?;
        Ok(aside)
    }

    /// Writes down what was lost, with its bytes.
    pub(super) fn set_aside(&self, lost: &[Lost]) -> Result<PathBuf, StoreError> {
        let path = self.free_name("lost-", ".txt");
        let mut text = String::new();
        for lost in lost {
            // Writing to a string does not fail.
            let _written = writeln!(text, "{lost}\n  key {}\n  value {}", hex(&lost.key), hex(&lost.value));
        }
        let name = path.file_name().map(Path::new).unwrap_or(&path).to_owned();
        self.write_whole(&name.to_string_lossy(), text.as_bytes())?;
        Ok(path)
    }

    fn free_name(&self, before: &str, after: &str) -> PathBuf {
        let mut number = 1u32;
        loop {
            let path = self.path.join(format!("{before}{number}{after}"));
            if !path.exists() {
                return path;
            }
            number += 1;
        }
    }

    /// A file that is there whole or not at all.
    fn write_whole(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let part = self.path.join(format!("{name}.part"));
        let mut to = file(&part, true).map_err(written)?;
        to.set_len(0).map_err(written)?;
        to.write_all(bytes).map_err(written)?;
        to.sync_all().map_err(synced)?;
        fs::rename(&part, self.path.join(name)).map_err(written)?;
        self.sync()
    }

    fn locked(&self, file: io::Result<File>) -> Result<Arc<dyn Medium>, StoreError> {
        let file = file.map_err(written)?;
        // The file may have been made by hand, or by a copy.
        file.set_permissions(Permissions::from_mode(0o600)).map_err(written)?;
        Ok(Arc::new(Locked { file, reserve: Reserve::new(&self.path), _lock: self.lock.clone() }))
    }

    /// Makes names durable.
    fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(synced)
    }
}

/// A file in a folder that stays locked as long as it is open.
#[derive(Debug)]
struct Locked {
    file: File,
    reserve: Reserve,
    _lock: Arc<File>,
}

impl Medium for Locked {
    fn len(&self) -> io::Result<u64> {
        Medium::len(&self.file)
    }

    fn read(&self, at: u64, to: &mut [u8]) -> io::Result<()> {
        self.file.read(at, to)
    }

    fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        self.file.write(at, from)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Medium::set_len(&self.file, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn free(&self) -> io::Result<u64> {
        self.file.free()
    }

    fn spend_reserve(&self) -> bool {
        self.reserve.spend()
    }

    fn keep_reserve(&self) -> bool {
        self.reserve.keep(|| self.file.free())
    }
}

/// Makes the name of a folder durable, and if it is new those above it, which may have been made with it. At every start,
/// because the one that made the folder may have ended before this.
fn sync_name(path: &Path, is_new: bool) -> io::Result<()> {
    let path = path.canonicalize()?;
    for above in path.ancestors().skip(1).take(if is_new { usize::MAX } else { 1 }) {
        match File::open(above).and_then(|folder| folder.sync_all()) {
            // Where we may not look or write we have made no name; some file systems refuse to sync a folder.
            Err(error) if !is_refusal(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput)
}

fn file(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(path)
}

fn written(error: io::Error) -> StoreError {
    StoreError::from_io("written", &error)
}

fn synced(error: io::Error) -> StoreError {
    StoreError::from_io("synced", &error)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}
