//! A runner that finds nothing proves nothing: brokers with one mistake each, made from the core by changing what it
//! says, must be caught, and what the standard permits must not be called a mistake.

use pondhawk_conform::bytes::Login;
use pondhawk_conform::{
    Core, Detail, Heard, Link, Patience, Report, Selection, Setup, Transport, Verdict, catalogue, probe,
    rule, run, trials,
};
use std::io;
use std::time::Duration;

/// Changes what the broker says: one packet in, any number out.
type Change = fn(&[u8]) -> Vec<Vec<u8>>;

/// A broker with a mistake.
struct Broken {
    core: Core,
    change: Change,
    /// It never hangs up.
    clings: bool,
}

struct BrokenLink {
    link: <Core as Transport>::Link,
    change: Change,
    clings: bool,
    heard: Vec<u8>,
}

impl Transport for Broken {
    type Link = BrokenLink;

    fn open(&mut self) -> io::Result<BrokenLink> {
        let link = self.core.open()?;
        Ok(BrokenLink { link, change: self.change, clings: self.clings, heard: Vec::new() })
    }

    fn pass(&mut self, time: Duration) {
        self.core.pass(time);
    }
}

impl Link for BrokenLink {
    fn send(&mut self, bytes: &[u8]) {
        self.link.send(bytes);
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Patience) -> Heard {
        loop {
            while let Some(frame) = take_frame(&mut self.heard) {
                let said = (self.change)(&frame).concat();
                if !said.is_empty() {
                    into.extend(said);
                    return Heard::Bytes;
                }
            }
            match self.link.receive(&mut self.heard, patience) {
                Heard::Bytes => {}
                Heard::Closed if self.clings => return Heard::Silence,
                other => return other,
            }
        }
    }

    fn cut(&mut self) {
        self.link.cut();
    }
}

/// The core says whole packets only.
fn take_frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let digits = bytes.get(1..)?.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let length = bytes[1..=digits].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7F));
    let rest = bytes.split_off(1 + digits + length);
    Some(std::mem::replace(bytes, rest))
}

/// How often each verdict was given, and the titles of what broke, with our own choices on top.
fn play(only: &str, change: Change, clings: bool) -> (usize, usize, String) {
    let vectors = catalogue().expect("the vectors read");
    let trials = trials(&vectors, &Selection { only: Some(only.to_owned()), version: None });
    let setup = Setup { prefix: "brk".to_owned(), login: None, jobs: 1 };
    let open = || Broken { core: Core::new(2), change, clings };
    let abilities = probe(
        &mut Broken { core: Core::new(2), change: |frame| vec![frame.to_vec()], clings: false },
        &setup,
    )
    .expect("it answers");
    let played = run(&trials, (&setup, &abilities), open, |_, _| {}).expect("every script reads");
    let report = Report {
        target: "a broken one".to_owned(),
        abilities,
        results: trials.into_iter().zip(played).collect(),
    };
    let text = report.text(Detail::Full);
    (report.count(Verdict::Breaks), report.count(Verdict::Choice), text)
}

/// The mistake is found, in the vector that is about it.
fn caught(only: &str, change: Change, vector: &str) {
    let (breaks, _, text) = play(only, change, false);
    assert!(breaks > 0, "{only} found nothing");
    let (_, blamed) = text.split_once("What breaks the standard").expect("a list");
    assert!(blamed.contains(vector), "{vector:?} is not among\n{blamed}");
}

#[test]
fn an_acknowledgement_that_is_lost() {
    let lose = |frame: &[u8]| if frame[0] == 0x40 { Vec::new() } else { vec![frame.to_vec()] };
    caught("publish /", lose, "QoS 1 with a subscriber is answered with 00 / 3.1.1");
}

#[test]
fn a_message_that_comes_twice() {
    let double = |frame: &[u8]| vec![frame.to_vec(); if frame[0] >> 4 == 3 { 2 } else { 1 }];
    caught("publish /", double, "QoS 2 again before PUBREL is no new message: flags 3C / 5.0");
}

#[test]
fn a_message_that_is_lost() {
    let lose = |frame: &[u8]| if frame[0] >> 4 == 3 { Vec::new() } else { vec![frame.to_vec()] };
    caught("wills", lose, "a will is published when the connection breaks: QoS 1 / 3.1.1");
}

#[test]
fn a_wrong_identifier() {
    let other = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        if frame[0] == 0x90 {
            frame[3] ^= 8;
        }
        vec![frame]
    };
    caught("SUBACK", other, "the packet identifier 255 comes back in SUBACK / 3.1.1");
}

#[test]
fn codes_out_of_order() {
    let reverse = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        if frame[0] == 0x90 {
            let from = frame.len() - 5.min(frame.len() - 4);
            frame[from..].reverse();
        }
        vec![frame]
    };
    caught("many filters", reverse, "many filters get one code each, in their order / 3.1.1");
}

#[test]
fn retain_that_is_forgotten() {
    let clear = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        frame[0] &= if frame[0] >> 4 == 3 { 0xFE } else { 0xFF };
        vec![frame]
    };
    caught("retained", clear, "a new subscription gets the retained message, with RETAIN / 5.0");
}

#[test]
fn a_resend_without_dup() {
    let clear = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        frame[0] &= if frame[0] >> 4 == 3 { 0xF7 } else { 0xFF };
        vec![frame]
    };
    caught(
        "session",
        clear,
        "a message that was not acknowledged comes again with DUP and its identifier: QoS 2 / 3.1.1",
    );
}

#[test]
fn a_session_that_is_never_present() {
    let clear = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        if frame[0] == 0x20 {
            frame[2] &= 0xFE;
        }
        vec![frame]
    };
    caught("session", clear, "a kept session is there again / 3.1.1");
}

#[test]
fn flags_that_nobody_may_set() {
    let set = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        frame[0] |= u8::from(frame[0] == 0x40) * 2;
        vec![frame]
    };
    caught("publish /", set, "QoS 1 with a subscriber is answered with 00 / 5.0");
}

#[test]
fn a_broker_that_never_hangs_up() {
    let (breaks, _, text) = play("/ SUBSCRIBE with flags", |frame| vec![frame.to_vec()], true);
    // In MQTT 3.1 what becomes of it is open.
    assert_eq!(breaks, 30, "{text}");
}

#[test]
fn silence_instead_of_a_reason_is_a_choice() {
    let hush = |frame: &[u8]| if frame[0] == 0xE0 { Vec::new() } else { vec![frame.to_vec()] };
    let (breaks, choices, text) = play("/ SUBSCRIBE with flags", hush, false);
    assert_eq!((breaks, choices), (0, 15), "{text}");
}

#[test]
fn another_reason_is_a_choice_and_none_is_not() {
    let other = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        if frame[0] == 0xE0 {
            frame[2] = 0x83;
        }
        vec![frame]
    };
    let (breaks, choices, _) = play("type 0", other, false);
    assert_eq!((breaks, choices), (0, 6));
    let success = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        if frame[0] == 0xE0 {
            frame[2] = 0;
        }
        vec![frame]
    };
    let (breaks, ..) = play("type 0", success, false);
    assert_eq!(breaks, 6);
}

#[test]
fn the_report_as_json_stays_as_it_is_described() {
    let lose = |frame: &[u8]| if frame[0] == 0x40 { Vec::new() } else { vec![frame.to_vec()] };
    let vectors = catalogue().expect("the vectors read");
    let only = Some("QoS 1 is answered with PUBACK".to_owned());
    let trials = trials(&vectors, &Selection { only, version: Some(4) });
    let setup = Setup { prefix: "json".to_owned(), login: None, jobs: 1 };
    let abilities = probe(&mut Core::new(1), &setup).expect("it answers");
    let open = || Broken { core: Core::new(1), change: lose, clings: false };
    let played = run(&trials, (&setup, &abilities), open, |_, _| {}).expect("the script reads");
    let report = Report {
        target: "box:1883".to_owned(),
        abilities,
        results: trials.into_iter().zip(played).collect(),
    };
    // The statements' texts are not this test's business.
    let says = |id| rule(id).expect("a statement");
    let json = report.json().replace(says("MQTT3-3.3.4-1"), "ONE").replace(says("MQTT3-4.3.2-2"), "TWO");
    assert_eq!(json.trim(), include_str!("report.json").trim());
}

#[test]
fn a_password_is_not_told() {
    let vectors = catalogue().expect("the vectors read");
    let only = Some("CONNACK comes first and accepts".to_owned());
    let trials = trials(&vectors, &Selection { only, version: None });
    let login = Some(Login { user: "ann".to_owned(), password: Some("s3cret".to_owned()) });
    let setup = Setup { prefix: "pass".to_owned(), login, jobs: 1 };
    let abilities = probe(&mut Core::new(1), &setup).expect("it answers");
    let played = run(&trials, (&setup, &abilities), || Core::new(1), |_, _| {}).expect("the script reads");
    let sent: Vec<u8> =
        played.iter().flat_map(|played| &played.transcript).flat_map(|said| said.bytes.clone()).collect();
    assert!(sent.windows(3).any(|part| part == b"ann") && sent.windows(6).any(|part| part == b"******"));
    assert!(!sent.windows(6).any(|part| part == b"s3cret"));
}
