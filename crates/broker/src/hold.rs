//! Acknowledgements that wait until what they promise is durable, here and on the other shards.

use crate::arena::Arena;
use crate::conn::Conn;
use crate::effects::{Effects, Ticket};
use crate::host::Host;
use crate::id::{ConnId, ShardId};
use crate::mail::Mail;
use crate::shard::Shard;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use pondhawk_codec::{PacketId, PacketType, ReasonCode};

/// What happens once all is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// The client gets its acknowledgement.
    Ack { conn: ConnId, packet_type: PacketType, id: PacketId, code: ReasonCode },
    /// The shard that asked is told.
    Confirm { shard: ShardId, token: u32 },
    /// A SUBACK has one thing less to wait for.
    Suback { token: u32 },
}

#[derive(Debug)]
struct Hold {
    /// Confirmations that are missing, and one more while it is being set up.
    missing: u32,
    /// The last ticket that was taken for it.
    ticket: Option<Ticket>,
    then: Then,
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Holds {
    holds: Option<Arena<Hold>>,
    by_ticket: VecDeque<(Ticket, u32)>,
    /// Connections whose output has marks, by the ticket that lets some of it go.
    held: VecDeque<(Ticket, ConnId)>,
    /// Clients whose session or will changed, by the ticket of that, until it is durable.
    changes: VecDeque<(Ticket, Arc<str>)>,
    changed: BTreeMap<Arc<str>, Ticket>,
    /// All up to this one is durable.
    durable: Ticket,
    /// The hold that persist records of this moment belong to.
    current: Option<u32>,
}

impl Holds {
    /// From now on until [`Shard::end_hold`], records and letters belong to a new hold.
    pub(crate) fn begin(&mut self, then: Then) -> u32 {
        let hold = Hold { missing: 1, ticket: None, then };
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

    /// The token for another shard's confirmation, which the current hold then waits for.
    pub(crate) fn expect(&mut self) -> Option<u32> {
        let token = self.current?;
        self.current_hold()?.missing += 1;
        Some(token)
    }

    /// Output from `at` on leaves once `ticket` is durable.
    pub(crate) fn mark(&mut self, (id, conn): (ConnId, &mut Conn), at: usize, ticket: Ticket) {
        if ticket > self.durable && conn.hold_from(at, ticket) {
            // In order, at the cost of waking some a little later.
            let last = self.held.back().map_or(ticket, |(last, _)| *last);
            self.held.push_back((ticket.max(last), id));
        }
    }

    /// The record behind `ticket` says that a session, or a will, begins, ends or changes.
    pub(crate) fn change(&mut self, client_id: Arc<str>, ticket: Ticket) {
        self.changes.push_back((ticket, client_id.clone()));
        self.changed.insert(client_id, ticket);
    }

    /// What a CONNACK to this client waits for.
    pub(crate) fn told_of(&self, client_id: &str) -> Ticket {
        self.changed.get(client_id).copied().unwrap_or_default()
    }

    fn forget_changes(&mut self) {
        while let Some((ticket, client_id)) = self.changes.pop_front_if(|(at, _)| *at <= self.durable) {
            if self.changed.get(&client_id) == Some(&ticket) {
                self.changed.remove(&client_id);
            }
        }
    }

    /// All up to this is durable.
    pub(crate) fn durable(&self) -> Ticket {
        self.durable
    }

    pub(crate) fn len(&self) -> usize {
        self.holds.as_ref().map_or(0, Arena::len)
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
        if let Some(ticket) = hold.ticket.filter(|ticket| *ticket > self.holds.durable) {
            hold.missing += 1;
            self.holds.by_ticket.push_back((ticket, token));
        }
        self.release_hold(token, fx);
    }

    /// The store has made everything up to `ticket` durable.
    pub fn durable(&mut self, now: crate::Millis, ticket: Ticket, fx: &mut Effects) {
        self.now = now;
        self.holds.durable = self.holds.durable.max(ticket);
        self.holds.forget_changes();
        while let Some((_, conn)) = self.holds.held.pop_front_if(|(due, _)| *due <= ticket) {
            if let Some(state) = self.conns.lookup(conn.index, conn.generation) {
                state.mark(conn, &mut fx.dirty);
            }
        }
        while let Some((due, token)) = self.holds.by_ticket.front().copied() {
            if due > ticket {
                return;
            }
            self.holds.by_ticket.pop_front();
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
        let then = hold.then;
        holds.remove(token);
        match then {
            Then::Ack { conn, packet_type, id, code } => {
                if self.conns.lookup(conn.index, conn.generation).is_some_and(|state| state.is_connected()) {
                    self.send_ack((conn.index, packet_type), id, code, fx);
                }
            }
            Then::Confirm { shard, token } => fx.mail.push((shard, Mail::Confirmed { token })),
            Then::Suback { token } => self.suback_step(token, fx),
        }
    }
}
