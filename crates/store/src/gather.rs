//! Whether to wait a moment before a sync, so that one sync serves what would otherwise need two.
//!
//! A publisher with a window answers a sync with its next messages. Without a wait it falls into halves: while one half
//! is synced the other comes, and each message waits for two syncs. So when the last two syncs carried more than what has
//! come now, the rest is on its way, and it is waited for; where that was in vain, it is tried more and more rarely.

use std::time::Duration;

/// The longest wait, as a part of what a sync takes.
const PART: u32 = 4;
/// And never longer than this.
const LONGEST: Duration = Duration::from_millis(4);
/// Syncs without a wait after many waits in vain.
const RESTS_MAX: u32 = 64;

/// What the last syncs carried.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// Records of the last sync, and of the one before.
    last: u64,
    before: u64,
    /// How long the last one took.
    took: Duration,
    /// Syncs that are still to come without a wait, and as many as there were after the last wait in vain.
    rests: u32,
    rested: u32,
}

impl Gather {
    /// How long to wait for more when so many records have come.
    pub(crate) fn patience(&self, records: u64) -> Duration {
        if self.rests > 0 || !self.more_is_expected(records) {
            return Duration::ZERO;
        }
        (self.took / PART).min(LONGEST)
    }

    /// True if less has come than the last two syncs carried together.
    pub(crate) fn more_is_expected(&self, records: u64) -> bool {
        records > 0 && records < self.last + self.before
    }

    /// A wait is over: from the first to the second number of records.
    pub(crate) fn waited(&mut self, from: u64, to: u64) {
        if to > from {
            self.rested = 0;
        } else {
            self.rested = (self.rested * 2).clamp(1, RESTS_MAX);
            self.rests = self.rested;
        }
    }

    /// A sync is done.
    pub(crate) fn synced(&mut self, records: u64, took: Duration) {
        self.before = std::mem::replace(&mut self.last, records);
        self.took = took;
        self.rests = self.rests.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_millis(4);

    #[test]
    fn two_halves_become_one() {
        let mut gather = Gather::default();
        gather.synced(500, SYNC);
        gather.synced(500, SYNC);
        assert_eq!(gather.patience(500), SYNC / PART);
        gather.waited(500, 1_000);
        assert!(!gather.more_is_expected(1_000));
        assert_eq!(gather.patience(1_000), Duration::ZERO);
    }

    #[test]
    fn a_lone_message_is_hardly_ever_kept_waiting() {
        let mut gather = Gather::default();
        let mut waits = 0;
        for _ in 0..1_000 {
            if gather.patience(1) > Duration::ZERO {
                waits += 1;
                gather.waited(1, 1);
            }
            gather.synced(1, SYNC);
        }
        assert!((1..30).contains(&waits), "{waits}");
    }

    #[test]
    fn nothing_is_not_waited_with_and_no_wait_is_long() {
        let mut gather = Gather::default();
        assert_eq!(gather.patience(1), Duration::ZERO);
        gather.synced(10, Duration::from_secs(1));
        assert_eq!((gather.patience(0), gather.patience(1)), (Duration::ZERO, LONGEST));
    }
}
