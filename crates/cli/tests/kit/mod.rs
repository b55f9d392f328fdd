//! What the end-to-end tests share: a broker process under observation and MQTT peers that speak raw bytes.
//!
//! Nothing here uses the crates under test, but for the language of [`hex`], which `pondhawk-conform` has for its
//! vectors and which encodes by itself. The encoder ([`packet`]), the decoder ([`decode`]) and the
//! WebSocket client ([`ws`]) are written a second time on purpose, so that a mistake in our codec cannot
//! agree with itself. Every wait has a deadline; nothing sleeps for a fixed time.
//!
//! The broker is the `pondhawk` binary of this build. With `PONDHAWK_BROKER=/usr/sbin/mosquitto` in the
//! environment the same tests run against another broker, which is how the expectations were found.

// Each test binary includes this module and uses its own part of it.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

pub mod accounts;
pub mod broker;
pub mod client;
pub mod decode;
pub mod hex;
pub mod packet;
pub mod patience;
pub mod process;
pub mod sys;
pub mod ws;

pub use broker::{Broker, Conf};
pub use client::Client;
pub use packet::{Connect, Publish, Subscribe, V3, V4, V5, Version};
pub use patience::{SECOND, poll};
pub use sys::Sys;
