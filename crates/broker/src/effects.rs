//! What a shard wants done. The driver empties it after each turn.

use crate::id::{ConnId, SessionId, ShardId};
use crate::mail::Mail;
use crate::record::Persist;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::ReasonCode;
use pondhawk_session::server::{Page, Seq};

/// A promise of durability: everything that was persisted up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The work that one turn leaves for the driver. A shard is given the same one all its life, emptied but for
/// `ticket`, which counts on.
///
/// The driver hands the records of a turn to the store, as one unit, before it sends the turn's letters, and sends
/// the letters before it takes output: what a letter or a byte leads to is then never kept without its cause.
#[derive(Debug, Default)]
pub struct Effects {
    /// Connections with output to be written; each at most once.
    pub dirty: Vec<ConnId>,
    /// Connections to be closed once their output is written.
    pub close: Vec<ConnId>,
    /// Letters to the other shards, in order.
    pub mail: Vec<(ShardId, Mail)>,
    /// Questions to be answered through [`Shard::answer`](crate::Shard::answer).
    pub questions: Vec<Question>,
    /// Records to be stored, in order; [`Shard::durable`](crate::Shard::durable) is told of `ticket` after.
    pub persist: Vec<Persist>,
    /// The ticket of the last record.
    pub ticket: Ticket,
    /// Queued messages to be read from the store: [`Shard::fetched`](crate::Shard::fetched) is told of each, whenever.
    pub fetch: Vec<Fetch>,
}

/// Queued messages of a session that are to be read: its records [`Queued`](Persist::Queued) from one number through
/// another, from the first on. Only what the store has said that it has is asked for ([`Shard::stored`]).
///
/// [`Shard::stored`]: crate::Shard::stored
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Who asks.
    pub session: SessionId,
    /// The name of that session in the records.
    pub client_id: Arc<str>,
    /// The first.
    pub from: Seq,
    /// The last.
    pub through: Seq,
    /// The reading may stop behind a message once it has so many bytes.
    pub bytes: usize,
}

/// The answer to a [`Fetch`].
#[derive(Debug)]
pub struct Fetched {
    /// Who asked.
    pub session: SessionId,
    /// What was read; `None`: nothing can be read now.
    pub page: Option<Page>,
}

/// Something that takes longer than a shard may wait.
#[derive(Debug)]
pub struct Question {
    /// The connection that waits for the answer.
    pub conn: ConnId,
    /// The listener that it came in by.
    pub listener: u16,
    /// The client's address.
    pub peer: Box<str>,
    /// What is asked.
    pub subject: Subject,
}

/// What is asked.
#[derive(Debug)]
pub enum Subject {
    /// Is this the password of the user?
    Password {
        /// The client identifier.
        client_id: Box<str>,
        /// The user name.
        username: Option<Box<str>>,
        /// The password.
        password: Option<Box<[u8]>>,
    },
    /// A step of an enhanced authentication exchange.
    Exchange {
        /// The client identifier.
        client_id: Box<str>,
        /// The authentication method.
        method: Box<str>,
        /// The authentication data.
        data: Box<[u8]>,
        /// True for the first step of an exchange.
        first: bool,
    },
}

/// The answer to a [`Question`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// The client is who it says.
    Accept {
        /// The name that the method found for it, if it is not the one in CONNECT.
        username: Option<Box<str>>,
        /// Authentication data for the client.
        data: Option<Box<[u8]>>,
    },
    /// It is not.
    Refuse(ReasonCode),
    /// The method has another step.
    Continue {
        /// Authentication data for the client.
        data: Box<[u8]>,
    },
}

impl Effects {
    /// Nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record: the ticket that will stand for it.
    pub(crate) fn persist(&mut self, record: Persist) -> Ticket {
        self.ticket.0 += 1;
        self.persist.push(record);
        self.ticket
    }
}
