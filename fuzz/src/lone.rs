//! One shard alone, driven to rest after every input, and the bytes that its connections get.

use crate::host::{SharedWorld, TestHost, World};
use pondhawk_broker::{Answer, ConnId, Effects, Homes, Millis, ReadState, Settings, Shard, ShardId, Ticket};
use std::sync::Arc;

/// The time on the clock at the beginning.
const START: Millis = 1_000;

/// A shard without others.
pub struct Lone {
    pub shard: Shard<TestHost>,
    pub world: SharedWorld,
    /// What every question is answered with.
    pub answer: Answer,
    now: Millis,
    fx: Effects,
    durable: Ticket,
    wires: Vec<Wire>,
}

/// A connection of it, by number.
pub struct Wire {
    conn: ConnId,
    /// What was sent and not taken.
    input: Vec<u8>,
    pub output: Vec<u8>,
    pub open: bool,
}

impl Lone {
    pub fn new(settings: Settings) -> Lone {
        let world = World::new(1);
        let homes = Homes { key: 1, shards: 1 };
        Lone {
            shard: Shard::new(ShardId(0), homes, Arc::new(settings), TestHost(world.clone())),
            world,
            answer: Answer::Accept { username: None, data: None },
            now: START,
            fx: Effects::new(),
            durable: Ticket(0),
            wires: Vec::new(),
        }
    }

    /// Opens a connection.
    pub fn open(&mut self, listener: u16) -> usize {
        let conn = self.shard.open(self.now, listener, "peer".into()).conn;
        self.wires.push(Wire { conn, input: Vec::new(), output: Vec::new(), open: true });
        self.wires.len() - 1
    }

    pub fn wire(&self, index: usize) -> &Wire {
        &self.wires[index]
    }

    /// Bytes arrive, and everything that follows happens.
    pub fn send(&mut self, index: usize, bytes: &[u8]) {
        self.wires[index].input.extend_from_slice(bytes);
        while self.wires[index].open {
            let wire = &mut self.wires[index];
            let consumed = self.shard.receive(self.now, wire.conn, &wire.input, &mut self.fx);
            wire.input.drain(..consumed.used);
            self.settle();
            match consumed.state {
                ReadState::Need(len) => {
                    let left = self.wires[index].input.len();
                    return assert!(left < len, "{left} bytes are left where {len} are enough");
                }
                ReadState::Busy | ReadState::Waiting | ReadState::Blocked => {}
                ReadState::Closing => self.wires[index].input.clear(),
            }
            if self.wires[index].input.is_empty() {
                return;
            }
        }
    }

    /// The link breaks.
    pub fn cut(&mut self, index: usize) {
        if std::mem::take(&mut self.wires[index].open) {
            self.shard.closed(self.now, self.wires[index].conn, None, &mut self.fx);
            self.settle();
        }
    }

    /// Lets time pass, stopping at every deadline.
    pub fn advance(&mut self, ms: Millis) {
        let target = self.now + ms;
        while let Some(next) = self.shard.deadline().filter(|next| *next <= target) {
            self.now = next.max(self.now);
            self.shard.tick(self.now, &mut self.fx);
            self.settle();
        }
        self.now = target;
    }

    /// Carries out what the shard wants, until it wants nothing.
    fn settle(&mut self) {
        loop {
            assert!(self.fx.mail.is_empty(), "mail to nobody: {:?}", self.fx.mail);
            self.fx.persist.clear();
            for question in std::mem::take(&mut self.fx.questions) {
                self.shard.answer(self.now, question.conn, &self.answer, &mut self.fx);
            }
            for conn in std::mem::take(&mut self.fx.dirty) {
                self.write(conn);
            }
            for conn in std::mem::take(&mut self.fx.close) {
                self.write(conn);
                self.shard.closed(self.now, conn, None, &mut self.fx);
                let wire = self.wires.iter_mut().find(|wire| wire.open && wire.conn == conn);
                wire.into_iter().for_each(|wire| wire.open = false);
            }
            if self.shard.has_work() {
                self.shard.work(self.now, &mut self.fx);
            } else if self.fx.ticket > self.durable {
                self.durable = self.fx.ticket;
                self.shard.durable(self.now, self.durable, &mut self.fx);
            } else if self.is_quiet() {
                return;
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let fx = &self.fx;
        fx.mail.is_empty() && fx.questions.is_empty() && fx.dirty.is_empty() && fx.close.is_empty()
    }

    fn write(&mut self, conn: ConnId) {
        let output = self.shard.take_output(conn);
        if let Some(wire) = self.wires.iter_mut().find(|wire| wire.open && wire.conn == conn) {
            wire.output.extend_from_slice(&output);
        }
        self.shard.give_back(output);
    }

    /// Everybody has left and time has passed: nothing is left of them. Panics where something is.
    pub fn assert_left_nothing(&mut self) {
        for index in 0..self.wires.len() {
            self.cut(index);
        }
        self.advance(u64::from(u32::MAX) * 1000);
        let counters = self.shard.counters();
        let left = [
            counters.sessions,
            counters.connected,
            counters.subscriptions,
            counters.shared_subscriptions,
            counters.queued,
            counters.queued_bytes,
            counters.inbox_bytes,
            counters.waiting,
        ];
        assert_eq!(left, [0; 8], "{counters:?}");
        assert_eq!(counters.trie_nodes, 1, "only the root is left");
        let world = self.world.borrow();
        assert_eq!((world.connections.used, world.sessions.used), (0, 0));
        assert_eq!(world.retained, (counters.retained as usize, counters.retained_bytes as usize));
    }
}
