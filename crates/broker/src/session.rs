//! One client's session on its home shard, and how sessions begin and end.

use crate::conn::Name;
use crate::effects::{Effects, Ticket};
use crate::host::{Host, Slot};
use crate::id::{ConnId, SessionId, SessionRef};
use crate::record::{Kept, Persist};
use crate::shard::Shard;
use crate::timers::Timer;
use crate::will::Will;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::PacketId;
use pondhawk_plants::planted;
use pondhawk_session::server::{Inbox, Millis, Outbox, Source};

/// A session.
pub(crate) struct Session<I> {
    pub(crate) client_id: Arc<str>,
    pub(crate) username: Option<Name>,
    /// See [`Kept`].
    pub(crate) unclaimed: bool,
    pub(crate) listener: u16,
    pub(crate) identity: I,
    /// The index of its connection, while it has one.
    pub(crate) conn: Option<u32>,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    /// QoS 2 messages that PUBREL has released and that are not everywhere yet.
    pub(crate) releasing: BTreeMap<PacketId, Releasing>,
    /// Whole filters, `$share/…` included, each once and in order, so that they are found quickly.
    pub(crate) filters: Vec<Arc<str>>,
    /// Seconds that it outlives its connection; `u32::MAX` is for ever.
    pub(crate) expiry_s: u32,
    /// When it ends, while it has no connection.
    pub(crate) expires_at: Millis,
    /// A will that waits for its delay, and when it is due.
    pub(crate) will: Option<(Millis, Arc<Will>)>,
    /// Made when a message needs it.
    pub(crate) source: Option<Arc<Source>>,
    /// Its listener's mount point, which stands in front of all its topics.
    pub(crate) mount: Option<Box<str>>,
    /// The number of its searches for retained messages, while there are any.
    pub(crate) replay: Option<u32>,
    /// It has one of the limited places.
    pub(crate) placed: bool,
    /// The store knows of it.
    pub(crate) stored: bool,
    /// It has outlived its connection.
    pub(crate) absent: bool,
    /// Messages of its queue are to leave memory once the store has them.
    pub(crate) spilling: bool,
    /// The last record about a message to its client.
    pub(crate) rests_on: Ticket,
}

/// Who waits for the PUBCOMP of a released message.
#[derive(Clone, Copy)]
pub(crate) struct Releasing {
    /// The hold that it waits for.
    pub(crate) token: u32,
    /// The connection that said PUBREL last, and how often it did.
    pub(crate) conn: ConnId,
    pub(crate) times: u8,
}

impl<I> Session<I> {
    /// A session that holds nothing and ends with its connection.
    pub(crate) fn new((client_id, listener): (Arc<str>, u16), identity: I) -> Self {
        Session {
            client_id,
            username: None,
            unclaimed: false,
            listener,
            identity,
            conn: None,
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            releasing: BTreeMap::new(),
            filters: Vec::new(),
            expiry_s: 0,
            expires_at: Millis::MAX,
            will: None,
            source: None,
            mount: None,
            replay: None,
            placed: true,
            stored: false,
            absent: false,
            spilling: false,
            rests_on: Ticket(0),
        }
    }

    pub(crate) fn source(&mut self) -> &Arc<Source> {
        self.source.get_or_insert_with(|| {
            Arc::new(Source {
                client_id: (*self.client_id).into(),
                username: self.username.as_deref().map(Into::into),
                listener: self.listener,
            })
        })
    }

    pub(crate) fn has_filter(&self, filter: &Arc<str>) -> bool {
        self.filters.binary_search(filter).is_ok()
    }

    /// Lists a filter; true if it is new.
    pub(crate) fn add_filter(&mut self, filter: &Arc<str>) -> bool {
        let place = self.filters.binary_search(filter);
        place.map_err(|at| self.filters.insert(at, filter.clone())).is_err()
    }

    /// Strikes a filter off the list; true if it was there.
    pub(crate) fn remove_filter(&mut self, filter: &Arc<str>) -> bool {
        let place = self.filters.binary_search(filter);
        place.map(|at| self.filters.remove(at)).is_ok()
    }

    /// True if the topic lies under the session's mount point.
    pub(crate) fn may_see(&self, topic: &str) -> bool {
        is_under(self.mount.as_deref(), topic)
    }

    /// True if the store knows the session and must learn what becomes of its messages.
    pub(crate) fn is_recorded(&self) -> bool {
        self.stored && self.is_kept()
    }

    fn kept(&self) -> Kept {
        Kept {
            username: self.username.clone(),
            unclaimed: self.unclaimed,
            listener: self.listener,
            expiry_s: self.expiry_s,
            ends_at: if self.absent { Some(self.expires_at) } else { None },
            sent: self.outbox.sent(),
            doubtful: self.outbox.doubtful(),
        }
    }

    /// True if the session outlives its connection.
    pub(crate) fn is_kept(&self) -> bool {
        self.expiry_s > 0
    }
}

/// True if the topic lies under the mount point. A session that came in by another listener before may have
/// subscriptions and messages that do not.
pub(crate) fn is_under(mount: Option<&str>, topic: &str) -> bool {
    mount.is_none_or(|mount| topic.len() > mount.len() && topic.starts_with(mount))
}

impl<H: Host> Shard<H> {
    pub(crate) fn session_id(&self, index: u32) -> SessionId {
        SessionId { index, generation: self.sessions.generation(index) }
    }

    pub(crate) fn session_ref(&self, index: u32) -> SessionRef {
        SessionRef { shard: self.id, id: self.session_id(index) }
    }

    pub(crate) fn conn_id(&self, index: u32) -> ConnId {
        ConnId { index, generation: self.conns.generation(index) }
    }

    /// Makes a session; its client id must not have one.
    pub(crate) fn begin_session(&mut self, session: Session<H::Identity>, fx: &mut Effects) -> u32 {
        let client_id = session.client_id.clone();
        let (index, _) = self.sessions.insert(session);
        self.by_client.insert(client_id, index);
        self.store_session(index, fx);
        index
    }

    /// Tells the store of a session that is kept, and of what changed in it.
    pub(crate) fn store_session(&mut self, index: u32, fx: &mut Effects) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if self.settings.persistent && (session.is_kept() || session.stored) {
            session.stored = true;
            let client_id = session.client_id.clone();
            let ticket = fx.persist(Persist::Session { client_id: client_id.clone(), kept: session.kept() });
            self.holds.change(client_id, ticket);
        }
    }

    /// Ends a session that has no connection: its subscriptions, messages and delayed will go.
    pub(crate) fn end_session(&mut self, index: u32, fx: &mut Effects) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let will = session.will.take();
        let filters = core::mem::take(&mut session.filters);
        for filter in &filters {
            self.drop_subscription(index, filter, fx);
            self.counters.subscriptions += u64::from(planted!(CounterLeaks));
        }
        // The will is sent when the session ends, if not before. [MQTT-3.1.2-8]
        // Its retained messages are not the session's. [MQTT3-3.1.2-7]
        if let Some((_, will)) = will {
            self.publish_will(index, &will, fx);
        }
        let Some(session) = self.sessions.remove(index) else {
            return;
        };
        self.by_client.remove(&session.client_id);
        if self.by_client.is_empty() {
            self.by_client.shrink_to_fit();
        }
        if session.placed {
            self.host.release(Slot::Session);
        }
        if let Some(number) = session.replay {
            self.replays.remove(number);
        }
        if session.stored {
            let client_id = session.client_id;
            let ticket = fx.persist(Persist::SessionGone { client_id: client_id.clone() });
            self.holds.change(client_id, ticket);
        }
    }

    /// The connection is gone: keep the session for its expiry, or end it. [MQTT-3.1.2-23]
    /// [MQTT3-3.1.2-4] [MQTT3-3.1.2-6] [MQTT3-4.1.0-1] [MQTT3-4.1.0-2]
    pub(crate) fn leave_session(&mut self, index: u32, fx: &mut Effects) {
        let now = self.now;
        let id = self.session_id(index);
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        session.conn = None;
        if !session.is_kept() {
            self.end_session(index, fx);
            return;
        }
        if session.expiry_s != u32::MAX {
            session.expires_at = now + u64::from(session.expiry_s) * 1000;
            self.timers.set(session.expires_at, Timer::SessionExpiry(id));
        } else {
            session.expires_at = Millis::MAX;
        }
        session.absent = true;
        self.store_session(index, fx);
    }

    pub(crate) fn session_expired(&mut self, id: SessionId, fx: &mut Effects) {
        let now = self.now;
        let Some(session) = self.sessions.lookup(id.index, id.generation) else {
            return;
        };
        // [MQTT-4.1.0-1] [MQTT-4.1.0-2]
        if session.conn.is_none() && now >= session.expires_at && !planted!(SessionOutlivesExpiry) {
            self.counters.clients_expired += 1;
            self.end_session(id.index, fx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_under;

    #[test]
    fn what_lies_under_a_mount_point() {
        assert!(is_under(None, "t") && is_under(Some("m/"), "m/t"));
        assert!(!is_under(Some("m/"), "other") && !is_under(Some("m/"), "m/"));
    }
}
