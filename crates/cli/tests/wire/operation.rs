//! Starting, stopping, failing: exit codes and messages an administrator sees.

use crate::kit::client::plain;
use crate::kit::*;

#[test]
fn a_bad_configuration_names_file_and_line_and_exits_3() {
    let rows = [
        ("nonsense 1", "Unknown configuration variable"),
        ("port 70000", "port"),
        ("allow_anonymous perhaps", "allow_anonymous"),
        ("listener 99999", "port"),
        ("password_file", "password_file"),
    ];
    for (line, message) in rows {
        let finished = Conf::empty().line("# one").line(line).run_to_end();
        assert_eq!(finished.code, Some(3), "{line}: {}", finished.log);
        assert!(finished.log.contains(message), "{line}: {}", finished.log);
        let place = finished.log.lines().find(|text| text.contains("Error found at "));
        assert!(place.is_some_and(|text| text.ends_with("mosquitto.conf:2.")), "{line}: {}", finished.log);
    }
}

#[test]
fn a_missing_configuration_file_exits_3() {
    let finished = Conf::empty().argument("-c").argument("{dir}/missing.conf").run_to_end();
    assert_eq!(finished.code, Some(3), "{}", finished.log);
    assert!(finished.log.contains("missing.conf"), "{}", finished.log);
}

#[test]
fn a_port_in_use_exits_1_and_names_the_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let finished = Conf::empty()
        .line("user root")
        .line(&format!("listener {port} 127.0.0.1"))
        .line("allow_anonymous true")
        .run_to_end();
    assert_eq!(finished.code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("in use") && finished.log.contains(&port.to_string()), "{}", finished.log);
}

#[test]
fn a_bad_password_file_exits_13() {
    if !broker::ours() {
        return; // Mosquitto 2.0 has exit code 1 here and reads on past some of these lines.
    }
    for content in ["alice:not a hash\n", "alice:$9$x$y\n", ":$6$a$b\n", "alice:$7$4000000000$AAAA$AAAA\n"] {
        let finished = Conf::accounts().file("passwd", content).run_to_end();
        assert_eq!(finished.code, Some(13), "{content}: {}", finished.log);
        assert!(finished.log.contains("passwd"), "{}", finished.log);
    }
}

#[test]
fn a_missing_acl_file_prevents_the_start() {
    let finished = Conf::accounts().line("acl_file {dir}/missing").run_to_end();
    assert_ne!(finished.code, Some(0));
    assert!(finished.log.contains("missing"), "{}", finished.log);
}

#[test]
fn test_config_checks_and_leaves() {
    if !broker::ours() {
        return; // New in Mosquitto 2.1.
    }
    let good = Conf::open().argument("--test-config").run_to_end();
    assert_eq!(good.code, Some(0), "{}", good.log);
    assert!(good.log.contains("Configuration file is OK."), "{}", good.log);
    let bad = Conf::open().line("bad_line here").argument("--test-config").run_to_end();
    assert_eq!(bad.code, Some(3), "{}", bad.log);
    assert!(bad.log.contains("Error found at ") && bad.log.contains(":4."), "{}", bad.log);
}

#[test]
fn what_this_build_cannot_do_is_refused_and_never_ignored() {
    if !broker::ours() {
        return;
    }
    let rows = ["certfile /nonexistent/cert.pem", "connection bridge", "plugin /lib/x.so"];
    for line in rows {
        let conf = Conf::open().line(line);
        let conf = if line.starts_with("connection") {
            conf.line("address 127.0.0.1").line("topic #")
        } else {
            conf
        };
        let conf =
            if line.starts_with("certfile") { conf.line("keyfile /nonexistent/key.pem") } else { conf };
        let finished = conf.run_to_end();
        assert_ne!(finished.code, Some(0), "{line}");
        let word = line.split(' ').next().unwrap();
        assert!(finished.log.contains(word), "{line}: {}", finished.log);
    }
}

#[test]
fn sigterm_ends_with_0_under_load() {
    let mut broker = Conf::open().start();
    let mut clients: Vec<Client> = (0..20).map(|n| plain(&broker, &format!("client{n}"))).collect();
    for client in &mut clients {
        client.subscribe("#", 1);
        client.publish("t", "m", 1);
    }
    assert_eq!(broker.stop(), Some(0), "{}", broker.log());
    for client in &mut clients {
        assert!(client.drain().1, "a client is still connected");
    }
}

#[test]
fn sigint_ends_with_0() {
    let mut broker = Conf::open().start();
    plain(&broker, "connected").expect_silence();
    assert_eq!(broker.stop_with("INT"), Some(0));
}

#[test]
fn usr1_and_usr2_do_not_end_the_broker() {
    let broker = Conf::open().start();
    broker.signal("USR1");
    broker.signal("USR2");
    plain(&broker, "still").disconnect();
}

// The old settings stay when the new ones are wrong.
#[test]
fn a_broken_reload_keeps_the_old_configuration() {
    if !broker::ours() {
        return; // Mosquitto 2.1 stops.
    }
    let broker = Conf::accounts().acl("user alice\ntopic readwrite #\n").start();
    for (file, content) in [
        ("acl", "user alice\nnonsense here\n"),
        ("passwd", "alice:nonsense\n"),
        ("mosquitto.conf", "allow_anonymous true\nnonsense 5\n"),
    ] {
        let before = std::fs::read(broker.dir().join(file)).unwrap();
        let from = broker.log_bytes();
        broker.write(file, content);
        broker.signal("HUP");
        broker.wait_log(from, file);
        let (mut alice, _) = Client::open(&broker, &Connect::new(V4, "a").login("alice", "secret"));
        alice.subscribe("t", 0);
        alice.publish("t", "m", 0);
        alice.receive("t", "m");
        let mut anonymous = Client::raw(&broker, V4);
        anonymous.send(Connect::new(V4, "x").bytes());
        anonymous.expect([0x20, 2, 0, 5]);
        broker.write(file, before);
    }
}

#[test]
fn connections_are_logged_as_scripts_expect() {
    let broker = Conf::accounts().start();
    let from = broker.log_bytes();
    let (client, _) =
        Client::open(&broker, &Connect::new(V5, "logged").keepalive(42).login("alice", "secret"));
    broker.wait_log(from, " as logged (p5, c1, k42, u'alice').");
    client.disconnect();
    broker.wait_log(from, "Client logged");
    let mut refused = Client::raw(&broker, V4);
    refused.send(Connect::new(V4, "intruder").login("alice", "wrong").bytes());
    refused.frame();
    broker.wait_log(from, "not authorised");
}

#[test]
fn a_pid_file_is_written_and_removed() {
    let mut broker = Conf::open().line("pid_file {dir}/broker.pid").start();
    let path = broker.dir().join("broker.pid");
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written.trim(), broker.pid().to_string());
    assert_eq!(broker.stop(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_log_file_is_reopened_at_sighup() {
    let broker = Conf::open().line("log_dest file {dir}/broker.log").start();
    let (path, moved) = (broker.dir().join("broker.log"), broker.dir().join("broker.log.1"));
    plain(&broker, "first").disconnect();
    let logged = |path: &std::path::Path, text: &str| {
        poll(10 * SECOND, || std::fs::read_to_string(path).ok().filter(|log| log.contains(text)))
    };
    assert!(logged(&path, "as first").is_some());
    std::fs::rename(&path, &moved).unwrap();
    broker.signal("HUP");
    assert!(poll(10 * SECOND, || path.exists().then_some(())).is_some(), "not reopened");
    plain(&broker, "second").disconnect();
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    assert!(logged(&path, "as second").is_some(), "new: {}\nold: {}", read(&path), read(&moved));
}
