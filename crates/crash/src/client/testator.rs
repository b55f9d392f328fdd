//! A client with a will, which dies, leaves, is taken over, or loses its broker.

use super::{LOOK_EVERY, SessionWatch, World};
use crate::chance::Chance;
use crate::gate::{Life, Stage};
use crate::ledger::Due;
use crate::ledger::payload::{self, Origin};
use crate::wire::encode::{self, Hello, Will};
use crate::wire::{Version, Wire};
use std::io;
use std::time::{Duration, Instant};

/// The longest that a connection is held before the client ends it.
const HOLD_MAX: Duration = Duration::from_millis(200);

/// How long to wait for the end that follows DISCONNECT.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The delay of [`Ending::Late`] wills, and how long their clients stay away from a broker that runs.
const DELAY_S: u32 = 1;
const AWAY: Duration = Duration::from_millis(2500);

/// When a will is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With the end of the connection.
    AtOnce,
    /// A while later: the client comes back after it, and the broker has died meanwhile or not.
    Late,
    /// So late that the client has always come back before: never.
    Delayed,
}

/// A client with a will.
#[derive(Debug)]
pub(crate) struct Testator {
    pub(crate) index: usize,
    pub(crate) version: Version,
    pub(crate) kept: bool,
    pub(crate) ending: Ending,
    pub(crate) chance: Chance,
}

impl Testator {
    /// Connects again and again until the run drains.
    pub(crate) fn run(mut self, world: &World) {
        let mut session = SessionWatch::default();
        // The will that was called off last, and in which life.
        let mut called_off: Option<(u64, u32)> = None;
        // A connection that the next one takes over.
        let mut before: Option<Wire> = None;
        while world.gate.stage() == Stage::Load {
            let Some(life) = world.gate.enter(0) else { return };
            let number = world.ledger.will(self.index);
            if self.ending == Ending::Delayed {
                world.ledger.decide(self.index, number, Due::Never);
            }
            let Some(mut wire) = self.open(world, life, &mut session, number) else { continue };
            drop(before.take());
            // Had the end of that connection been the broker's death, this would be another life; and CONNACK comes
            // after everything that was kept before it: the will is called off for good.
            match called_off.take() {
                Some((number, in_life)) if in_life == life.number => self.decide(world, number, Due::Never),
                _ => {}
            }
            self.decide(world, number, Due::Must);
            let held = self.hold(&mut wire);
            if self.ending == Ending::Late {
                drop(wire);
                stay_away(world, life);
                continue;
            }
            if held.is_err() {
                continue;
            }
            match self.chance.below(3) {
                0 => drop(wire),
                1 => before = Some(wire),
                // Whether the broker has read it before it died is not known yet.
                _ => {
                    self.decide(world, number, Due::May);
                    called_off = is_read(&mut wire).then_some((number, life.number));
                }
            }
        }
    }

    fn open(&self, world: &World, life: Life, session: &mut SessionWatch, number: u64) -> Option<Wire> {
        let client = format!("testator-{}", self.index);
        let topic = format!("crash/w{}", self.index);
        let payload = payload::of(Origin::Will { testator: self.index, number });
        let delay_s = match self.ending {
            Ending::AtOnce => 0,
            Ending::Late => DELAY_S,
            Ending::Delayed => 24 * 3600,
        };
        let will = Will { topic: &topic, payload: &payload, delay_s };
        let hello = Hello { version: self.version, client: &client, kept: self.kept, will: Some(will) };
        session.open(world, life, &hello).map(|(wire, _)| wire)
    }

    fn decide(&self, world: &World, number: u64, due: Due) {
        if self.ending != Ending::Delayed {
            world.ledger.decide(self.index, number, due);
        }
    }

    /// Stays for a while; an error if the broker has gone.
    fn hold(&mut self, wire: &mut Wire) -> io::Result<()> {
        let until = Instant::now() + self.chance.span(Duration::ZERO, HOLD_MAX);
        while Instant::now() < until {
            wire.poll(LOOK_EVERY)?;
        }
        Ok(())
    }
}

/// Lets a broker run for longer than the delay of the will: one that began after the connection ended, for if it died with
/// it, that one counts the delay from its own start.
fn stay_away(world: &World, life: Life) {
    if world.gate.enter(life.number + 1).is_some() {
        rest(AWAY);
    }
}

/// Waits for so long.
fn rest(span: Duration) {
    let until = Instant::now() + span;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// Says DISCONNECT and waits until the broker ends the connection: it has read that then, or is dead. Without waiting, the
/// next connection might be read before it and take this one over, which sets the will free.
fn is_read(wire: &mut Wire) -> bool {
    let until = Instant::now() + READ_WITHIN;
    if wire.send(&encode::DISCONNECT).is_err() {
        return false;
    }
    while Instant::now() < until {
        if wire.poll(LOOK_EVERY).is_err() {
            return true;
        }
    }
    false
}
