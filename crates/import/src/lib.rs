//! What Mosquitto has kept in a `mosquitto.db`, as the records that a shard would have made of it.
//!
//! It does not know where records go, and opens no file: bytes in, records and a report out.
//!
//! Place on the street: beside it. It runs once, before the first shard does.
//!
//! # Invariants
//! - No length in the file is believed: whatever the bytes are, reading allocates no more than a few times their number,
//!   and does not panic.
//! - Nothing is left out without being counted in the [`Report`].
#![forbid(unsafe_code)]

mod chunk;
mod error;
mod gather;
mod message;
mod report;
mod session;

pub use error::ImportError;
pub use gather::{Imported, Surroundings, read};
pub use report::{LeftOut, Report};
