//! What the records come to, given back after a restart.

use crate::effects::Effects;
use crate::home::Homes;
use crate::host::{Host, Slot};
use crate::id::ShardId;
use crate::record::{Kept, Persist, Place, Release};
use crate::session::Session;
use crate::shard::Shard;
use crate::subscribe::{AfterInterest, PendingSuback};
use crate::timers::Timer;
use crate::trie::Subscription;
use crate::will::Will;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::packet::SubscribeOptions;
use pondhawk_codec::{PacketId, Version};
use pondhawk_plants::planted;
use pondhawk_session::server::{
    Delivery, Inbox, Message, MessageRef, Millis, Origin, Outbox, Run, Seq, Source,
};

/// Everything that a store has kept.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Where names were at home; `None` in a new store.
    pub homes: Option<Homes>,
    /// The sessions, by client identifier.
    pub sessions: BTreeMap<Arc<str>, RestoredSession>,
    /// The retained messages, by topic.
    pub retained: BTreeMap<Box<str>, Arc<Message>>,
    /// Wills of clients, which need not have a session that is kept.
    pub wills: BTreeMap<Arc<str>, RestoredWill>,
    /// Messages that may not have reached all their places.
    pub under_way: BTreeMap<Release, RestoredRelease>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct RestoredSession {
    /// Who and for how long.
    pub kept: Kept,
    /// Options byte and identifier of its subscriptions, by whole filter.
    pub subscriptions: BTreeMap<Arc<str>, (u8, u32)>,
    /// Its messages in the order of their numbers; without a message where only PUBREL is owed.
    pub queue: BTreeMap<Seq, (Option<Arc<Message>>, Delivery)>,
    /// Those among them that are not here, but read when they are due: all are behind what may have been sent.
    pub on_disk: Option<Run>,
    /// QoS 2 messages that wait for PUBREL, by packet identifier.
    pub inbox: BTreeMap<u16, Arc<Message>>,
}

/// How much of each queue a restart has in memory: the first messages until both are reached, and at least those that
/// may have been sent. The rest stays on disk.
#[derive(Clone, Copy, Debug)]
pub struct InMemory {
    /// So many messages, if the client was connected: its window.
    pub messages: usize,
    /// Messages of so many bytes; 0: all.
    pub bytes: usize,
}

/// A will.
#[derive(Clone, Debug)]
pub struct RestoredWill {
    /// Whose it is.
    pub source: Arc<Source>,
    /// The will.
    pub will: Arc<Will>,
    /// When it is to be published; `None`: its client was connected.
    pub due: Option<Millis>,
}

/// A message that may not have reached all its places.
#[derive(Clone, Debug)]
pub struct RestoredRelease {
    /// The message.
    pub message: Arc<Message>,
    /// The places that are left.
    pub owed: BTreeSet<Place>,
}

impl Restored {
    /// Takes in the next record. A store may arrive at the same by other means.
    pub fn apply(&mut self, record: Persist) {
        match record {
            Persist::Homes { homes } => self.homes = Some(homes),
            Persist::Session { client_id, kept } => self.keep(client_id, kept),
            Persist::SessionGone { client_id } => drop(self.sessions.remove(&client_id)),
            Persist::Retained { message } => {
                self.retained.insert(message.topic().into(), nobodys(message));
            }
            Persist::RetainedGone { topic } => drop(self.retained.remove(&topic)),
            Persist::Will { source, will, due } => {
                self.wills.insert((*source.client_id).into(), RestoredWill { source, will, due });
            }
            Persist::WillGone { client_id } => drop(self.wills.remove(&client_id)),
            Persist::UnderWay { release, message, owed } => {
                let owed = owed.into_iter().collect();
                self.under_way.insert(release, RestoredRelease { message: nobodys(message), owed });
            }
            Persist::Reached { release, place, owed } => {
                if let Some(under_way) = self.under_way.get_mut(&release) {
                    under_way.owed.remove(&place);
                    under_way.owed.extend(owed);
                }
            }
            Persist::Routed { release } => drop(self.under_way.remove(&release)),
            Persist::Subscribed { ref client_id, .. }
            | Persist::Unsubscribed { ref client_id, .. }
            | Persist::Queued { ref client_id, .. }
            | Persist::Recorded { ref client_id, .. }
            | Persist::Dequeued { ref client_id, .. }
            | Persist::Received { ref client_id, .. }
            | Persist::Released { ref client_id, .. } => {
                if let Some(session) = self.sessions.get_mut(client_id) {
                    session.apply(record);
                }
            }
        }
    }

    fn keep(&mut self, client_id: Arc<str>, kept: Kept) {
        let new = RestoredSession {
            kept: kept.clone(),
            subscriptions: BTreeMap::new(),
            queue: BTreeMap::new(),
            on_disk: None,
            inbox: BTreeMap::new(),
        };
        self.sessions.entry(client_id).or_insert(new).kept = kept;
    }
}

impl Restored {
    /// Parts it by the shards that will have each of it, once [`resolve`](Self::resolve) is done: see
    /// [`Shard::restore`].
    #[must_use]
    pub fn split(self) -> Vec<Restored> {
        let homes = self.homes.unwrap_or(Homes { key: 0, shards: 1 });
        let mut parts: Vec<_> =
            (0..homes.shards).map(|_| Restored { homes: Some(homes), ..Restored::default() }).collect();
        let place = |shard: ShardId| usize::from(shard.0);
        for (client_id, session) in self.sessions {
            parts[place(homes.of_client(&client_id))].sessions.insert(client_id, session);
        }
        for (client_id, will) in self.wills {
            parts[place(homes.of_client(&client_id))].wills.insert(client_id, will);
        }
        let mut retained: Vec<Vec<_>> = parts.iter().map(|_| Vec::new()).collect();
        for (topic, message) in self.retained {
            retained[place(homes.of_topic(&topic))].push((topic, message));
        }
        for (part, retained) in parts.iter_mut().zip(retained) {
            // From what is in order a tree is built at once.
            part.retained = retained.into_iter().collect();
        }
        parts
    }
}

impl<H: Host> Shard<H> {
    /// Takes over what the last process left to this shard, of [`Restored::split`]. What goes out of it rests on the
    /// ticket that `fx` has. Then letters go between the
    /// shards until [`is_restored`](Self::is_restored) of all; only then may a client be let in.
    pub fn restore(&mut self, now: Millis, part: Restored, fx: &mut Effects) {
        self.now = now;
        let (messages, bytes) = (self.retained.len(), self.retained.bytes());
        self.retained.restore(part.retained.into_values());
        self.count_retained(messages, bytes);
        self.restoring += 1;
        let (token, _) = self.pending.insert(PendingSuback { missing: 1, then: AfterInterest::Restored });
        let mut wills = part.wills;
        for (client_id, session) in part.sessions {
            let will = wills.remove(&client_id).and_then(|will| Some((will.due?, will.will)));
            self.restore_session(client_id, (session, will), token, fx);
        }
        self.suback_step(token, fx);
    }

    /// True once the other shards know of everything that was restored here.
    #[must_use]
    pub fn is_restored(&self) -> bool {
        self.restoring == 0
    }

    fn restore_session(
        &mut self,
        client_id: Arc<str>,
        (restored, will): (RestoredSession, Option<(Millis, Arc<Will>)>),
        token: u32,
        fx: &mut Effects,
    ) {
        let placed = self.host.reserve(Slot::Session);
        let kept = restored.kept;
        let identity = self.host.identify(kept.listener, kept.username.as_deref(), &client_id);
        let mut inbox = Inbox::default();
        for (id, message) in restored.inbox {
            if let Some(id) = PacketId::new(id) {
                inbox.receive(id, || message);
            }
        }
        let entries = restored.queue.into_iter().filter(|_| !planted!(RestoredWithoutQueue));
        let entries = entries.map(|(seq, (message, delivery))| (seq, message, delivery));
        let session = Session {
            username: kept.username,
            unclaimed: kept.unclaimed,
            mount: self.mount_point(kept.listener),
            inbox,
            outbox: Outbox::restore(entries, restored.on_disk, (kept.sent, kept.doubtful)),
            expiry_s: kept.expiry_s,
            expires_at: kept.ends_at.unwrap_or(Millis::MAX),
            stored: true,
            absent: true,
            placed,
            rests_on: fx.ticket,
            ..Session::new((client_id.clone(), kept.listener), identity)
        };
        let (index, _) = self.sessions.insert(session);
        self.by_client.insert(client_id, index);
        self.set_restored_timers(index, will);
        let forgotten = if planted!(RestoredWithoutSubscriptions) { 1 } else { 0 };
        for (filter, (options, id)) in restored.subscriptions.into_iter().skip(forgotten) {
            self.add_subscription(index, (&filter, subscription(options, id)), token, fx);
        }
        self.announce_presence(index, false, fx);
    }

    fn set_restored_timers(&mut self, index: u32, will: Option<(Millis, Arc<Will>)>) {
        let id = self.session_id(index);
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if session.expires_at != Millis::MAX {
            self.timers.set(session.expires_at, Timer::SessionExpiry(id));
        }
        if let Some((at, _)) = &will {
            self.timers.set(*at, Timer::Will(id));
        }
        session.will = will;
    }
}

/// A subscription as it was recorded.
pub(crate) fn subscription(options: u8, id: u32) -> Subscription {
    // The byte was made from options of this version.
    let options = SubscribeOptions::from_byte(options, Version::V5).unwrap_or_default();
    Subscription {
        id,
        qos: options.qos,
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
    }
}

impl RestoredSession {
    /// Whether the message `seq`, the next of the queue, is to be in memory, behind so many `bytes` that are.
    #[must_use]
    pub fn is_in_memory(&self, seq: Seq, bytes: usize, limits: &InMemory) -> bool {
        let sent = seq <= self.kept.sent || self.kept.ends_at.is_none() && self.queue.len() < limits.messages;
        self.on_disk.is_none() && (sent || limits.bytes == 0 || bytes < limits.bytes)
    }

    /// Messages of the queue, in memory and on disk.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len() + self.on_disk.map_or(0, |run| run.messages)
    }

    /// The last number in the queue.
    #[must_use]
    pub fn last_queued(&self) -> Option<Seq> {
        let last = self.queue.last_key_value().map(|(seq, _)| *seq);
        last.max(self.on_disk.map(|run| run.through))
    }

    fn apply(&mut self, record: Persist) {
        match record {
            Persist::Subscribed { filter, options, id, .. } => {
                self.subscriptions.insert(filter, (options, id));
            }
            Persist::Unsubscribed { filter, .. } => drop(self.subscriptions.remove(&filter)),
            Persist::Queued { seq, message, delivery, .. } => {
                self.queue.insert(seq, (Some(nobodys(message)), delivery));
            }
            Persist::Recorded { seq, .. } => {
                if let Some((message, _)) = self.queue.get_mut(&seq) {
                    *message = None;
                }
            }
            Persist::Dequeued { seq, .. } => drop(self.queue.remove(&seq)),
            Persist::Received { packet_id, message, .. } => {
                self.inbox.insert(packet_id, nobodys(message));
            }
            Persist::Released { packet_id, .. } => drop(self.inbox.remove(&packet_id)),
            _ => {}
        }
    }
}

/// The message without the session that it came from: that one's name means nothing after a restart, but its client
/// identifier does, which is in the source.
fn nobodys(message: Arc<Message>) -> Arc<Message> {
    let view = message.view();
    if view.origin == Origin(0) {
        return message;
    }
    Arc::new(MessageRef { origin: Origin(0), ..view }.to_message())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pondhawk_codec::Qos;
    use pondhawk_session::server::SubscriptionIds;

    fn session(ends_at: Option<Millis>, queue: u64) -> RestoredSession {
        let kept = Kept {
            username: None,
            listener: 0,
            expiry_s: 100,
            ends_at,
            sent: Seq(2),
            doubtful: Seq(0),
            unclaimed: false,
        };
        let delivery = Delivery { qos: Qos::AtLeastOnce, retain: false, ids: SubscriptionIds::None };
        RestoredSession {
            kept,
            subscriptions: BTreeMap::new(),
            queue: (1..=queue).map(|seq| (Seq(seq), (None, delivery.clone()))).collect(),
            on_disk: None,
            inbox: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_to_be_in_memory() {
        let limits = InMemory { messages: 4, bytes: 10 };
        let away = session(Some(50), 3);
        assert!(away.is_in_memory(Seq(2), 10, &limits), "it may have been sent");
        assert!(away.is_in_memory(Seq(3), 9, &limits) && !away.is_in_memory(Seq(3), 10, &limits));
        assert!(away.is_in_memory(Seq(3), 10, &InMemory { bytes: 0, ..limits }));
        // The window of a client that was there is four messages.
        assert!(session(None, 3).is_in_memory(Seq(4), 10, &limits));
        assert!(!session(None, 4).is_in_memory(Seq(5), 10, &limits));
    }

    #[test]
    fn a_queue_is_what_is_in_memory_and_what_is_on_disk() {
        let mut session = session(None, 2);
        assert_eq!(session.queue_len(), 2);
        Run::extend(&mut session.on_disk, Seq(3), 10);
        Run::extend(&mut session.on_disk, Seq(4), 10);
        Run::extend(&mut session.on_disk, Seq(7), 10);
        assert_eq!(session.queue_len(), 5);
        assert!(!session.is_in_memory(Seq(1), 0, &InMemory { messages: 9, bytes: 0 }), "it is behind those");
    }
}
