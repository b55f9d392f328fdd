//! What the records come to, given back after a restart.

use crate::home::Homes;
use crate::record::{Kept, Persist, Place, Release};
use crate::will::Will;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use pondhawk_session::server::{Delivery, Message, MessageRef, Millis, Origin, Seq, Source};

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
    /// QoS 2 messages that wait for PUBREL, by packet identifier.
    pub inbox: BTreeMap<u16, Arc<Message>>,
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
            inbox: BTreeMap::new(),
        };
        self.sessions.entry(client_id).or_insert(new).kept = kept;
    }
}

impl RestoredSession {
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
