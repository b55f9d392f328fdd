//! Python virtual environments, one for each version of a library: the tests must not depend on what the
//! machine's own Python has, and two versions of one library cannot live together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// False where Debian's `python3` came without `python3-venv`.
pub fn can_make_environments() -> bool {
    process::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

/// Makes (or finds) the environment in `folder` with one pinned requirement; returns its Python.
pub fn environment(folder: &Path, requirement: &str) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    // Written last: an interrupted installation is done again, and so is one whose pin changed.
    let mark = folder.join("installed");
    let installed = fs::read_to_string(&mark).is_ok_and(|text| text == requirement);
    if installed && process::succeeds(Command::new(&python).arg("--version")) {
        return Ok(python);
    }
    println!("installing {requirement} into {}", folder.display());
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", requirement]))
        .with_context(|| format!("pip could not install {requirement}"))?;
    fs::write(&mark, requirement).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(python)
}
