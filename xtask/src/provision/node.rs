//! Node.js packages, in a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// Makes sure that `folder/node_modules` has exactly these pinned packages; returns the folder.
pub fn packages(folder: &Path, pins: &[&str]) -> Result<PathBuf> {
    // Written last: an interrupted installation is done again, and so is one whose pins changed.
    let mark = folder.join("installed");
    let wanted = pins.join(" ");
    if fs::read_to_string(&mark).is_ok_and(|text| text == wanted) && folder.join("node_modules").is_dir() {
        return Ok(folder.to_path_buf());
    }
    println!("installing {wanted} into {}", folder.display());
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Without a manifest here npm would look for one in the folders above.
    fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    process::run(
        Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"])
            .args(pins)
            .current_dir(folder),
    )
    .with_context(|| format!("npm could not install {wanted}"))?;
    fs::write(&mark, wanted)?;
    Ok(folder.to_path_buf())
}
