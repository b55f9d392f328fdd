//! What a listener line and the options behind it do.

use crate::kit::client::{plain, tcp};
use crate::kit::*;

#[test]
fn max_connections_turns_the_next_one_away() {
    if !broker::ours() {
        return; // A connection that never sent CONNECT is subtracted without having been counted in 2.0.11.
    }
    let broker = Conf::open().line("max_connections 2").start();
    // The start-up probe may still count for a moment.
    let first = poll(10 * SECOND, || {
        let mut client = Client::raw(&broker, V4);
        client.send(Connect::new(V4, "first").bytes());
        client.frame_within(SECOND).map(|_| client)
    });
    let _first = first.expect("the first client is served");
    let mut second = plain(&broker, "second");
    let mut third = Client::raw(&broker, V4);
    third.send(Connect::new(V4, "third").bytes());
    let (bytes, closed) = third.drain();
    assert!(closed && bytes != [0x20, 2, 0, 0], "a third client is served");
    second.expect_silence();
    second.disconnect();
    let again = poll(10 * SECOND, || {
        let mut client = Client::raw(&broker, V4);
        client.send(Connect::new(V4, "again").bytes());
        client.frame_within(SECOND).filter(|frame| frame[..] == [0x20, 2, 0, 0]).map(|_| client)
    });
    assert!(again.is_some(), "the freed place is not given away");
}

fn mount_point_prefixes_every_topic(shards: usize) {
    if !broker::ours() {
        return; // Debian's Mosquitto 2.0.11 forgets to take the prefix off.
    }
    let conf = Conf::open().line("mount_point inner/").line("listener {port2} 127.0.0.1");
    let broker = conf.shards(shards).start();
    let mut outside = Client::over(tcp(broker.port_n(2)), V5);
    outside.handshake(&Connect::new(V5, "outside"));
    outside.subscribe("#", 1);
    let mut inside = plain(&broker, "inside");
    inside.subscribe("a/#", 1);
    inside.publish("a/b", "from inside", 1);
    inside.receive("a/b", "from inside");
    outside.receive("inner/a/b", "from inside");
    outside.publish("a/b", "not for you", 1);
    outside.receive("a/b", "not for you");
    outside.publish("inner/a/b", "from outside", 1);
    outside.receive("inner/a/b", "from outside");
    inside.receive("a/b", "from outside");
    let will = Publish::new(V4, "a/will", "gone");
    Client::open(&broker, &Connect::new(V4, "mortal").will(will)).0.cut();
    outside.receive("inner/a/will", "gone");
    inside.receive("a/will", "gone");
    // A response topic is a topic as well, but a property is carried as it is.
    inside.publish_retained("a/kept", "m", 1);
    let mut late = plain(&broker, "late");
    late.subscribe("#", 0).receive("a/kept", "m");
}

#[test]
fn use_username_as_clientid() {
    let broker = Conf::accounts().line("use_username_as_clientid true").start();
    let mut first = Client::open(&broker, &Connect::new(V4, "one").login("alice", "secret")).0;
    let mut other = Client::open(&broker, &Connect::new(V4, "two").login("bob", "secret")).0;
    let mut second = Client::open(&broker, &Connect::new(V4, "three").login("alice", "secret")).0;
    first.expect_close();
    other.expect_silence();
    second.expect_silence();
}

#[test]
fn use_username_as_clientid_needs_a_username() {
    let broker = Conf::open().line("use_username_as_clientid true").start();
    let mut nameless = Client::raw(&broker, V4);
    nameless.send(Connect::new(V4, "one").bytes());
    nameless.expect([0x20, 2, 0, 5]);
    nameless.expect_close();
}

#[test]
fn accept_protocol_versions() {
    if !broker::ours() {
        return; // New in Mosquitto 2.1.
    }
    let broker = Conf::open().line("accept_protocol_versions 3,5").start();
    Client::clean(&broker, V3, "three").disconnect();
    Client::clean(&broker, V5, "five").disconnect();
    let mut refused = Client::raw(&broker, V4);
    refused.send(Connect::new(V4, "four").bytes());
    refused.expect([0x20, 2, 0, 1]);
    refused.expect_close();
    let broker = Conf::open().line("accept_protocol_versions 4").start();
    let mut refused = Client::raw(&broker, V5);
    refused.send(Connect::new(V5, "five").bytes());
    refused.expect([0x20, 3, 0, 0x84, 0]);
    refused.expect_close();
}

#[test]
fn max_qos_is_announced_and_enforced() {
    let broker = Conf::open().line("max_qos 1").start();
    let (mut new, connack) = Client::open(&broker, &Connect::new(V5, "new"));
    assert!(decode::connack_properties(&connack).contains(&(0x24, vec![1])));
    new.subscribe("t", 1);
    new.publish("t", "m", 1);
    new.receive("t", "m");
    new.send(Subscribe::new(V5, 2, "u", 2).bytes());
    let granted = decode::suback_codes(V5, &new.frame());
    assert_eq!(granted, [1], "a higher QoS is granted as the highest there is");
    new.send(Publish::new(V5, "t", "m").qos(2, 1).bytes());
    new.expect_disconnect(0x9B);
    let mut old = plain(&broker, "old");
    old.send(Publish::new(V4, "t", "m").qos(2, 1).bytes());
    old.expect_close();
}

#[test]
fn a_will_above_max_qos_is_refused() {
    if !broker::ours() {
        return; // Mosquitto 2.0 adds a property, 2.1 does not.
    }
    let broker = Conf::open().line("max_qos 1").start();
    let mut will = Client::raw(&broker, V5);
    will.send(Connect::new(V5, "will").will(Publish::new(V5, "w", "m").qos(2, 0)).bytes());
    will.expect([0x20, 3, 0, 0x9B, 0]);
    will.expect_close();
}

#[test]
fn a_unix_socket_is_a_listener() {
    let conf = Conf::open().line("listener 0 {dir}/broker.sock");
    let broker = conf.start();
    let path = broker.dir().join("broker.sock");
    let mut local = Client::unix(&path, V5);
    local.handshake(&Connect::new(V5, "local"));
    local.subscribe("t", 1);
    plain(&broker, "remote").publish("t", "over TCP", 1);
    local.receive("t", "over TCP");
    drop(broker);
    assert!(!path.exists(), "the socket file is left behind");
}

#[test]
fn listeners_share_the_broker_and_keep_their_options() {
    let conf = Conf::open().line("max_qos 0").line("listener {port2} 127.0.0.1").line("max_qos 2");
    let broker = conf.start();
    let mut low = Client::clean(&broker, V5, "low");
    low.subscribe("t", 0);
    let mut high = Client::over(tcp(broker.port_n(2)), V5);
    high.handshake(&Connect::new(V5, "high"));
    high.publish("t", "m", 2);
    low.receive("t", "m");
    low.send(Publish::new(V5, "t", "m").qos(1, 1).bytes());
    low.expect_disconnect(0x9B);
}

#[test]
fn per_listener_settings_keep_accounts_apart() {
    let conf = Conf::empty()
        .line("per_listener_settings true")
        .line("user root")
        .line("listener {port} 127.0.0.1")
        .line("allow_anonymous false")
        .line("password_file {dir}/passwd")
        .line("listener {port2} 127.0.0.1")
        .line("allow_anonymous true")
        .file("passwd", accounts::password_file(&["alice"]));
    let broker = conf.start();
    let mut anonymous = Client::raw(&broker, V4);
    anonymous.send(Connect::new(V4, "x").bytes());
    anonymous.expect([0x20, 2, 0, 5]);
    anonymous.expect_close();
    Client::open(&broker, &Connect::new(V4, "x").login("alice", "secret")).0.disconnect();
    let mut open = Client::over(tcp(broker.port_n(2)), V4);
    open.handshake(&Connect::new(V4, "x"));
}

// Without a listener line the broker serves this machine only, on the port of `-p`.
#[test]
fn local_only_mode_listens_on_loopback() {
    let conf = Conf::empty().line("user root").line("# port of the command line: {port}");
    let broker = conf.argument("-p").argument("{port}").start();
    plain(&broker, "local").disconnect();
    let six = std::net::TcpStream::connect(("::1", broker.port()));
    assert!(six.is_ok(), "not on ::1: {six:?}");
    let listening = std::fs::read_to_string(format!("/proc/{}/net/tcp", broker.pid())).unwrap();
    let port = format!(":{:04X} 00000000:0000 0A", broker.port());
    let addresses: Vec<&str> = listening.lines().filter(|line| line.contains(&port)).collect();
    let loopback = addresses.iter().all(|line| line.contains("0100007F:"));
    assert!(!addresses.is_empty() && loopback, "not on loopback alone: {addresses:?}");
}

on_shards!(mount_point_prefixes_every_topic);
