//! Records to changes.

use super::index::{Index, ReleaseIndex, SessionIndex};
use crate::engine::Batch;
use crate::format::{BodyNo, Clock, Content, Key, Value};
use pondhawk_broker::{Kept, Persist, Place, Release};
use pondhawk_plants::planted;
use pondhawk_session::server::{Delivery, Message, Seq};
use std::collections::HashMap;
use std::sync::Arc;

/// Messages up to this size are written with every record that has them; larger ones, once for all records of a
/// turn that have the same.
const INLINE_MAX: usize = 256;

/// Encodes one turn.
pub(crate) struct Encoder<'a> {
    index: &'a mut Index,
    batch: &'a mut Batch,
    clock: Clock,
    shares: Shares,
}

/// The large messages that several records of a turn have, by address: the records hold them while it is used.
type Shares = HashMap<*const Message, Option<BodyNo>>;

impl<'a> Encoder<'a> {
    /// Adds the records of a turn to a batch.
    pub(crate) fn turn(index: &'a mut Index, batch: &'a mut Batch, clock: Clock, records: &[Persist]) {
        let mut encoder = Encoder { index, batch, clock, shares: shares(records) };
        for record in records {
            encoder.record(record);
        }
    }

    fn record(&mut self, record: &Persist) {
        match record {
            Persist::Homes { homes } => self.put(&Key::Homes, Value::new(self.clock).homes(homes)),
            Persist::Session { client_id, kept } => self.session(client_id, kept),
            Persist::SessionGone { client_id } => self.session_gone(client_id),
            Persist::Subscribed { client_id, filter, options, id } => {
                if let Some(session) = self.index.sessions.get(client_id) {
                    let key = Key::Subscription(session.number, filter);
                    self.put(&key, Value::new(self.clock).subscription(*options, *id));
                }
            }
            Persist::Unsubscribed { client_id, filter } => {
                if let Some(session) = self.index.sessions.get(client_id) {
                    self.batch.delete(Key::Subscription(session.number, filter).encode());
                }
            }
            Persist::Queued { client_id, seq, message, delivery } => {
                self.queued(client_id, *seq, message, delivery);
            }
            Persist::Recorded { client_id, seq } => {
                if let Some(session) = self.index.sessions.get_mut(client_id)
                    && session.recorded.insert(*seq)
                {
                    let key = Key::Recorded(session.number, *seq);
                    self.put_new(&key, Value::new(self.clock));
                }
            }
            Persist::Dequeued { client_id, seq } => self.dequeued(client_id, *seq),
            Persist::Received { client_id, packet_id, message } => {
                if let Some(session) = self.index.sessions.get(client_id) {
                    let key = Key::Received(session.number, *packet_id);
                    let content = Content::Inline(message.clone());
                    self.put(&key, Value::new(self.clock).content(&content));
                }
            }
            Persist::Released { client_id, packet_id } => {
                if let Some(session) = self.index.sessions.get(client_id) {
                    self.batch.delete(Key::Received(session.number, *packet_id).encode());
                }
            }
            Persist::UnderWay { release, message, owed } => self.under_way(*release, message, owed),
            Persist::Reached { release, place, owed } => self.reached(*release, place, owed),
            Persist::Routed { release } => self.routed(*release),
            Persist::Retained { message } => {
                let view = message.view();
                self.put(&Key::Retained(view.topic), Value::new(self.clock).message(&view));
            }
            Persist::RetainedGone { topic } => self.batch.delete(Key::Retained(topic).encode()),
            Persist::Will { source, will, due } => {
                self.put(&Key::Will(&source.client_id), Value::new(self.clock).will(source, will, *due));
            }
            Persist::WillGone { client_id } => self.batch.delete(Key::Will(client_id).encode()),
        }
    }

    fn session(&mut self, client_id: &Arc<str>, kept: &Kept) {
        let value = Value::new(self.clock).session(client_id, kept);
        if let Some(session) = self.index.sessions.get(client_id) {
            let key = Key::Session(session.number);
            self.put(&key, value);
            return;
        }
        let number = self.index.new_session();
        self.index.sessions.insert(client_id.clone(), SessionIndex::new(number));
        self.put_new(&Key::Session(number), value);
    }

    /// The session goes at once; what it leaves behind goes bit by bit, see [`sweep`](super::sweep).
    fn session_gone(&mut self, client_id: &Arc<str>) {
        let Some(session) = self.index.sessions.remove(client_id) else {
            return;
        };
        self.batch.delete(Key::Session(session.number).encode());
        self.put_new(&Key::Gone(session.number), Value::new(self.clock));
        self.index.gone.push_back(session.number);
        for body in session.shared.into_values() {
            self.let_go(body);
        }
    }

    fn queued(&mut self, client_id: &Arc<str>, seq: Seq, message: &Arc<Message>, delivery: &Delivery) {
        let Some(session) = self.index.sessions.get(client_id) else {
            return;
        };
        let key = Key::Queued(session.number, seq);
        let content = self.content(message);
        let value = Value::new(self.clock).delivery(delivery).content(&content);
        self.put_new(&key, value);
        if let (Content::Shared(body), Some(session)) = (content, self.index.sessions.get_mut(client_id))
            && let Some(before) = session.shared.insert(seq, body)
        {
            self.let_go(before);
        }
    }

    fn dequeued(&mut self, client_id: &Arc<str>, seq: Seq) {
        let Some(session) = self.index.sessions.get_mut(client_id) else {
            return;
        };
        self.batch.delete(Key::Queued(session.number, seq).encode());
        if session.recorded.remove(&seq) {
            self.batch.delete(Key::Recorded(session.number, seq).encode());
        }
        if let Some(body) = session.shared.remove(&seq) {
            self.let_go(body);
        }
    }

    fn under_way(&mut self, release: Release, message: &Arc<Message>, owed: &[Place]) {
        self.routed(release);
        let content = self.content(message);
        self.put(&Key::UnderWay(release), Value::new(self.clock).content(&content));
        let body = match content {
            Content::Shared(body) => Some(body),
            Content::Inline(_) => None,
        };
        self.index.under_way.insert(release, ReleaseIndex { body, ..ReleaseIndex::default() });
        self.owe(release, owed);
    }

    fn reached(&mut self, release: Release, place: &Place, owed: &[Place]) {
        let Some(index) = self.index.under_way.get_mut(&release) else {
            return;
        };
        if index.owed.remove(place) {
            self.batch.delete(Key::Owed(release, place.clone()).encode());
        }
        self.owe(release, owed);
    }

    fn owe(&mut self, release: Release, owed: &[Place]) {
        for place in owed {
            if let Some(index) = self.index.under_way.get_mut(&release)
                && index.owed.insert(place.clone())
            {
                // A number may be used again, so the key may have had a value.
                self.put(&Key::Owed(release, place.clone()), Value::new(self.clock));
            }
        }
    }

    fn routed(&mut self, release: Release) {
        let Some(index) = self.index.under_way.remove(&release) else {
            return;
        };
        self.batch.delete(Key::UnderWay(release).encode());
        for place in index.owed {
            self.batch.delete(Key::Owed(release, place).encode());
        }
        if let Some(body) = index.body {
            self.let_go(body);
        }
    }

    /// How a record has the message.
    fn content(&mut self, message: &Arc<Message>) -> Content {
        let Some(body) = self.shares.get_mut(&Arc::as_ptr(message)) else {
            return Content::Inline(message.clone());
        };
        let number = *body.get_or_insert_with(|| self.index.new_body());
        let count = self.index.bodies.entry(number).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.put_new(&Key::Body(number), Value::new(self.clock).message(&message.view()));
        }
        Content::Shared(number)
    }

    fn let_go(&mut self, body: BodyNo) {
        if self.index.let_go(body) || planted!(BodyDropped) {
            self.batch.delete(Key::Body(body).encode());
        }
    }

    fn put(&mut self, key: &Key<'_>, value: Value) {
        let key = key.encode();
        let value = value.seal(&key);
        self.batch.put(key, value);
    }

    fn put_new(&mut self, key: &Key<'_>, value: Value) {
        let key = key.encode();
        let value = value.seal(&key);
        self.batch.put_new(key, value);
    }
}

fn shares(records: &[Persist]) -> Shares {
    let mut seen: HashMap<*const Message, bool> = HashMap::new();
    for record in records {
        if let Persist::Queued { message, .. } | Persist::UnderWay { message, .. } = record
            && message.size() > INLINE_MAX
        {
            seen.entry(Arc::as_ptr(message)).and_modify(|again| *again = true).or_insert(false);
        }
    }
    seen.into_iter().filter(|(_, again)| *again).map(|(message, _)| (message, None)).collect()
}
