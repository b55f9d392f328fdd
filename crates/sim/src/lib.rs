//! The deterministic simulator: shards of the broker under a simulated clock, network and disk, with clients that
//! try them and an oracle that judges.
//!
//! A run does not open a socket or a file, ask the time, or start a thread: one seed decides everything, so that every
//! failure can be had again. Only [`report`] knows threads and clocks, to run many seeds at once.
//!
//! Place: it stands where the driver in `pondhawk-server` stands, above [`pondhawk_broker`]; the shards cannot tell.
//!
//! # A run
//! A [`plan::Plan`] is drawn from the seed: shards, settings, clients. Then [`workload`] lets operations happen in a
//! [`world::World`], with a random number of events between them, while [`shadow::Shadow`] follows every packet and
//! checks what must be true at each step. At the end faults stop, everything settles, and [`oracle`] judges what is
//! left. [`run::run`] does all that for one seed.
#![forbid(unsafe_code)]

pub mod client;
pub mod oracle;
pub mod plan;
pub mod points;
pub mod random;
pub mod reference;
pub mod report;
pub mod run;
pub mod shadow;
pub mod trace;
pub mod workload;
pub mod world;
