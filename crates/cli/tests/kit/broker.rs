//! A broker process in a temporary directory: configured, started, observed, stopped, and its end checked.
//!
//! Before it: a [`Conf`]. After it: [`super::client`] connects. Dropping a [`Broker`] sends SIGTERM and
//! requires exit code 0, so every test also tests the clean stop.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use super::patience::{SECOND, poll};
use super::process;

/// Texts that no log may ever contain.
const CRASH_MARKS: [&str; 4] = ["panicked at", "stack backtrace", "AddressSanitizer", "fatal runtime error"];

/// Whether the broker under test is ours (and not the one named by `PONDHAWK_BROKER`).
pub fn ours() -> bool {
    std::env::var_os("PONDHAWK_BROKER").is_none()
}

/// A configuration under construction. `{port}`, `{port2}`, `{port3}` and `{dir}` are filled in at start.
#[derive(Clone, Debug, Default)]
pub struct Conf {
    lines: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    shards: Option<usize>,
    arguments: Vec<String>,
    descriptors: Option<usize>,
    program: Option<PathBuf>,
    within: Option<&'static str>,
    small_disk: Option<(PathBuf, usize)>,
    unread: bool,
    data_bytes: Option<u64>,
    file_bytes: Option<u64>,
    failing_sync: Option<usize>,
    keeper: Option<u32>,
}

impl Conf {
    /// No lines at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// One open listener on loopback.
    pub fn open() -> Self {
        Self::empty().line("user root").line("listener {port} 127.0.0.1").line("allow_anonymous true")
    }

    /// One listener on loopback for `alice`, `bob` and `eve` (password `secret`), nobody else.
    pub fn accounts() -> Self {
        Self::empty()
            .line("user root")
            .line("listener {port} 127.0.0.1")
            .line("allow_anonymous false")
            .line("password_file {dir}/passwd")
            .file("passwd", super::accounts::password_file(&["alice", "bob", "eve"]))
    }

    /// Adds a line.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Adds a line that only our broker knows.
    pub fn own_line(self, line: &str) -> Self {
        if ours() { self.line(line) } else { self }
    }

    /// Adds a file beside the configuration, reached as `{dir}/NAME`.
    pub fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((name.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// Adds `acl_file` and its content.
    pub fn acl(self, rules: &str) -> Self {
        self.line("acl_file {dir}/acl").file("acl", rules)
    }

    /// The number of shards (ours only).
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = ours().then_some(shards);
        self
    }

    /// A command-line argument behind `-c FILE`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Runs the broker with a limit on open files.
    pub fn descriptors(mut self, limit: usize) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// Runs the broker with a file system of so many megabytes in this folder, which only it can see.
    pub fn small_disk(mut self, folder: &Path, megabytes: usize) -> Self {
        self.small_disk = Some((folder.to_owned(), megabytes));
        self
    }

    /// Leaves what the broker prints in its pipe.
    pub fn log_unread(mut self) -> Self {
        self.unread = true;
        self
    }

    /// Runs the broker with a limit on its memory that the kernel holds: an allocation beyond it fails.
    pub fn data_bytes(mut self, limit: u64) -> Self {
        self.data_bytes = Some(limit);
        self
    }

    /// Runs the broker with a limit on the length of its files: a write beyond it fails.
    pub fn file_bytes(mut self, limit: u64) -> Self {
        self.file_bytes = Some(limit);
        self
    }

    /// Runs the broker so that this sync of a thread fails, counted from 1; the ones before and behind it do not.
    pub fn failing_sync(mut self, number: usize) -> Self {
        self.failing_sync = Some(number);
        self
    }

    /// Runs the broker where this process sees what it has mounted.
    pub fn beside(mut self, keeper: u32) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// Runs the test of this name of this very program in place of the broker: it finds the broker's arguments
    /// behind `--`, and may plug something in that the binary lacks.
    pub fn within(mut self, test: &'static str) -> Self {
        self.within = Some(test);
        self
    }

    /// Runs another broker than the one under test.
    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// Starts the broker and waits until it answers on its ports.
    pub fn start(self) -> Broker {
        for _ in 0..20 {
            match Broker::attempt(&self) {
                Attempt::Runs(broker) => return *broker,
                Attempt::Ended(log) if log.contains("in use") => {}
                Attempt::Ended(log) => {
                    panic!("the broker ended at its start:\n{log}\nconf:\n{}", self.text(str::to_owned))
                }
            }
        }
        panic!("no free port in twenty attempts");
    }

    /// Starts the broker, or gives nothing if it ends at once by its own decision.
    pub fn start_unless_it_ends(self) -> Option<Broker> {
        for _ in 0..20 {
            match Broker::attempt(&self) {
                // It listens before it has read everything.
                Attempt::Runs(mut broker) => {
                    let running =
                        poll(10 * SECOND, || match (broker.alive(), broker.log().contains(" running")) {
                            (false, _) => Some(false),
                            (true, running) => running.then_some(true),
                        });
                    broker.stopped = running != Some(true);
                    return (!broker.stopped).then_some(*broker);
                }
                Attempt::Ended(log) if log.contains("in use") => {}
                Attempt::Ended(_) => return None,
            }
        }
        panic!("no free port in twenty attempts");
    }

    /// Runs a broker that is expected to end by itself.
    pub fn run_to_end(self) -> Finished {
        let mut running = Running::spawn(&self, &free_ports());
        let status = running.wait(20 * SECOND).unwrap_or_else(|| {
            let _ = running.child.kill();
            panic!("the broker did not end by itself; log:\n{}", running.log_text())
        });
        Finished { code: status.code(), log: running.log_text(), _dir: running.dir }
    }

    fn text(&self, fill: impl Fn(&str) -> String) -> String {
        let shards = self.shards.map(|shards| format!("shards {shards}"));
        let lines: Vec<String> = shards.iter().chain(&self.lines).map(|line| fill(line)).collect();
        lines.join("\n") + "\n"
    }
}

/// Three ports that were free a moment ago.
fn free_ports() -> [u16; 3] {
    let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback has free ports"));
    sockets.map(|socket| socket.local_addr().expect("a bound socket has an address").port())
}

/// What a broker left behind that ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Exit code, or nothing after a signal.
    pub code: Option<i32>,
    /// Everything it printed.
    pub log: String,
    _dir: TempDir,
}

/// A started process and its collected output.
#[derive(Debug)]
struct Running {
    child: Child,
    dir: TempDir,
    log: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    fn spawn(conf: &Conf, ports: &[u16; 3]) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let place = dir.path().to_str().expect("a UTF-8 path").to_owned();
        let fill = |text: &str| {
            text.replace("{dir}", &place)
                .replace("{port}", &ports[0].to_string())
                .replace("{port2}", &ports[1].to_string())
                .replace("{port3}", &ports[2].to_string())
        };
        for (name, content) in &conf.files {
            let content = match std::str::from_utf8(content) {
                Ok(text) => fill(text).into_bytes(),
                Err(_) => content.clone(),
            };
            write(&dir.path().join(name), content);
        }
        let file = dir.path().join("mosquitto.conf");
        write(&file, conf.text(fill));
        let mut command = command(conf);
        command.arg("-c").arg(&file).args(conf.arguments.iter().map(|argument| fill(argument)));
        // What no configuration says must not come from the machine either.
        command.env("XDG_STATE_HOME", dir.path());
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the broker binary runs");
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut readers = Vec::new();
        if !conf.unread {
            readers.push(collect(child.stdout.take().expect("piped"), Arc::clone(&log)));
            readers.push(collect(child.stderr.take().expect("piped"), Arc::clone(&log)));
        }
        Self { child, dir, log, readers }
    }

    /// Waits for the end and for the last of the output.
    fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let status = poll(deadline, || self.child.try_wait().expect("our own child"))?;
        for reader in self.readers.drain(..) {
            reader.join().expect("the reader does not panic");
        }
        Some(status)
    }

    fn log_text(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }
}

/// The broker's command, with limits of the kernel's if any are wanted.
fn command(conf: &Conf) -> Command {
    if let Some(test) = conf.within {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.args(["--exact", test, "--nocapture", "--"]);
        return command;
    }
    let foreign = conf.program.clone().or_else(|| std::env::var_os("PONDHAWK_BROKER").map(PathBuf::from));
    let program = foreign.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_pondhawk")));
    if let Some((folder, megabytes)) = &conf.small_disk {
        let mount = format!("mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &mount]).arg(folder).arg(program).arg("broker");
        return command;
    }
    if let Some(number) = conf.failing_sync {
        // With -D the broker is our child, and strace its own.
        let inject = format!("inject=fdatasync,fsync:error=EIO:when={number}");
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", &inject]);
        command.arg(program).arg("broker");
        return command;
    }
    if let Some(keeper) = conf.keeper {
        let mut command = Command::new("nsenter");
        command.args(["-t", &keeper.to_string(), "-U", "-m", "--preserve-credentials"]);
        command.arg(program).arg("broker");
        return command;
    }
    if let Some(limit) = conf.file_bytes {
        // Otherwise the signal of a write beyond the limit ends the process.
        let ignoring = format!("trap '' XFSZ; exec prlimit --fsize={limit} \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &ignoring]).arg(program).arg("broker");
        return command;
    }
    let limits = [
        conf.descriptors.map(|limit| format!("--nofile={limit}")),
        conf.data_bytes.map(|limit| format!("--data={limit}")),
    ];
    if limits.iter().any(Option::is_some) {
        let mut command = Command::new("prlimit");
        command.args(limits.iter().flatten()).arg(program);
        if foreign.is_none() {
            command.arg("broker");
        }
        return command;
    }
    let mut command = Command::new(program);
    command.arg0("mosquitto");
    command
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("the temporary directory is writable");
}

/// Gathers a stream into the log on a thread of its own.
fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            into.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
    })
}

/// Whether a broker serves a port: it hangs up on a packet that is none, which it does only when everything is
/// loaded. Who says nothing for a second is taken at his word: an HTTP server waits for more.
fn serves(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let asked = stream.set_read_timeout(Some(SECOND)).is_ok() && stream.write_all(&[0, 0]).is_ok();
    asked && !matches!(stream.read(&mut [0; 64]), Err(error) if error.kind() == ErrorKind::Interrupted)
}

/// What became of a start.
enum Attempt {
    Runs(Box<Broker>),
    Ended(String),
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    conf: Conf,
    running: Running,
    ports: [u16; 3],
    stopped: bool,
}

impl Broker {
    /// One attempt to start.
    fn attempt(conf: &Conf) -> Attempt {
        let ports = free_ports();
        let mut running = Running::spawn(conf, &ports);
        let text = conf.text(str::to_owned);
        let used: Vec<u16> = [("{port}", 0), ("{port2}", 1), ("{port3}", 2)]
            .iter()
            .filter(|(name, _)| text.contains(name))
            .map(|&(_, index)| ports[index])
            .collect();
        let ready = poll(20 * SECOND, || {
            let pid = running.child.id();
            let all = used.iter().all(|&port| process::listens(pid, port))
                && used.first().is_none_or(|&port| serves(port));
            let ended = running.child.try_wait().expect("our own child").is_some();
            (all || ended).then_some(!ended)
        });
        match ready {
            Some(true) => {
                Attempt::Runs(Box::new(Self { conf: conf.clone(), running, ports, stopped: false }))
            }
            Some(false) => {
                let _ = running.wait(SECOND);
                Attempt::Ended(running.log_text())
            }
            None => {
                let _ = running.child.kill();
                panic!("the broker does not listen; log:\n{}", running.log_text())
            }
        }
    }

    /// Starts another broker of the same configuration in place of this one, which has been stopped. The ports are new,
    /// and so is the directory: what is kept must be in a folder of the caller's.
    #[track_caller]
    pub fn start_again(&mut self) {
        assert!(self.stopped, "the old one still runs");
        *self = self.conf.clone().start();
    }

    /// Whether sessions and messages are kept over a restart.
    pub fn keeps(&self) -> bool {
        self.conf.lines.iter().any(|line| line == "persistence true")
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.running.child.id()
    }

    /// The first port.
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// The second and third port, by number.
    pub fn port_n(&self, n: usize) -> u16 {
        self.ports[n - 1]
    }

    /// The directory of the configuration.
    pub fn dir(&self) -> &Path {
        self.running.dir.path()
    }

    /// Replaces a file of the configuration's directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write(&self.dir().join(name), content);
    }

    /// Everything printed so far.
    pub fn log(&self) -> String {
        self.running.log_text()
    }

    /// The number of bytes printed so far.
    pub fn log_bytes(&self) -> usize {
        self.running.log.lock().unwrap().len()
    }

    /// Waits until the log contains `text` behind byte `from`.
    #[track_caller]
    pub fn wait_log(&self, from: usize, text: &str) {
        let found = poll(10 * SECOND, || {
            let log = self.running.log.lock().unwrap();
            String::from_utf8_lossy(&log[from.min(log.len())..]).contains(text).then_some(())
        });
        assert!(found.is_some(), "{text:?} never appeared in the log:\n{}", self.log());
    }

    /// Whether the process still runs.
    pub fn alive(&mut self) -> bool {
        self.running.child.try_wait().expect("our own child").is_none()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        process::resident_bytes(self.pid())
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        process::open_descriptors(self.pid())
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        process::signal(self.pid(), name);
    }

    /// The first mark of a crash in the log.
    pub fn crash_mark(&self) -> Option<&'static str> {
        let log = self.log();
        CRASH_MARKS.into_iter().find(|mark| log.contains(mark))
    }

    /// Stops the broker as an administrator does and gives its exit code.
    #[track_caller]
    pub fn stop(&mut self) -> Option<i32> {
        self.stop_with("TERM")
    }

    /// Stops the broker with a signal and gives its exit code.
    #[track_caller]
    pub fn stop_with(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.wait_end()
    }

    /// Waits for the end of a broker that was told to stop, and gives its exit code.
    #[track_caller]
    pub fn wait_end(&mut self) -> Option<i32> {
        self.stopped = true;
        let status = self.running.wait(15 * SECOND).unwrap_or_else(|| {
            let _ = self.running.child.kill();
            panic!("the broker does not stop; log:\n{}", self.log())
        });
        status.code()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.stopped || std::thread::panicking() {
            if std::thread::panicking() {
                let log = self.log();
                let tail = log.lines().rev().take(15).collect::<Vec<_>>();
                eprintln!("last lines of the broker's log, newest first:\n{}", tail.join("\n"));
            }
            let _ = self.running.child.kill();
            let _ = self.running.child.wait();
            return;
        }
        assert!(self.alive(), "the broker died during the test; log:\n{}", self.log());
        assert_eq!(self.stop(), Some(0), "exit code at SIGTERM; log:\n{}", self.log());
        assert_eq!(self.crash_mark(), None, "a crash in the log:\n{}", self.log());
    }
}
