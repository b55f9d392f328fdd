//! Python with paho-mqtt: the notes' two programs as they stand, and what else such programs do.
//!
//! The programs name a host and port 1883, so they run in a [`Space`]; the others take a port.

use std::path::Path;
use std::process::Command;

use crate::foreign;
use crate::kit::client::{Client, plain};
use crate::kit::decode;
use crate::kit::packet::{Connect, Subscribe, V4};
use crate::kit::{Conf, SECOND, broker};
use crate::notes;
use crate::runner::{self, Output, Task};
use crate::space::{Space, SpaceBroker};
use crate::toolbox::{Maker, Toolbox};

/// A Python program's text, unbuffered so that its lines can be waited for.
fn python(mut command: Command, text: &str, arguments: &[&str]) -> Command {
    command.args(["-u", "-c", text]).args(arguments);
    command
}

fn script(name: &str) -> String {
    std::fs::read_to_string(foreign::script(name)).expect("a script of this repository")
}

/// The four lines that the notes' subscriber prints; paho-mqtt 2 prints the retain flag as a truth value.
fn golden(retain: &str) -> String {
    format!(
        "subscribed\nmessage received  Hello fortinet\nmessage topic= xpert2018/demo/chal\n\
         message qos= 0\nmessage retain flag= {retain}\n"
    )
}

#[track_caller]
fn open_broker(space: &Space, maker: Maker) -> Option<SpaceBroker> {
    let toolbox = Toolbox::new(maker)?;
    let conf = "user root\nlistener 1883\nallow_anonymous true\n";
    std::fs::write(space.etc().join("test.conf"), conf).expect("our own folder");
    let broker = space.broker(&toolbox, "mosquitto -c /etc/mosquitto/test.conf", 1883);
    Some(broker)
}

/// Runs a subscribing and a publishing program and gives what the subscriber printed.
fn conversation(space: &Space, interpreter: &Path, programs: [&str; 2], arguments: &[&str]) -> String {
    let [subscribe, publish] = programs;
    let mut subscriber = Task::start(&mut python(space.program(interpreter), subscribe, arguments));
    subscriber.wait_stdout("subscribed\n");
    let published = runner::run(&mut python(space.program(interpreter), publish, arguments));
    assert_eq!(published.code, Some(0), "{published:?}");
    subscriber.wait_stdout("retain flag=");
    subscriber.end().success()
}

fn unmodified(maker: Maker) {
    let (Some(interpreter), Some(space)) = (foreign::paho1(), Space::open()) else {
        return;
    };
    let Some(_broker) = open_broker(&space, maker) else {
        return;
    };
    let subscribe =
        [&*script("subscribe_before.py"), notes::SUBSCRIBE, &*script("subscribe_after.py")].concat();
    let printed = conversation(&space, &interpreter, [&subscribe, notes::PUBLISH], &[]);
    assert_eq!(printed, golden("0"));
}

#[test]
fn foreign_paho1_runs_the_notes_programs_with_our_broker() {
    unmodified(Maker::Ours);
}

#[test]
fn foreign_paho1_runs_the_notes_programs_with_debian() {
    unmodified(Maker::Debian);
}

#[test]
fn foreign_paho2_runs_the_same_programs_in_every_version() {
    let (Some(interpreter), Some(space)) = (foreign::paho2(), Space::open()) else {
        return;
    };
    let _broker = open_broker(&space, Maker::Ours).expect("our own broker was built");
    let programs = [&*script("subscribe2.py"), &*script("publish2.py")];
    for version in ["MQTTv31", "MQTTv311", "MQTTv5"] {
        let printed = conversation(&space, &interpreter, programs, &[version]);
        assert_eq!(printed, golden("False"), "{version}");
    }
}

/// Three hundred processes connect with a name, publish and end: all messages come, or none with a wrong password.
#[test]
fn foreign_paho1_fires_and_exits() {
    const SHOTS: usize = 300;
    let Some(interpreter) = foreign::paho1() else { return };
    for shards in [1, 8] {
        let broker = Conf::empty()
            .shards(shards)
            .line("user root")
            .line("listener {port} 127.0.0.1")
            .line("allow_anonymous false")
            .line("password_file {dir}/passwd")
            .file("passwd", notes::ACCOUNTS)
            .start();
        let fire = |password: &str| {
            let port = broker.port().to_string();
            let mut command = Command::new(&interpreter);
            command.arg(foreign::script("fire_and_exit.py"));
            let output = runner::run(command.args([&port, &SHOTS.to_string(), "user", password]));
            assert_eq!(output, Output::new(0, format!("fired {SHOTS}\n"), ""));
        };
        let connect = Connect::new(V4, "counter").user("user").password("expert");
        let (mut counter, _) = Client::open(&broker, &connect);
        counter.send(Subscribe::new(V4, 1, "test", 0).bytes());
        assert_eq!(decode::suback_codes(V4, &counter.frame()), [0]);
        fire("wrong");
        fire("expert");
        let mut seen = vec![0; SHOTS];
        for _ in 0..SHOTS {
            let frame = counter.frame_within(20 * SECOND).unwrap_or_else(|| panic!("lost: {seen:?}"));
            let delivery = decode::delivery(V4, &frame).expect("a publication");
            let number = delivery.text().strip_prefix("shot ").map(str::to_owned);
            seen[number.expect("our text").parse::<usize>().unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count == 1), "{seen:?}");
        if !broker::ours() {
            return; // Shards are ours.
        }
    }
}

/// What [`script`] `paho1_session.py` prints with QoS `granted` for its three filters.
const SESSION: &str = "connected 0
granted [2, 1, 2]
message kept/0 kept 0 0 1
message kept/1 kept 1 1 1
message kept/2 kept 2 2 1
message live/0  0 0
message live/1 x 1 0
message live/2 xx 2 0
connected 0
message will/two gone 1 0
unsubscribed
";

#[track_caller]
fn session(port: u16, protocol: &str, transport: &str) {
    let Some(interpreter) = foreign::paho1() else { return };
    let mut command = Command::new(interpreter);
    command.arg(foreign::script("paho1_session.py"));
    let output = runner::run(command.args([&port.to_string(), protocol, transport]));
    assert_eq!(output, Output::new(0, SESSION, ""), "{protocol} over {transport}");
}

#[test]
fn foreign_paho1_has_a_session_in_every_version() {
    for protocol in ["MQTTv31", "MQTTv311", "MQTTv5"] {
        let broker = Conf::open().start();
        session(broker.port(), protocol, "tcp");
        // Nothing of it is left behind but the retained messages.
        let mut rest = plain(&broker, "rest");
        rest.subscribe("kept/1", 0);
        rest.receive("kept/1", "kept 1");
    }
}

#[test]
fn foreign_paho1_has_a_session_over_websockets() {
    for protocol in ["MQTTv31", "MQTTv311", "MQTTv5"] {
        let broker = Conf::open().line("listener {port2} 127.0.0.1").line("protocol websockets").start();
        session(broker.port_n(2), protocol, "websockets");
    }
}
