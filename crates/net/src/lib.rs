//! The broker's outside: sockets, the byte stages in front of MQTT, and the mailboxes between threads.
//!
//! This crate does not know what an MQTT packet or a session is: it moves bytes in and out of sockets and
//! values between threads. It stands between the operating system and the pure crates; `server` drives it.
//!
//! Modules along the street:
//! * [`listener`] binds TCP and Unix sockets from a [`ListenSpec`] and says what to do when it cannot.
//! * [`mod@mailbox`] carries batches from many threads to one, with a soft bound and as few wake-ups as possible.
//! * [`memory`] gives freed memory back to the system.
//! * [`stream`] is one client's bytes, plain or unwrapped, with what could not be written yet.
//! * [`ws`] unwraps MQTT from WebSocket and wraps it, without touching a socket.
//!
//! Invariants:
//! * Nothing here blocks, except name resolution in [`listener::open`].
//! * An idle open WebSocket owns no buffer, and no declared length becomes an allocation.
//! * A mailbox never loses, reorders or refuses an item, so two shards can not wait for each other.

pub mod listener;
pub mod mailbox;
pub mod memory;
pub mod stream;
pub mod ws;

pub use listener::{Domain, ListenError, ListenSpec, Listener, Opened, TcpSpec};
pub use mailbox::{Bound, Pressure, Receiver, Sender, Wake, Weight, mailbox};
pub use stream::{Input, Socket, Stream};
pub use ws::{ClientWs, ServerWs, WsError, WsSettings};
