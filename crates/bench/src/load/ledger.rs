//! The books of one subscriber: which messages of each publisher came, and what went wrong.

use std::collections::BTreeSet;

/// What one subscriber got from one publisher.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// The number that comes next when nothing goes wrong.
    next: u64,
    /// Numbers below `next` that have not come.
    missing: BTreeSet<u64>,
    doubled: u64,
    disordered: u64,
}

impl Ledger {
    /// Message `number` came.
    pub(crate) fn record(&mut self, number: u64) {
        if number == self.next {
            self.next += 1;
        } else if number > self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
        } else if self.missing.remove(&number) {
            self.disordered += 1;
        } else {
            self.doubled += 1;
        }
    }

    /// All messages below this number have come.
    pub(crate) fn complete(&self) -> u64 {
        self.missing.first().copied().unwrap_or(self.next)
    }

    /// Adds what is wrong, if `sent` messages were sent.
    pub(crate) fn audit(&self, sent: u64, total: &mut Faults) {
        total.lost += self.missing.len() as u64 + sent.saturating_sub(self.next);
        total.doubled += self.doubled;
        total.disordered += self.disordered;
    }
}

/// What went wrong, over all subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) disordered: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(numbers: &[u64], sent: u64) -> (u64, Faults) {
        let mut ledger = Ledger::default();
        for number in numbers {
            ledger.record(*number);
        }
        let mut faults = Faults::default();
        ledger.audit(sent, &mut faults);
        (ledger.complete(), faults)
    }

    fn faults(lost: u64, doubled: u64, disordered: u64) -> Faults {
        Faults { lost, doubled, disordered }
    }

    #[test]
    fn all_is_well() {
        assert_eq!(audit(&[0, 1, 2], 3), (3, faults(0, 0, 0)));
    }

    #[test]
    fn loss_in_the_middle_and_at_the_end() {
        assert_eq!(audit(&[0, 3], 6), (1, faults(4, 0, 0)));
        assert_eq!(audit(&[], 2), (0, faults(2, 0, 0)));
    }

    #[test]
    fn doubles() {
        assert_eq!(audit(&[0, 0, 1, 0], 2), (2, faults(0, 2, 0)));
    }

    #[test]
    fn disorder() {
        assert_eq!(audit(&[0, 2, 1, 1], 3), (3, faults(0, 1, 1)));
    }
}
