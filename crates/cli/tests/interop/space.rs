//! A private corner of this machine, where the notes' host names, port and paths mean what the notes say.
//!
//! Network and mounts are separate (`unshare -m -n`). Loopback is empty, so port 1883 is free; the machine has a second
//! address, [`OUTSIDE`]; the host names of the notes resolve to loopback; `/etc/mosquitto`, `/run` and
//! `/var/log/mosquitto` are folders of the test. A keeper process holds the corner open and every program enters it
//! (`nsenter`). It needs root, or a kernel that lets every user have namespaces; where neither is so, the test says why
//! it is left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::kit::{SECOND, poll};
use crate::runner::{self, Output, Task};
use crate::toolbox::Toolbox;

/// Prepares the corner and holds it until its input ends. The argument is the test's folder.
const KEEPER: &str = r#"
set -e
ip link set lo up || ifconfig lo up
ip address add 192.0.2.7/32 dev lo || ifconfig lo:1 192.0.2.7 up
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/etc" /etc/mosquitto
mount -t tmpfs tmpfs /run
mkdir -m 777 /run/mosquitto /run/state
mount --bind "$1/log" /var/log/mosquitto
mount --bind "$1/lib" /var/lib/mosquitto
echo ready
exec cat
"#;

/// Names that the notes use.
const HOSTS: &str =
    "127.0.0.1 localhost test.mosquitto.org broker.hivemq.com iot.eclipse.org broker_ip\n::1 localhost\n";

/// An address of the machine that other machines would use.
pub const OUTSIDE: &str = "192.0.2.7";

/// Where a broker without a configuration keeps its store.
pub const STATE: &str = "/run/state";

/// The corner.
#[derive(Debug)]
pub struct Space {
    keeper: Task,
    folder: TempDir,
    flags: &'static [&'static str],
}

impl Space {
    /// Opens a corner; nothing where this is not permitted.
    #[track_caller]
    pub fn open() -> Option<Self> {
        // With rights first. Without, a user namespace of one's own gives them to the keeper; the programs then run
        // as the user who runs the tests, because a root of one's own could not become another user.
        let ways: [(&[&str], &[&str]); 2] = [
            (&["-m", "-n"], &["-m", "-n"]),
            (
                &["--map-current-user", "--keep-caps", "-m", "-n"],
                &["-U", "-m", "-n", "--preserve-credentials"],
            ),
        ];
        let permitted = |flags: &[&str]| runner::run(Command::new("unshare").args(flags).arg("true"));
        let Some((unshare, flags)) = ways.into_iter().find(|way| permitted(way.0).code == Some(0)) else {
            return not_permitted(&permitted(ways[1].0).stderr);
        };
        let folder = TempDir::new().expect("a temporary directory");
        for name in ["etc", "etc/conf.d", "lib", "log"] {
            make_folder(&folder.path().join(name));
        }
        std::fs::write(folder.path().join("hosts"), HOSTS).expect("a writable folder");
        let mut command = Command::new("unshare");
        command.args(unshare).args(["sh", "-c", KEEPER, "keeper"]).arg(folder.path());
        let mut keeper = Task::start(&mut command);
        keeper.wait_stdout("ready");
        Some(Self { keeper, folder, flags })
    }

    /// What the programs see as `/etc/mosquitto`.
    pub fn etc(&self) -> PathBuf {
        self.folder.path().join("etc")
    }

    /// What the programs see as `/var/log/mosquitto`.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A command line for the shell, as someone would type it, with a toolbox's programs first on the path.
    pub fn line(&self, tools: &Toolbox, line: &str) -> Command {
        let mut command = self.enter();
        // `exec` because the shell must not stand between a signal and the program.
        command.args(["sh", "-c", &format!("exec {line}")]);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}:/usr/sbin", tools.folder().display()))
            .env("HOME", tools.folder())
            .env("XDG_STATE_HOME", STATE)
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    /// Runs such a command line to its end.
    #[track_caller]
    pub fn run(&self, tools: &Toolbox, line: &str) -> Output {
        runner::run(&mut self.line(tools, line))
    }

    /// Starts such a command line.
    #[track_caller]
    pub fn start(&self, tools: &Toolbox, line: &str) -> Task {
        Task::start(&mut self.line(tools, line))
    }

    /// A program of this machine, inside.
    pub fn program(&self, program: &Path) -> Command {
        let mut command = self.enter();
        command.arg(program);
        command
    }

    /// Starts a broker with a command line and waits until it listens on a port.
    #[track_caller]
    pub fn broker(&self, tools: &Toolbox, line: &str, port: u16) -> SpaceBroker {
        let mut task = self.start(tools, line);
        let listens = poll(20 * SECOND, || {
            let ended = !task.runs();
            let open = self.listens(port);
            (open || ended).then_some(open)
        });
        assert_eq!(
            listens,
            Some(true),
            "{line} does not listen on {port}:\n{}{}",
            task.stdout(),
            task.stderr()
        );
        SpaceBroker { task: Some(task) }
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.keeper.pid().to_string()]).args(self.flags).arg("--");
        command
    }

    /// Whether something listens on a port inside, as the kernel lists it.
    fn listens(&self, port: u16) -> bool {
        const LISTEN: &str = "0A";
        ["tcp", "tcp6"].iter().any(|table| {
            let path = format!("/proc/{}/net/{table}", self.keeper.pid());
            let rows = std::fs::read_to_string(path).unwrap_or_default();
            rows.lines().any(|row| {
                let fields: Vec<&str> = row.split_whitespace().collect();
                fields.get(1).is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
                    && fields.get(3) == Some(&LISTEN)
            })
        })
    }
}

fn not_permitted(error: &str) -> Option<Space> {
    // Not a missing program but a rule of the machine: containers often forbid it, even with everything installed.
    eprintln!("skipped: neither root nor namespaces for users here: {error}");
    None
}

fn make_folder(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir(path).expect("a writable folder");
    // A broker that started as root gives its rights up before it opens its log.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("our own folder");
}

/// A broker in a corner. Dropping it requires a clean stop.
#[derive(Debug)]
pub struct SpaceBroker {
    task: Option<Task>,
}

impl SpaceBroker {
    /// Process id.
    pub fn pid(&self) -> u32 {
        self.task().pid()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        self.task().signal(name);
    }

    /// Ends it without a chance to do anything.
    pub fn kill(mut self) {
        let task = self.task.take().expect("taken only when dropped");
        assert_eq!(task.stop("KILL").code, None);
    }

    /// Waits until it has printed a text.
    #[track_caller]
    pub fn wait_said(&self, wanted: &str) {
        let said = || format!("{}{}", self.task().stdout(), self.task().stderr());
        let seen = poll(20 * SECOND, || said().contains(wanted).then_some(()));
        assert!(seen.is_some(), "{wanted:?} was never printed:\n{}", said());
    }

    fn task(&self) -> &Task {
        self.task.as_ref().expect("taken only when dropped")
    }
}

impl Drop for SpaceBroker {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        if std::thread::panicking() {
            eprintln!("the broker said:\n{}{}", task.stdout(), task.stderr());
            return;
        }
        let output = task.stop("TERM");
        assert_eq!(output.code, Some(0), "exit code at SIGTERM: {output:?}");
        assert!(!output.stderr.contains("panicked at"), "{}", output.stderr);
    }
}
