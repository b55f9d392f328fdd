//! Crashes: clients load the broker, the broker dies at random moments, and a ledger outside of it says whether what it
//! acknowledged is still there.
//!
//! `cargo xtask crash` runs it; `docs/crashes.md` says what is checked. It has encoder, decoder and clients of its own and
//! shares no code with the product, so that a mistake of the product cannot excuse itself here.
//!
//! # Invariant
//! `ledger` decides, and nothing else: it is a pure book of what was sent, acknowledged and received. A deadline only
//! ends a wait; what is missing then is a fault.
#![forbid(unsafe_code)]

mod args;
mod broker;
mod chance;
mod client;
mod disk;
mod gate;
mod ledger;
mod report;
mod run;
mod wire;

pub use run::main;
