//! Compiles the targets with what libFuzzer needs.
//!
//! libFuzzer needs code that reports its coverage. The flags below make the stable compiler emit it, which is all
//! that cargo-fuzz would do for us; `RUSTC_BOOTSTRAP` is for the address sanitizer alone.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// Coverage counters and comparison traces for libFuzzer, checked arithmetic, and the address sanitizer.
const FLAGS: &str = "--cfg fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Ccodegen-units=1 -Zsanitizer=address";

/// Builds all targets; returns the folder of the programs.
pub fn build() -> Result<PathBuf> {
    let host = host_triple()?;
    let folder = workspace::target_dir().join("fuzz");
    // With an explicit target the flags are for the targets alone and not for build scripts and macros.
    let mut command = process::cargo(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--bins"]);
    command.args(["--target", &host]).arg("--target-dir").arg(&folder);
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    process::run(&mut command)?;
    Ok(folder.join(host).join("release"))
}

fn host_triple() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host =
        text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_string())
}
