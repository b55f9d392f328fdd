//! Operation: signals under load (I06), values at their edges (G08), and our tools before a hostile broker (H06).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

// I06, G: signals while messages flow; then SIGTERM, twice, under full load.
#[test]
fn i06_signals_under_load() {
    let mut broker = target().line("connection_messages false").start();
    let mut vitals = Vitals::begin(&broker);
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..2 {
            let (broker, stop, sent) = (&broker, &stop, &sent);
            scope.spawn(move || {
                let mut client = Client::clean(broker, V5, &format!("busy{number}"));
                client.subscribe(&format!("busy/{number}"), 1);
                while !stop.load(Ordering::Relaxed) {
                    client.publish(&format!("busy/{number}"), "m", 1);
                    client.receive(&format!("busy/{number}"), "m");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                client.disconnect();
            });
        }
        for round in 0..40 {
            broker.signal(["HUP", "USR1", "USR2", "HUP"][round % 4]);
            // Messages go on between one signal and the next.
            let before = sent.load(Ordering::Relaxed);
            let going = poll(10 * SECOND, || (sent.load(Ordering::Relaxed) > before).then_some(()));
            assert!(going.is_some(), "messages stop at signal {round}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    vitals.during("I06", &mut broker);
    vitals.finish("I06 (signals under load)", &mut broker, Limits::of_connections(2));
    stop_under_load(broker);
}

/// SIGTERM twice while a client floods: the exit is clean, and in time.
fn stop_under_load(mut broker: Broker) {
    let mut flooder = Client::clean(&broker, V5, "flooder");
    let batch = Publish::new(V5, "flood", vec![b'x'; 1_000]).bytes().repeat(100);
    let flood = std::thread::spawn(move || {
        while !flooder.refused_write() {
            flooder.send(&batch);
        }
    });
    broker.signal("TERM");
    let _second =
        Command::new("kill").args(["-TERM", &broker.pid().to_string()]).stderr(Stdio::null()).status();
    assert_eq!(broker.wait_end(), Some(0), "a clean end; log:\n{}", broker.log());
    assert_eq!(broker.crash_mark(), None);
    flood.join().expect("the flooder notices");
}

// G08, C(mosquitto#3691, FlashMQ CVE-2026-42209): refused when it is read, with the line.
#[test]
fn g08_configuration_values_at_their_edges() {
    if !broker::ours() {
        return; // Mosquitto takes several of these.
    }
    let huge = "9".repeat(30);
    let lines = [
        "max_inflight_messages 65536",
        "max_inflight_messages x",
        "max_packet_size 0",
        "max_packet_size -1",
        "packet_buffer_size 0",
        "packet_buffer_size -1",
        "max_topic_levels 0",
        "max_client_id_bytes 0",
        "max_user_properties -1",
        "memory_limit -1",
        "connect_timeout 0",
        "connect_timeout 9223372036854775808",
        "login_failure_limit -1",
        "login_failure_limit 60001",
        "sys_interval -1",
        "max_keepalive 65536",
        "listener 65536",
        "listener -1",
        "listener",
        "listener 1x",
        "password_file",
        "acl_file",
        "allow_anonymous maybe",
        "allow_anonymous",
        "shards 1025",
        "authentication_threads 0",
        "persistent_client_expiration 1",
        "no_such_directive 1",
        "max_retained_bytes 1e9",
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("edge.conf");
    let judged = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pondhawk"));
        let output = command.args(["broker", "--test-config", "-c", file.to_str().unwrap()]).output();
        let output = output.expect("our own binary");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    assert_eq!(judged("# nothing\nlistener 1883\n").0, Some(0));
    let long = format!("sys_interval {huge}");
    for line in lines.into_iter().chain([long.as_str()]) {
        let (code, said) = judged(&format!("# first\n\n{line}\n"));
        assert_eq!(code, Some(3), "{line:?}: {said}");
        assert!(said.contains("edge.conf:3"), "{line:?}: {said}");
        assert!(!said.contains("panicked"), "{line:?}: {said}");
    }
    // What is read is also run: a broker at the smallest values serves.
    let mut conf = target();
    for line in
        ["max_inflight_messages 1", "max_queued_messages 1", "max_output_bytes 4096", "max_topic_levels 3"]
    {
        conf = conf.line(line);
    }
    let mut broker = conf.start();
    let vitals = Vitals::begin(&broker);
    let mut client = Client::clean(&broker, V5, "small");
    client.subscribe("a/b", 1);
    client.publish("a/b", "m", 1);
    client.receive("a/b", "m");
    client.disconnect();
    vitals.finish("G08 (values at their edges)", &mut broker, Limits::of_connections(1));
}

/// What a hostile broker says, and to which version of MQTT.
const HOSTILE: [(&str, &[u8], &str); 20] = [
    ("nothing but the end", b"", "5"),
    ("CONNACK of five length bytes", b"\x20\xFF\xFF\xFF\xFF\x01", "5"),
    ("256 MB announced", b"\x20\xFF\xFF\xFF\x7F\x00\x00", "5"),
    ("256 MB announced after CONNACK", b"\x20\x03\x00\x00\x00\x30\xFF\xFF\xFF\x7F\x00\x01x", "5"),
    ("CONNACK cut short", b"\x20\x01\x00", "5"),
    ("CONNACK with properties beyond its end", b"\x20\x03\x00\x00\x40", "5"),
    ("CONNACK with an unknown property", b"\x20\x05\x00\x00\x02\x7F\x00", "5"),
    ("CONNACK with a receive maximum of 0", b"\x20\x06\x00\x00\x03\x21\x00\x00", "5"),
    ("CONNACK of MQTT 5 to MQTT 3.1.1", b"\x20\x03\x00\x00\x00", "311"),
    ("CONNACK twice", b"\x20\x03\x00\x00\x00\x20\x03\x00\x00\x00", "5"),
    ("CONNECT", b"\x10\x0C\x00\x04MQTT\x05\x02\x00\x3C\x00\x00", "5"),
    ("AUTH that nobody asked for", b"\xF0\x00", "5"),
    ("a packet of type 0", b"\x20\x03\x00\x00\x00\x00\x00", "5"),
    ("SUBACK of nothing", b"\x20\x03\x00\x00\x00\x90\x03\x00\x01\x00", "5"),
    ("SUBACK without codes", b"\x20\x03\x00\x00\x00\x90\x02\x00\x01", "5"),
    (
        "PUBLISH with an alias that means nothing",
        b"\x20\x03\x00\x00\x00\x30\x06\x00\x00\x03\x23\x00\x05",
        "5",
    ),
    ("PUBLISH with alias 0", b"\x20\x03\x00\x00\x00\x30\x07\x00\x01x\x03\x23\x00\x00", "5"),
    ("PUBLISH at QoS 3", b"\x20\x03\x00\x00\x00\x36\x06\x00\x01x\x00\x01\x00", "5"),
    ("PUBLISH of no UTF-8", b"\x20\x03\x00\x00\x00\x30\x05\x00\x02\xFF\xFE\x00", "5"),
    ("noise", b"\xF5\x01\x02\x03\x04\x05\x06\x07\x08\x09", "5"),
];

/// Serves connections until the listener is connected to once more: the first `bad` of them hear `said` and the end,
/// the others a broker that takes everything and delivers one message.
fn serve(listener: &TcpListener, said: &[u8], (bad, stop): (usize, &AtomicBool)) {
    for (number, stream) in listener.incoming().enumerate() {
        let Ok(mut stream) = stream else { continue };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        stream.set_read_timeout(Some(10 * SECOND)).expect("a positive time");
        let mut bytes = [0; 4096];
        let _connect = stream.read(&mut bytes);
        if number < bad {
            let _ = stream.write_all(said);
            // Hang up behind it, which is what ends those that wait for the rest.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while matches!(stream.read(&mut bytes), Ok(1..)) {}
            continue;
        }
        let _ = stream.write_all(b"\x20\x03\x00\x00\x00");
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            if bytes[0] == 0x82 {
                let (high, low) = (bytes[2], bytes[3]);
                let _ = stream.write_all(&[0x90, 4, high, low, 0, 0]);
                let _ = stream.write_all(b"\x30\x06\x00\x01t\x00ok");
            }
            if bytes[..count].ends_with(&[0xE0, 0]) {
                break;
            }
        }
    }
}

/// Runs a tool of ours to its end; one that stays is an error.
#[track_caller]
fn run(arguments: &[&str], what: &str) -> (Option<i32>, String, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pondhawk"));
    command.args(arguments).env("XDG_CONFIG_HOME", "/dev/null").env("XDG_STATE_HOME", "/dev/null");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ours");
    let mut peak = 0;
    let ended = poll(30 * SECOND, || {
        peak = peak.max(resident(&child));
        child.try_wait().expect("our own child")
    });
    if ended.is_none() {
        let _ = child.kill();
    }
    let output = child.wait_with_output().expect("our own child");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(ended.is_some(), "{what}: {arguments:?} stays; it said {said}");
    (output.status.code(), said, peak)
}

/// Resident memory of a child that may have ended.
fn resident(child: &Child) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", child.id())).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

// H06, C(MQTT.js GHSA-c8jq-r765-cq7g): an error and an end, no panic, and nothing is set aside for what is announced.
#[test]
fn h06_tools_before_a_hostile_broker() {
    if !broker::ours() {
        return; // Tests our tools.
    }
    for (what, said, version) in HOSTILE {
        for tool in [&["pub", "-t", "t", "-m", "m", "-q", "1"][..], &["rr", "-t", "t", "-e", "r", "-m", "m"]]
        {
            let stop = AtomicBool::new(false);
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
            let port = listener.local_addr().expect("bound").port().to_string();
            std::thread::scope(|scope| {
                scope.spawn(|| serve(&listener, said, (usize::MAX, &stop)));
                let arguments = [tool, &["-V", version, "-p", &port]].concat();
                let patience: &[&str] = if tool[0] == "rr" { &["-W", "5"] } else { &[] };
                let (code, said, peak) = run(&[&arguments[..], patience].concat(), what);
                assert!(code.is_some_and(|code| code != 0), "{what}: {tool:?} ended with {code:?}: {said}");
                assert!(!said.contains("panicked"), "{what}: {said}");
                assert!(peak < 64 << 20, "{what}: {tool:?} used {peak} bytes");
                stop.store(true, Ordering::Relaxed);
                drop(std::net::TcpStream::connect(("127.0.0.1", listener.local_addr().unwrap().port())));
            });
        }
    }
}

// H06: a subscriber that was lied to connects again, and works with a broker that is in order then.
#[test]
fn h06_a_subscriber_comes_back() {
    if !broker::ours() {
        return; // Tests our tools.
    }
    for (what, said, version) in HOSTILE.into_iter().filter(|(.., version)| *version == "5") {
        let stop = AtomicBool::new(false);
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("bound").port().to_string();
        std::thread::scope(|scope| {
            scope.spawn(|| serve(&listener, said, (1, &stop)));
            let arguments = ["sub", "-V", version, "-p", &port, "-t", "t", "-C", "1"];
            let (code, said, _) = run(&arguments, what);
            stop.store(true, Ordering::Relaxed);
            drop(std::net::TcpStream::connect(("127.0.0.1", listener.local_addr().unwrap().port())));
            assert!(!said.contains("panicked"), "{what}: {said}");
            // It either ends with an error or gets its message in the end.
            let got = code == Some(0) && said.contains("ok");
            println!("{what}: {code:?} {}", said.trim_end());
            assert!(got || code.is_some_and(|code| code != 0), "{what}: {code:?} {said}");
        });
    }
}
