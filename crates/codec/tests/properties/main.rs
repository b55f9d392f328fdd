//! The codec against what the standard says, written down a second time.
//!
//! - [`standard`] holds the standard's tables, typed from its text and not taken from the crate.
//! - [`model`] owns a packet of any type; [`generate`] makes legal ones at random.
//! - [`round_trip`], [`truncation`], [`noise`], [`places`], [`answers`] and [`vectors`] are the tests.

mod answers;
mod generate;
mod model;
mod noise;
mod places;
mod round_trip;
mod standard;
mod truncation;
mod vectors;
