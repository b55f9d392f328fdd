//! Everything that the crate does, seen from outside.

mod accepted;
mod docs;
mod files;
mod listeners;
mod memory_host;
mod random;
mod refusals;
mod reload;
