//! Which programs of other people are on this machine.
//!
//! `cargo xtask test` installs them and names them in the environment (`xtask/src/environment.rs`); then all of them
//! must be there. Started by hand, a test falls back on the name of the program and says so when it finds none.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::runner;

/// Gives the program that a variable names, or that is on the path; says what is missing otherwise.
#[track_caller]
pub fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from).or_else(|| on_path(name));
    found.or_else(|| skip(&format!("{name} is not installed and {variable} is not set")))
}

/// Says why a test is left out. With `PONDHAWK_E2E=1` nothing may be missing, so that is a failure.
#[track_caller]
pub fn skip<T>(reason: &str) -> Option<T> {
    let promised = std::env::var("PONDHAWK_E2E").is_ok_and(|value| value == "1");
    assert!(!promised, "PONDHAWK_E2E is 1, but {reason}");
    eprintln!("skipped: {reason}");
    None
}

fn on_path(name: &str) -> Option<PathBuf> {
    // Debian keeps the broker where a user's path does not look.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A Python with a version of paho-mqtt, by the variable that names it and how the version begins.
#[track_caller]
fn paho(variable: &str, version: &str) -> Option<PathBuf> {
    let python = program(variable, "python3")?;
    let probe = "import importlib.metadata as m; print(m.version('paho-mqtt'))";
    let output = runner::run(Command::new(&python).args(["-c", probe]));
    if output.code == Some(0) && output.stdout.starts_with(version) {
        return Some(python);
    }
    skip(&format!("{} has no paho-mqtt {version}; set {variable}", python.display()))
}

/// A Python with paho-mqtt 1.6.
#[track_caller]
pub fn paho1() -> Option<PathBuf> {
    paho("PONDHAWK_PAHO1", "1.6")
}

/// A Python with paho-mqtt 2.
#[track_caller]
pub fn paho2() -> Option<PathBuf> {
    paho("PONDHAWK_PAHO2", "2.")
}

/// A command that runs a script of ours with MQTT.js.
#[track_caller]
pub fn mqttjs(script: &str) -> Option<Command> {
    let node = program("PONDHAWK_NODE", "node")?;
    let Some(folder) = std::env::var_os("PONDHAWK_MQTTJS").map(PathBuf::from) else {
        return skip("PONDHAWK_MQTTJS is not set: it names the folder of MQTT.js");
    };
    let mut command = Command::new(node);
    command.arg(self::script(script)).env("NODE_PATH", folder.join("node_modules"));
    Some(command)
}

/// The path of a script beside this file.
pub fn script(name: &str) -> PathBuf {
    folder().join("scripts").join(name)
}

/// The folder of this file.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}
