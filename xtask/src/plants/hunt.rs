//! Runs one test program with one bug until a test fails.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::build::Programs;
use super::suite::Suite;
use crate::workspace;

/// A test program that takes longer hangs, which is a failure too.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a test program says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Passed,
    /// What failed first.
    Failed(String),
}

/// Runs the suite with a bug, or without one.
pub fn run(suite: &Suite, programs: &Programs, plant: Option<&str>) -> Result<Verdict> {
    let program = programs.path(suite).context("only suites that were built are run")?;
    let mut command = Command::new(program);
    command
        .current_dir(workspace::root().join("crates").join(suite.folder))
        .env("PONDHAWK_PLANT", plant.unwrap_or_default())
        // The same random cases each time, and no foreign programs.
        .env("PROPTEST_RNG_SEED", "20250727")
        // What a planted bug fails on is no regression of ours to keep.
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
        .env("PONDHAWK_E2E", "0")
        .env("RUST_BACKTRACE", "0")
        // The attacks at night load the machine so much that they have to run one at a time.
        .args(["--skip", "foreign_", "--skip", "nightly::"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that what it started ends with it.
        .process_group(0);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let output = child.stdout.take().context("the output was asked for above")?;
    let lines = listen(output);
    let deadline = Instant::now() + PATIENCE;
    let verdict = match first_failure(&lines, deadline) {
        Some(test) if suite.has_invariants => {
            let invariant = invariant(&lines, deadline).unwrap_or_default();
            Verdict::Failed(format!("{}::{test} {invariant}", suite.name))
        }
        Some(test) => Verdict::Failed(format!("{}::{test}", suite.name)),
        None => match wait_for_end(&mut child, Instant::now() + Duration::from_secs(10))? {
            Some(true) => Verdict::Passed,
            Some(false) => Verdict::Failed(format!("{} (ended without a word)", suite.name)),
            None => Verdict::Failed(format!("{} (does not end)", suite.name)),
        },
    };
    end(&mut child)?;
    Ok(verdict)
}

/// The lines of the output, as they come.
fn listen(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            // Nobody listens any more once enough is known.
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The first test that fails, or what else the output shows to be wrong.
fn first_failure(lines: &Receiver<String>, deadline: Instant) -> Option<String> {
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(test) = failed_test(&line) {
                    return Some(test.to_string());
                }
            }
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => return Some(format!("(still running after {PATIENCE:?})")),
        }
    }
}

/// The invariant of the simulator that a failed test says is broken, when it speaks of it at its end.
fn invariant(lines: &Receiver<String>, deadline: Instant) -> Option<String> {
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some((_, rest)) = line.split_once("invariant: \"") {
            return rest.split('"').next().map(str::to_string);
        }
    }
    None
}

/// The name in a line such as `test shared::turns ... FAILED`; a test may have written in front of it.
fn failed_test(line: &str) -> Option<&str> {
    let (_, rest) = line.trim_end().strip_suffix(" ... FAILED")?.split_once("test ")?;
    Some(rest)
}

/// Whether the program ended well; `None` if it has not ended by then.
fn wait_for_end(child: &mut Child, deadline: Instant) -> Result<Option<bool>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() > deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Ends the program and all that it started: its process group.
fn end(child: &mut Child) -> Result<()> {
    let group = format!("-{}", child.id());
    // The group may be empty by now.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    child.wait().context("the test program was started by us")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_found_in_the_output() {
        assert_eq!(failed_test("test shared::turns ... FAILED"), Some("shared::turns"));
        assert_eq!(failed_test("test shared::turns ... ok"), None);
        assert_eq!(failed_test("test result: FAILED. 1 passed; 1 failed"), None);
        let deadline = Instant::now() + PATIENCE;
        let lines = listen(
            &b"test a ... ok\ntest b ... FAILED\n left: Some(Failure { invariant: \"I8\", text: \"t\" })\n"[..],
        );
        assert_eq!(first_failure(&lines, deadline).as_deref(), Some("b"));
        assert_eq!(invariant(&lines, deadline).as_deref(), Some("I8"));
        assert_eq!(first_failure(&listen(&b"test a ... ok\n"[..]), deadline), None);
    }
}
