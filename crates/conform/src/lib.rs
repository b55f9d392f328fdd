//! Does a broker do what the standard says? Packet vectors as data, and a runner that plays them against the pure
//! core, a running daemon, or any host.
//!
//! A vector ([`Vector`]) is a short script: what is sent, byte for byte, and what must come back. [`catalogue`] reads
//! them all, [`run`] plays them over a [`Transport`], [`Report`] tells the result to a reader or as JSON.
//!
//! It does not judge speed, and it never runs load. Encoder and decoder are its own and not those of
//! `pondhawk-codec`, so that a mistake there cannot agree with itself.
//!
//! Place: beside the street; it speaks to a broker as a client does.
//!
//! # Invariants
//! - A vector touches no topic and no client identifier that does not begin with the run's own prefix, and leaves no
//!   session and no retained message behind.
//! - A verdict is never decided by a time-out alone where the peer can be asked: "nothing more" is an answered ping.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod dissect;

mod catalogue;
mod core;
mod expand;
mod packet;
mod pattern;
mod peer;
mod play;
mod probe;
mod report;
mod rules;
mod run;
mod script;
mod tcp;
mod text;
mod transport;
mod verdict;

pub use catalogue::{Vector, catalogue};
pub use core::Core;
pub use play::Failure;
pub use probe::{Abilities, probe};
pub use report::{Detail, Report};
pub use rules::rule;
pub use run::{Selection, Setup, Trial, run, trials};
pub use tcp::Tcp;
pub use text::Mistake;
pub use transport::{Heard, Link, Patience, Transport};
pub use verdict::{Difference, Played, Said, Verdict};
