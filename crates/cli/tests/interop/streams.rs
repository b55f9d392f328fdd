//! Many messages between real tools: all of them, once, in order.

use std::fmt::Write as _;

use crate::kit::{Broker, Conf};
use crate::pairs::{Pair, for_every_pair};
use crate::runner::{self, Output, Task};
use crate::toolbox::Maker;

for_every_pair!(crate::pairs::Pair::new; lines_arrive_in_order, a_kept_session_misses_nothing, a_will_is_sent_for_a_killed_tool);

/// Lines that one tool sends: several times what may be in flight at once.
const LINES: usize = 3000;

fn numbered(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "line {number}");
        text
    })
}

/// No limit of the queue: what is tested is that nothing is lost or turned around below it.
fn conf() -> Conf {
    Conf::open().line("max_queued_messages 0")
}

/// Sends lines through one connection.
#[track_caller]
fn send(pair: &Pair, broker: &Broker, qos: &str, lines: &str) {
    let mut publisher =
        pair.tools.tool("mosquitto_pub", broker.port(), &["-l", "-t", "lines/all", "-q", qos]);
    assert_eq!(runner::run_with(&mut publisher, lines), Output::new(0, "", ""), "QoS {qos}");
}

/// Subscribers that are there before the first line, told by a retained message.
#[track_caller]
fn subscribers(pair: &Pair, broker: &Broker, qos: &str, filters: &[&str]) -> Vec<Task> {
    let marker = "mosquitto_pub -t ready -m ready -r -q 1";
    pair.expect(broker, marker, Output::new(0, "", ""));
    let count = (LINES + 1).to_string();
    let start = |filter: &&str| {
        let arguments = ["-t", filter, "-t", "ready", "-q", qos, "-C", &count];
        let mut task = Task::start(&mut pair.tools.tool("mosquitto_sub", broker.port(), &arguments));
        task.wait_stdout("ready\n");
        task
    };
    filters.iter().map(start).collect()
}

fn lines_arrive_in_order(pair: &Pair) {
    let lines = numbered(LINES);
    for qos in ["0", "1", "2"] {
        let broker = pair.start(conf());
        let tasks = subscribers(pair, &broker, qos, &["lines/all", "lines/+", "lines/#"]);
        send(pair, &broker, qos, &lines);
        for task in tasks {
            let seen = task.end().success();
            assert!(seen == format!("ready\n{lines}"), "QoS {qos}: {} lines", seen.lines().count());
        }
    }
}

/// A tool with a kept session goes, others publish, it comes back: everything is there once.
fn a_kept_session_misses_nothing(pair: &Pair) {
    const AWAY: usize = 300;
    let lines = numbered(AWAY);
    for (version, qos) in [("31", "1"), ("311", "2"), ("5", "1"), ("5", "2")] {
        if (version, qos, pair.broker.maker()) == ("5", "2", Maker::Debian) {
            continue; // Mosquitto 2.0.11 sends more than the receive maximum here, and every tool hangs up.
        }
        let broker = pair.start(conf());
        let keep = format!("mosquitto_sub -i kept -c -t lines/all -q {qos} -V {version}");
        let keep = if version == "5" { format!("{keep} -x 600") } else { keep };
        pair.expect(&broker, &format!("{keep} -E"), Output::new(0, "", ""));
        send(pair, &broker, qos, &lines);
        let back = pair.run(&broker, &format!("{keep} -C {AWAY} -W 30"));
        assert!(back == Output::new(0, &*lines, ""), "version {version}, QoS {qos}: {back:?}");
        if pair.broker.maker() == Maker::Ours {
            // Nothing comes a second time. Mosquitto loses acknowledgements behind which a client hangs up.
            pair.expect(&broker, &format!("{keep} -W 1"), Output::new(27, "", "Timed out\n"));
        }
    }
}

fn a_will_is_sent_for_a_killed_tool(pair: &Pair) {
    let broker = pair.start(conf());
    for version in ["31", "311", "5"] {
        let marker = "mosquitto_pub -t ready -m ready -r -q 1";
        pair.expect(&broker, marker, Output::new(0, "", ""));
        let start = |arguments: &[&str]| {
            let mut task = Task::start(&mut pair.tools.tool("mosquitto_sub", broker.port(), arguments));
            task.wait_stdout("ready\n");
            task
        };
        let mut heir = start(&["-t", "ready", "-t", "testament", "-V", version, "-C", "2"]);
        let will = ["--will-topic", "testament", "--will-payload", "gone", "--will-qos", "1"];
        let dying = start(&[&["-t", "ready", "-V", version][..], &will].concat());
        dying.signal("KILL");
        heir.wait_stdout("gone\n");
        assert_eq!(heir.end(), Output::new(0, "ready\ngone\n", ""), "version {version}");
    }
}
