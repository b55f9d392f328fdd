//! The store against the naive replay of its records, with crashes, damage and no room.

mod damage;
mod kit;
mod model;
mod room;
