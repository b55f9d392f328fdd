//! Running a tool, ours or Debian's, and what it printed.

use crate::kit::{SECOND, poll};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// How a tool ended, and what it said.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; nothing after a signal.
    pub code: Option<i32>,
    /// What was on stdout.
    pub out: String,
    /// What was on stderr.
    pub err: String,
}

/// Whose tool it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// This build's.
    Ours,
    /// Debian's.
    Debian,
}

/// A tool that runs.
pub struct Running {
    child: Child,
    out: Output,
    err: Output,
}

/// What a stream has said so far, and the thread that reads it.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// Starts `words`, the first of which is `pub`, `sub`, `rr` or `passwd`.
pub fn start(maker: Maker, words: &[String], stdin: &[u8]) -> Running {
    let mut command = command(maker, &words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Nobody's options file may interfere.
    command.env("XDG_CONFIG_HOME", "/dev/null").env("TZ", "UTC");
    let mut child = command.spawn().expect("the tool is there");
    let mut pipe = child.stdin.take().expect("piped");
    let stdin = stdin.to_vec();
    // A tool that does not read its input closes it.
    std::thread::spawn(move || drop(pipe.write_all(&stdin)));
    let out = collect(child.stdout.take().expect("piped"));
    let err = collect(child.stderr.take().expect("piped"));
    Running { child, out, err }
}

/// Runs a tool of ours whose stdout nobody reads; gives its exit code and stderr.
pub fn start_unread(words: &[String]) -> (Option<i32>, String) {
    let mut command = command(Maker::Ours, &words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the tool is there");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("our own child");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn command(maker: Maker, tool: &str) -> Command {
    match maker {
        Maker::Ours => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pondhawk"));
            command.arg0(format!("mosquitto_{tool}"));
            command
        }
        Maker::Debian => {
            let variable = format!("PONDHAWK_MOSQUITTO_{}", tool.to_uppercase());
            let path = std::env::var(variable).unwrap_or_else(|_| format!("/usr/bin/mosquitto_{tool}"));
            Command::new(path)
        }
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> Output {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&bytes);
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut chunk) {
            into.lock().expect("nobody panics with it").extend_from_slice(&chunk[..count]);
        }
    });
    Output { bytes, reader: Some(reader) }
}

impl Output {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("nobody panics with it")).into_owned()
    }

    /// All of it, once the tool has ended.
    fn whole(&mut self) -> String {
        self.reader.take().expect("taken once").join().expect("does not panic");
        self.text()
    }
}

impl Running {
    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let status = poll(20 * SECOND, || self.child.try_wait().expect("our own child"));
        let Some(status) = status else {
            self.child.kill().expect("our own child");
            panic!("the tool does not end: {:?}", self.texts());
        };
        let (out, err) = self.texts();
        Ended { code: status.code(), out, err }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own child");
    }

    /// Waits until stdout holds `text`.
    pub fn wait_out(&self, text: &str) {
        let seen = poll(20 * SECOND, || self.out.text().contains(text).then_some(()));
        assert!(seen.is_some(), "no {text:?} in {:?}", self.out.text());
    }

    fn texts(&mut self) -> (String, String) {
        (self.out.whole(), self.err.whole())
    }
}

/// Runs a command line such as `pub -t 'a b' -m x`.
pub fn run(maker: Maker, line: &str) -> Ended {
    run_with(maker, line, b"")
}

/// The same with something on standard input.
pub fn run_with(maker: Maker, line: &str, stdin: &[u8]) -> Ended {
    start(maker, &words(line), stdin).wait()
}

/// Splits as a shell does, single quotes included.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
