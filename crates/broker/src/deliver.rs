//! A message arrives at its recipient's home: rights, QoS, window, queue, frame.

use crate::arena::Arena;
use crate::conn::Conn;
use crate::counters::Counters;
use crate::effects::Effects;
use crate::hold::Holds;
use crate::host::{Host, Note, NoteKind};
use crate::id::{ConnId, SessionId, SessionRef, ShardId};
use crate::record::Persist;
use crate::session::{Session, is_under};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::trie::Subscription;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::packet::Ack;
use pondhawk_codec::{Packet, PacketType, Qos, reason};
use pondhawk_plants::planted;
use pondhawk_session::server::{
    Delivery, Layouts, Message, MessageRef, Millis, Next, Offered, Outgoing, Seq, SubscriptionIds,
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
        if subscription.no_local && self.is_origin(index, view) && !planted!(NoLocalIgnored) {
            return;
        }
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let unasked = planted!(RetainedWithoutRight) && view.retain;
        let may_receive = self.host.may_receive(&session.identity, view.topic) || unasked;
        if !session.may_see(view.topic) || !may_receive {
            return;
        }
        let qos = granted_qos(self.settings, subscription, view);
        // [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT3-3.3.1-9]
        let retain = subscription.retain_as_published && view.retain && !planted!(RetainAsPublishedIgnored);
        let delivery = Delivery { qos, retain, ids };
        match (session.conn, qos) {
            // What waits in front of it may be of QoS 0 too, and of the same topic. [MQTT-4.6.0-5] [MQTT3-4.6.0-6]
            (Some(_), Qos::AtMostOnce)
                if self.settings.queue_qos0_messages && session.outbox.queue_len() > 0
                    // Those were queued before a reload, or an absence.
                    || session.outbox.has_queued_qos0() =>
            {
                self.queue(message, index, delivery, fx);
            }
            // No window holds it back. [MQTT-3.3.4-10] [MQTT-4.9.0-3]
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
        let at = state.out.len();
        let shared = message.shared().clone();
        let record = session.is_recorded().then(|| (shared.clone(), delivery.clone()));
        match session.outbox.offer((shared, delivery.clone()), window, &settings.outbox) {
            Offered::Start(seq) => {
                if !self.put((message.view, &delivery), (index, conn), (Some(seq), false), fx) {
                    if let Some(session) = self.sessions.get_mut(index) {
                        session.outbox.discard(seq);
                    }
                    return;
                }
                self.queued(index, (seq, record), fx);
                if delivery.qos == Qos::ExactlyOnce {
                    self.rest((index, conn), at);
                }
            }
            Offered::Queued(Some(seq)) => self.queued(index, (seq, record), fx),
            Offered::Queued(None) => {}
            Offered::Dropped => self.counters.publish_dropped += 1,
        }
    }

    /// For a session whose client is away, or must take other things first. [MQTT-4.5.0-1]
    /// [MQTT3-3.1.2-5] [MQTT3-4.5.0-1]
    fn queue(&mut self, message: &mut Lazy<'_>, index: u32, delivery: Delivery, fx: &mut Effects) {
        let settings = self.settings;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let shared = message.shared().clone();
        let record = session.is_recorded().then(|| (shared.clone(), delivery.clone()));
        match session.outbox.offer((shared, delivery), None, &settings.outbox) {
            Offered::Start(seq) | Offered::Queued(Some(seq)) => self.queued(index, (seq, record), fx),
            Offered::Queued(None) => {}
            Offered::Dropped => self.counters.publish_dropped += 1,
        }
    }

    /// The session has taken a message, whose publisher waits for the record.
    fn queued(
        &mut self,
        index: u32,
        (seq, record): (Seq, Option<(Arc<Message>, Delivery)>),
        fx: &mut Effects,
    ) {
        let Some((message, delivery)) = record else { return };
        self.record(index, |client_id| Persist::Queued { client_id, seq, message, delivery }, fx);
        self.holds.persisted(fx.ticket);
        self.spill_later(index);
    }

    /// Makes a record of a session that the store knows.
    pub(crate) fn record(&mut self, index: u32, make: impl FnOnce(Arc<str>) -> Persist, fx: &mut Effects) {
        if let Some(session) = self.sessions.get_mut(index)
            && session.is_recorded()
        {
            session.rests_on = fx.persist(make(session.client_id.clone()));
        }
    }

    /// A message has left the session's outbox, one way or another.
    pub(crate) fn dequeued(&mut self, index: u32, seq: Seq, fx: &mut Effects) {
        if planted!(DequeuedForgotten) {
            return;
        }
        // What the room that this makes is used for rests on it: a restart takes what stands at the front of the queue,
        // as far as the window goes, for sent, and nothing else.
        self.record(index, |client_id| Persist::Dequeued { client_id, seq }, fx);
    }

    /// What stands in the output from `at` on rests on the session's records: it leaves once they are durable.
    /// Otherwise the client could be done with a packet id that a crash makes mean another message.
    pub(crate) fn rest(&mut self, (index, conn_index): (u32, u32), at: usize) {
        if let Some(session) = self.sessions.get(index) {
            let id = ConnId { index: conn_index, generation: self.conns.generation(conn_index) };
            if let Some(conn) = self.conns.get_mut(conn_index) {
                self.holds.mark((id, conn), at, session.rests_on);
            }
        }
    }

    /// Appends the PUBLISH to the client's output; false if the client cannot take it.
    fn put(
        &mut self,
        (view, delivery): (&MessageRef<'_>, &Delivery),
        (index, conn_index): (u32, u32),
        (seq, dup): (Option<Seq>, bool),
        fx: &mut Effects,
    ) -> bool {
        let id = seq.map(Seq::packet_id);
        let conn_id = ConnId { index: conn_index, generation: self.conns.generation(conn_index) };
        let (Some(conn), Some(session)) = (self.conns.get_mut(conn_index), self.sessions.get(index)) else {
            return false;
        };
        Shard::<H>::lend_buffer(self.spare, conn);
        let mount = session.mount.as_deref().filter(|_| !planted!(MountPointShown));
        let hidden = mount.map_or(0, str::len);
        let outgoing = Outgoing { delivery, id, dup, hidden };
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
        // Rights as they are now; expiry counts only before the first sending. [MQTT-4.3.3-7]
        let mut keep = |message: &Message, before: bool| {
            let view = message.view();
            is_under(mount.as_deref(), view.topic)
                && (host.may_receive(identity, view.topic) || planted!(RevokedRightInQueue))
                && (before || !view.is_expired(now))
        };
        let Some(next) = outbox.poll(conn.link.window, &settings.outbox, &mut keep) else {
            return false;
        };
        self.send_next((index, conn_index), next, fx);
        true
    }

    fn send_next(&mut self, (index, conn): (u32, u32), next: Next, fx: &mut Effects) {
        match next {
            Next::Release { seq, given_up } => {
                self.counters.publish_dropped += u64::from(given_up);
                self.put_pubrel((index, conn), (seq, given_up), fx);
            }
            Next::Publish { message, delivery, seq, dup } => {
                self.layouts.reset();
                let at = self.conns.get(conn).map_or(0, |conn| conn.out.len());
                let put = self.put((&message.view(), &delivery), (index, conn), (seq, dup), fx);
                match seq {
                    Some(seq) if !put => self.unsendable((index, conn), (seq, &delivery, dup), fx),
                    Some(_) if delivery.qos == Qos::ExactlyOnce => self.rest((index, conn), at),
                    _ => {}
                }
            }
            Next::Dropped(seq) => {
                self.counters.publish_dropped += 1;
                if let Some(seq) = seq {
                    self.dequeued(index, seq, fx);
                }
            }
        }
    }

    /// The client cannot take the message.
    fn unsendable(
        &mut self,
        (index, conn): (u32, u32),
        (seq, delivery, dup): (Seq, &Delivery, bool),
        fx: &mut Effects,
    ) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if dup && delivery.qos == Qos::ExactlyOnce {
            session.outbox.give_up(seq);
            self.put_pubrel((index, conn), (seq, true), fx);
        } else {
            session.outbox.discard(seq);
            self.dequeued(index, seq, fx);
        }
    }

    /// PUBREL without a PUBREC in front of it: again, or for the first time for a message that is `given_up`.
    fn put_pubrel(
        &mut self,
        (index, conn_index): (u32, u32),
        (seq, given_up): (Seq, bool),
        fx: &mut Effects,
    ) {
        if given_up {
            self.record(index, |client_id| Persist::Recorded { client_id, seq }, fx);
        }
        let id = seq.packet_id();
        let conn_id = ConnId { index: conn_index, generation: self.conns.generation(conn_index) };
        let Some(conn) = self.conns.get_mut(conn_index) else {
            return;
        };
        let at = conn.out.len();
        let ack = Ack::new(id, reason::SUCCESS);
        // Four bytes always fit.
        let _fits = Packet::Pubrel(ack).encode(conn.link.version, &mut conn.out);
        conn.mark(conn_id, &mut fx.dirty);
        self.rest((index, conn_index), at);
        self.counters.sent(PacketType::Pubrel);
        if self.host.wants(NoteKind::Debug)
            && let Some(session) = self.sessions.get(index)
        {
            let (client, name) = (&*session.client_id, PacketType::Pubrel.name());
            self.host.note(&Note::Ack { client, sent: true, name, id, code: reason::SUCCESS });
        }
    }
}

/// The QoS of a delivery. [MQTT-3.8.4-8] [MQTT-4.8.2-3] [MQTT3-3.8.4-6]
pub(crate) fn granted_qos(settings: &Settings, subscription: &Subscription, view: &MessageRef<'_>) -> Qos {
    if planted!(GrantedQosIgnored) {
        return view.qos;
    }
    if settings.upgrade_outgoing_qos { subscription.qos } else { subscription.qos.min(view.qos) }
}

/// The identifier of the one subscription that a delivery is for.
pub(crate) fn ids_of(subscription: &Subscription) -> SubscriptionIds {
    if subscription.id == 0 { SubscriptionIds::None } else { SubscriptionIds::One(subscription.id) }
}

/// What one copy for several subscriptions of a session comes to: the highest QoS, and all their identifiers. `None`
/// if it is the session's `own` message, which none of them wants. [MQTT-3.3.4-2] [MQTT-3.3.4-4] [MQTT3-3.3.5-1]
pub(crate) fn merged(same: &[(u32, Subscription)], own: bool) -> Option<(Subscription, SubscriptionIds)> {
    let wanted = || same.iter().map(|(_, s)| s).filter(|s| !(own && s.no_local));
    let mut merged = *wanted().next()?;
    for subscription in wanted() {
        merged.qos = merged.qos.max(subscription.qos);
        merged.retain_as_published |= subscription.retain_as_published;
    }
    let ids: Vec<u32> = wanted().map(|s| s.id).filter(|id| *id != 0).collect();
    let ids = match ids.as_slice() {
        [] => SubscriptionIds::None,
        [id] => SubscriptionIds::One(*id),
        _ => SubscriptionIds::Many(ids.into()),
    };
    Some((merged, ids))
}

impl<H: Host> Shard<H> {
    /// Sends what waits in the session's outbox, as far as window and buffer go.
    pub(crate) fn pump(&mut self, index: u32, fx: &mut Effects) {
        let mut parts = self.delivery_parts();
        while parts.pump_one(index, fx) {}
        parts.read_ahead(index, fx);
        self.unpark_replays(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_for_several_subscriptions() {
        let of = |id, qos, retain_as_published| {
            (0, Subscription { id, qos, no_local: false, retain_as_published })
        };
        let same =
            [of(4, Qos::AtMostOnce, false), of(0, Qos::AtLeastOnce, true), of(9, Qos::AtMostOnce, false)];
        let (subscription, ids) = merged(&same, false).expect("wanted");
        assert_eq!(subscription.qos, Qos::AtLeastOnce);
        assert!(subscription.retain_as_published, "one of them asked for it");
        assert_eq!(ids.as_slice(), [4, 9]);
        let (subscription, ids) = merged(&same[..1], false).expect("wanted");
        assert_eq!((subscription.retain_as_published, ids.as_slice()), (false, &[4][..]));
    }
}
