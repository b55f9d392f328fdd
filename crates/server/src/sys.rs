//! The `$SYS` tree: the broker's figures as retained topics.
//!
//! Before: the control loop adds up the reports of all shards. After: it publishes what has changed. The
//! names are Mosquitto's; those that its manual has and its broker lacks (`mqtt/…`); those of the wiki of
//! mqtt.org where they differ; and our own.

use crate::pump::Report;
use pondhawk_auth::LoginCounts;
use pondhawk_broker::Counters;
use pondhawk_codec::PacketType;
use pondhawk_store::State;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PREFIX: &str = "$SYS/broker/";

/// The figures of the whole broker at one moment.
#[derive(Clone, Debug)]
pub struct Figures {
    uptime: Duration,
    resident_bytes: Option<u64>,
    report: Report,
    logins: LoginCounts,
    /// What acknowledgements promise, and how the store is that keeps it.
    store: Option<(String, pondhawk_store::Figures)>,
}

impl Figures {
    /// Figures of no shard yet: the time since the start, and the memory in use that is not a file's.
    #[must_use]
    pub fn new(uptime: Duration, resident_bytes: Option<u64>) -> Self {
        Figures {
            uptime,
            resident_bytes,
            report: Report::default(),
            logins: LoginCounts::default(),
            store: None,
        }
    }

    /// Sets the figures of the authenticator.
    pub fn set_logins(&mut self, logins: LoginCounts) {
        self.logins = logins;
    }

    /// Sets the figures of the store, and what acknowledgements promise.
    pub fn set_store(&mut self, durability: String, figures: pondhawk_store::Figures) {
        self.store = Some((durability, figures));
    }

    /// Adds the figures of a shard.
    pub fn add(&mut self, report: &Report) {
        let sum = &mut self.report;
        sum.counters.add(&report.counters);
        sum.bytes_received += report.bytes_received;
        sum.bytes_sent += report.bytes_sent;
        sum.sockets += report.sockets;
        sum.blocked += report.blocked;
        sum.blocked_bytes += report.blocked_bytes;
        sum.turn_max_us = sum.turn_max_us.max(report.turn_max_us);
    }

    /// Resident memory less the bytes of the messages that the broker holds.
    #[must_use]
    pub fn bytes_beyond_messages(&self) -> Option<u64> {
        let counters = self.counters();
        let messages = counters.queued_bytes + counters.retained_bytes + counters.inbox_bytes;
        Some(self.resident_bytes?.saturating_sub(messages))
    }

    /// Bytes read from sockets and written to them since the start.
    #[must_use]
    pub fn bytes_moved(&self) -> u64 {
        self.report.bytes_received + self.report.bytes_sent
    }

    fn counters(&self) -> &Counters {
        &self.report.counters
    }

    fn received(&self, packet: PacketType) -> u64 {
        self.counters().packets_received[packet as usize]
    }

    fn sent(&self, packet: PacketType) -> u64 {
        self.counters().packets_sent[packet as usize]
    }

    fn packets_received(&self) -> u64 {
        self.counters().packets_received.iter().sum()
    }

    fn packets_sent(&self) -> u64 {
        self.counters().packets_sent.iter().sum()
    }

    /// Messages that the broker holds, retained or waiting for a client.
    fn stored(&self) -> u64 {
        self.counters().retained + self.counters().queued
    }

    fn stored_bytes(&self) -> u64 {
        self.counters().retained_bytes + self.counters().queued_bytes
    }
}

/// A topic below [`PREFIX`] and where its number comes from.
type Row = (&'static str, fn(&Figures) -> u64);

/// Topics with a number that is published when it changes.
const NUMBERS: &[Row] = &[
    ("clients/total", |it| it.counters().sessions),
    ("clients/connected", |it| it.counters().connected),
    ("clients/active", |it| it.counters().connected),
    ("clients/disconnected", disconnected),
    ("clients/inactive", disconnected),
    ("clients/expired", |it| it.counters().clients_expired),
    ("messages/stored", Figures::stored),
    ("store/messages/count", Figures::stored),
    ("store/messages/bytes", Figures::stored_bytes),
    ("subscriptions/count", |it| it.counters().subscriptions),
    ("shared_subscriptions/count", |it| it.counters().shared_subscriptions),
    ("retained messages/count", |it| it.counters().retained),
    ("messages/received", Figures::packets_received),
    ("messages/sent", Figures::packets_sent),
    ("bytes/received", |it| it.report.bytes_received),
    ("bytes/sent", |it| it.report.bytes_sent),
    ("publish/bytes/received", |it| it.counters().publish_bytes_received),
    ("publish/bytes/sent", |it| it.counters().publish_bytes_sent),
    ("publish/messages/received", |it| it.received(PacketType::Publish)),
    ("publish/messages/sent", |it| it.sent(PacketType::Publish)),
    ("publish/messages/dropped", |it| it.counters().publish_dropped),
    ("packet/out/count", |it| it.report.blocked),
    ("packet/out/bytes", |it| it.report.blocked_bytes),
    ("connections/socket/count", |it| it.report.sockets),
    // In the manual of Mosquitto only.
    ("mqtt/connect/received", |it| it.received(PacketType::Connect)),
    ("mqtt/publish/received", |it| it.received(PacketType::Publish)),
    ("mqtt/puback/received", |it| it.received(PacketType::Puback)),
    ("mqtt/pubrec/received", |it| it.received(PacketType::Pubrec)),
    ("mqtt/pubrel/received", |it| it.received(PacketType::Pubrel)),
    ("mqtt/pubcomp/received", |it| it.received(PacketType::Pubcomp)),
    ("mqtt/subscribe/received", |it| it.received(PacketType::Subscribe)),
    ("mqtt/unsubscribe/received", |it| it.received(PacketType::Unsubscribe)),
    ("mqtt/pingreq/received", |it| it.received(PacketType::Pingreq)),
    ("mqtt/disconnect/received", |it| it.received(PacketType::Disconnect)),
    ("mqtt/auth/received", |it| it.received(PacketType::Auth)),
    ("mqtt/connack/sent", |it| it.sent(PacketType::Connack)),
    ("mqtt/publish/sent", |it| it.sent(PacketType::Publish)),
    ("mqtt/puback/sent", |it| it.sent(PacketType::Puback)),
    ("mqtt/pubrec/sent", |it| it.sent(PacketType::Pubrec)),
    ("mqtt/pubrel/sent", |it| it.sent(PacketType::Pubrel)),
    ("mqtt/pubcomp/sent", |it| it.sent(PacketType::Pubcomp)),
    ("mqtt/suback/sent", |it| it.sent(PacketType::Suback)),
    ("mqtt/unsuback/sent", |it| it.sent(PacketType::Unsuback)),
    ("mqtt/pingresp/sent", |it| it.sent(PacketType::Pingresp)),
    ("mqtt/disconnect/sent", |it| it.sent(PacketType::Disconnect)),
    ("mqtt/auth/sent", |it| it.sent(PacketType::Auth)),
    ("mqtt/publish/dropped", |it| it.counters().publish_dropped),
    // The wiki's names.
    ("load/bytes/received", |it| it.report.bytes_received),
    ("load/bytes/sent", |it| it.report.bytes_sent),
    ("messages/publish/received", |it| it.received(PacketType::Publish)),
    ("messages/publish/sent", |it| it.sent(PacketType::Publish)),
    ("messages/publish/dropped", |it| it.counters().publish_dropped),
    ("messages/retained/count", |it| it.counters().retained),
    // Ours.
    ("logins/failed", |it| it.logins.failed),
    ("logins/held_back", |it| it.logins.held_back),
];

fn disconnected(figures: &Figures) -> u64 {
    figures.counters().sessions.saturating_sub(figures.counters().connected)
}

/// Counters of which the rate a minute is published as averages.
const LOADS: &[Row] = &[
    ("load/messages/received/", Figures::packets_received),
    ("load/messages/sent/", Figures::packets_sent),
    ("load/publish/received/", |it| it.received(PacketType::Publish)),
    ("load/publish/sent/", |it| it.sent(PacketType::Publish)),
    ("load/publish/dropped/", |it| it.counters().publish_dropped),
    ("load/bytes/received/", |it| it.report.bytes_received),
    ("load/bytes/sent/", |it| it.report.bytes_sent),
    ("load/sockets/", |it| it.report.sockets),
    ("load/connections/", |it| it.received(PacketType::Connect)),
];

/// The averages' names and seconds.
const SPANS: [(&str, f64); 3] = [("1min", 60.0), ("5min", 300.0), ("15min", 900.0)];

/// What was published last, and what averages and maximums need to go on.
#[derive(Debug)]
pub struct SysTree {
    version: String,
    published: HashMap<String, String>,
    loads: Vec<Load>,
    uptime: Duration,
    clients_max: u64,
    heap_max: u64,
}

#[derive(Clone, Debug, Default)]
struct Load {
    count: u64,
    averages: [f64; SPANS.len()],
}

impl SysTree {
    /// A tree of which nothing is published. `version` is the payload of its topic `version`.
    #[must_use]
    pub fn new(version: &str) -> Self {
        SysTree {
            version: version.to_owned(),
            published: HashMap::new(),
            loads: vec![Load::default(); LOADS.len()],
            uptime: Duration::ZERO,
            clients_max: 0,
            heap_max: 0,
        }
    }

    /// The topics whose payload is not what it was, all of them at first.
    pub fn update(&mut self, figures: &Figures) -> Vec<(String, String)> {
        let mut now = vec![
            ("version".to_owned(), self.version.clone()),
            ("uptime".to_owned(), format!("{} seconds", figures.uptime.as_secs())),
            ("time".to_owned(), unix_seconds().to_string()),
        ];
        now.extend(NUMBERS.iter().map(|(topic, number)| ((*topic).to_owned(), number(figures).to_string())));
        store_topics(figures, &mut now);
        self.maximums(figures, &mut now);
        self.averages(figures, &mut now);
        now.retain(|(topic, payload)| self.published.get(topic) != Some(payload));
        self.published.extend(now.iter().cloned());
        now.into_iter().map(|(topic, payload)| (format!("{PREFIX}{topic}"), payload)).collect()
    }

    fn maximums(&mut self, figures: &Figures, out: &mut Vec<(String, String)>) {
        self.clients_max = self.clients_max.max(figures.counters().sessions);
        out.push(("clients/maximum".to_owned(), self.clients_max.to_string()));
        if let Some(heap) = figures.resident_bytes {
            self.heap_max = self.heap_max.max(heap);
            out.push(("heap/current".to_owned(), heap.to_string()));
            out.push(("heap/maximum".to_owned(), self.heap_max.to_string()));
        }
    }

    /// Each average forgets what is older than its span, exponentially; rates are a minute.
    fn averages(&mut self, figures: &Figures, out: &mut Vec<(String, String)>) {
        let elapsed = figures.uptime.saturating_sub(self.uptime).as_secs_f64();
        self.uptime = figures.uptime;
        for ((topic, count), load) in LOADS.iter().zip(&mut self.loads) {
            let count = count(figures);
            let grown = count.saturating_sub(load.count) as f64;
            load.count = count;
            for ((name, span), average) in SPANS.iter().zip(&mut load.averages) {
                if elapsed > 0.0 {
                    let rate = grown * 60.0 / elapsed;
                    *average = rate + (-elapsed / span).exp() * (*average - rate);
                }
                out.push((format!("{topic}{name}"), format!("{average:.2}")));
            }
        }
    }
}

/// What the store is good for. Without one, only that nothing is kept.
fn store_topics(figures: &Figures, out: &mut Vec<(String, String)>) {
    let mut say = |name: &str, value: String| out.push((format!("store/{name}"), value));
    let Some((durability, store)) = &figures.store else {
        return say("durability", "none".to_owned());
    };
    say("durability", durability.clone());
    let state = match store.state {
        State::Open => "ok",
        State::Full => "full",
        State::Poisoned(_) => "failed",
    };
    say("state", state.to_owned());
    say("bytes", store.bytes.to_string());
    say("messages/kept", figures.counters().kept.to_string());
    say("records/waiting", store.waiting.to_string());
    say("syncs", store.syncs.to_string());
    say("last_sync_us", store.last_sync.as_micros().to_string());
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
