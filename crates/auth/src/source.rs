//! Reads a file that grants access: no symbolic links, no pipes, no endless files.
//!
//! Before: a path from the configuration. After: the parsers get bytes. Refusing links keeps someone who can write
//! in the file's directory from pointing the broker at another file; Kubernetes mounts secrets as links, which is why
//! Mosquitto (and this) can be told to follow them.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::{FileKind, LoadError, Warning};

/// Largest file that is read: about 300,000 entries of a password file.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Whether the last part of a path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Symlinks {
    /// Refuse to open a link.
    #[default]
    Refuse,
    /// Follow links.
    Follow,
}

impl Symlinks {
    /// What the process' environment says: [`Symlinks::Follow`] when `MOSQUITTO_UNSAFE_ALLOW_SYMLINKS` is set.
    #[must_use]
    pub fn from_env() -> Symlinks {
        Symlinks::from_value(std::env::var_os("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS").as_deref())
    }

    /// The same, with the variable's value given.
    #[must_use]
    pub fn from_value(value: Option<&OsStr>) -> Symlinks {
        if value.is_some() { Symlinks::Follow } else { Symlinks::Refuse }
    }
}

/// Reads a whole file. The warnings are about its permissions.
///
/// # Errors
/// [`LoadError`] when it cannot be opened or read, is not a regular file or is larger than [`FILE_BYTES_MAX`].
pub fn read(kind: FileKind, path: &Path, symlinks: Symlinks) -> Result<(Vec<u8>, Vec<Warning>), LoadError> {
    read_at_most(kind, path, symlinks, FILE_BYTES_MAX)
}

fn read_at_most(
    kind: FileKind,
    path: &Path,
    symlinks: Symlinks,
    limit: u64,
) -> Result<(Vec<u8>, Vec<Warning>), LoadError> {
    let read_error = |source| LoadError::Read { kind, path: path.to_owned(), source };
    let file = open(path, symlinks).map_err(|source| {
        let path = path.to_owned();
        // What NOFOLLOW answers for a link; when links are followed it is a circle of them.
        let link = source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        if link && symlinks == Symlinks::Refuse {
            LoadError::Symlink { kind, path }
        } else {
            LoadError::Open { kind, path, source }
        }
    })?;
    let metadata = file.metadata().map_err(read_error)?;
    if !metadata.is_file() {
        return Err(LoadError::NotAFile { kind, path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells "at the limit" from "beyond", also when the file grows while it is read.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > limit {
        return Err(LoadError::TooLarge { kind, path: path.to_owned(), limit });
    }
    let others = metadata.mode() & 0o006;
    let exposed =
        (others != 0).then(|| Warning::Exposed { path: path.to_owned(), writable: others & 0o002 != 0 });
    Ok((bytes, exposed.into_iter().collect()))
}

fn open(path: &Path, symlinks: Symlinks) -> std::io::Result<File> {
    // Without NONBLOCK, opening a pipe that nobody writes would hang the broker at start.
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if symlinks == Symlinks::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn file_with(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acl");
        fs::write(&path, b"topic a\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_private_file_is_read_without_warning() {
        let (_dir, path) = file_with(0o600);
        let (bytes, warnings) = read(FileKind::Acl, &path, Symlinks::Refuse).unwrap();
        assert_eq!((bytes.as_slice(), warnings.len()), (&b"topic a\n"[..], 0));
    }

    #[test]
    fn what_others_may_read_or_write_is_said() {
        for (mode, writable) in [(0o644, false), (0o666, true)] {
            let (_dir, path) = file_with(mode);
            let (_, warnings) = read(FileKind::Acl, &path, Symlinks::Refuse).unwrap();
            assert_eq!(warnings, [Warning::Exposed { path, writable }]);
        }
    }

    #[test]
    fn links_are_followed_only_when_told() {
        let (dir, path) = file_with(0o600);
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        let error = read(FileKind::Password, &link, Symlinks::from_value(None)).unwrap_err();
        assert!(matches!(error, LoadError::Symlink { .. }), "{error}");
        assert!(error.to_string().contains("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS"), "{error}");
        assert!(read(FileKind::Password, &link, Symlinks::from_value(Some(OsStr::new("1")))).is_ok());
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let (dir, path) = file_with(0o600);
        let refused = read(FileKind::Acl, dir.path(), Symlinks::Refuse).unwrap_err();
        assert!(matches!(refused, LoadError::NotAFile { .. }), "{refused}");
        let missing = read(FileKind::Acl, &dir.path().join("no"), Symlinks::Refuse).unwrap_err();
        assert!(matches!(missing, LoadError::Open { .. }), "{missing}");
        assert!(read_at_most(FileKind::Acl, &path, Symlinks::Refuse, 8).is_ok());
        let large = read_at_most(FileKind::Acl, &path, Symlinks::Refuse, 7).unwrap_err();
        assert!(matches!(large, LoadError::TooLarge { limit: 7, .. }), "{large}");
    }

    #[test]
    fn a_pipe_does_not_hang_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(matches!(read(FileKind::Acl, &path, Symlinks::Refuse), Err(LoadError::NotAFile { .. })));
    }
}
