//! The store against the naive replay of its records, with crashes, damage and no room.

mod damage;
mod disk;
mod fixture;
mod keeper;
mod kit;
mod medium;
mod model;
mod page;
mod room;
mod tidy;
