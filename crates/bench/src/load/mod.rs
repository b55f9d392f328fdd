//! The load generator: one thread, one poll. Before it: a [`workload`](crate::workload) and a broker that listens.
//! After it: the figures of one run.
//!
//! - [`connection`] is a socket with its buffers.
//! - [`engine`] polls many of them, and opens them with CONNECT and SUBSCRIBE.
//! - [`message`] makes payloads and reads them; [`ledger`] keeps the books of what arrived.
//! - [`traffic`] and [`idle`] are the shapes of load.

mod connection;
mod engine;
mod idle;
mod ledger;
mod message;
mod traffic;

pub(crate) use connection::{Connection, SCRATCH_BYTES};
pub(crate) use idle::raise_descriptor_limit;
pub(crate) use message::STAMP_LEN;

use crate::broker::Running;
use crate::error::BenchError;
use crate::figure::Figures;
use crate::workload::Shape;
use std::time::Duration;

/// How long nothing may come before a run is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the load of one run and measures it.
///
/// # Errors
/// The broker broke off, or a message was lost, doubled or out of order.
pub(crate) fn measure(shape: &Shape, broker: &Running, measured: Duration) -> Result<Figures, BenchError> {
    match shape {
        Shape::Traffic(traffic) => traffic::measure(traffic, broker, measured),
        Shape::Idle(idle) => idle::measure(idle, broker),
    }
}
