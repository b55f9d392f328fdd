//! The surroundings of the shards: rights, places, entropy. One rule book a shard, replaced by a reload.

use pondhawk_broker::{Gate, Host, Note, NoteKind, Slot, Source};
use pondhawk_codec::packet::Connect;
use pondhawk_codec::topic;
use std::cell::RefCell;
use std::rc::Rc;

/// What a client may be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To publish to a topic.
    Publish,
    /// To be sent messages of a topic.
    Receive,
    /// To subscribe to a filter.
    Subscribe,
}

/// Who may not do what. Everything else is allowed.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Which edition it is: 0 is the first.
    pub version: usize,
    /// Client identifier, right, filter.
    pub denied: Vec<(String, Right, String)>,
}

impl Rules {
    /// True if the client has the right to `name`.
    #[must_use]
    pub fn allow(&self, client: &str, right: Right, name: &str) -> bool {
        !self.denied.iter().any(|(who, denied, filter)| {
            *denied == right && who == client && (filter == name || topic::matches(filter, name))
        })
    }
}

/// What all hosts of a broker share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Connected clients.
    pub connections: usize,
    /// Sessions.
    pub sessions: usize,
    /// Retained messages, and their bytes.
    pub retained: (usize, usize),
    /// A figure fell below zero.
    pub below_zero: bool,
    entropy: u64,
}

/// One shard's host.
pub struct SimHost {
    /// The rules that hold on this shard.
    pub rules: Rc<Rules>,
    shared: Rc<RefCell<Shared>>,
}

impl SimHost {
    /// A host beside others.
    #[must_use]
    pub fn new(rules: Rc<Rules>, shared: Rc<RefCell<Shared>>) -> SimHost {
        SimHost { rules, shared }
    }
}

impl Shared {
    /// What a broker begins with.
    #[must_use]
    pub fn new(seed: u64) -> Rc<RefCell<Shared>> {
        Rc::new(RefCell::new(Shared { entropy: seed | 1, ..Shared::default() }))
    }

    fn place(&mut self, slot: Slot) -> &mut usize {
        match slot {
            Slot::Connection => &mut self.connections,
            Slot::Session => &mut self.sessions,
        }
    }

    fn random(&mut self) -> u128 {
        let mut next = || {
            self.entropy ^= self.entropy << 13;
            self.entropy ^= self.entropy >> 7;
            self.entropy ^= self.entropy << 17;
            u128::from(self.entropy)
        };
        next() << 64 | next()
    }
}

/// A client's rights as they were when it was looked up.
#[derive(Clone)]
pub struct Identity {
    client: Rc<str>,
    rules: Rc<Rules>,
}

impl Host for SimHost {
    type Identity = Identity;

    fn gate(&self, _listener: u16, connect: &Connect<'_>) -> Gate {
        if connect.username.is_some() { Gate::Ask } else { Gate::Accept }
    }

    fn identify(&self, _listener: u16, _username: Option<&str>, client_id: &str) -> Identity {
        Identity { client: client_id.into(), rules: self.rules.clone() }
    }

    fn may_publish(&self, identity: &Identity, topic: &str) -> bool {
        identity.rules.allow(&identity.client, Right::Publish, topic)
    }

    fn may_receive(&self, identity: &Identity, topic: &str) -> bool {
        identity.rules.allow(&identity.client, Right::Receive, topic)
    }

    fn may_subscribe(&self, identity: &Identity, filter: &str) -> bool {
        identity.rules.allow(&identity.client, Right::Subscribe, filter)
    }

    fn source_may_publish(&self, source: &Source, topic: &str) -> bool {
        self.rules.allow(&source.client_id, Right::Publish, topic)
    }

    fn reserve(&mut self, slot: Slot) -> bool {
        *self.shared.borrow_mut().place(slot) += 1;
        true
    }

    fn release(&mut self, slot: Slot) {
        let mut shared = self.shared.borrow_mut();
        match shared.place(slot).checked_sub(1) {
            Some(left) => *shared.place(slot) = left,
            None => shared.below_zero = true,
        }
    }

    fn retained_changed(&mut self, messages: isize, bytes: isize) {
        let mut shared = self.shared.borrow_mut();
        let (all, size) = shared.retained;
        match (all.checked_add_signed(messages), size.checked_add_signed(bytes)) {
            (Some(all), Some(size)) => shared.retained = (all, size),
            _ => shared.below_zero = true,
        }
    }

    fn retained_total(&self) -> (usize, usize) {
        self.shared.borrow().retained
    }

    fn entropy(&mut self) -> u128 {
        self.shared.borrow_mut().random()
    }

    fn wants(&self, _kind: NoteKind) -> bool {
        false
    }

    fn note(&mut self, _note: &Note<'_>) {}
}
