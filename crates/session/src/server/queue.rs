//! Messages that wait behind those in flight: the first of them in memory, the others on disk where there is one.
//!
//! ```text
//! front ◄── taken from here │ stored: runs on disk, and messages that no disk has │ recent ◄── pushed here
//! ```
//!
//! # Invariants
//! - The order of the three parts, and within them, is that of the messages.
//! - `behind` is there only while something is on disk. If `front` is empty then, a run is next.
//! - A run loses its first messages to `front` and nothing else; it gains at its end only.

use super::{Delivery, Message, Seq};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_plants::planted;

/// A message that waits.
#[derive(Debug)]
pub(super) struct Queued {
    /// 0 at QoS 0.
    pub(super) seq: Seq,
    pub(super) message: Arc<Message>,
    pub(super) delivery: Delivery,
}

impl Queued {
    fn size(&self) -> usize {
        self.message.size()
    }
}

/// Messages of one session, one behind the other, that are on disk and not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The number of the first.
    pub from: Seq,
    /// The number of the last.
    pub through: Seq,
    /// How many there are.
    pub messages: usize,
    /// Their sizes together.
    pub bytes: usize,
}

impl Run {
    /// One more is behind those of `run`, if there are any.
    pub fn extend(run: &mut Option<Run>, seq: Seq, size: usize) {
        let run = run.get_or_insert(Run { from: seq, through: seq, messages: 0, bytes: 0 });
        run.push(seq, size);
    }

    /// The rest behind the first message, which is `seq`.
    #[must_use]
    pub fn without_first(self, seq: Seq, size: usize) -> Option<Run> {
        let rest =
            Run { from: Seq(seq.0 + 1), messages: self.messages - 1, bytes: self.bytes - size, ..self };
        (rest.messages > 0).then_some(rest)
    }

    fn push(&mut self, seq: Seq, size: usize) {
        self.through = seq;
        self.messages += 1;
        self.bytes += size;
    }
}

/// Some messages of a run, read from disk.
#[derive(Clone, Debug)]
pub struct Page {
    /// Them, in order.
    pub messages: Vec<(Seq, Arc<Message>, Delivery)>,
    /// Everything up to this number has been looked for.
    pub through: Seq,
    /// Those that are there and damaged.
    pub lost: Vec<Seq>,
}

#[derive(Debug)]
enum Piece {
    Run(Run),
    Message(Queued),
}

#[derive(Debug, Default)]
struct Behind {
    stored: VecDeque<Piece>,
    recent: VecDeque<Queued>,
    messages: usize,
    /// Bytes of runs, and of all else here.
    disk_bytes: usize,
    memory_bytes: usize,
    /// A page of the first run was asked for.
    asked: bool,
}

/// The queue of one session.
#[derive(Debug, Default)]
pub(super) struct Queue {
    front: VecDeque<Queued>,
    /// Bytes of `front`.
    bytes: usize,
    behind: Option<Box<Behind>>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.front.len() + self.behind.as_ref().map_or(0, |behind| behind.messages)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.front.is_empty() && self.behind.is_none()
    }

    /// Bytes of all messages.
    pub(super) fn bytes(&self) -> usize {
        self.memory_bytes() + self.disk_bytes()
    }

    /// Bytes of those in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes + self.behind.as_ref().map_or(0, |behind| behind.memory_bytes)
    }

    /// Bytes of those on disk.
    pub(super) fn disk_bytes(&self) -> usize {
        self.behind.as_ref().map_or(0, |behind| behind.disk_bytes)
    }

    pub(super) fn push(&mut self, queued: Queued) {
        let Some(behind) = &mut self.behind else {
            self.bytes += queued.size();
            self.front.push_back(queued);
            return;
        };
        behind.messages += 1;
        behind.memory_bytes += queued.size();
        behind.recent.push_back(queued);
    }

    /// A run behind all that is here.
    pub(super) fn push_run(&mut self, run: Run) {
        let behind = self.behind.get_or_insert_default();
        debug_assert!(behind.recent.is_empty(), "what is recent has never been on disk");
        behind.messages += run.messages;
        behind.disk_bytes += run.bytes;
        behind.stored.push_back(Piece::Run(run));
    }

    /// The next message, if it is in memory.
    pub(super) fn first(&self) -> Option<&Queued> {
        self.front.front()
    }

    /// Takes the next message, if it is in memory.
    pub(super) fn pop(&mut self) -> Option<Queued> {
        let queued = self.front.pop_front()?;
        self.bytes -= queued.size();
        self.refill();
        Some(queued)
    }

    /// Moves messages that nothing on disk is in front of to the front.
    fn refill(&mut self) {
        let Some(behind) = &mut self.behind else { return };
        let ready = behind.stored.iter().take_while(|piece| matches!(piece, Piece::Message(_))).count();
        for piece in behind.stored.drain(..ready) {
            if let Piece::Message(queued) = piece {
                behind.messages -= 1;
                behind.memory_bytes -= queued.size();
                self.bytes += queued.size();
                self.front.push_back(queued);
            }
        }
        if behind.stored.is_empty() {
            self.bytes += behind.memory_bytes;
            self.front.append(&mut behind.recent);
            self.behind = None;
        }
    }

    /// Forgets messages behind the first `window` bytes, up to the number `durable`: the disk has them.
    pub(super) fn spill(&mut self, durable: Seq, window: usize) {
        if self.behind.is_none() && self.bytes > window {
            let behind = self.behind.get_or_insert_default();
            while self.bytes > window
                && let Some(queued) = self.front.pop_back()
            {
                self.bytes -= queued.size();
                behind.messages += 1;
                behind.memory_bytes += queued.size();
                behind.recent.push_front(queued);
            }
        }
        let Some(behind) = &mut self.behind else { return };
        while behind.recent.front().is_some_and(|queued| queued.seq <= durable)
            && let Some(queued) = behind.recent.pop_front()
        {
            behind.store(queued);
        }
        self.refill();
    }

    /// The first message on disk and the last that may be read with it, if they are to be read now: little of what is
    /// in front of them is left, and nothing was asked for yet.
    pub(super) fn ask(&mut self, page: usize) -> Option<(Seq, Seq)> {
        let behind = self.behind.as_mut().filter(|behind| !behind.asked && self.bytes < page)?;
        let Some(Piece::Run(run)) = behind.stored.front() else {
            return None;
        };
        behind.asked = true;
        Some((run.from, run.through))
    }

    /// What was asked for cannot be read now: it may be asked for again.
    pub(super) fn ask_again(&mut self) {
        if let Some(behind) = &mut self.behind {
            behind.asked = false;
        }
    }

    /// What was asked for has been read. How many messages are neither there nor among those that are damaged.
    pub(super) fn take(&mut self, page: Page) -> usize {
        let Some(behind) = &mut self.behind else { return 0 };
        behind.asked = false;
        let Some(Piece::Run(run)) = behind.stored.front_mut() else {
            return 0;
        };
        let mut left = Run { from: Seq(page.through.0 + 1), ..*run };
        left.messages = left.messages.saturating_sub(page.lost.len());
        let mut messages = page.messages;
        if planted!(PageOutOfOrder) {
            messages.reverse();
        }
        for (seq, message, delivery) in messages {
            let queued = Queued { seq, message, delivery };
            left.messages = left.messages.saturating_sub(1);
            left.bytes = left.bytes.saturating_sub(queued.size());
            self.bytes += queued.size();
            self.front.push_back(queued);
        }
        let is_over = page.through >= run.through;
        let missing = if is_over { core::mem::take(&mut left.messages) } else { 0 };
        if is_over {
            left.bytes = 0;
        }
        behind.messages -= run.messages - left.messages;
        behind.disk_bytes -= run.bytes - left.bytes;
        *run = left;
        if is_over {
            behind.stored.pop_front();
            self.refill();
        }
        missing
    }

    /// Loses the last message.
    pub(super) fn lose_last(&mut self) {
        if let Some(behind) = &mut self.behind {
            if let Some(last) = behind.recent.pop_back() {
                behind.messages -= 1;
                behind.memory_bytes -= last.size();
            }
        } else if let Some(last) = self.front.pop_back() {
            self.bytes -= last.size();
        }
    }

    /// Lets the last message overtake the one in front of it.
    pub(super) fn swap_last(&mut self) {
        let part = self.behind.as_mut().map_or(&mut self.front, |behind| &mut behind.recent);
        if let Some(last) = part.len().checked_sub(1).filter(|last| *last > 0) {
            part.swap(last - 1, last);
        }
    }
}

impl Behind {
    /// A message goes behind what is stored. One of QoS 0 stays in memory: no disk has it.
    fn store(&mut self, queued: Queued) {
        if queued.seq == Seq(0) {
            self.stored.push_back(Piece::Message(queued));
            return;
        }
        self.memory_bytes -= queued.size();
        self.disk_bytes += queued.size();
        match self.stored.back_mut() {
            Some(Piece::Run(run)) => run.push(queued.seq, queued.size()),
            _ => {
                let mut run = None;
                Run::extend(&mut run, queued.seq, queued.size());
                self.stored.extend(run.map(Piece::Run));
            }
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
