//! Random records that a broker could make, and a store that is compared with their naive replay.

use pondhawk_broker::{Homes, Kept, Persist, Place, Release, Restored, ShardId, Ticket, Will};
use pondhawk_codec::Qos;
use pondhawk_session::server::{
    Delivery, Message, MessageRef, Millis, NEVER, Origin, Seq, Source, SubscriptionIds,
};
use pondhawk_store::engine::MemoryEngine;
use pondhawk_store::{Clock, Log, Turn};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const CLOCK: Clock = Clock { wall_at_zero_ms: 1_700_000_000_000 };

/// A record, told with small numbers.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub kind: u8,
    pub who: u8,
    pub what: u8,
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (0u8..22, 0u8..3, any::<u8>()).prop_map(|(kind, who, what)| Op { kind, who, what });
    prop::collection::vec(op, 1..8)
}

/// Makes records, with the numbers that a broker would give.
#[derive(Default)]
pub struct Maker {
    last_seq: BTreeMap<u8, u64>,
}

pub fn client(who: u8) -> Arc<str> {
    format!("client-{who}").into()
}

pub fn message(topic: &str, size: usize, expires_at: Millis) -> Arc<Message> {
    let source = Arc::new(Source { client_id: "publisher".into(), username: Some("u".into()), listener: 2 });
    let payload: Vec<u8> = (0..size).map(|n| n as u8).collect();
    let view = MessageRef {
        topic,
        properties: &[1, 1],
        payload: &payload,
        qos: Qos::AtLeastOnce,
        retain: size.is_multiple_of(2),
        expires_at,
        origin: Origin(9),
        source: (size > 100).then_some(&source),
    };
    Arc::new(view.to_message())
}

fn delivery(what: u8) -> Delivery {
    let ids = match what % 3 {
        0 => SubscriptionIds::None,
        1 => SubscriptionIds::One(u32::from(what)),
        _ => SubscriptionIds::Many([7, 268_435_455].into()),
    };
    Delivery {
        qos: if what.is_multiple_of(2) { Qos::AtLeastOnce } else { Qos::ExactlyOnce },
        retain: what.is_multiple_of(5),
        ids,
    }
}

fn place(what: u8) -> Place {
    match what % 4 {
        0 => Place::Retained,
        1 => Place::Group("$share/g/a/#".into()),
        shard => Place::Shard(ShardId(shard)),
    }
}

impl Maker {
    /// The records of one turn.
    pub fn turn(&mut self, ops: &[Op]) -> Vec<Persist> {
        let (small, large) = (message("a/b", 3, 5_000), message("a/b/c", 400, NEVER));
        let of = |what: u8| if what.is_multiple_of(2) { small.clone() } else { large.clone() };
        ops.iter().map(|op| self.record(*op, of(op.what))).collect()
    }

    fn record(&mut self, op: Op, message: Arc<Message>) -> Persist {
        let client_id = client(op.who);
        let last = self.last_seq.entry(op.who).or_default();
        let some_seq = Seq(last.saturating_sub(u64::from(op.what % 4)));
        let (packet_id, release) = (u16::from(op.what % 3) + 1, Release(u64::from(op.what % 3)));
        match op.kind {
            0 => Persist::Homes { homes: Homes { key: u64::from(op.what), shards: op.what % 4 + 1 } },
            1..=3 => Persist::Session { client_id, kept: kept(op.what, *last) },
            4 => Persist::SessionGone { client_id },
            5 => Persist::Subscribed { client_id, filter: filter(op.what), options: op.what, id: 5 },
            6 => Persist::Unsubscribed { client_id, filter: filter(op.what) },
            7..=10 => {
                *last += 1;
                Persist::Queued { client_id, seq: Seq(*last), message, delivery: delivery(op.what) }
            }
            11 => Persist::Recorded { client_id, seq: some_seq },
            12 | 13 => Persist::Dequeued { client_id, seq: some_seq },
            14 => Persist::Received { client_id, packet_id, message },
            15 => Persist::Released { client_id, packet_id },
            16 => Persist::UnderWay { release, message, owed: vec![place(op.what), place(op.what / 4)] },
            17 => Persist::Reached { release, place: place(op.what), owed: vec![place(op.what / 4)] },
            18 => Persist::Routed { release },
            19 if op.what.is_multiple_of(2) => Persist::Retained { message },
            19 => Persist::RetainedGone { topic: message.topic().into() },
            20 => will(&client_id, op.what),
            _ => Persist::WillGone { client_id },
        }
    }
}

fn kept(what: u8, last: u64) -> Kept {
    Kept {
        username: (what.is_multiple_of(2)).then(|| "user".into()),
        listener: u16::from(what),
        expiry_s: if what.is_multiple_of(3) { u32::MAX } else { 60 },
        ends_at: match what % 3 {
            0 => None,
            1 => Some(Millis::MAX),
            _ => Some(60_000),
        },
        sent: Seq(last),
        doubtful: Seq(if what.is_multiple_of(7) { last + 1 } else { 0 }),
        unclaimed: what.is_multiple_of(5),
    }
}

fn filter(what: u8) -> Arc<str> {
    ["a", "a/#", "$share/g/a/+"][usize::from(what % 3)].into()
}

fn will(client_id: &Arc<str>, what: u8) -> Persist {
    let source = Source { client_id: (**client_id).into(), username: None, listener: 1 };
    let will = Will {
        topic: "will".into(),
        properties: [].into(),
        payload: [what].into(),
        qos: Qos::ExactlyOnce,
        retain: what.is_multiple_of(2),
        delay_s: 5,
        expiry_s: (what.is_multiple_of(3)).then_some(7),
    };
    Persist::Will { source: Arc::new(source), will: Arc::new(will), due: (what % 2 == 1).then_some(9_000) }
}

/// What a session's queue remembers of a `Recorded` that came for no message is nothing; the shards never send one.
pub fn is_sound(model: &Restored, record: &Persist) -> bool {
    match record {
        Persist::Recorded { client_id, seq } => {
            model.sessions.get(client_id).is_some_and(|session| session.queue.contains_key(seq))
        }
        _ => true,
    }
}

/// A store and what it should hold.
pub struct Pair {
    pub log: Log<MemoryEngine>,
    pub source: Maker,
    /// All turns so far, of both shards.
    pub turns: Vec<Vec<Persist>>,
    /// The turn that each ticket of each shard stands for.
    tickets: [Vec<usize>; 2],
    model: Restored,
}

impl Pair {
    pub fn new() -> Self {
        let (log, recovered) = Log::open(MemoryEngine::new(), CLOCK).expect("opens");
        assert!(recovered.lost.is_empty());
        Pair {
            log,
            source: Maker::default(),
            turns: Vec::new(),
            tickets: [vec![0], vec![0]],
            model: Restored::default(),
        }
    }

    pub fn turn(&mut self, ops: &[Op]) {
        let records = self.source.turn(ops);
        self.records(records);
    }

    pub fn records(&mut self, mut records: Vec<Persist>) {
        records.retain(|record| {
            let sound = is_sound(&self.model, record);
            if sound {
                self.model.apply(record.clone());
            }
            sound
        });
        let shard = ShardId((self.turns.len() % 2) as u8);
        self.turns.push(records);
        self.tickets[usize::from(shard.0)].push(self.turns.len());
        let ticket = Ticket(self.tickets[usize::from(shard.0)].len() as u64 - 1);
        let records = &self.turns[self.turns.len() - 1];
        self.log.append(&Turn { shard, ticket, clock: CLOCK, records }).expect("not poisoned");
    }

    /// Turns that are durable.
    pub fn durable(&self) -> usize {
        self.turns_of(|shard| self.log.durable(shard))
    }

    /// Turns that are written.
    pub fn written(&self) -> usize {
        self.turns_of(|shard| self.log.written(shard))
    }

    fn turns_of(&self, ticket: impl Fn(ShardId) -> Ticket) -> usize {
        let of = |shard: u8| self.tickets[usize::from(shard)][ticket(ShardId(shard)).0 as usize];
        of(0).max(of(1))
    }

    /// The state after so many turns, by naive replay.
    pub fn replayed(&self, turns: usize) -> Restored {
        let mut restored = Restored::default();
        for record in self.turns[..turns].iter().flatten() {
            restored.apply(record.clone());
        }
        restored
    }
}

/// What a store gives back, with its own words for what is lost.
pub fn reopened(engine: MemoryEngine) -> (Log<MemoryEngine>, Restored, Vec<String>) {
    let (log, recovered) = Log::open(engine, CLOCK).expect("opens");
    (log, recovered.restored, recovered.lost.iter().map(ToString::to_string).collect())
}

pub fn text(restored: &Restored) -> String {
    format!("{restored:#?}")
}
