//! A disk that is full, and one that fails: what must be kept is refused, nothing that was refused comes, and the rest
//! goes on. A broker starts on a full disk.

use crate::kit::packet::PUBACK;
use crate::kit::*;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A file system of a few megabytes in namespaces of a process of its own, which outlive a broker.
struct SmallDisk {
    keeper: Child,
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts it; nothing where this machine does not allow that.
    fn mount(megabytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script]).arg(folder.path());
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut said = String::new();
        let _ended = BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut said);
        let disk = SmallDisk { keeper, folder };
        if said != "mounted\n" {
            println!("skipped: this machine lets nobody mount in a namespace of his own");
            return None;
        }
        Some(disk)
    }

    fn conf(&self) -> Conf {
        let place = format!("persistence_location {}", self.folder.path().display());
        let conf = Conf::open().shards(1).line("persistence true").line(&place).line("sys_interval 1");
        conf.beside(self.keeper.id())
    }

    /// The folder as the broker sees it.
    fn inside(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.keeper.id(), self.folder.path().display()))
    }

    fn fill(&self) {
        let mut filler = fs::File::create(self.inside().join("filler")).expect("a file");
        for block in [1 << 20, 4 << 10, 1] {
            while filler.write_all(&vec![0; block]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.inside().join("filler")).expect("a filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn reader() -> Connect {
    Connect::new(V5, "reader").durable()
}

/// The reason code of a PUBACK; none is 0.
fn publish(writer: &mut Client, topic: &str, payload: &str) -> u8 {
    writer.send(Publish::new(V5, topic, payload).qos(1, 1).bytes());
    let answer = writer.frame();
    assert_eq!(answer[0], PUBACK, "{}", hex::dump(&answer));
    answer.get(4).copied().unwrap_or(0)
}

/// What needs no disk is served.
fn serves_the_rest(broker: &Broker) {
    let mut other = Client::clean(broker, V4, "other");
    other.subscribe("live", 1);
    other.publish("live", "at most once", 0);
    other.receive("live", "at most once");
    other.publish("live", "at least once", 1);
    other.receive("live", "at least once");
    other.disconnect();
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_nothing_else() {
    if !broker::ours() {
        return;
    }
    let Some(disk) = SmallDisk::mount(16) else { return };
    let mut broker = disk.conf().start();
    let (mut client, _) = Client::open(&broker, &reader());
    client.subscribe("kept", 1);
    client.disconnect();
    let mut writer = Client::clean(&broker, V5, "writer");
    assert_eq!(publish(&mut writer, "kept", "before"), 0);
    disk.fill();
    // Whatever comes while the disk fills up has an answer: what was taken is durable thanks to the reserve.
    let large = "x".repeat(200_000);
    let codes: Vec<u8> = (0..20).map(|_| publish(&mut writer, "kept", &large)).collect();
    let taken = codes.iter().take_while(|code| **code == 0).count();
    assert!(codes[taken..].iter().all(|code| *code == 0x97) && taken < 20, "{codes:?}");
    assert_eq!(publish(&mut writer, "kept", "refused"), 0x97);
    let mut old = Client::clean(&broker, V4, "old");
    old.send(Publish::new(V4, "kept", "waits").qos(1, 1).bytes());
    serves_the_rest(&broker);
    let mut sys = Sys::watch(&broker);
    assert!(sys.until(10 * SECOND, |sys| sys.value("store/state") == Some("full")));
    // A kept session is found again, and served.
    let (mut client, connack) = Client::open(&broker, &reader());
    assert_eq!(connack[2], 1);
    client.receive("kept", "before");
    (0..taken).for_each(|_| assert_eq!(client.receive_any().payload.len(), large.len()));
    client.expect_silence();
    client.disconnect();
    assert_eq!(broker.stop_with("KILL"), None);
    broker.start_again();
    assert!(broker.log().contains("No space is left for the store"), "{}", broker.log());
    let mut writer = Client::clean(&broker, V5, "writer");
    assert_eq!(publish(&mut writer, "kept", "refused"), 0x97);
    serves_the_rest(&broker);
    let mut old = Client::clean(&broker, V4, "old");
    old.send(Publish::new(V4, "kept", "waits").qos(1, 7).bytes());
    disk.make_room();
    broker.wait_log(0, "The store has room again");
    old.expect(packet::ack(PUBACK, 7));
    assert_eq!(publish(&mut writer, "kept", "after"), 0);
    let (mut client, connack) = Client::open(&broker, &reader());
    assert_eq!(connack[2], 1);
    client.receive("kept", "waits");
    client.receive("kept", "after");
    client.expect_silence();
}

/// Not a byte is left, the reserve is gone, and the last broker was killed: the next one reads and serves.
#[test]
fn a_broker_starts_where_not_a_byte_is_left() {
    if !broker::ours() {
        return;
    }
    let Some(disk) = SmallDisk::mount(8) else { return };
    let mut broker = disk.conf().start();
    let (mut client, _) = Client::open(&broker, &reader());
    client.subscribe("kept", 1);
    let will = Publish::new(V5, "kept", "a will").qos(1, 0);
    let (mut mortal, _) = Client::open(&broker, &Connect::new(V5, "mortal").will(will));
    mortal.publish_retained("state", "on", 1);
    assert_eq!(broker.stop_with("KILL"), None);
    fs::remove_file(disk.inside().join("pondhawk-store/reserve")).expect("a reserve");
    disk.fill();
    broker.start_again();
    serves_the_rest(&broker);
    let mut other = Client::clean(&broker, V5, "other");
    other.subscribe("state", 1);
    other.receive("state", "on");
    assert_eq!(publish(&mut other, "kept", "refused"), 0x97);
    disk.make_room();
    broker.wait_log(0, "The store has room again");
    assert_eq!(publish(&mut other, "kept", "after"), 0);
    let (mut client, connack) = Client::open(&broker, &reader());
    assert_eq!(connack[2], 1);
    client.receive("kept", "a will");
    client.receive("kept", "after");
    client.expect_silence();
}

/// Fails to write with something else than a full disk, once the store has grown.
fn failing(folder: &Path) -> Conf {
    let place = format!("persistence_location {}", folder.display());
    let conf = Conf::open().shards(1).line("persistence true").line(&place).line("max_queued_messages 0");
    conf.file_bytes(1_000_000)
}

/// Publishes until the store has failed.
fn break_it(broker: &Broker) {
    let (mut client, _) = Client::open(broker, &reader());
    client.subscribe("kept", 1);
    client.disconnect();
    let mut writer = Client::clean(broker, V5, "writer");
    for mid in 1..=20 {
        writer.send(Publish::new(V5, "kept", "x".repeat(200_000)).qos(1, mid).bytes());
        if writer.frame_within(SECOND).is_none() {
            break;
        }
    }
    broker.wait_log(0, "Nothing that must be kept is acknowledged any more");
}

#[test]
fn a_store_that_has_failed_is_said_to_whoever_needs_it() {
    if !broker::ours() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let broker = failing(folder.path()).line("sys_interval 1").start();
    break_it(&broker);
    let mut writer = Client::clean(&broker, V5, "writer");
    assert_eq!(publish(&mut writer, "kept", "refused"), 0x83);
    let mut old = Client::clean(&broker, V4, "old");
    old.send(Publish::new(V4, "kept", "refused").qos(1, 1).bytes());
    old.expect_close();
    let mut client = Client::raw(&broker, V5);
    client.send(reader().bytes());
    client.expect([0x20, 3, 0, 0x88, 0]);
    serves_the_rest(&broker);
    let mut sys = Sys::watch(&broker);
    assert!(sys.until(10 * SECOND, |sys| sys.value("store/state") == Some("failed")));
}

#[test]
fn the_broker_ends_with_its_store_where_it_is_told_to() {
    if !broker::ours() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut broker = failing(folder.path()).line("persistence_on_failure exit").start();
    break_it(&broker);
    assert_eq!(broker.wait_end(), Some(1), "{}", broker.log());
    assert!(broker.log().contains("persistence_on_failure"), "{}", broker.log());
}
