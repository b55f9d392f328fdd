//! `$SYS` as the tools show it: Mosquitto's names and the wiki's, and nothing for those who may not read it.

use std::collections::BTreeSet;

use crate::kit::{Broker, Conf, broker};
use crate::notes;
use crate::pairs::{Pair, for_every_pair};
use crate::runner::Output;
use crate::toolbox::Maker;

for_every_pair!(crate::pairs::Pair::new; everybody_publishes, nothing_without_the_right);

/// What both Mosquitto 2.0 and we publish before any client has done anything.
const FIRST: [&str; 10] = [
    "version",
    "uptime",
    "clients/total",
    "clients/connected",
    "clients/disconnected",
    "messages/received",
    "messages/sent",
    "bytes/received",
    "bytes/sent",
    "subscriptions/count",
];

/// The other names of Mosquitto, in families.
const MOSQUITTO: [(&str, &[&str]); 8] = [
    ("clients", &["maximum", "active", "inactive", "expired"]),
    ("messages", &["stored"]),
    ("publish/messages", &["dropped", "received", "sent"]),
    ("publish/bytes", &["received", "sent"]),
    ("store/messages", &["count", "bytes"]),
    ("packet/out", &["count", "bytes"]),
    ("heap", &["current", "maximum"]),
    ("", &["shared_subscriptions/count", "retained messages/count", "connections/socket/count"]),
];

/// The averages, each over three spans.
const LOADS: [&str; 9] = [
    "messages/received",
    "messages/sent",
    "publish/dropped",
    "publish/received",
    "publish/sent",
    "bytes/received",
    "bytes/sent",
    "sockets",
    "connections",
];

/// The names of the wiki that Mosquitto does not have.
const WIKI: [&str; 7] = [
    "load/bytes/received",
    "load/bytes/sent",
    "messages/publish/dropped",
    "messages/publish/received",
    "messages/publish/sent",
    "messages/retained/count",
    "time",
];

/// The names that a line of the seed counts: Debian's broker gives 53 to whoever asks first.
const NAMES_MIN: usize = 53;

fn topics(pair: &Pair, broker: &Broker, account: &str) -> BTreeSet<String> {
    let line = format!("mosquitto_sub -t $SYS/# -v -W 2{account}");
    let output = pair.run(broker, &line);
    assert_eq!((output.code, &*output.stderr), (Some(27), "Timed out\n"));
    // One name has a space in it; no value has more than three words.
    let names = output.stdout.lines().map(|line| {
        let name = line.strip_prefix("$SYS/broker/").expect("only $SYS was asked for");
        let retained = name.strip_prefix("retained messages/count ");
        retained.map_or_else(
            || name.split(' ').next().expect("a first word").to_owned(),
            |_| "retained messages/count".to_owned(),
        )
    });
    names.collect()
}

fn everybody_publishes(pair: &Pair) {
    let ours = pair.broker.maker() == Maker::Ours && broker::ours();
    // Debian's broker publishes its first figures one interval after its start.
    let broker = pair.start(Conf::open().line("sys_interval 1"));
    let seen = topics(pair, &broker, "");
    assert!(seen.len() >= NAMES_MIN || !ours, "{}: {seen:?}", seen.len());
    let mut wanted: Vec<String> = FIRST.map(str::to_owned).into();
    if ours {
        for (family, names) in MOSQUITTO {
            let join = |name: &&str| format!("{family}/{name}").trim_start_matches('/').to_owned();
            wanted.extend(names.iter().map(join));
        }
        for load in LOADS {
            wanted.extend(["1min", "5min", "15min"].map(|span| format!("load/{load}/{span}")));
        }
        wanted.extend(WIKI.map(str::to_owned));
    }
    let missing: Vec<&String> = wanted.iter().filter(|&name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}\nseen: {seen:?}");
}

/// The access rules name no `$SYS`: `user` is subscribed and hears nothing, `admin` hears it all.
fn nothing_without_the_right(pair: &Pair) {
    let admin = notes::ACCOUNTS.replacen("user:", "admin:", 1);
    let broker = pair.start(
        Conf::empty()
            .line("user root")
            .line("listener {port} 127.0.0.1")
            .line("sys_interval 1")
            .line("password_file {dir}/passwd")
            .file("passwd", format!("{}{admin}", notes::ACCOUNTS))
            .acl("user user\ntopic readwrite #\nuser admin\ntopic read $SYS/#\n"),
    );
    let line = "mosquitto_sub -t $SYS/# -v -W 2 -u user -P expert";
    pair.expect(&broker, line, Output::new(27, "", "Timed out\n"));
    let seen = topics(pair, &broker, " -u admin -P expert");
    assert!(seen.contains("version"), "{seen:?}");
}
