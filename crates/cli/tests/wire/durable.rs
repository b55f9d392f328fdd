//! What the broker acknowledges, it keeps: across `kill -9`, an orderly end, and another number of shards.

use crate::kit::packet::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack};
use crate::kit::*;
use std::path::Path;
use tempfile::TempDir;

/// A broker that keeps its records in this folder.
fn keeping(folder: &Path, shards: usize) -> Broker {
    conf(folder).shards(shards).start()
}

fn conf(folder: &Path) -> Conf {
    Conf::open()
        .line("max_queued_messages 0")
        .line("persistence true")
        .line(&format!("persistence_location {}", folder.display()))
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn durable(version: Version, id: &str) -> Connect {
    Connect::new(version, id).durable()
}

fn present(connack: &[u8]) -> bool {
    connack[2] & 1 != 0
}

/// Ends the broker with a signal and starts it again.
fn again(mut broker: Broker, folder: &Path, (signal, shards): (&str, usize)) -> Broker {
    let code = broker.stop_with(signal);
    assert_eq!(code, (signal == "TERM").then_some(0), "{}", broker.log());
    keeping(folder, shards)
}

#[test]
fn sessions_queues_and_retained_messages_outlive_the_broker() {
    if !broker::ours() {
        return;
    }
    for (signal, before, after) in [("KILL", 1, 1), ("KILL", 3, 2), ("TERM", 2, 3)] {
        let folder = folder();
        let broker = keeping(folder.path(), before);
        for version in [V4, V5] {
            let (mut reader, _) = Client::open(&broker, &durable(version, &format!("reader{}", version.0)));
            reader.subscribe("kept/#", 2);
        }
        let mut writer = Client::clean(&broker, V5, "writer");
        for n in 0..20 {
            writer.publish(&format!("kept/{}", n % 3), format!("{n}"), 1 + n % 2);
        }
        writer.publish_retained("state", "on", 1);
        writer.publish_retained("gone", "soon", 1);
        writer.publish_retained("gone", "", 1);
        let broker = again(broker, folder.path(), (signal, after));
        for version in [V4, V5] {
            let (mut reader, connack) =
                Client::open(&broker, &durable(version, &format!("reader{}", version.0)));
            assert!(present(&connack), "{signal} {version:?}: {}", broker.log());
            for n in 0..20u8 {
                let delivery = reader.receive(&format!("kept/{}", n % 3), &n.to_string());
                assert_eq!(delivery.qos, 1 + n % 2);
            }
            reader.expect_silence();
        }
        let mut reader = Client::clean(&broker, V5, "other");
        reader.subscribe("+", 1);
        reader.receive("state", "on");
        reader.expect_silence();
    }
}

// [MQTT-4.3.3-2] [MQTT-4.3.3-12]
#[test]
fn exactly_once_across_two_crashes() {
    if !broker::ours() {
        return;
    }
    let folder = folder();
    let broker = keeping(folder.path(), 2);
    let (mut reader, _) = Client::open(&broker, &durable(V5, "reader"));
    reader.subscribe("once", 2);
    reader.cut();
    let (mut writer, _) = Client::open(&broker, &durable(V5, "writer"));
    writer.send(Publish::new(V5, "once", "payload").qos(2, 7).bytes());
    writer.expect(ack(PUBREC, 7));
    // The client has PUBREC, and the broker crashes.
    let broker = again(broker, folder.path(), ("KILL", 3));
    let (mut writer, connack) = Client::open(&broker, &durable(V5, "writer"));
    assert!(present(&connack));
    writer.send(ack(PUBREL, 7));
    writer.expect(ack(PUBCOMP, 7));
    let broker = again(broker, folder.path(), ("KILL", 1));
    // PUBCOMP might have been lost: the client repeats PUBREL, and no second message comes of it.
    let (mut writer, _) = Client::open(&broker, &durable(V5, "writer"));
    writer.send(ack(PUBREL, 7));
    writer.frame();
    let (mut reader, connack) = Client::open(&broker, &durable(V5, "reader"));
    assert!(present(&connack));
    reader.receive("once", "payload");
    reader.expect_silence();
}

#[test]
fn a_crash_of_the_broker_publishes_the_wills_of_its_clients() {
    if !broker::ours() {
        return;
    }
    let folder = folder();
    let broker = keeping(folder.path(), 2);
    let (mut reader, _) = Client::open(&broker, &durable(V4, "reader"));
    reader.subscribe("wills/#", 1);
    let will = Publish::new(V4, "wills/mortal", "gone").qos(1, 0);
    let (mut mortal, _) = Client::open(&broker, &Connect::new(V4, "mortal").will(will));
    // An acknowledged message of the same client is behind its will in the store.
    mortal.publish("any", "x", 1);
    let broker = again(broker, folder.path(), ("KILL", 2));
    let (mut reader, _) = Client::open(&broker, &durable(V4, "reader"));
    reader.receive("wills/mortal", "gone");
    reader.expect_silence();
}

/// Acknowledged messages come back in order, whatever the moment of the crash.
#[test]
fn nothing_that_was_acknowledged_is_lost_under_load() {
    if !broker::ours() {
        return;
    }
    let folder = folder();
    let mut broker = keeping(folder.path(), 2);
    let (mut reader, _) = Client::open(&broker, &durable(V4, "reader"));
    reader.subscribe("load", 1);
    reader.cut();
    let mut acknowledged = Vec::new();
    for round in 0..3u32 {
        let mut writer = Client::clean(&broker, V4, "writer");
        let ids: Vec<u16> = (1..=2_000).collect();
        let burst: Vec<u8> = ids
            .iter()
            .flat_map(|id| Publish::new(V4, "load", format!("{round} {id:05}")).qos(1, *id).bytes())
            .collect();
        writer.send(&burst);
        // Killed between two acknowledgements, with many messages behind them.
        for _ in 0..300 * (round + 1) {
            let puback = writer.frame();
            assert_eq!(puback[..2], [PUBACK, 2]);
            let id = u16::from_be_bytes([puback[2], puback[3]]);
            acknowledged.push(format!("{round} {id:05}"));
        }
        broker = again(broker, folder.path(), ("KILL", 1 + round as usize));
    }
    let (mut reader, connack) = Client::open(&broker, &durable(V4, "reader"));
    assert!(present(&connack), "{}", broker.log());
    acknowledged.sort();
    let mut received: Vec<String> = Vec::new();
    while received.last().is_none_or(|last| last < acknowledged.last().expect("some")) {
        let delivery = reader.receive_any();
        received.push(String::from_utf8(delivery.payload.clone()).expect("text"));
    }
    assert!(received.is_sorted(), "out of order");
    received.dedup();
    for message in &acknowledged {
        assert!(received.binary_search(message).is_ok(), "{message} was acknowledged and is lost");
    }
}

#[test]
fn two_brokers_do_not_share_a_store() {
    if !broker::ours() {
        return;
    }
    let folder = folder();
    let mut first = keeping(folder.path(), 1);
    let second = conf(folder.path()).run_to_end();
    assert_ne!(second.code, Some(0));
    assert!(second.log.contains("in use by another process"), "{}", second.log);
    assert!(first.alive());
}

/// The exit code of `pondhawk store check`, and whether it finds all retained messages.
fn check_of(folder: &Path) -> (Option<i32>, bool) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pondhawk"));
    let output = command.args(["store", "check"]).arg(folder).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let is_sound = text.contains("300 retained messages\n") && text.ends_with("sound\n");
    assert_eq!(text.contains("lost: "), output.status.code() == Some(1), "{text}");
    (output.status.code(), is_sound)
}

#[test]
fn a_damaged_store_is_told_and_the_rest_is_there() {
    if !broker::ours() {
        return;
    }
    let folder = folder();
    let mut broker = keeping(folder.path(), 1);
    let mut writer = Client::clean(&broker, V4, "writer");
    for n in 0..300 {
        writer.publish_retained(&format!("state/{n:03}"), format!("{n:0100}"), 1);
    }
    assert_eq!(broker.stop(), Some(0));
    assert_eq!(check_of(folder.path()), (Some(0), true));
    let file = folder.path().join("pondhawk-store/records.redb");
    let mut bytes = std::fs::read(&file).expect("the store");
    let wanted = format!("{:0100}", 150).into_bytes();
    let places = bytes.windows(wanted.len()).enumerate().filter(|(_, window)| *window == wanted);
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    // Old copies of the page may be there too.
    assert!(!places.is_empty());
    for place in places {
        bytes[place] ^= 1;
    }
    std::fs::write(&file, &bytes).expect("written");
    assert_eq!(check_of(folder.path()), (Some(1), false));
    assert!(std::fs::read(&file).is_ok_and(|after| after == bytes), "a check changes nothing");
    let broker = keeping(folder.path(), 1);
    assert_eq!(check_of(folder.path()).0, Some(2), "the broker has it");
    let log = broker.log();
    assert!(log.contains("Error: The store has lost every record from"), "{log}");
    assert!(log.contains("records.damaged-1.redb") && log.contains("lost-1.txt"), "{log}");
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("state/000", 1);
    reader.receive("state/000", &format!("{:0100}", 0));
}

/// Retained messages come and go, and the file does not stay as large as it was.
#[test]
fn the_room_of_what_is_gone_is_given_back() {
    if !broker::ours() {
        return;
    }
    let folder = folder();
    let broker = keeping(folder.path(), 1);
    let mut writer = Client::clean(&broker, V5, "writer");
    let file = folder.path().join("pondhawk-store/records.redb");
    let bytes = || std::fs::metadata(&file).expect("the store").len();
    let payload = "x".repeat(900_000);
    (0..80).for_each(|n| writer.publish_retained(&format!("state/{n}"), &payload, 1));
    let full = bytes();
    assert!(full > 72_000_000, "{full}");
    (1..80).for_each(|n| writer.publish_retained(&format!("state/{n}"), "", 1));
    let shrunk = poll(30 * SECOND, || (bytes() < full / 4).then_some(()));
    assert!(shrunk.is_some(), "{} of {full} bytes", bytes());
    let broker = again(broker, folder.path(), ("KILL", 1));
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("state/#", 1);
    reader.receive("state/0", &payload);
    reader.expect_silence();
}

/// With an interval of an hour only SIGUSR1 brings it to the disk before the crash.
#[test]
fn sigusr1_saves_now() {
    if !broker::ours() {
        return;
    }
    let folder = folder();
    let conf = || conf(folder.path()).line("persistence_durability interval 3600000").line("sys_interval 1");
    let mut broker = conf().start();
    let mut writer = Client::clean(&broker, V4, "writer");
    writer.publish_retained("state", "on", 1);
    let mut sys = Sys::watch(&broker);
    assert!(sys.until(10 * SECOND, |sys| sys.number("store/records/waiting") > 0));
    assert_eq!(sys.value("store/durability"), Some("interval 3600000"));
    broker.signal("USR1");
    broker.wait_log(0, "Saving: ");
    assert!(sys.until(10 * SECOND, |sys| sys.number("store/records/waiting") == 0));
    assert_eq!(broker.stop_with("KILL"), None);
    let broker = conf().start();
    let mut reader = Client::clean(&broker, V4, "reader");
    reader.subscribe("state", 1);
    reader.receive("state", "on");
}

#[test]
fn persistence_durability_says_what_is_kept() {
    if !broker::ours() {
        return;
    }
    for (durability, kept) in [("interval 3600000", true), ("group", true), ("none", false)] {
        let folder = folder();
        let conf = || conf(folder.path()).line(&format!("persistence_durability {durability}"));
        let mut broker = conf().start();
        let (mut writer, _) = Client::open(&broker, &durable(V5, "writer"));
        // With an interval of an hour the acknowledgement comes at once, and an orderly end writes everything.
        writer.publish_retained("state", "on", 1);
        assert_eq!(broker.stop(), Some(0));
        assert_eq!(folder.path().join("pondhawk-store").exists(), kept, "{durability}");
        let broker = conf().start();
        let (mut reader, connack) = Client::open(&broker, &durable(V5, "writer"));
        assert_eq!(present(&connack), kept, "{durability}");
        reader.subscribe("state", 1);
        if kept {
            reader.receive("state", "on");
        }
        reader.expect_silence();
    }
}
