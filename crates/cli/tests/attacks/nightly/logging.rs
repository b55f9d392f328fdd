//! F15: what an attacker may write to the log; I07: a log that cannot be written.

use std::process::Command;

use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// The longest line that may come of one packet.
const LINE_MAX: usize = 1024;

// F15, G: every place that is logged, with everything logged. V6 looks at the characters and the size.
#[test]
fn f15_control_characters_in_every_logged_place() {
    if !broker::ours() {
        return; // Mosquitto 2.0.11 logs whole names.
    }
    let mut broker = target().line("log_type all").start();
    let mut vitals = Vitals::begin(&broker);
    let from = broker.log_bytes();
    let long = "x".repeat(1_000);
    let hostile =
        ["a\rb", "a\nForged line", "a\x1b[2Jb", "\u{9b}31m", "a\u{202e}b", "%s%n%x", "\x7f", "a\0b"];
    let mut connections = 0;
    for text in hostile.into_iter().chain([long.as_str(), &"€".repeat(300)]) {
        for version in [V4, V5] {
            let will = Publish::new(version, text, "w");
            let attempts = [
                Connect::new(version, text),
                Connect::new(version, "x").user(text).password(text),
                Connect::new(version, "x").will(will),
            ];
            for attempt in attempts {
                connections += 1;
                let mut client = Client::raw(&broker, version);
                client.send(attempt.bytes());
                if client.frame_within(5 * SECOND).is_some() {
                    client.disconnect_or_lose();
                }
            }
            for bytes in [
                Publish::new(version, text, text).qos(1, 1).bytes(),
                Publish::new(version, format!("{text}/{}", "y".repeat(50_000)), "m").bytes(),
                Subscribe::new(version, 1, text, 1).bytes(),
                packet::unsubscribe(version, 2, &[text]),
            ] {
                connections += 1;
                let mut client = Client::clean(&broker, version, "attacker");
                client.send(bytes);
                client.disconnect_or_lose();
            }
        }
    }
    vitals.during("F15", &mut broker);
    let log = broker.log();
    let longest = log[from..].lines().max_by_key(|line| line.len()).unwrap_or_default();
    println!("F15: the longest line has {} bytes", longest.len());
    assert!(longest.len() <= LINE_MAX, "{} bytes: {longest}", longest.len());
    assert!(!log.lines().any(|line| line.starts_with("Forged")), "a line of the attacker's own");
    vitals.finish("F15 (control characters in the log)", &mut broker, Limits::of_connections(connections));
}

/// Connects, publishes and receives again and again: with `log_type all` each packet is a line or two.
fn chatter(broker: &Broker, rounds: usize) {
    let mut client = Client::clean(broker, V5, "chatter");
    client.subscribe("chat/#", 1);
    for round in 0..rounds {
        client.publish(&format!("chat/{round}"), "m", 1);
        client.receive(&format!("chat/{round}"), "m");
    }
    client.disconnect();
}

// I07, G: a log that takes nothing, or is gone, holds up no message. The full disk is /dev/full.
#[test]
fn i07_a_log_that_cannot_be_written() {
    let mut broker = target().line("log_type all").line("log_dest file {dir}/broker.log").start();
    let mut vitals = Vitals::begin(&broker);
    std::fs::remove_file(broker.dir().join("broker.log")).expect("the broker has made it");
    chatter(&broker, 500);
    vitals.during("I07, removed", &mut broker);
    broker.signal("HUP");
    chatter(&broker, 500);
    vitals.finish("I07 (a log that was removed)", &mut broker, Limits::of_connections(2));

    if broker::ours() {
        let mut broker = target().line("log_type all").line("log_dest file /dev/full").start();
        let mut vitals = Vitals::begin(&broker);
        chatter(&broker, 500);
        vitals.during("I07, full", &mut broker);
        vitals.finish("I07 (a full disk)", &mut broker, Limits::of_connections(1));
    }
}

// I07, G: the same for a pipe that nobody reads. Scale: 2 000 packets, several times what a pipe holds.
#[test]
fn i07_a_pipe_that_nobody_reads() {
    if !broker::ours() {
        return; // Mosquitto waits for its reader.
    }
    let mut broker = target().line("log_type all").line("log_dest stdout").log_unread().start();
    let vitals = Vitals::begin(&broker);
    chatter(&broker, 2_000);
    vitals.finish("I07 (a pipe that nobody reads)", &mut broker, Limits::of_connections(1));
}

// I07: a named pipe in place of the file must not hang the start.
#[test]
fn i07_a_named_pipe_for_a_file() {
    if !broker::ours() {
        return; // Mosquitto waits for a reader.
    }
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("coreutils").success());
    let conf = target().line(&format!("log_dest file {}", pipe.display()));
    if let Some(mut broker) = conf.start_unless_it_ends() {
        let vitals = Vitals::begin(&broker);
        chatter(&broker, 100);
        vitals.finish("I07 (a named pipe)", &mut broker, Limits::of_connections(1));
    }
}
