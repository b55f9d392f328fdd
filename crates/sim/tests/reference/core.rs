//! The real shards: mail between them in a random order, connections without a network, a clock that is set.

use pondhawk_broker::{
    ConnId, Effects, Gate, Homes, Host, Mail, Note, NoteKind, ReadState, Settings, Shard, ShardId, Slot,
    Source, Ticket,
};
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::Connect;
use pondhawk_codec::{Packet, Property, Version};
use pondhawk_sim::reference::{Millis, Sent};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A host that lets everybody do everything.
pub struct Free {
    entropy: u64,
    retained: (isize, isize),
}

impl Host for Free {
    type Identity = ();

    fn gate(&self, _: u16, _: &Connect<'_>) -> Gate {
        Gate::Accept
    }
    fn identify(&self, _: u16, _: Option<&str>, _: &str) {}
    fn may_publish(&self, (): &(), _: &str) -> bool {
        true
    }
    fn may_receive(&self, (): &(), _: &str) -> bool {
        true
    }
    fn may_subscribe(&self, (): &(), _: &str) -> bool {
        true
    }
    fn source_may_publish(&self, _: &Source, _: &str) -> bool {
        true
    }
    fn reserve(&mut self, _: Slot) -> bool {
        true
    }
    fn release(&mut self, _: Slot) {}
    fn retained_changed(&mut self, messages: isize, bytes: isize) {
        self.retained.0 += messages;
        self.retained.1 += bytes;
    }
    fn retained_total(&self) -> (usize, usize) {
        (self.retained.0.max(0) as usize, self.retained.1.max(0) as usize)
    }
    fn entropy(&mut self) -> u128 {
        u128::from(random(&mut self.entropy)) << 64 | u128::from(random(&mut self.entropy))
    }
    fn wants(&self, _: NoteKind) -> bool {
        false
    }
    fn note(&mut self, _: &Note<'_>) {}
}

/// xorshift64*.
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// A client's end of a connection.
struct Wire {
    shard: usize,
    conn: ConnId,
    /// The version in which the broker's packets are read.
    version: Version,
    input: Vec<u8>,
    /// Half a frame waits for the other half.
    waiting: bool,
    open: bool,
    aliases: HashMap<u16, String>,
    alias_max: u16,
    got: Vec<Sent>,
}

/// The shards with everything around them.
pub struct Core {
    shards: Vec<Shard<Free>>,
    fx: Vec<Effects>,
    durable: Vec<Ticket>,
    mail: Vec<Vec<VecDeque<Mail>>>,
    homes: Homes,
    wires: Vec<Wire>,
    now: Millis,
    seed: u64,
}

/// What may happen next.
#[derive(Clone, Copy)]
enum Event {
    Mail(usize, usize),
    Work(usize),
    Durable(usize),
    Input(usize),
}

impl Core {
    pub fn new(shards: u8, seed: u64, settings: Settings, now: Millis) -> Core {
        let settings = Arc::new(settings);
        let homes = Homes { key: seed, shards };
        let count = usize::from(shards);
        let host = |n: u8| Free { entropy: seed ^ u64::from(n) << 32 | 1, retained: (0, 0) };
        Core {
            shards: (0..shards).map(|n| Shard::new(ShardId(n), homes, settings.clone(), host(n))).collect(),
            fx: (0..count).map(|_| Effects::new()).collect(),
            durable: vec![Ticket(0); count],
            mail: (0..count).map(|_| (0..count).map(|_| VecDeque::new()).collect()).collect(),
            homes,
            wires: Vec::new(),
            now,
            seed: seed | 1,
        }
    }

    /// Opens a connection at the home of `client`.
    pub fn open(&mut self, client: &str, version: Version, alias_max: u16) {
        let shard = if client.is_empty() { 0 } else { usize::from(self.homes.of_client(client).0) };
        let conn = self.shards[shard].open(self.now, 0, "peer".into()).conn;
        self.wires.push(Wire {
            shard,
            conn,
            version,
            input: Vec::new(),
            waiting: false,
            open: true,
            aliases: HashMap::new(),
            alias_max,
            got: Vec::new(),
        });
    }

    pub fn is_open(&self, wire: usize) -> bool {
        self.wires[wire].open
    }

    pub fn take(&mut self, wire: usize) -> Vec<Sent> {
        std::mem::take(&mut self.wires[wire].got)
    }

    pub fn write(&mut self, wire: usize, bytes: &[u8]) {
        self.wires[wire].input.extend_from_slice(bytes);
        self.wires[wire].waiting = false;
    }

    /// The link breaks.
    pub fn cut(&mut self, wire: usize) {
        let wire = &mut self.wires[wire];
        wire.open = false;
        let (shard, conn) = (wire.shard, wire.conn);
        self.shards[shard].closed(self.now, conn, None, &mut self.fx[shard]);
        self.run();
    }

    /// It becomes `now`; stops at every deadline on the way.
    pub fn advance(&mut self, now: Millis) {
        loop {
            let next = self.shards.iter().filter_map(Shard::deadline).min();
            self.now = next.map_or(now, |at| at.clamp(self.now, now));
            for (shard, fx) in self.shards.iter_mut().zip(&mut self.fx) {
                shard.tick(self.now, fx);
            }
            self.run();
            if self.now == now {
                return;
            }
        }
    }

    /// Lets everything happen, in a random order.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Lets things happen until the wire has got a packet, and nothing more.
    pub fn run_until_heard(&mut self, wire: usize) {
        while self.wires[wire].got.is_empty() && self.step() {}
    }

    /// Messages that no client has finished with.
    pub fn queued(&mut self) -> usize {
        self.shards.iter_mut().map(|shard| shard.counters().queued as usize).sum()
    }

    fn step(&mut self) -> bool {
        for shard in 0..self.shards.len() {
            self.carry_out(shard);
        }
        let events = self.events();
        if events.is_empty() {
            return false;
        }
        let chosen = random(&mut self.seed) >> 33;
        self.happen(events[(chosen % events.len() as u64) as usize]);
        for shard in 0..self.shards.len() {
            self.carry_out(shard);
        }
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
            if self.fx[index].ticket > self.durable[index] {
                events.push(Event::Durable(index));
            }
        }
        let ready = |wire: &Wire| wire.open && !wire.waiting && !wire.input.is_empty();
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
            Event::Durable(shard) => {
                let ticket = self.fx[shard].ticket;
                self.durable[shard] = ticket;
                self.shards[shard].durable(now, ticket, &mut self.fx[shard]);
            }
            Event::Input(index) => {
                let wire = &mut self.wires[index];
                let shard = wire.shard;
                let consumed = self.shards[shard].receive(now, wire.conn, &wire.input, &mut self.fx[shard]);
                wire.input.drain(..consumed.used);
                wire.waiting = matches!(consumed.state, ReadState::Need(_)) && !wire.input.is_empty();
            }
        }
    }

    fn carry_out(&mut self, shard: usize) {
        let fx = &mut self.fx[shard];
        for (to, mail) in fx.mail.drain(..) {
            self.mail[shard][usize::from(to.0)].push_back(mail);
        }
        fx.persist.clear();
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
        if let Some(wire) = self.wire(shard, conn).filter(|wire| wire.open) {
            wire.read(&output);
        }
        self.shards[shard].give_back(output);
    }
}

impl Wire {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Ok(Step::Frame(frame)) = frame::next(bytes, usize::MAX) else {
                panic!("no whole frame in {bytes:x?}");
            };
            bytes = &bytes[frame.len..];
            let packet = Packet::decode(&frame, self.version).expect("the broker's packets are valid");
            let sent = Sent::of(&packet).unwrap_or_else(|| panic!("a broker does not send {packet:?}"));
            let sent = self.resolve(&packet, sent);
            self.got.push(sent);
        }
    }

    /// Puts the topic in the place of its alias.
    fn resolve(&mut self, packet: &Packet<'_>, sent: Sent) -> Sent {
        let (Packet::Publish(publish), Sent::Publish(mut outgoing)) = (packet, sent.clone()) else {
            return sent;
        };
        let alias = publish.properties.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        if let Some(alias) = alias {
            assert!(alias <= self.alias_max, "alias {alias} above the client's maximum [MQTT-3.1.2-26]");
            if outgoing.topic.is_empty() {
                outgoing.topic = self.aliases.get(&alias).expect("an alias that was set").clone();
            } else {
                self.aliases.insert(alias, outgoing.topic.clone());
            }
        }
        assert!(!outgoing.topic.is_empty(), "a message without a topic");
        Sent::Publish(outgoing)
    }
}
