//! Starting brokers: ours, Mosquitto, others given on the command line, and the do-nothing relay.

use crate::args::Peer;
use crate::error::{BenchError, Tried};
use crate::meter::Meter;
use crate::relay::Relay;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a broker may take until it listens.
const START_WITHIN: Duration = Duration::from_secs(10);
/// The same where it has much to read, and to end where it has much to write.
const STORE_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks whether a broker listens: it has no other way to tell us.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A broker that can be started again and again.
#[derive(Clone, Debug)]
pub(crate) enum Contender {
    /// Pondhawk under Mosquitto's name.
    Ours(PathBuf),
    /// Mosquitto.
    Mosquitto(PathBuf),
    /// A broker of the command line.
    Other(Peer),
    /// The relay, on a thread of this process.
    Relay,
}

impl Contender {
    /// What the report calls it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Contender::Ours(_) => "pondhawk",
            Contender::Mosquitto(_) => "mosquitto",
            Contender::Other(peer) => &peer.name,
            Contender::Relay => "limit",
        }
    }

    /// Checks that the program is there.
    ///
    /// # Errors
    /// [`BenchError::NoProgram`] with what to do.
    pub(crate) fn check(&self) -> Result<(), BenchError> {
        let (path, remedy) = match self {
            Contender::Ours(path) => (path, "build it with 'cargo build --release' or name it with --ours"),
            Contender::Mosquitto(path) => {
                (path, "install it with 'apt-get install mosquitto' or name it with --mosquitto")
            }
            Contender::Other(_) | Contender::Relay => return Ok(()),
        };
        if path.is_file() { Ok(()) } else { Err(BenchError::NoProgram(path.clone(), remedy)) }
    }

    /// Starts it on a free port of 127.0.0.1, with nothing stored, and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(&self) -> Result<Running, BenchError> {
        match self {
            Contender::Relay => Relay::start().map(Running::Relay),
            _ => self.start_at(&Arc::new(Site::without_store()?)).map(Running::Process),
        }
    }

    /// Starts it on a free port of 127.0.0.1 with what is stored at the site, and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start_at(&self, site: &Arc<Site>) -> Result<Process, BenchError> {
        match self {
            Contender::Relay => Err(BenchError::Usage("the relay stores nothing".to_owned())),
            Contender::Ours(path) => {
                let mut command = Command::new(path);
                command.arg0("mosquitto");
                self.spawn(site, command, &["-c", "{config}"])
            }
            Contender::Mosquitto(path) => self.spawn(site, Command::new(path), &["-c", "{config}"]),
            Contender::Other(peer) => {
                let words: Vec<&str> = peer.command.iter().map(String::as_str).collect();
                self.spawn(site, Command::new(words[0]), &words[1..])
            }
        }
    }

    /// True if what it has acknowledged is there after it was killed, as far as we know.
    pub(crate) fn outlives_a_kill(&self) -> bool {
        matches!(self, Contender::Ours(_))
    }

    /// Runs `command` with `args`, their placeholders filled in.
    fn spawn(&self, site: &Arc<Site>, mut command: Command, args: &[&str]) -> Result<Process, BenchError> {
        let addr = free_port()?;
        let config = site.folder.path().join("bench.conf");
        fs::write(&config, site.settings(addr.port())).tried(|| format!("writing {}", config.display()))?;
        let output = site.folder.path().join("output");
        let file = File::create(&output).tried(|| format!("writing {}", output.display()))?;
        let errors = file.try_clone().tried(|| "copying a descriptor".to_owned())?;
        for arg in args {
            let arg = arg.replace("{port}", &addr.port().to_string());
            command.arg(arg.replace("{config}", &config.to_string_lossy()));
        }
        command.env("XDG_STATE_HOME", site.folder.path());
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let child =
            command.spawn().tried(|| format!("starting {}", command.get_program().to_string_lossy()))?;
        let mut process = Process { child, addr, site: site.clone() };
        process.wait_until_it_listens(self.name(), &output)?;
        Ok(process)
    }
}

/// Where a broker has its configuration and, if it stores something, its store.
#[derive(Debug)]
pub(crate) struct Site {
    folder: TempDir,
    has_store: bool,
    /// How long a broker may take to start and to end there.
    patience: Duration,
}

impl Site {
    fn without_store() -> Result<Self, BenchError> {
        let folder = TempDir::with_prefix("pondhawk-bench-").tried(|| "making a folder".to_owned())?;
        Ok(Site { folder, has_store: false, patience: START_WITHIN })
    }

    /// A new one with an empty store, in a folder of `within`, which should be on a disk.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn with_store(within: &Path) -> Result<Self, BenchError> {
        let what = || format!("making a folder in {}", within.display());
        fs::create_dir_all(within).tried(what)?;
        let folder = TempDir::with_prefix_in("durable-", within).tried(what)?;
        let site = Site { folder, has_store: true, patience: STORE_WITHIN };
        fs::create_dir(site.store()).tried(what)?;
        Ok(site)
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the store.
    fn store(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Bytes of the files of the store.
    ///
    /// # Errors
    /// They cannot be looked at.
    pub(crate) fn store_bytes(&self) -> Result<u64, BenchError> {
        bytes_below(&self.store()).tried(|| format!("looking into {}", self.store().display()))
    }

    /// The settings that all brokers run with: no limits, no log, nothing stored unless that is measured.
    fn settings(&self, port: u16) -> String {
        let persistence = if self.has_store {
            format!("persistence true\npersistence_location {}/\n", self.store().display())
        } else {
            "persistence false\n".to_owned()
        };
        // Otherwise mosquitto becomes another user, who may not write here.
        let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
        format!(
            "listener {port} 127.0.0.1\n\
             allow_anonymous true\n\
             {persistence}{user}\
             set_tcp_nodelay true\n\
             max_inflight_messages 0\n\
             max_queued_messages 0\n\
             log_dest none\n"
        )
    }
}

fn bytes_below(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { bytes_below(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

fn free_port() -> Result<SocketAddr, BenchError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .tried(|| "looking for a free port".to_owned())
}

/// A broker that runs; it ends when this is dropped.
pub(crate) enum Running {
    /// In a process of its own.
    Process(Process),
    /// On a thread.
    Relay(Relay),
}

impl Running {
    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        match self {
            Running::Process(process) => process.addr(),
            Running::Relay(relay) => relay.addr(),
        }
    }

    /// Its meter.
    pub(crate) fn meter(&self) -> Meter {
        match self {
            Running::Process(process) => process.meter(),
            Running::Relay(relay) => relay.meter(),
        }
    }

    /// True if its memory can be told from the load generator's.
    pub(crate) fn has_memory_of_its_own(&self) -> bool {
        matches!(self, Running::Process(_))
    }
}

/// A broker's process.
pub(crate) struct Process {
    child: Child,
    addr: SocketAddr,
    /// Kept as long as the process runs.
    site: Arc<Site>,
}

impl Process {
    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its meter.
    pub(crate) fn meter(&self) -> Meter {
        Meter::Process(self.child.id())
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not in time.
    pub(crate) fn stop(mut self) -> Result<(), BenchError> {
        let what = || "ending the broker".to_owned();
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).map_err(Into::into).tried(what)?;
        let start = Instant::now();
        while self.child.try_wait().tried(what)?.is_none() {
            if start.elapsed() > self.site.patience {
                return Err(BenchError::Broker("it does not end".to_owned()));
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        Ok(())
    }

    fn wait_until_it_listens(&mut self, name: &str, output: &Path) -> Result<(), BenchError> {
        let start = Instant::now();
        loop {
            if TcpStream::connect_timeout(&self.addr, self.site.patience).is_ok() {
                return Ok(());
            }
            let ended = self.child.try_wait().tried(|| format!("looking after {name}"))?;
            if ended.is_some() || start.elapsed() > self.site.patience {
                return Err(BenchError::NotListening {
                    name: name.to_owned(),
                    within: start.elapsed(),
                    said: fs::read_to_string(output).unwrap_or_default(),
                });
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It holds nothing that is worth an orderly end, and both calls fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_is_reported_with_what_it_said() {
        let peer = Peer {
            name: "cat".to_owned(),
            command: vec!["cat".to_owned(), "/nonexistent/{port}".to_owned()],
        };
        let Err(error) = Contender::Other(peer).start() else {
            panic!("cat is no broker");
        };
        let text = error.to_string();
        assert!(text.contains("cat did not start listening"), "{text}");
        assert!(text.contains("/nonexistent/"), "{text}");
    }

    #[test]
    fn a_missing_program_names_the_remedy() {
        let error = Contender::Ours(PathBuf::from("/nonexistent/pondhawk")).check().expect_err("not there");
        assert!(error.to_string().contains("cargo build --release"), "{error}");
    }
}
