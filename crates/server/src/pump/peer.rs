//! One client's stream as its pump sees it.

use pondhawk_broker::ConnId;
use pondhawk_net::Stream;

/// Where a peer stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its CONNECT is not complete, so its home is not known.
    Greeting(Box<Greeting>),
    /// It belongs to a connection of this pump's shard.
    Attached(ConnId),
    /// It is closed once its output is written.
    Closing,
}

/// A peer that has not said who it is.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) address: Box<str>,
    /// Tells it from others that had the same place before.
    pub(super) serial: u64,
}

/// One client's stream.
pub(super) struct Peer {
    pub(super) stream: Stream,
    pub(super) stage: Stage,
    pub(super) listener: u16,
    /// The socket may have something to read.
    pub(super) readable: bool,
    /// It stands in the queue of ready peers.
    pub(super) queued: bool,
    /// The other end is closed: read on until the end.
    pub(super) closed: bool,
    /// The end has been read.
    pub(super) ended: bool,
    /// MQTT bytes that are read and not yet handled.
    pub(super) kept: Vec<u8>,
    /// `kept` is handled again without more bytes: the last turn's budget was spent.
    pub(super) busy: bool,
    /// Not read until its output is written.
    pub(super) blocked: bool,
    /// Why the stream failed.
    pub(super) error: Option<Box<str>>,
    /// Counted among its listener's connections.
    pub(super) place: Option<super::accept::Place>,
}

impl Peer {
    pub(super) fn new(stream: Stream, listener: u16, stage: Stage) -> Self {
        Peer {
            stream,
            stage,
            listener,
            readable: true,
            queued: false,
            closed: false,
            ended: false,
            kept: Vec::new(),
            busy: false,
            blocked: false,
            error: None,
            place: None,
        }
    }
}
