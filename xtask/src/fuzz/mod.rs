//! `cargo xtask fuzz`: builds the targets in `fuzz/fuzz_targets` and runs each for a while.
//!
//! libFuzzer needs code that reports its coverage. The flags below make the stable compiler emit it, which is all
//! that cargo-fuzz would do for us; `RUSTC_BOOTSTRAP` is for the address sanitizer alone. Seeds that are worth keeping
//! are in `fuzz/corpus-seeds/TARGET`; what a run finds is kept below `target/fuzz`, and a crash is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, provision, workspace};

/// What to run.
pub struct Options {
    /// Seconds for each target.
    pub seconds: u32,
    /// Names of targets; none means all.
    pub targets: Vec<String>,
}

/// Coverage counters and comparison traces for libFuzzer, checked arithmetic, and the address sanitizer.
const FLAGS: &str = "--cfg fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Ccodegen-units=1 -Zsanitizer=address";

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
    println!("{}", run_with(&options)?);
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { seconds: 30, targets: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let value = arguments.next().context("`--seconds` needs a number")?;
            options.seconds = value.parse().with_context(|| format!("`{value}` is no number of seconds"))?;
        } else if argument.starts_with('-') {
            bail!("`{argument}`: this task knows `--seconds N` and names of targets");
        } else {
            options.targets.push(argument.clone());
        }
    }
    Ok(options)
}

/// Builds and runs the targets; returns a line for the summary.
pub fn run_with(options: &Options) -> Result<String> {
    let known = targets(Path::new("fuzz/fuzz_targets"))?;
    let chosen = choose(&known, &options.targets)?;
    provision::cxx_compiler()?;
    let programs = build()?;
    let mut crashed = Vec::new();
    for target in &chosen {
        if !run_target(&programs, target, options.seconds)? {
            crashed.push(target.as_str());
        }
    }
    if crashed.is_empty() {
        return Ok(format!("{} targets, {} s each", chosen.len(), options.seconds));
    }
    bail!("crashed: {}", crashed.join(", "))
}

/// The names of the targets: one file each.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn choose(known: &[String], wanted: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        bail!("there is no fuzz target `{unknown}`: the targets are {}", known.join(", "));
    }
    Ok(if wanted.is_empty() { known.to_vec() } else { wanted.to_vec() })
}

/// Builds all targets; returns the folder of the programs.
fn build() -> Result<PathBuf> {
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

/// Runs one target; false when it crashed, in which case the input has been shown.
fn run_target(programs: &Path, target: &str, seconds: u32) -> Result<bool> {
    let folder = workspace::target_dir().join("fuzz");
    let found = folder.join("corpus").join(target);
    let crashes = folder.join("crashes").join(target);
    // What an earlier run found is history: only the crashes of this run are shown.
    let _ = fs::remove_dir_all(&crashes);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&crashes)?;
    let mut command = Command::new(programs.join(target));
    // New inputs go to the first folder; the others are only read.
    command.arg(&found);
    let seeds = Path::new("fuzz/corpus-seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", crashes.display()));
    command.args([
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    // The sanitizer prints a stack of its own.
    let transcript = process::capture(command.env("RUST_BACKTRACE", "0"))?;
    if transcript.success {
        println!("{target}: {} inputs, no crash", executed(&transcript.lines));
        return Ok(true);
    }
    eprintln!("{}", transcript.lines.join("\n"));
    for entry in fs::read_dir(&crashes)? {
        let path = entry?.path();
        eprintln!("{target} crashes on {}:\n{}", path.display(), hex(&fs::read(&path)?));
        eprintln!("again with: {} {}", programs.join(target).display(), path.display());
    }
    Ok(false)
}

/// How many inputs libFuzzer says that it ran.
fn executed(lines: &[String]) -> &str {
    let figure = lines.iter().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    figure.map_or("an unknown number of", str::trim)
}

/// The bytes as hexadecimal, 32 a line.
fn hex(bytes: &[u8]) -> String {
    let lines: Vec<String> = bytes
        .chunks(32)
        .map(|chunk| chunk.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = parse(&["decode".into(), "--seconds".into(), "7".into()]).expect("well formed");
        assert_eq!((options.seconds, options.targets), (7, vec!["decode".to_string()]));
        assert!(parse(&["--seconds".into()]).is_err());
        assert!(parse(&["--runs".into()]).is_err());
    }

    #[test]
    fn unknown_targets_are_refused_and_none_means_all() {
        let known = ["acl".to_string(), "decode".to_string()];
        assert_eq!(choose(&known, &[]).expect("all"), known);
        let error = choose(&known, &["decoder".into()]).expect_err("unknown");
        assert!(error.to_string().contains("acl, decode"), "{error}");
    }

    #[test]
    fn the_number_of_inputs_is_read() {
        let lines = ["INFO: x".to_string(), "stat::number_of_executed_units: 749017".to_string()];
        assert_eq!(executed(&lines), "749017");
    }

    #[test]
    fn inputs_are_shown_as_hexadecimal() {
        assert_eq!(hex(&[0x10, 0xff]), "10 ff");
        assert_eq!(hex(&[0; 33]).lines().count(), 2);
    }
}
