//! A client whose subscriptions and session come and go, and which looks whether the broker remembers each as it last
//! confirmed it.

use super::{LOOK_EVERY, World};
use crate::chance::Chance;
use crate::gate::{Life, Stage};
use crate::ledger::fault::Kind;
use crate::wire::decode::Packet;
use crate::wire::encode::{self, Hello, Message};
use crate::wire::{Version, Wire};
use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

/// How long an answer may take from a broker that is alive.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many of its filters are looked at, the newest.
const LOOKED_AT: u64 = 6;
/// One connection in so many ends the session.
const FORGETS: u64 = 6;
/// Behind whose arrival nothing more of a look can come.
const END: &str = "settler/end";

/// Whether the broker has something of this client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Yes,
    No,
    /// It was asked to change that, and died before it answered.
    Open,
}

/// The client.
#[derive(Debug)]
pub(crate) struct Settler {
    version: Version,
    name: String,
    chance: Chance,
    session: Known,
    /// Its filters by their numbers.
    filters: HashMap<u64, Known>,
    newest: u64,
    /// Looks that began.
    look: u64,
    /// Messages by filter and look that must not come: it had unsubscribed when they were sent.
    unwanted: HashSet<(u64, u64)>,
    /// Those that have come.
    came: HashSet<(u64, u64)>,
}

impl Settler {
    pub(crate) fn new(version: Version, chance: Chance) -> Self {
        Settler {
            version,
            name: format!("settler-{version:?}"),
            chance,
            session: Known::No,
            filters: HashMap::new(),
            newest: 0,
            look: 0,
            unwanted: HashSet::new(),
            came: HashSet::new(),
        }
    }

    /// Plays until the run drains; its last look is then.
    pub(crate) fn run(mut self, world: &World) {
        while let Some(life) = world.gate.enter(0) {
            let is_last = world.gate.stage() != Stage::Load;
            // An error is the broker's death.
            if self.play(world, life, is_last).is_ok() && is_last {
                return;
            }
            world.gate.pause(Duration::from_millis(5));
        }
    }

    fn play(&mut self, world: &World, life: Life, is_last: bool) -> io::Result<()> {
        let mut wire = self.open(world, life)?;
        self.look(world, &mut wire)?;
        while !is_last && world.gate.stage() == Stage::Load {
            self.subscribe(world, &mut wire)?;
            if self.chance.one_in(2) {
                let number = 1 + self.chance.below(self.newest);
                self.unsubscribe(world, &mut wire, number)?;
            }
            if self.chance.one_in(FORGETS) {
                drop(wire);
                self.forget(life)?;
                wire = self.open(world, life)?;
            }
        }
        Ok(())
    }

    /// Connects, keeping the session; CONNACK must know whether there is one.
    fn open(&mut self, world: &World, life: Life) -> io::Result<Wire> {
        let hello = Hello { version: self.version, client: &self.name, kept: true, will: None };
        let before = std::mem::replace(&mut self.session, Known::Open);
        let (wire, present) = Wire::open(life.port, &hello).inspect_err(|_| {
            if before == Known::Yes {
                self.session = before;
            }
        })?;
        if before != Known::Open && present != (before == Known::Yes) {
            let text = format!("{}: session present {present} where it is {before:?}", self.name);
            world.ledger.fault(Kind::Session, text);
        }
        if !present {
            self.forget_filters(Known::No);
        }
        self.session = Known::Yes;
        Ok(wire)
    }

    /// Connects without keeping the session, which ends it.
    fn forget(&mut self, life: Life) -> io::Result<()> {
        self.session = Known::Open;
        self.forget_filters(Known::Open);
        let hello = Hello { version: self.version, client: &self.name, kept: false, will: None };
        drop(Wire::open(life.port, &hello)?);
        self.session = Known::No;
        self.forget_filters(Known::No);
        Ok(())
    }

    fn forget_filters(&mut self, known: Known) {
        for filter in self.filters.values_mut().filter(|filter| known == Known::No || **filter == Known::Yes)
        {
            *filter = known;
        }
    }

    fn subscribe(&mut self, world: &World, wire: &mut Wire) -> io::Result<()> {
        self.newest += 1;
        self.filters.insert(self.newest, Known::Open);
        wire.send(&encode::subscribe(self.version, 1, &[&filter(self.newest)], 1))?;
        self.agreed(world, wire)?;
        self.filters.insert(self.newest, Known::Yes);
        Ok(())
    }

    fn unsubscribe(&mut self, world: &World, wire: &mut Wire, number: u64) -> io::Result<()> {
        if self.filters.get(&number) != Some(&Known::No) {
            self.filters.insert(number, Known::Open);
        }
        wire.send(&encode::unsubscribe(self.version, 2, &filter(number)))?;
        self.agreed(world, wire)?;
        self.filters.insert(number, Known::No);
        Ok(())
    }

    /// Publishes to its newest filters and sees which of the messages come back.
    fn look(&mut self, world: &World, wire: &mut Wire) -> io::Result<()> {
        self.look += 1;
        let look = self.look;
        wire.send(&encode::subscribe(self.version, 3, &[END], 1))?;
        self.agreed(world, wire)?;
        let mut owed = HashSet::new();
        for number in (self.newest.saturating_sub(LOOKED_AT) + 1)..=self.newest {
            let known = self.filters.get(&number).copied();
            if known == Some(Known::No) {
                self.unwanted.insert((number, look));
            }
            self.publish(wire, &filter(number), number)?;
            let is_taken = self.agreed(world, wire).is_ok();
            if known == Some(Known::Yes) && is_taken {
                owed.insert(number);
            }
        }
        self.publish(wire, END, 0)?;
        self.agreed(world, wire)?;
        let end = text(0, look).into_bytes();
        if !self.came.contains(&(0, look)) {
            self.receive(
                world,
                wire,
                |packet| matches!(packet, Packet::Publish { payload, .. } if *payload == end),
            )?;
        }
        for number in owed.into_iter().filter(|number| !self.came.contains(&(*number, look))) {
            let text = format!("{}: the subscription to {} is lost", self.name, filter(number));
            world.ledger.fault(Kind::Session, text);
        }
        Ok(())
    }

    fn publish(&self, wire: &mut Wire, topic: &str, number: u64) -> io::Result<()> {
        let payload = text(number, self.look);
        let message =
            Message { topic, payload: payload.as_bytes(), qos: 1, retain: false, dup: false, id: 4 };
        let mut bytes = Vec::new();
        encode::publish(&mut bytes, self.version, &message);
        wire.send(&bytes)
    }

    /// Waits for the answer to what was asked; an error if the broker says no, which it may if its disk is in trouble.
    fn agreed(&mut self, world: &World, wire: &mut Wire) -> io::Result<()> {
        let reason = std::cell::Cell::new(0);
        self.receive(world, wire, |packet| {
            let said = match packet {
                Packet::PubAck { reason, .. } => Some(*reason),
                Packet::SubAck { codes } | Packet::UnsubAck { codes } => {
                    Some(codes.iter().copied().max().unwrap_or(0))
                }
                _ => None,
            };
            reason.set(said.unwrap_or(reason.get()));
            said.is_some()
        })?;
        if reason.get() < 0x80 {
            return Ok(());
        }
        world.unexpected(|| format!("{}: the broker says {:#x}", self.name, reason.get()));
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Takes what comes up to a packet that ends it.
    fn receive(
        &mut self,
        world: &World,
        wire: &mut Wire,
        is_end: impl Fn(&Packet) -> bool,
    ) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        let mut ended = false;
        while !ended {
            if Instant::now() > until {
                world.unexpected(|| format!("{}: no answer within {PATIENCE:?}", self.name));
                return Err(io::ErrorKind::TimedOut.into());
            }
            for packet in wire.poll(LOOK_EVERY)? {
                ended |= is_end(&packet);
                let Packet::Publish { payload, id, .. } = packet else { continue };
                let mut answer = Vec::new();
                encode::answer(&mut answer, encode::PUBACK, id);
                wire.send(&answer)?;
                let Some((number, look)) = read(&payload) else { continue };
                self.came.insert((number, look));
                if self.unwanted.contains(&(number, look)) {
                    let text = format!("{}: {} came, and was unsubscribed from", self.name, filter(number));
                    world.ledger.fault(Kind::Session, text);
                }
            }
        }
        Ok(())
    }
}

fn filter(number: u64) -> String {
    format!("settler/{number}")
}

fn text(number: u64, look: u64) -> String {
    format!("{number} {look}")
}

fn read(payload: &[u8]) -> Option<(u64, u64)> {
    let (number, look) = std::str::from_utf8(payload).ok()?.split_once(' ')?;
    Some((number.parse().ok()?, look.parse().ok()?))
}
