//! The deterministic simulator: shards of the broker under a simulated clock, network and disk, with clients that
//! try them and an oracle that judges.
//!
//! It does not open a socket or a file, ask the time, or start a thread: one seed decides everything, so that every
//! failure can be had again.
//!
//! Place: it stands where the driver in `pondhawk-server` stands, above [`pondhawk_broker`]; the shards cannot tell.
#![forbid(unsafe_code)]

pub mod reference;
