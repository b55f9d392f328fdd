//! What came of an import, in numbers.

use std::collections::BTreeMap;
use std::fmt;

/// What was found, and what of it is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The format of the file.
    pub format: u32,
    /// Sessions.
    pub sessions: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for their clients, those in flight included.
    pub queued: usize,
    /// Those of them that were sent already.
    pub in_flight: usize,
    /// QoS 2 messages of clients that have not released them.
    pub received: usize,
    /// Retained messages.
    pub retained: usize,
    /// What is left out, by reason.
    pub left_out: BTreeMap<&'static str, LeftOut>,
}

/// Things that are left out for the same reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many.
    pub count: usize,
    /// One of them.
    pub example: String,
}

impl Report {
    pub(crate) fn leave_out(&mut self, why: &'static str, example: impl FnOnce() -> String) {
        let left_out = self.left_out.entry(why).or_default();
        if left_out.count == 0 {
            left_out.example = example();
        }
        left_out.count += 1;
    }

    /// True if there is nothing to import.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions == 0 && self.retained == 0
    }

    /// A line for each reason for which something is left out.
    pub fn left_out_lines(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|(why, LeftOut { count, example })| match count {
            1 => format!("left out: {example}: {why}"),
            _ => format!("left out {count} times: {why}, as {example}"),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sessions with {} subscriptions and {} messages ({} of them in flight), {} unreleased QoS 2 messages, \
             {} retained messages",
            self.sessions, self.subscriptions, self.queued, self.in_flight, self.received, self.retained
        )
    }
}
