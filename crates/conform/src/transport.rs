//! What carries a vector's bytes: TCP to any broker ([`Tcp`](crate::Tcp)), or nothing but memory ([`Core`](crate::Core)).

use std::io;
use std::time::Duration;

/// Opens connections to one broker.
pub trait Transport {
    /// One connection.
    type Link: Link;

    /// Opens a connection; no MQTT has been said.
    ///
    /// # Errors
    /// The broker cannot be reached.
    fn open(&mut self) -> io::Result<Self::Link>;

    /// Lets time pass.
    fn pass(&mut self, time: Duration);
}

/// One connection.
pub trait Link {
    /// Sends bytes. That the peer has gone is heard by [`Link::receive`].
    fn send(&mut self, bytes: &[u8]);

    /// Waits for what comes next and appends it to `into`.
    fn receive(&mut self, into: &mut Vec<u8>, patience: Patience) -> Heard;

    /// Breaks the connection without a word of MQTT.
    fn cut(&mut self);
}

/// How long to wait for what may not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as the user says: silence is a verdict.
    All,
    /// A moment: then one asks.
    Little,
}

/// What [`Link::receive`] heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Bytes.
    Bytes,
    /// The peer closed the connection.
    Closed,
    /// Nothing, for as long as one waits.
    Silence,
}
