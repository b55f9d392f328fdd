//! F17, I02, I09: a sync that fails once, files for the import that are none, and a folder that is taken away.

use std::fs;
use std::process::Command;

use crate::kit::packet::PUBACK;
use crate::kit::*;
use crate::storage::{kept, reader};
use crate::vitals::{Limits, Vitals};

/// What is said when nothing is promised any more.
const POISONED: &str = "Nothing that must be kept is acknowledged any more";

/// Sets a retained message anew, one time after the other, until that is not acknowledged: how often it was.
fn set_until_refused(writer: &mut Client, most: u16) -> u16 {
    for number in 0..most {
        let publish = Publish::new(V5, "kept/state", number.to_string()).qos(1, number + 1).retain();
        writer.send(publish.bytes());
        match writer.frame_within(2 * SECOND) {
            Some(frame) if frame[0] == PUBACK && frame.get(4).is_none_or(|reason| *reason < 0x80) => {}
            _ => return number,
        }
    }
    panic!("all of {most} messages are acknowledged");
}

/// Nothing that must be kept is acknowledged, and the rest goes on.
fn refuses_and_serves(broker: &Broker) {
    for _ in 0..5 {
        let mut writer = Client::clean(broker, V5, "late-writer");
        writer.send(Publish::new(V5, "kept/state", "refused").qos(1, 9).retain().bytes());
        let answer = writer.frame();
        assert!(answer[0] == PUBACK && answer[4] >= 0x80, "{}", hex::dump(&answer));
        writer.disconnect();
    }
    let mut other = Client::clean(broker, V4, "other");
    other.subscribe("unkept", 1);
    other.publish("unkept", "m", 1);
    other.receive("unkept", "m");
    other.disconnect();
}

/// A session whose client is away, and a retained message.
fn fill(broker: &Broker) {
    let (client, _) = Client::open(broker, &reader());
    client.disconnect();
    let mut writer = Client::clean(broker, V5, "writer");
    writer.publish_retained("kept/state", "first", 1);
    writer.disconnect();
}

mod foreign_strace {
    use super::*;

    // F17, C(fsyncgate): never try again and go on. The syncs behind the one that fails succeed, as Linux has it.
    #[test]
    fn f17_a_sync_fails_once() {
        if !broker::ours() {
            return; // Mosquitto does not sync.
        }
        if Command::new("strace").arg("-V").output().is_err() {
            let promised = std::env::var("PONDHAWK_E2E").is_ok_and(|value| value == "1");
            assert!(!promised, "PONDHAWK_E2E is 1, but there is no strace");
            println!("skipped: there is no strace");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut broker = kept(folder.path()).start();
        fill(&broker);
        assert_eq!(broker.stop(), Some(0));
        // Later than a start needs.
        let mut broker = kept(folder.path()).failing_sync(30).start();
        let vitals = Vitals::begin(&broker);
        let mut writer = Client::clean(&broker, V5, "writer");
        let acknowledged = set_until_refused(&mut writer, 100);
        broker.wait_log(0, POISONED);
        writer.cut();
        refuses_and_serves(&broker);
        vitals.finish_here("F17 (a sync fails once)", &mut broker, Limits::of_connections(8));
        assert_eq!(broker.stop_with("KILL"), None);
        // From the disk: what was acknowledged last, or what was under way.
        let broker = kept(folder.path()).start();
        assert!(!broker.log().contains("lost"), "{}", broker.log());
        let (mut client, connack) = Client::open(&broker, &reader());
        assert_eq!(connack[2], 1, "{}", broker.log());
        client.subscribe("kept/state", 1);
        let state: u16 = client.receive_any().text().parse().expect("a number that was set");
        assert!(
            (acknowledged - 1..=acknowledged).contains(&state),
            "{acknowledged} were acknowledged: {state}"
        );
        client.expect_silence();
    }
}

// I09, G: a store whose files are gone cannot keep anything: it says so, promises nothing, and serves the rest.
#[test]
fn i09_the_state_directory_is_deleted() {
    if !broker::ours() {
        return; // Mosquitto acknowledges before it writes.
    }
    let folder = tempfile::tempdir().unwrap();
    let mut broker = kept(folder.path()).start();
    fill(&broker);
    let vitals = Vitals::begin(&broker);
    let mut writer = Client::clean(&broker, V5, "writer");
    fs::remove_dir_all(folder.path().join("pondhawk-store")).unwrap();
    assert_eq!(set_until_refused(&mut writer, 100), 0, "a message is acknowledged that is nowhere");
    broker.wait_log(0, POISONED);
    writer.cut();
    refuses_and_serves(&broker);
    vitals.finish_here("I09 (the state directory is deleted)", &mut broker, Limits::of_connections(9));
    broker.stop_with("KILL");
    // The next one begins anew, and keeps what it acknowledges.
    broker.start_again();
    fill(&broker);
    broker.stop_with("KILL");
    broker.start_again();
    let (mut client, connack) = Client::open(&broker, &reader());
    assert_eq!(connack[2], 1);
    client.subscribe("kept/state", 1).receive("kept/state", "first");
}

/// A file as Mosquitto writes it, with a session, its subscription and a queued message, by its documented layout.
fn mosquitto_db() -> Vec<u8> {
    let chunk = |kind: u32, body: &[&[u8]]| {
        let body = body.concat();
        [&kind.to_be_bytes()[..], &(body.len() as u32).to_be_bytes(), &body].concat()
    };
    let (id, never) = (1_u64.to_ne_bytes(), 0_u64.to_ne_bytes());
    [
        b"\x00\xb5\x00mosquitto db".to_vec(),
        [[0, 0, 0, 0], 6_u32.to_be_bytes()].concat(),
        chunk(1, &[&id, &[0, 1, 0, 0, 0, 0, 0, 0]]),
        chunk(6, &[&never, &[0xff; 4], &[0, 0, 0, 6], &[7, 0x5b, 0, 0, 0, 0, 0, 0], b"reader"]),
        chunk(
            2,
            &[&id, &never, &[0, 0, 0, 1, 0, 0, 0, 0], &[0, 0, 0, 10, 7, 0x5b, 1, 0], b"kept/queue", b"m"],
        ),
        chunk(3, &[&id, &[0, 0, 0, 6, 1, 11, 0, 1], b"reader"]),
        chunk(5, &[&[0; 4], &[0, 6, 0, 10, 1, 0, 0, 0], b"reader", b"kept/queue"]),
    ]
    .concat()
}

/// Imports it with little memory: the exit code and what was said.
fn import(bytes: &[u8]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mosquitto.db");
    fs::write(&file, bytes).unwrap();
    let mut command = Command::new("prlimit");
    command.args(["--data=536870912", env!("CARGO_BIN_EXE_pondhawk"), "import"]).arg(&file);
    let output = command.output().expect("prlimit and our own binary");
    assert_eq!(fs::read(&file).unwrap(), bytes, "the file is left as it was");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), said)
}

/// Read, or refused with a reason: nothing else.
fn judge_import(bytes: &[u8], what: &str) -> bool {
    let (code, said) = import(bytes);
    assert!(code.is_some_and(|code| code != 101) && !said.contains("panicked"), "{what}: {code:?} {said}");
    assert!(!said.trim().is_empty(), "{what}: not a word");
    code == Some(0)
}

// I02, C(mosquitto#3439, 2.0.19): lengths that lie, every cut, flipped bits, in no more memory than the file deserves.
// Scale: a bit of every third byte.
#[test]
fn i02_hostile_import_files() {
    if !broker::ours() {
        return; // Tests our import.
    }
    let good = mosquitto_db();
    let (code, said) = import(&good);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 sessions with 1 subscriptions and 1 messages"), "{said}");
    let mut refused = 0;
    for len in 0..good.len() {
        refused += usize::from(!judge_import(&good[..len], &format!("cut to {len} bytes")));
    }
    assert!(refused > good.len() * 9 / 10, "{refused} of {} cuts are refused", good.len());
    for at in (0..good.len() - 4).step_by(2) {
        let mut bytes = good.clone();
        bytes[at..at + 4].fill(0xff);
        judge_import(&bytes, &format!("a length of all ones at {at}"));
    }
    for at in (0..good.len()).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        judge_import(&bytes, &format!("a bit flipped at {at}"));
    }
    for version in [2_u32, 3, 4, 7, u32::MAX] {
        let mut bytes = good.clone();
        bytes[19..23].copy_from_slice(&version.to_be_bytes());
        assert!(!judge_import(&bytes, &format!("format {version}")), "format {version} is read");
    }
    a_start_refuses_it(&good[..good.len() - 1]);
}

/// A broker that finds such a file at its first start says so and ends; it does not start with nothing.
fn a_start_refuses_it(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mosquitto.db"), bytes).unwrap();
    let finished = kept(folder.path()).run_to_end();
    assert!(finished.code.is_some_and(|code| code != 0), "{:?}", finished.code);
    assert!(finished.log.contains("mosquitto.db"), "{}", finished.log);
    let again = kept(folder.path()).run_to_end();
    assert!(again.code == finished.code && again.log.contains("mosquitto.db"), "{}", again.log);
}
