//! A message arrives at its recipient's home: rights, QoS, window, queue, frame.

use crate::arena::Arena;
use crate::conn::Conn;
use crate::counters::Counters;
use crate::effects::{Effects, Persist};
use crate::hold::Holds;
use crate::host::{Host, Note, NoteKind};
use crate::id::{ConnId, SessionId, SessionRef, ShardId};
use crate::session::{Session, is_under};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::trie::Subscription;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::packet::Ack;
use pondhawk_codec::{Packet, PacketId, PacketType, Qos, reason};
use pondhawk_session::server::{
    Delivery, Layouts, Message, MessageRef, Millis, Next, Offered, Outgoing, SubscriptionIds,
};

/// A message that is copied into shared memory only when somebody must keep it.
pub(crate) struct Lazy<'a> {
    pub(crate) view: &'a MessageRef<'a>,
    shared: Option<Arc<Message>>,
}

impl<'a> Lazy<'a> {
    pub(crate) fn new(view: &'a MessageRef<'a>, given: Option<&Arc<Message>>) -> Self {
        Lazy { view, shared: given.cloned() }
    }

    pub(crate) fn shared(&mut self) -> &Arc<Message> {
        let view = self.view;
        self.shared.get_or_insert_with(|| Arc::new(view.to_message()))
    }
}

/// The parts of a shard that delivering needs, borrowed apart from its routing.
pub(crate) struct Parts<'a, H: Host> {
    pub(crate) id: ShardId,
    pub(crate) now: Millis,
    pub(crate) host: &'a mut H,
    pub(crate) settings: &'a Settings,
    pub(crate) conns: &'a mut Arena<Conn>,
    pub(crate) sessions: &'a mut Arena<Session<H::Identity>>,
    pub(crate) layouts: &'a mut Layouts,
    pub(crate) counters: &'a mut Counters,
    pub(crate) spare: &'a mut Vec<Vec<u8>>,
    pub(crate) holds: &'a mut Holds,
}

impl<H: Host> Parts<'_, H> {
    /// Delivers to one session for one of its subscriptions.
    pub(crate) fn deliver(
        &mut self,
        message: &mut Lazy<'_>,
        index: u32,
        (subscription, ids): (&Subscription, SubscriptionIds),
        fx: &mut Effects,
    ) {
        let view = message.view;
        if subscription.no_local && self.is_origin(index, view) {
            return;
        }
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if !session.may_see(view.topic) || !self.host.may_receive(&session.identity, view.topic) {
            return;
        }
        // [MQTT-3.8.4-6] [MQTT-3.8.4-8]
        let qos = if self.settings.upgrade_outgoing_qos {
            subscription.qos
        } else {
            subscription.qos.min(view.qos)
        };
        // [MQTT-3.3.1-9] [MQTT-3.3.1-12] [MQTT-3.3.1-13]
        let retain = subscription.retain_as_published && view.retain;
        let delivery = Delivery { qos, retain, ids };
        match (session.conn, qos) {
            // What waits in front of it may be of QoS 0 too, and of the same topic. [MQTT-4.6.0-6]
            (Some(_), Qos::AtMostOnce)
                if self.settings.queue_qos0_messages && session.outbox.queue_len() > 0 =>
            {
                self.queue(message, index, delivery, fx);
            }
            (Some(conn), Qos::AtMostOnce) => self.send_qos0(message, (index, conn), &delivery, fx),
            (Some(conn), _) => self.send_acked(message, (index, conn), delivery, fx),
            (None, Qos::AtMostOnce) if !self.settings.queue_qos0_messages => {}
            (None, _) => self.queue(message, index, delivery, fx),
        }
    }

    /// True if the client published the message, be it in a session that has ended since. [MQTT-3.8.3-3]
    pub(crate) fn is_origin(&self, index: u32, view: &MessageRef<'_>) -> bool {
        let id = SessionId { index, generation: self.sessions.generation(index) };
        SessionRef { shard: self.id, id }.origin() == view.origin
            || view.source.is_some_and(|source| {
                let session = self.sessions.get(index);
                session.is_some_and(|session| *session.client_id == *source.client_id)
            })
    }

    fn send_qos0(
        &mut self,
        message: &Lazy<'_>,
        (index, conn): (u32, u32),
        delivery: &Delivery,
        fx: &mut Effects,
    ) {
        let room = self.settings.max_output_bytes;
        if message.view.is_expired(self.now) || !self.conns.get(conn).is_some_and(|conn| conn.has_room(room))
        {
            self.counters.publish_dropped += 1;
            return;
        }
        self.put((message.view, delivery), (index, conn), (None, false), fx);
    }

    /// QoS 1 and 2 to a connected client: sent if its window and buffer have room, else queued.
    fn send_acked(
        &mut self,
        message: &mut Lazy<'_>,
        (index, conn): (u32, u32),
        delivery: Delivery,
        fx: &mut Effects,
    ) {
        if message.view.is_expired(self.now) {
            self.counters.publish_dropped += 1;
            return;
        }
        let settings = self.settings;
        let (Some(session), Some(state)) = (self.sessions.get_mut(index), self.conns.get_mut(conn)) else {
            return;
        };
        let room = state.has_room(settings.max_output_bytes);
        state.starved |= !room;
        let window = room.then_some(state.link.window);
        let shared = message.shared().clone();
        let record = (settings.persistent && session.is_kept())
            .then(|| (session.client_id.clone(), shared.clone(), delivery.clone()));
        match session.outbox.offer((shared, delivery.clone()), window, &settings.outbox) {
            Offered::Start(id) => {
                if !self.put((message.view, &delivery), (index, conn), (Some(id), false), fx) {
                    if let Some(session) = self.sessions.get_mut(index) {
                        session.outbox.discard(id);
                    }
                    return;
                }
            }
            Offered::Queued => {}
            Offered::Dropped => {
                self.counters.publish_dropped += 1;
                return;
            }
        }
        self.persist(record, fx);
    }

    /// For a session whose client is away. [MQTT-3.1.2-5]
    fn queue(&mut self, message: &mut Lazy<'_>, index: u32, delivery: Delivery, fx: &mut Effects) {
        let settings = self.settings;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let shared = message.shared().clone();
        let record = (settings.persistent && session.is_kept() && delivery.qos != Qos::AtMostOnce)
            .then(|| (session.client_id.clone(), shared.clone(), delivery.clone()));
        if session.outbox.offer((shared, delivery), None, &settings.outbox) == Offered::Dropped {
            self.counters.publish_dropped += 1;
            return;
        }
        self.persist(record, fx);
    }

    fn persist(&mut self, record: Option<(Arc<str>, Arc<Message>, Delivery)>, fx: &mut Effects) {
        if let Some((client_id, message, delivery)) = record {
            let ticket = fx.persist(Persist::Queued { client_id, message, delivery });
            self.holds.persisted(ticket);
        }
    }

    /// Appends the PUBLISH to the client's output; false if the client cannot take it.
    fn put(
        &mut self,
        (view, delivery): (&MessageRef<'_>, &Delivery),
        (index, conn_index): (u32, u32),
        (id, dup): (Option<PacketId>, bool),
        fx: &mut Effects,
    ) -> bool {
        let conn_id = ConnId { index: conn_index, generation: self.conns.generation(conn_index) };
        let (Some(conn), Some(session)) = (self.conns.get_mut(conn_index), self.sessions.get(index)) else {
            return false;
        };
        Shard::<H>::lend_buffer(self.spare, conn);
        let outgoing = Outgoing { delivery, id, dup, hidden: session.mount.as_deref().map_or(0, str::len) };
        let appended = self.layouts.append((view, self.now), &outgoing, &mut conn.link, &mut conn.out);
        if appended.unwrap_or(0) == 0 {
            // [MQTT-3.1.2-25]
            self.counters.publish_dropped += 1;
            return false;
        }
        conn.mark(conn_id, &mut fx.dirty);
        self.counters.sent(PacketType::Publish);
        self.counters.publish_bytes_sent += view.payload.len() as u64;
        if self.host.wants(NoteKind::Debug) {
            self.host.note(&Note::Publish {
                client: &session.client_id,
                sent: true,
                denied: false,
                dup,
                qos: delivery.qos,
                retain: delivery.retain,
                id,
                topic: view.topic,
                len: view.payload.len(),
            });
        }
        true
    }

    /// Sends the next thing that waits in the session's outbox; false if nothing can be sent now.
    fn pump_one(&mut self, index: u32, fx: &mut Effects) -> bool {
        let settings = self.settings;
        let Some(session) = self.sessions.get_mut(index) else {
            return false;
        };
        let Some(conn_index) = session.conn else {
            return false;
        };
        let Some(conn) = self.conns.get_mut(conn_index) else {
            return false;
        };
        if !conn.has_room(settings.max_output_bytes) {
            conn.starved |= !session.outbox.is_empty();
            return false;
        }
        let Session { outbox, identity, mount, .. } = session;
        let (host, now) = (&*self.host, self.now);
        let mut dropped = 0;
        // Rights as they are now; expiry counts only before the first sending. [MQTT-4.3.3-7]
        let mut keep = |message: &Message, before: bool| {
            let view = message.view();
            let keep = is_under(mount.as_deref(), view.topic)
                && host.may_receive(identity, view.topic)
                && (before || !view.is_expired(now));
            dropped += u64::from(!keep);
            keep
        };
        let next = outbox.poll(conn.link.window, &settings.outbox, &mut keep);
        self.counters.publish_dropped += dropped;
        match next {
            None => return false,
            Some(Next::Release(id)) => self.put_pubrel((index, conn_index), id, fx),
            Some(Next::Publish { message, delivery, id, dup }) => {
                self.layouts.reset();
                let put = self.put((&message.view(), &delivery), (index, conn_index), (id, dup), fx);
                if let (false, Some(id), Some(session)) = (put, id, self.sessions.get_mut(index)) {
                    session.outbox.discard(id);
                }
            }
        }
        true
    }

    fn put_pubrel(&mut self, (index, conn_index): (u32, u32), id: PacketId, fx: &mut Effects) {
        let conn_id = ConnId { index: conn_index, generation: self.conns.generation(conn_index) };
        let Some(conn) = self.conns.get_mut(conn_index) else {
            return;
        };
        let ack = Ack::new(id, reason::SUCCESS);
        // Four bytes always fit.
        let _fits = Packet::Pubrel(ack).encode(conn.link.version, &mut conn.out);
        conn.mark(conn_id, &mut fx.dirty);
        self.counters.sent(PacketType::Pubrel);
        if self.host.wants(NoteKind::Debug)
            && let Some(session) = self.sessions.get(index)
        {
            let (client, name) = (&*session.client_id, PacketType::Pubrel.name());
            self.host.note(&Note::Ack { client, sent: true, name, id, code: reason::SUCCESS });
        }
    }
}

impl<H: Host> Shard<H> {
    /// Sends what waits in the session's outbox, as far as window and buffer go.
    pub(crate) fn pump(&mut self, index: u32, fx: &mut Effects) {
        let mut parts = self.delivery_parts();
        while parts.pump_one(index, fx) {}
        self.unpark_replays(index);
    }
}
