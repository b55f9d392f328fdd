//! The tools as programs: what they print, how they end, and that Debian's tools do the same.
//!
//! Tests whose path has `foreign_` in it need Debian's mosquitto and mosquitto-clients.

#![allow(clippy::unwrap_used)]

#[path = "../kit/mod.rs"]
mod kit;

mod alone;
mod beside_debian;
mod our_broker;
mod program;
mod scripted;
mod server;
