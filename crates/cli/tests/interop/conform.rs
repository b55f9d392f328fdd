//! `pondhawk conform` against Debian's broker: it differs where `docs/conformance-mosquitto.md` says, and nowhere else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::foreign::program;
use crate::kit::Conf;

/// Verdict, section, family and version of every difference, with how many vectors of the family differ.
const RECORDED: &str = include_str!("conform/mosquitto-2.0.11.txt");

#[test]
fn foreign_mosquitto_differs_where_it_is_known_to() {
    let Some(mosquitto) = program("PONDHAWK_MOSQUITTO", "mosquitto") else { return };
    if !is_the_recorded_version(&mosquitto) {
        return crate::foreign::skip::<()>("this is not Mosquitto 2.0.11, whose differences are recorded")
            .unwrap_or(());
    }
    let broker = Conf::open().program(mosquitto).start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pondhawk"));
    command.arg("conform").arg(format!("127.0.0.1:{}", broker.port())).arg("--json");
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    let found = differences(&report);
    let missing: Vec<&str> =
        RECORDED.lines().filter(|line| !found.lines().any(|other| other == *line)).collect();
    let new: Vec<&str> = found.lines().filter(|line| !RECORDED.lines().any(|other| other == *line)).collect();
    assert!(
        missing.is_empty() && new.is_empty(),
        "recorded and not found: {missing:#?}\nfound and not recorded: {new:#?}"
    );
}

fn is_the_recorded_version(mosquitto: &PathBuf) -> bool {
    let output = Command::new(mosquitto).arg("-h").output().expect("it says its version");
    String::from_utf8_lossy(&output.stdout).contains("mosquitto version 2.0.11")
}

/// The report's differences in the form of the record.
fn differences(report: &Value) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in report["vectors"].as_array().expect("a list of vectors") {
        let text = |key: &str| row[key].as_str().expect("a text").to_owned();
        if ["breaks", "choice"].contains(&text("verdict").as_str()) {
            let line = [text("verdict"), text("section"), text("family"), text("version")].join(" / ");
            *counts.entry(line).or_default() += 1;
        }
    }
    counts.into_iter().map(|(line, count)| format!("{line} / {count}\n")).collect()
}
