//! One connection of a shard, from the first byte to the last.

use crate::effects::Ticket;
use crate::id::ConnId;
use crate::mark::Marks;
use crate::will::Will;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::Version;
use pondhawk_codec::packet::Connect;
use pondhawk_codec::{Frame, PacketType};
use pondhawk_session::server::{Link, Millis};

/// What became of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// How many of them are done with; the driver keeps the rest and gives it again.
    pub used: usize,
    /// What the rest waits for.
    pub state: ReadState,
}

/// Why the rest of received bytes was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadState {
    /// The next frame has at least this many bytes.
    Need(usize),
    /// The turn's budget is spent: give the rest again in the next turn.
    Busy,
    /// The client has not taken twice `max_output_bytes` of answers, or the store has so much to make durable that
    /// clients which wait for it must wait, or no room: give the rest again once output of this connection is written.
    Blocked,
    /// An answer is pending; what arrives meanwhile is kept, though the peer may be gone.
    Waiting,
    /// The connection is closing: nothing more is read.
    Closing,
}

/// Where a connection stands.
pub(crate) enum Phase {
    /// Nothing but CONNECT may come.
    Greeting,
    /// A question about its CONNECT is pending.
    Asked(Box<Asked>),
    /// The client owes the next AUTH of an exchange.
    Exchanging(Box<Asked>),
    /// It has a session.
    Connected,
    /// It is being closed: output is still written.
    Closing,
}

/// Where a connected client stands in authenticating again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reauth {
    /// It does not.
    No,
    /// A question is pending; all must be done by then.
    Asked(Millis),
    /// The client owes the next AUTH; all must be done by then.
    Owed(Millis),
}

/// A CONNECT that is kept until it is decided.
pub(crate) struct Asked {
    frame: Box<[u8]>,
    pub(crate) method: Option<Box<str>>,
    pub(crate) client_id: Box<str>,
}

impl Asked {
    pub(crate) fn new(frame: &Frame<'_>, method: Option<&str>, client_id: &str) -> Self {
        Asked { frame: frame.body.into(), method: method.map(Into::into), client_id: client_id.into() }
    }

    /// The CONNECT again.
    pub(crate) fn connect(&self) -> Option<Connect<'_>> {
        let frame = Frame {
            packet_type: PacketType::Connect,
            flags: 0,
            body: &self.frame,
            len: self.frame.len(),
            minimal: true,
        };
        Connect::decode(&frame).ok()
    }
}

/// A connection.
pub(crate) struct Conn {
    pub(crate) listener: u16,
    /// Marked in this turn's effects.
    pub(crate) dirty: bool,
    /// Something for it was held back, since its output had no room.
    pub(crate) starved: bool,
    /// Its last packet waits until the store has room.
    pub(crate) stalled: bool,
    /// Where it stands in authenticating again.
    pub(crate) reauth: Reauth,
    /// The session's index, once connected.
    pub(crate) session: Option<u32>,
    pub(crate) phase: Phase,
    pub(crate) link: Link,
    /// Bytes to be written, not yet taken by the driver.
    pub(crate) out: Vec<u8>,
    /// What of `out` waits for the store, if any.
    marks: Option<Box<Marks>>,
    /// Acknowledgements to it that wait for the store.
    pub(crate) waiting: u32,
    /// What its CONNACK waits for.
    pub(crate) told_by: Ticket,
    /// Bytes that the driver took and could not write yet.
    pub(crate) backlog: usize,
    pub(crate) last_heard: Millis,
    pub(crate) peer: Box<str>,
    pub(crate) will: Option<Arc<Will>>,
    pub(crate) method: Option<Box<str>>,
}

impl Conn {
    pub(crate) fn new(listener: u16, peer: Box<str>, now: Millis) -> Self {
        Conn {
            listener,
            dirty: false,
            starved: false,
            stalled: false,
            reauth: Reauth::No,
            session: None,
            phase: Phase::Greeting,
            link: Link::new(Version::V311),
            out: Vec::new(),
            marks: None,
            waiting: 0,
            told_by: Ticket(0),
            backlog: 0,
            last_heard: now,
            peer,
            will: None,
            method: None,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }

    /// True while its unsent bytes are below `max`.
    pub(crate) fn has_room(&self, max: usize) -> bool {
        self.backlog + self.out.len() < max
    }

    /// Output from `at` on must wait for `ticket`; false if it would have to anyway.
    pub(crate) fn hold_from(&mut self, at: usize, ticket: Ticket) -> bool {
        self.marks.get_or_insert_default().set(at, ticket)
    }

    /// Takes the output that waits for nothing any more, given what is durable.
    pub(crate) fn take_out(&mut self, durable: Ticket) -> Vec<u8> {
        let held = self.marks.as_mut().and_then(|marks| marks.pass(durable));
        let Some(at) = held else {
            self.marks = None;
            return core::mem::take(&mut self.out);
        };
        let held = self.out.split_off(at);
        core::mem::replace(&mut self.out, held)
    }

    /// Forgets output that waits: the connection ends before it may leave.
    pub(crate) fn forget_held(&mut self, durable: Ticket) {
        let held = self.marks.take().and_then(|marks| marks.held_from(durable));
        self.out.truncate(held.unwrap_or(usize::MAX));
    }

    /// Marks output to be written.
    pub(crate) fn mark(&mut self, id: ConnId, dirty: &mut Vec<ConnId>) {
        if !self.dirty {
            self.dirty = true;
            dirty.push(id);
        }
    }
}

/// A user name as sessions and sources share it.
pub(crate) type Name = Arc<str>;
