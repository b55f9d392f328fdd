//! MQTT 3.1, 3.1.1 and 5.0 on the wire: frames, packets, properties, reason codes, topic names and filters.
//!
//! It does not act on what it decodes: no session state, no routing, no policy, no I/O.
//!
//! Place on the street: [`frame`] cuts one whole frame out of received bytes, [`packet`] turns it into a
//! typed packet that borrows those bytes, and every packet encodes itself by appending to a `Vec<u8>`.
//!
//! # Invariants
//! - Decoding never allocates, never panics and never indexes past the frame, whatever the bytes are.
//! - What decodes is valid: strings are legal MQTT UTF-8, property blocks hold only properties that the
//!   packet may carry, filters and topic names obey the wildcard rules, packet ids are not zero.
//! - A decoded packet encodes back to the same bytes, save for what the sender spelled out without need: a
//!   longer remaining length, or a success code or an empty property block at the end of an acknowledgement,
//!   DISCONNECT or AUTH, and MQTT 3.1's DUP flag on other packets than PUBLISH.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
pub mod frame;
pub mod packet;
pub mod property;
mod qos;
mod read;
pub mod reason;
pub mod text;
pub mod topic;
pub mod varint;
mod version;
mod write;

pub use error::{Kind, Malformed, TooLarge};
pub use frame::{Frame, PacketType};
pub use packet::Packet;
pub use property::{Properties, PropertiesBuf, Property};
pub use qos::Qos;
pub use reason::ReasonCode;
pub use version::Version;

/// A packet identifier: never zero. [MQTT3-2.3.1-1]
pub type PacketId = core::num::NonZeroU16;

/// The largest value of the remaining-length field: 256 MiB less one byte.
pub const REMAINING_LENGTH_MAX: usize = 268_435_455;
