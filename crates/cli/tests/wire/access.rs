//! Accounts and access control as a client meets them.

use crate::kit::packet::PUBACK;
use crate::kit::*;

/// A connection of an account.
fn login(broker: &Broker, version: Version, user: &str) -> Client {
    let connect = Connect::new(version, format!("{user}-client")).login(user, accounts::PASSWORD);
    Client::open(broker, &connect).0
}

/// Requires the refusal "not authorised".
#[track_caller]
fn refused(broker: &Broker, connect: &Connect) {
    let mut client = Client::raw(broker, connect.version());
    client.send(connect.bytes());
    if connect.version() == V5 {
        client.expect([0x20, 3, 0, 0x87, 0]);
    } else {
        client.expect([0x20, 2, 0, 5]);
    }
    client.expect_close();
}

#[test]
fn passwords_are_checked() {
    let broker = Conf::accounts().start();
    for version in [V3, V4, V5] {
        let connect = |user: &str, password: &str| Connect::new(version, "x").login(user, password);
        Client::open(&broker, &connect("alice", "secret")).0.disconnect();
        refused(&broker, &connect("alice", "wrong"));
        refused(&broker, &connect("alice", ""));
        refused(&broker, &connect("nobody", "secret"));
        refused(&broker, &connect("", ""));
        refused(&broker, &connect("ALICE", "secret"));
        refused(&broker, &Connect::new(version, "x").user("alice"));
        refused(&broker, &Connect::new(version, "x"));
    }
}

// The entry of the notes: an old SHA-512 hash with a salt of twelve bytes.
#[test]
fn the_old_hash_of_the_notes_is_accepted() {
    let entry = "user:$6$9vN5zCsnZVhlEXeq$Py+NyLqmpO6WcXgW2yuWo8oP9PhnLiVij+yzvskfcPGy0ZVwVXMymJAz/lNH66rhlFwFewzZ8wD3Ol4WwoLLLQ==\n";
    let broker = Conf::accounts().file("passwd", entry).start();
    Client::open(&broker, &Connect::new(V4, "x").login("user", "expert")).0.disconnect();
    refused(&broker, &Connect::new(V4, "x").login("user", "Expert"));
}

#[test]
fn anonymous_beside_accounts() {
    let broker = Conf::accounts().line("allow_anonymous true").start();
    Client::clean(&broker, V4, "x").disconnect();
    refused(&broker, &Connect::new(V4, "x").login("alice", "wrong"));
}

// A listener without anything else refuses everybody.
#[test]
fn a_bare_listener_refuses_anonymous_clients() {
    let broker = Conf::empty().line("user root").line("listener {port} 127.0.0.1").start();
    refused(&broker, &Connect::new(V4, "x"));
    refused(&broker, &Connect::new(V5, "x"));
}

// Row A13 of the notes; Mosquitto 2.0 overrides the explicit word in local-only mode.
#[test]
fn allow_anonymous_false_always_wins() {
    if !broker::ours() {
        return;
    }
    let conf = Conf::empty()
        .line("allow_anonymous false")
        .line("password_file {dir}/passwd")
        .line("# port of the command line: {port}")
        .file("passwd", accounts::password_file(&["alice"]));
    let broker = conf.argument("-p").argument("{port}").start();
    refused(&broker, &Connect::new(V4, "x"));
    Client::open(&broker, &Connect::new(V4, "x").login("alice", "secret")).0.disconnect();
}

/// What alice and bob may do in most of these tests.
const RULES: &str = "
# nobody without a name may do anything
user alice
topic readwrite shared/#
topic write letters/bob
topic deny shared/secret
user bob
topic read shared/+
topic letters/bob
topic read $SYS/broker/version

pattern readwrite private/%u/#
pattern read client/%c
";

fn acl_rules_filter_at_delivery(shards: usize) {
    let broker = Conf::accounts().acl(RULES).shards(shards).start();
    let mut alice = login(&broker, V5, "alice");
    let mut bob = login(&broker, V4, "bob");
    // Every subscription is granted; what is not readable is never delivered.
    bob.subscribe("#", 1);
    for (topic, reaches_bob) in [
        ("shared/one", true),
        ("shared/one/two", false),
        ("shared/secret", false),
        ("letters/bob", true),
        ("letters/alice", false),
        ("private/alice/x", false),
        ("private/bob/x", false),
        ("elsewhere", false),
    ] {
        alice.send(Publish::new(V5, topic, topic).qos(1, 1).bytes());
        alice.frame();
        if reaches_bob {
            bob.receive(topic, topic);
        }
    }
    bob.publish("letters/bob", "marker", 1);
    bob.receive("letters/bob", "marker");
    bob.publish("private/bob/diary", "own", 1);
    bob.receive("private/bob/diary", "own");
    alice.subscribe("private/#", 0);
    bob.publish("private/bob/diary", "own", 0);
    alice.publish("private/alice/diary", "mine", 0);
    alice.receive("private/alice/diary", "mine");
}

// A denied publish is acknowledged below MQTT 5 and told in it.
#[test]
fn a_denied_publish_gets_its_answer() {
    let broker = Conf::accounts().acl(RULES).start();
    let mut old = login(&broker, V4, "alice");
    old.send(Publish::new(V4, "elsewhere", "m").qos(1, 3).bytes());
    old.expect([PUBACK, 2, 0, 3]);
    old.send(Publish::new(V4, "elsewhere", "m").qos(2, 4).bytes());
    old.expect([0x50, 2, 0, 4]);
    let mut new = login(&broker, V5, "bob");
    new.send(Publish::new(V5, "elsewhere", "m").qos(1, 3).bytes());
    new.expect([PUBACK, 3, 0, 3, 0x87]);
    new.send(Publish::new(V5, "elsewhere", "m").qos(2, 4).bytes());
    new.expect([0x50, 3, 0, 4, 0x87]);
    new.send(Publish::new(V5, "elsewhere", "m").bytes());
    new.expect_silence();
}

#[test]
fn patterns_with_the_client_id() {
    let broker = Conf::accounts().acl("pattern readwrite client/%c\n").start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("client/#", 0);
    alice.publish("client/bob-client", "denied", 0);
    alice.publish("client/alice-client", "allowed", 0);
    alice.receive("client/alice-client", "allowed");
}

// Lines before the first `user` are for clients without a name only.
#[test]
fn rules_for_anonymous_clients() {
    let rules = "topic read public/#\nuser alice\ntopic write public/#\n";
    let broker = Conf::accounts().line("allow_anonymous true").acl(rules).start();
    let mut anonymous = Client::clean(&broker, V4, "anonymous");
    anonymous.subscribe("public/#", 0);
    anonymous.publish("public/x", "denied", 0);
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("public/#", 0);
    alice.publish("public/x", "allowed", 0);
    anonymous.receive("public/x", "allowed");
    alice.expect_silence();
}

#[test]
fn sys_topics_need_a_rule_of_their_own() {
    let rules = "user alice\ntopic read #\nuser bob\ntopic read $SYS/#\n";
    let broker = Conf::accounts().acl(rules).start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("$SYS/broker/version", 0).expect_silence();
    let mut bob = login(&broker, V4, "bob");
    bob.subscribe("$SYS/broker/version", 0);
    assert!(bob.delivery().text().contains("version"));
}

fn a_reload_changes_passwords_and_rules(shards: usize) {
    let broker = Conf::accounts().acl("user alice\ntopic readwrite #\n").shards(shards).start();
    let mut alice = login(&broker, V4, "alice");
    alice.subscribe("a", 0).subscribe("b", 0);
    alice.publish("a", "before", 0);
    alice.receive("a", "before");
    broker.write("acl", "user alice\ntopic readwrite b\n");
    broker.write("passwd", accounts::password_file(&["alice", "eve"]));
    broker.signal("HUP");
    let reloaded = poll(10 * SECOND, || {
        let mut bob = Client::raw(&broker, V4);
        bob.send(Connect::new(V4, "bob-client").login("bob", "secret").bytes());
        (bob.frame_within(SECOND)? == [0x20, 2, 0, 5]).then_some(())
    });
    assert!(reloaded.is_some(), "bob is still let in; log:\n{}", broker.log());
    // A connected client is judged by the rules of now.
    alice.publish("a", "after", 0);
    alice.publish("b", "after", 0);
    alice.receive("b", "after");
    login(&broker, V4, "eve").disconnect();
}

fn an_acl_covers_wills_and_retained_messages(shards: usize) {
    let broker = Conf::accounts().acl(RULES).shards(shards).start();
    let mut alice = login(&broker, V4, "alice");
    alice.publish_retained("shared/kept", "m", 1);
    alice.publish_retained("shared/deep/kept", "m", 1);
    let mut bob = login(&broker, V4, "bob");
    bob.subscribe("shared/#", 1).receive("shared/kept", "m");
    bob.expect_silence();
}

on_shards!(
    acl_rules_filter_at_delivery,
    a_reload_changes_passwords_and_rules,
    an_acl_covers_wills_and_retained_messages,
);
