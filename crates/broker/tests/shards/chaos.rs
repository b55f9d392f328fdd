//! Publishers and subscribers whose links break at any moment, with mail, acknowledgements and the store's answers
//! still under way. What the standard promises must hold all the same: at QoS 2 every message exactly once, at
//! QoS 1 at least once, both in order; a shared group is one subscriber.

use crate::net::{Client, Net, Rng};
use crate::wire::{Got, Msg, ack, msg, subscribe, v5};
use pondhawk_broker::Settings;
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec, Pubrel};
use pondhawk_codec::{PacketType, Property, Version};
use std::collections::{BTreeMap, BTreeSet};

const PUBLISHERS: usize = 3;
const PLAIN: usize = 3;
const SHARED: usize = 3;
/// Below the broker's receive maximum.
const UNACKED_MAX: usize = 15;

/// A client's memory, which outlives its connections.
#[derive(Clone)]
pub struct Peer {
    pub id: String,
    pub connection: Option<Client>,
    greeted: bool,
    /// It was greeted once: from then on its session must be there.
    known: bool,
    /// For each of its connections that had a will, whether that must have come: `None` if it may.
    wills: Vec<Option<bool>>,
    /// Sent and not done, in the order of sending; true once PUBREC has come.
    unacked: Vec<(Msg, bool)>,
    next_id: u16,
    sent: [u32; 3],
    /// QoS 2 messages between PUBLISH and PUBREL.
    half: BTreeSet<u16>,
    /// What was handed to the application: payloads.
    taken: Vec<String>,
    /// The wills among that.
    taken_wills: Vec<String>,
}

impl Peer {
    fn new(id: String) -> Peer {
        Peer {
            id,
            connection: None,
            greeted: false,
            known: false,
            wills: Vec::new(),
            unacked: Vec::new(),
            next_id: 0,
            sent: [0; 3],
            half: BTreeSet::new(),
            taken: Vec::new(),
            taken_wills: Vec::new(),
        }
    }

    fn has_will(&self) -> bool {
        self.id.starts_with("publisher")
    }

    /// The connection is gone, and not by DISCONNECT.
    pub fn lose(&mut self) {
        if self.connection.take().is_some()
            && self.greeted
            && let Some(last) = self.wills.last_mut()
        {
            *last = Some(true);
        }
    }

    fn is_ready(&self) -> bool {
        self.connection.is_some() && self.greeted
    }

    fn publish(&mut self, net: &mut Net, qos: u8) {
        let Some(client) = self.connection.filter(|_| self.greeted && self.unacked.len() < UNACKED_MAX)
        else {
            return;
        };
        self.next_id = self.next_id % 1000 + 1;
        if self.unacked.iter().any(|(message, _)| message.id == self.next_id) {
            return;
        }
        let n = &mut self.sent[usize::from(qos)];
        *n += 1;
        let mut message =
            msg(&format!("t/{}", self.id), &format!("{} {qos} {n:05}", self.id)).acked(qos, self.next_id);
        // Only at QoS 2 is the last one published the last one stored.
        message.retain = qos == 2;
        net.write(client, &message.encode(Version::V5));
        self.unacked.push((message, false));
    }

    /// Everything that came from the broker, answered as a client must.
    pub fn listen(&mut self, net: &mut Net) {
        let Some(client) = self.connection else { return };
        for got in net.got(client) {
            match got {
                Got::Connack { code: 0, present, .. } => {
                    assert!(present || !self.known, "{} has lost its session", self.id);
                    self.greeted(net, client);
                }
                Got::Publish(message) => self.take(net, client, &message),
                Got::Ack(packet_type, id, code) => self.acked(net, client, (packet_type, id, code)),
                Got::Suback(..) => {}
                other => panic!("{}: {other:?}", self.id),
            }
        }
    }

    /// [MQTT-4.4.0-1]: a client resends too.
    fn greeted(&mut self, net: &mut Net, client: Client) {
        self.greeted = true;
        self.known = true;
        if let Some(last) = self.wills.last_mut() {
            *last = Some(false);
        }
        for (message, received) in &self.unacked {
            let bytes = match received {
                true => ack(Version::V5, Pubrel, message.id, 0),
                false => message.clone().again().encode(Version::V5),
            };
            net.write(client, &bytes);
        }
    }

    fn take(&mut self, net: &mut Net, client: Client, message: &Msg) {
        let answer = if message.qos == 1 { Puback } else { Pubrec };
        if message.qos == 1 || self.half.insert(message.id) {
            let will = message.topic.starts_with("w/");
            let taken = if will { &mut self.taken_wills } else { &mut self.taken };
            taken.push(message.text().to_owned());
        }
        net.write(client, &ack(Version::V5, answer, message.id, 0));
    }

    fn acked(&mut self, net: &mut Net, client: Client, (packet_type, id, code): (PacketType, u16, u8)) {
        match packet_type {
            Puback | Pubcomp => self.unacked.retain(|(message, _)| message.id != id),
            Pubrec => {
                assert_eq!(code, 0);
                let waiting = self.unacked.iter_mut().filter(|(message, _)| message.id == id);
                waiting.for_each(|(_, received)| *received = true);
                net.write(client, &ack(Version::V5, Pubrel, id, 0));
            }
            _ => {
                self.half.remove(&id);
                net.write(client, &ack(Version::V5, Pubcomp, id, 0));
            }
        }
    }

    fn connect(&mut self, net: &mut Net) {
        if self.connection.is_none() {
            let mut hello = v5(&self.id).kept(u32::MAX).silent();
            if self.has_will() {
                let will = msg(&format!("w/{}", self.id), &format!("{} will {}", self.id, self.wills.len()));
                hello = hello.will(will.acked(2, 0), &[]);
                self.wills.push(None);
            }
            // Most of what some are sent has waited in their queue.
            if self.id.ends_with('1') {
                hello =
                    hello.props(&[Property::SessionExpiryInterval(u32::MAX), Property::ReceiveMaximum(2)]);
            }
            self.connection = Some(net.greet_quietly(&hello));
            self.greeted = false;
        }
    }

    fn cut(&mut self, net: &mut Net) {
        if let Some(client) = self.connection {
            self.lose();
            net.cut_quietly(client);
        }
    }
}

pub struct Chaos {
    pub net: Net,
    pub rng: Rng,
    pub peers: Vec<Peer>,
}

impl Chaos {
    pub fn new(shards: u8, seed: u64, persistent: bool) -> Chaos {
        // With seeds of one kind almost all of a queue is on disk, with others some, with others nothing.
        let queue_memory_bytes = [1, 60, 1 << 20][seed as usize / 2 % 3];
        let mut settings =
            Settings { persistent, max_inflight_messages: 20, queue_memory_bytes, ..Settings::default() };
        settings.outbox.queued_messages = 0;
        let names = (0..PUBLISHERS).map(|n| format!("publisher{n}"));
        let names = names.chain((0..PLAIN + SHARED).map(|n| format!("subscriber{n}")));
        let mut chaos = Chaos {
            net: Net::new(shards, seed, settings),
            rng: Rng::new(!seed),
            peers: names.map(Peer::new).collect(),
        };
        for peer in &mut chaos.peers {
            peer.connect(&mut chaos.net);
        }
        for (n, peer) in chaos.peers[PUBLISHERS..].iter().enumerate() {
            let filters: &[_] = if n < PLAIN { &[("t/#", 2), ("w/+", 2)] } else { &[("$share/g/t/+", 2)] };
            let client = peer.connection.expect("just connected");
            chaos.net.write(client, &subscribe(Version::V5, 1, filters, 0));
        }
        chaos.settle();
        chaos
    }

    fn settle(&mut self) {
        loop {
            let more = self.net.step();
            for peer in &mut self.peers {
                peer.listen(&mut self.net);
            }
            if !more && !self.net.step() {
                return;
            }
        }
    }

    pub fn act(&mut self) {
        let who = self.rng.below(self.peers.len());
        let peer = &mut self.peers[who];
        match self.rng.below(20) {
            0 => peer.cut(&mut self.net),
            1 => {
                // Another connection takes the session over while the first is still there.
                if peer.is_ready() {
                    peer.lose();
                }
            }
            2 => self.net.store_stalls = !self.net.store_stalls,
            3 | 4 => peer.connect(&mut self.net),
            _ => {
                let qos = 1 + self.rng.below(2) as u8;
                self.peers[who % PUBLISHERS].publish(&mut self.net, qos);
            }
        }
        for _ in 0..self.rng.below(12) {
            self.net.step();
        }
        // Some do not listen for a while.
        for peer in &mut self.peers {
            if self.rng.below(3) > 0 {
                peer.listen(&mut self.net);
            }
        }
    }

    /// Everybody comes back, everything arrives, and is what was promised.
    pub fn finish(mut self, what: &str) {
        self.net.store_stalls = false;
        for _ in 0..2 {
            self.settle();
            for peer in &mut self.peers {
                peer.connect(&mut self.net);
            }
        }
        self.settle();
        let mut sent = BTreeMap::new();
        for peer in &self.peers {
            assert!(peer.unacked.is_empty() && peer.half.is_empty(), "{what}: {} has not done", peer.id);
            for qos in 1..=2 {
                let texts = (1..=peer.sent[qos]).map(|n| format!("{} {qos} {n:05}", peer.id));
                sent.extend(texts.map(|text| (text, qos)));
            }
        }
        let (plain, shared) = self.peers[PUBLISHERS..].split_at(PLAIN);
        for peer in plain {
            check(&sent, &peer.taken, &format!("{what}, {}", peer.id));
            check_order(&peer.taken, &format!("{what}, {}", peer.id));
            self.check_wills(&peer.taken_wills, &format!("{what}, {}", peer.id));
        }
        let together: Vec<String> = shared.iter().flat_map(|peer| peer.taken.clone()).collect();
        check(&sent, &together, &format!("{what}, group"));
        let counters = self.net.counters();
        assert_eq!((counters.queued, counters.queued_bytes, counters.waiting), (0, 0, 0), "{what}");
        self.check_retained(what);
        self.check_store(false, what);
        for peer in &self.peers {
            let last = self.net.join(&v5(&peer.id));
            self.net.leave(last);
        }
        self.net.assert_empty();
        self.check_store(true, what);
    }

    /// The store holds nothing of what is done, and at the `end` nothing but retained messages.
    fn check_store(&self, end: bool, what: &str) {
        let kept = self.net.kept(*self.net.cuts().end());
        assert!(kept.under_way.is_empty(), "{what}: {:?}", kept.under_way);
        for (client_id, session) in &kept.sessions {
            assert!(session.queue.is_empty() && session.inbox.is_empty(), "{what}: {client_id}: {session:?}");
        }
        assert!(!end || kept.sessions.is_empty() && kept.wills.is_empty(), "{what}: {kept:?}");
    }

    /// One will for each connection that broke, none for those that are there, at most one for those of which the
    /// client does not know whether they ever were.
    fn check_wills(&self, taken: &[String], what: &str) {
        for peer in &self.peers {
            for (n, fate) in peer.wills.iter().enumerate() {
                let text = format!("{} will {n}", peer.id);
                let count = taken.iter().filter(|taken| **taken == text).count();
                let right = fate.map_or(count <= 1, |due| count == usize::from(due));
                assert!(right, "{what}: {text} came {count} times, {fate:?}");
            }
        }
    }

    fn check_retained(&mut self, what: &str) {
        let client = self.net.join(&v5("last"));
        self.net.subscribe(client, &[("t/#", 0)]);
        let mut found = self.net.payloads(client);
        found.sort_unstable();
        let sent = self.peers.iter().filter(|peer| peer.sent[2] > 0);
        let sent: Vec<_> = sent.map(|peer| format!("{} 2 {:05}", peer.id, peer.sent[2])).collect();
        assert_eq!(found, sent, "{what}");
        self.net.leave(client);
    }
}

fn check(sent: &BTreeMap<String, usize>, taken: &[String], what: &str) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in taken {
        *counts.entry(text).or_default() += 1;
    }
    for (text, qos) in sent {
        let count = counts.remove(text.as_str()).unwrap_or(0);
        assert!(count == 1 || *qos == 1 && count > 1, "{what}: {text} came {count} times");
    }
    assert!(counts.is_empty(), "{what}: {counts:?}");
}

/// [MQTT-4.6.0-5] [MQTT3-4.6.0-1] [MQTT3-4.6.0-6]: the first copies come in the order of publishing.
fn check_order(taken: &[String], what: &str) {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for text in taken.iter().filter(|text| seen.insert(text.as_str())) {
        let (stream, n) = text.rsplit_once(' ').expect("three words");
        let before = last.insert(stream, n);
        assert!(before.is_none_or(|before| before < n), "{what}: {stream} {n} after {before:?}");
    }
}

fn run(shards: u8, seed: u64, steps: usize) {
    let persistent = seed & 1 == 0;
    let mut chaos = Chaos::new(shards, seed, persistent);
    for _ in 0..steps {
        chaos.act();
    }
    chaos.finish(&format!("{shards} shards, seed {seed}, {steps} steps"));
}

#[test]
fn promises_hold_whatever_breaks() {
    for shards in crate::SHARDS {
        for seed in 1..=12 {
            run(shards, seed, 400);
        }
    }
}

mod random {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        #[test]
        fn promises_hold_whatever_breaks(seed in any::<u64>(), steps in 1usize..600, shards in 1u8..9) {
            super::run(shards, seed, steps);
        }
    }
}
