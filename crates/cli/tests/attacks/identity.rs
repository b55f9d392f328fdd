//! E: identity, authorisation and sessions; I05: file modes. Accounts are alice, bob and eve.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::kit::client::tcp;
use crate::kit::packet::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack};
use crate::kit::*;

/// A CONNECT of an account.
fn account(version: Version, id: &str, user: &str) -> Connect {
    Connect::new(version, id).login(user, accounts::PASSWORD)
}

/// A connection of an account.
#[track_caller]
fn login(broker: &Broker, version: Version, user: &str) -> Client {
    Client::open(broker, &account(version, &format!("{user}-client"), user)).0
}

/// The refusal "not authorised".
#[track_caller]
fn refused(broker: &Broker, connect: &Connect) {
    let mut client = Client::raw(broker, connect.version());
    client.send(connect.bytes());
    client.expect(if connect.version() == V5 { &[0x20, 3, 0, 0x87, 0][..] } else { &[0x20, 2, 0, 5] });
    client.expect_close();
}

/// Replaces the ACL and waits until it is in force: the topic `reloaded/N` tells, which only the N-th version
/// of the rules lets alice write and read. Eight connections look, so that no shard is left out.
#[track_caller]
fn reload_acl(broker: &Broker, generation: usize, rules: &str) {
    let topic = format!("reloaded/{generation}");
    broker.write("acl", format!("user alice\ntopic readwrite {topic}\n{rules}"));
    broker.signal("HUP");
    for number in 0..8 {
        let (mut probe, _) = Client::open(broker, &account(V4, &format!("probe{number}"), "alice"));
        probe.subscribe(&topic, 0);
        let there = poll(10 * SECOND, || {
            probe.send(Publish::new(V4, &topic, "now").bytes());
            probe.send(packet::PINGREQ);
            let first = probe.frame();
            let delivered = first[0] >> 4 == 3;
            if delivered {
                probe.frame();
            }
            delivered.then_some(())
        });
        assert!(there.is_some(), "the new rules never come into force; log:\n{}", broker.log());
        probe.cut();
    }
}

// E01 and E02, G C(mosquitto#3551, #3553, CVE-2026-33215, CVE-2026-6564): another user's client id.
#[test]
fn e01_e02_another_users_client_id() {
    if !broker::ours() {
        return; // Mosquitto hands the session over.
    }
    let broker = Conf::accounts().shards(2).start();
    for version in [V4, V5] {
        let (mut owner, _) = Client::open(&broker, &account(version, "device", "alice").durable());
        owner.subscribe("private/#", 1);
        for attack in [account(version, "device", "bob").durable(), account(version, "device", "bob")] {
            refused(&broker, &attack);
            owner.expect_silence();
        }
        owner.disconnect();
        let mut writer = login(&broker, V4, "alice");
        writer.publish("private/note", "for alice", 1);
        for attack in [account(version, "device", "bob").durable(), account(version, "device", "bob")] {
            refused(&broker, &attack);
        }
        let (mut owner, connack) = Client::open(&broker, &account(version, "device", "alice").durable());
        assert_eq!(connack[2], 1, "alice's session is intact");
        owner.receive("private/note", "for alice");
        owner.disconnect();
        Client::open(&broker, &account(version, "device", "alice")).0.disconnect();
        // A session that has ended has no owner.
        Client::open(&broker, &account(version, "device", "bob")).0.disconnect();
    }
}

// E01 where the transfer is allowed: what waits is checked again for the new owner.
#[test]
fn e01_an_allowed_transfer_is_checked_again() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic read public/#\n";
    let broker = Conf::accounts().own_line("allow_session_transfer true").acl(rules).shards(2).start();
    let (mut owner, _) = Client::open(&broker, &account(V4, "device", "alice").durable());
    owner.subscribe("private/#", 1).subscribe("public/#", 1);
    owner.disconnect();
    let mut writer = login(&broker, V4, "alice");
    writer.publish("private/note", "secret", 1);
    writer.publish("public/note", "news", 1);
    let (mut heir, _) = Client::open(&broker, &account(V4, "device", "bob").durable());
    heir.receive("public/note", "news");
    writer.publish("private/note", "secret", 1);
    writer.publish("public/note", "more news", 1);
    heir.receive("public/note", "more news");
    heir.expect_silence();
}

// E03, C(CVE-2017-7650, NanoMQ#2344): a substitution never yields a wildcard or another level.
#[test]
fn e03_client_ids_as_patterns() {
    let rules = "pattern readwrite dev/%c/#\nuser alice\ntopic readwrite #\n";
    let broker = Conf::accounts().line("allow_anonymous true").acl(rules).shards(2).start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("#", 0);
    for id in ["#", "+", "a/#", "../", "%u", "%c", "$share", "a/b"] {
        let mut client = Client::raw(&broker, V4);
        client.send(Connect::new(V4, id).bytes());
        if client.frame()[..] != [0x20, 2, 0, 0] {
            continue; // Refused outright.
        }
        client.subscribe("#", 0).subscribe("dev/#", 0);
        for topic in ["dev/victim/x", "dev/alice/x", "dev/x", "dev"] {
            client.publish(topic, id, 0);
        }
        if broker::ours() {
            client.publish("dev/a/b/x", id, 0); // Belongs to the client `a`.
        }
        alice.publish("dev/victim/x", "marker", 0);
        alice.receive("dev/victim/x", "marker");
        client.expect_silence();
    }
}

// E05, C(mosquitto#3552, EMQX#8978): a will that may not be written is never published.
#[test]
fn e05_a_will_without_the_right() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite bob/#\n";
    let broker = Conf::accounts().acl(rules).shards(2).start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("#", 0);
    for version in [V3, V4, V5] {
        let mut bob = Client::raw(&broker, version);
        let will = Publish::new(version, "alice/secret", "forged").retain();
        bob.send(account(version, "bob", "bob").will(will).bytes());
        let connack = bob.frame();
        if broker::ours() && decode::reason(&connack) != Some(0) {
            bob.expect_close();
        } else {
            bob.cut();
        }
        let will = Publish::new(version, "bob/will", "real");
        Client::open(&broker, &account(version, "bob", "bob").will(will)).0.cut();
        alice.receive("bob/will", "real");
    }
}

// E06, G: the right of the moment when it is sent.
#[test]
fn e06_a_will_whose_right_is_revoked() {
    let all = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite #\n";
    let broker = Conf::accounts().acl(all).shards(2).start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("will/#", 0);
    let will = |topic: &str| account(V4, topic, "bob").will(Publish::new(V4, topic, "m"));
    let (revoked, _) = Client::open(&broker, &will("will/revoked"));
    let (kept, _) = Client::open(&broker, &will("will/kept"));
    reload_acl(&broker, 1, "topic readwrite #\nuser bob\ntopic readwrite will/kept\n");
    revoked.cut();
    kept.cut();
    alice.receive("will/kept", "m");
    alice.expect_silence();
}

// E07, C(CVE-2018-12546, EMQX#10192).
#[test]
fn e07_retained_messages_of_a_revoked_writer() {
    let all = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite #\n";
    let broker = Conf::accounts().acl(all).line("check_retain_source true").shards(2).start();
    let mut alice = login(&broker, V4, "alice");
    alice.publish_retained("kept/by-alice", "m", 1);
    login(&broker, V4, "bob").publish_retained("kept/by-bob", "m", 1);
    reload_acl(&broker, 1, "topic read #\nuser bob\ntopic readwrite #\n");
    let mut bob = login(&broker, V4, "bob");
    bob.subscribe("kept/#", 0).receive("kept/by-bob", "m");
    bob.expect_silence();
}

// E08, C(CVE-2021-34434): live delivery stops, and what waits is not delivered later.
#[test]
fn e08_a_reader_whose_right_is_revoked() {
    let all = "user alice\ntopic readwrite #\nuser bob\ntopic read a/#\ntopic read b/#\n";
    let broker = Conf::accounts().acl(all).shards(2).start();
    let mut alice = login(&broker, V4, "alice");
    let (mut live, _) = Client::open(&broker, &account(V4, "live", "bob"));
    live.subscribe("a/#", 1).subscribe("b/#", 1);
    let away = account(V5, "away", "bob").durable();
    let (mut client, _) = Client::open(&broker, &away);
    client.subscribe("a/#", 1).subscribe("b/#", 1);
    client.disconnect();
    alice.publish("a/x", "before", 1);
    live.receive("a/x", "before");
    reload_acl(&broker, 1, "topic readwrite #\nuser bob\ntopic read b/#\n");
    alice.publish("a/x", "after", 1);
    alice.publish("b/x", "allowed", 1);
    live.receive("b/x", "allowed");
    live.expect_silence();
    if broker::ours() {
        // Mosquitto sends what it has queued.
        let (mut client, _) = Client::open(&broker, &away);
        client.receive("b/x", "allowed");
        client.expect_silence();
    }
}

// E09, C(NATS 2026-26): one denied topic under an allowed filter, on all five paths.
#[test]
fn e09_a_denied_topic_below_an_allowed_filter() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic read a/#\ntopic deny a/secret\n";
    let broker = Conf::accounts().acl(rules).shards(2).start();
    let mut alice = login(&broker, V4, "alice");
    let send = |alice: &mut Client| {
        alice.publish("a/secret", "never", 1);
        alice.publish("a/open", "m", 1);
    };
    let durable = account(V4, "bob-client", "bob").durable();
    let (mut bob, _) = Client::open(&broker, &durable);
    bob.subscribe("a/#", 1);
    send(&mut alice); // Live.
    let unacknowledged = bob.delivery();
    assert_eq!(unacknowledged.topic, "a/open");
    bob.cut();
    send(&mut alice); // Queued; and the first is sent again.
    let (mut bob, _) = Client::open(&broker, &durable);
    assert!(bob.receive("a/open", "m").dup);
    bob.receive("a/open", "m");
    bob.expect_silence();
    alice.publish_retained("a/secret", "never", 1);
    alice.publish_retained("a/open", "kept", 1);
    bob.receive("a/open", "kept");
    bob.subscribe("a/+", 1).receive("a/open", "kept"); // Replayed.
    bob.expect_silence();
    alice.publish_retained("a/open", "", 1);
    bob.receive("a/open", "");
    let (mut sharer, _) = Client::open(&broker, &account(V5, "sharer", "bob"));
    sharer.subscribe("$share/g/a/#", 1);
    send(&mut alice); // Shared.
    sharer.receive("a/open", "m");
    sharer.expect_silence();
}

// E10, C(2.0.12): a QoS 2 message whose right goes between PUBLISH and PUBREL.
#[test]
fn e10_a_right_revoked_in_the_middle_of_qos_2() {
    if !broker::ours() {
        return; // Mosquitto routes it until 2.0.12.
    }
    let all = "user alice\ntopic readwrite #\nuser bob\ntopic readwrite #\n";
    let broker = Conf::accounts().acl(all).shards(2).start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("half", 2);
    let durable = account(V4, "bob-client", "bob").durable();
    let (mut bob, _) = Client::open(&broker, &durable);
    bob.send(Publish::new(V4, "half", "m").qos(2, 5).bytes());
    bob.expect(ack(PUBREC, 5));
    // A broker that routes at PUBLISH has done so while it was allowed.
    alice.send(packet::PINGREQ);
    let mut early = 0;
    while let Some(delivery) = Some(alice.frame()).and_then(|frame| decode::delivery(V4, &frame)) {
        alice.acknowledge(&delivery);
        early += 1;
    }
    assert!(early <= 1);
    reload_acl(&broker, 1, "topic readwrite #\nuser bob\ntopic read #\n");
    bob.cut();
    let (mut bob, _) = Client::open(&broker, &durable);
    bob.send(ack(PUBREL, 5));
    bob.expect(ack(PUBCOMP, 5));
    alice.publish("half", "marker", 1);
    alice.receive("half", "marker");
}

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
        let broker = Conf::accounts().acl(&rules).start();
        let mut alice = login(&broker, V4, "alice");
        alice.subscribe("t", 0);
        alice.publish("t", "m", 0);
        alice.receive("t", "m");
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
    let good = accounts::password_file(&["alice"]);
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
        let conf = Conf::accounts().file("passwd", format!("{good}{line}\n"));
        let refuses = Conf::accounts().file("passwd", format!("{good}{line}\n"));
        let Some(broker) = conf.start_unless_it_ends() else {
            let finished = refuses.run_to_end();
            assert_ne!(finished.code, Some(0));
            assert!(!broker::ours() || finished.log.contains("passwd"), "{line:?}: {}", finished.log);
            continue;
        };
        login(&broker, V4, "alice").disconnect();
        for password in ["", "secret-not", "x"] {
            refused(&broker, &Connect::new(V4, "x").login("bob", password));
            refused(&broker, &Connect::new(V4, "x").login("", password));
        }
        refused(&broker, &Connect::new(V4, "x").user("bob"));
        refused(&broker, &Connect::new(V4, "x"));
    }
}

// E13, C(CVE-2017-7652): reloads without descriptors never fall back to anything. Scale: 100 signals.
#[test]
fn e13_reloads_under_pressure() {
    let conf = Conf::accounts().acl("user alice\ntopic readwrite #\n").descriptors(64).shards(1);
    let broker = conf.start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("t", 0);
    let mut sockets: Vec<_> =
        (0..100).filter_map(|_| std::net::TcpStream::connect(("127.0.0.1", broker.port())).ok()).collect();
    for _ in 0..100 {
        broker.signal("HUP");
        alice.publish("t", "m", 0);
        alice.receive("t", "m");
    }
    sockets.clear();
    let recovered = poll(15 * SECOND, || {
        let mut stranger = Client::raw(&broker, V4);
        stranger.send(Connect::new(V4, "stranger").bytes());
        stranger.frame_within(SECOND)
    });
    assert_eq!(recovered.as_deref(), Some(&[0x20, 2, 0, 5][..]), "a stranger is never let in");
    refused(&broker, &Connect::new(V4, "x").login("alice", "wrong"));
    login(&broker, V4, "bob").disconnect();
}

// E14, C(CVE-2018-20145): each listener enforces its own.
#[test]
fn e14_listeners_enforce_their_own_rules() {
    let conf = Conf::empty()
        .line("per_listener_settings true")
        .line("user root")
        .line("listener {port} 127.0.0.1")
        .line("password_file {dir}/passwd")
        .line("acl_file {dir}/acl")
        .line("listener {port2} 127.0.0.1")
        .line("allow_anonymous true")
        .line("acl_file {dir}/open-acl")
        .line("listener {port3} 127.0.0.1")
        .file("passwd", accounts::password_file(&["alice"]))
        .file("acl", "user alice\ntopic readwrite #\n")
        .file("open-acl", "topic readwrite public/#\n");
    let broker = conf.shards(2).start();
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
}

// E15, G: a shared filter is judged by the topic behind the group.
#[test]
fn e15_shared_filters_are_judged_by_their_topics() {
    let rules = "user alice\ntopic readwrite #\nuser bob\ntopic read open/#\n";
    let broker = Conf::accounts().acl(rules).shards(2).start();
    let (mut bob, _) = Client::open(&broker, &account(V5, "bob-client", "bob"));
    bob.send(Subscribe::new(V5, 1, "$share/g/secret/#", 1).filter("$share/g/open/#", 1).bytes());
    bob.frame();
    let mut alice = login(&broker, V4, "alice");
    alice.send(Publish::new(V4, "secret/x", "never").qos(1, 1).bytes());
    alice.expect(ack(PUBACK, 1));
    alice.publish("open/x", "m", 1);
    bob.receive("open/x", "m");
}

// I05, C(CVE-2017-9868): what we create is for its owner only, whatever the umask.
#[test]
fn i05_files_are_created_private() {
    if !broker::ours() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passwd");
    let status = Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_pondhawk")])
        .args(["passwd", "-b", "-c", file.to_str().unwrap(), "alice", "secret"])
        .status()
        .expect("sh runs");
    assert!(status.success());
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let made = std::fs::read(&file).unwrap();
    let broker = Conf::accounts().file("passwd", made).line("log_dest file {dir}/broker.log").start();
    login(&broker, V4, "alice").disconnect();
    let mode = std::fs::metadata(broker.dir().join("broker.log")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & 0o077, 0, "the log file has mode {mode:o}");
}
