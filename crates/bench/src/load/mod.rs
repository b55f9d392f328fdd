//! The load generator: one thread, one poll. Before it: a [`workload`](crate::workload) and a broker that listens.
//! After it: the figures of one run.
//!
//! - [`connection`] is a socket with its buffers.
//! - [`engine`] polls many of them, and opens them with CONNECT and SUBSCRIBE.
//! - [`message`] makes payloads and reads them; [`ledger`] keeps the books of what arrived.
//! - [`traffic`], [`idle`] and [`queue`] are the shapes of load.
//! - [`plain`] is a client that waits for each answer.

mod connection;
mod engine;
mod idle;
mod ledger;
mod message;
mod plain;
pub(crate) mod queue;
mod traffic;

pub(crate) use connection::{Connection, SCRATCH_BYTES};
pub(crate) use idle::raise_descriptor_limit;
pub(crate) use message::STAMP_LEN;
pub(crate) use plain::{greet, leave_session};

use crate::broker::Running;
use crate::error::BenchError;
use crate::figure::Figures;
use crate::workload::{Idle, Traffic};
use std::time::Duration;

/// How long nothing may come before a run is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes messages flow and measures that.
///
/// # Errors
/// The broker broke off, or a message was lost, doubled or out of order.
pub(crate) fn traffic(traffic: &Traffic, broker: &Running, time: Duration) -> Result<Figures, BenchError> {
    traffic::measure(traffic, broker, time)
}

/// Opens connections that do nothing and measures them.
///
/// # Errors
/// The broker broke off.
pub(crate) fn idle(idle: &Idle, broker: &Running) -> Result<Figures, BenchError> {
    idle::measure(idle, broker)
}
