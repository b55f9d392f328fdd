//! Shards over a virtual wire: one, two and eight of them, with scripted clients of every version, a clock that
//! the tests advance, and mail that is delivered in an order chosen by a seed.

mod auth;
mod bounds;
mod chaos;
mod connect;
mod crash;
mod direct;
mod durable;
mod edges;
mod garbage;
mod held;
mod host;
mod keeping;
mod limits;
mod model;
mod net;
mod notes;
mod qos;
mod restart;
mod retained;
mod rights;
mod routing;
mod sessions;
mod shared;
mod spill;
mod standard;
mod wills;
mod wire;

/// The numbers of shards that a test of routing runs with.
pub const SHARDS: [u8; 3] = [1, 2, 8];
