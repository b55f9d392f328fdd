//! One pass over all records, in the order of their kinds.

use super::{Lost, Recovered};
use crate::format::{BodyNo, Clock, Content, Damage, Key, Kind, Opened, SessionNo};
use crate::log::{Index, ReleaseIndex, SessionIndex};
use pondhawk_broker::{Place, Release, Restored, RestoredRelease, RestoredSession, RestoredWill};
use pondhawk_codec::Qos;
use pondhawk_session::server::{Delivery, Message, Seq, SubscriptionIds};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What has been read so far.
pub(super) struct Reading {
    clock: Clock,
    restored: Restored,
    index: Index,
    lost: Vec<Lost>,
    garbage: Vec<Vec<u8>>,
    names: HashMap<SessionNo, Arc<str>>,
    gone: BTreeSet<SessionNo>,
    bodies: HashMap<BodyNo, Arc<Message>>,
}

/// What a record is nobody's for.
enum Refused {
    /// Its bytes are not right.
    Damaged(Damage),
    /// What it belongs to is not there.
    Orphan(&'static str),
    /// It is left of something that is gone.
    Left,
}

/// More numbers than what cannot be read can have used.
const UNREAD_NUMBERS: u64 = 1 << 40;

impl From<Damage> for Refused {
    fn from(damage: Damage) -> Self {
        Refused::Damaged(damage)
    }
}

const NO_SESSION: Refused = Refused::Orphan("the record of its session is missing");

impl Reading {
    pub(super) fn new(clock: Clock) -> Self {
        Reading {
            clock,
            restored: Restored::default(),
            index: Index::default(),
            lost: Vec::new(),
            garbage: Vec::new(),
            names: HashMap::new(),
            gone: BTreeSet::new(),
            bodies: HashMap::new(),
        }
    }

    /// Takes in a record.
    pub(super) fn take(&mut self, bytes: &[u8], value: &[u8]) {
        let key = match Key::decode(bytes) {
            Ok(key) => key,
            Err(damage) => {
                self.lose("a record".to_owned(), format!("its key: {damage}"), bytes, value);
                self.garbage.push(bytes.to_vec());
                return;
            }
        };
        self.count(&key);
        let taken = match Opened::new(bytes, value, self.clock) {
            Ok(opened) => self.keep(&key, opened),
            Err(_) if self.is_left(&key) => Err(Refused::Left),
            Err(damage) => Err(Refused::Damaged(damage)),
        };
        let why = match taken {
            Ok(()) => return,
            Err(Refused::Left) => None,
            Err(Refused::Damaged(damage)) => Some(damage.to_string()),
            Err(Refused::Orphan(why)) => Some(why.to_owned()),
        };
        if let Some(why) = why {
            self.lose(self.name(&key), why, bytes, value);
        }
        // The version is written anew; nothing else may stay that is not known to be right.
        if key != Key::Format {
            self.garbage.push(bytes.to_vec());
        }
    }

    /// Numbers that have been used are not used again, whatever becomes of the record.
    fn count(&mut self, key: &Key<'_>) {
        match key {
            Key::Session(session)
            | Key::Gone(session)
            | Key::Subscription(session, _)
            | Key::Queued(session, _)
            | Key::Recorded(session, _)
            | Key::Received(session, _) => {
                self.index.next_session = self.index.next_session.max(session.0.saturating_add(1));
            }
            Key::Body(body) => self.index.next_body = self.index.next_body.max(body.0.saturating_add(1)),
            _ => {}
        }
    }

    /// True if it belongs to a session that is gone.
    fn is_left(&self, key: &Key<'_>) -> bool {
        match key {
            Key::Subscription(session, _)
            | Key::Queued(session, _)
            | Key::Recorded(session, _)
            | Key::Received(session, _) => self.gone.contains(session),
            _ => false,
        }
    }

    fn keep(&mut self, key: &Key<'_>, value: Opened<'_>) -> Result<(), Refused> {
        match key {
            Key::Format => drop(value.format()?),
            Key::Homes => self.restored.homes = Some(value.homes()?),
            Key::Session(number) => self.session(*number, value)?,
            Key::Gone(number) => {
                value.nothing()?;
                self.gone.insert(*number);
                self.index.gone.push_back(*number);
            }
            Key::Body(number) => {
                self.bodies.insert(*number, Arc::new(value.message()?));
            }
            Key::Subscription(number, filter) => {
                let subscription = value.subscription()?;
                let (_, session) = self.session_of(*number)?;
                session.subscriptions.insert(Arc::from(*filter), subscription);
            }
            Key::Queued(number, seq) => self.queued(*number, *seq, value)?,
            Key::Recorded(number, seq) => self.recorded(*number, *seq, value)?,
            Key::Received(number, packet_id) => {
                let Content::Inline(message) = value.content()? else {
                    return Err(Refused::Damaged(Damage::Field("kind of content")));
                };
                let (_, session) = self.session_of(*number)?;
                session.inbox.insert(*packet_id, message);
            }
            Key::UnderWay(release) => self.under_way(*release, value)?,
            Key::Owed(release, place) => self.owed(*release, place, value)?,
            Key::Retained(topic) => {
                let message = value.message()?;
                if message.topic() != *topic {
                    return Err(Refused::Damaged(Damage::Field("topic")));
                }
                self.restored.retained.insert((*topic).into(), Arc::new(message));
            }
            Key::Will(client_id) => {
                let (source, will, due) = value.will()?;
                if *source.client_id != **client_id {
                    return Err(Refused::Damaged(Damage::Field("client identifier")));
                }
                let will = RestoredWill { source: Arc::new(source), will: Arc::new(will), due };
                self.restored.wills.insert(Arc::from(*client_id), will);
            }
        }
        Ok(())
    }

    fn session(&mut self, number: SessionNo, value: Opened<'_>) -> Result<(), Refused> {
        let (client_id, kept) = value.session()?;
        if self.index.sessions.contains_key(&client_id) {
            return Err(Refused::Orphan("there is another of the same client"));
        }
        let session = RestoredSession {
            kept,
            subscriptions: Default::default(),
            queue: Default::default(),
            inbox: Default::default(),
        };
        self.restored.sessions.insert(client_id.clone(), session);
        self.index.sessions.insert(client_id.clone(), SessionIndex::new(number));
        self.names.insert(number, client_id);
        Ok(())
    }

    /// The session to which a record belongs.
    fn session_of(
        &mut self,
        number: SessionNo,
    ) -> Result<(&mut SessionIndex, &mut RestoredSession), Refused> {
        if self.gone.contains(&number) {
            return Err(Refused::Left);
        }
        let name = self.names.get(&number).ok_or(NO_SESSION)?;
        let index = self.index.sessions.get_mut(name).ok_or(NO_SESSION)?;
        let session = self.restored.sessions.get_mut(name).ok_or(NO_SESSION)?;
        Ok((index, session))
    }

    fn queued(&mut self, number: SessionNo, seq: Seq, value: Opened<'_>) -> Result<(), Refused> {
        let (delivery, content) = value.entry()?;
        self.session_of(number)?;
        let (message, body) = self.message(content)?;
        let (index, session) = self.session_of(number)?;
        session.queue.insert(seq, (Some(message), delivery));
        if let Some(body) = body {
            index.shared.insert(seq, body);
            *self.index.bodies.entry(body).or_insert(0) += 1;
        }
        Ok(())
    }

    fn recorded(&mut self, number: SessionNo, seq: Seq, value: Opened<'_>) -> Result<(), Refused> {
        value.nothing()?;
        let (index, session) = self.session_of(number)?;
        // If the message is lost, nothing is: it is not needed any more, and its delivery was at QoS 2.
        let delivery = || Delivery { qos: Qos::ExactlyOnce, retain: false, ids: SubscriptionIds::None };
        session.queue.entry(seq).or_insert_with(|| (None, delivery())).0 = None;
        index.recorded.insert(seq);
        Ok(())
    }

    fn under_way(&mut self, release: Release, value: Opened<'_>) -> Result<(), Refused> {
        let (message, body) = self.message(value.content()?)?;
        if let Some(body) = body {
            *self.index.bodies.entry(body).or_insert(0) += 1;
        }
        self.restored.under_way.insert(release, RestoredRelease { message, owed: BTreeSet::new() });
        self.index.under_way.insert(release, ReleaseIndex { body, owed: BTreeSet::new() });
        Ok(())
    }

    fn owed(&mut self, release: Release, place: &Place, value: Opened<'_>) -> Result<(), Refused> {
        value.nothing()?;
        const NO_MESSAGE: Refused = Refused::Orphan("the message is missing");
        let restored = self.restored.under_way.get_mut(&release).ok_or(NO_MESSAGE)?;
        let index = self.index.under_way.get_mut(&release).ok_or(NO_MESSAGE)?;
        restored.owed.insert(place.clone());
        index.owed.insert(place.clone());
        Ok(())
    }

    fn message(&self, content: Content) -> Result<(Arc<Message>, Option<BodyNo>), Refused> {
        match content {
            Content::Inline(message) => Ok((message, None)),
            Content::Shared(body) => {
                let message = self.bodies.get(&body).ok_or(Refused::Orphan("its message is missing"))?;
                Ok((message.clone(), Some(body)))
            }
        }
    }

    /// Everything of a kind behind a key cannot be read.
    pub(super) fn rest_is_lost(&mut self, kind: &[u8], last: &[u8], why: &str) {
        let kind = kind.first().and_then(|byte| Kind::from_u8(*byte));
        let kind = kind.map_or_else(|| "no known kind".to_owned(), |kind| format!("the kind {kind:?}"));
        let last = Key::decode(last).map_or_else(|_| "the first".to_owned(), |key| self.name(&key));
        self.lose(format!("every record of {kind} behind {last}"), why.to_owned(), &[], &[]);
        // There may be numbers among them.
        self.index.next_session = self.index.next_session.saturating_add(UNREAD_NUMBERS);
        self.index.next_body = self.index.next_body.saturating_add(UNREAD_NUMBERS);
    }

    pub(super) fn lose(&mut self, what: String, why: String, key: &[u8], value: &[u8]) {
        self.lost.push(Lost { what, why, key: key.to_vec(), value: value.to_vec() });
    }

    /// What a record is, for people.
    fn name(&self, key: &Key<'_>) -> String {
        let of = |number: &SessionNo| match self.names.get(number) {
            Some(client_id) => format!("client {client_id:?}"),
            None => format!("session number {}, whose client is not known", number.0),
        };
        match key {
            Key::Format => "the version of the format".to_owned(),
            Key::Homes => "the homes of names".to_owned(),
            Key::Session(number) => of(number),
            Key::Gone(number) => format!("the end of session number {}", number.0),
            Key::Body(body) => format!("message number {} of several queues", body.0),
            Key::Subscription(number, filter) => format!("subscription {filter:?} of {}", of(number)),
            Key::Queued(number, seq) => format!("message {} for {}", seq.0, of(number)),
            Key::Recorded(number, seq) => format!("PUBREC for message {} from {}", seq.0, of(number)),
            Key::Received(number, id) => {
                format!("QoS 2 message with packet identifier {id} from {}", of(number))
            }
            Key::UnderWay(release) => format!("message {} between shards", release.0),
            Key::Owed(release, _) => format!("a place of message {} between shards", release.0),
            Key::Retained(topic) => format!("retained message of {topic:?}"),
            Key::Will(client_id) => format!("will of client {client_id:?}"),
        }
    }

    pub(super) fn finish(mut self) -> (Recovered, Index, Vec<Vec<u8>>) {
        let mut unused: Vec<BodyNo> =
            self.bodies.keys().filter(|body| !self.index.bodies.contains_key(body)).copied().collect();
        unused.sort_unstable();
        self.garbage.extend(unused.into_iter().map(|body| Key::Body(body).encode()));
        (Recovered { restored: self.restored, lost: self.lost }, self.index, self.garbage)
    }
}
