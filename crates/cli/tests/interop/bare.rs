//! The broker without a configuration: what someone meets who types one command.
//!
//! Its ports are fixed, so it runs in a [`Space`].

use crate::runner::Output;
use crate::space::{OUTSIDE, STATE, Space, SpaceBroker};
use crate::toolbox::Toolbox;

fn bare() -> Option<(Space, Toolbox, SpaceBroker)> {
    let space = Space::open()?;
    let tools = Toolbox::ours();
    let broker = space.broker(&tools, "mosquitto", 1883);
    Some((space, tools, broker))
}

/// Both families of loopback on 1883, WebSockets on 9001, everybody welcome.
#[test]
fn three_doors_are_open_on_loopback() {
    let Some((space, tools, _broker)) = bare() else { return };
    let keep = "mosquitto_pub -h 127.0.0.1 -t door -m open -r -q 1";
    assert_eq!(space.run(&tools, keep), Output::new(0, "", ""));
    for door in ["-h 127.0.0.1", "-h ::1", "-h localhost", "-h 127.0.0.1 -p 9001 --ws"] {
        let line = format!("mosquitto_sub {door} -t door -C 1 -v -W 20");
        assert_eq!(space.run(&tools, &line), Output::new(0, "door open\n", ""), "{door}");
    }
}

/// What is acknowledged is kept without a word in a configuration: also across a crash, and not by a broker on a port.
#[test]
fn what_is_acknowledged_is_kept() {
    let Some((space, tools, broker)) = bare() else { return };
    let at = "mosquitto_sub -h 127.0.0.1";
    let kept = format!("{at} -i kitchen -c -q 1 -t 'home/#'");
    assert_eq!(space.run(&tools, &format!("{kept} -E")).code, Some(0));
    let publish = "mosquitto_pub -h 127.0.0.1 -t home/light -m on -q 1";
    assert_eq!(space.run(&tools, publish), Output::new(0, "", ""));
    broker.wait_said(&format!("Store {STATE}/pondhawk/pondhawk-store"));
    broker.kill();
    let broker = space.broker(&tools, "mosquitto", 1883);
    assert_eq!(space.run(&tools, &format!("{kept} -C 1 -W 20")), Output::new(0, "on\n", ""));
    drop(broker);
    let broker = space.broker(&tools, "mosquitto -p 1884", 1884);
    broker.wait_said("persistence_durability none");
}

/// Where nothing can be kept the broker says so, and serves.
#[test]
fn a_state_that_cannot_be_kept_is_warned_of() {
    let Some(space) = Space::open() else { return };
    let tools = Toolbox::ours();
    let broker = space.broker(&tools, "env XDG_STATE_HOME=/proc mosquitto", 1883);
    broker.wait_said("Warning: Nothing is kept when the broker ends: ");
    let publish = "mosquitto_pub -h 127.0.0.1 -t home/light -m on -q 1 -r";
    assert_eq!(space.run(&tools, publish), Output::new(0, "", ""));
}

/// Nobody on the network gets in: only loopback is bound.
#[test]
fn the_network_is_not_let_in() {
    let Some((space, tools, _broker)) = bare() else { return };
    for port in [1883, 9001] {
        let line = format!("mosquitto_pub -h {OUTSIDE} -p {port} -t door -m knock");
        assert_eq!(space.run(&tools, &line), Output::new(1, "", "Error: Connection refused\n"));
    }
}

/// The start says which doors are open to whom and how to let others in, and doing as it says has that effect.
#[test]
fn the_advice_of_the_start_works() {
    let Some((space, tools, broker)) = bare() else { return };
    for text in ["MQTT on port 1883", "WebSockets on port 9001", "Whoever can run a program here"] {
        broker.wait_said(text);
    }
    broker.wait_said(
        "passwd -c users.pw NAME; put the lines 'listener 1883' and 'password_file users.pw' into a file",
    );
    drop(broker);
    let made = "mosquitto_passwd -c -b /etc/mosquitto/users.pw NAME secret";
    assert_eq!(space.run(&tools, made).code, Some(0));
    let lines = "user root\nlistener 1883\npassword_file /etc/mosquitto/users.pw\n";
    std::fs::write(space.etc().join("test.conf"), lines).unwrap();
    let _broker = space.broker(&tools, "mosquitto -c /etc/mosquitto/test.conf", 1883);
    let publish = "mosquitto_pub -h 127.0.0.1 -t door -m open";
    assert_eq!(space.run(&tools, publish).code, Some(5));
    let named = format!("{publish} -u NAME -P secret");
    assert_eq!(space.run(&tools, &named), Output::new(0, "", ""));
}

/// A second broker finds the port taken, names it, and says what to do.
#[test]
fn a_second_broker_says_which_port_is_taken() {
    let Some((space, tools, _broker)) = bare() else { return };
    let output = space.run(&tools, "mosquitto");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("1883") && output.stderr.contains("in use"), "{output:?}");
}
