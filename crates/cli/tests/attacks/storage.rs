//! D07, D08, F16, I01: a store under a broker that is killed, a disk that is full, and files that were damaged.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::packet::{PUBCOMP, PUBREC, PUBREL, ack};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// The usual target with its state in this folder.
pub fn kept(folder: &Path) -> Conf {
    target().line("persistence true").line(&format!("persistence_location {}", folder.display()))
}

/// How far an exchange at QoS 2 has come when the broker goes.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// PUBLISH is sent, and its answer not waited for.
    Published,
    /// PUBREC is here.
    Received,
    /// PUBREL is sent, and its answer not waited for.
    Released,
    /// PUBCOMP is here.
    Completed,
}

/// One message at QoS 2, whose broker ends at this step by this signal and is started again; then the reader, away
/// until now, must find it exactly once.
fn exactly_once(broker: &mut Broker, version: Version, (step, signal): (Step, &str)) {
    let id = |name: &str| Connect::new(version, name).durable();
    let topic = format!("once/{step:?}");
    let (mut reader, _) = Client::open(broker, &id("reader"));
    reader.subscribe(&topic, 2);
    reader.disconnect();
    let publish = Publish::new(version, &topic, "m").qos(2, 9);
    let (mut writer, _) = Client::open(broker, &id("writer"));
    writer.send(publish.bytes());
    if !matches!(step, Step::Published) {
        writer.expect(ack(PUBREC, 9));
    }
    if matches!(step, Step::Released | Step::Completed) {
        writer.send(ack(PUBREL, 9));
    }
    if matches!(step, Step::Completed) {
        writer.expect(ack(PUBCOMP, 9));
    }
    let code = broker.stop_with(signal);
    assert!(signal == "KILL" || code == Some(0), "{code:?}");
    broker.start_again();
    let (mut writer, connack) = Client::open(broker, &id("writer"));
    assert_eq!(connack[2], 1, "the writer's session is there");
    // The client goes on where it was: what it has had no answer to is sent again.
    if matches!(step, Step::Published) {
        writer.send(publish.dup().bytes());
        writer.expect(ack(PUBREC, 9));
    }
    if !matches!(step, Step::Completed) {
        writer.send(ack(PUBREL, 9));
        let pubcomp = writer.frame();
        assert_eq!(pubcomp[..1], [PUBCOMP], "{step:?}: {}", hex::dump(&pubcomp));
    }
    writer.disconnect();
    let (mut reader, connack) = Client::open(broker, &id("reader"));
    assert_eq!(connack[2], 1, "the reader's session is there");
    reader.receive(&topic, "m");
    reader.expect_silence();
    reader.disconnect();
    for name in ["reader", "writer"] {
        Client::clean(broker, version, name).disconnect();
    }
}

/// The steps, watched before and afterwards: in between the broker is another one.
fn over_restarts(name: &str, signal: &str, steps: &[Step]) {
    if !broker::ours() {
        return; // Mosquitto loses what it has not saved.
    }
    let folder = tempfile::tempdir().unwrap();
    let mut broker = kept(folder.path()).start();
    for &step in steps {
        for version in [V4, V5] {
            exactly_once(&mut broker, version, (step, signal));
        }
    }
    let vitals = Vitals::begin(&broker);
    vitals.finish(name, &mut broker, Limits::of_connections(1));
}

// D07, S: exactly once to a durable subscriber, never zero, killed at every step.
#[test]
fn d07_killed_at_every_step_of_qos_2() {
    let steps = [Step::Published, Step::Received, Step::Released, Step::Completed];
    over_restarts("D07 (killed at every step)", "KILL", &steps);
}

// D08, S: a restart between PUBREL and PUBCOMP.
#[test]
fn d08_restarted_between_pubrel_and_pubcomp() {
    over_restarts("D08 (restarted before PUBCOMP)", "TERM", &[Step::Released, Step::Received]);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy_folder(&path, &place) } else { fs::copy(&path, &place).map(drop).unwrap() }
    }
}

/// The session that must be there, or be missed aloud.
pub fn reader() -> Connect {
    Connect::new(V5, "reader").durable()
}

/// Starts a broker on a damaged copy: it may refuse with a reason, or say what is lost; if it says nothing, nothing is.
/// True if it says that something is not as it was written.
fn judge_damage(folder: &Path, what: &str) -> bool {
    let conf = kept(folder);
    let Some(broker) = conf.clone().start_unless_it_ends() else {
        let finished = conf.run_to_end();
        assert!(finished.code.is_some_and(|code| code != 0), "{what}: {:?}", finished.code);
        assert!(
            finished.log.contains("Error") && !finished.log.contains("panicked"),
            "{what}: {}",
            finished.log
        );
        return true;
    };
    let log = broker.log().to_lowercase();
    assert!(!log.contains("panicked"), "{what}: {log}");
    if ["lost", "damaged", "corrupt"].iter().any(|word| log.contains(word)) {
        return true;
    }
    let (mut client, connack) = Client::open(&broker, &reader());
    assert_eq!(connack[2], 1, "{what}: the session is gone and nobody says so: {log}");
    for number in 0..20 {
        client.receive("kept/queue", &number.to_string());
    }
    client.subscribe("kept/retained", 1).receive("kept/retained", "kept");
    client.expect_silence();
    false
}

// I01, C: what was written is there, or its loss is said. Scale: a bit at 16 places, 6 lengths, instead of every one.
#[test]
fn i01_damaged_state_files() {
    if !broker::ours() {
        return; // Its files are others.
    }
    let good = tempfile::tempdir().unwrap();
    let mut broker = kept(good.path()).start();
    let (mut client, _) = Client::open(&broker, &reader());
    client.subscribe("kept/queue", 1);
    client.disconnect();
    let mut writer = Client::clean(&broker, V5, "writer");
    for number in 0..20 {
        writer.publish("kept/queue", number.to_string(), 1);
    }
    writer.publish_retained("kept/retained", "kept", 1);
    writer.disconnect();
    assert_eq!(broker.stop(), Some(0));
    assert!(!judge_damage_of_copy(good.path(), "nothing", |_| {}), "a sound store is called damaged");
    let mut told = 0;
    for place in 0..16_u64 {
        told += judge_damage_of_copy(good.path(), &format!("a bit in the {place}th of 16 parts"), |file| {
            let mut bytes = fs::read(file).unwrap();
            // The middle of the first pages, where the head and the roots are, and then the parts of the rest.
            let at = if place < 4 { 16 + 40 * place as usize } else { bytes.len() * place as usize / 16 };
            bytes[at] ^= 1 << (place % 8);
            fs::write(file, bytes).unwrap();
        }) as usize;
    }
    for part in 0..6_u64 {
        told += judge_damage_of_copy(good.path(), &format!("cut to {part} sixths"), |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() * part as usize / 6]).unwrap();
        }) as usize;
    }
    println!("I01: {told} of 22 damaged stores are told of, the others are whole all the same");
    assert!(told >= 6, "cuts at least are seen");
    let other = judge_damage_of_copy(good.path(), "another kind of file", |file| {
        fs::write(file, "mosquitto db".repeat(10_000)).unwrap();
    });
    assert!(other, "another kind of file passes for a store");
}

/// Damages the file with the records in a copy of the folder.
fn judge_damage_of_copy(good: &Path, what: &str, damage: impl FnOnce(&Path)) -> bool {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(good, folder.path());
    damage(&folder.path().join("pondhawk-store/records.redb"));
    judge_damage(folder.path(), what)
}

// F16, G: a disk that is full, which is a small file system of the broker's own.
#[test]
fn f16_a_full_disk() {
    if !broker::ours() {
        return; // Mosquitto acknowledges before it writes.
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(mut broker) = on_small_disk(kept(folder.path()), folder.path(), 16) else {
        println!("F16: this machine lets nobody mount in a namespace of his own");
        return;
    };
    let vitals = Vitals::begin(&broker);
    // The broker's view of the folder, which is not ours.
    let inside = PathBuf::from(format!("/proc/{}/root{}", broker.pid(), folder.path().display()));
    let (mut client, _) = Client::open(&broker, &reader());
    client.subscribe("kept/queue", 1);
    client.disconnect();
    let filler = inside.join("filler");
    fill(&filler);
    let mut writer = Client::clean(&broker, V5, "writer");
    let payload = "x".repeat(200_000);
    let (mut acknowledged, mut refused) = (0, 0);
    for mid in 1..=100 {
        writer.send(Publish::new(V5, "kept/queue", &payload).qos(1, mid).bytes());
        match writer.frame().get(4).copied().unwrap_or(0) {
            0x97 => refused += 1,
            reason => {
                assert_eq!((reason, refused), (0, 0), "after {acknowledged} messages");
                acknowledged += 1;
            }
        }
    }
    println!("F16: {acknowledged} acknowledged, then {refused} refused; log:\n{}", broker.log());
    assert!(refused > 0, "20 MB do not fit 16");
    // Others are served, and what was acknowledged is there when there is room again.
    let mut other = Client::clean(&broker, V5, "other");
    other.subscribe("unkept", 0);
    other.publish("unkept", "m", 0);
    other.receive("unkept", "m");
    other.disconnect();
    fs::remove_file(&filler).unwrap();
    broker.wait_log(0, "The store has room again");
    writer.publish("kept/queue", &payload, 1);
    writer.disconnect();
    let (mut client, _) = Client::open(&broker, &reader());
    for _ in 0..=acknowledged {
        assert_eq!(client.receive_any().payload.len(), payload.len());
    }
    client.disconnect();
    Client::clean(&broker, V5, "reader").disconnect();
    // The small file system is gone with its broker: V8 has its own cases.
    vitals.finish_here("F16 (a full disk)", &mut broker, Limits::of_connections(5));
}

/// Writes until nothing fits.
fn fill(file: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(file).unwrap();
    for block in [1 << 20, 64 << 10, 4 << 10, 512] {
        while file.write_all(&vec![0; block]).is_ok() {}
    }
}

/// A broker whose folder is a file system of so many megabytes, if this machine allows such a thing.
fn on_small_disk(conf: Conf, folder: &Path, megabytes: usize) -> Option<Broker> {
    let probe = std::process::Command::new("unshare").args(["-rm", "true"]).status();
    probe.is_ok_and(|status| status.success()).then(|| conf.small_disk(folder, megabytes).start())
}
