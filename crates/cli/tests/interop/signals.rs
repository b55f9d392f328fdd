//! Signals, with clients of other people connected: what they notice of a reload, and of the end.

use crate::kit::client::{Client, plain};
use crate::kit::{Broker, Conf, Connect, SECOND, V4, broker, poll};
use crate::runner::{self, Output, Task};
use crate::toolbox::{Maker, Toolbox};

/// Runs a check with Debian's tools; they are the clients that stay.
fn with_tools(check: impl Fn(&Toolbox)) {
    Toolbox::new(Maker::Debian).iter().for_each(check);
}

/// A subscriber as `alice` that prints topic and payload, once it is one.
#[track_caller]
fn subscriber(tools: &Toolbox, broker: &Broker) -> Task {
    let mut marker = Client::open(broker, &Connect::new(V4, "marker").login("alice", "secret")).0;
    marker.publish_retained("ready", "yes", 1);
    let arguments = ["-t", "#", "-v", "-u", "alice", "-P", "secret"];
    let mut task = Task::start(&mut tools.tool("mosquitto_sub", broker.port(), &arguments));
    task.wait_stdout("ready yes\n");
    task
}

/// Publishes as a user.
fn publish(tools: &Toolbox, broker: &Broker, user: &str, password: &str, topic: &str) -> Output {
    let arguments = ["-t", topic, "-m", "x", "-q", "1", "-u", user, "-P", password];
    runner::run(&mut tools.tool("mosquitto_pub", broker.port(), &arguments))
}

/// Sends SIGHUP and waits until the log says so.
#[track_caller]
fn reload(broker: &Broker) {
    let from = broker.log_bytes();
    broker.signal("HUP");
    broker.wait_log(from, "Reloading config");
}

const RULES: &str = "user alice\ntopic readwrite ready\ntopic readwrite open\n";

/// New accounts and rules hold for what comes; who is connected stays connected and is judged by the new rules.
#[test]
fn foreign_clients_stay_connected_at_a_reload() {
    with_tools(|tools| {
        let broker = Conf::accounts().acl(RULES).start();
        let mut stays = subscriber(tools, &broker);
        let refused = publish(tools, &broker, "alice", "wrong", "open");
        assert_eq!(refused.code, Some(5), "{refused:?}");
        // Bob goes; alice may use another topic.
        broker.write("passwd", crate::kit::accounts::password_file(&["alice"]));
        broker.write("acl", RULES.replace("open", "other"));
        reload(&broker);
        let bob_is_out = poll(20 * SECOND, || {
            (publish(tools, &broker, "bob", "secret", "open").code == Some(5)).then_some(())
        });
        assert!(bob_is_out.is_some(), "the old accounts are still in force");
        let denied = publish(tools, &broker, "alice", "secret", "open");
        assert_eq!(denied, Output::new(0, "", ""));
        let granted = publish(tools, &broker, "alice", "secret", "other");
        assert_eq!(granted, Output::new(0, "", ""));
        stays.wait_stdout("other x\n");
        assert_eq!(stays.stop("TERM"), Output::new(0, "ready yes\nother x\n", ""));
    });
}

/// A file that cannot be read leaves everything as it was, and the log says what is wrong with it.
#[test]
fn foreign_clients_survive_a_bad_file_at_a_reload() {
    if !broker::ours() {
        return; // Mosquitto forgets the accounts it cannot read.
    }
    with_tools(|tools| {
        let broker = Conf::accounts().acl(RULES).start();
        let mut stays = subscriber(tools, &broker);
        for (name, bad) in [("acl", "nonsense in here\n"), ("passwd", "alice:no hash\n")] {
            let from = broker.log_bytes();
            broker.write(name, bad);
            reload(&broker);
            broker.wait_log(from, &format!("{}/{name}", broker.dir().display()));
            let granted = publish(tools, &broker, "alice", "secret", "open");
            assert_eq!(granted, Output::new(0, "", ""), "{name}");
        }
        stays.wait_stdout("open x\nopen x\n");
        assert_eq!(stays.stop("TERM").code, Some(0));
    });
}

/// SIGUSR2 prints who is subscribed to what, and the broker goes on.
#[test]
fn foreign_subscriptions_are_in_the_dump() {
    if !broker::ours() {
        return; // Mosquitto 2.0 keeps it in a buffer until it ends.
    }
    with_tools(|tools| {
        let broker = Conf::open().start();
        plain(&broker, "marker").publish_retained("ready", "yes", 1);
        let arguments = ["-t", "ready", "-t", "dump/+/me", "-t", "$share/group/dump/#", "-i", "dumped"];
        let mut task = Task::start(&mut tools.tool("mosquitto_sub", broker.port(), &arguments));
        task.wait_stdout("yes\n");
        let from = broker.log_bytes();
        broker.signal("USR2");
        for text in ["dump/+/me", "dumped", "group"] {
            broker.wait_log(from, text);
        }
        plain(&broker, "more").publish("dump/now/me", "still here", 0);
        task.wait_stdout("still here\n");
        assert_eq!(task.stop("TERM").code, Some(0));
    });
}

/// SIGTERM and SIGINT end the broker with code 0, with clients connected; SIGUSR1 does not end it.
#[test]
fn foreign_clients_do_not_delay_the_end() {
    with_tools(|tools| {
        for signal in ["TERM", "INT"] {
            let mut broker = Conf::accounts().acl(RULES).start();
            let stays = subscriber(tools, &broker);
            broker.signal("USR1");
            let granted = publish(tools, &broker, "alice", "secret", "open");
            assert_eq!(granted, Output::new(0, "", ""));
            assert_eq!(broker.stop_with(signal), Some(0), "{signal}: {}", broker.log());
            assert!(broker.log().contains(" terminating"), "{}", broker.log());
            assert_eq!(broker.crash_mark(), None);
            drop(stays);
        }
    });
}
