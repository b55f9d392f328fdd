//! Puts onto this machine what the end-to-end tests need and do not find: Debian packages, Python environments,
//! MQTT.js. Each part first looks, which is quick, and says what it is about to install.

mod apt;
mod node;
mod python;
pub mod tool;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::environment as names;
use crate::{process, workspace};

/// Makes sure that a C++ compiler is there (libFuzzer is written in it).
pub fn cxx_compiler() -> Result<()> {
    apt::ensure(&[apt::Need::program("c++", "g++")])
}

/// Makes sure that system calls can be made to fail.
pub fn strace() -> Result<()> {
    apt::ensure(&[apt::Need::program("strace", "strace")])
}

pub use apt::is_root;

/// The broker that ours is compared with.
pub const BROKER: &str = "mosquitto";

/// Makes sure that the broker to compare with is there.
pub fn broker() -> Result<()> {
    apt::ensure(&[apt::Need::program(BROKER, "mosquitto")])
}

/// Makes sure that all foreign programs are there; returns the environment that tells tests where.
pub fn end_to_end() -> Result<Vec<(&'static str, OsString)>> {
    const ADVICE: &str = "`cargo xtask test --offline` runs the tests that need no foreign program";
    install().context(ADVICE)
}

fn install() -> Result<Vec<(&'static str, OsString)>> {
    apt::ensure(&[
        apt::Need::program(BROKER, "mosquitto"),
        apt::Need::program("mosquitto_pub", "mosquitto-clients"),
        apt::Need::program("tshark", "tshark"),
        apt::Need::program("strace", "strace"),
        apt::Need::program("python3", "python3"),
        apt::Need { package: "python3-venv", met: python::can_make_environments() },
        apt::Need::program("node", "nodejs"),
        apt::Need::program("npm", "npm"),
    ])?;
    let folder = workspace::target_dir().join("e2e");
    let mut variables: Vec<(&'static str, OsString)> = vec![
        (names::E2E, "1".into()),
        (names::PAHO1, python::environment(&folder.join("paho1"), "paho-mqtt==1.6.1")?.into()),
        (names::PAHO2, python::environment(&folder.join("paho2"), "paho-mqtt==2.1.0")?.into()),
        (names::MQTTJS, node::packages(&folder.join("mqttjs"), &["mqtt@5.14.1", "ws@8.18.3"])?.into()),
    ];
    let programs = [
        (names::NODE, "node"),
        (names::TSHARK, "tshark"),
        (names::MOSQUITTO, BROKER),
        (names::MOSQUITTO_PASSWD, "mosquitto_passwd"),
        (names::MOSQUITTO_PUB, "mosquitto_pub"),
        (names::MOSQUITTO_SUB, "mosquitto_sub"),
        (names::MOSQUITTO_RR, "mosquitto_rr"),
    ];
    for (variable, program) in programs {
        variables.push((variable, located(program)?.into()));
    }
    Ok(variables)
}

fn located(program: &str) -> Result<PathBuf> {
    process::find_program(program)
        .with_context(|| format!("`{program}` is missing though its package is installed"))
}
