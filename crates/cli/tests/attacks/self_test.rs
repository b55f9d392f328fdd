//! The tests can fail: every row of data is played against peers that get it wrong.
//!
//! One peer accepts everything, as a broker does whose check was removed; the other hangs up on everything.
//! A row that one of them passes would say nothing about a broker.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::case::{Case, Outcome, Trial};
use crate::kit::broker::ours;
use crate::kit::decode::{body, frame_len};
use crate::kit::packet::{Connect, PINGREQ, PINGRESP};
use crate::kit::*;
use crate::runner::judge_within;

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
