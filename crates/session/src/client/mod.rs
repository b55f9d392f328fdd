//! The client's end of a connection: a protocol machine without sockets, threads or clocks.
//!
//! Before it: a driver that owns a transport. After it: the application, or the tools. One [`Client`] lives
//! as long as the application wants its session, over any number of connections.
//!
//! ```text
//!                connect()                     CONNACK, code 0
//!   Offline ─────────────────▶ Handshaking ─────────────────────▶ Online ◀─┐ PUBLISH, SUBSCRIBE, acks,
//!      ▲                        │   ▲  │ AUTH ⇄ authenticate()      │  └──┘ PINGREQ ⇄ PINGRESP, AUTH
//!      │                        │   └──┘                            │
//!      │   refused, violation,  │                                   │ disconnect(), DISCONNECT, violation,
//!      │   timeout, closed()    ▼                                   ▼ timeout, closed()
//!      └──────────────────────────── exactly one Event::Disconnected ┘
//! ```
//!
//! # Use
//! - *Commands*: [`publish`](Client::publish), [`subscribe`](Client::subscribe),
//!   [`unsubscribe`](Client::unsubscribe), [`acknowledge`](Client::acknowledge),
//!   [`authenticate`](Client::authenticate), [`disconnect`](Client::disconnect).
//! - *Inputs*: [`connect`](Client::connect) when a transport is open, [`receive`](Client::receive) for bytes
//!   however they are split ([`receive_packet`](Client::receive_packet) stops after each packet), [`tick`](Client::tick) when [`deadline`](Client::deadline) has come,
//!   [`closed`](Client::closed) when the transport is gone.
//! - *Outputs*: after any of them take the bytes ([`take_output`](Client::take_output)), then the events
//!   ([`poll_event`](Client::poll_event)), and close the transport once the client
//!   [is offline](Client::is_offline) and the bytes are written.
//!
//! ```
//! use pondhawk_session::client::{Client, Event, NewMessage, Options};
//!
//! let mut client = Client::new(Options { client_id: "me".into(), ..Options::default() });
//! client.connect(0)?;
//! let to_server = client.take_output();
//! assert_eq!(to_server[0], 0x10); // CONNECT, for the transport to write
//!
//! client.receive(5, &[0x20, 3, 0, 0, 0]); // CONNACK, as the transport read it
//! assert!(matches!(client.poll_event(), Some(Event::Connected(_))));
//! client.publish(5, &NewMessage::new("greetings", b"hello"))?;
//! assert_eq!(client.take_output()[0], 0x30); // PUBLISH
//! # Ok::<(), pondhawk_session::client::Refused>(())
//! ```
//!
//! Time is a number of milliseconds on any clock that does not go back.
//!
//! # Invariants
//! - Every `connect` is answered by exactly one [`Event::Disconnected`] in the end.
//! - Messages of QoS 1 and 2 survive the connection: they are sent again, in order, with the same packet
//!   identifier, until the server has answered for them. [MQTT-4.1.0-1] [MQTT-4.4.0-1] [MQTT3-4.1.0-1]
//!   [MQTT3-4.4.0-1]
//! - Never more unanswered messages than the server's Receive Maximum, never a packet larger than its
//!   Maximum Packet Size. [MQTT-3.3.4-7] [MQTT-3.2.2-15]
//! - The server gets what it deserves: each rule that it can break has a [`Violation`], after which nothing
//!   more of that connection is believed.

mod connect;
mod error;
mod event;
mod incoming;
mod inflight;
mod keepalive;
mod options;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub use connect::ServerLimits;
pub use error::{Refused, Violation};
pub use event::{Cause, Connected, Event, Message, Trace, TracedPacket};
pub use options::{AckMode, NewMessage, Options, WillMessage};

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use incoming::Incoming;
use inflight::Inflight;
use keepalive::KeepAlive;
use pondhawk_codec::{PacketId, ReasonCode};

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No connection; the session is kept.
    Offline,
    /// CONNECT is sent and CONNACK is awaited.
    Handshaking,
    /// CONNACK said yes.
    Online,
}

/// What a SUBACK or UNSUBACK is awaited for.
#[derive(Clone, Copy, Debug)]
enum Pending {
    /// A SUBSCRIBE with so many filters.
    Subscribe(usize),
    /// An UNSUBSCRIBE with so many filters.
    Unsubscribe(usize),
}

/// The protocol state of one client: see the [module](self) for how to drive it.
#[derive(Debug)]
pub struct Client {
    options: Options,
    state: State,
    /// The id that the server knows us by: ours, or the one it assigned.
    client_id: String,
    /// The options' id at the last `connect`: another one is another session. [MQTT-3.1.3-2] [MQTT3-3.1.3-2]
    session_of: Option<String>,
    /// What is kept belongs to the session that CONNECT asks for.
    same_session: bool,
    limits: ServerLimits,
    keep_alive: KeepAlive,
    inflight: Inflight,
    incoming: Incoming,
    /// SUBSCRIBE and UNSUBSCRIBE of this connection that are not answered yet.
    pending: BTreeMap<PacketId, Pending>,
    /// Aliases of topics that this connection has given out.
    aliases: BTreeMap<String, u16>,
    last_id: u16,
    /// The front part of a frame whose rest has not arrived.
    partial: Vec<u8>,
    output: Vec<u8>,
    events: VecDeque<Event>,
}

impl Client {
    /// A client without a connection.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Client {
            state: State::Offline,
            client_id: options.client_id.clone(),
            session_of: None,
            same_session: true,
            limits: ServerLimits::default(),
            keep_alive: KeepAlive::default(),
            inflight: Inflight::default(),
            incoming: Incoming::default(),
            pending: BTreeMap::new(),
            aliases: BTreeMap::new(),
            last_id: 0,
            partial: Vec::new(),
            output: Vec::new(),
            events: VecDeque::new(),
            options,
        }
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The options, to change what the next `connect` says.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The client id in use: the one that the server assigned, if it did.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What the server of this connection allows.
    #[must_use]
    pub fn server_limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// True from CONNACK to the end of the connection.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.state == State::Online
    }

    /// True if there is no connection: the driver closes its transport, once the output is written.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.state == State::Offline
    }

    /// How many messages of QoS 1 and 2 wait to be sent or answered.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.inflight.len()
    }

    /// How many bytes the messages of QoS 1 and 2 take that wait to be sent or received.
    #[must_use]
    pub fn unanswered_bytes(&self) -> usize {
        self.inflight.bytes()
    }

    /// The time at which [`tick`](Self::tick) wants to be called, if any.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Offline => None,
            State::Handshaking | State::Online => self.keep_alive.deadline(),
        }
    }

    /// Takes the bytes that are to be written to the transport, leaving none.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.output)
    }

    /// The next thing that the application should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The transport is gone. Bytes that were not written are lost with it.
    pub fn closed(&mut self) {
        self.output.clear();
        self.end(Cause::Transport);
    }

    /// Ends the connection, if there is one, keeping the session. [MQTT-3.1.2-23] [MQTT3-3.1.2-4]
    /// [MQTT3-4.1.0-2]
    fn end(&mut self, cause: Cause) {
        if self.state == State::Offline {
            return;
        }
        self.state = State::Offline;
        self.partial = Vec::new();
        self.pending.clear();
        self.aliases.clear();
        self.incoming.connection_lost();
        self.events.push_back(Event::Disconnected(cause));
    }

    fn trace(&mut self, trace: impl FnOnce() -> Trace) {
        if self.options.trace {
            self.events.push_back(Event::Trace(trace()));
        }
    }

    /// The next packet identifier that nothing uses. [MQTT-2.2.1-3] [MQTT-4.3.2-1] [MQTT-4.3.3-1]
    /// [MQTT3-2.3.1-2]
    fn next_id(&mut self) -> Result<PacketId, Refused> {
        for _ in 0..u16::MAX {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let Some(id) = PacketId::new(self.last_id) else {
                continue;
            };
            if !self.inflight.contains(id) && !self.pending.contains_key(&id) {
                return Ok(id);
            }
        }
        Err(Refused::QueueFull)
    }

    /// The connection ends because the server broke a rule. [MQTT-3.14.1-1] [MQTT-4.13.2-1] [MQTT3-4.8.0-1]
    /// [MQTT3-4.8.0-2]
    fn violation(&mut self, violation: Violation) {
        if self.is_online() && self.options.version.has_properties() {
            self.write_disconnect(violation.reason());
        }
        self.end(Cause::Violation(violation));
    }
}

/// The codes of a SUBACK or UNSUBACK.
fn codes(bytes: &[u8]) -> Vec<ReasonCode> {
    bytes.iter().map(|code| ReasonCode(*code)).collect()
}
