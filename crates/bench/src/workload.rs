//! The workloads: one table. Before it: the command line picks. After it: [`load`](crate::load) makes the load.

use crate::figure::Metric;
use pondhawk_codec::{Qos, Version};
use std::time::Duration;

/// A workload of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    /// The name that `--only` and the report use.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) shape: Shape,
    /// What Pondhawk must reach.
    pub(crate) floor: Option<Floor>,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Messages flow.
    Traffic(Traffic),
    /// Connections stand and do nothing.
    Idle(Idle),
    /// Messages are acknowledged and kept for a client that is away.
    Queue {
        /// Messages that may wait for their acknowledgement.
        window: u64,
    },
    /// Very much is kept when the broker is ended and started again.
    Backlog(Backlog),
}

/// What a broker that is ended and started again has kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Backlog {
    /// Messages for one client that is away.
    #[default]
    Queued,
    /// Retained messages, a topic each.
    Retained,
}

/// Who hears whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One topic a publisher; subscriber n hears publisher n alone.
    Pairs,
    /// One topic; every subscriber hears the one publisher.
    FanOut,
    /// One topic a publisher; every subscriber hears all by a wildcard.
    FanIn,
}

/// Messages flow from publishers to subscribers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// Who hears whom.
    pub(crate) topology: Topology,
    /// Number of publishing connections.
    pub(crate) publishers: usize,
    /// Number of subscribing connections.
    pub(crate) subscribers: usize,
    /// Of messages and subscriptions.
    pub(crate) qos: Qos,
    /// Of all connections.
    pub(crate) version: Version,
    /// Whether messages stay with the broker.
    pub(crate) retain: bool,
    /// At least [`STAMP_LEN`](crate::load::STAMP_LEN).
    pub(crate) payload_bytes: usize,
    /// Messages of one publisher that may be on the way.
    pub(crate) window: u64,
    /// Time between two messages of a publisher; without it, as fast as the window allows.
    pub(crate) pace: Option<Duration>,
}

/// Connections that do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    /// How many.
    pub(crate) connections: usize,
    /// Whether each subscribes to a topic of its own.
    pub(crate) subscribed: bool,
}

/// What Pondhawk must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Floor {
    /// A share of Mosquitto's figure at most.
    Ratio(Metric, f64),
    /// A share of Mosquitto's figure at least.
    RatioAtLeast(Metric, f64),
    /// A figure at most.
    AtMost(Metric, f64),
}

impl Floor {
    /// The figure that is judged.
    pub(crate) fn metric(self) -> Metric {
        match self {
            Floor::Ratio(metric, _) | Floor::RatioAtLeast(metric, _) | Floor::AtMost(metric, _) => metric,
        }
    }
}

impl Workload {
    /// True if every subscriber hears every message at QoS 0, which is all that the do-nothing relay can do.
    pub(crate) fn suits_relay(&self) -> bool {
        match self.shape {
            Shape::Traffic(traffic) => {
                traffic.topology != Topology::Pairs
                    && traffic.qos == Qos::AtMostOnce
                    && traffic.version != Version::V5
            }
            // Both ends of ten thousand connections in one process are more than its descriptors allow.
            Shape::Idle(_) | Shape::Queue { .. } | Shape::Backlog(_) => false,
        }
    }
}

/// 1 to 100 at QoS 0, the workload that the others differ from.
const FAN_OUT: Traffic = Traffic {
    topology: Topology::FanOut,
    publishers: 1,
    subscribers: 100,
    qos: Qos::AtMostOnce,
    version: Version::V311,
    retain: false,
    payload_bytes: 64,
    window: 200,
    pace: None,
};

const PAIRS: Traffic =
    Traffic { topology: Topology::Pairs, publishers: 20, subscribers: 20, window: 100, ..FAN_OUT };

const fn traffic(name: &'static str, traffic: Traffic, floor: Option<Floor>) -> Workload {
    assert!(traffic.payload_bytes >= crate::load::STAMP_LEN, "no room for the stamp");
    Workload { name, shape: Shape::Traffic(traffic), floor }
}

const fn idle(name: &'static str, subscribed: bool, floor: Option<Floor>) -> Workload {
    let shape = Shape::Idle(Idle { connections: 10_000, subscribed });
    Workload { name, shape, floor }
}

const fn ratio(at_most: f64) -> Option<Floor> {
    Some(Floor::Ratio(Metric::CpuPerDelivery, at_most))
}

/// The messages that are kept.
pub(crate) const KEPT: Traffic =
    Traffic { qos: Qos::AtLeastOnce, payload_bytes: 100, window: 1_000, subscribers: 1, ..FAN_OUT };

const fn durable(name: &'static str, shape: Shape, floor: Option<Floor>) -> Workload {
    Workload { name, shape, floor }
}

/// The workloads of `durable`: what is acknowledged is kept.
pub(crate) const DURABLE: &[Workload] = &[
    durable("queue-200", Shape::Queue { window: 200 }, None),
    durable(
        "queue-1000",
        Shape::Queue { window: 1_000 },
        Some(Floor::RatioAtLeast(Metric::AckedThroughput, 1.0)),
    ),
    durable("backlog", Shape::Backlog(Backlog::Queued), None),
    durable("retained", Shape::Backlog(Backlog::Retained), None),
];

/// All workloads without a store, in the order in which they run.
pub(crate) const WORKLOADS: &[Workload] = &[
    traffic("fan-out-100-q0", FAN_OUT, ratio(0.15)),
    traffic("fan-out-100-q1", Traffic { qos: Qos::AtLeastOnce, window: 100, ..FAN_OUT }, None),
    traffic(
        "fan-in-50-q0",
        Traffic { topology: Topology::FanIn, publishers: 50, subscribers: 1, window: 100, ..FAN_OUT },
        None,
    ),
    traffic("pairs-20-q0", PAIRS, ratio(0.25)),
    traffic("pairs-20-q0-v5", Traffic { version: Version::V5, ..PAIRS }, None),
    traffic("pairs-20-q1", Traffic { qos: Qos::AtLeastOnce, ..PAIRS }, ratio(0.25)),
    traffic("pairs-20-q2", Traffic { qos: Qos::ExactlyOnce, ..PAIRS }, None),
    traffic("pairs-20-q0-4k", Traffic { payload_bytes: 4096, ..PAIRS }, None),
    traffic("latency", Traffic { subscribers: 10, pace: Some(Duration::from_millis(1)), ..FAN_OUT }, None),
    idle("idle", false, Some(Floor::AtMost(Metric::BytesPerConnection, 1024.0))),
    idle("idle-subscribed", true, None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for window in DURABLE.iter().filter_map(|workload| match workload.shape {
            Shape::Queue { window } => Some(window),
            _ => None,
        }) {
            assert!(window > 0 && window < 60_000);
        }
        for (i, workload) in WORKLOADS.iter().enumerate() {
            assert!(WORKLOADS[..i].iter().all(|other| other.name != workload.name));
            let Shape::Traffic(traffic) = workload.shape else {
                continue;
            };
            // A packet identifier is free again before it comes round.
            assert!(traffic.window > 0 && traffic.window < 60_000, "{}", workload.name);
            match traffic.topology {
                Topology::Pairs => assert_eq!(traffic.publishers, traffic.subscribers, "{}", workload.name),
                Topology::FanOut => assert_eq!(traffic.publishers, 1, "{}", workload.name),
                Topology::FanIn => {}
            }
        }
    }
}
