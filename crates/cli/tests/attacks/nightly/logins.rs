//! E: passwords that are guessed, and what a refusal tells.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use crate::identity::{account, login};
use crate::kit::client::tcp_from;
use crate::kit::*;
use crate::vitals::{Limits, Vitals, guarded, passwords};

/// What became of a login from an address: the reason in CONNACK.
fn attempt(broker: &Broker, from: [u8; 4], (user, password): (&str, &str)) -> u8 {
    let mut client = Client::over(tcp_from(Ipv4Addr::from(from), broker.port()), V5);
    client.send(Connect::new(V5, "guesser").login(user, password).bytes());
    let connack = client.frame();
    if connack[3] == 0 {
        client.disconnect();
    } else {
        client.expect_close();
    }
    connack[3]
}

const ACCEPTED: u8 = 0;
const WRONG: u8 = 0x87;
const HELD_BACK: u8 = 0x9F;

// E21, G. Scale: 1 000 guesses from one address, 500 from a hundred, instead of 10 000 a second; the limit is 30.
#[test]
fn e21_wrong_passwords_without_end() {
    if !broker::ours() {
        return; // Mosquitto has no limit.
    }
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite #\n";
    let mut broker = guarded(rules).line("login_failure_limit 30").line("login_backoff_max 3600").start();
    let mut vitals = Vitals::begin_guarded(&broker);
    login(&broker, V5, "alice").disconnect();
    let (lone, home) = ([127, 0, 0, 9], [127, 0, 0, 1]);
    let answers: Vec<u8> = (0..1_000)
        .map(|n| attempt(&broker, lone, (["alice", "mallory", "nobody"][n % 3], "guess")))
        .collect();
    let tried = answers.iter().filter(|answer| **answer == WRONG).count();
    assert!((30..=40).contains(&tried), "{tried} guesses were checked");
    assert!(answers[100..].iter().all(|answer| *answer == HELD_BACK));
    vitals.during("E21, one address", &mut broker);
    // Who guesses well comes too late; the user himself is let in where he is known, and others elsewhere.
    assert_eq!(attempt(&broker, lone, ("alice", "secret")), HELD_BACK);
    assert_eq!(attempt(&broker, home, ("alice", "secret")), ACCEPTED);
    assert_eq!(attempt(&broker, [127, 0, 0, 8], ("bob", "secret")), ACCEPTED);
    // A hundred addresses, one name.
    let from = |n: usize| [127, 0, 1, (n % 100) as u8 + 1];
    let answers: Vec<u8> = (0..500).map(|n| attempt(&broker, from(n), ("alice", "guess"))).collect();
    let tried = answers.iter().filter(|answer| **answer == WRONG).count();
    assert!(tried <= 40, "{tried} guesses at one name were checked");
    assert_eq!(attempt(&broker, from(0), ("alice", "secret")), HELD_BACK);
    assert_eq!(attempt(&broker, home, ("alice", "secret")), ACCEPTED, "the victim is not shut out");
    let told = Connect::new(V4, "again").login("watcher", accounts::PASSWORD);
    let mut sys = Sys::watch_as(&broker, &told);
    sys.settle();
    assert!(sys.number("logins/failed") <= 80, "{} failed", sys.number("logins/failed"));
    assert!(sys.number("logins/held_back") >= 1_400, "{} held back", sys.number("logins/held_back"));
    drop(sys);
    vitals.finish("E21 (wrong passwords)", &mut broker, Limits::of_connections(1_506));
}

// E21 without the limit: the threads that hash are bounded, so others are served meanwhile.
#[test]
fn e21_wrong_passwords_unlimited() {
    let mut broker = guarded("user alice\ntopic readwrite #\n").own_line("login_failure_limit 0").start();
    let mut vitals = Vitals::begin_guarded(&broker);
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let broker = &broker;
            scope.spawn(move || {
                for _ in 0..250 {
                    let answer = attempt(broker, [127, 0, 0, 10 + thread], ("alice", "guess"));
                    assert!([WRONG, 0x89].contains(&answer), "{answer:#04x}");
                }
            });
        }
    });
    vitals.during("E21", &mut broker);
    login(&broker, V5, "alice").disconnect();
    vitals.finish("E21 (wrong passwords, no limit)", &mut broker, Limits::of_connections(1_001));
}

/// The middle one.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

// E22, G. By the broker's work instead of the clock, which other programs would decide. Scale: 50 of each instead of
// 2 000.
#[test]
fn e22_who_exists_told_by_time() {
    if !broker::ours() {
        return; // Mosquitto does not hash for unknown users.
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passwd");
    let made = Command::new(env!("CARGO_BIN_EXE_pondhawk"))
        .args(["passwd", "-H", "sha512-pbkdf2", "-I", "4000"])
        .args(["-b", "-c", file.to_str().unwrap(), "zoe", "secret"])
        .output()
        .expect("our own tool");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // The watchers' cheap hashes stand beside the dear one: an unknown user costs as the dearest.
    let file = std::fs::read_to_string(&file).unwrap() + &passwords(&["eve"]);
    let mut broker = guarded("").file("passwd", file).line("login_failure_limit 0").start();
    let vitals = Vitals::begin_guarded(&broker);
    let mut spent = [Vec::new(), Vec::new()];
    for round in 0..100 {
        let kind = round % 2;
        let user = ["zoe", "nobody"][kind];
        let before = process::processor_time(broker.pid());
        let mut client = Client::raw(&broker, V5);
        client.send(account(V5, "prober", user).password("guess").bytes());
        client.expect([0x20, 3, 0, WRONG, 0]);
        client.expect_close();
        spent[kind].push(process::processor_time(broker.pid()) - before);
    }
    let [known, unknown] = spent.map(median);
    println!("E22: a wrong password costs {known:?}, an unknown user {unknown:?}");
    assert!(known > Duration::from_millis(1), "the hash is dear enough to compare: {known:?}");
    let difference = known.abs_diff(unknown);
    assert!(difference * 20 < known, "{known:?} and {unknown:?} differ by more than 5 %");
    vitals.finish("E22 (who exists, told by time)", &mut broker, Limits::of_connections(100));
}
