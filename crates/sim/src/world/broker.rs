//! The driver: it gives the shards their turns and carries out what they want done, as the pumps of
//! `pondhawk-server` do, in the same order: records, letters, output, closes.

use super::World;
use super::host::{Rules, Shared, SimHost};
use super::store::Store;
use crate::client::packets;
use crate::plan::Plan;
use crate::shadow::Moment;
use crate::sometimes;
use pondhawk_broker::{
    Answer, ConnId, Counters, Effects, Fetch, Homes, Mail, Millis, Question, ReadState, Restart, Restored,
    Settings, Shard, ShardId, Subject, Ticket,
};
use pondhawk_codec::reason;
use pondhawk_store::StoreError;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// A shard and what its driver keeps of it.
pub struct Station {
    /// The shard.
    pub shard: Shard<SimHost>,
    /// What it wants done.
    pub(super) fx: Effects,
    /// The settings that it goes by.
    pub settings: Arc<Settings>,
    /// The rules that it goes by.
    pub rules: Rc<Rules>,
    /// The last ticket that the shard was told of.
    told: Ticket,
    /// Output that leaves now may have been made as early as this.
    since: (Millis, usize),
    /// Reloads that have not reached it.
    pub reloads: VecDeque<(Rc<Rules>, Arc<Settings>)>,
    /// The connection of each wire, newest last.
    by_conn: Vec<(ConnId, usize)>,
}

/// The records of a start are no shard's, and have tickets of their own.
pub(super) const START: (ShardId, Ticket) = (ShardId(u8::MAX), Ticket(1));

/// All shards, the mail between them and the store.
pub struct Broker {
    /// Where everything lives.
    pub homes: Homes,
    /// The shards.
    pub shards: Vec<Station>,
    /// What the hosts count.
    pub shared: Rc<RefCell<Shared>>,
    /// Questions that wait for the authenticator: shard and question.
    pub questions: VecDeque<(usize, Question)>,
    /// Queued messages that shards want to read.
    pub fetches: Vec<(usize, Fetch)>,
    /// The store does not sync.
    pub stalled: bool,
    /// Where records go.
    pub store: Store,
    pub(super) mail: Vec<VecDeque<Mail>>,
    pub(super) one_mailbox: bool,
}

impl Station {
    /// Nothing that was made before now is held back for the store.
    fn note_output(&mut self, now: Millis) {
        if self.told == self.fx.ticket {
            self.since = (now, self.rules.version);
        }
    }
}

impl Broker {
    /// A broker that has just been started.
    ///
    /// # Errors
    /// If an empty store cannot be opened.
    pub fn new(plan: &Plan, rules: &Rc<Rules>) -> Result<Broker, StoreError> {
        let shared = Shared::new(plan.seed);
        let homes = Homes { key: plan.seed, shards: plan.shards };
        let settings = Arc::new(plan.settings.clone());
        let mut shards = Broker::stations(homes, (rules, &settings), &shared);
        let mut store = Store::new()?;
        if settings.persistent {
            // A first start is one like any other, but that nothing was kept.
            let restart = Restart { now: 0, homes, settings: &settings, host: shards[0].shard.host() };
            store.append(0, START, &Restored::default().resolve(&restart));
        }
        Ok(Broker {
            homes,
            shards,
            shared,
            questions: VecDeque::new(),
            fetches: Vec::new(),
            stalled: false,
            store,
            mail: Broker::boxes_for(homes, plan.one_mailbox),
            one_mailbox: plan.one_mailbox,
        })
    }

    pub(super) fn stations(
        homes: Homes,
        (rules, settings): (&Rc<Rules>, &Arc<Settings>),
        shared: &Rc<RefCell<Shared>>,
    ) -> Vec<Station> {
        let host = || SimHost::new(rules.clone(), shared.clone());
        let station = |n| Station {
            shard: Shard::new(ShardId(n), homes, settings.clone(), host()),
            fx: Effects::new(),
            settings: settings.clone(),
            rules: rules.clone(),
            told: Ticket(0),
            since: (0, rules.version),
            reloads: VecDeque::new(),
            by_conn: Vec::new(),
        };
        (0..homes.shards).map(station).collect()
    }

    pub(super) fn boxes_for(homes: Homes, one_mailbox: bool) -> Vec<VecDeque<Mail>> {
        let count = usize::from(homes.shards);
        let boxes = if one_mailbox { count } else { count * count };
        (0..boxes).map(|_| VecDeque::new()).collect()
    }

    /// Letters under way.
    #[must_use]
    pub fn mail_len(&self) -> usize {
        self.mail.iter().map(VecDeque::len).sum()
    }

    /// True if the shard has something to do that is no input of a connection.
    #[must_use]
    pub fn has_turn(&self, shard: usize, now: Millis) -> bool {
        let station = &self.shards[shard];
        station.shard.has_work()
            || self.synced(shard) > station.told
            || station.shard.deadline().is_some_and(|deadline| deadline <= now)
            || self.boxes(shard).any(|index| !self.mail[index].is_empty())
    }

    /// True if there is something to be made durable, and the store does that.
    #[must_use]
    pub fn can_sync(&self) -> bool {
        !self.stalled && self.store.has_work()
    }

    /// The last ticket of a shard that is durable.
    fn synced(&self, shard: usize) -> Ticket {
        self.store.durable(ShardId(shard as u8))
    }

    /// The oldest edition of the rules that a shard goes by.
    #[must_use]
    pub fn oldest_rules(&self) -> usize {
        self.shards.iter().map(|station| station.rules.version).min().unwrap_or(0)
    }

    /// The counters of all shards together.
    pub fn counters(&mut self) -> Counters {
        let mut sum = Counters::default();
        for station in &mut self.shards {
            sum.add(&station.shard.counters());
        }
        sum
    }

    /// The mailboxes of a shard.
    fn boxes(&self, shard: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.shards.len();
        let (first, step, len) = if self.one_mailbox { (shard, 1, 1) } else { (shard, count, count) };
        (0..len).map(move |n| first + n * step)
    }

    fn post(&mut self, from: usize, to: usize, mail: Mail) {
        let index = if self.one_mailbox { to } else { from * self.shards.len() + to };
        self.mail[index].push_back(mail);
    }
}

/// The moment of now on a shard.
macro_rules! moment {
    ($world:expr, $shard:expr) => {
        Moment {
            now: $world.now,
            step: $world.step,
            rules: &$world.broker.shards[$shard].rules,
            settings: &$world.broker.shards[$shard].settings,
            since: $world.broker.shards[$shard].since,
            oldest: $world.broker.oldest_rules(),
            durable: $world.broker.store.durable,
        }
    };
}

impl World {
    /// The shard that a client's session lives on.
    #[must_use]
    pub fn home(&self, client: usize) -> usize {
        usize::from(self.broker.homes.of_client(&self.plan.clients[client].id).0)
    }

    /// A connection moves to the home of its client.
    pub(super) fn adopt(&mut self, wire: usize) {
        let shard = self.home(self.wires[wire].client);
        let listener = self.plan.clients[self.wires[wire].client].listener;
        let station = &mut self.broker.shards[shard];
        let conn = station.shard.open(self.now, listener, "peer".into()).conn;
        station.by_conn.retain(|(other, _)| other.index != conn.index);
        station.by_conn.push((conn, wire));
        self.wires[wire].conn = Some((shard, conn));
        self.shadow.links[wire].heard = self.now;
        self.shadow.links[wire].opened = self.now;
    }

    /// A shard's turn: mail, input, time, background work; then everything that it wants done.
    pub(super) fn turn(&mut self, shard: usize) {
        self.note(|_| format!("turn of shard {shard}"));
        self.trace.number(shard as u64);
        self.take_mail(shard);
        let ready: Vec<usize> =
            self.open.iter().copied().filter(|wire| self.is_ready_at(*wire, shard)).collect();
        for wire in &ready {
            if self.rng.chance(3, 4) {
                self.read(*wire);
            }
        }
        self.pass_time(shard);
        let station = &mut self.broker.shards[shard];
        if station.shard.has_work() {
            station.shard.work(self.now, &mut station.fx);
        }
        let synced = self.broker.synced(shard);
        let station = &mut self.broker.shards[shard];
        if synced > station.told {
            station.told = synced;
            station.shard.durable(self.now, synced, &mut station.fx);
            station.shard.stored(synced);
        }
        self.carry_out(shard);
        for wire in ready {
            let link = &self.shadow.links[wire];
            if link.ending && !self.wires[wire].closed && self.wires[wire].conn.is_some() {
                let text = format!("the connection of {} was to be closed", self.name(wire));
                self.shadow.fail("I11", text);
            }
        }
    }

    fn is_ready_at(&self, wire: usize, shard: usize) -> bool {
        let wire = &self.wires[wire];
        wire.is_ready() && wire.conn.map_or(shard == 0 && wire.at_end(), |(home, _)| home == shard)
    }

    fn take_mail(&mut self, shard: usize) {
        for index in self.broker.boxes(shard) {
            let count = self.rng.below(self.broker.mail[index].len() + 1);
            for _ in 0..count {
                if let Some(mail) = self.broker.mail[index].pop_front() {
                    self.note(|_| format!("  letter {mail:?}"));
                    self.look_at(&mail);
                    let station = &mut self.broker.shards[shard];
                    station.shard.mail(self.now, mail, &mut station.fx);
                }
            }
        }
    }

    /// Notes letters that come at a bad moment.
    fn look_at(&mut self, mail: &Mail) {
        let Mail::RetainedPage { messages, next, .. } = mail else { return };
        if next.is_some() {
            sometimes!(self.shadow.reached, "retained messages more than one page");
        }
        for message in messages {
            let last = self.shadow.retained.get(message.topic()).and_then(|writes| writes.last());
            if last.is_some_and(|last| self.shadow.messages[*last as usize].empty) {
                sometimes!(self.shadow.reached, "retained page while topic deleted");
            } else if last.is_some_and(|last| !message.view().payload.starts_with(&last.to_be_bytes())) {
                sometimes!(self.shadow.reached, "retained message replaced while replayed");
            }
        }
    }

    /// The shard is given what a connection has read, or its end.
    fn read(&mut self, index: usize) {
        let wire = &mut self.wires[index];
        let Some((shard, conn)) = wire.conn else {
            // It ended before its CONNECT was complete.
            wire.closed = true;
            return;
        };
        if !wire.read.is_empty() {
            let station = &mut self.broker.shards[shard];
            let consumed = station.shard.receive(self.now, conn, &wire.read, &mut station.fx);
            self.shadow.links[index].heard = self.now;
            self.trace.bytes(&wire.read[..consumed.used]);
            wire.read.drain(..consumed.used);
            wire.handled += consumed.used as u64;
            wire.waiting = consumed.state == ReadState::Waiting;
            // Where nobody reads any more, the next write fails, and what was read is not waited for.
            wire.given_up = consumed.state == ReadState::Blocked && !wire.open;
            wire.blocked = consumed.state == ReadState::Blocked && wire.backlog() > 0 && wire.open;
            wire.incomplete = matches!(consumed.state, ReadState::Need(_));
            if wire.blocked {
                sometimes!(self.shadow.reached, "reading stopped at a client that takes nothing");
            }
            let poisoned = consumed.state == ReadState::Closing;
            while let Some(sent) = self.wires[index].next_handled(poisoned) {
                self.note(|world| format!("  {} says {sent:?}", world.name(index)));
                self.shadow.taken(index, &sent, &moment!(self, shard));
            }
        }
        let wire = &mut self.wires[index];
        let over =
            wire.at_end() && (wire.read.is_empty() || wire.incomplete || wire.given_up) && !wire.waiting;
        if over && !self.broker.shards[shard].shard.is_waiting(conn) {
            if !self.wires[index].read.is_empty() {
                sometimes!(self.shadow.reached, "cut in the middle of a packet");
            }
            self.shadow.links[index].ending = true;
            self.close(index, shard, conn);
        }
    }

    fn pass_time(&mut self, shard: usize) {
        let station = &mut self.broker.shards[shard];
        if station.shard.deadline().is_none_or(|deadline| deadline > self.now) {
            return;
        }
        station.shard.tick(self.now, &mut station.fx);
        for index in self.open.clone() {
            let link = &self.shadow.links[index];
            let silent = link.keep_alive > 0
                && self.now >= link.heard + Millis::from(link.keep_alive) * 1500
                && self.wires[index].conn.is_some_and(|(home, _)| home == shard);
            if silent && link.live {
                sometimes!(self.shadow.reached, "keep alive ended a connection");
                self.shadow.links[index].ending = true;
                self.shadow.finish(index, &moment!(self, shard));
            }
        }
        for client in 0..self.clients.len() {
            if self.home(client) == shard {
                self.shadow.tick(client, &moment!(self, shard));
            }
        }
    }

    /// Carries out what a shard wants done, until there is nothing more.
    pub(super) fn carry_out(&mut self, shard: usize) {
        loop {
            self.append(shard);
            self.send_letters(shard);
            let station = &mut self.broker.shards[shard];
            for question in station.fx.questions.drain(..) {
                self.broker.questions.push_back((shard, question));
            }
            let station = &mut self.broker.shards[shard];
            self.broker.fetches.extend(station.fx.fetch.drain(..).map(|fetch| (shard, fetch)));
            let station = &mut self.broker.shards[shard];
            let dirty = std::mem::take(&mut station.fx.dirty);
            let close = std::mem::take(&mut station.fx.close);
            if dirty.is_empty()
                && close.is_empty()
                && station.fx.mail.is_empty()
                && station.fx.persist.is_empty()
            {
                break;
            }
            for conn in dirty {
                if let Some(wire) = self.wire_of(shard, conn) {
                    self.write(wire, shard, conn);
                }
            }
            for conn in close {
                match self.wire_of(shard, conn) {
                    Some(wire) => self.close(wire, shard, conn),
                    None => {
                        let station = &mut self.broker.shards[shard];
                        station.shard.closed(self.now, conn, None, &mut station.fx);
                    }
                }
            }
        }
        self.broker.shards[shard].note_output(self.now);
    }

    /// Records are the store's before letters and output leave.
    fn append(&mut self, shard: usize) {
        let station = &mut self.broker.shards[shard];
        if station.fx.persist.is_empty() {
            return;
        }
        let records = std::mem::take(&mut station.fx.persist);
        let turn = (ShardId(shard as u8), station.fx.ticket);
        self.broker.store.append(self.step, turn, &records);
        for record in &records {
            self.note(|_| format!("  record {record:?}"));
        }
    }

    fn send_letters(&mut self, shard: usize) {
        let letters: Vec<(ShardId, Mail)> = self.broker.shards[shard].fx.mail.drain(..).collect();
        // A retained message is stored before its live copies can lead anybody to ask for it.
        let homes = letters.iter().filter(|(_, mail)| matches!(mail, Mail::Publish { retain: true, .. }));
        let stores = homes.fold(0u64, |stores, (to, _)| stores | 1 << to.0);
        let (first, rest): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|(to, _)| stores & 1 << to.0 != 0);
        for (to, mail) in first.into_iter().chain(rest) {
            if usize::from(to.0) == shard {
                self.shadow.fail("I3", format!("shard {shard} writes to itself: {mail:?}"));
            }
            self.broker.post(shard, usize::from(to.0), mail);
        }
    }

    fn wire_of(&self, shard: usize, conn: ConnId) -> Option<usize> {
        let known = self.broker.shards[shard].by_conn.iter().rev().find(|(other, _)| *other == conn);
        known.map(|(_, wire)| *wire).filter(|wire| !self.wires[*wire].closed)
    }

    /// Takes a connection's output to its socket.
    fn write(&mut self, index: usize, shard: usize, conn: ConnId) {
        self.take_output(index, shard, conn);
        let wire = &mut self.wires[index];
        let before = wire.backlog();
        wire.taken = wire.emitted.min(wire.arrived + self.plan.socket_bytes as u64);
        let backlog = wire.backlog();
        if backlog > 0 {
            sometimes!(self.shadow.reached, "blocked socket held output back");
        }
        if backlog > 0 || before > 0 {
            self.broker.shards[shard].shard.written(conn, backlog);
        }
        if backlog == 0 {
            self.wires[index].blocked = false;
        }
    }

    /// Takes a connection's output and looks at every packet in it.
    fn take_output(&mut self, index: usize, shard: usize, conn: ConnId) {
        let station = &mut self.broker.shards[shard];
        let output = station.shard.take_output(conn);
        self.trace.bytes(&output);
        let wire = &mut self.wires[index];
        let begin = wire.emitted - wire.tail.len() as u64;
        wire.emitted += output.len() as u64;
        wire.tail.extend_from_slice(&output);
        station.shard.give_back(output);
        let version = self.plan.clients[wire.client].version;
        match packets::decode(&wire.tail, version) {
            Err(text) => self.shadow.fail("I1", text),
            Ok((used, found)) => {
                wire.tail.drain(..used);
                for (end, mut got) in found {
                    self.shadow.emitted(index, &mut got, &moment!(self, shard));
                    self.note(|world| format!("  {} is sent {got:?}", world.name(index)));
                    self.wires[index].coming.push_back((begin + end as u64, got));
                }
            }
        }
    }

    /// The broker ends a connection: its last output goes out, as far as the socket takes it.
    fn close(&mut self, index: usize, shard: usize, conn: ConnId) {
        self.take_output(index, shard, conn);
        let wire = &mut self.wires[index];
        wire.taken = wire.emitted.min(wire.arrived + self.plan.socket_bytes as u64);
        wire.closed = true;
        let link = &self.shadow.links[index];
        let late = link.session.is_none() && self.now >= link.opened + self.plan.settings.connect_timeout_ms;
        if !link.ending && !late && link.hello.is_some() {
            let text = format!("the connection of {} was closed without a reason", self.name(index));
            self.shadow.fail("I11", text);
        }
        self.note(|world| format!("  {} is closed", world.name(index)));
        self.shadow.finish(index, &moment!(self, shard));
        let station = &mut self.broker.shards[shard];
        station.shard.closed(self.now, conn, None, &mut station.fx);
    }

    /// A socket that was blocked has taken something.
    pub(super) fn unblocked(&mut self, index: usize) {
        let Some((shard, conn)) = self.wires[index].conn.filter(|_| !self.wires[index].closed) else {
            return;
        };
        let backlog = self.wires[index].backlog();
        let station = &mut self.broker.shards[shard];
        if backlog == 0 {
            station.shard.writable(self.now, conn, &mut station.fx);
            self.wires[index].blocked = false;
        } else {
            station.shard.written(conn, backlog);
        }
        self.carry_out(shard);
    }

    /// The store writes what it was given, and makes it durable if `sync`.
    pub(super) fn write_store(&mut self, sync: bool) {
        self.broker.store.write(sync);
        self.note(|world| format!("the store has written, durable is step {}", world.broker.store.durable));
    }

    /// The model follows what a crash has left.
    pub(super) fn restore_shadow(&mut self, last: u64) {
        self.shadow.crashed(last, &moment!(self, 0));
    }

    /// The authenticator answers one question.
    pub(super) fn answer_question(&mut self, at: usize) {
        let Some((shard, question)) = self.broker.questions.remove(at) else { return };
        let right = match &question.subject {
            Subject::Password { password, .. } => password.as_deref() == Some(b"right"),
            Subject::Exchange { .. } => false,
        };
        let answer = if right {
            Answer::Accept { username: None, data: None }
        } else {
            Answer::Refuse(reason::NOT_AUTHORIZED)
        };
        let Some(wire) = self.wire_of(shard, question.conn) else { return };
        self.note(|world| format!("{} is accepted: {right}", world.name(wire)));
        if self.wires[wire].finished {
            sometimes!(self.shadow.reached, "question answered after its client had gone");
        }
        let station = &mut self.broker.shards[shard];
        station.shard.answer(self.now, question.conn, &answer, &mut station.fx);
        self.wires[wire].waiting = false;
        self.wires[wire].incomplete = false;
        self.shadow.answered(wire, right, &moment!(self, shard));
        self.carry_out(shard);
    }

    /// New rules and settings reach one shard.
    pub(super) fn reload(&mut self, shard: usize) {
        if self.broker.mail_len() > 0 {
            sometimes!(self.shadow.reached, "mail delayed past a reload");
        }
        let station = &mut self.broker.shards[shard];
        let Some((rules, settings)) = station.reloads.pop_front() else { return };
        station.rules = rules.clone();
        station.settings = settings.clone();
        station.shard.host().rules = rules;
        station.shard.reload(self.now, settings);
        station.note_output(self.now);
        self.note(|_| format!("shard {shard} reloads"));
    }

    /// New rules and settings are on their way to every shard.
    pub fn start_reload(&mut self, rules: &Rc<Rules>, settings: &Arc<Settings>) {
        for station in &mut self.broker.shards {
            station.reloads.push_back((rules.clone(), settings.clone()));
        }
    }

    /// The settings that the last reload brings.
    #[must_use]
    pub fn latest_settings(&self) -> Arc<Settings> {
        let station = &self.broker.shards[0];
        station.reloads.back().map_or_else(|| station.settings.clone(), |(_, settings)| settings.clone())
    }

    /// The model is told that the broker routes a message of its own.
    pub fn route_system(&mut self, message: u32) {
        self.shadow.route(message, &moment!(self, 0));
    }

    /// The broker publishes a message of its own.
    pub fn publish_system(&mut self, topic: &str, payload: &[u8], retain: bool) {
        let station = &mut self.broker.shards[0];
        station.shard.publish_system(self.now, topic, payload, retain, &mut station.fx);
        self.carry_out(0);
    }

    /// The moment of now on a shard.
    #[must_use]
    pub fn moment(&self, shard: usize) -> Moment<'_> {
        moment!(self, shard)
    }

    /// A wire's client and number, for the trace.
    #[must_use]
    pub fn name(&self, wire: usize) -> String {
        format!("{}/{wire}", self.plan.clients[self.wires[wire].client].id)
    }
}
