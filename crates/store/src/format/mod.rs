//! How records stand in the engine, to the byte: `docs/formats/store.md` says the same in words.
//!
//! Keys sort by what is read together; values carry a layout number and a checksum over the key and themselves.

mod bytes;
mod clock;
mod key;
mod value;

pub use bytes::Damage;
pub use clock::Clock;
pub use key::{BodyNo, Key, Kind, SessionNo};
pub use value::{Body, Content, Found, LastSource, Opened, Value};

/// The version that is written. A store of a later one is refused, one of an earlier one is read.
pub const VERSION: u32 = 1;
