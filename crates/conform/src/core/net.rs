//! The virtual wire between the links and the shards.

use super::host::OpenHouse;
use crate::packet::frame_len;
use crate::transport::Heard;
use pondhawk_broker::{ConnId, Effects, Homes, Mail, Millis, ReadState, Settings, Shard, ShardId, Ticket};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// A client's end of a connection.
struct Wire {
    /// Where its client identifier is at home, once CONNECT has come.
    place: Option<(usize, ConnId)>,
    /// What the client sent and no shard has taken.
    input: Vec<u8>,
    /// A shard has looked at the input and needs more of it.
    starved: bool,
    output: Vec<u8>,
    open: bool,
}

pub(super) struct Net {
    shards: Vec<Shard<OpenHouse>>,
    effects: Vec<Effects>,
    /// Up to where each shard's records are durable.
    durable: Vec<Ticket>,
    mail: VecDeque<(usize, Mail)>,
    wires: Vec<Wire>,
    /// Which wires are open, so that a turn costs nothing for those that are not.
    open: BTreeSet<usize>,
    by_conn: HashMap<(usize, ConnId), usize>,
    homes: Homes,
    now: Millis,
}

impl Net {
    pub(super) fn new(shards: u8, persistent: bool) -> Self {
        let settings = Arc::new(Settings { persistent, ..Settings::default() });
        let homes = Homes { key: 7, shards };
        let make = |n| Shard::new(ShardId(n), homes, settings.clone(), OpenHouse(u64::from(n)));
        Net {
            shards: (0..shards).map(make).collect(),
            effects: (0..shards).map(|_| Effects::new()).collect(),
            durable: (0..shards).map(|_| Ticket(0)).collect(),
            mail: VecDeque::new(),
            wires: Vec::new(),
            open: BTreeSet::new(),
            by_conn: HashMap::new(),
            homes,
            now: 1_000,
        }
    }

    pub(super) fn open(&mut self) -> usize {
        self.wires.push(Wire {
            place: None,
            input: Vec::new(),
            starved: false,
            output: Vec::new(),
            open: true,
        });
        let wire = self.wires.len() - 1;
        self.open.insert(wire);
        wire
    }

    pub(super) fn send(&mut self, wire: usize, bytes: &[u8]) {
        let end = &mut self.wires[wire];
        end.input.extend_from_slice(bytes);
        end.starved = false;
        if end.place.is_none() {
            self.find_home(wire);
        }
        self.come_to_rest();
    }

    pub(super) fn receive(&mut self, wire: usize, into: &mut Vec<u8>) -> Heard {
        let end = &mut self.wires[wire];
        match (end.output.is_empty(), end.open) {
            (false, _) => {
                into.append(&mut end.output);
                Heard::Bytes
            }
            (true, true) => Heard::Silence,
            (true, false) => Heard::Closed,
        }
    }

    pub(super) fn cut(&mut self, wire: usize) {
        let end = &mut self.wires[wire];
        self.open.remove(&wire);
        if std::mem::take(&mut end.open)
            && let Some((shard, conn)) = end.place
        {
            self.shards[shard].closed(self.now, conn, None, &mut self.effects[shard]);
        }
        self.come_to_rest();
    }

    /// Lets time pass, stopping at every deadline.
    pub(super) fn pass(&mut self, time: Millis) {
        let target = self.now + time;
        loop {
            let next = self.shards.iter().filter_map(Shard::deadline).min();
            self.now = next.map_or(target, |at| at.clamp(self.now, target));
            for (shard, effects) in self.shards.iter_mut().zip(&mut self.effects) {
                shard.tick(self.now, effects);
            }
            self.come_to_rest();
            if self.now == target {
                return;
            }
        }
    }

    /// A connection is given to a shard once the client identifier in its CONNECT is known, or if it has none.
    fn find_home(&mut self, wire: usize) {
        let input = &self.wires[wire].input;
        let complete = match frame_len(input) {
            // A frame that claims to be larger than any CONNECT may be is not waited for.
            Ok(Some(len)) => len <= input.len() || len > 100_000 || input[0] != 0x10,
            Ok(None) => input.first().is_some_and(|first| *first != 0x10),
            Err(_) => true,
        };
        if !complete {
            return;
        }
        let home = client_id(input).map_or(0, |id| usize::from(self.homes.of_client(id).0));
        let conn = self.shards[home].open(self.now, 0, "peer".into()).conn;
        self.wires[wire].place = Some((home, conn));
        self.by_conn.insert((home, conn), wire);
    }

    /// Lets everything happen that can happen without time.
    fn come_to_rest(&mut self) {
        loop {
            for shard in 0..self.shards.len() {
                self.carry_out(shard);
            }
            // The store is the slowest: whatever else can happen happens before a record is durable.
            if !(self.deliver_mail() || self.read_inputs() || self.work() || self.sync()) {
                return;
            }
        }
    }

    fn deliver_mail(&mut self) -> bool {
        let Some((to, mail)) = self.mail.pop_front() else { return false };
        self.shards[to].mail(self.now, mail, &mut self.effects[to]);
        true
    }

    fn read_inputs(&mut self) -> bool {
        let mut progress = false;
        for &index in &self.open {
            let wire = &mut self.wires[index];
            if wire.starved || wire.input.is_empty() {
                continue;
            }
            let Some((shard, conn)) = wire.place else { continue };
            let consumed = self.shards[shard].receive(self.now, conn, &wire.input, &mut self.effects[shard]);
            wire.input.drain(..consumed.used);
            wire.starved = matches!(consumed.state, ReadState::Need(_) | ReadState::Waiting);
            progress = true;
        }
        progress
    }

    fn work(&mut self) -> bool {
        let mut progress = false;
        for (shard, effects) in self.shards.iter_mut().zip(&mut self.effects) {
            if shard.has_work() {
                shard.work(self.now, effects);
                progress = true;
            }
        }
        progress
    }

    /// The next shard with records hears that they are durable.
    fn sync(&mut self) -> bool {
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let ticket = self.effects[index].ticket;
            if ticket > self.durable[index] {
                self.durable[index] = ticket;
                self.effects[index].persist.clear();
                shard.durable(self.now, ticket, &mut self.effects[index]);
                return true;
            }
        }
        false
    }

    fn carry_out(&mut self, shard: usize) {
        let effects = &mut self.effects[shard];
        self.mail.extend(effects.mail.drain(..).map(|(to, mail)| (usize::from(to.0), mail)));
        for conn in std::mem::take(&mut effects.dirty) {
            self.write_out(shard, conn);
        }
        for conn in std::mem::take(&mut self.effects[shard].close) {
            self.write_out(shard, conn);
            if let Some(wire) = self.by_conn.remove(&(shard, conn)) {
                self.wires[wire].open = false;
                self.open.remove(&wire);
            }
            self.shards[shard].closed(self.now, conn, None, &mut self.effects[shard]);
        }
    }

    fn write_out(&mut self, shard: usize, conn: ConnId) {
        let output = self.shards[shard].take_output(conn);
        if let Some(&wire) = self.by_conn.get(&(shard, conn)) {
            self.wires[wire].output.extend_from_slice(&output);
        }
        self.shards[shard].give_back(output);
    }
}

/// The client identifier of a CONNECT, if the bytes are one and it is text.
fn client_id(frame: &[u8]) -> Option<&str> {
    if frame.first() != Some(&0x10) {
        return None;
    }
    let header = 2 + frame[1..].iter().take_while(|byte| **byte & 0x80 != 0).count();
    let sized = |at: usize| {
        let len = usize::from(*frame.get(at)?) << 8 | usize::from(*frame.get(at + 1)?);
        frame.get(at + 2..at + 2 + len)
    };
    let after_name = header + 2 + sized(header)?.len();
    let mut at = after_name + 4;
    if *frame.get(after_name)? == 5 {
        let len = frame.get(at..)?.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
        let block = (0..len).rev().fold(0, |sum, index| sum << 7 | usize::from(frame[at + index] & 0x7F));
        at += len + block;
    }
    std::str::from_utf8(sized(at)?).ok()
}
