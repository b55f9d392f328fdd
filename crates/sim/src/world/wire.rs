//! One connection's way between a client and the broker. It takes its time, comes in pieces, stalls, is cut, or goes
//! dead without a word.

use crate::client::packets::{Got, Sent};
use pondhawk_broker::{ConnId, Millis};
use std::collections::VecDeque;

/// What happened to the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Nothing goes up for now.
    pub stalled_up: bool,
    /// Nothing goes down for now.
    pub stalled_down: bool,
    /// Nothing goes either way any more, and neither end knows.
    pub dead: bool,
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    /// The client.
    pub client: usize,
    /// The shard that it lives on and its name there, once CONNECT has been read.
    pub conn: Option<(usize, ConnId)>,
    /// What happened to the way.
    pub trouble: Trouble,
    // ---- Up
    /// Bytes on their way up.
    pub up: VecDeque<u8>,
    /// Packets on their way up or with the broker: the stream's length at the end of each.
    pub sent: VecDeque<(u64, Sent)>,
    /// Bytes that the client has written.
    pub written: u64,
    /// Bytes that the broker has read and not handled.
    pub read: Vec<u8>,
    /// Bytes that the broker has handled.
    pub handled: u64,
    /// No more will come behind what is in `up`.
    pub finished: bool,
    /// The broker keeps what came until a question is answered.
    pub waiting: bool,
    /// The broker does not read before its output is taken.
    pub blocked: bool,
    /// It does not handle what it has read, since its output can never be taken.
    pub given_up: bool,
    /// What came last made no whole packet.
    pub incomplete: bool,
    // ---- Down
    /// Bytes that the shard has let go.
    pub emitted: u64,
    /// Bytes that the socket has taken.
    pub taken: u64,
    /// Bytes that have reached the client.
    pub arrived: u64,
    /// Packets on their way down: the stream's length at the end of each.
    pub coming: VecDeque<(u64, Got)>,
    /// Bytes of an incomplete packet at the end of what was emitted.
    pub tail: Vec<u8>,
    /// The broker has closed it.
    pub closed: bool,
    /// The client still reads it.
    pub open: bool,
    /// When the way began, for the time-out of its greeting.
    pub since: Millis,
}

impl Wire {
    /// A way for a client.
    #[must_use]
    pub fn new(client: usize, now: Millis) -> Wire {
        Wire {
            client,
            conn: None,
            trouble: Trouble::default(),
            up: VecDeque::new(),
            sent: VecDeque::new(),
            written: 0,
            read: Vec::new(),
            handled: 0,
            finished: false,
            waiting: false,
            blocked: false,
            given_up: false,
            incomplete: false,
            emitted: 0,
            taken: 0,
            arrived: 0,
            coming: VecDeque::new(),
            tail: Vec::new(),
            closed: false,
            open: true,
            since: now,
        }
    }

    /// The client writes a packet.
    pub fn write(&mut self, bytes: &[u8], sent: Sent) {
        if self.open && !self.finished {
            self.up.extend(bytes);
            self.written += bytes.len() as u64;
            self.sent.push_back((self.written, sent));
        }
    }

    /// Bytes that the socket has not taken.
    #[must_use]
    pub fn backlog(&self) -> usize {
        (self.emitted - self.taken) as usize
    }

    /// True if bytes can go up.
    #[must_use]
    pub fn can_rise(&self) -> bool {
        !self.up.is_empty() && !self.closed && !self.trouble.stalled_up && !self.trouble.dead
    }

    /// True if bytes, or the news that there are no more, can go down.
    #[must_use]
    pub fn can_sink(&self) -> bool {
        let pending = self.taken > self.arrived || self.closed && self.backlog() == 0;
        self.open && pending && !self.trouble.stalled_down && !self.trouble.dead
    }

    /// True if the broker's end of the stream has come: everything was read.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.finished && self.up.is_empty() && !self.trouble.dead && !self.trouble.stalled_up
    }

    /// True if the shard has something to do for it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let fresh = !self.read.is_empty() && !self.incomplete;
        !self.closed && !self.waiting && !self.blocked && (fresh || self.at_end())
    }

    /// Moves up to `count` bytes up.
    pub fn rise(&mut self, count: usize) -> usize {
        let count = count.min(self.up.len());
        self.read.extend(self.up.drain(..count));
        self.incomplete = false;
        count
    }

    /// The client or the network ends it: the first `kept` bytes on their way up still arrive.
    pub fn cut(&mut self, kept: usize) {
        self.up.truncate(kept);
        self.open = false;
        self.finished = true;
        self.blocked = false;
    }

    /// The packets whose last byte the broker has handled; of one that breaks the protocol, the first may be enough
    /// to close the connection.
    pub fn next_handled(&mut self, closing: bool) -> Option<Sent> {
        let (end, sent) = self.sent.front()?;
        if *end > self.handled && !(closing && matches!(sent, Sent::Poison(_))) {
            return None;
        }
        self.sent.pop_front().map(|(_, sent)| sent)
    }

    /// The next packet that has arrived whole at the client.
    pub fn next_arrived(&mut self) -> Option<Got> {
        if self.coming.front()?.0 > self.arrived {
            return None;
        }
        self.coming.pop_front().map(|(_, got)| got)
    }
}
