//! Planted bugs: the power of the tests, measured.
//!
//! `planted!(Name)` stands in the code where a bug could be, and is the constant `false`. With the feature `on`, which
//! only `cargo xtask plants` uses, it is true for the one plant that the environment variable `PONDHAWK_PLANT` names;
//! then some test has to fail. The bugs are listed in [`Plant`], with the rule that each breaks.
//!
//! It does not know the crates that it is planted in.
//!
//! # Invariant
//! Without the feature there is no plant in the machine code: [`Plant::is_planted`] is then a constant, and this crate
//! is `no_std` as the pure crates that use it are.
#![cfg_attr(not(feature = "on"), no_std)]
#![forbid(unsafe_code)]

mod chosen;
mod table;

pub use table::Plant;
