//! Deadlines of a shard. An entry may be stale: whoever takes it looks again.

use crate::id::{ConnId, SessionId};
use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use pondhawk_session::server::Millis;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// CONNECT or authentication must be done.
    Connect(ConnId),
    /// Something must have been heard. [MQTT-3.1.2-22] [MQTT3-3.1.2-24]
    KeepAlive(ConnId),
    /// An absent session ends. [MQTT-4.1.0-2]
    SessionExpiry(SessionId),
    /// A delayed will is due. [MQTT-3.1.2-8]
    Will(SessionId),
    /// What could not be read from the store is tried again.
    Fetch(SessionId),
}

#[derive(Debug, PartialEq, Eq)]
struct Due {
    at: Millis,
    order: u64,
    timer: Timer,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    order: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Millis, timer: Timer) {
        self.order += 1;
        self.heap.push(Reverse(Due { at, order: self.order, timer }));
    }

    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// The next timer that is due.
    pub(crate) fn pop(&mut self, now: Millis) -> Option<Timer> {
        if self.deadline()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due.timer)
    }

    /// True if most entries must be stale, given how many there can be of use.
    pub(crate) fn is_bloated(&self, useful: usize) -> bool {
        self.heap.len() > 4 * useful + 1024
    }

    /// Removes the entries that `keep` does not want.
    pub(crate) fn compact(&mut self, mut keep: impl FnMut(Timer) -> bool) {
        self.heap.retain(|Reverse(due)| keep(due.timer));
        self.heap.shrink_to(1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_of_time() {
        let timer = |index| Timer::KeepAlive(ConnId { index, generation: 1 });
        let mut timers = Timers::default();
        timers.set(20, timer(2));
        timers.set(10, timer(1));
        assert_eq!(timers.deadline(), Some(10));
        assert_eq!(timers.pop(9), None);
        assert_eq!(timers.pop(30), Some(timer(1)));
        assert_eq!(timers.pop(30), Some(timer(2)));
        assert_eq!(timers.pop(30), None);
    }

    #[test]
    fn in_order_of_setting_at_one_time() {
        let timer = |index| Timer::KeepAlive(ConnId { index, generation: 1 });
        let mut timers = Timers::default();
        (0..10).for_each(|index| timers.set(5, timer(index)));
        (0..10).for_each(|index| assert_eq!(timers.pop(5), Some(timer(index))));
    }

    #[test]
    fn stale_entries_are_noticed_and_go() {
        let timer = |index| Timer::KeepAlive(ConnId { index, generation: 1 });
        let mut timers = Timers::default();
        // Four for each of two that can be of use, and 1,024 that do not matter.
        (0..1032).for_each(|index| timers.set(u64::from(index), timer(index)));
        assert!(!timers.is_bloated(2));
        timers.set(5000, timer(5000));
        assert!(timers.is_bloated(2) && !timers.is_bloated(3));
        timers.compact(|other| other == timer(7) || other == timer(5000));
        assert_eq!(timers.deadline(), Some(7));
        assert_eq!(
            (timers.pop(9999), timers.pop(9999), timers.pop(9999)),
            (Some(timer(7)), Some(timer(5000)), None)
        );
    }
}
