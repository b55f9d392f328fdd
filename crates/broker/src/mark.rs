//! Marks in a connection's output: from each on, it waits until the store has what it rests on.

use crate::effects::Ticket;
use crate::hold::pop_due;
use alloc::collections::VecDeque;

/// Places in the output, with the tickets that they wait for. Both ascend.
#[derive(Debug, Default)]
pub(crate) struct Marks(VecDeque<(Ticket, usize)>);

impl Marks {
    /// Output from `at`, the end of all before, must wait for `ticket`; false if it would have to anyway.
    pub(crate) fn set(&mut self, at: usize, ticket: Ticket) -> bool {
        let new = self.0.back().is_none_or(|(last, _)| *last < ticket);
        if new {
            self.0.push_back((ticket, at));
        }
        new
    }

    /// How much of the output may leave, which then no longer counts; `None` if all of it may.
    pub(crate) fn pass(&mut self, durable: Ticket) -> Option<usize> {
        while pop_due(&mut self.0, durable).is_some() {}
        let (_, at) = self.0.front().copied()?;
        for (_, place) in &mut self.0 {
            *place -= at;
        }
        Some(at)
    }

    /// Where the output that must wait begins.
    pub(crate) fn held_from(&self, durable: Ticket) -> Option<usize> {
        self.0.iter().find(|(ticket, _)| *ticket > durable).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_waits_from_the_first_mark_of_a_ticket_on() {
        let mut marks = Marks::default();
        assert!(marks.set(5, Ticket(1)));
        assert!(!marks.set(9, Ticket(1)), "it waits already");
        assert!(marks.set(20, Ticket(2)));
        let held = [0, 1, 2].map(|durable| marks.held_from(Ticket(durable)));
        assert_eq!(held, [Some(5), Some(20), None]);
        assert_eq!(
            (marks.pass(Ticket(0)), marks.pass(Ticket(1)), marks.pass(Ticket(2))),
            (Some(5), Some(15), None)
        );
    }
}
