//! Runs one target, and tells what came of it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{dictionary, seeds};
use crate::{process, workspace};

/// What came of a run.
pub struct Outcome {
    /// The target's name.
    pub target: String,
    /// How many inputs it was given.
    pub inputs: u64,
    /// What it says of the input that it crashed on.
    pub crash: Option<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.crash {
            None => write!(f, "{}: {} inputs, no crash", self.target, self.inputs),
            Some(crash) => write!(f, "{}: CRASHED behind {} inputs\n{crash}", self.target, self.inputs),
        }
    }
}

/// Runs a target for so many seconds.
pub fn run(programs: &Path, target: &str, seconds: u32) -> Result<Outcome> {
    let folder = workspace::target_dir().join("fuzz");
    let found = folder.join("corpus").join(target);
    let crashes = folder.join("crashes").join(target);
    // What an earlier run found is history: only the crashes of this run are shown.
    let _ = fs::remove_dir_all(&crashes);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&crashes)?;
    let mut command = Command::new(programs.join(target));
    // New inputs go to the first folder; the others are only read.
    command.arg(&found).args(seeds::folders(target));
    if let Some(words) = dictionary::write(target)? {
        command.arg(format!("-dict={}", words.display()));
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
    let inputs = executed(&transcript.lines);
    let crash = (!transcript.success)
        .then(|| describe(&programs.join(target), &crashes, &transcript.lines))
        .transpose()?;
    Ok(Outcome { target: target.to_string(), inputs, crash })
}

/// The program's last words, each input that it crashed on, and how to repeat that.
fn describe(program: &Path, crashes: &Path, lines: &[String]) -> Result<String> {
    let mut text = lines.join("\n");
    for entry in fs::read_dir(crashes)? {
        let path = entry?.path();
        text += &format!("\nthe input, {}:\n{}", path.display(), hex(&fs::read(&path)?));
        // A target whose input has a structure tells that, too.
        let structure = path.with_extension("debug");
        let mut again = Command::new(program);
        again.arg(&path).env("RUST_LIBFUZZER_DEBUG_PATH", &structure).env("RUST_BACKTRACE", "0");
        process::succeeds(&mut again);
        if let Ok(structure) = fs::read_to_string(structure) {
            text += &format!("\nwhich is {structure}");
        }
        text += &format!("\nagain with: {} {}", program.display(), path.display());
    }
    Ok(text)
}

/// How many inputs libFuzzer says that it ran.
fn executed(lines: &[String]) -> u64 {
    let figure = lines.iter().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    figure.and_then(|figure| figure.trim().parse().ok()).unwrap_or(0)
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
    fn the_number_of_inputs_is_read() {
        let lines = ["INFO: x".to_string(), "stat::number_of_executed_units: 749017".to_string()];
        assert_eq!(executed(&lines), 749_017);
        assert_eq!(executed(&[]), 0);
    }

    #[test]
    fn inputs_are_shown_as_hexadecimal() {
        assert_eq!(hex(&[0x10, 0xff]), "10 ff");
        assert_eq!(hex(&[0; 33]).lines().count(), 2);
    }
}
