//! Running a program to its end, or watching it while it runs: output, exit code, and always a deadline.
//!
//! Before it: a [`Command`] that [`super::toolbox`], [`super::foreign`] or [`super::space`] prepared. After it: the
//! tests compare what came out. A task that is dropped is killed, so a failing test leaves nothing behind.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::kit::{SECOND, poll, process};

/// How long any program may take. Generous: it only decides how soon a hang is reported.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What a program printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit code, or nothing after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// An expected output.
    pub fn new(code: i32, stdout: impl Into<String>, stderr: impl Into<String>) -> Self {
        Self { code: Some(code), stdout: stdout.into(), stderr: stderr.into() }
    }

    /// Requires exit code 0 and gives standard output.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }
}

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A started program.
#[derive(Debug)]
pub struct Task {
    child: Child,
    what: String,
    stdout: Bytes,
    stderr: Bytes,
    readers: Vec<JoinHandle<()>>,
}

impl Task {
    /// Starts a program with pipes on its three standard streams.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{what} does not start: {error}"));
        let (stdout, stderr) = (Bytes::default(), Bytes::default());
        let readers = vec![
            collect(child.stdout.take().expect("piped"), Arc::clone(&stdout)),
            collect(child.stderr.take().expect("piped"), Arc::clone(&stderr)),
        ];
        Self { child, what, stdout, stderr, readers }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the program still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Writes to standard input. A program that has ended already does not mind.
    pub fn feed(&mut self, text: &str) {
        if let Some(stdin) = &mut self.child.stdin {
            let _ = stdin.write_all(text.as_bytes());
        }
    }

    /// Everything on standard output so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Waits until standard output contains a text.
    #[track_caller]
    pub fn wait_stdout(&mut self, wanted: &str) {
        let seen = poll(PATIENCE, || {
            // Asked in this order: what was printed before the end is then read.
            let ended = self.readers.iter().all(JoinHandle::is_finished);
            let found = self.stdout().contains(wanted);
            (found || ended).then_some(found)
        });
        assert!(
            seen == Some(true),
            "{} never printed {wanted:?}\nstdout:\n{}\nstderr:\n{}",
            self.what,
            self.stdout(),
            self.stderr()
        );
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        process::signal(self.pid(), name);
    }

    /// Ends a program that waits for more by a signal.
    #[track_caller]
    pub fn stop(self, signal: &str) -> Output {
        self.signal(signal);
        self.end()
    }

    /// Closes standard input and waits for the end.
    #[track_caller]
    pub fn end(mut self) -> Output {
        drop(self.child.stdin.take());
        let status: Option<ExitStatus> = poll(PATIENCE, || self.child.try_wait().expect("our own child"));
        let Some(status) = status else {
            panic!("{} does not end\nstdout:\n{}\nstderr:\n{}", self.what, self.stdout(), self.stderr());
        };
        // A grandchild may keep a pipe open: what has come within a second is what there is.
        let done = poll(SECOND, || self.readers.iter().all(JoinHandle::is_finished).then_some(()));
        if done.is_some() {
            for reader in self.readers.drain(..) {
                reader.join().expect("the reader does not panic");
            }
        }
        Output { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program without input to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    Task::start(command).end()
}

/// Runs a program with a text on its standard input to its end.
#[track_caller]
pub fn run_with(command: &mut Command, input: &str) -> Output {
    let mut task = Task::start(command);
    task.feed(input);
    task.end()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap()).into_owned()
}

fn collect(mut from: impl Read + Send + 'static, into: Bytes) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            into.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
    })
}
