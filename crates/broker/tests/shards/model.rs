//! Random operations, compared with a naive model: flat lists of sessions, subscriptions and messages.
//!
//! The model knows which messages each session must get, at which QoS. Every client acknowledges, and is away at
//! times. What the broker delivered is compared as a set for each session; the order within one publisher, topic
//! and QoS is checked besides.

use crate::SHARDS;
use crate::net::{Client, Net, Rng};
use crate::wire::{Got, hello, msg};
use pondhawk_broker::Settings;
use pondhawk_codec::{Version, topic};
use std::collections::BTreeMap;

const CLIENTS: usize = 6;
const TOPICS: [&str; 6] = ["a", "a/b", "a/b/c", "b", "$x/a", "/"];
const FILTERS: [&str; 9] = ["#", "a/#", "+/b", "a", "a/b", "+", "$x/+", "a/+/c", "b/#"];

struct Subscription {
    filter: &'static str,
    qos: u8,
    no_local: bool,
}

#[derive(Default)]
struct Session {
    subscriptions: Vec<Subscription>,
    /// What it must have been sent: payload and QoS.
    expected: Vec<(String, u8)>,
    got: Vec<(String, u8)>,
    connection: Option<Client>,
}

struct Run {
    net: Net,
    rng: Rng,
    sessions: Vec<Session>,
    retained: BTreeMap<&'static str, (String, u8)>,
    sent: u32,
}

impl Run {
    fn new(shards: u8, seed: u64) -> Run {
        let mut settings = Settings::default();
        settings.outbox.queued_messages = 0;
        Run {
            net: Net::new(shards, seed, settings),
            rng: Rng::new(seed ^ 0x5eed),
            sessions: (0..CLIENTS).map(|_| Session::default()).collect(),
            retained: BTreeMap::new(),
            sent: 0,
        }
    }

    fn step(&mut self) {
        let who = self.rng.below(CLIENTS);
        match (self.sessions[who].connection, self.rng.below(10)) {
            (None, 0) => self.start_clean(who),
            (None, _) => self.connect(who),
            (Some(client), 0) => match self.rng.below(4) {
                0 => self.connect(who),
                1 => self.start_clean(who),
                _ => self.break_off(who, client),
            },
            (Some(client), 1 | 2) => self.subscribe(who, client),
            (Some(client), 3) => self.unsubscribe(who, client),
            (Some(client), _) => self.publish(who, client),
        }
        self.collect();
    }

    fn connect(&mut self, who: usize) {
        // The protocol version changes from one connection to the next, and the session with it does not.
        let version = [Version::V31, Version::V311, Version::V5][self.rng.below(3)];
        let (client, present) =
            self.net.join_present(&hello(&format!("client {who}"), version).kept(u32::MAX));
        let session = &mut self.sessions[who];
        let known = !session.expected.is_empty() || !session.subscriptions.is_empty();
        // MQTT 3.1 has no flag to say so.
        assert!(present || !known || version == Version::V31, "the session was lost");
        session.connection = Some(client);
    }

    /// Another session in place of the old one, whose messages are lost.
    fn start_clean(&mut self, who: usize) {
        let hello = hello(&format!("client {who}"), Version::V5).fresh(u32::MAX);
        let (client, present) = self.net.join_present(&hello);
        assert!(!present);
        let session = &mut self.sessions[who];
        session.connection = Some(client);
        session.subscriptions.clear();
        session.expected = session.got.clone();
    }

    fn break_off(&mut self, who: usize, client: Client) {
        if self.rng.below(2) == 0 {
            self.net.cut(client);
        } else {
            self.net.leave(client);
        }
        self.drain(who, client);
        self.sessions[who].connection = None;
    }

    fn subscribe(&mut self, who: usize, client: Client) {
        let filter = FILTERS[self.rng.below(FILTERS.len())];
        let subscription = Subscription {
            filter,
            qos: self.rng.below(3) as u8,
            no_local: self.net.is_v5(client) && self.rng.below(3) == 0,
        };
        let options = subscription.qos | u8::from(subscription.no_local) << 2;
        assert_eq!(self.net.subscribe(client, &[(filter, options)]), [subscription.qos]);
        let session = &mut self.sessions[who];
        for (topic, (text, qos)) in &self.retained {
            let own = text.starts_with(&format!("{who}:"));
            if topic::matches(filter, topic) && !(subscription.no_local && own) {
                session.expected.push((text.clone(), subscription.qos.min(*qos)));
            }
        }
        session.subscriptions.retain(|old| old.filter != filter);
        session.subscriptions.push(subscription);
    }

    fn unsubscribe(&mut self, who: usize, client: Client) {
        let filter = FILTERS[self.rng.below(FILTERS.len())];
        self.net.unsubscribe(client, filter);
        self.sessions[who].subscriptions.retain(|old| old.filter != filter);
    }

    fn publish(&mut self, who: usize, client: Client) {
        self.sent += 1;
        let topic = TOPICS[self.rng.below(TOPICS.len())];
        let qos = self.rng.below(3) as u8;
        let retain = self.rng.below(4) == 0;
        let id = if qos == 0 { 0 } else { (self.sent % 60_000) as u16 + 1 };
        let mut text = format!("{who}:{topic}:{qos}:{:06}", self.sent);
        let delete = retain && self.rng.below(3) == 0;
        if delete {
            text.clear();
        }
        let mut message = msg(topic, &text).acked(qos, id);
        message.retain = retain;
        self.net.publish(client, &message);
        for (other, session) in self.sessions.iter_mut().enumerate() {
            for subscription in &session.subscriptions {
                let qos = qos.min(subscription.qos);
                let reaches = session.connection.is_some() || qos > 0;
                let own = subscription.no_local && other == who;
                if topic::matches(subscription.filter, topic) && reaches && !own {
                    session.expected.push((text.clone(), qos));
                }
            }
        }
        if delete {
            self.retained.remove(topic);
        } else if retain {
            self.retained.insert(topic, (text, qos));
        }
    }

    fn collect(&mut self) {
        for who in 0..CLIENTS {
            if let Some(client) = self.sessions[who].connection {
                self.drain(who, client);
            }
        }
    }

    fn drain(&mut self, who: usize, client: Client) {
        for got in self.net.got(client) {
            if let Got::Publish(message) = got {
                assert!(!message.dup, "everything is acknowledged at once");
                self.sessions[who].got.push((message.text().to_owned(), message.qos));
            }
        }
    }

    /// Everybody comes back, and has what the model says.
    fn finish(mut self, shards: u8, seed: u64) {
        for who in 0..CLIENTS {
            if self.sessions[who].connection.is_none() {
                self.connect(who);
            }
        }
        self.collect();
        let counters = self.net.counters();
        assert_eq!((counters.queued, counters.queued_bytes), (0, 0));
        assert_eq!(counters.retained, self.retained.len() as u64);
        let subscriptions: usize = self.sessions.iter().map(|session| session.subscriptions.len()).sum();
        assert_eq!(counters.subscriptions, subscriptions as u64);
        for (who, session) in self.sessions.iter_mut().enumerate() {
            session.expected.sort();
            session.got.sort();
            assert_eq!(session.got, session.expected, "client {who}, {shards} shards, seed {seed}");
            self.net.leave(session.connection.expect("all are connected"));
            let last = self.net.join(&hello(&format!("client {who}"), Version::V311));
            self.net.leave(last);
        }
        self.net.assert_empty();
    }
}

fn run(shards: u8, seed: u64, steps: usize) {
    let mut run = Run::new(shards, seed);
    for _ in 0..steps {
        run.step();
    }
    run.finish(shards, seed);
}

#[test]
fn agrees_with_the_model() {
    for shards in SHARDS {
        for seed in 1..=40 {
            run(shards, seed, 150);
        }
    }
}

mod random {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_the_model(seed in any::<u64>(), steps in 1usize..300, shards in 1u8..9) {
            super::run(shards, seed, steps);
        }
    }
}
