//! What waits until it is durable, here and on the other shards: acknowledgements in holds, output behind marks.

use crate::arena::Arena;
use crate::conn::Conn;
use crate::effects::{Effects, Ticket};
use crate::host::Host;
use crate::id::{ConnId, SessionId, ShardId};
use crate::mail::Mail;
use crate::record::{Persist, Release};
use crate::settings::Settings;
use crate::shard::Shard;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use pondhawk_codec::{PacketId, PacketType, ReasonCode};
use pondhawk_plants::planted;
use pondhawk_session::server::Seq;

/// What happens once all is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The client gets its acknowledgement.
    Ack { conn: ConnId, packet_type: PacketType, id: PacketId, code: ReasonCode },
    /// The shard that asked is told.
    Confirm { shard: ShardId, token: u32 },
    /// A SUBACK has one thing less to wait for.
    Suback { token: u32 },
    /// The session's QoS 2 message is everywhere: its client gets PUBCOMP.
    Pubcomp { session: SessionId, id: PacketId },
    /// A will is everywhere, of which nobody is told.
    Nothing,
}

#[derive(Debug)]
struct Hold {
    /// Confirmations that are missing, and one more while it is being set up.
    missing: u32,
    /// The last ticket that was taken for it.
    ticket: Option<Ticket>,
    /// The message that it waits for, if that is under way by a record.
    release: Option<Release>,
    /// The connection that is not listened to while too much waits, and the bytes that wait for it.
    charged: Option<(ConnId, usize)>,
    then: Then,
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Holds {
    holds: Option<Arena<Hold>>,
    by_ticket: VecDeque<(Ticket, u32)>,
    /// Connections whose output has marks, by the ticket that lets some of it go.
    held: VecDeque<(Ticket, ConnId)>,
    /// Clients whose session or will changed, with the ticket of that, until it is durable.
    changed: BTreeMap<Arc<str>, Ticket>,
    /// All up to this one is durable.
    durable: Ticket,
    /// The hold that persist records of this moment belong to.
    current: Option<u32>,
    /// Bytes of the messages that acknowledgements wait for.
    bytes: usize,
    /// Sessions whose messages, up to a number, leave memory when the store has this.
    pub(crate) spills: VecDeque<(Ticket, (SessionId, Seq))>,
}

/// The next that a durable ticket lets go.
pub(crate) fn pop_due<T>(queue: &mut VecDeque<(Ticket, T)>, durable: Ticket) -> Option<(Ticket, T)> {
    if queue.front()?.0 > durable { None } else { queue.pop_front() }
}

impl Holds {
    /// From now on until [`Shard::end_hold`], records and letters belong to a new hold.
    pub(crate) fn begin(&mut self, then: Then) -> u32 {
        let hold = Hold { missing: 1, ticket: None, release: None, charged: None, then };
        let (token, _) = self.holds.get_or_insert_with(Arena::new).insert(hold);
        self.current = Some(token);
        token
    }

    /// A record was made: the current hold waits for its ticket.
    pub(crate) fn persisted(&mut self, ticket: Ticket) {
        if let Some(hold) = self.current_hold() {
            hold.ticket = Some(ticket);
        }
    }

    /// The message of the current hold is under way by a record.
    pub(crate) fn set_out(&mut self, release: Release) {
        if let Some(hold) = self.current_hold() {
            hold.release = Some(release);
        }
    }

    /// The token for another shard's confirmation, which the current hold then waits for.
    pub(crate) fn expect(&mut self) -> Option<u32> {
        let token = self.current?;
        self.current_hold()?.missing += 1;
        Some(token)
    }

    /// Output from `at` on leaves once `ticket` is durable.
    pub(crate) fn mark(&mut self, (id, conn): (ConnId, &mut Conn), at: usize, ticket: Ticket) {
        if ticket > self.durable && !planted!(OutputBeforeSync) && conn.hold_from(at, ticket) {
            // In order, at the cost of waking some a little later.
            let last = self.held.back().map_or(ticket, |(last, _)| *last);
            self.held.push_back((ticket.max(last), id));
        }
    }

    /// The record behind `ticket` says that a session, or a will, begins, ends or changes.
    pub(crate) fn change(&mut self, client_id: Arc<str>, ticket: Ticket) {
        self.changed.insert(client_id, ticket);
    }

    /// What a CONNACK to this client waits for.
    pub(crate) fn told_of(&self, client_id: &str) -> Ticket {
        self.changed.get(client_id).copied().unwrap_or_default()
    }

    /// All up to this is durable.
    pub(crate) fn durable(&self) -> Ticket {
        self.durable
    }

    /// Acknowledgements and confirmations that wait.
    pub(crate) fn len(&self) -> usize {
        self.holds.as_ref().map_or(0, Arena::len)
    }

    /// True if so much waits for the store that a connection which waits itself is not listened to.
    pub(crate) fn are_full(&self, settings: &Settings) -> bool {
        let over = |limit: usize, value: usize| limit != 0 && value >= limit;
        over(settings.max_waiting_messages, self.len()) || over(settings.max_waiting_bytes, self.bytes)
    }

    fn set_durable(&mut self, ticket: Ticket) {
        if ticket <= self.durable {
            return;
        }
        self.durable = ticket;
        let durable = self.durable;
        self.changed.retain(|_, ticket| *ticket > durable);
    }

    fn current_hold(&mut self) -> Option<&mut Hold> {
        let token = self.current?;
        self.holds.as_mut()?.get_mut(token)
    }
}

impl<H: Host> Shard<H> {
    /// Everything that the hold depends on has been started.
    pub(crate) fn end_hold(&mut self, token: u32, fx: &mut Effects) {
        self.holds.current = None;
        let Some(hold) = self.holds.holds.as_mut().and_then(|holds| holds.get_mut(token)) else {
            return;
        };
        let told = matches!(hold.then, Then::Confirm { .. });
        let rash = if told { planted!(ConfirmedTooSoon) } else { planted!(AckBeforeSync) };
        if let Some(ticket) = hold.ticket.filter(|ticket| *ticket > self.holds.durable && !rash) {
            hold.missing += 1;
            self.holds.by_ticket.push_back((ticket, token));
        }
        self.release_hold(token, fx);
    }

    /// Ends a hold like [`end_hold`](Self::end_hold); if it has to wait, the connection has `bytes` more that do.
    pub(crate) fn end_charged_hold(&mut self, token: u32, (conn, bytes): (ConnId, usize), fx: &mut Effects) {
        if let (Some(hold), Some(state)) =
            (self.holds.current_hold(), self.conns.lookup(conn.index, conn.generation))
        {
            hold.charged = Some((conn, bytes));
            state.waiting += 1;
            self.holds.bytes += bytes;
        }
        self.end_hold(token, fx);
    }

    /// The store has made everything up to `ticket` durable.
    pub fn durable(&mut self, now: crate::Millis, ticket: Ticket, fx: &mut Effects) {
        self.now = now;
        self.holds.set_durable(ticket);
        while let Some((_, conn)) = pop_due(&mut self.holds.held, ticket) {
            if let Some(state) = self.conns.lookup(conn.index, conn.generation) {
                state.mark(conn, &mut fx.dirty);
            }
        }
        while let Some((_, token)) = pop_due(&mut self.holds.by_ticket, ticket) {
            self.release_hold(token, fx);
        }
    }

    /// One thing less is missing.
    pub(crate) fn release_hold(&mut self, token: u32, fx: &mut Effects) {
        let Some(holds) = self.holds.holds.as_mut() else {
            return;
        };
        let Some(hold) = holds.get_mut(token) else { return };
        hold.missing -= 1;
        if hold.missing > 0 {
            return;
        }
        let Some(Hold { then, charged, release, .. }) = holds.remove(token) else {
            return;
        };
        if let Some((conn, bytes)) = charged {
            self.holds.bytes -= bytes;
            if let Some(state) = self.conns.lookup(conn.index, conn.generation) {
                state.waiting -= 1;
                // It is listened to again, even if it gets no acknowledgement now.
                state.mark(conn, &mut fx.dirty);
            }
        }
        if let Some(release) = release {
            fx.persist(Persist::Routed { release });
        }
        match then {
            Then::Ack { conn, packet_type, id, code } => {
                if self.conns.lookup(conn.index, conn.generation).is_some_and(|state| state.is_connected()) {
                    self.send_ack((conn.index, packet_type), id, code, fx);
                }
            }
            Then::Confirm { shard, token } => fx.mail.push((shard, Mail::Confirmed { token })),
            Then::Suback { token } => self.suback_step(token, fx),
            Then::Pubcomp { session, id } => self.complete((session, id), token, fx),
            Then::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_of_until_they_are_durable() {
        let mut holds = Holds::default();
        holds.change("a".into(), Ticket(3));
        holds.change("b".into(), Ticket(5));
        holds.set_durable(Ticket(4));
        assert_eq!((holds.told_of("a"), holds.told_of("b")), (Ticket(0), Ticket(5)));
        holds.set_durable(Ticket(5));
        assert_eq!(holds.told_of("b"), Ticket(0));
    }
}
