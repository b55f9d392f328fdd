//! What a shard asks of the world around it: rights, slots, entropy, and an ear for what happens.

use crate::Source;
use pondhawk_codec::packet::Connect;
use pondhawk_codec::{PacketId, Qos, ReasonCode, Version};

/// The shard's surroundings. Nothing here may block: slow checks are asked as [`Question`](crate::Question)s.
pub trait Host {
    /// What a client's rights are decided by: looked up once, asked at every message.
    type Identity: Clone;

    /// Whether a CONNECT may pass without further question.
    fn gate(&self, listener: u16, connect: &Connect<'_>) -> Gate;

    /// The rights that belong to a client as the rules are now.
    fn identify(&self, listener: u16, username: Option<&str>, client_id: &str) -> Self::Identity;

    /// Whether the client may publish to `topic`.
    fn may_publish(&self, identity: &Self::Identity, topic: &str) -> bool;

    /// Whether the client may be sent a message of `topic`.
    fn may_receive(&self, identity: &Self::Identity, topic: &str) -> bool;

    /// Whether the client may subscribe to `filter`.
    fn may_subscribe(&self, identity: &Self::Identity, filter: &str) -> bool;

    /// Whether the publisher of a retained message could still publish it.
    fn source_may_publish(&self, source: &Source, topic: &str) -> bool;

    /// Takes one of a limited number of places in the whole broker; false if none is left.
    fn reserve(&mut self, slot: Slot) -> bool;

    /// Gives a place back.
    fn release(&mut self, slot: Slot);

    /// True while the process is over its memory limit: messages are refused then.
    fn overloaded(&self) -> bool {
        false
    }

    /// Notes that this shard's retained messages have become so many more, or fewer, with so many bytes.
    fn retained_changed(&mut self, messages: isize, bytes: isize);

    /// Retained messages and their bytes in the whole broker.
    fn retained_total(&self) -> (usize, usize);

    /// 128 random bits that nobody can guess.
    fn entropy(&mut self) -> u128;

    /// Whether notes of this kind are wanted; asked before each is made.
    fn wants(&self, kind: NoteKind) -> bool;

    /// Something worth a line in the log.
    fn note(&mut self, note: &Note<'_>);
}

/// Limited places, counted over all shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A connected client.
    Connection,
    /// A session, connected or not.
    Session,
}

/// The host's first word on a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Let it in.
    Accept,
    /// Turn it away.
    Refuse(ReasonCode),
    /// Ask: the answer takes time.
    Ask,
}

/// Classes of notes, as the log knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// Packets in and out.
    Debug,
    /// Clients come and go.
    Notice,
    /// Subscriptions.
    Subscribe,
    /// Subscriptions let go.
    Unsubscribe,
    /// What must not happen.
    Error,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended<'a> {
    /// The client said DISCONNECT.
    Disconnected,
    /// The client closed the connection without a word.
    Closed,
    /// The connection failed or the client broke a rule: the text says which.
    Error(&'a str),
    /// Nothing was heard for one and a half times the keep alive.
    Timeout,
    /// Another connection took the session over.
    TakenOver,
    /// The client may not be here.
    NotAuthorized,
    /// The broker stops.
    Shutdown,
}

/// Something worth a line in the log. `client` is a client identifier.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Note<'a> {
    Connected {
        peer: &'a str,
        client: &'a str,
        version: Version,
        clean_start: bool,
        keep_alive_s: u16,
        username: Option<&'a str>,
    },
    Will {
        will: Option<(&'a str, usize, bool, Qos)>,
    },
    Refused {
        peer: &'a str,
        client: &'a str,
        code: ReasonCode,
        why: &'a str,
    },
    Ended {
        peer: &'a str,
        client: &'a str,
        how: Ended<'a>,
    },
    Connack {
        client: &'a str,
        session_present: bool,
        code: u8,
    },
    Publish {
        client: &'a str,
        sent: bool,
        denied: bool,
        dup: bool,
        qos: Qos,
        retain: bool,
        id: Option<PacketId>,
        topic: &'a str,
        len: usize,
    },
    /// A packet with an id and a reason code: PUBACK and its kin.
    Ack {
        client: &'a str,
        sent: bool,
        name: &'static str,
        id: PacketId,
        code: ReasonCode,
    },
    /// A packet of which there is no more to say than its name.
    Packet {
        client: &'a str,
        sent: bool,
        name: &'static str,
    },
    SubscribeFilter {
        client: &'a str,
        filter: &'a str,
        qos: Qos,
        granted: Option<Qos>,
    },
    UnsubscribeFilter {
        client: &'a str,
        filter: &'a str,
    },
    /// Queued messages that the store cannot give back, as it found when they were to be sent.
    Lost {
        client: &'a str,
        messages: usize,
    },
}

impl Note<'_> {
    /// The class that the note belongs to, where it has only one.
    #[must_use]
    pub fn kind(&self) -> NoteKind {
        match self {
            Note::Connected { .. } | Note::Ended { .. } | Note::Refused { .. } => NoteKind::Notice,
            Note::SubscribeFilter { .. } => NoteKind::Subscribe,
            Note::UnsubscribeFilter { .. } => NoteKind::Unsubscribe,
            Note::Lost { .. } => NoteKind::Error,
            _ => NoteKind::Debug,
        }
    }
}
