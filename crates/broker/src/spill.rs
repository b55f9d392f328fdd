//! Long queues: what of them is on disk too leaves memory, and is read back in pages before it is due.

use crate::deliver::Parts;
use crate::effects::{Effects, Fetch, Fetched, Ticket};
use crate::hold::pop_due;
use crate::host::{Host, Note, NoteKind};
use crate::id::SessionId;
use crate::shard::Shard;
use crate::timers::Timer;
use pondhawk_plants::planted;
use pondhawk_session::server::{Millis, Page, Seq};

/// Bytes of messages in a page, but for the last one; and the next is asked for when fewer are in front of it.
const PAGE_BYTES: usize = 256 << 10;
/// How long to wait before what could not be read is tried again.
const AGAIN_MS: Millis = 1000;

impl<H: Host> Parts<'_, H> {
    /// If the session holds more in memory than it should, what it was just given leaves once the store has it.
    pub(crate) fn spill_later(&mut self, index: u32) {
        let limit = self.settings.queue_memory_bytes;
        let id = SessionId { index, generation: self.sessions.generation(index) };
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if limit == 0 || session.spilling || session.outbox.queue_memory_bytes() <= limit {
            return;
        }
        session.spilling = true;
        // In order, at the cost of some that go a little later.
        let spills = &mut self.holds.spills;
        let last = spills.back().map_or(Ticket(0), |(last, _)| *last);
        spills.push_back((session.rests_on.max(last), (id, session.outbox.last())));
    }

    /// Asks for messages on disk that a connected client is soon to be sent.
    pub(crate) fn read_ahead(&mut self, index: u32, fx: &mut Effects) {
        let id = SessionId { index, generation: self.sessions.generation(index) };
        if let Some(session) = self.sessions.get_mut(index).filter(|session| session.conn.is_some())
            && let Some((from, through)) = session.outbox.ask(PAGE_BYTES)
        {
            let client_id = session.client_id.clone();
            fx.fetch.push(Fetch { session: id, client_id, from, through, bytes: PAGE_BYTES });
        }
    }
}

impl<H: Host> Shard<H> {
    /// The store has everything up to `ticket` where it can be read back: none of it needs to be in memory too. A driver
    /// that never says so need not carry out [`Effects::fetch`].
    pub fn stored(&mut self, ticket: Ticket) {
        let ticket = if planted!(SpilledTooSoon) { Ticket(u64::MAX) } else { ticket };
        while let Some((_, (id, last))) = pop_due(&mut self.holds.spills, ticket) {
            let Some(session) = self.sessions.lookup(id.index, id.generation) else {
                continue;
            };
            session.spilling = false;
            session.outbox.spill(last, self.settings.queue_memory_bytes);
            if session.outbox.last() > last {
                self.delivery_parts().spill_later(id.index);
            }
        }
    }

    /// What was asked for by [`Effects::fetch`].
    pub fn fetched(&mut self, now: Millis, fetched: Fetched, fx: &mut Effects) {
        self.now = now;
        let id = fetched.session;
        let Some(session) = self.sessions.lookup(id.index, id.generation) else {
            return;
        };
        let Some(mut page) = fetched.page else {
            self.timers.set(now + AGAIN_MS, Timer::Fetch(id));
            return;
        };
        if planted!(FetchLosesOne) {
            page.messages.pop();
        }
        let lost = core::mem::take(&mut page.lost);
        let missing = session.outbox.take(Page { lost: lost.clone(), ..page });
        self.forget_lost(id.index, (&lost, missing), fx);
        self.pump(id.index, fx);
    }

    /// Messages cannot be given back. Their numbers are free: a restart must not take them for sent.
    fn forget_lost(&mut self, index: u32, (lost, missing): (&[Seq], usize), fx: &mut Effects) {
        let messages = lost.len() + missing;
        if messages == 0 {
            return;
        }
        for seq in lost {
            self.delivery_parts().dequeued(index, *seq, fx);
        }
        self.counters.publish_dropped += messages as u64;
        if self.host.wants(NoteKind::Error)
            && let Some(session) = self.sessions.get(index)
        {
            self.host.note(&Note::Lost { client: &session.client_id, messages });
        }
    }

    pub(crate) fn fetch_again(&mut self, id: SessionId, fx: &mut Effects) {
        if let Some(session) = self.sessions.lookup(id.index, id.generation) {
            session.outbox.ask_again();
            self.pump(id.index, fx);
        }
    }
}
