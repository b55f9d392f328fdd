//! `pondhawk conform` against our own daemon: every vector goes as we chose, and leaves nothing behind.

use crate::kit::*;
use std::process::{Command, Output};

on_shards!(every_vector_passes);

fn every_vector_passes(shards: usize) {
    if !broker::ours() {
        return;
    }
    let broker = Conf::open().line("sys_interval 1").shards(shards).start();
    let mut sys = Sys::watch(&broker);
    sys.settle();
    let before = COUNTS.map(|topic| sys.number(topic));
    let output = conform(&format!("127.0.0.1:{}", broker.port()), &["--strict"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("\nNone of 3"), "three thousand were judged: {text}");
    let clean = sys.until(10 * SECOND, |sys| COUNTS.map(|topic| sys.number(topic)) == before);
    assert!(clean, "{COUNTS:?} were {before:?} and are {:?}", COUNTS.map(|topic| sys.number(topic)));
}

/// What a vector could leave behind: sessions, subscriptions, retained messages.
const COUNTS: [&str; 3] = ["clients/total", "subscriptions/count", "retained messages/count"];

#[test]
fn a_broker_that_asks_for_a_login() {
    if !broker::ours() {
        return;
    }
    let broker = Conf::accounts().start();
    let target = format!("127.0.0.1:{}", broker.port());
    let refused = conform(&target, &["--only", "publish"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("it lets nobody in"), "{refused:?}");
    let let_in = conform(&target, &["-u", "alice", "-P", "secret", "--strict", "--only", "publish"]);
    assert_eq!(let_in.status.code(), Some(0), "{}", String::from_utf8_lossy(&let_in.stdout));
}

#[test]
fn a_broker_that_offers_less_is_not_blamed_for_it() {
    if !broker::ours() {
        return;
    }
    let broker = Conf::open().line("retain_available false").line("accept_protocol_versions 4,5").start();
    let output = conform(&format!("127.0.0.1:{}", broker.port()), &["--only", "retained"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("it says Retain Available 0") && text.contains("it does not take MQTT 3.1"),
        "{text}"
    );
}

#[test]
fn nobody_there() {
    let output = conform("127.0.0.1:1", &[]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.starts_with("Error: 127.0.0.1:1: ") && !told.contains("panicked"), "{told}");
}

#[test]
fn the_list_needs_no_broker() {
    let output = Command::new(env!("CARGO_BIN_EXE_pondhawk"))
        .args(["conform", "--list", "--only", "wills"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() > 50 && text.lines().all(|line| line.starts_with("wills / ")), "{text}");
}

fn conform(target: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pondhawk"));
    command.arg("conform").arg(target).args(arguments);
    command.output().expect("the binary runs")
}
