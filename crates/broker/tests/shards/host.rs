//! The surroundings of the shards under test: rights, a gate, places and entropy that a test can set.

use pondhawk_broker::{Gate, Host, Note, NoteKind, Slot, Source};
use pondhawk_codec::packet::Connect;
use pondhawk_codec::topic;
use std::cell::RefCell;
use std::rc::Rc;

/// What a client may be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Publish,
    Receive,
    Subscribe,
}

/// What all hosts of one broker share.
pub struct World {
    /// Client id (or `*`), right, filter: what is denied from the next `identify` on.
    pub denied: Vec<(String, Right, String)>,
    pub gate: Gate,
    pub connections: Places,
    pub sessions: Places,
    /// Over the memory limit.
    pub overloaded: bool,
    /// Retained messages and their bytes in all shards.
    pub retained: (usize, usize),
    pub wants_notes: bool,
    /// Of notes, only this kind.
    pub only: Option<NoteKind>,
    pub notes: Vec<String>,
    entropy: u64,
}

/// A number of places, some of them taken.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub used: usize,
    pub max: usize,
}

pub type SharedWorld = Rc<RefCell<World>>;

impl World {
    pub fn new(seed: u64) -> SharedWorld {
        let places = Places { used: 0, max: usize::MAX };
        Rc::new(RefCell::new(World {
            denied: Vec::new(),
            gate: Gate::Accept,
            connections: places,
            sessions: places,
            overloaded: false,
            retained: (0, 0),
            wants_notes: false,
            only: None,
            notes: Vec::new(),
            entropy: seed | 1,
        }))
    }

    pub fn deny(&mut self, client: &str, right: Right, filter: &str) {
        self.denied.push((client.into(), right, filter.into()));
    }

    /// Denies and allows what `other` does.
    pub fn set_like(&mut self, other: &World) {
        self.denied = other.denied.clone();
        self.connections.max = other.connections.max;
        self.sessions.max = other.sessions.max;
    }

    fn of(&self, client_id: &str) -> Vec<(Right, String)> {
        let mine = self.denied.iter().filter(|(who, ..)| who == "*" || who == client_id);
        mine.map(|(_, right, filter)| (*right, filter.clone())).collect()
    }
}

fn is_free(denied: &[(Right, String)], right: Right, name: &str) -> bool {
    !denied.iter().any(|(other, filter)| *other == right && (filter == name || topic::matches(filter, name)))
}

pub struct TestHost(pub SharedWorld);

impl Host for TestHost {
    type Identity = Rc<Vec<(Right, String)>>;

    fn gate(&self, _listener: u16, _connect: &Connect<'_>) -> Gate {
        self.0.borrow().gate
    }

    fn identify(&self, _listener: u16, _username: Option<&str>, client_id: &str) -> Self::Identity {
        Rc::new(self.0.borrow().of(client_id))
    }

    fn may_publish(&self, identity: &Self::Identity, topic: &str) -> bool {
        is_free(identity, Right::Publish, topic)
    }

    fn may_receive(&self, identity: &Self::Identity, topic: &str) -> bool {
        is_free(identity, Right::Receive, topic)
    }

    fn may_subscribe(&self, identity: &Self::Identity, filter: &str) -> bool {
        is_free(identity, Right::Subscribe, filter)
    }

    fn source_may_publish(&self, source: &Source, topic: &str) -> bool {
        is_free(&self.0.borrow().of(&source.client_id), Right::Publish, topic)
    }

    fn reserve(&mut self, slot: Slot) -> bool {
        let mut world = self.0.borrow_mut();
        let places = world.places(slot);
        let free = places.used < places.max;
        places.used += usize::from(free);
        free
    }

    fn release(&mut self, slot: Slot) {
        let mut world = self.0.borrow_mut();
        let places = world.places(slot);
        places.used = places.used.checked_sub(1).expect("released no more than reserved");
    }

    fn overloaded(&self) -> bool {
        self.0.borrow().overloaded
    }

    fn retained_changed(&mut self, messages: isize, bytes: isize) {
        let mut world = self.0.borrow_mut();
        let (all, size) = world.retained;
        world.retained = (
            all.checked_add_signed(messages).expect("never below zero"),
            size.checked_add_signed(bytes).expect("never below zero"),
        );
    }

    fn retained_total(&self) -> (usize, usize) {
        self.0.borrow().retained
    }

    fn entropy(&mut self) -> u128 {
        let mut world = self.0.borrow_mut();
        let mut next = || {
            world.entropy ^= world.entropy << 13;
            world.entropy ^= world.entropy >> 7;
            world.entropy ^= world.entropy << 17;
            u128::from(world.entropy)
        };
        next() << 64 | next()
    }

    fn wants(&self, kind: NoteKind) -> bool {
        let world = self.0.borrow();
        world.wants_notes && world.only.is_none_or(|only| only == kind)
    }

    fn note(&mut self, note: &Note<'_>) {
        self.0.borrow_mut().notes.push(format!("{note:?}"));
    }
}

impl World {
    fn places(&mut self, slot: Slot) -> &mut Places {
        match slot {
            Slot::Connection => &mut self.connections,
            Slot::Session => &mut self.sessions,
        }
    }
}
