//! The virtual wire: shards, the mail between them, the clients' connections and a clock. Whatever may happen
//! next is chosen by a seed, so that a failure can be had again.

use crate::host::{SharedWorld, TestHost, World};
use crate::wire::{self, Got, Hello, Msg, ack, decode};
use pondhawk_broker::{
    Answer, ConnId, Counters, Effects, Fetch, Fetched, Homes, Keeping, Mail, Millis, Page, Persist, Question,
    ReadState, Restart, Restored, RestoredSession, Run, Seq, Settings, Shard, ShardId, Ticket,
};
use pondhawk_codec::{PacketType, Property, Version};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A pseudo-random sequence (xorshift64*), behind choices that were made by somebody else.
pub struct Rng {
    state: u64,
    chosen: VecDeque<u8>,
}

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, chosen: VecDeque::new() }
    }

    pub fn below(&mut self, n: usize) -> usize {
        if let Some(choice) = self.chosen.pop_front() {
            return usize::from(choice) % n;
        }
        let state = &mut self.state;
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        ((state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n as u64) as usize
    }
}

/// A client's end of a connection.
struct Wire {
    shard: usize,
    conn: ConnId,
    version: Version,
    acks: bool,
    /// What the client sent and the shard has not taken.
    input: Vec<u8>,
    waiting: bool,
    /// It waits until output of its own is written.
    held: bool,
    /// The socket takes nothing; what it was given stands here.
    blocked: bool,
    backlog: Vec<u8>,
    aliases: HashMap<u16, String>,
    got: Vec<Got>,
    open: bool,
}

/// The records of one turn.
struct Turn {
    shard: usize,
    ticket: Ticket,
    records: Vec<Persist>,
}

/// One thing that may happen next.
enum Event {
    Mail(usize, usize),
    Work(usize),
    Input(usize),
    Sync,
    Durable(usize),
    Fetch(usize),
}

/// A connection of a [`Net`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(usize);

pub struct Net {
    pub shards: Vec<Shard<TestHost>>,
    pub world: SharedWorld,
    pub now: Millis,
    pub homes: Homes,
    pub questions: VecDeque<(usize, Question)>,
    /// What shards want to read from the store.
    pub fetches: Vec<(usize, Fetch)>,
    /// The store cannot be read.
    pub unreadable: bool,
    /// Queued messages that it finds damaged.
    pub damaged: Vec<Seq>,
    pub persisted: Vec<Persist>,
    /// Nothing becomes durable until this is false.
    pub store_stalls: bool,
    /// The store: the turns of all shards in one order, of which so many are durable.
    log: Vec<Turn>,
    synced: usize,
    settings: Arc<Settings>,
    fx: Vec<Effects>,
    /// What each shard has been told.
    durable: Vec<Ticket>,
    mail: Vec<Vec<VecDeque<Mail>>>,
    wires: Vec<Wire>,
    rng: Rng,
}

/// A broker of `shards` shards with default settings.
pub fn net(shards: u8) -> Net {
    Net::new(shards, 1, Settings::default())
}

impl Net {
    pub fn new(shards: u8, seed: u64, settings: Settings) -> Net {
        let world = World::new(seed);
        let settings = Arc::new(settings);
        let homes = Homes { key: seed, shards };
        let count = usize::from(shards);
        let make = |n| Shard::new(ShardId(n), homes, settings.clone(), TestHost(world.clone()));
        Net {
            shards: (0..shards).map(make).collect(),
            now: 1_000,
            homes,
            questions: VecDeque::new(),
            fetches: Vec::new(),
            unreadable: false,
            damaged: Vec::new(),
            persisted: Vec::new(),
            store_stalls: false,
            log: vec![Turn { shard: 0, ticket: Ticket(0), records: vec![Persist::Homes { homes }] }],
            synced: 1,
            settings: settings.clone(),
            fx: (0..count).map(|_| Effects::new()).collect(),
            durable: vec![Ticket(0); count],
            mail: (0..count).map(|_| (0..count).map(|_| VecDeque::new()).collect()).collect(),
            wires: Vec::new(),
            rng: Rng::new(seed),
            world,
        }
    }

    // ---- Clients ------------------------------------------------------------------------------------------

    /// Opens a connection to the shard, without a word.
    pub fn open(&mut self, shard: usize, listener: u16, version: Version) -> Client {
        let conn = self.shards[shard].open(self.now, listener, "peer".into()).conn;
        self.wires.push(Wire {
            shard,
            conn,
            version,
            acks: true,
            input: Vec::new(),
            waiting: false,
            held: false,
            blocked: false,
            backlog: Vec::new(),
            aliases: HashMap::new(),
            got: Vec::new(),
            open: true,
        });
        Client(self.wires.len() - 1)
    }

    /// Sends CONNECT to the home of the client id, and lets everything happen.
    pub fn greet(&mut self, hello: &Hello) -> Client {
        let client = self.greet_quietly(hello);
        self.run();
        client
    }

    /// Sends CONNECT; nothing happens yet.
    pub fn greet_quietly(&mut self, hello: &Hello) -> Client {
        let home = match hello.id.as_str() {
            "" => 0,
            id => self.homes.of_client(id).0,
        };
        let client = self.open(usize::from(home), hello.listener, hello.version);
        self.wires[client.0].acks = hello.acks;
        self.wires[client.0].input = hello.encode();
        client
    }

    /// Connects, and checks that the broker takes the client. The CONNACK is taken off: `present`.
    pub fn join(&mut self, hello: &Hello) -> Client {
        self.join_present(hello).0
    }

    pub fn join_present(&mut self, hello: &Hello) -> (Client, bool) {
        let client = self.greet(hello);
        let got = &mut self.wires[client.0].got;
        match got.first() {
            Some(Got::Connack { present, code: 0, .. }) => {
                let present = *present;
                got.remove(0);
                (client, present)
            }
            other => panic!("no CONNACK for {}: {other:?}", hello.id),
        }
    }

    /// Bytes from the client; nothing happens yet.
    pub fn write(&mut self, client: Client, bytes: &[u8]) {
        let wire = &mut self.wires[client.0];
        wire.input.extend_from_slice(bytes);
        wire.waiting = false;
    }

    /// Bytes from the client, and everything that follows.
    pub fn send(&mut self, client: Client, bytes: &[u8]) {
        self.write(client, bytes);
        self.run();
    }

    pub fn publish(&mut self, client: Client, message: &Msg) {
        let bytes = message.encode(self.version(client));
        self.send(client, &bytes);
    }

    /// Subscribes; SUBACK is taken off: its codes.
    pub fn subscribe(&mut self, client: Client, filters: &[(&str, u8)]) -> Vec<u8> {
        self.subscribe_as(client, filters, 0)
    }

    pub fn subscribe_as(&mut self, client: Client, filters: &[(&str, u8)], id: u32) -> Vec<u8> {
        let bytes = wire::subscribe(self.version(client), 999, filters, id);
        self.send(client, &bytes);
        let got = &mut self.wires[client.0].got;
        let at = got.iter().position(|packet| matches!(packet, Got::Suback(999, _)));
        match got.remove(at.expect("SUBACK")) {
            Got::Suback(_, codes) => codes,
            other => panic!("{other:?}"),
        }
    }

    pub fn unsubscribe(&mut self, client: Client, filter: &str) -> Vec<u8> {
        let bytes = wire::unsubscribe(self.version(client), 998, &[filter]);
        self.send(client, &bytes);
        let got = &mut self.wires[client.0].got;
        let at = got.iter().position(|packet| matches!(packet, Got::Unsuback(998, _)));
        match got.remove(at.expect("UNSUBACK")) {
            Got::Unsuback(_, codes) => codes,
            other => panic!("{other:?}"),
        }
    }

    pub fn ack(&mut self, client: Client, packet_type: PacketType, id: u16) {
        let bytes = ack(self.version(client), packet_type, id, 0);
        self.send(client, &bytes);
    }

    /// DISCONNECT, and what follows.
    pub fn leave(&mut self, client: Client) {
        let bytes = wire::disconnect(self.version(client), 0, &[]);
        self.send(client, &bytes);
    }

    /// The link breaks, and what follows.
    pub fn cut(&mut self, client: Client) {
        self.cut_quietly(client);
        self.run();
    }

    /// The link breaks; what the client wrote and nobody read is lost.
    pub fn cut_quietly(&mut self, client: Client) {
        let wire = &mut self.wires[client.0];
        if std::mem::take(&mut wire.open) {
            let (shard, conn) = (wire.shard, wire.conn);
            self.shards[shard].closed(self.now, conn, None, &mut self.fx[shard]);
        }
    }

    /// From now on the client's socket takes nothing, or takes all again.
    pub fn block(&mut self, client: Client, blocked: bool) {
        let wire = &mut self.wires[client.0];
        wire.blocked = blocked;
        wire.waiting &= blocked;
        if !blocked && !wire.backlog.is_empty() {
            let bytes = std::mem::take(&mut wire.backlog);
            wire.take(&bytes);
            let (shard, conn) = (wire.shard, wire.conn);
            self.shards[shard].writable(self.now, conn, &mut self.fx[shard]);
        }
        self.run();
    }

    /// Bytes that the client's socket has not taken.
    pub fn backlog(&self, client: Client) -> usize {
        self.wires[client.0].backlog.len()
    }

    pub fn is_open(&self, client: Client) -> bool {
        self.wires[client.0].open
    }

    /// What the client got since the last call.
    pub fn got(&mut self, client: Client) -> Vec<Got> {
        std::mem::take(&mut self.wires[client.0].got)
    }

    /// The PUBLISH packets among that.
    pub fn messages(&mut self, client: Client) -> Vec<Msg> {
        let publish = |got| match got {
            Got::Publish(message) => Some(message),
            _ => None,
        };
        self.got(client).into_iter().filter_map(publish).collect()
    }

    /// Their payloads.
    pub fn payloads(&mut self, client: Client) -> Vec<String> {
        let messages = self.messages(client);
        messages.iter().map(|message| message.text().to_owned()).collect()
    }

    pub fn answer(&mut self, answer: &Answer) {
        let (shard, question) = self.questions.pop_front().expect("a question");
        self.shards[shard].answer(self.now, question.conn, answer, &mut self.fx[shard]);
        for wire in self.wires.iter_mut().filter(|wire| wire.shard == shard) {
            wire.waiting = false;
        }
        self.run();
    }

    /// Every turn after which a crash may leave the store, from the last that is durable to the last of all.
    pub fn cuts(&self) -> std::ops::RangeInclusive<usize> {
        self.synced..=self.log.len()
    }

    /// What `cut` turns come to.
    pub fn kept(&self, cut: usize) -> Restored {
        let mut kept = Restored::default();
        let records = self.log[..cut].iter().flat_map(|turn| turn.records.iter().cloned());
        records.for_each(|record| kept.apply(record));
        kept
    }

    /// What the store has of what is asked for. A page here is two messages, so that there are many.
    fn page(&self, fetch: &Fetch) -> Page {
        let kept = self.kept(self.synced);
        let queue = kept.sessions.get(&fetch.client_id).map(|session| &session.queue);
        let there = queue.into_iter().flat_map(|queue| queue.range(fetch.from..=fetch.through)).take(2);
        let mut messages: Vec<_> = there
            .filter_map(|(seq, (message, delivery))| Some((*seq, message.clone()?, delivery.clone())))
            .collect();
        let through = if messages.len() == 2 { messages[1].0 } else { fetch.through };
        let lost = messages.extract_if(.., |(seq, ..)| self.damaged.contains(seq));
        let lost = lost.map(|(seq, ..)| seq).collect();
        Page { messages, through, lost }
    }

    /// The store has records that no shard made.
    #[allow(dead_code, reason = "the fuzz target `shards` compiles this file too")]
    pub fn import(&mut self, records: Vec<Persist>) {
        self.log.push(Turn { shard: 0, ticket: Ticket(0), records });
    }

    /// The broker crashes, of whose turns the store has kept `cut`, and starts again with other shards. The clients'
    /// connections are gone.
    pub fn after_crash(&self, cut: usize, shards: u8, seed: u64) -> Net {
        assert!(self.cuts().contains(&cut), "what is durable stays");
        let mut net = Net::new(shards, seed, Settings::clone(&self.settings));
        net.world.borrow_mut().set_like(&self.world.borrow());
        net.now = self.now + 1;
        let mut restored = self.kept(cut);
        for session in restored.sessions.values_mut() {
            leave_on_disk(session, &self.settings);
        }
        let host = TestHost(net.world.clone());
        let restart = Restart { now: net.now, homes: net.homes, settings: &self.settings, host: &host };
        let records = restored.resolve(&restart);
        let kept = self.log[..cut].iter().flat_map(|turn| turn.records.iter().cloned());
        let records = kept.chain(records).collect();
        net.log = vec![Turn { shard: 0, ticket: Ticket(0), records }];
        for (shard, part) in restored.split().into_iter().enumerate() {
            net.shards[shard].restore(net.now, part, &mut net.fx[shard]);
        }
        net.run();
        assert!(net.shards.iter().all(Shard::is_restored));
        net
    }

    /// The last ticket of a shard that is durable.
    fn synced_of(&self, shard: usize) -> Ticket {
        let turns = self.log[..self.synced].iter().rev();
        turns.clone().find(|turn| turn.shard == shard).map_or(Ticket(0), |turn| turn.ticket)
    }

    pub fn is_v5(&self, client: Client) -> bool {
        self.version(client) == Version::V5
    }

    fn version(&self, client: Client) -> Version {
        self.wires[client.0].version
    }

    /// What happens next, and behind that, before the seed chooses again.
    #[allow(dead_code, reason = "the fuzz target `shards` chooses, and it compiles this file too")]
    pub fn choose(&mut self, choices: &[u8]) {
        self.rng.chosen.extend(choices);
    }

    // ---- Everything else ----------------------------------------------------------------------------------

    pub fn reload(&mut self, settings: Settings) {
        let settings = Arc::new(settings);
        for shard in &mut self.shards {
            shard.reload(self.now, settings.clone());
        }
    }

    pub fn keeping(&mut self, keeping: Keeping) {
        for (shard, fx) in self.shards.iter_mut().zip(&mut self.fx) {
            shard.set_keeping(keeping, fx);
        }
        for shard in 0..self.shards.len() {
            self.carry_out(shard);
        }
        self.run();
    }

    pub fn publish_system(&mut self, topic: &str, payload: &str) {
        self.shards[0].publish_system(self.now, topic, payload.as_bytes(), true, &mut self.fx[0]);
        self.run();
    }

    pub fn shutdown(&mut self) {
        for (shard, fx) in self.shards.iter_mut().zip(&mut self.fx) {
            shard.shutdown(self.now, fx);
        }
        self.run();
    }

    /// Lets time pass, stopping at every deadline.
    pub fn advance(&mut self, ms: Millis) {
        let target = self.now + ms;
        loop {
            let next = self.shards.iter().filter_map(Shard::deadline).min();
            self.now = next.map_or(target, |at| at.clamp(self.now, target));
            for (shard, fx) in self.shards.iter_mut().zip(&mut self.fx) {
                shard.tick(self.now, fx);
            }
            self.run();
            if self.now == target {
                return;
            }
        }
    }

    /// Counters of all shards together.
    pub fn counters(&mut self) -> Counters {
        let mut sum = Counters::default();
        for shard in &mut self.shards {
            sum.add(&shard.counters());
        }
        sum
    }

    /// Checks how many places are taken: connected clients, sessions.
    pub fn assert_places(&mut self, connected: usize, sessions: usize) {
        let counters = self.counters();
        assert_eq!((counters.connected, counters.sessions), (connected as u64, sessions as u64));
        let world = self.world.borrow();
        assert_eq!((world.connections.used, world.sessions.used), (connected, sessions));
    }

    /// Checks that nothing is left of anybody: sessions, subscriptions, messages, tree nodes, places, waiters.
    pub fn assert_empty(&mut self) {
        let counters = self.counters();
        let left = [
            counters.sessions,
            counters.connected,
            counters.subscriptions,
            counters.shared_subscriptions,
            counters.queued,
            counters.queued_bytes,
            counters.waiting,
        ];
        assert_eq!(left, [0; 7], "{counters:?}");
        assert_eq!(counters.trie_nodes, self.shards.len() as u64, "only roots are left");
        let world = self.world.borrow();
        assert_eq!((world.connections.used, world.sessions.used), (0, 0));
    }

    /// Lets things happen, in an order that the seed chooses, until nothing is left to happen.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Lets one thing happen; false if nothing is left.
    pub fn step(&mut self) -> bool {
        for shard in 0..self.shards.len() {
            self.carry_out(shard);
        }
        let mut events = self.events();
        if events.is_empty() {
            return false;
        }
        let chosen = self.rng.below(events.len());
        self.happen(events.swap_remove(chosen));
        true
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (from, row) in self.mail.iter().enumerate() {
            let full = row.iter().enumerate().filter(|(_, queue)| !queue.is_empty());
            events.extend(full.map(|(to, _)| Event::Mail(from, to)));
        }
        for (index, shard) in self.shards.iter().enumerate() {
            if shard.has_work() {
                events.push(Event::Work(index));
            }
            if !self.store_stalls && self.synced_of(index) > self.durable[index] {
                events.push(Event::Durable(index));
            }
        }
        if !self.store_stalls && self.synced < self.log.len() {
            events.push(Event::Sync);
        }
        let ready = |wire: &Wire| wire.open && !wire.waiting && !wire.input.is_empty();
        events.extend((0..self.fetches.len()).map(Event::Fetch));
        let inputs = self.wires.iter().enumerate().filter(|(_, wire)| ready(wire));
        events.extend(inputs.map(|(index, _)| Event::Input(index)));
        events
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Mail(from, to) => {
                let mail = self.mail[from][to].pop_front().expect("mail");
                self.shards[to].mail(now, mail, &mut self.fx[to]);
            }
            Event::Work(shard) => self.shards[shard].work(now, &mut self.fx[shard]),
            Event::Sync => self.synced += 1 + self.rng.below(self.log.len() - self.synced),
            Event::Durable(shard) => {
                let ticket = self.synced_of(shard);
                self.durable[shard] = ticket;
                self.shards[shard].durable(now, ticket, &mut self.fx[shard]);
                self.shards[shard].stored(ticket);
            }
            Event::Fetch(index) => {
                let (shard, fetch) = self.fetches.swap_remove(index);
                let page = (!self.unreadable).then(|| self.page(&fetch));
                let fetched = Fetched { session: fetch.session, page };
                self.shards[shard].fetched(now, fetched, &mut self.fx[shard]);
            }
            Event::Input(index) => {
                let wire = &mut self.wires[index];
                let (shard, conn) = (wire.shard, wire.conn);
                let fx = &mut self.fx[shard];
                let consumed = self.shards[shard].receive(now, conn, &wire.input, fx);
                wire.input.drain(..consumed.used);
                wire.held = consumed.state == ReadState::Blocked;
                // Half a frame waits for its other half, which `write` appends.
                wire.waiting = match consumed.state {
                    ReadState::Need(len) => {
                        assert!(wire.input.is_empty() || wire.input.len() < len, "no progress");
                        !wire.input.is_empty()
                    }
                    ReadState::Waiting => true,
                    ReadState::Blocked => true,
                    ReadState::Busy | ReadState::Closing => false,
                };
            }
        }
    }

    fn carry_out(&mut self, shard: usize) {
        let fx = &mut self.fx[shard];
        for (to, mail) in fx.mail.drain(..) {
            assert_ne!(usize::from(to.0), shard, "mail to oneself: {mail:?}");
            self.mail[shard][usize::from(to.0)].push_back(mail);
        }
        self.persisted.extend(fx.persist.iter().cloned());
        if !fx.persist.is_empty() {
            let records = std::mem::take(&mut fx.persist);
            self.log.push(Turn { shard, ticket: fx.ticket, records });
        }
        self.fetches.extend(fx.fetch.drain(..).map(|fetch| (shard, fetch)));
        self.questions.extend(fx.questions.drain(..).map(|question| (shard, question)));
        for conn in std::mem::take(&mut fx.dirty) {
            self.write_out(shard, conn);
        }
        for conn in std::mem::take(&mut self.fx[shard].close) {
            self.write_out(shard, conn);
            if let Some(wire) = self.wire(shard, conn) {
                wire.open = false;
            }
            self.shards[shard].closed(self.now, conn, None, &mut self.fx[shard]);
        }
    }

    fn wire(&mut self, shard: usize, conn: ConnId) -> Option<&mut Wire> {
        self.wires.iter_mut().rev().find(|wire| wire.shard == shard && wire.conn == conn)
    }

    fn write_out(&mut self, shard: usize, conn: ConnId) {
        let output = self.shards[shard].take_output(conn);
        let Some(wire) = self.wire(shard, conn) else {
            return;
        };
        if !wire.open {
            return;
        }
        if wire.blocked {
            wire.backlog.extend_from_slice(&output);
            let backlog = wire.backlog.len();
            self.shards[shard].written(conn, backlog);
        } else {
            wire.waiting &= !wire.held;
            wire.held = false;
            wire.take(&output);
        }
        self.shards[shard].give_back(output);
    }
}

/// What a store does that leaves the ends of long queues on disk.
fn leave_on_disk(session: &mut RestoredSession, settings: &Settings) {
    let limits = settings.in_memory();
    let (mut bytes, mut run) = (0, None);
    for (seq, (message, delivery)) in std::mem::take(&mut session.queue) {
        let size = message.as_ref().map_or(0, |message| message.size());
        if message.is_none() || run.is_none() && session.is_in_memory(seq, bytes, &limits) {
            assert!(run.is_none(), "what was sent is not behind what was not");
            bytes += size;
            session.queue.insert(seq, (message, delivery));
        } else {
            Run::extend(&mut run, seq, size);
        }
    }
    session.on_disk = run;
}

impl Wire {
    fn take(&mut self, bytes: &[u8]) {
        for got in decode(bytes, self.version) {
            if self.acks {
                self.acknowledge(&got);
            }
            let got = match got {
                Got::Publish(message) => Got::Publish(self.resolve(message)),
                other => other,
            };
            self.got.push(got);
        }
    }

    fn acknowledge(&mut self, got: &Got) {
        let (packet_type, id) = match got {
            Got::Publish(message) if message.qos == 1 => (PacketType::Puback, message.id),
            Got::Publish(message) if message.qos == 2 => (PacketType::Pubrec, message.id),
            Got::Ack(PacketType::Pubrec, id, code) if *code < 0x80 => (PacketType::Pubrel, *id),
            Got::Ack(PacketType::Pubrel, id, _) => (PacketType::Pubcomp, *id),
            _ => return,
        };
        self.input.extend_from_slice(&ack(self.version, packet_type, id, 0));
    }

    fn resolve(&mut self, mut message: Msg) -> Msg {
        let alias = message.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        if let Some(alias) = alias.first() {
            if message.topic.is_empty() {
                message.topic = self.aliases.get(alias).expect("an alias that was set").clone();
            } else {
                self.aliases.insert(*alias, message.topic.clone());
            }
        }
        message
    }
}
