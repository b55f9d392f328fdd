//! Side by side measurements: Pondhawk and other MQTT brokers under the same load on the same machine.
//!
//! It does not look inside a broker: it starts one as a user would, loads it over loopback sockets, and reads
//! what the kernel says about the process. It does not keep history; it prints and it judges.
//!
//! Its place is beside the street: nothing depends on it, and of the product it takes only the codec.
//!
//! # Invariants
//! - Every message is numbered. One that is lost, doubled or out of order voids the run.
//! - Contenders run in turn, A B A B, each run on a process of its own with the same settings; figures are medians.
//! - The load is a closed loop: no more than a window of messages is ever undelivered, so that no broker is asked
//!   to drop. Every wait has a deadline.
//! - The load generator is one thread that makes one read and one write per connection and turn.

mod args;
mod broker;
mod disk;
mod durable;
mod error;
mod figure;
mod load;
mod meter;
mod page;
mod relay;
mod report;
mod run;
mod workload;

pub use run::run;
