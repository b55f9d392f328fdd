//! Folders with the five names of Mosquitto, out of our binary or out of Debian's packages.
//!
//! A test takes two toolboxes, one for the broker and one for the tools, and may run the same command line with each
//! combination. Every folder has a `sudo` too, which just runs its arguments: the real one replaces the search path
//! and would find Debian's programs where ours are wanted (and tests that need root have it already).

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::foreign;
use crate::kit::Conf;

/// Whose programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Debian's packages `mosquitto` and `mosquitto-clients`.
    Debian,
    /// This build.
    Ours,
}

/// The names, and the variables that say where Debian's are.
const NAMES: [(&str, &str); 5] = [
    ("mosquitto", "PONDHAWK_MOSQUITTO"),
    ("mosquitto_pub", "PONDHAWK_MOSQUITTO_PUB"),
    ("mosquitto_sub", "PONDHAWK_MOSQUITTO_SUB"),
    ("mosquitto_rr", "PONDHAWK_MOSQUITTO_RR"),
    ("mosquitto_passwd", "PONDHAWK_MOSQUITTO_PASSWD"),
];

/// A folder with the five names.
#[derive(Debug)]
pub struct Toolbox {
    maker: Maker,
    folder: TempDir,
}

impl Toolbox {
    /// Makes the folder; nothing when Debian's programs are wanted and not installed.
    #[track_caller]
    pub fn new(maker: Maker) -> Option<Self> {
        let folder = TempDir::new().expect("a temporary directory");
        for (name, variable) in NAMES {
            let target = match maker {
                Maker::Ours => PathBuf::from(env!("CARGO_BIN_EXE_pondhawk")),
                Maker::Debian => foreign::program(variable, name)?,
            };
            symlink(target, folder.path().join(name)).expect("an empty folder");
        }
        let sudo = folder.path().join("sudo");
        std::fs::write(&sudo, "#!/bin/sh\nexec \"$@\"\n").expect("a writable folder");
        std::fs::set_permissions(&sudo, std::fs::Permissions::from_mode(0o755)).expect("our own file");
        Some(Self { maker, folder })
    }

    /// Ours: always there.
    pub fn ours() -> Self {
        Self::new(Maker::Ours).expect("our own binary was built")
    }

    /// Whose programs these are.
    pub fn maker(&self) -> Maker {
        self.maker
    }

    /// The folder, for a search path.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One of the programs by its name. It finds no option file of the user's.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.path().join(name));
        command.env("HOME", self.folder.path()).env_remove("XDG_CONFIG_HOME");
        command.env("XDG_STATE_HOME", self.folder.path());
        command
    }

    /// A tool with its arguments, for the broker on a port of loopback.
    pub fn tool(&self, name: &str, port: u16, arguments: &[&str]) -> Command {
        let mut command = self.command(name);
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
        command
    }

    /// A configuration for this toolbox's broker. Ours is the kit's, which `PONDHAWK_BROKER` may replace.
    pub fn broker(&self, conf: Conf) -> Conf {
        match self.maker {
            Maker::Ours => conf,
            Maker::Debian => conf.program(self.folder.path().join("mosquitto")),
        }
    }
}
