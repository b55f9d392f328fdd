//! A publisher with a kept session: it sends what is not acknowledged again, in order, until it is.

use super::{LOOK_EVERY, SessionWatch, World};
use crate::gate::{Life, Stage};
use crate::ledger::payload::{self, Origin};
use crate::wire::decode::Packet;
use crate::wire::encode::{self, Hello, Message};
use crate::wire::{Version, Wire};
use std::collections::VecDeque;
use std::io;

/// The publisher of one stream.
#[derive(Debug)]
pub(crate) struct Publisher {
    stream: usize,
    version: Version,
    /// Messages under way at the most.
    window: usize,
    /// Messages that it sends in all.
    limit: u64,
    open: VecDeque<Open>,
    id: u16,
    out: Vec<u8>,
}

/// A message under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    number: u64,
    id: u16,
    /// PUBREC has come; what is sent from now on is PUBREL.
    is_received: bool,
}

impl Publisher {
    pub(crate) fn new(stream: usize, version: Version, window: usize, limit: u64) -> Self {
        Publisher { stream, version, window, limit, open: VecDeque::new(), id: 0, out: Vec::new() }
    }

    /// Publishes until the run drains, and then ends what is under way.
    pub(crate) fn run(mut self, world: &World) {
        let client = format!("publisher-{}", self.stream);
        let hello = Hello { version: self.version, client: &client, kept: true, will: None };
        let mut session = SessionWatch::default();
        while let Some(life) = world.gate.enter(0) {
            let Some((mut wire, _)) = session.open(world, life, &hello) else { continue };
            if let Ok(()) = self.connected(world, life, &mut wire) {
                let _ended = wire.send(&encode::DISCONNECT);
                return;
            }
        }
    }

    /// Serves one connection; returns when everything is acknowledged and nothing more is to be sent.
    fn connected(&mut self, world: &World, life: Life, wire: &mut Wire) -> io::Result<()> {
        self.again(world);
        loop {
            self.fill(world);
            wire.send(&self.out)?;
            self.out.clear();
            if self.open.is_empty() && self.is_done(world) {
                return Ok(());
            }
            for packet in wire.poll(LOOK_EVERY)? {
                self.take(world, &packet)?;
            }
            if world.gate.lives() != life.number || world.gate.stage() == Stage::Over {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    fn is_done(&self, world: &World) -> bool {
        world.gate.stage() != Stage::Load && self.limit == u64::MAX
            || world.ledger.sent(self.stream) >= self.limit
    }

    /// What is under way is sent again, on a new connection.
    fn again(&mut self, world: &World) {
        self.out.clear();
        for at in 0..self.open.len() {
            let open = self.open[at];
            if open.is_received {
                encode::answer(&mut self.out, encode::PUBREL, open.id);
            } else {
                self.publish(world, open, true);
            }
        }
    }

    fn fill(&mut self, world: &World) {
        while self.open.len() < self.window && !self.is_done(world) && !world.is_behind() {
            let id = self.next_id();
            let open = Open { number: world.ledger.send(self.stream), id, is_received: false };
            self.open.push_back(open);
            self.publish(world, open, false);
        }
    }

    /// An identifier that no message under way has: while the disk is full, refusals go once round in a second.
    fn next_id(&mut self) -> u16 {
        loop {
            self.id = if self.id == u16::MAX { 1 } else { self.id + 1 };
            if self.open.iter().all(|open| open.id != self.id) {
                return self.id;
            }
        }
    }

    fn publish(&mut self, world: &World, open: Open, dup: bool) {
        let plan = world.ledger.plans()[self.stream];
        let payload = payload::of(Origin::Message { stream: self.stream, number: open.number });
        let topic = world.ledger.topic(self.stream, open.number);
        let (qos, retain) = (plan.qos, plan.retain);
        let message = Message { topic: &topic, payload: &payload, qos, retain, dup, id: open.id };
        encode::publish(&mut self.out, self.version, &message);
    }

    fn take(&mut self, world: &World, packet: &Packet) -> io::Result<()> {
        match *packet {
            Packet::PubAck { id, reason } => self.end(world, id, reason),
            Packet::PubRec { id, reason } if reason >= 0x80 => self.end(world, id, reason),
            Packet::PubRec { id, .. } => {
                if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
                    open.is_received = true;
                }
                encode::answer(&mut self.out, encode::PUBREL, id);
            }
            Packet::PubComp { id } => self.end(world, id, 0),
            Packet::Disconnect { reason } => {
                world.unexpected(|| {
                    format!("publisher {}: the broker disconnects with {reason:#x}", self.stream)
                });
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, world: &World, id: u16, reason: u8) {
        let Some(at) = self.open.iter().position(|open| open.id == id) else { return };
        let Some(open) = self.open.remove(at) else { return };
        if reason < 0x80 {
            world.ledger.acked(self.stream, open.number);
        } else {
            world.unexpected(|| format!("a message of stream {} is refused with {reason:#x}", self.stream));
            world.ledger.refused(self.stream, open.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_under_way_is_not_taken_again() {
        let mut publisher = Publisher::new(0, Version::V5, 40, u64::MAX);
        publisher.id = u16::MAX - 1;
        let ids = [u16::MAX, 1, 3];
        publisher.open.extend(ids.map(|id| Open { number: 0, id, is_received: true }));
        assert_eq!([publisher.next_id(), publisher.next_id()], [2, 4]);
    }
}
