//! The world that the shards run in: clients, network, mail, clock and store, all moved by one seed.
//!
//! Each call of [`World::step`] lets one thing happen: bytes move, a shard has a turn, the store syncs. Which one is
//! drawn from all that could, so that everything may be delayed by anything else.

mod broker;
mod clock;
pub mod disk;
mod fetch;
pub mod host;
mod network;
mod restart;
mod store;
pub mod wire;

use crate::client::Client;
use crate::plan::Plan;
use crate::random::Rng;
use crate::shadow::Shadow;
use crate::trace::{Trace, Words};
use broker::Broker;
use host::Rules;
use pondhawk_broker::Millis;
use std::rc::Rc;
use wire::Wire;

/// Everything.
pub struct World {
    /// How it was planned.
    pub plan: Plan,
    /// Chance.
    pub rng: Rng,
    /// What happened.
    pub trace: Trace,
    /// The simulated time.
    pub now: Millis,
    /// Events so far.
    pub step: u64,
    /// The shards and what carries out their effects.
    pub broker: Broker,
    /// Every connection that ever was.
    pub wires: Vec<Wire>,
    /// Those that something can still happen to.
    pub open: Vec<usize>,
    /// The clients.
    pub clients: Vec<Client>,
    /// What must be true.
    pub shadow: Shadow,
    /// No more faults come: see `oracle::settle`.
    pub healed: bool,
}

/// One thing that may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// Bytes go up a wire.
    Rise(usize),
    /// Bytes go down a wire.
    Sink(usize),
    /// A client sends the acknowledgements that it owes.
    Answer(usize),
    /// A shard has a turn.
    Turn(usize),
    /// The store writes what it was given.
    Write,
    /// The store makes everything durable.
    Sync,
    /// The authenticator answers.
    Question(usize),
    /// The store has read queued messages.
    Fetch(usize),
    /// A reload reaches a shard.
    Reload(usize),
}

impl World {
    /// A world in which nothing has happened.
    #[must_use]
    pub fn new(plan: Plan, words: Words) -> World {
        let broker = Broker::new(&plan, &Rc::new(Rules::default()));
        let broker = broker.expect("an empty store can be opened");
        World {
            rng: Rng::new(plan.seed),
            trace: Trace::new(words),
            now: 1_000,
            step: 1,
            broker,
            wires: Vec::new(),
            open: Vec::new(),
            clients: plan.clients.iter().cloned().map(Client::new).collect(),
            shadow: Shadow::new(&plan),
            plan,
            healed: false,
        }
    }

    /// True as long as every invariant holds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.shadow.failures.is_empty()
    }

    /// Something must be true and is not.
    pub fn fail(&mut self, invariant: &'static str, text: impl Into<String>) {
        self.shadow.fail(invariant, text.into());
    }

    /// Notes something in the trace.
    pub fn note(&mut self, line: impl FnOnce(&World) -> String) {
        if self.trace.wants_words() {
            let line = format!("{:>6} {:>7} ms  {}", self.step, self.now, line(self));
            self.trace.line(line);
        }
    }

    /// Lets one thing happen; false if nothing can without time passing.
    pub fn step(&mut self) -> bool {
        let events = self.events();
        if events.is_empty() {
            return false;
        }
        let event = events[self.rng.below(events.len())];
        self.step += 1;
        self.trace.number(self.step);
        match event {
            Event::Rise(wire) => self.rise(wire),
            Event::Sink(wire) => self.sink(wire),
            Event::Answer(client) => self.client_answers(client),
            Event::Turn(shard) => self.turn(shard),
            Event::Write => self.write_store(false),
            Event::Sync => self.write_store(true),
            Event::Question(index) => self.answer_question(index),
            Event::Fetch(index) => self.answer_fetch(index),
            Event::Reload(shard) => self.reload(shard),
        }
        if self.broker.mail_len() == 0 {
            self.shadow.is_quiet(self.step);
        }
        true
    }

    /// Lets up to `count` things happen.
    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            if !self.is_sound() || !self.step() {
                return;
            }
        }
    }

    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::with_capacity(16);
        let mut ready = 0u64;
        for index in &self.open {
            let wire = &self.wires[*index];
            if wire.can_rise() {
                events.push(Event::Rise(*index));
            }
            if wire.can_sink() {
                events.push(Event::Sink(*index));
            }
            if wire.is_ready() {
                match wire.conn {
                    Some((shard, _)) => ready |= 1 << shard,
                    // Nobody has read a CONNECT: the pump that accepted it sees its end.
                    None if wire.at_end() => ready |= 1,
                    None => {}
                }
            }
        }
        events.extend((0..self.clients.len()).filter(|n| self.clients[*n].owes_answers()).map(Event::Answer));
        for shard in 0..self.broker.shards.len() {
            if ready & 1 << shard != 0 || self.broker.has_turn(shard, self.now) {
                events.push(Event::Turn(shard));
            }
        }
        let reloads =
            self.broker.shards.iter().enumerate().filter(|(_, station)| !station.reloads.is_empty());
        events.extend(reloads.map(|(shard, _)| Event::Reload(shard)));
        if self.broker.can_sync() {
            events.extend([Event::Write, Event::Sync]);
        }
        events.extend((0..self.broker.questions.len()).map(Event::Question));
        events.extend((0..self.broker.fetches.len()).map(Event::Fetch));
        events
    }
}
