//! `cargo xtask bench`: runs the benchmark program of `pondhawk-bench`, optimized, with the arguments as they are.

use anyhow::Result;

use crate::process;

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    process::run(&mut process::cargo([
        "build",
        "--release",
        "--package",
        "pondhawk-cli",
    ]))?;
    let mut command = process::cargo(["run", "--release", "--quiet", "--package", "pondhawk-bench", "--"]);
    process::run(command.args(arguments))
}
