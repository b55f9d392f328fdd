//! Builds the program of attack tests and runs each test as a process of its own.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::table::{Check, parse_check};
use crate::{process, workspace};

/// The package that the tests belong to.
const PACKAGE: &str = "pondhawk-cli";
/// The name of the test program.
const PROGRAM: &str = "attacks";
/// The environment variable that names the file for the vital signs.
const REPORT: &str = "PONDHAWK_ATTACK_REPORT";
/// The environment variable that names another broker.
const BROKER: &str = "PONDHAWK_BROKER";
/// A test that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// What came of a test.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Its name.
    pub test: String,
    /// It ended well.
    pub passed: bool,
    /// The vital signs that it looked at; none if it does not judge the broker or has none.
    pub checks: Vec<Check>,
}

/// The built test program.
pub struct Player {
    program: PathBuf,
    scratch: PathBuf,
}

impl Player {
    /// Builds broker and tests.
    pub fn build(release: bool) -> Result<Self> {
        let mut command = process::cargo(["test", "--package", PACKAGE, "--test", PROGRAM, "--no-run"]);
        command.args(release.then_some("--release")).arg("--message-format=json-render-diagnostics");
        eprintln!("$ cargo test --package {PACKAGE} --test {PROGRAM} --no-run");
        let output = command.stderr(Stdio::inherit()).output().context("cargo does not start")?;
        if !output.status.success() {
            bail!("the attack tests do not build");
        }
        let lines = String::from_utf8(output.stdout)?;
        let program = lines.lines().rev().find_map(executable).context("cargo names no test program")?;
        let scratch = workspace::target_dir().join("attack");
        fs::create_dir_all(&scratch)?;
        Ok(Self { program, scratch })
    }

    /// The names of all tests.
    pub fn tests(&self) -> Result<Vec<String>> {
        let listed = Command::new(&self.program).args(["--list", "--format", "terse"]).output()?;
        let text = String::from_utf8(listed.stdout)?;
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_string).collect())
    }

    /// Runs the tests, as many at a time as there are processors; the outcomes are in the order of the names.
    pub fn play_all(&self, tests: &[String], broker: Option<PathBuf>) -> Result<Vec<Outcome>> {
        let (queue, outcomes) = (Mutex::new(tests.iter()), Mutex::new(Vec::new()));
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let next = || queue.lock().ok()?.next();
        thread::scope(|scope| {
            for worker in 0..workers {
                let (next, outcomes, broker) = (&next, &outcomes, broker.as_deref());
                scope.spawn(move || {
                    while let Some(test) = next() {
                        let outcome = self.play(test, worker, broker);
                        outcomes.lock().expect("no worker panics while it pushes").push(outcome);
                    }
                });
            }
        });
        let mut outcomes = outcomes
            .into_inner()
            .expect("no worker panics while it pushes")
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        outcomes.sort_by(|one, other| one.test.cmp(&other.test));
        Ok(outcomes)
    }

    /// Runs one test. What a failed one printed is shown.
    fn play(&self, test: &str, worker: usize, broker: Option<&Path>) -> Result<Outcome> {
        let (report, output) =
            (self.scratch.join(format!("report-{worker}")), self.scratch.join(format!("output-{worker}")));
        fs::write(&report, "")?;
        let file = fs::File::create(&output)?;
        let mut command = Command::new(&self.program);
        command.args(["--exact", test, "--nocapture"]).env(REPORT, &report).env_remove(BROKER);
        command.envs(broker.map(|broker| (BROKER, broker)));
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let start = Instant::now();
        let passed = ended_well(command.process_group(0))?;
        let passed_as = if passed { "ok" } else { "FAILED" };
        let against = broker.map_or(String::new(), |broker| format!(" ({})", broker.display()));
        eprintln!("{passed_as:>6} {:>6.1} s  {test}{against}", start.elapsed().as_secs_f64());
        if !passed && broker.is_none() {
            eprintln!("{}", fs::read_to_string(&output).unwrap_or_default());
        }
        let checks = fs::read_to_string(&report)?.lines().map(parse_check).collect();
        Ok(Outcome { test: test.to_string(), passed, checks })
    }
}

/// Whether a command ends, in time and with success. A command that hangs is ended with all that it started.
fn ended_well(command: &mut Command) -> Result<bool> {
    let mut child = command.spawn().context("the test program does not start")?;
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= end {
            process::succeeds(Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]));
            child.wait()?;
            return Ok(false);
        }
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// The path in cargo's message about the built test program.
fn executable(line: &str) -> Option<PathBuf> {
    if !line.contains(&format!("\"name\":\"{PROGRAM}\"")) {
        return None;
    }
    let (_, rest) = line.split_once("\"executable\":\"")?;
    let path = rest.split('"').next()?;
    // Cargo is started in the repository's root and writes absolute paths.
    env::current_dir().ok().map(|here| here.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"attacks"},"executable":"/x/attacks-1"}"#;
        assert_eq!(executable(line), Some(PathBuf::from("/x/attacks-1")));
        assert_eq!(executable(&line.replace("attacks", "wire")), None);
        assert_eq!(executable(r#"{"name":"attacks","executable":null}"#), None);
    }

    #[test]
    fn a_command_that_fails_has_not_ended_well() {
        assert!(ended_well(&mut Command::new("true")).expect("starts"));
        assert!(!ended_well(&mut Command::new("false")).expect("starts"));
        assert!(ended_well(&mut Command::new("pondhawk-no-such-program")).is_err());
    }
}
