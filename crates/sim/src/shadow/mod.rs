//! The shadow model: what must be true of the broker, kept up from the outside. It sees every packet that a shard takes
//! (not those that are lost on their way), every byte that leaves, every moment that a timer may fire, and derives
//! from them who is connected, what is subscribed, which messages were routed, and what is owed to whom. It knows
//! nothing of the inside of a shard.
//!
//! | file | what it follows |
//! |---|---|
//! | [`message`] | messages and what became of them |
//! | [`session`] | sessions, subscriptions, wills |
//! | `taken` | packets that a shard has taken |
//! | `emitted` | packets that a shard has let go, checked one by one |
//! | `received` | what reached the applications behind the clients |
//! | `crash` | what is left after the broker has died |

mod crash;
mod emitted;
pub mod message;
mod received;
pub mod session;
mod taken;

use crate::plan::{ClientPlan, MOUNT, Plan};
use crate::points::Reached;
use crate::world::host::Rules;
use message::Message;
use pondhawk_broker::{Millis, Settings};
use session::{Link, Session};
use std::collections::BTreeMap;
use std::rc::Rc;

pub use received::Receipt;

/// The broker itself as a publisher.
pub const SYSTEM: usize = usize::MAX;

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name, `I1` to `I12`, or what else went wrong.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

/// The moment at which something happens on a shard.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The simulated time.
    pub now: Millis,
    /// The number of the event.
    pub step: u64,
    /// The rules that the shard goes by.
    pub rules: &'a Rules,
    /// The settings that it goes by.
    pub settings: &'a Settings,
    /// Output that leaves now was made no earlier than at this time, under this edition of the rules.
    pub since: (Millis, usize),
    /// The oldest edition of the rules that any shard still goes by.
    pub oldest: usize,
    /// Everything up to this step is durable.
    pub durable: u64,
}

/// The model.
pub struct Shadow {
    /// Every message that was ever written, by number.
    pub messages: Vec<Message>,
    /// Every session that ever was.
    pub sessions: Vec<Session>,
    /// The session that each client has now.
    pub current: Vec<Option<usize>>,
    /// What each connection stands for.
    pub links: Vec<Link>,
    /// Every edition of the rules.
    pub rules: Vec<Rc<Rules>>,
    /// Per topic, the messages that were to be retained or deleted something, in the order of routing.
    pub retained: BTreeMap<String, Vec<u32>>,
    /// Steps at whose end no mail was under way, in order.
    pub quiet: Vec<u64>,
    /// What applications were given: session, message.
    pub receipts: BTreeMap<(usize, u32), Receipt>,
    /// Packets taken and emitted, by type, since the broker started.
    pub packets: [[u64; 16]; 2],
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// The rare branches that were reached.
    pub reached: Reached,
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// One copy a subscription, not one a session.
    pub duplicates: bool,
    /// Per client, what was to become of its will, from which step on.
    pub pledges: Vec<Vec<(u64, session::Pledge)>>,
    /// Times that the broker has died.
    pub crashes: u32,
    /// Records are kept and acknowledgements wait for them.
    pub persistent: bool,
    order: BTreeMap<(usize, usize, String, u8), u32>,
}

impl Shadow {
    /// The model of a broker that has just been started.
    #[must_use]
    pub fn new(plan: &Plan) -> Shadow {
        Shadow {
            messages: Vec::new(),
            sessions: Vec::new(),
            current: vec![None; plan.clients.len()],
            links: Vec::new(),
            rules: vec![Rc::default()],
            retained: BTreeMap::new(),
            quiet: Vec::new(),
            receipts: BTreeMap::new(),
            packets: [[0; 16]; 2],
            failures: Vec::new(),
            reached: Reached::default(),
            clients: plan.clients.clone(),
            duplicates: plan.settings.allow_duplicate_messages,
            pledges: vec![Vec::new(); plan.clients.len()],
            crashes: 0,
            persistent: plan.settings.persistent,
            order: BTreeMap::new(),
        }
    }

    /// Something must be true and is not.
    pub fn fail(&mut self, invariant: &'static str, text: String) {
        self.failures.push(Failure { invariant, text });
    }

    /// At the end of this step no mail is under way.
    pub fn is_quiet(&mut self, step: u64) {
        if self.quiet.last() != Some(&step) {
            self.quiet.push(step);
        }
    }

    /// The first step from `step` on at whose end no mail was under way.
    #[must_use]
    pub fn settled(&self, step: u64) -> Option<u64> {
        self.quiet.get(self.quiet.partition_point(|quiet| *quiet < step)).copied()
    }

    /// A client's name of a topic or filter as the broker knows it.
    #[must_use]
    pub fn mounted(&self, client: usize, name: &str) -> String {
        match (self.clients[client].listener, name.strip_prefix("$share/")) {
            (0, _) => name.into(),
            (_, Some(rest)) => match rest.split_once('/') {
                Some((group, filter)) => format!("$share/{group}/{MOUNT}{filter}"),
                None => name.into(),
            },
            (_, None) => format!("{MOUNT}{name}"),
        }
    }

    /// True if the client had a right under every edition of the rules from `version` on.
    #[must_use]
    pub fn always_allowed(
        &self,
        version: usize,
        client: usize,
        right: crate::world::host::Right,
        name: &str,
    ) -> bool {
        let id = &self.clients[client].id;
        self.rules[version..].iter().all(|rules| rules.allow(id, right, name))
    }
}
