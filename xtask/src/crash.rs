//! `cargo xtask crash`: builds the broker and the program that kills it, and runs that with the arguments as they are.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{process, provision, workspace};

/// Kills that `ci` makes, without and with a disk that forgets: about half a minute each.
const CI_RUNS: [&[&str]; 2] = [&["--kills", "12"], &["--kills", "12", "--fuse"]];

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    build()?;
    process::run(&mut command(&arguments)?)
}

/// The short run of `ci`; its summary.
pub fn run_short() -> Result<String> {
    build()?;
    let mut summary = String::new();
    for arguments in CI_RUNS {
        if arguments.contains(&"--fuse") && !process::succeeds(Command::new("test").args(["-w", "/dev/fuse"]))
        {
            summary.push_str("; without --fuse: there is no /dev/fuse");
            continue;
        }
        let transcript = process::tee(&mut command(arguments)?)?;
        if !transcript.success {
            bail!("the broker did not keep what it had acknowledged");
        }
        if summary.is_empty() {
            let line = transcript.lines.iter().rev().find(|line| line.contains(" kills, "));
            summary = line.cloned().unwrap_or_default();
        }
    }
    Ok(summary)
}

fn build() -> Result<()> {
    process::run(&mut process::cargo([
        "build",
        "--release",
        "--package",
        "pondhawk-cli",
        "--package",
        "pondhawk-crash",
    ]))
}

/// The program with its arguments. Its file systems are mounted in a namespace of its own, so that nothing of them is left
/// however it ends.
fn command(arguments: &[&str]) -> Result<Command> {
    let wants = |option: &str| arguments.contains(&option);
    if wants("--eio") && !wants("--fuse") {
        provision::strace()?;
    }
    let program = workspace::target_dir().join("release/pondhawk-crash");
    let mut command = if wants("--fuse") || wants("--full") {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !provision::is_root() {
            command.arg("--map-root-user");
        }
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments);
    Ok(command)
}
