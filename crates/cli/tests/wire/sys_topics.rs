//! `$SYS`: which topics there are, and that they count.

use crate::kit::client::plain;
use crate::kit::*;

/// Topics that Mosquitto 2.0 has on a broker with a little traffic.
const MOSQUITTO_2_0: [&str; 19] = [
    "version",
    "uptime",
    "clients/total",
    "clients/connected",
    "clients/active",
    "clients/disconnected",
    "clients/inactive",
    "messages/stored",
    "store/messages/count",
    "store/messages/bytes",
    "subscriptions/count",
    "retained messages/count",
    "messages/received",
    "messages/sent",
    "bytes/received",
    "bytes/sent",
    "publish/messages/received",
    "publish/messages/sent",
    "publish/bytes/received",
];

/// What 2.1 has besides, and the names of the wiki and of the manual page.
const OURS_BESIDES: [&str; 17] = [
    "clients/maximum",
    "clients/expired",
    "shared_subscriptions/count",
    "publish/messages/dropped",
    "publish/bytes/sent",
    "connections/socket/count",
    "packet/out/count",
    "packet/out/bytes",
    "mqtt/connect/received",
    "mqtt/connack/sent",
    "mqtt/publish/received",
    "mqtt/publish/sent",
    "mqtt/pingreq/received",
    "messages/publish/received",
    "messages/publish/sent",
    "messages/publish/dropped",
    "messages/retained/count",
];

#[test]
fn all_topics_are_there_and_retained() {
    let broker = Conf::open().line("sys_interval 1").start();
    let mut sys = Sys::watch(&broker);
    let mut client = plain(&broker, "busy");
    client.subscribe("t", 1);
    client.publish("t", "m", 1);
    client.receive("t", "m");
    sys.settle();
    let mut wanted: Vec<String> = MOSQUITTO_2_0.iter().map(|topic| (*topic).to_owned()).collect();
    if broker::ours() {
        wanted.extend(OURS_BESIDES.iter().map(|topic| (*topic).to_owned()));
    }
    for load in ["messages/received", "messages/sent", "publish/received", "publish/sent", "bytes/received"] {
        wanted.extend(["1min", "5min", "15min"].map(|span| format!("load/{load}/{span}")));
    }
    let missing: Vec<&String> = wanted.iter().filter(|topic| sys.value(topic).is_none()).collect();
    assert!(missing.is_empty(), "missing: {missing:?}; there are {:?}", sys.topics().collect::<Vec<_>>());
    let mut late = plain(&broker, "late");
    late.subscribe("$SYS/broker/version", 0);
    let version = late.delivery();
    assert!(version.retain);
    assert!(version.text().contains("version "), "{}", version.text());
    late.subscribe("$SYS/broker/uptime", 0);
    let uptime = late.delivery().text();
    let (number, unit) = uptime.split_once(' ').expect("a number and a unit");
    assert!(number.parse::<u64>().is_ok() && unit == "seconds", "{uptime}");
}

fn counters_count(shards: usize) {
    let broker = Conf::open().line("sys_interval 1").shards(shards).start();
    let mut sys = Sys::watch(&broker);
    // The first publication may have been counted before this client came.
    sys.settle();
    sys.settle();
    let names = ["clients/total", "clients/connected", "clients/disconnected", "subscriptions/count"];
    let before = names.map(|name| sys.number(name));
    let received = sys.number("publish/messages/received");
    let mut clients: Vec<Client> = (0..5).map(|n| plain(&broker, &format!("client{n}"))).collect();
    for client in &mut clients {
        client.subscribe("a", 0).subscribe("b", 0);
    }
    Client::open(&broker, &Connect::new(V4, "away").durable()).0.disconnect();
    for _ in 0..7 {
        clients[0].publish("count", "m", 1);
    }
    let wanted = [before[0] + 6, before[1] + 5, before[2] + 1, before[3] + 10];
    let right = sys.until(10 * SECOND, |sys| {
        names.map(|name| sys.number(name)) == wanted
            && sys.number("publish/messages/received") >= received + 7
    });
    assert!(right, "{names:?} are {:?} instead of {wanted:?}", names.map(|name| sys.number(name)));
    drop(clients);
    let wanted = [before[0] + 1, before[1], before[2] + 1, before[3]];
    let right = sys.until(10 * SECOND, |sys| names.map(|name| sys.number(name)) == wanted);
    assert!(right, "{names:?} are {:?} instead of {wanted:?}", names.map(|name| sys.number(name)));
}

#[test]
fn sys_interval_0_switches_it_off() {
    let broker = Conf::open().line("sys_interval 0").start();
    let mut client = plain(&broker, "curious");
    client.subscribe("$SYS/#", 0);
    assert_eq!(client.frame_within(SECOND * 3 / 2), None);
}

on_shards!(counters_count);
