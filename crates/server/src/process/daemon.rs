//! `-d`: the broker goes on in the background.
//!
//! The starter runs this program again, in a session of its own, and waits until it says that it is up. So
//! whoever starts the broker sees why it does not start, and gets its exit code; and nothing forks a process
//! that may already have threads.

use rustix::process::{getppid, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Tells the process in the background who started it.
const MARK: &str = "PONDHAWK_STARTED_BY";
/// What it says when it is up.
const READY: &[u8] = b"ready\n";

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Daemonized {
    /// The starter: leave with this exit code.
    Starter(i32),
    /// The broker: start, then say so.
    Broker(Background),
}

/// A broker in the background that still has its starter's standard error.
#[derive(Debug)]
#[must_use]
pub struct Background(());

/// Moves the broker to the background.
///
/// # Errors
/// The program cannot be run again.
pub fn daemonize() -> io::Result<Daemonized> {
    if is_started_by(env::var(MARK).ok().as_deref(), parent()) {
        // It fails only for the leader of a session, which is as far from the terminal as can be.
        let _leader = setsid();
        return Ok(Daemonized::Broker(Background(())));
    }
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        // The name decides which program this is.
        again.arg0(name);
    }
    again.args(arguments).env(MARK, std::process::id().to_string());
    start(&mut again).map(Daemonized::Starter)
}

fn parent() -> Option<u32> {
    getppid().and_then(|parent| u32::try_from(parent.as_raw_nonzero().get()).ok())
}

/// Whether the mark is our parent's, and not one that was inherited from further up.
fn is_started_by(mark: Option<&str>, parent: Option<u32>) -> bool {
    parent.is_some() && mark.and_then(|mark| mark.parse().ok()) == parent
}

/// Runs the broker until it is ready or has ended: the starter's exit code.
fn start(again: &mut Command) -> io::Result<i32> {
    let mut broker = again.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut said = Vec::new();
    if let Some(mut from) = broker.stdout.take() {
        // It ends with the broker's own, or with the broker.
        from.read_to_end(&mut said)?;
    }
    if said.ends_with(READY) {
        return Ok(0);
    }
    let status = broker.wait()?;
    Ok(status.code().unwrap_or(1))
}

impl Background {
    /// Says that the broker is up, and lets go of the terminal.
    ///
    /// # Errors
    /// `/dev/null` is not there.
    pub fn ready(self) -> io::Result<()> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let mut out = io::stdout();
        // A starter that is gone needs to be told nothing.
        let _gone = out.write_all(READY).and_then(|()| out.flush());
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parents_mark_counts() {
        assert!(is_started_by(Some("7"), Some(7)));
        assert!(!is_started_by(Some("7"), Some(8)));
        assert!(
            !is_started_by(None, Some(7)) && !is_started_by(Some("x"), None) && !is_started_by(None, None)
        );
    }

    #[test]
    fn the_starter_waits_for_ready_or_the_end() {
        let shell = |script: &str| start(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!(shell("echo line; echo ready"), 0);
        assert_eq!(shell("echo line; exit 13"), 13);
        assert_eq!(shell("kill -9 $$"), 1);
    }
}
