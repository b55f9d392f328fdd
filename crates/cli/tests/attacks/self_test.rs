//! The tests can fail: every row of data is played against peers that get it wrong.
//!
//! One peer accepts everything, as a broker does whose check was removed; the other hangs up on everything.
//! A row that one of them passes would say nothing about a broker. The vital signs are taken of peers and figures
//! that are not well.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::case::{Case, Outcome, Trial};
use crate::heart::Heart;
use crate::kit::broker::ours;
use crate::kit::client::tcp;
use crate::kit::decode::{body, frame_len};
use crate::kit::packet::{Connect, PINGREQ, PINGRESP, PUBACK, ack};
use crate::kit::*;
use crate::report::Report;
use crate::runner::judge_within;
use crate::vitals::{Limits, check_log, memory_returns, no_stall, nothing_heard};

/// What a wrong peer does with a packet: the answer, or nothing to hang up.
type Manners = fn(packet: &[u8]) -> Option<Vec<u8>>;

/// CONNACK of the version that a CONNECT asks for.
fn welcome(connect: &[u8]) -> Vec<u8> {
    let level = body(connect).get(6).copied();
    if level == Some(5) { vec![0x20, 3, 0, 0, 0] } else { vec![0x20, 2, 0, 0] }
}

/// Welcomes everybody, answers pings, and lets everything pass.
fn permissive(packet: &[u8]) -> Option<Vec<u8>> {
    Some(match packet[0] >> 4 {
        1 => welcome(packet),
        12 if packet == PINGREQ => PINGRESP.to_vec(),
        _ => Vec::new(),
    })
}

/// Welcomes only the runner's own CONNECT, and hangs up on the rest.
fn rude(packet: &[u8]) -> Option<Vec<u8>> {
    let expected = [V3, V4, V5].iter().any(|version| Connect::new(*version, "attacker").bytes() == packet);
    expected.then(|| welcome(packet))
}

/// Serves one connection until the peer or the manners end it.
fn serve(mut stream: TcpStream, manners: Manners) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..count]);
        while let Some(length) = frame_len(&bytes) {
            let packet: Vec<u8> = bytes.drain(..length).collect();
            let Some(answer) = manners(&packet) else { return };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

/// Starts a wrong peer and gives its port.
fn listen(manners: Manners) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, manners));
        }
    });
    port
}

/// Plays the rows of a file whose outcome `concerns` the peer: how many, and those that it passes.
fn passed_of(text: &str, port: u16, concerns: fn(&Outcome) -> bool) -> (usize, Vec<String>) {
    let case = Case::parse(text);
    let mut wrong = Vec::new();
    let mut played = 0;
    for row in &case.row {
        let concerned = row.trials().into_iter().filter(|trial| concerns(&trial.outcome));
        for trial in concerned.collect::<Vec<Trial>>() {
            played += 1;
            if judge_within(port, &trial, SECOND / 20).is_ok() {
                wrong.push(format!("{} {} on {:?}", case.id, row.name, trial.session));
            }
        }
    }
    (played, wrong)
}

/// As [`passed_of`], of all files, which are played at the same time.
fn passed(manners: Manners, concerns: fn(&Outcome) -> bool) -> (usize, Vec<String>) {
    let port = listen(manners);
    let files = crate::from_data::FILES;
    let each = thread::scope(|scope| {
        let players: Vec<_> =
            files.iter().map(|text| scope.spawn(move || passed_of(text, port, concerns))).collect();
        players.into_iter().map(|player| player.join().expect("a well-formed file")).collect::<Vec<_>>()
    });
    let played = each.iter().map(|(played, _)| played).sum();
    (played, each.into_iter().flat_map(|(_, wrong)| wrong).collect())
}

/// Whether the row says that the session goes on.
fn goes_on(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Reply(_) | Outcome::Alive)
}

#[test]
fn a_broker_without_checks_fails_every_refusal() {
    if !ours() {
        return; // Says nothing about another broker.
    }
    let (played, wrong) = passed(permissive, |outcome| !goes_on(outcome));
    assert!(played > 150, "only {played} refusals");
    assert!(wrong.is_empty(), "rows that cannot fail: {wrong:?}");
}

#[test]
fn a_broker_that_refuses_everything_fails_every_acceptance() {
    if !ours() {
        return;
    }
    let (played, wrong) = passed(rude, goes_on);
    assert!(played > 20, "only {played} acceptances");
    assert!(wrong.is_empty(), "rows that cannot fail: {wrong:?}");
}

/// Serves the honest client, each PUBLISH after `nap`.
fn slow(packet: &[u8], nap: Duration) -> Option<Vec<u8>> {
    Some(match packet[0] >> 4 {
        3 => {
            thread::park_timeout(nap);
            [ack(PUBACK, 1), packet.to_vec()].concat()
        }
        4 => Vec::new(),
        8 => vec![0x90, 3, packet[2], packet[3], 1],
        14 => return None,
        _ => return permissive(packet),
    })
}

/// The longest round trip of three beats of the honest client with such a peer.
fn longest_beat(manners: Manners) -> Duration {
    let heart = Heart::start_at(listen(manners), std::process::id(), &Connect::new(V4, "honest"));
    (0..3).for_each(|_| assert!(heart.beats_on()));
    heart.stop().expect("the peer serves it").longest
}

#[test]
fn a_stall_is_seen() {
    let longest = longest_beat(|packet| slow(packet, Duration::from_millis(400)));
    assert!(no_stall(longest).is_err(), "{longest:?} pass for no stall");
    let longest = longest_beat(|packet| slow(packet, Duration::ZERO));
    assert!(no_stall(longest).is_ok(), "{longest:?} pass for a stall");
}

#[test]
fn a_delivery_without_the_right_is_seen() {
    let gossip: Manners = |packet| {
        let told = if packet[0] == PINGREQ[0] { Publish::new(V4, "secret", "m").bytes() } else { vec![] };
        Some([told, permissive(packet)?].concat())
    };
    for (manners, good) in [(gossip, false), (permissive, true), (rude, false)] {
        let mut bystander = Client::over(tcp(listen(manners)), V4).patience(SECOND);
        assert_eq!(nothing_heard(&mut bystander).is_ok(), good);
    }
}

#[test]
fn memory_that_stays_and_memory_over_its_cap_are_seen() {
    let limits = Limits::of_connections(1).peak(16 << 20);
    let resident = 50 << 20;
    let after = |grown: u64, peak: u64| memory_returns(|| resident + grown, (resident, peak), limits);
    assert!(after(8 << 20, 16 << 20).is_ok());
    assert!(after((8 << 20) + 1, 16 << 20).is_err());
    assert!(after(0, (16 << 20) + 1).is_err());
}

#[test]
fn a_log_that_is_long_or_forged_is_seen() {
    assert!(check_log("a line\nanother\n", 1).is_ok());
    assert!(check_log("12: \ta/# (QoS 1)\n", 1).is_ok());
    for bad in ["1: \ta\tb", "\ta", "\x1b[2J", "a\rb", "a\0", "\u{9b}31m"] {
        assert!(check_log(bad, 1).is_err(), "{bad:?}");
    }
    let long = "x".repeat(100_000);
    assert!(check_log(&long, 1).is_err());
    assert!(check_log(&long, 2).is_ok());
}

#[test]
#[should_panic(expected = "V4: leaks")]
fn one_bad_sign_fails_a_case() {
    let mut report = Report::default();
    report.add("V1", Ok(String::new()));
    report.add("V4", Err("leaks".to_owned()));
    report.close_quietly("a sick broker");
}
