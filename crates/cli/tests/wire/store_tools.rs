//! `pondhawk store` and `pondhawk import` where no other broker is needed.

use crate::kit::*;
use std::path::Path;
use std::process::Command;

fn pondhawk(words: &[&str], path: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pondhawk"));
    let output = command.args(words).arg(path).output().expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn conf(folder: &Path) -> Conf {
    Conf::open().line("persistence true").line(&format!("persistence_location {}", folder.display()))
}

#[test]
fn a_damaged_store_is_repaired_and_what_was_lost_is_named() {
    if !broker::ours() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut broker = conf(folder.path()).shards(1).start();
    let mut writer = Client::clean(&broker, V4, "writer");
    for n in 0..300 {
        writer.publish_retained(&format!("state/{n:03}"), format!("{n:0100}"), 1);
    }
    assert_eq!(broker.stop(), Some(0));
    let file = folder.path().join("pondhawk-store/records.redb");
    let mut bytes = std::fs::read(&file).expect("the store");
    let wanted = format!("{:0100}", 150).into_bytes();
    let places: Vec<usize> = (0..bytes.len() - 100).filter(|at| bytes[*at..*at + 100] == wanted).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place] ^= 1;
    }
    std::fs::write(&file, &bytes).expect("written");
    let (code, said) = pondhawk(&["store", "compact"], folder.path());
    assert!(code == Some(1) && said.contains("repair"), "{said}");
    assert_eq!(pondhawk(&["store", "export"], folder.path()).0, Some(1));
    assert!(std::fs::read(&file).is_ok_and(|after| after == bytes), "nothing has changed");
    let (code, said) = pondhawk(&["store", "repair"], folder.path());
    assert!(code == Some(0) && said.ends_with("sound\n"), "{said}");
    assert!(said.contains("lost: every record from") && said.contains("records.damaged-1.redb"), "{said}");
    let (code, said) = pondhawk(&["store", "export"], folder.path());
    let left = said.lines().count();
    assert!(code == Some(0) && (150..300).contains(&left), "{left}");
    // The file is gone altogether.
    std::fs::remove_file(&file).expect("it was there");
    let (code, said) = pondhawk(&["store", "check"], folder.path());
    assert!(code == Some(1) && said.contains("lost: everything"), "{said}");
    assert_eq!(pondhawk(&["store", "repair"], folder.path()).0, Some(0));
    assert_eq!(pondhawk(&["store", "check"], folder.path()).0, Some(0));
}

#[test]
fn where_there_is_no_store_none_is_made() {
    if !broker::ours() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["check", "stats", "export", "compact", "repair"] {
        let (code, said) = pondhawk(&["store", command], folder.path());
        assert!(code == Some(2) && said.starts_with("Error: "), "{command}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
}

#[test]
fn a_file_that_cannot_be_read_stops_the_start_and_says_why() {
    if !broker::ours() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mosquitto.db");
    for (bytes, why) in [
        (&b"\0\xb5\0mosquitto db\0\0\0\0\0\0\0\x04"[..], "start it once with Mosquitto 1.6 or 2"),
        (b"\0\xb5\0mosquitto db\0\0\0\0\0\0\0\x06\0\0\0\x02\xff\xff\xff\xff", "damaged at byte 31"),
        (b"something else", "this is not a mosquitto.db"),
    ] {
        std::fs::write(&file, bytes).expect("written");
        let finished = conf(folder.path()).run_to_end();
        assert!(finished.code != Some(0) && finished.log.contains(why), "{}", finished.log);
        let (code, said) = pondhawk(&["import"], &file);
        assert!(code == Some(2) && said.contains(why), "{said}");
    }
    // Without it, the broker starts with nothing.
    std::fs::remove_file(&file).expect("it was there");
    assert!(conf(folder.path()).start().alive());
}
