//! A subscriber with a kept session, which books what it gets.

use super::{EVERYTHING, LOOK_EVERY, SessionWatch, World};
use crate::chance::Chance;
use crate::gate::{Life, Stage};
use crate::ledger::fault::Kind;
use crate::ledger::payload::{self, Origin};
use crate::ledger::receipts::{Delivery, Receipts};
use crate::wire::decode::Packet;
use crate::wire::encode::{self, Hello};
use crate::wire::{Version, Wire};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// When a subscriber is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Whenever the broker is.
    Online,
    /// It breaks its connection after at most so many packets.
    Blinking(u64),
    /// It stays away for so many lives, comes and fetches what is there, and leaves.
    Away(u32),
    /// It subscribes in the life of this number and comes again at the end.
    Late(u32),
}

/// Messages of a connection whose repetition is looked at, the newest.
const RECENT: usize = 300;

/// A subscriber to everything, alone or with others of a group.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// Its place in [`World::received`].
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) filter: &'static str,
    pub(crate) version: Version,
    pub(crate) qos: u8,
    pub(crate) habit: Habit,
    pub(crate) chance: Chance,
    pub(crate) receipts: Arc<Mutex<Receipts>>,
}

/// Why a connection was left.
enum Left {
    /// It is time for another.
    Again,
    /// To come back in this life.
    Until(u32),
}

/// What of a session its client keeps.
#[derive(Default)]
struct Kept {
    is_subscribed: bool,
    /// QoS 2 messages between PUBLISH and PUBREL: received once, whatever comes again.
    held: HashMap<u16, Vec<u8>>,
    /// What has come at QoS 1 on this connection, with its packet identifier.
    recent: VecDeque<(u16, Origin)>,
    /// Of what came on connections before, that which the broker had promised by then: it is kept under its packet
    /// identifier, so if it comes again under that, it is a repetition.
    promised: HashMap<u16, Origin>,
}

impl Kept {
    /// A connection has ended.
    fn left(&mut self, world: &World, life: Life) {
        let recent = std::mem::take(&mut self.recent);
        let is_promised = |origin: &Origin| match *origin {
            Origin::Message { stream, number } => world.ledger.is_acked(stream, number),
            Origin::Will { .. } => false,
        };
        let promised: Vec<_> = recent.into_iter().filter(|(_, origin)| is_promised(origin)).collect();
        // In another life it may have been promised for a copy that was sent again.
        if world.gate.lives() == life.number {
            self.promised.extend(promised);
        }
    }

    /// A message has come at QoS 1; false if it was sent before, and does not say so.
    fn arrives(&mut self, id: u16, payload: &[u8], dup: bool) -> bool {
        let Some(origin) = payload::origin(payload) else { return true };
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((id, origin));
        self.promised.remove(&id) != Some(origin) || dup
    }
}

impl Subscriber {
    /// Serves connections until the run is over.
    pub(crate) fn run(mut self, world: &World) {
        let name = self.name.clone();
        let hello = Hello { version: self.version, client: &name, kept: true, will: None };
        let mut session = SessionWatch::default();
        let mut kept = Kept::default();
        let mut from = if let Habit::Late(life) = self.habit { life } else { 0 };
        while let Some(life) = world.gate.enter(from) {
            let Some((mut wire, lost)) = session.open(world, life, &hello) else { continue };
            if lost {
                kept = Kept::default();
            }
            let left = self.connected(world, life, &mut wire, &mut kept);
            kept.left(world, life);
            match left {
                Ok(Left::Until(life)) => from = life,
                Ok(Left::Again) | Err(_) => {}
            }
        }
    }

    fn connected(&mut self, world: &World, life: Life, wire: &mut Wire, kept: &mut Kept) -> io::Result<Left> {
        if !kept.is_subscribed {
            wire.send(&encode::subscribe(self.version, 1, &[self.filter], self.qos))?;
        }
        let mut budget = match self.habit {
            Habit::Blinking(most) => self.chance.below(most),
            _ => u64::MAX,
        };
        let mut out = Vec::new();
        loop {
            let packets = wire.poll(LOOK_EVERY)?;
            let is_quiet = packets.is_empty();
            for packet in packets {
                self.take(world, kept, packet, &mut out)?;
                budget = budget.saturating_sub(1);
                if budget == 0 && world.gate.stage() == Stage::Load {
                    // What it has just answered is not sent: the broker has to send it again.
                    return Ok(Left::Again);
                }
            }
            wire.send(&out)?;
            out.clear();
            if world.gate.lives() != life.number || world.gate.stage() == Stage::Over {
                return Ok(Left::Again);
            }
            if let Some(back) = self.leaves(world, life, kept, is_quiet) {
                let _ended = wire.send(&encode::DISCONNECT);
                return Ok(Left::Until(back));
            }
        }
    }

    /// The life to come back in, if it leaves now.
    fn leaves(&self, world: &World, life: Life, kept: &Kept, is_quiet: bool) -> Option<u32> {
        if !kept.is_subscribed || world.gate.stage() != Stage::Load {
            return None;
        }
        match self.habit {
            Habit::Away(lives) if is_quiet || life.number == 1 => Some(life.number + lives),
            Habit::Late(_) => Some(u32::MAX),
            _ => None,
        }
    }

    fn take(&mut self, world: &World, kept: &mut Kept, packet: Packet, out: &mut Vec<u8>) -> io::Result<()> {
        match packet {
            Packet::SubAck { codes } if codes == [self.qos] => {
                if !kept.is_subscribed {
                    self.with_receipts(|receipts| receipts.subscribed(&world.ledger));
                }
                kept.is_subscribed = true;
            }
            Packet::SubAck { codes } => {
                world.unexpected(|| format!("{}: the subscription is refused with {codes:?}", self.name));
                return Err(io::ErrorKind::Other.into());
            }
            Packet::Disconnect { reason } => {
                world.unexpected(|| format!("{}: the broker disconnects with {reason:#x}", self.name));
            }
            Packet::Publish { topic, payload, qos, retain, dup, id } => {
                self.publish(world, kept, Publish { topic, payload, qos, retain, dup, id }, out);
            }
            Packet::PubRel { id } => {
                kept.held.remove(&id);
                encode::answer(out, encode::PUBCOMP, id);
            }
            _ => {}
        }
        Ok(())
    }

    fn publish(&mut self, world: &World, kept: &mut Kept, publish: Publish, out: &mut Vec<u8>) {
        let Publish { topic, payload, qos, retain, dup, id } = publish;
        let is_marked = match qos {
            // A retained message is sent before it is kept for this session, which nobody was promised.
            1 if !retain => kept.arrives(id, &payload, dup),
            2 => dup || !kept.held.contains_key(&id),
            _ => true,
        };
        if !is_marked {
            let text = format!("{}: packet id {id} comes again without DUP at QoS {qos}", self.name);
            world.ledger.fault(Kind::Wrong, text);
        }
        match qos {
            1 => encode::answer(out, encode::PUBACK, id),
            2 => encode::answer(out, encode::PUBREC, id),
            _ => {}
        }
        if qos == 2 {
            if let Some(first) = kept.held.get(&id) {
                if *first != payload {
                    let text = format!("{}: packet id {id} has another message before PUBREL", self.name);
                    world.ledger.fault(Kind::Wrong, text);
                }
                return;
            }
            kept.held.insert(id, payload.clone());
        }
        if retain {
            // What was there when it subscribed; the auditor looks after those.
            return;
        }
        let delivery = Delivery { topic: &topic, payload: &payload, qos };
        self.with_receipts(|receipts| receipts.receive(&world.ledger, &delivery));
        if self.filter == EVERYTHING && matches!(self.habit, Habit::Online | Habit::Blinking(_)) {
            world.received[self.index].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn with_receipts(&self, action: impl FnOnce(&mut Receipts)) {
        action(&mut self.receipts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

struct Publish {
    topic: String,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    dup: bool,
    id: u16,
}
