//! `cargo xtask sim`: builds the simulator with every assertion on, and runs it with the arguments as they are.

use anyhow::{Result, bail};

use crate::process;

/// Seeds that `ci` runs: enough for every rare branch to be reached, and little more than a minute.
const CI_SEEDS: &str = "6000";

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut command = simulator();
    process::run(command.args(arguments))
}

/// The short run of `ci`, which fails too if a rare branch was never reached; its summary.
pub fn run_short() -> Result<String> {
    let mut command = simulator();
    let transcript = process::tee(command.args(["--seeds", CI_SEEDS, "--rare"]))?;
    if !transcript.success {
        bail!("an invariant does not hold, or a rare branch was never reached");
    }
    let summary = transcript.lines.iter().rev().find(|line| line.contains(" seeds, "));
    Ok(summary.cloned().unwrap_or_default())
}

fn simulator() -> std::process::Command {
    process::cargo(["run", "--quiet", "--profile", "sim", "--package", "pondhawk-sim", "--"])
}
