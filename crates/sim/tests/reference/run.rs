//! Runs a trace on both brokers, step by step, and compares what each client gets.

use crate::compare::difference;
use crate::core::Core;
use crate::ops::{Ack, CLIENTS, Hello, Item, Op, Payload, Trace, version_of};
use crate::packets;
use pondhawk_broker::Settings;
use pondhawk_codec::{PacketType, Version};
use pondhawk_sim::reference::{Broker, Millis, Options, Sent, Witness};

/// What a client knows.
#[derive(Default)]
struct Client {
    /// The number of its connection, in both brokers.
    connection: Option<usize>,
    hello: Option<Hello>,
    next_id: u16,
    /// QoS 2 messages that it published and has not released, and whether the broker has them.
    unreleased: Vec<(u16, Item, String)>,
    /// Messages that it received and has not finished with: packet id, the type of its next acknowledgement.
    received: Vec<(u16, PacketType)>,
    /// Topic aliases that it has set on this connection.
    aliases: Vec<u16>,
}

struct Run {
    core: Core,
    reference: Broker,
    now: Millis,
    clients: Vec<Client>,
    /// The client of each connection, if it has one.
    owners: Vec<Option<usize>>,
    sent: u32,
    /// Acknowledgements that clients owe because they acknowledge at once.
    owed: Vec<(usize, Vec<u8>)>,
}

/// What differed.
pub type Outcome = Result<(), String>;

/// Runs the trace; an error says at which operation the brokers differ, and in what.
pub fn run(trace: &Trace) -> Outcome {
    let mut run = Run::new(trace);
    for (number, op) in trace.ops.iter().enumerate() {
        run.step(op).map_err(|why| format!("operation {number}, {op:?}: {why}"))?;
    }
    run.finish().map_err(|why| format!("at the end, when all clients are back: {why}"))
}

impl Run {
    fn new(trace: &Trace) -> Run {
        let mut settings = Settings { persistent: trace.persistent, ..Settings::default() };
        settings.outbox.queued_messages = 0;
        let options = Options {
            receive_maximum: settings.max_inflight_messages,
            alias_maximum: settings.listeners[0].max_topic_alias,
            packet_maximum: settings.max_packet_size,
            connect_maximum: settings.max_connect_packet_size,
            connect_timeout: settings.connect_timeout_ms,
        };
        let now = 1_000;
        Run {
            core: Core::new(trace.shards, trace.seed, settings, now),
            reference: Broker::new(options, now),
            now,
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            owners: Vec::new(),
            sent: 0,
            owed: Vec::new(),
        }
    }

    fn step(&mut self, op: &Op) -> Outcome {
        // No two things happen at the same moment, so that no two deadlines meet, whose order would be a choice.
        self.advance(1)?;
        match op {
            Op::Connect { who, hello } => self.connect(*who, hello)?,
            Op::Advance { seconds } => self.advance(Millis::from(*seconds) * 1000)?,
            Op::OddFirst { which } => {
                let (bytes, version) = packets::odd_first(*which);
                let connection = self.open(None, version, 0);
                self.write(connection, bytes, false)?;
            }
            Op::Subscribe { who, .. }
            | Op::Unsubscribe { who, .. }
            | Op::Publish { who, .. }
            | Op::Flood { who }
            | Op::Release { who, .. }
            | Op::Repeat { who, .. }
            | Op::Ack { who, .. }
            | Op::Ping { who }
            | Op::Disconnect { who, .. }
            | Op::Cut { who }
            | Op::Odd { who, .. } => {
                if let Some(connection) = self.clients[*who].connection {
                    self.connected(*who, connection, op)?;
                }
            }
        }
        while let Some((connection, bytes)) = self.owed.pop() {
            self.advance(1)?;
            self.write(connection, &bytes, false)?;
        }
        Ok(())
    }

    /// An operation of a client that is connected.
    fn connected(&mut self, who: usize, connection: usize, op: &Op) -> Outcome {
        let version = self.version(who);
        let bytes = match op {
            Op::Subscribe { filters, id, hasty, .. } => {
                let bytes = packets::subscribe(self.clients[who].id(), filters, *id, version);
                // Before MQTT 5.0 retained messages come, whatever the options say.
                return self.write(connection, &bytes, *hasty && version == Version::V5);
            }
            Op::Unsubscribe { filters, .. } => packets::unsubscribe(self.clients[who].id(), filters, version),
            Op::Publish { messages, .. } => self.publish(who, messages),
            Op::Flood { .. } => {
                let item = Item {
                    topic: 0,
                    qos: 2,
                    retain: false,
                    payload: Payload::Short,
                    expiry_s: None,
                    alias: None,
                    properties: false,
                };
                for _ in 0..20 {
                    let bytes = self.publish_one(who, &item);
                    self.write(connection, &bytes, false)?;
                }
                self.publish_one(who, &item)
            }
            Op::Release { which, .. } => self.release(who, *which),
            Op::Repeat { which, .. } => self.repeat(who, *which),
            Op::Ack { which, how, .. } => self.acknowledge(who, *which, *how),
            Op::Ping { .. } => packets::ping(),
            Op::Disconnect { code, expiry_s, .. } => packets::disconnect(*code, *expiry_s, version),
            Op::Odd { which, .. } => packets::odd(*which).to_vec(),
            Op::Cut { .. } => {
                self.core.cut(connection);
                return self.compare(|reference| reference.closed(connection));
            }
            Op::Connect { .. } | Op::Advance { .. } | Op::OddFirst { .. } => unreachable!("{op:?}"),
        };
        self.write(connection, &bytes, false)
    }

    // ---- What clients say ---------------------------------------------------------------------------------

    fn connect(&mut self, who: usize, hello: &Hello) -> Outcome {
        let client = if hello.anonymous { String::new() } else { format!("client-{who}") };
        let hello = Hello { clean: hello.clean || hello.anonymous, ..hello.clone() };
        let connection = self.open(Some((who, &client)), hello.version, hello.alias_maximum);
        let payload = self.payload(who);
        let bytes = packets::connect(&client, &hello, &payload);
        let state = &mut self.clients[who];
        state.connection = Some(connection);
        state.received.clear();
        state.aliases.clear();
        // What it has not released in its own session it remembers while it is somebody else.
        if hello.clean && !hello.anonymous {
            state.unreleased.clear();
        }
        state.hello = Some(hello);
        self.write(connection, &bytes, false)
    }

    fn publish(&mut self, who: usize, messages: &[Item]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for item in messages {
            let known = |(alias, alone): (u16, bool)| {
                alias <= 10 && (!alone || self.clients[who].aliases.contains(&alias))
            };
            // In a longer write, packets that break a rule are left out: what of the others comes first would be a
            // choice.
            let full = item.qos == 2 && self.clients[who].unreleased.len() >= 20;
            let lawful = item.alias.is_none_or(known) && !full || self.version(who) != Version::V5;
            if lawful || messages.len() == 1 {
                bytes.extend(self.publish_one(who, item));
            }
            if let (true, Some((alias, _))) = (lawful, item.alias) {
                self.clients[who].aliases.push(alias);
            }
        }
        bytes
    }

    fn publish_one(&mut self, who: usize, item: &Item) -> Vec<u8> {
        let payload = self.payload(who);
        let version = self.version(who);
        let client = &mut self.clients[who];
        let id = if item.qos == 0 { 0 } else { client.id() };
        if item.qos == 2 {
            // A repetition names the topic: the alias may be another's by then.
            client.unreleased.push((id, Item { alias: None, ..item.clone() }, payload.clone()));
        }
        packets::publish(item, (id, false), &payload, version)
    }

    fn release(&mut self, who: usize, which: usize) -> Vec<u8> {
        let unreleased = &mut self.clients[who].unreleased;
        let id = if unreleased.is_empty() { 0x7ffe } else { unreleased.remove(which % unreleased.len()).0 };
        packets::ack(PacketType::Pubrel, id, 0, self.version(who))
    }

    fn repeat(&mut self, who: usize, which: usize) -> Vec<u8> {
        let unreleased = &self.clients[who].unreleased;
        if unreleased.is_empty() {
            return packets::ping();
        }
        let (id, item, payload) = &unreleased[which % unreleased.len()];
        packets::publish(item, (*id, true), payload, self.version(who))
    }

    fn acknowledge(&mut self, who: usize, which: usize, how: Ack) -> Vec<u8> {
        let version = self.version(who);
        let received = &mut self.clients[who].received;
        if received.is_empty() {
            return packets::ping();
        }
        let at = which % received.len();
        let (id, due) = received[at];
        let (packet_type, code) = match how {
            Ack::Right => (due, 0),
            Ack::Refuse if version == Version::V5 && due != PacketType::Pubcomp => (due, 0x80),
            Ack::Refuse => (due, 0),
            Ack::Wrong(n) => {
                ([PacketType::Puback, PacketType::Pubrec, PacketType::Pubcomp][usize::from(n)], 0)
            }
        };
        if packet_type == due {
            received.remove(at);
        }
        packets::ack(packet_type, id, code, version)
    }

    /// A payload that no other message has.
    fn payload(&mut self, who: usize) -> String {
        self.sent += 1;
        format!("{who}:{}", self.sent)
    }

    fn version(&self, who: usize) -> Version {
        self.clients[who].hello.as_ref().map_or(Version::V311, |hello| hello.version)
    }

    // ---- Both brokers -------------------------------------------------------------------------------------

    fn open(&mut self, owner: Option<(usize, &str)>, version: Version, alias_max: u16) -> usize {
        let client = owner.map_or("", |(_, client)| client);
        self.core.open(client, version, alias_max);
        self.owners.push(owner.map(|(who, _)| who));
        self.reference.open()
    }

    /// Bytes from a client. `hasty`: nothing but the answer is waited for before the next operation.
    fn write(&mut self, connection: usize, bytes: &[u8], hasty: bool) -> Outcome {
        if bytes.is_empty() || !self.reference.is_open(connection) {
            return Ok(());
        }
        self.core.write(connection, bytes);
        if hasty {
            self.core.run_until_heard(connection);
        } else {
            self.core.run();
        }
        self.compare(|reference| reference.receive(connection, bytes))
    }

    /// Time passes, up to each deadline in turn.
    fn advance(&mut self, by: Millis) -> Outcome {
        let target = self.now + by;
        while self.now < target {
            self.now = self.reference.deadline().map_or(target, |at| at.clamp(self.now + 1, target));
            let now = self.now;
            self.core.advance(now);
            self.compare(|reference| reference.advance(now))?;
        }
        Ok(())
    }

    /// The real broker has done something; the reference does the same, and what they sent is compared.
    fn compare(&mut self, act: impl FnOnce(&mut Broker)) -> Outcome {
        let real: Vec<Vec<Sent>> = (0..self.owners.len()).map(|at| self.core.take(at)).collect();
        let mut witness = Witness::default();
        for (connection, packets) in real.iter().enumerate() {
            packets.iter().for_each(|packet| witness.saw(connection, packet));
        }
        self.reference.follow(witness);
        act(&mut self.reference);
        for (connection, real) in real.iter().enumerate() {
            let reference = self.reference.take(connection);
            let why = difference(real, &reference).or_else(|| {
                let open = (self.core.is_open(connection), self.reference.is_open(connection));
                (open.0 != open.1).then(|| format!("open: {}, not {}", open.0, open.1))
            });
            if let Some(why) = why {
                let owner = self.owners[connection].map_or("nobody".into(), |who| format!("client {who}"));
                let (real, reference) = (listed(real), listed(&reference));
                return Err(format!(
                    "{owner}, connection {connection}: {why}\n  broker:{real}\n  reference:{reference}"
                ));
            }
            if let Some(who) = self.owners[connection] {
                self.hear(who, connection, real);
            }
        }
        Ok(())
    }

    /// What a client makes of the packets that it got.
    fn hear(&mut self, who: usize, connection: usize, packets: &[Sent]) {
        let open = self.core.is_open(connection);
        let version = self.version(who);
        let client = &mut self.clients[who];
        if client.connection != Some(connection) {
            return;
        }
        let acks = client.hello.as_ref().is_some_and(|hello| hello.acks);
        let mut bytes = Vec::new();
        for packet in packets {
            let due = match packet {
                Sent::Publish(message) if message.qos == 1 => (message.id, PacketType::Puback),
                Sent::Publish(message) if message.qos == 2 => (message.id, PacketType::Pubrec),
                Sent::Ack(PacketType::Pubrel, id, _) => (*id, PacketType::Pubcomp),
                Sent::Ack(PacketType::Pubrec, id, code) => {
                    if *code >= 0x80 {
                        client.unreleased.retain(|(held, ..)| held != id);
                    } else if acks {
                        bytes.extend(packets::ack(PacketType::Pubrel, *id, 0, version));
                    }
                    continue;
                }
                Sent::Ack(PacketType::Pubcomp, id, _) => {
                    client.unreleased.retain(|(held, ..)| held != id);
                    continue;
                }
                _ => continue,
            };
            if acks {
                bytes.extend(packets::ack(due.1, due.0, 0, version));
            } else {
                client.received.retain(|(id, _)| *id != due.0);
                client.received.push(due);
            }
        }
        if !open {
            client.connection = None;
        } else if !bytes.is_empty() {
            self.owed.push((connection, bytes));
        }
    }

    /// Everybody comes back and takes what waits; nothing is left then.
    fn finish(&mut self) -> Outcome {
        for who in 0..CLIENTS {
            let hello = Hello {
                version: version_of(who, Version::V5),
                clean: false,
                anonymous: false,
                expiry_s: u32::MAX,
                receive_maximum: 0,
                packet_maximum: 0,
                alias_maximum: 0,
                keep_alive_s: 0,
                will: None,
                acks: true,
            };
            self.step(&Op::Connect { who, hello })?;
        }
        let (held, (least, most)) = (self.core.queued(), self.reference.held());
        if (least..=most).contains(&held) {
            return Ok(());
        }
        Err(format!("the broker still holds {held} messages, the reference {least} to {most}"))
    }
}

/// Packets, a line each.
fn listed(packets: &[Sent]) -> String {
    packets.iter().map(|packet| format!("\n    {packet:?}")).collect()
}

impl Client {
    /// A packet id that it does not use.
    fn id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id % 0x7000 + 1;
            if !self.unreleased.iter().any(|(held, ..)| *held == self.next_id) {
                return self.next_id;
            }
        }
    }
}
