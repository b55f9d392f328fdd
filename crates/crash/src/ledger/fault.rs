//! What the broker did wrong.

use std::collections::BTreeMap;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Acknowledged, and never delivered.
    Lost,
    /// Delivered twice at QoS 2.
    Twice,
    /// Out of order within one publisher, topic and QoS.
    Order,
    /// Not what was sent, or never sent at all.
    Wrong,
    /// A retained message that is too old, or none.
    Retained,
    /// A will that is missing, too many, or was called off.
    Will,
    /// A session that the broker had confirmed is gone.
    Session,
    /// The broker did not start, died by itself, or reports a loss.
    Broker,
    /// It acknowledged what it cannot have kept, or stopped serving what needs no disk.
    Disk,
}

impl Kind {
    /// All of them, with what a report calls them.
    pub(crate) const ALL: [(Kind, &'static str); 9] = [
        (Kind::Lost, "lost"),
        (Kind::Twice, "twice_at_qos_2"),
        (Kind::Order, "out_of_order"),
        (Kind::Wrong, "wrong"),
        (Kind::Retained, "retained"),
        (Kind::Will, "will"),
        (Kind::Session, "session"),
        (Kind::Broker, "broker"),
        (Kind::Disk, "disk"),
    ];
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// Texts that are kept of each kind; all are counted.
const TEXTS_MAX: u64 = 8;

/// All faults.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    counts: BTreeMap<Kind, u64>,
    kept: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        let count = self.counts.entry(fault.kind).or_default();
        *count += 1;
        if *count <= TEXTS_MAX {
            self.kept.push(fault);
        }
    }

    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().map(|fault| fault.text.as_str())
    }
}
