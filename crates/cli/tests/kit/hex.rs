//! Bytes as text: dumps for failure messages, and the little language that case files are written in, which is that
//! of the conformance vectors ([`pondhawk_conform::bytes`]).

use pondhawk_conform::bytes::{self, Scope};

pub use pondhawk_conform::bytes::noise;
pub use pondhawk_conform::dissect::dump;

/// Reads the language; panics with the offending place, as a case file is part of the test.
#[track_caller]
pub fn parse(text: &str) -> Vec<u8> {
    bytes::parse(text, &Scope::default()).unwrap_or_else(|mistake| panic!("{mistake}"))
}
