//! Our tools and Debian's with the same command lines against Debian's broker: the same stdout, the same
//! stderr, the same exit code. Debian has Mosquitto 2.0.11; where 2.1 differs we follow 2.1, and such command
//! lines are not here.

use crate::kit::{Broker, Conf};
use crate::program::{Ended, Maker, run_with, start, words};

/// A command line with what is on standard input, and one that is run before each of the two.
struct Case {
    before: &'static str,
    line: &'static str,
    stdin: &'static str,
}

const fn line(line: &'static str) -> Case {
    Case { before: "", line, stdin: "" }
}

const fn with_input(line: &'static str, stdin: &'static str) -> Case {
    Case { before: "", line, stdin }
}

const fn after(before: &'static str, line: &'static str) -> Case {
    Case { before, line, stdin: "" }
}

fn debian_broker(anonymous: &str) -> Broker {
    let program = std::env::var("PONDHAWK_MOSQUITTO").unwrap_or_else(|_| "/usr/sbin/mosquitto".to_owned());
    Conf::empty()
        .program(program.into())
        .line("user root")
        .line("listener {port} 127.0.0.1")
        .line(&format!("allow_anonymous {anonymous}"))
        // A subscriber that a busy machine holds up must not lose messages.
        .line("max_queued_messages 0")
        .start()
}

/// `{p}` stands for the broker's port.
fn compare(cases: &[Case]) {
    let broker = debian_broker("true");
    let port = broker.port();
    let fill = |line: &str| line.replace("{p}", &format!("-p {port}")).replace("{port}", &port.to_string());
    let mut differences = Vec::new();
    for case in cases {
        let [debian, ours] = [Maker::Debian, Maker::Ours].map(|maker| {
            if !case.before.is_empty() {
                assert_eq!(run_with(Maker::Debian, &fill(case.before), b"").code, Some(0), "{}", case.before);
            }
            plain(run_with(maker, &fill(case.line), case.stdin.as_bytes()))
        });
        if debian != ours {
            differences.push(format!("{}\n  Debian's: {debian:?}\n  ours:     {ours:?}", case.line));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Client ids that are made up on the way are all the same.
fn plain(mut ended: Ended) -> Ended {
    let is_made_up =
        |id: &str| id.starts_with("auto-") || id.starts_with("mosq-") || id.starts_with("prefix");
    let lines = ended.out.lines().map(|line| match line.strip_prefix("Client ") {
        Some(rest) => match rest.split_once(' ') {
            Some((id, rest)) if is_made_up(id) => format!("Client {}* {rest}", &id[..5]),
            _ => line.to_owned(),
        },
        None => line.to_owned(),
    });
    ended.out = lines.collect::<Vec<_>>().join("\n");
    ended
}

// [MQTT3-7.0.0-2]: what our tools say is what another's broker knows.
#[test]
fn foreign_publishing() {
    compare(&[
        line("pub {p} -t a -m hi"),
        line("pub {p} -t a -m hi -d"),
        line("pub {p} -t a -m hi -d -q 1"),
        line("pub {p} -t a -m hi -d -q 2"),
        line("pub {p} -t a -m hi -d -q 1 -V 5"),
        line("pub {p} -t a -m hi -d -q 2 -V mqttv5"),
        line("pub {p} -t a -m hi -d -q 2 -V mqttv31"),
        line("pub {p} -t a -m hi -d -i me -r"),
        line("pub {p} -t a -m hi -d -I prefix"),
        line("pub {p} -t a -n -d --repeat 2"),
        line("pub {p} -t a -n -d --repeat 3 -q 1 --repeat-delay 0.1"),
        line("pub {p} -t a -f /etc/hostname -d"),
        line("pub {p} -t a -f /dev/null -d"),
        line("pub {p} -t a -m b --debug --nodelay -M 5 -k 10 --will-topic w --will-payload x --will-qos 1"),
        line("pub {p} -u user -t a -m b -d"),
        line("pub {p} -P password -V 5 -t a -m b -d"),
        line("pub -A 127.0.0.9 {p} -m a -t t -d"),
        line("pub {p} -t a -m b -q 1 -D publish user-property a b -d"),
        line("pub {p} -t a -m b -D publish topic-alias 1 -d"),
        line("pub {p} -t a -m b -D will will-delay-interval 5"),
    ]);
}

#[test]
fn foreign_publishing_from_standard_input() {
    compare(&[
        with_input("pub {p} -t a -l -d", "one\ntwo\n\nlast"),
        with_input("pub {p} -t a -l -q 1", "one\ntwo\n"),
        with_input("pub {p} -t a -l -d -q 2 -V 5", "one\n"),
        with_input("pub {p} -t a -l -d", ""),
        with_input("pub {p} -t a -s -d", "one\ntwo\n\nlast"),
        with_input("pub {p} -t a -s -d", ""),
    ]);
}

/// More lines than fit in one turn, or in the window.
#[test]
fn foreign_many_lines_arrive_in_order() {
    let broker = debian_broker("true");
    for (qos, count) in [(0, 20_000), (1, 5_000), (2, 3_000)] {
        let input: String = (0..count).map(|n| format!("line {n}\n")).collect();
        let subscribe = format!("sub -p {} -t many -q {qos} -C {count} -d", broker.port());
        let subscriber = start(Maker::Ours, &words(&subscribe), b"");
        subscriber.wait_out("Subscribed (mid: 1)");
        let publish = format!("pub -p {} -t many -q {qos} -l", broker.port());
        assert_eq!(run_with(Maker::Ours, &publish, input.as_bytes()).code, Some(0));
        let ended = subscriber.wait();
        let lines: String = ended
            .out
            .lines()
            .filter(|line| line.starts_with("line "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(lines == input, "{count} lines of QoS {qos}");
    }
}

#[test]
fn foreign_other_transports() {
    let program = std::env::var("PONDHAWK_MOSQUITTO").unwrap_or_else(|_| "/usr/sbin/mosquitto".to_owned());
    let broker = Conf::empty()
        .program(program.into())
        .line("user root")
        .line("listener {port} 127.0.0.1")
        .line("protocol websockets")
        .line("listener {port2} 127.0.0.1")
        .line("listener 0 {dir}/socket")
        .line("allow_anonymous true")
        .start();
    let web = format!("pub --ws -p {} -t web -m 'over the web' -r -q 2", broker.port());
    assert_eq!(run_with(Maker::Ours, &web, b"").code, Some(0));
    // Debian's broker sends 4 KiB every 100 ms over WebSockets.
    let large = "x".repeat(10_000);
    let unix = format!("pub --unix {} -t unix -s -r -q 1", broker.dir().join("socket").display());
    assert_eq!(run_with(Maker::Ours, &unix, large.as_bytes()).code, Some(0));
    let read = format!("sub -L ws://127.0.0.1:{}/+ -C 2 -W 10", broker.port());
    let ended = run_with(Maker::Ours, &read, b"");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.lines().any(|line| line == "over the web"));
    assert!(ended.out.lines().any(|line| line == large));
}

#[test]
fn foreign_subscribing() {
    const RETAIN: &str = "pub {p} -t c -q 2 -m hi -r";
    compare(&[
        after(RETAIN, "sub {p} -t c -C 1 -d -v"),
        after(RETAIN, "sub {p} -t c -C 1 -d -v -q 1"),
        after(RETAIN, "sub {p} -t c -C 1 -d -v -q 2"),
        after(RETAIN, "sub {p} -t c -C 1 -d -v -q 2 -i xx -V 5"),
        line("sub {p} -t c -C 1 -N"),
        line("sub {p} -t c -C 1 -N -v"),
        line("sub {p} -t a -t b -T c -U d -E -d"),
        line("sub {p} -t a -E --retain-as-published -d -V 5"),
        line("sub {p} -t a -E -R -d -V 5"),
        line("sub {p} -t a -E -R -d"),
        line("sub {p} -t a -E -c -i me -d"),
        line("sub {p} -t c -C 1 -D subscribe subscription-identifier 4 -F %S"),
        line("sub {p} -t c -C 1 -D connect topic-alias-maximum 4 -d"),
        line("sub -L mqtt://u:p@127.0.0.1:{port}/c -C 1 -v"),
    ]);
}

#[test]
fn foreign_timeouts() {
    compare(&[
        line("sub {p} -t nothing -W 1 -d"),
        line("sub {p} -t nothing -W 1 --quiet"),
        line("rr {p} -t a -e b -m x -W 1 -d"),
    ]);
}

#[test]
fn foreign_formats() {
    const MESSAGE: &str = "pub {p} -t f -m abc -V 5 -r -D publish user-property k v -D publish user-property \
                           k v2 -D publish content-type ct -D publish response-topic rt -D publish \
                           correlation-data cd -D publish payload-format-indicator 1";
    compare(&[
        after(MESSAGE, "sub {p} -t f -C 1 -V 5 -F '%A|%C|%D|%E|%F|%P|%R|%S|%m|%q|%r|%l|%t|%p|%x|%X|%%'"),
        line("sub {p} -t f -C 1 -V 5 -F '[%10C][%-10C][%.1C][%10D][%.1D][%10P][%-20P][%10R][%-10R][%010F]'"),
        line("sub {p} -t f -C 1 -F '[%10t][%-10t][%010t][%.2t][%10.2t][%-10.2t][%2t]'"),
        line("sub {p} -t f -C 1 -F '[%10p][%-10p][%010p][%.2p][%10.2p][%-10.2p][%2p]'"),
        line("sub {p} -t f -C 1 -F '[%10l][%-10l][%010l][%.2l][%10.2l][%-10.2l][%2l][%-010l]'"),
        line("sub {p} -t f -C 1 -F '[%10q][%-10r][%010m][%.2q]'"),
        line("sub {p} -t f -C 1 -F '[%10A][%-10E][%010F][%10S][%10C][%10D][%10P][%10R]'"),
        line("sub {p} -t f -C 1 -F '@Z @z @@ %5%|a\\\\b\\0c\\a\\e\\v\\r'"),
        line("sub {p} -t f -C 1 -F %J"),
        line("sub {p} -t f -C 1 -N -F %x"),
    ]);
}

#[test]
fn foreign_mistakes() {
    compare(&MISTAKES.map(line));
}

/// Command lines that are refused before anything is sent.
const MISTAKES: [&str; 78] = [
    "pub -t a/# -m x",
    "sub -t a/#/b",
    "sub",
    "sub -t a -x",
    "sub -q 3 -t a",
    "sub -t a -k 3",
    "sub -t a -k 65536",
    "sub -t a -F %z",
    "sub -t a -F %",
    "sub -t a -F @",
    "sub -t a -F '\\q'",
    "sub -t a -F '\\'",
    "sub --foo",
    "sub -m x -t a",
    "sub -h",
    "sub -t a -p 70000",
    "sub -t a -V 9",
    "sub -t a -M 0",
    "sub -t a -i a -I b",
    "sub -t a -i ''",
    "sub -t a -T #/a",
    "sub -t a -U a#",
    "sub -t a -C 0",
    "sub -t a -W 0",
    "sub -t a -R --retained-only",
    "sub -t a --random-filter 0",
    "sub -t a --will-payload x",
    "sub -t a --will-retain",
    "sub -t a --will-qos 3",
    "sub -t a --will-topic a/#",
    "sub -t a --cert x",
    "sub -t a --keyform pem",
    "sub -t a --tls-engine-kpass-sha1 x",
    "sub -t a --cafile /nonexistent",
    "sub -t a --psk 00",
    "sub -t a --psk 00 --psk-identity x --cafile x",
    "sub -t a --tls-version x",
    "sub -t a --proxy http://x",
    "sub -t a --proxy socks5h://",
    "sub -t a --proxy socks5h://h:99999",
    "sub -t a -c",
    "pub -C 1 -t a",
    "pub -t",
    "pub -t a -m b -i ''",
    "pub -t a -f /nonexistent",
    "pub -t a -m b -m c",
    "pub -t a -m b -n",
    "pub -t a -m b -c",
    "pub -t a -m b -c -V 5",
    "pub -t a -m b -V 5 -x -1",
    "pub -t a -m b -x abc",
    "pub -t a -m b -x 99999999999",
    "pub -t a -m b --repeat 0",
    "pub -t a -m b --repeat-delay -1",
    "pub -t a -m b -P x",
    "pub -L mqtt://127.0.0.1 -m b",
    "pub -L http://127.0.0.1/ -m b",
    "pub --property",
    "pub -t a -m b -D auth user-property a b",
    "pub -t a -m b -D puback user-property a b",
    "pub -t a -m b -D connect bogus 1",
    "pub -t a -m b -D connect topic-alias 1",
    "pub -t a -m b -D bogus topic-alias 1",
    "pub -t a -m b -D connect receive-maximum",
    "pub -t a -m b -D connect receive-maximum 0",
    "pub -t a -m b -D connect receive-maximum 65536",
    "pub -t a -m b -D connect receive-maximum abc",
    "pub -t a -m b -D connect user-property abc",
    "pub -t a -m b -D connect receive-maximum 5 -D connect receive-maximum 5",
    "pub -t a -m b -D publish subscription-identifier 1",
    "pub --unix /nonexistent -m a -t t",
    "pub -A bogus.invalid -m a -t t",
    "pub -h nohost.invalid -t a -m hi",
    "rr -t a -m x",
    "rr -t a -m x -e a/#",
    "rr -t a -l -e b",
    "rr -t a -e b",
    "rr -t a -m x -e b -f y",
];

/// Debian's usage text is its own; the line above it and the code are the same.
#[test]
fn foreign_a_missing_message_gets_the_usage_text() {
    for line in ["pub -t a", "pub -m x"] {
        let [debian, ours] = [Maker::Debian, Maker::Ours].map(|maker| run_with(maker, line, b""));
        assert_eq!((ours.code, ours.err), (debian.code, debian.err), "{line}");
        assert!(
            ours.out.contains("\nUsage: mosquitto_pub ") && debian.out.contains("\nUsage: mosquitto_pub ")
        );
    }
}

/// What a refused user sees, whose password is wrong.
#[test]
fn foreign_refusals() {
    let broker = debian_broker("false");
    for line in [
        "sub {p} -v -t '#'",
        "sub {p} -v -t '#' -V 5",
        "sub {p} -v -t '#' -V 31",
        "pub {p} -t a -m x",
        "pub {p} -t a -m x -V 5",
        "rr {p} -t a -m x -e b",
        "pub {p} -t a -l",
    ] {
        let line = line.replace("{p}", &format!("-p {}", broker.port()));
        let [debian, ours] = [Maker::Debian, Maker::Ours].map(|maker| run_with(maker, &line, b"x\n"));
        assert_eq!(ours, debian, "{line}");
    }
}
