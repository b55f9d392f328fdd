//! Replaces a file as a whole: written beside it, synced, renamed over it.
//!
//! Before: the new bytes. After: either the old or the new file exists, also when the machine stops in between. A new
//! file has mode 0600; an existing one keeps owner, group and mode (a broker running as another user must still be
//! able to read it), except that others lose the right to write.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use pondhawk_auth::Symlinks;

/// Said when a link is in the way.
pub(super) const SYMLINK: &str =
    "It is a symbolic link; name the file itself, or set MOSQUITTO_UNSAFE_ALLOW_SYMLINKS=1 to follow links.";

/// Names tried for the temporary file: others may be left from a crash.
const TEMPORARY_NAMES: u32 = 100;

/// Why the file was not written; the old one is untouched. `Display` is the line for stderr.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplaceError {
    #[error("Error: Unable to open file {} for writing. {}.", .0.display(), reason(.1))]
    Open(PathBuf, io::Error),
    #[error("Error: Unable to open file {} for writing. {SYMLINK}", .0.display())]
    Symlink(PathBuf),
    #[error("Error: Unable to write password file {}. {}.", .0.display(), reason(.1))]
    Write(PathBuf, io::Error),
    #[error(
        "Error: Unable to keep the owner of password file {}. {}.\nhint: run this as its owner or as root.",
        .0.display(), reason(.1)
    )]
    Owner(PathBuf, io::Error),
}

/// The operating system's words without Rust's "(os error N)".
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Writes `contents` as the file's whole content. A device or pipe is written to directly.
pub(super) fn replace(path: &Path, contents: &[u8], symlinks: Symlinks) -> Result<(), ReplaceError> {
    let open = |error| ReplaceError::Open(path.to_owned(), error);
    let (target, existing) = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(open(error)),
        Ok(link) if link.is_symlink() => {
            let metadata = fs::metadata(path).map_err(open)?;
            if metadata.is_file() && symlinks == Symlinks::Refuse {
                return Err(ReplaceError::Symlink(path.to_owned()));
            }
            (fs::canonicalize(path).map_err(open)?, Some(metadata))
        }
        Ok(metadata) => (path.to_owned(), Some(metadata)),
    };
    match existing {
        // `-c /dev/stdout`: renaming over it would replace the device.
        Some(metadata) if !metadata.is_file() => {
            let mut file = OpenOptions::new().write(true).open(&target).map_err(open)?;
            file.write_all(contents).map_err(|error| ReplaceError::Write(path.to_owned(), error))
        }
        existing => swap(&target, contents, existing.as_ref()),
    }
}

fn swap(target: &Path, contents: &[u8], existing: Option<&Metadata>) -> Result<(), ReplaceError> {
    let write_error = |error| ReplaceError::Write(target.to_owned(), error);
    let mut temporary =
        Temporary::beside(target).map_err(|error| ReplaceError::Open(target.to_owned(), error))?;
    temporary.file.write_all(contents).map_err(write_error)?;
    if let Some(metadata) = existing {
        let ours = temporary.file.metadata().map_err(write_error)?;
        if (ours.uid(), ours.gid()) != (metadata.uid(), metadata.gid()) {
            fchown(&temporary.file, Some(metadata.uid()), Some(metadata.gid()))
                .map_err(|error| ReplaceError::Owner(target.to_owned(), error))?;
        }
        // After the owner: a change of owner may clear bits.
        let permissions = Permissions::from_mode(metadata.mode() & 0o775);
        temporary.file.set_permissions(permissions).map_err(write_error)?;
    }
    temporary.file.sync_all().map_err(write_error)?;
    temporary.rename_to(target).map_err(write_error)?;
    // The rename itself is durable when the directory is. Some file systems cannot sync one; the content is safe.
    let _ = File::open(directory_of(target)).and_then(|directory| directory.sync_all());
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file that is removed again unless it is renamed.
struct Temporary {
    file: File,
    path: PathBuf,
    renamed: bool,
}

impl Temporary {
    fn beside(target: &Path) -> io::Result<Temporary> {
        let name = target.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let mut attempt = 0;
        loop {
            let mut temporary = std::ffi::OsString::from(".");
            temporary.push(name);
            temporary.push(format!(".{}-{attempt}", std::process::id()));
            let path = directory_of(target).join(temporary);
            // `create_new` follows no link and opens nothing that someone has put there.
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    return Ok(Temporary { file, path, renamed: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < TEMPORARY_NAMES => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn rename_to(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // Best effort: the error that led here is the one to report.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_private_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        replace(&path, b"one", Symlinks::Refuse).unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"one"[..], 0o600));
        replace(&path, b"two", Symlinks::Refuse).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_keeps_its_mode_but_for_strangers_who_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        for (before, after) in
            [(0o600, 0o600), (0o640, 0o640), (0o644, 0o644), (0o666, 0o664), (0o400, 0o400)]
        {
            fs::write(&path, b"x").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            replace(&path, b"y", Symlinks::Refuse).unwrap();
            assert_eq!(mode(&path), after, "{before:o}");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_link_is_followed_only_when_told_and_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("pw"), dir.path().join("link"));
        fs::write(&path, b"old").unwrap();
        symlink(&path, &link).unwrap();
        assert!(matches!(replace(&link, b"new", Symlinks::Refuse), Err(ReplaceError::Symlink(_))));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        replace(&link, b"new", Symlinks::Follow).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_device_is_written_to_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("null");
        symlink("/dev/null", &link).unwrap();
        replace(&link, b"x", Symlinks::Refuse).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn failures_are_told_as_mosquitto_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none/pw");
        let error = replace(&path, b"x", Symlinks::Refuse).unwrap_err();
        let expected =
            format!("Error: Unable to open file {} for writing. No such file or directory.", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(matches!(replace(dir.path(), b"x", Symlinks::Refuse), Err(ReplaceError::Open(..))));
    }

    #[test]
    fn a_name_left_by_a_crash_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        let stale = dir.path().join(format!(".pw.{}-0", std::process::id()));
        fs::write(&stale, b"stale").unwrap();
        replace(&path, b"new", Symlinks::Refuse).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&stale).unwrap()),
            (b"new".to_vec(), b"stale".to_vec())
        );
    }
}
