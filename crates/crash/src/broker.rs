//! The broker under test: one life after the other on the same folder.

use crate::wire::encode::Hello;
use crate::wire::{Version, Wire};
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a broker may take until it serves clients.
const START_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// What to start and where.
#[derive(Debug)]
pub(crate) struct Broker {
    program: PathBuf,
    /// Where its store is.
    state: PathBuf,
    config: PathBuf,
    log: PathBuf,
}

/// A broker that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
    log_from: u64,
    started: Instant,
}

/// How a start went.
#[derive(Debug)]
pub(crate) enum Start {
    /// It serves clients, after so long.
    Ready(Duration),
    /// It has ended, and said why.
    Ended(String),
}

impl Broker {
    /// A broker whose store is in `state`; its configuration and its log are in `folder`.
    pub(crate) fn new(program: &Path, folder: &Path, state: &Path) -> Self {
        Broker {
            program: program.to_owned(),
            state: state.to_owned(),
            config: folder.join("crash.conf"),
            log: folder.join("broker.log"),
        }
    }

    /// Starts it on a free port, with so many shards if it is to be told; `tracer` is a command to run it by.
    pub(crate) fn start(&self, shards: Option<u64>, tracer: &[String]) -> Result<Running> {
        let port = free_port()?;
        fs::write(&self.config, self.settings(port, shards)?)
            .with_context(|| format!("cannot write {}", self.config.display()))?;
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let log_from = log.metadata()?.len();
        // It dies with us, also when we are killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(tracer).arg(&self.program);
        command.env("XDG_STATE_HOME", &self.state);
        command.arg("-c").arg(&self.config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        Ok(Running { child, port, log: self.log.clone(), log_from, started: Instant::now() })
    }

    fn settings(&self, port: u16, shards: Option<u64>) -> Result<String> {
        // Mosquitto as root becomes another user, to whom the folder does not belong.
        let user = if fs::metadata("/proc/self")?.uid() == 0 { "user root\n" } else { "" };
        let shards = shards.map(|shards| format!("shards {shards}\n")).unwrap_or_default();
        Ok(format!(
            "{shards}listener {port} 127.0.0.1\nallow_anonymous true\n{user}persistence true\n\
             persistence_location {}/\nmax_queued_messages 0\nmax_inflight_messages 100\n\
             log_dest stdout\nlog_type error\nlog_type warning\nlog_type information\n",
            self.state.display()
        ))
    }
}

impl Running {
    /// Waits until it serves clients, or ends.
    pub(crate) fn ready(&mut self) -> Result<Start> {
        let hello = Hello { version: Version::V311, client: "starter", kept: false, will: None };
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Start::Ended(format!("{status}: {}", self.said().trim_end())));
            }
            if Wire::open(self.port, &hello).is_ok() {
                return Ok(Start::Ready(self.started.elapsed()));
            }
            if self.started.elapsed() > START_WITHIN {
                bail!("the broker did not serve anybody within {START_WITHIN:?}: {}", self.said());
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Kills it (SIGKILL). An error if it was dead already, with what it said.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the broker has died by itself ({status}): {}", self.said());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What it said in this life.
    pub(crate) fn said(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.log_from))?;
            log.read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("(its log cannot be read: {error})"),
        }
    }

    /// Waits until it says `words`; false if it does not within `patience`.
    pub(crate) fn says(&self, words: &str, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if self.said().contains(words) {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
