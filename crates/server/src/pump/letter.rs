//! What arrives in a shard's mailbox: mail of the other shards, connections that move here, answers of the
//! authenticator, and the control plane's wishes.

use pondhawk_broker::{Answer, ConnId, Counters, Mail, Settings};
use pondhawk_net::{Stream, Weight};
use std::sync::Arc;
use std::sync::mpsc;

/// A letter to a shard's thread.
pub enum Letter<R> {
    /// From another shard's broker.
    Mail(Mail),
    /// A connection whose home is here.
    Adopt(Box<Adopted>),
    /// The answer to a question that this shard asked.
    Answer(ConnId, Answer),
    /// From the control plane.
    Control(Control<R>),
}

/// A connection on the move, with its CONNECT and what came behind it.
pub struct Adopted {
    /// The stream, registered nowhere.
    pub stream: Stream,
    /// The number of its listener.
    pub listener: u16,
    /// Its address.
    pub peer: Box<str>,
    /// MQTT bytes that were read and not yet handled.
    pub kept: Vec<u8>,
    /// The peer has closed its end.
    pub ended: bool,
    /// Its place among its listener's connections.
    pub(super) place: Option<super::accept::Place>,
}

/// What the control plane asks of a shard. `R` are the access rules that its host understands.
pub enum Control<R> {
    /// Take up new settings and rules.
    Reload(Arc<Settings>, R),
    /// Send figures.
    Report(mpsc::Sender<Report>),
    /// Publish messages of the broker itself: topic, payload, retain.
    Publish(Vec<(String, Vec<u8>, bool)>),
    /// Describe the subscriptions.
    Describe(mpsc::Sender<String>),
    /// Remove expired retained messages.
    Sweep,
    /// Every shard has what it takes over: let clients in.
    Open,
    /// Disconnect everybody, tell when that is done, and end.
    Shutdown,
}

/// A shard's figures.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What its broker counts.
    pub counters: Counters,
    /// Outer bytes read.
    pub bytes_received: u64,
    /// Outer bytes written.
    pub bytes_sent: u64,
    /// Sockets accepted.
    pub sockets: u64,
    /// Sockets with output that waits.
    pub blocked: u64,
    /// Bytes of that output.
    pub blocked_bytes: u64,
    /// The longest turn since the last report, in microseconds.
    pub turn_max_us: u64,
}

impl<R> Weight for Letter<R> {
    fn weight(&self) -> usize {
        match self {
            Letter::Mail(mail) => pondhawk_broker::weight(mail),
            Letter::Adopt(adopted) => size_of::<Adopted>() + adopted.kept.len(),
            Letter::Answer(..) | Letter::Control(_) => size_of::<Letter<R>>(),
        }
    }
}
