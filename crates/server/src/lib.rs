//! The broker as a process: shards on their threads, and the control plane around them.
//!
//! It holds no protocol logic: that is in `pondhawk-broker`. It reads the configuration, opens listeners,
//! starts one [`pump`] a shard, and answers to signals.
//!
//! Place on the street: above everything but the command line.
//!
//! # Invariants
//! - A pump never blocks but in its poll; what takes time goes to the authenticator or the log's thread.
//! - A reload that fails changes nothing.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
pub mod authenticator;
pub mod banner;
pub mod boot;
mod control;
mod durable;
pub mod logging;
pub mod process;
pub mod pump;
mod run;
mod start;
mod state_home;
pub mod sys;
pub mod takeover;
pub mod translate;

pub use run::{StartError, run, run_with};
