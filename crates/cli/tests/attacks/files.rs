//! E11–E14: files and listeners that rights come from; I05: the files that we make.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::identity::{account, login, refused};
use crate::kit::client::tcp;
use crate::kit::*;
use crate::vitals::{Limits, Vitals, guarded, passwords, watched};

// E11, C(CVE-2018-12550): what an ACL file may look like.
#[test]
fn e11_access_control_files() {
    let long = "topic readwrite ".to_owned() + &"x".repeat(300);
    for (name, rules) in [
        ("empty", String::new()),
        ("only comments", "# user alice\n# topic readwrite #\n\n".to_owned()),
        ("another user", "user eve\ntopic readwrite #\n".to_owned()),
    ] {
        let broker = Conf::accounts().acl(&rules).start();
        let mut alice = login(&broker, V4, "alice");
        alice.subscribe("#", 0);
        alice.publish("t", "m", 0);
        alice.expect_silence();
        drop(alice);
        assert!(!broker.log().contains("Error"), "{name}: {}", broker.log());
    }
    for rules in
        ["user alice\r\ntopic readwrite t\r\n".to_owned(), format!("user alice\n{long}\ntopic readwrite t")]
    {
        let mut broker = guarded(&rules).start();
        let vitals = Vitals::begin_guarded(&broker);
        let mut alice = login(&broker, V4, "alice");
        alice.subscribe("t", 0);
        alice.publish("t", "m", 0);
        alice.receive("t", "m");
        alice.disconnect();
        vitals.finish("E11 (access control files)", &mut broker, Limits::of_connections(1));
    }
    for rules in [
        "user alice\ntopic\n",
        "user alice\ntopics readwrite #\n",
        "user\n",
        "user alice\ntopic read a/#/b\n",
    ] {
        if !broker::ours() && rules.contains("a/#/b") {
            continue; // Mosquitto 2.0 does not look at the filter.
        }
        let finished = Conf::accounts().acl(rules).run_to_end();
        assert_ne!(finished.code, Some(0), "{rules:?} is accepted");
        assert!(finished.log.contains("acl"), "{rules:?}: {}", finished.log);
    }
}

// E12, C(CVE-2018-12551): lines of a password file that are none, and never an account without a password.
#[test]
fn e12_password_files() {
    let good = passwords(&["alice", "eve"]);
    let hash = accounts::hash("bob");
    let lines = [
        String::new(),
        format!(":{hash}"),
        "bob:".to_owned(),
        "bob".to_owned(),
        format!("bob:{}", "x".repeat(300)),
        format!("bob:{hash}\nbob:{hash}"),
        hash.replace("$101$", "$4000000000$").replacen('$', "bob:$", 1),
        "bob:$9$AAAA$AAAA".to_owned(),
        "bob:$7$101$AAAA".to_owned(),
        "bob:secret".to_owned(),
        format!("bob :{}", &hash[..20]),
    ];
    for line in lines {
        let conf = guarded("user alice\ntopic readwrite #\n").file("passwd", format!("{good}{line}\n"));
        let Some(mut broker) = conf.clone().start_unless_it_ends() else {
            let finished = conf.run_to_end();
            assert_ne!(finished.code, Some(0));
            assert!(!broker::ours() || finished.log.contains("passwd"), "{line:?}: {}", finished.log);
            continue;
        };
        let vitals = Vitals::begin_guarded(&broker);
        login(&broker, V4, "alice").disconnect();
        for password in ["", "secret-not", "x"] {
            refused(&broker, &Connect::new(V4, "x").login("bob", password));
            refused(&broker, &Connect::new(V4, "x").login("", password));
        }
        refused(&broker, &Connect::new(V4, "x").user("bob"));
        refused(&broker, &Connect::new(V4, "x"));
        vitals.finish("E12 (password files)", &mut broker, Limits::of_connections(9));
    }
}

// E13, C(CVE-2017-7652): reloads without descriptors never fall back to anything. Scale: 100 signals.
#[test]
fn e13_reloads_under_pressure() {
    let mut broker = guarded("user alice\ntopic readwrite #\n").descriptors(64).shards(1).start();
    let mut vitals = Vitals::begin_guarded(&broker);
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("t", 0);
    let mut sockets: Vec<_> =
        (0..100).filter_map(|_| std::net::TcpStream::connect(("127.0.0.1", broker.port())).ok()).collect();
    for _ in 0..100 {
        broker.signal("HUP");
        alice.publish("t", "m", 0);
        alice.receive("t", "m");
    }
    vitals.during("E13", &mut broker);
    sockets.clear();
    let recovered = poll(15 * SECOND, || {
        let mut stranger = Client::raw(&broker, V4);
        stranger.send(Connect::new(V4, "stranger").bytes());
        stranger.frame_within(SECOND)
    });
    assert_eq!(recovered.as_deref(), Some(&[0x20, 2, 0, 5][..]), "a stranger is never let in");
    refused(&broker, &Connect::new(V4, "x").login("alice", "wrong"));
    login(&broker, V4, "bob").disconnect();
    alice.disconnect();
    vitals.finish("E13 (reloads under pressure)", &mut broker, Limits::of_connections(104));
}

// E13, C(CVE-2017-7652): a reload that finds the configuration cut short at any byte, or its files gone. What is left may
// be a configuration, but never one that lets strangers in. The access file is named first, for users have all rights by
// a configuration that names none, whoever cut it.
#[test]
fn e13_half_written_configurations() {
    if !broker::ours() {
        return; // Mosquitto stops at some of them.
    }
    let mut broker = guarded("user alice\ntopic readwrite #\n").start();
    let mut vitals = Vitals::begin_guarded(&broker);
    let file = broker.dir().join("mosquitto.conf");
    let (first, rest): (Vec<String>, Vec<String>) = std::fs::read_to_string(&file)
        .unwrap()
        .split_inclusive('\n')
        .map(str::to_owned)
        .partition(|line| line.starts_with("acl_file"));
    let (named, whole) = (first.concat(), first.concat() + &rest.concat());
    let mut cuts: Vec<String> = (named.len()..whole.len()).map(|length| whole[..length].to_owned()).collect();
    for name in ["passwd", "acl"] {
        cuts.push(whole.replace(&format!("/{name}"), &format!("/no-such-{name}")));
    }
    let connections = cuts.len() + 2;
    for cut in cuts {
        broker.write("mosquitto.conf", &cut);
        reload(&broker);
        let mut stranger = Client::raw(&broker, V4);
        stranger.send(Connect::new(V4, "stranger").bytes());
        let (answer, closed) = stranger.drain();
        assert!(closed && answer == [0x20, 2, 0, 5], "{} with {cut:?}", hex::dump(&answer));
    }
    vitals.during("E13", &mut broker);
    broker.write("mosquitto.conf", &whole);
    reload(&broker);
    refused(&broker, &Connect::new(V4, "stranger"));
    login(&broker, V4, "alice").disconnect();
    vitals.finish("E13 (half-written configurations)", &mut broker, Limits::of_connections(connections));
}

/// Two reloads, of which the second begins when the first is over.
#[track_caller]
pub fn reload(broker: &Broker) {
    for _ in 0..2 {
        let from = broker.log_bytes();
        broker.signal("HUP");
        broker.wait_log(from, "Reloading config");
    }
}

// E14, C(CVE-2018-20145): each listener enforces its own.
#[test]
fn e14_listeners_enforce_their_own_rules() {
    let conf = Conf::empty()
        .line("per_listener_settings true")
        .line("user root")
        .line("sys_interval 1")
        .line("listener {port} 127.0.0.1")
        .line("password_file {dir}/passwd")
        .line("acl_file {dir}/acl")
        .line("listener {port2} 127.0.0.1")
        .line("allow_anonymous true")
        .line("acl_file {dir}/open-acl")
        .line("listener {port3} 127.0.0.1")
        .file("passwd", passwords(&["alice", "eve"]))
        .file("acl", watched("user alice\ntopic readwrite #\n"))
        .file("open-acl", "topic readwrite public/#\n");
    let mut broker = conf.shards(2).start();
    let vitals = Vitals::begin_guarded(&broker);
    refused(&broker, &Connect::new(V4, "x"));
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("#", 0);
    let mut anonymous = Client::over(tcp(broker.port_n(2)), V4);
    anonymous.handshake(&Connect::new(V4, "anonymous"));
    anonymous.publish("private/x", "denied", 0);
    anonymous.publish("public/x", "allowed", 0);
    alice.receive("public/x", "allowed");
    // The third has nothing, and so lets nobody in.
    for connect in [Connect::new(V4, "x"), account(V4, "x", "alice")] {
        let mut client = Client::over(tcp(broker.port_n(3)), V4);
        client.send(connect.bytes());
        client.expect([0x20, 2, 0, 5]);
        client.expect_close();
    }
    [alice, anonymous].into_iter().for_each(Client::cut);
    vitals.finish("E14 (listeners enforce their own rules)", &mut broker, Limits::of_connections(5));
}

// I05, C(CVE-2017-9868): what we create is for its owner only, whatever the umask.
#[test]
fn i05_files_are_created_private() {
    if !broker::ours() {
        return; // Its tool is another program.
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passwd");
    let made = |file: &Path, umask: &str| {
        let status = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_pondhawk")])
            .args(["passwd", "-b", "-c", file.to_str().unwrap(), "alice", "secret"])
            .stderr(Stdio::null())
            .status();
        status.expect("sh runs").success()
    };
    assert!(made(&file, "000"));
    assert_eq!(mode(&file), 0o600);
    // A link that somebody put where the file belongs is not written through.
    let (link, victim) = (dir.path().join("link"), dir.path().join("victim"));
    std::fs::write(&victim, "precious").unwrap();
    symlink(&victim, &link).unwrap();
    made(&link, "022");
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    let mut broker = guarded("user alice\ntopic readwrite #\n")
        .file("passwd", std::fs::read_to_string(&file).unwrap() + &passwords(&["eve"]))
        .line("log_dest stdout")
        .line("log_dest file {dir}/broker.log")
        .start();
    let vitals = Vitals::begin_guarded(&broker);
    login(&broker, V4, "alice").disconnect();
    let log_mode = mode(&broker.dir().join("broker.log"));
    assert_eq!(log_mode & 0o077, 0, "the log file has mode {log_mode:o}");
    vitals.finish("I05 (private files)", &mut broker, Limits::of_connections(1));
}

// I05, G: files that others may write are told of; links and what is no file are not followed.
#[test]
fn i05_files_that_others_control() {
    if !broker::ours() {
        return; // Mosquitto 2.0 follows links.
    }
    for name in ["passwd", "acl"] {
        let mut broker = guarded("").start();
        let vitals = Vitals::begin_guarded(&broker);
        let file = broker.dir().join(name);
        let reload = |expected: &str| {
            let from = broker.log_bytes();
            broker.signal("HUP");
            broker.wait_log(from, expected);
        };
        std::fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        reload("world writable");
        std::fs::rename(&file, broker.dir().join("elsewhere")).unwrap();
        symlink("elsewhere", &file).unwrap();
        reload("symbolic link");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        reload("not a");
        // The old contents stay in force.
        refused(&broker, &Connect::new(V4, "x"));
        login(&broker, V4, "alice").disconnect();
        vitals.finish("I05 (files that others control)", &mut broker, Limits::of_connections(2));
    }
}

/// Permissions of a file.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
