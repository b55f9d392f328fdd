//! The log as a whole, written to files.

use super::*;
use pondhawk_config::{LogDestinations, LogTypes};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;

fn to_file(path: &Path, types: LogTypes) -> Logging {
    Logging {
        destinations: LogDestinations { file: Some(path.to_owned()), ..LogDestinations::default() },
        types,
        facility: None,
        timestamp: false,
        timestamp_format: None,
        connection_messages: true,
    }
}

fn written(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn events_become_lines_of_their_class() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = Log::start(&to_file(&path, LogTypes::WARNING | LogTypes::NOTICE), "x", None).unwrap();
    tracing::subscriber::with_default(log.subscriber(), || {
        tracing::warn!("a warning");
        tracing::info!("no notice");
        tracing::info!(target: "mqtt::notice", count = 3, "a {}", "notice\nforged");
        log.write(Class::Error, "unwanted");
        log.write(Class::Notice, "\ta/# (QoS 0)");
    });
    assert!(log.finish());
    assert_eq!(written(&path), "a warning\na notice\\nforged count=3\n\ta/# (QoS 0)\n");
}

#[test]
fn a_reload_changes_classes_and_file() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("1"), dir.path().join("2"));
    let log = Log::start(&to_file(&first, LogTypes::ALL), "x", None).unwrap();
    tracing::subscriber::with_default(log.subscriber(), || {
        assert!(log.wants(Class::Debug) && log.wants_connections());
        log.write(Class::Debug, "before");
        log.reconfigure(&to_file(&second, LogTypes::ERROR)).unwrap();
        assert!(!log.wants(Class::Debug) && !log.wants_connections());
        log.write(Class::Debug, "unwanted");
        log.write(Class::Error, "after");
        assert!(log.reconfigure(&to_file(&dir.path().join("missing/x"), LogTypes::ALL)).is_err());
        assert!(!log.wants(Class::Debug));
    });
    assert!(log.finish());
    assert_eq!((written(&first), written(&second)), ("before\n".to_owned(), "after\n".to_owned()));
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
    let log = Log::start(&to_file(&path, LogTypes::ALL), "x", None).unwrap();
    tracing::subscriber::with_default(log.subscriber(), || {
        log.write(Class::Error, "old");
        assert!(log.flush());
        std::fs::rename(&path, &moved).unwrap();
        log.reopen().unwrap();
        log.write(Class::Error, "new");
    });
    assert!(log.finish());
    assert_eq!((written(&moved), written(&path)), ("old\n".to_owned(), "new\n".to_owned()));
}

#[test]
fn topics_get_lines_with_their_time_but_no_packets() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&got);
    let publish: Publish = Arc::new(move |topic, text| sink.lock().unwrap().push(format!("{topic} {text}")));
    let logging = Logging {
        destinations: LogDestinations { topic: true, ..LogDestinations::default() },
        timestamp: true,
        timestamp_format: Some("now".to_owned()),
        ..to_file(Path::new(""), LogTypes::ALL)
    };
    let log = Log::start(&logging, "x", Some(publish)).unwrap();
    tracing::subscriber::with_default(log.subscriber(), || {
        log.note(&Note::UnsubscribeFilter { client: "s1", filter: "zz" });
        log.accepted("1.2.3.4:5", "port 1883", Ok(()));
        log.accepted("1.2.3.4:6", "port 1883", Err("max_connections exceeded"));
    });
    assert!(log.finish());
    let wanted = [
        "$SYS/broker/log/M/unsubscribe now: s1 zz",
        "$SYS/broker/log/N now: New connection from 1.2.3.4:5 on port 1883.",
        "$SYS/broker/log/W now: Client connection from 1.2.3.4:6 denied: max_connections exceeded on port 1883.",
    ];
    assert_eq!(*got.lock().unwrap(), wanted);
}

#[test]
fn a_destination_that_hangs_holds_nobody_up() {
    let (release, gate) = channel::<()>();
    let (started, running) = channel();
    let gate = Mutex::new(gate);
    let publish: Publish = Arc::new(move |_, _| {
        // The first line hangs until the test lets it go; then the gate is open for good.
        let _gone = started.send(());
        let _open = gate.lock().unwrap().recv();
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut logging = to_file(&path, LogTypes::ALL);
    logging.destinations.topic = true;
    let log = Log::start(&logging, "x", Some(publish)).unwrap();
    tracing::subscriber::with_default(log.subscriber(), || {
        log.write(Class::Error, "first");
        running.recv().unwrap();
        for _ in 0..20_000 {
            log.write(Class::Debug, "more");
        }
    });
    drop(release);
    assert!(log.flush() && log.finish());
    let text = written(&path);
    let lines = text.lines().count();
    assert!((8_000..9_000).contains(&lines), "{lines} lines");
    assert!(text.contains(" log lines were lost"), "{}", text.lines().last().unwrap());
}
