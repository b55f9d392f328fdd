//! A watcher of `$SYS`: the broker's own counters, as a client sees them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::broker::Broker;
use super::client::Client;
use super::decode;
use super::packet::{Connect, PINGREQ, PINGRESP, V4};
use super::patience::SECOND;

/// The topic that changes at every publication.
const UPTIME: &str = "$SYS/broker/uptime";

/// A client subscribed to `$SYS/#` that remembers the last value of every topic.
pub struct Sys {
    client: Client,
    values: BTreeMap<String, String>,
    ticks: usize,
}

impl Sys {
    /// Connects and subscribes; the broker should have a `sys_interval` of 1.
    #[track_caller]
    pub fn watch(broker: &Broker) -> Self {
        Self::watch_as(broker, &Connect::new(V4, "sys-watch"))
    }

    /// As [`Sys::watch`] with an identity of the caller's (MQTT 3.1.1).
    #[track_caller]
    pub fn watch_as(broker: &Broker, connect: &Connect) -> Self {
        let (mut client, _) = Client::open(broker, connect);
        client.subscribe("$SYS/#", 0);
        Self { client, values: BTreeMap::new(), ticks: 0 }
    }

    /// Takes in what the broker publishes until `done` likes the values or the deadline passes.
    pub fn until(&mut self, deadline: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = Instant::now() + deadline;
        let mut next_ping = Instant::now() + 20 * SECOND;
        loop {
            if done(self) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            if Instant::now() >= next_ping {
                self.client.send(PINGREQ);
                next_ping += 20 * SECOND;
            }
            let left = end.saturating_duration_since(Instant::now());
            if let Some(frame) = self.client.frame_within(left) {
                self.take(&frame);
            }
        }
    }

    fn take(&mut self, frame: &[u8]) {
        if let Some(delivery) = decode::delivery(V4, frame) {
            // The uptime is published at every interval; a replayed one says nothing.
            self.ticks += usize::from(delivery.topic == UPTIME && !delivery.retain);
            let text = delivery.text();
            self.values.insert(delivery.topic, text);
        }
    }

    /// Waits for the next publication and takes in all of it: what happened before is counted then.
    #[track_caller]
    pub fn settle(&mut self) {
        let wanted = self.ticks + 1;
        assert!(self.until(15 * SECOND, |sys| sys.ticks >= wanted), "$SYS is not published");
        self.take_all();
    }

    /// Takes in what the broker has published up to now.
    #[track_caller]
    pub fn take_all(&mut self) {
        self.client.send(PINGREQ);
        loop {
            let frame = self.client.frame();
            if frame == PINGRESP {
                return;
            }
            self.take(&frame);
        }
    }

    /// The last value of a topic below `$SYS/broker/`.
    pub fn value(&self, topic: &str) -> Option<&str> {
        self.values.get(&format!("$SYS/broker/{topic}")).map(String::as_str)
    }

    /// The last value as a number; 0 for a topic that was never published.
    pub fn number(&self, topic: &str) -> i64 {
        self.value(topic).map_or(0, |text| text.parse().expect("a whole number"))
    }

    /// All topics seen.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}
