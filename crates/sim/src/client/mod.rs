//! The clients: state machines that keep to the protocol, written for the simulator so that no mistake of the
//! broker's own code can hide behind itself. A client never forgets what the standard tells it to keep.
//!
//! | file | what it does |
//! |---|---|
//! | `hear` | packets from the broker, answered as a client must |
//! | `say` | what a client does of its own accord |
//! | [`packets`] | bytes |

mod hear;
pub mod packets;
mod say;

use crate::plan::{ClientPlan, Keep};
use packets::{MessageNo, Sent, Wanted};
use pondhawk_broker::Millis;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use say::Published;

/// Messages that a client has under way at the most, whatever the broker allows.
pub const OUT_MAX: usize = 24;

/// How far a client has come with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has none.
    Away,
    /// CONNECT is sent.
    Greeting,
    /// CONNACK has come.
    Ready,
}

/// A message that the broker has not finished acknowledging.
#[derive(Clone, Debug)]
pub struct Out {
    /// Its packet identifier.
    pub id: u16,
    /// Its number.
    pub message: MessageNo,
    /// PUBREC has come.
    pub recorded: bool,
    /// It was sent on this connection.
    pub sent: bool,
    /// It was sent on an earlier one.
    pub again: bool,
}

/// A client.
pub struct Client {
    /// How it was planned.
    pub plan: ClientPlan,
    /// Its connection.
    pub wire: Option<usize>,
    /// How far it has come with that.
    pub phase: Phase,
    /// The broker keeps its session, so the next CONNECT may resume it.
    pub kept: bool,
    /// It has forgotten its session, so the next CONNECT must start clean.
    pub must_start_clean: bool,
    /// Seconds of keeping that the CONNECT at hand asks for.
    pub asked_s: u32,
    /// Unfinished messages, in the order of publishing.
    pub out: VecDeque<Out>,
    /// QoS 2 messages that the broker has not released.
    pub held: BTreeSet<u16>,
    /// Answers that it owes, in order.
    pub answers: VecDeque<(Vec<u8>, Sent)>,
    /// Subscriptions that it believes to have.
    pub subs: BTreeMap<String, Wanted>,
    /// Unanswered SUBSCRIBEs and UNSUBSCRIBEs.
    pub asked: BTreeMap<u16, Asked>,
    /// The broker's receive maximum.
    pub window: usize,
    /// Topic aliases that it may set, and has set.
    pub aliases_max: u16,
    /// Aliases that it has set.
    pub aliases: BTreeMap<u16, String>,
    /// Its keep alive as it is in force.
    pub keep_alive: u16,
    next_id: u16,
    next_sub: u32,
    said: Millis,
    pinged: Option<Millis>,
}

/// What a packet identifier was used for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// SUBSCRIBE.
    Subscribe(Vec<Wanted>),
    /// UNSUBSCRIBE.
    Unsubscribe(Vec<String>),
}

impl Client {
    /// A client that has never connected.
    #[must_use]
    pub fn new(plan: ClientPlan) -> Client {
        Client {
            plan,
            wire: None,
            phase: Phase::Away,
            kept: false,
            must_start_clean: false,
            asked_s: 0,
            out: VecDeque::new(),
            held: BTreeSet::new(),
            answers: VecDeque::new(),
            subs: BTreeMap::new(),
            asked: BTreeMap::new(),
            window: usize::MAX,
            aliases_max: 0,
            aliases: BTreeMap::new(),
            keep_alive: 0,
            next_id: 0,
            next_sub: 0,
            said: 0,
            pinged: None,
        }
    }

    /// True if it is connected.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// True if it has answers to send.
    #[must_use]
    pub fn owes_answers(&self) -> bool {
        !self.answers.is_empty() && self.wire.is_some()
    }

    /// Seconds that it wants its session kept.
    #[must_use]
    pub fn keep_s(&self) -> u32 {
        match self.plan.keep {
            Keep::Not => 0,
            Keep::For(seconds) => seconds,
            Keep::Ever => u32::MAX,
        }
    }

    /// When it must say something, or give up.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        let interval = Millis::from(self.keep_alive) * 1000;
        if self.phase != Phase::Ready || interval == 0 {
            return None;
        }
        Some(self.pinged.map_or(self.said + interval, |pinged| pinged + interval))
    }

    /// A packet identifier that it does not use.
    fn new_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id % 40 + 1;
            let id = self.next_id;
            if !self.asked.contains_key(&id) && self.out.iter().all(|out| out.id != id) {
                return id;
            }
        }
    }

    /// It forgets its session, because the broker has none or is told to end it.
    fn forget(&mut self) {
        self.out.clear();
        self.held.clear();
        self.subs.clear();
    }

    /// It lost its connection, or left it.
    fn leave(&mut self) {
        // Without a CONNACK it cannot know whether a session that may have expired was made anew: the next one that
        // it finds need not be the one that it remembers.
        if self.phase == Phase::Greeting && matches!(self.plan.keep, Keep::For(_)) {
            self.must_start_clean = true;
        }
        self.wire = None;
        self.phase = Phase::Away;
        self.answers.clear();
        self.asked.clear();
        self.aliases.clear();
        self.pinged = None;
        for out in &mut self.out {
            out.again |= std::mem::take(&mut out.sent);
        }
        if !self.kept {
            self.forget();
        }
    }
}
