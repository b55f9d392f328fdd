//! Vectors against the pure core: shards of `pondhawk-broker`, their mail and their clock, in memory.
//!
//! Whatever a vector sends is carried through to rest before it listens, so an answer is there or never comes.

mod host;
mod net;

use crate::transport::{Heard, Link, Patience, Transport};
use net::Net;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// A broker of some shards in memory.
#[derive(Clone)]
pub struct Core(Rc<RefCell<Net>>);

impl Core {
    /// A broker with default settings.
    #[must_use]
    pub fn new(shards: u8) -> Self {
        Core(Rc::new(RefCell::new(Net::new(shards, false))))
    }

    /// A broker that makes records and holds its acknowledgements until they are durable, which takes longer than
    /// anything else that it does.
    #[must_use]
    pub fn persistent(shards: u8) -> Self {
        Core(Rc::new(RefCell::new(Net::new(shards, true))))
    }
}

impl Transport for Core {
    type Link = CoreLink;

    fn open(&mut self) -> io::Result<CoreLink> {
        let wire = self.0.borrow_mut().open();
        Ok(CoreLink { net: Rc::clone(&self.0), wire })
    }

    fn pass(&mut self, time: Duration) {
        self.0.borrow_mut().pass(time.as_millis() as u64);
    }
}

/// A connection to it.
pub struct CoreLink {
    net: Rc<RefCell<Net>>,
    wire: usize,
}

impl Link for CoreLink {
    fn send(&mut self, bytes: &[u8]) {
        self.net.borrow_mut().send(self.wire, bytes);
    }

    fn receive(&mut self, into: &mut Vec<u8>, _patience: Patience) -> Heard {
        self.net.borrow_mut().receive(self.wire, into)
    }

    fn cut(&mut self) {
        self.net.borrow_mut().cut(self.wire);
    }
}
