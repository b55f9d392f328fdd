//! A disk of a few megabytes (tmpfs), with a ballast that is taken away to make room.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All of the disk.
const SIZE_MB: usize = 24;
/// What the ballast takes of it.
const BALLAST_MB: usize = 12;

/// So much must be free for a broker to say that it has room.
const AMPLE_MB: u64 = 8;

/// A mounted disk; it is unmounted when this is dropped.
#[derive(Debug)]
pub(crate) struct Small {
    at: PathBuf,
}

impl Small {
    /// Mounts it at `at`, which is made, with the ballast in place.
    pub(crate) fn mount(at: &Path) -> Result<Self> {
        fs::create_dir_all(at)?;
        let size = format!("size={SIZE_MB}m,mode=0700");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at);
        let status = command.status().context("cannot start `mount`")?;
        if !status.success() {
            bail!("a tmpfs cannot be mounted: `cargo xtask crash --full` does it in a namespace of its own");
        }
        let small = Small { at: at.to_owned() };
        small.load()?;
        Ok(small)
    }

    /// Puts as much of the ballast in place as there is room for.
    pub(crate) fn load(&self) -> Result<()> {
        match fs::write(self.ballast(), vec![1; BALLAST_MB << 20]) {
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
            other => other.context("cannot write the ballast"),
        }
    }

    /// Takes the ballast away, if it is there; true if that was so much that there is ample room now.
    pub(crate) fn make_room(&self) -> Result<bool> {
        let bytes = fs::metadata(self.ballast()).map_or(0, |ballast| ballast.len());
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.context("cannot take the ballast away")?,
        }
        Ok(bytes >= AMPLE_MB << 20)
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // In a namespace of its own it goes with the process anyhow.
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}
