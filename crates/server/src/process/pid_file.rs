//! `pid_file`: the process's number, as long as it runs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

/// A pid file that was written. Dropping it removes the file, unless another process has put its number there.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

/// The pid file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("Error: Unable to write pid file {}: {source}. Give the broker's user write permission to its directory, or change pid_file.", .path.display())]
pub struct PidFileError {
    path: PathBuf,
    source: io::Error,
}

impl PidFile {
    /// Writes the file, if there is to be one.
    ///
    /// # Errors
    /// It cannot be written, or is a symbolic link: root would write wherever that leads.
    pub fn write(path: Option<&Path>) -> Result<Option<Self>, PidFileError> {
        let Some(path) = path else { return Ok(None) };
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .and_then(|mut file| writeln!(file, "{}", process::id()));
        match written {
            Ok(()) => Ok(Some(PidFile { path: path.to_owned() })),
            Err(source) => Err(PidFileError { path: path.to_owned(), source }),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = fs::read_to_string(&self.path).is_ok_and(|text| text.trim() == process::id().to_string());
        if ours {
            // Having given up root, the broker may lack the right to the directory.
            let _kept = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_as_long_as_the_broker() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let file = PidFile::write(Some(&path)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        drop(file);
        assert!(!path.exists());
        assert!(PidFile::write(None).unwrap().is_none());
    }

    #[test]
    fn another_brokers_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let file = PidFile::write(Some(&path)).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("target"), &link).unwrap();
        for path in [link, dir.path().join("missing/pid")] {
            let error = PidFile::write(Some(&path)).unwrap_err();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }
}
