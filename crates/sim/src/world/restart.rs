//! The broker dies and starts again, with other shards if the seed likes.

use super::World;
use super::broker::{Broker, START};
use crate::sometimes;
use pondhawk_broker::{Homes, Restart};
use std::collections::VecDeque;

/// Turns in which the shards must have told each other of what they were given back.
const TURNS_MAX: usize = 100_000;

impl World {
    /// `kill -9` of a broker that keeps records, and a new one.
    pub fn crash(&mut self) {
        self.note(|_| "the broker dies".into());
        self.look_at_crash();
        let settings = self.latest_settings();
        let left = match self.broker.store.crash(settings.in_memory(), &mut self.rng) {
            Ok(left) => left,
            Err(text) => return self.fail("I1", text),
        };
        self.cut_everybody();
        self.step += 1;
        self.now += self.rng.pick(&[1, 1, 2_000, 70_000]);
        let shards = self.rng.pick(&[1, 2, 3, 4, 8]);
        if shards != self.broker.homes.shards {
            sometimes!(self.shadow.reached, "restart with another number of shards");
        }
        if left.damage.torn {
            sometimes!(self.shadow.reached, "sector torn by a crash");
        }
        if left.damage.reordered {
            sometimes!(self.shadow.reached, "sectors reordered by a crash");
        }
        self.note(|_| format!("the store kept everything up to step {}, {:?}", left.step, left.damage));
        let homes = Homes { key: self.rng.bits(), shards };
        let rules = self.shadow.rules.last().cloned().unwrap_or_default();
        self.broker.start_again(homes, &rules, &settings);
        let mut restored = left.restored;
        if restored.sessions.values().any(|session| session.on_disk.is_some()) {
            sometimes!(self.shadow.reached, "restart with queued messages on disk");
        }
        let restart =
            Restart { now: self.now, homes, settings: &settings, host: self.broker.shards[0].shard.host() };
        let records = restored.resolve(&restart);
        self.broker.store.append(self.step, START, &records);
        self.broker.store.write(self.rng.chance(1, 2));
        self.restore_shadow(left.step);
        for (shard, part) in restored.split().into_iter().enumerate() {
            let station = &mut self.broker.shards[shard];
            station.shard.restore(self.now, part, &mut station.fx);
            self.carry_out(shard);
        }
        self.settle_interests();
    }

    fn look_at_crash(&mut self) {
        sometimes!(self.shadow.reached, "crash");
        if self.broker.mail_len() > 0 {
            sometimes!(self.shadow.reached, "crash with letters under way");
        }
        if self.broker.store.is_full() {
            sometimes!(self.shadow.reached, "crash with the disk full");
        }
        if self.broker.store.is_poisoned() {
            sometimes!(self.shadow.reached, "crash after a sync that failed");
        }
        let links = self.shadow.links.iter().filter(|link| link.live);
        if links.into_iter().any(|link| link.will.is_some()) {
            sometimes!(self.shadow.reached, "crash with a will");
        }
        let half = |session: &crate::shadow::session::Session| {
            !session.inbox.is_empty() || session.ids.values().any(|id| id.qos == 2)
        };
        if self.shadow.sessions.iter().any(|session| session.alive && half(session)) {
            sometimes!(self.shadow.reached, "crash with QoS 2 half done");
        }
    }

    /// Every connection is gone. What the sockets had taken may still arrive.
    fn cut_everybody(&mut self) {
        for index in self.open.clone() {
            let wire = &mut self.wires[index];
            let way = (wire.taken - wire.arrived) as usize;
            wire.emitted = wire.arrived + self.rng.below(way + 1) as u64;
            wire.taken = wire.emitted;
            wire.coming.retain(|(end, _)| *end <= wire.emitted);
            wire.up.clear();
            wire.sent.clear();
            wire.read.clear();
            wire.closed = true;
        }
    }

    /// No client is let in before every shard knows what the others need.
    fn settle_interests(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.broker.shards.iter().all(|station| station.shard.is_restored()) {
                return;
            }
            let shard = self.rng.below(self.broker.shards.len());
            self.turn(shard);
        }
        self.fail("I11", "the shards do not get ready after a restart");
    }
}

impl Broker {
    fn start_again(
        &mut self,
        homes: Homes,
        rules: &std::rc::Rc<super::host::Rules>,
        settings: &std::sync::Arc<pondhawk_broker::Settings>,
    ) {
        self.homes = homes;
        self.shared = super::host::Shared::new(homes.key);
        self.questions = VecDeque::new();
        self.fetches = Vec::new();
        self.shards = Broker::stations(homes, (rules, settings), &self.shared);
        self.mail = Broker::boxes_for(homes, self.one_mailbox);
    }
}
