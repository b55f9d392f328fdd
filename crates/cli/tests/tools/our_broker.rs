//! The tools against our own broker: over TCP, a Unix socket and WebSockets, ours and Debian's.

use crate::kit::{Broker, Conf};
use crate::program::{Ended, Maker, run, run_with, start, words};

fn ended(out: &str) -> Ended {
    Ended { code: Some(0), out: out.to_owned(), err: String::new() }
}

fn fill(line: &str, broker: &Broker) -> String {
    line.replace("{p}", &format!("-p {}", broker.port()))
}

#[test]
fn a_retained_message_comes_back_in_every_version() {
    let broker = Conf::open().start();
    for (version, qos) in [("31", 0), ("311", 1), ("5", 2)] {
        let publish = format!("pub {{p}} -V {version} -q {qos} -t greet/{version} -m 'hi there' -r");
        assert_eq!(run(Maker::Ours, &fill(&publish, &broker)), ended(""));
        let subscribe = format!("sub {{p}} -V {version} -q 2 -t 'greet/{version}' -C 1 -v");
        assert_eq!(
            run(Maker::Ours, &fill(&subscribe, &broker)),
            ended(&format!("greet/{version} hi there\n"))
        );
    }
}

#[test]
fn requests_are_answered() {
    let broker = Conf::open().start();
    let line = fill("rr {p} -t echo -e echo -m ping -v -W 10", &broker);
    assert_eq!(run(Maker::Ours, &line), ended("echo ping\n"));
    let latency = run(Maker::Ours, &fill("rr {p} -t echo -e echo -m ping --latency -q 1 -W 10", &broker));
    assert!(latency.out.starts_with("Latency: ") && latency.out.ends_with("ms\nping\n"), "{}", latency.out);
}

#[test]
fn lines_and_files() {
    let broker = Conf::open().start();
    let subscriber = words(&fill("sub {p} -t 'lines/#' -C 903 -q 1 -i reader -c", &broker));
    let prepared = run(Maker::Ours, &fill("sub {p} -t 'lines/#' -q 1 -i reader -c -E", &broker));
    assert_eq!(prepared, ended(""));
    let input: String = (0..903).map(|n| format!("line {n}\n")).collect();
    assert_eq!(
        run_with(Maker::Ours, &fill("pub {p} -t lines/x -l -q 1", &broker), input.as_bytes()),
        ended("")
    );
    assert_eq!(start(Maker::Ours, &subscriber, b"").wait(), ended(&input));
}

/// [MQTT-3.1.2-23] [MQTT3-3.1.2-4] A subscriber with a kept session that takes one message at a time misses
/// none and sees none twice.
#[test]
fn messages_that_are_not_printed_are_not_acknowledged() {
    let broker = Conf::open().start();
    let one = fill("sub {p} -t one/x -q 1 -i reader -c -C 1", &broker);
    assert_eq!(run(Maker::Ours, &fill("sub {p} -t one/x -q 1 -i reader -c -E", &broker)), ended(""));
    let publish = fill("pub {p} -t one/x -q 1 -l", &broker);
    assert_eq!(run_with(Maker::Ours, &publish, b"a\nb\nc\n"), ended(""));
    for line in ["a\n", "b\n", "c\n"] {
        assert_eq!(run(Maker::Ours, &one), ended(line));
    }
}

// [MQTT-4.2-1] [MQTT3-7.1.2-1]
#[test]
fn a_large_payload_from_standard_input() {
    let broker = Conf::open().start();
    let payload = "0123456789".repeat(150_000);
    let publish = fill("pub {p} -t large -s -r -q 1", &broker);
    assert_eq!(run_with(Maker::Ours, &publish, payload.as_bytes()), ended(""));
    assert_eq!(run(Maker::Ours, &fill("sub {p} -t large -C 1 -N", &broker)), ended(&payload));
}

// [MQTT-6.0.0-1] [MQTT-6.0.0-3] [MQTT3-6.0.0-1] [MQTT3-6.0.0-3]
#[test]
fn over_websockets() {
    let broker = Conf::open().line("listener {port2} 127.0.0.1").line("protocol websockets").start();
    let port = broker.port_n(2);
    let publish = format!("pub --ws -p {port} -t ws -m 'over the web' -r -q 2");
    assert_eq!(run(Maker::Ours, &publish), ended(""));
    let subscribe = format!("sub -L ws://127.0.0.1:{port}/ws -C 1 -v");
    assert_eq!(run(Maker::Ours, &subscribe), ended("ws over the web\n"));
    assert_eq!(run(Maker::Ours, &fill("sub {p} -t ws -C 1", &broker)), ended("over the web\n"));
}

#[test]
fn over_a_unix_socket() {
    let broker = Conf::open().line("listener 0 {dir}/socket").start();
    let path = broker.dir().join("socket");
    let publish = format!("pub --unix {} -t unix -m local -r -q 1", path.display());
    assert_eq!(run(Maker::Ours, &publish), ended(""));
    assert_eq!(run(Maker::Ours, &fill("sub {p} -t unix -C 1", &broker)), ended("local\n"));
}

#[test]
fn passwords() {
    let broker = Conf::accounts().start();
    let refused = run(Maker::Ours, &fill("sub {p} -t a -C 1", &broker));
    let err = "Connection error: Connection Refused: not authorised.\n".to_owned();
    assert_eq!(refused, Ended { code: Some(5), out: String::new(), err });
    let wrong = run(Maker::Ours, &fill("sub {p} -t a -C 1 -u alice -P wrong -V 5", &broker));
    let err = "Connection error: Not authorized\n".to_owned();
    assert_eq!(wrong, Ended { code: Some(135), out: String::new(), err });
    assert_eq!(run(Maker::Ours, &fill("pub {p} -t a -m x -u alice -P secret -r -q 1", &broker)), ended(""));
}

#[test]
fn properties_arrive_in_order() {
    let broker = Conf::open().start();
    let publish = "pub {p} -t props -m x -r -q 1 -D publish user-property k 1 -D publish content-type text/plain \
                   -D publish user-property k 2 -D publish message-expiry-interval 1000 -D publish \
                   correlation-data cd -D publish response-topic back -D publish payload-format-indicator 1";
    assert_eq!(run(Maker::Ours, &fill(publish, &broker)), ended(""));
    let line = fill(
        "sub {p} -V 5 -t props -C 1 -F '%P|%C|%D|%R|%F' -D subscribe subscription-identifier 7",
        &broker,
    );
    assert_eq!(run(Maker::Ours, &line), ended("k:1 k:2|text/plain|cd|back|1\n"));
}

#[test]
fn retained_messages_are_removed() {
    let broker = Conf::open().start();
    for topic in ["gone", "kept"] {
        let publish = format!("pub {{p}} -t r/{topic} -m {topic} -r -q 1");
        assert_eq!(run(Maker::Ours, &fill(&publish, &broker)), ended(""));
    }
    let remove = fill("sub {p} -t 'r/#' -T r/kept --remove-retained --retained-only -C 1", &broker);
    assert_eq!(run(Maker::Ours, &remove), ended("gone\n"));
    let left = fill("sub {p} -t 'r/#' -C 1 -v", &broker);
    assert_eq!(run(Maker::Ours, &left), ended("r/kept kept\n"));
}

/// Debian's tools and ours, against our broker, with the same outcome.
#[test]
fn foreign_tools_agree_on_our_broker() {
    let broker = Conf::open().start();
    let retained = fill("pub {p} -t t/x -m 'hello world' -r -q 1", &broker);
    assert_eq!(run(Maker::Debian, &retained), ended(""));
    for line in [
        "pub {p} -t other -m hi -d -i me",
        "pub {p} -t other -m hi -d -q 1 -i me",
        "pub {p} -t other -m hi -d -q 2 -V 5 -i me",
        "pub {p} -t other -m hi -d -q 2 -V 31 -i me",
        "sub {p} -t t/x -C 1 -v -d -i me",
        "sub {p} -t t/x -C 1 -v -d -q 1 -i me -V 5",
        "sub {p} -t 't/#' -C 1 -F '%t %q %r %p'",
        "sub {p} -t t/x -t t/y -E -d -i me",
        "sub {p} -t nothing -W 1",
        "rr {p} -t nothing -e back -m x -W 1 -i me",
    ] {
        let line = fill(line, &broker);
        assert_eq!(run(Maker::Ours, &line), run(Maker::Debian, &line), "{line}");
    }
}
