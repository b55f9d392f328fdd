//! One shard of the broker: sessions, subscriptions, routing, retained messages, wills and the policy
//! decisions about them.
//!
//! It does not know sockets, files, clocks, threads or locks. The driver calls [`Shard`]'s inputs with the
//! time, and carries out what they leave in [`Effects`].
//!
//! Place on the street: behind [`pondhawk_session`], in front of the driver in `pondhawk-server`.
//!
//! # Inputs, in the order of a connection's life
//! [`Shard::open`], [`Shard::receive`] (any number), [`Shard::answer`] (for each question that was asked),
//! [`Shard::written`] and [`Shard::writable`], [`Shard::closed`]. Independent of connections:
//! [`Shard::mail`] (from other shards), [`Shard::durable`], [`Shard::stored`] and [`Shard::fetched`] (from the store),
//! [`Shard::tick`],
//! [`Shard::work`], [`Shard::reload`], [`Shard::publish_system`]. Before all, where there is a store:
//! [`Restored::resolve`] (also of an empty one), [`Restored::split`], [`Shard::restore`], and letters until
//! [`Shard::is_restored`].
//!
//! # Invariants
//! - A client identifier has at most one session, on its home shard ([`Homes`]), and a session at most one
//!   connection.
//! - A publish is matched once on the publisher's shard, and once on each shard that announced an interest.
//! - An acknowledgement that promises durability leaves only after the store's ticket for it.
//! - Nothing is routed or delivered without asking the [`Host`] for the right to it at that moment.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod ack;
mod arena;
mod conn;
mod connack;
mod connect;
mod counters;
mod deliver;
mod disconnect;
mod effects;
mod exchange;
mod hold;
mod home;
mod host;
mod id;
mod ingress;
mod interest;
mod keeping;
mod mail;
mod mark;
mod record;
mod release;
mod replay;
mod resolve;
mod restore;
mod retained;
mod route;
mod session;
mod settings;
mod shard;
mod share;
mod spill;
mod subscribe;
mod timers;
mod trie;
mod will;

pub use conn::{Consumed, ReadState};
pub use counters::Counters;
pub use effects::{Answer, Effects, Fetch, Fetched, Question, Subject, Ticket};
pub use home::Homes;
pub use host::{Ended, Gate, Host, Note, NoteKind, Slot};
pub use id::{ConnId, SessionId, SessionRef, ShardId};
pub use keeping::Keeping;
pub use mail::{Confirm, Mail, weight};
pub use pondhawk_session::server::{
    Delivery, Message, MessageRef, Millis, Origin, OutboxLimits, Page, Run, Seq, Source, SubscriptionIds,
};
pub use record::{Kept, Persist, Place, Release};
pub use resolve::Restart;
pub use restore::{InMemory, Restored, RestoredRelease, RestoredSession, RestoredWill};
pub use settings::{ListenerSettings, Settings};
pub use shard::{Opened, Shard};
pub use will::Will;
