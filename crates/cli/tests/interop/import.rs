//! What Debian's broker has written comes out of ours, by itself at the first start and by `pondhawk import`.

use crate::foreign::program;
use crate::kit::packet::{PUBCOMP, PUBREC, PUBREL, ack, prop};
use crate::kit::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn conf(folder: &Path) -> Conf {
    Conf::open().line("persistence true").line(&format!("persistence_location {}/", folder.display()))
}

fn durable(version: Version, id: &str) -> Connect {
    Connect::new(version, id).durable()
}

/// The exit code and what was printed.
fn pondhawk(words: &[&str], path: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pondhawk"));
    let output = command.args(words).arg(path).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Has Debian's broker write a `mosquitto.db` with one of everything.
fn written_by_mosquitto(mosquitto: PathBuf) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut broker = conf(folder.path()).program(mosquitto).start();
    // A name, and behind it clients without one, for whom 2.0.11 writes what is in its memory.
    Client::open(&broker, &durable(V4, "named").user("anna")).0.subscribe("named", 1);
    for id in ["nameless1", "nameless2", "nameless3"] {
        Client::open(&broker, &durable(V4, id)).0.subscribe("named", 1);
    }
    let (mut reader, _) = Client::open(&broker, &durable(V5, "reader"));
    let subscribe = Subscribe::new(V5, 7, "a/#", 2 | 0x08).property(prop::var(0x0b, 77));
    reader.send(subscribe.bytes());
    reader.frame();
    let mut writer = Client::clean(&broker, V5, "writer");
    writer.publish("a/1", "has PUBREC", 2);
    writer.publish("a/2", "sent", 2);
    writer.publish("a/3", "sent at QoS 1", 1);
    let first = reader.delivery();
    assert_eq!((first.text(), first.mid), ("has PUBREC".to_owned(), 1));
    reader.send(ack(PUBREC, 1));
    for mid in [2, 3] {
        assert_eq!(reader.delivery().mid, mid);
    }
    reader.expect(ack(PUBREL, 1));
    reader.cut();
    let queued = Publish::new(V5, "a/4", "queued").qos(1, 9).property(prop::four(0x02, 5_000));
    writer.send(queued.property(prop::text(0x03, "text/x")).property(prop::user("k", "v")).bytes());
    writer.frame();
    writer.publish_retained("kept", "on", 1);
    writer.publish("named", "for all", 1);
    let (mut sender, _) = Client::open(&broker, &durable(V4, "sender"));
    sender.send(Publish::new(V4, "a/5", "released later").qos(2, 9).bytes());
    sender.expect(ack(PUBREC, 9));
    sender.cut();
    assert_eq!(broker.stop(), Some(0));
    folder
}

/// Everything is there, exactly once, under the identifiers that the clients know.
fn everything_comes_out(broker: &Broker) {
    let (mut reader, connack) = Client::open(broker, &durable(V5, "reader"));
    assert_eq!(connack[2] & 1, 1, "{}", broker.log());
    reader.expect(ack(PUBREL, 1));
    let second = reader.delivery();
    assert_eq!((second.text(), second.mid, second.qos, second.dup), ("sent".to_owned(), 2, 2, true));
    let third = reader.delivery();
    assert_eq!((third.text(), third.mid, third.qos), ("sent at QoS 1".to_owned(), 3, 1));
    let fourth = reader.delivery();
    assert_eq!((fourth.text(), fourth.qos, fourth.dup), ("queued".to_owned(), 1, false));
    let has = |wanted: &[u8]| fourth.properties.windows(wanted.len()).any(|window| window == wanted);
    let expiry = fourth.properties.iter().position(|byte| *byte == 0x02).expect("an expiry");
    let left = u32::from_be_bytes(fourth.properties[expiry + 1..expiry + 5].try_into().expect("four bytes"));
    assert!((4_000..=5_000).contains(&left), "{left}");
    assert!(has(b"text/x") && has(b"\x26\0\x01k\0\x01v") && has(&[0x0b, 77]), "{:x?}", fourth.properties);
    reader.send(ack(PUBCOMP, 1));
    for delivery in [&second, &third, &fourth] {
        reader.acknowledge(delivery);
    }
    // The sender's message was never released: PUBREL is all that it takes.
    let (mut sender, connack) = Client::open(broker, &durable(V4, "sender"));
    assert_eq!(connack[2] & 1, 1);
    sender.send(ack(PUBREL, 9));
    sender.expect(ack(PUBCOMP, 9));
    reader.receive("a/5", "released later");
    reader.expect_silence();
    // Whatever names Mosquitto wrote, clients get their sessions.
    for connect in [
        durable(V4, "named").user("anna"),
        durable(V4, "nameless1"),
        durable(V4, "nameless2"),
        durable(V4, "nameless3"),
    ] {
        let (mut client, connack) = Client::open(broker, &connect);
        assert_eq!(connack, [0x20, 2, 1, 0], "{}", broker.log());
        client.receive("named", "for all");
    }
    let mut other = Client::clean(broker, V4, "other");
    other.subscribe("kept", 1);
    other.receive("kept", "on");
    other.expect_silence();
}

#[test]
fn foreign_what_mosquitto_has_kept_is_there_at_the_first_start() {
    let Some(mosquitto) = program("PONDHAWK_MOSQUITTO", "mosquitto") else { return };
    if !broker::ours() {
        return;
    }
    let folder = written_by_mosquitto(mosquitto);
    let file = folder.path().join("mosquitto.db");
    let before = std::fs::read(&file).expect("Mosquitto has written it");
    let mut broker = conf(folder.path()).shards(2).start();
    assert!(
        broker.log().contains("6 sessions with 5 subscriptions and 8 messages (3 of them in flight)"),
        "{}",
        broker.log()
    );
    everything_comes_out(&broker);
    assert_eq!(broker.stop(), Some(0));
    // Once: what was delivered does not come again.
    let broker = conf(folder.path()).shards(1).start();
    assert!(!broker.log().contains("Imported"), "{}", broker.log());
    let (mut reader, connack) = Client::open(&broker, &durable(V5, "reader"));
    assert_eq!(connack[2] & 1, 1);
    reader.expect_silence();
    assert!(std::fs::read(&file).is_ok_and(|after| after == before), "the old file stays as it is");
}

#[test]
fn foreign_the_import_by_hand_is_what_the_tools_show() {
    let Some(mosquitto) = program("PONDHAWK_MOSQUITTO", "mosquitto") else { return };
    if !broker::ours() {
        return;
    }
    let folder = written_by_mosquitto(mosquitto);
    let file = folder.path().join("mosquitto.db");
    let (code, out, err) = pondhawk(&["import", "--json"], &file);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let counts = ["format", "sessions", "subscriptions", "queued", "in_flight", "received", "retained"];
    assert_eq!(counts.map(|name| report[name].as_u64().expect(name)), [6, 6, 5, 8, 3, 1, 1], "{out}");
    let (code, _, err) = pondhawk(&["import"], &file);
    assert!(code == Some(2) && err.contains("the store is not empty"), "{err}");

    let (code, out, _) = pondhawk(&["store", "stats", "--json"], folder.path());
    let stats: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, stats["queued_messages"].as_u64(), stats["retained_messages"].as_u64()),
        (Some(0), Some(8), Some(1))
    );
    assert_eq!(stats["longest_queues"][0]["client_id"], "reader");
    let (code, out, _) = pondhawk(&["store", "export"], folder.path());
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(code, Some(0));
    assert_eq!(
        ["session", "subscription", "queued", "received", "retained"].map(|kind| of(kind).len()),
        [6, 5, 8, 1, 1]
    );
    let queued =
        of("queued").into_iter().find(|line| line["message"]["payload"] == "queued").expect("it is there");
    assert_eq!(queued["message"]["properties"]["content-type"], "text/x");
    assert_eq!((&queued["subscription_ids"][0], &queued["sent"]), (&77.into(), &false.into()));
    let (code, out, err) = pondhawk(&["store", "compact"], folder.path());
    assert!(code == Some(0) && out.contains(" bytes, before "), "{out} {err}");
    assert_eq!(pondhawk(&["store", "check"], folder.path()).0, Some(0));

    let broker = conf(folder.path()).shards(2).start();
    for command in ["check", "stats", "export", "compact", "repair"] {
        let (code, _, err) = pondhawk(&["store", command], folder.path());
        assert!(code == Some(2) && err.contains("in use by another process"), "{command}: {err}");
    }
    assert!(!broker.log().contains("Imported"), "{}", broker.log());
    everything_comes_out(&broker);
}
