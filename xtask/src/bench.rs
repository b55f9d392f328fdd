//! `cargo xtask bench`: runs the benchmark program of `pondhawk-bench`, optimized, with the arguments as they are.

use anyhow::Result;

use crate::{process, provision};

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    provision::broker()?;
    measure(arguments)
}

/// A quick run for `ci`; says so when there is nothing to compare with and nothing may be installed.
pub fn run_quick(offline: bool) -> Result<String> {
    if !offline {
        provision::broker()?;
    } else if process::find_program(provision::BROKER).is_none() {
        return Ok(format!("left out: `{}` is not installed", provision::BROKER));
    }
    measure(&["--quick".to_string()]).map(|()| String::new())
}

fn measure(arguments: &[String]) -> Result<()> {
    process::run(&mut process::cargo(["build", "--release", "--package", "pondhawk-cli"]))?;
    let mut command = process::cargo(["run", "--release", "--quiet", "--package", "pondhawk-bench", "--"]);
    process::run(command.args(arguments))
}
