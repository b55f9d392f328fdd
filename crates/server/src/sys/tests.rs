//! The topics by name, and the arithmetic of what is not a plain counter.

use super::*;
use std::collections::BTreeSet;

fn figures(uptime_s: u64, fill: impl FnOnce(&mut Report)) -> Figures {
    let mut report = Report::default();
    fill(&mut report);
    let mut figures = Figures::new(Duration::from_secs(uptime_s), Some(1));
    figures.add(&report);
    figures
}

fn value<'a>(changed: &'a [(String, String)], topic: &str) -> Option<&'a str> {
    let wanted = format!("$SYS/broker/{topic}");
    changed.iter().find(|(topic, _)| *topic == wanted).map(|(_, payload)| payload.as_str())
}

/// Mosquitto 2.1's 56 topics.
const MOSQUITTO: [&str; 29] = [
    "version",
    "uptime",
    "clients/total",
    "clients/maximum",
    "clients/connected",
    "clients/active",
    "clients/disconnected",
    "clients/inactive",
    "clients/expired",
    "messages/stored",
    "store/messages/count",
    "store/messages/bytes",
    "subscriptions/count",
    "shared_subscriptions/count",
    "retained messages/count",
    "heap/current",
    "heap/maximum",
    "messages/received",
    "messages/sent",
    "bytes/received",
    "bytes/sent",
    "publish/bytes/received",
    "publish/bytes/sent",
    "publish/messages/received",
    "publish/messages/sent",
    "publish/messages/dropped",
    "packet/out/count",
    "packet/out/bytes",
    "connections/socket/count",
];
const MOSQUITTO_LOADS: [&str; 9] = [
    "messages/received",
    "messages/sent",
    "publish/received",
    "publish/sent",
    "publish/dropped",
    "bytes/received",
    "bytes/sent",
    "sockets",
    "connections",
];
const MANUAL_RECEIVED: &str =
    "connect publish puback pubrec pubrel pubcomp subscribe unsubscribe pingreq disconnect auth";
const MANUAL_SENT: &str =
    "connack publish puback pubrec pubrel pubcomp suback unsuback pingresp disconnect auth";
const WIKI: [&str; 7] = [
    "time",
    "load/bytes/received",
    "load/bytes/sent",
    "messages/publish/received",
    "messages/publish/sent",
    "messages/publish/dropped",
    "messages/retained/count",
];

#[test]
fn the_first_update_has_exactly_these_topics() {
    let mut wanted: BTreeSet<String> =
        MOSQUITTO.iter().chain(&WIKI).map(|topic| (*topic).to_owned()).collect();
    for load in MOSQUITTO_LOADS {
        wanted.extend(["1min", "5min", "15min"].map(|span| format!("load/{load}/{span}")));
    }
    assert_eq!(wanted.len(), 56 + WIKI.len());
    wanted.extend(MANUAL_RECEIVED.split(' ').map(|packet| format!("mqtt/{packet}/received")));
    wanted.extend(MANUAL_SENT.split(' ').map(|packet| format!("mqtt/{packet}/sent")));
    let ours = ["mqtt/publish/dropped", "logins/failed", "logins/held_back", "store/durability"];
    wanted.extend(ours.map(str::to_owned));
    let wanted: BTreeSet<String> = wanted.iter().map(|topic| format!("$SYS/broker/{topic}")).collect();
    let first = SysTree::new("pondhawk version 0").update(&figures(0, |_| {}));
    let topics: BTreeSet<String> = first.iter().map(|(topic, _)| topic.clone()).collect();
    assert_eq!(topics.len(), first.len(), "a topic is there twice");
    assert_eq!(topics, wanted);
}

#[test]
fn a_store_is_told_of() {
    let mut figures = figures(1, |report| report.counters.kept = 5);
    let poisoned = pondhawk_store::StoreError::Poisoned { reason: "it burns".to_owned() };
    let states = [(State::Open, "ok"), (State::Full, "full"), (State::Poisoned(poisoned), "failed")];
    for (state, text) in states {
        let last_sync = Duration::from_micros(700);
        let store = pondhawk_store::Figures { state, syncs: 3, last_sync, waiting: 2, bytes: 4096 };
        figures.set_store("interval 50".to_owned(), store);
        let update = SysTree::new("pondhawk version 0").update(&figures);
        let wanted = [
            ("durability", "interval 50"),
            ("state", text),
            ("bytes", "4096"),
            ("messages/kept", "5"),
            ("records/waiting", "2"),
            ("syncs", "3"),
            ("last_sync_us", "700"),
        ];
        for (topic, wanted) in wanted {
            assert_eq!(value(&update, &format!("store/{topic}")), Some(wanted), "{topic}");
        }
    }
}

#[test]
fn only_changes_are_published() {
    let mut tree = SysTree::new("pondhawk version 0");
    let first = tree.update(&figures(1, |_| {}));
    assert_eq!(value(&first, "version"), Some("pondhawk version 0"));
    assert_eq!(value(&first, "load/sockets/1min"), Some("0.00"));
    let second = tree.update(&figures(2, |report| report.counters.sessions = 3));
    let topics: BTreeSet<&str> = second.iter().map(|(topic, _)| topic.as_str()).collect();
    // The wall clock may or may not have come to another second.
    let expected = ["clients/disconnected", "clients/inactive", "clients/maximum", "clients/total", "uptime"];
    for topic in expected {
        assert!(topics.contains(format!("$SYS/broker/{topic}").as_str()), "{topic}: {topics:?}");
    }
    assert!(topics.len() <= expected.len() + 1, "{topics:?}");
    assert_eq!(value(&second, "uptime"), Some("2 seconds"));
}

#[test]
fn figures_of_shards_add_up() {
    let mut all = figures(0, |report| {
        report.counters.packets_received[PacketType::Publish as usize] = 2;
        report.counters.retained = 1;
        report.turn_max_us = 5;
    });
    let mut other = Report { bytes_sent: 7, turn_max_us: 3, ..Report::default() };
    other.counters.packets_received[PacketType::Connect as usize] = 1;
    other.counters.queued = 4;
    all.add(&other);
    assert_eq!(all.report.turn_max_us, 5);
    let changed = SysTree::new("").update(&all);
    for (topic, payload) in [
        ("messages/received", "3"),
        ("publish/messages/received", "2"),
        ("messages/publish/received", "2"),
        ("mqtt/connect/received", "1"),
        ("messages/stored", "5"),
        ("bytes/sent", "7"),
    ] {
        assert_eq!(value(&changed, topic), Some(payload), "{topic}");
    }
}

#[test]
fn maximums_do_not_fall() {
    let mut tree = SysTree::new("");
    tree.update(&figures(1, |report| report.counters.sessions = 5));
    let changed = tree.update(&figures(2, |report| report.counters.sessions = 2));
    assert_eq!((value(&changed, "clients/total"), value(&changed, "clients/maximum")), (Some("2"), None));
}

#[test]
fn averages_follow_the_rate() {
    let mut tree = SysTree::new("");
    let at =
        |tree: &mut SysTree, uptime_s, sockets| tree.update(&figures(uptime_s, |it| it.sockets = sockets));
    at(&mut tree, 0, 0);
    // 10 in 10 seconds are 60 a minute; the average of a minute has come 1 - e^(-1/6) of the way.
    let changed = at(&mut tree, 10, 10);
    assert_eq!(value(&changed, "load/sockets/1min"), Some("9.21"));
    assert_eq!(value(&changed, "load/sockets/15min"), Some("0.66"));
    // Nothing more comes: it falls by e^(-1/6).
    let changed = at(&mut tree, 20, 10);
    assert_eq!(value(&changed, "load/sockets/1min"), Some("7.80"));
    // In the long run it is the rate.
    let mut last = Vec::new();
    for step in 0..200 {
        last.extend(at(&mut tree, 30 + step * 10, 20 + step * 10));
    }
    let end = last.iter().rev().find(|(topic, _)| topic.ends_with("sockets/1min"));
    assert_eq!(end.map(|(_, payload)| payload.as_str()), Some("60.00"));
}
