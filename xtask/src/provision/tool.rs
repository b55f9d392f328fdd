//! Cargo subcommands that are programs of their own. One that is installed already is used; otherwise it is built
//! once into `target/tools`, without touching the user's own cargo folder.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::{process, workspace};

/// One cargo subcommand and the version that is built when it is missing.
pub struct Tool {
    /// The crate and its program.
    pub name: &'static str,
    /// Pinned, so that a new release cannot break a build of an old commit.
    pub version: &'static str,
}

/// The test runner.
pub const NEXTEST: Tool = Tool { name: "cargo-nextest", version: "0.9.143" };
/// The checker of dependencies.
pub const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// The maker of mutants.
pub const MUTANTS: Tool = Tool { name: "cargo-mutants", version: "27.1.0" };

/// Where the tool is, if it is.
pub fn find(tool: &Tool) -> Option<PathBuf> {
    let ours = workspace::tools_dir().join("bin").join(tool.name);
    if ours.is_file() { Some(ours) } else { process::find_program(tool.name) }
}

/// Finds the tool or builds it. Unoptimized, because it is run for seconds and would be compiled for minutes.
pub fn ensure(tool: &Tool) -> Result<PathBuf> {
    if let Some(found) = find(tool) {
        return Ok(found);
    }
    println!("installing {} {} into {}", tool.name, tool.version, workspace::tools_dir().display());
    let mut command =
        process::cargo(["install", "--locked", "--debug", "--quiet", "--version", tool.version]);
    command.arg(tool.name).arg("--root").arg(workspace::tools_dir());
    let build = workspace::target_dir().join("tools-build");
    command.env("CARGO_TARGET_DIR", &build);
    let outcome = process::run(&mut command);
    // Hundreds of megabytes that nothing needs again; when they cannot be removed they are merely there.
    let _ = fs::remove_dir_all(build);
    outcome?;
    Ok(workspace::tools_dir().join("bin").join(tool.name))
}
