//! What outlives the process: sessions, subscriptions, queues, retained messages and wills, as the shards record them.
//!
//! It does not know connections or packets: it keeps [`pondhawk_broker`]'s records and gives them back.
//!
//! Place on the street: behind [`pondhawk_broker`]'s effects; the driver hands it a turn's records and is told when
//! they are durable.
#![forbid(unsafe_code)]

pub mod disk;
pub mod engine;
mod error;
pub mod format;
mod keeper;
mod log;
mod recover;

pub use error::StoreError;
pub use format::Clock;
pub use keeper::{Desk, Durability, Event, Figures, Keeper, Told, Wake};
pub use log::{Log, State, Turn};
pub use recover::{Lost, Recovered};
