//! What several fuzz targets stand on: pieces of a stream, a naive matcher, and shards on a virtual wire.
//!
//! It does not decide what is right: every target says itself what must hold. The virtual wire is the one that the
//! broker's own tests use, so that a crash becomes a test there by copying its operations.

pub mod lone;
pub mod many;
pub mod matching;
pub mod pieces;

#[path = "../../crates/broker/tests/shards/host.rs"]
pub mod host;
#[path = "../../crates/broker/tests/shards/net.rs"]
pub mod net;
#[path = "../../crates/broker/tests/shards/wire.rs"]
pub mod wire;
