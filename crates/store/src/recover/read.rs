//! One pass over all records, in the order of their kinds.

use super::{Lost, Recovered};
use crate::StoreError;
use crate::engine::Engine;
use crate::format::{BodyNo, Clock, Damage, Found, Key, Kind, LastSource, Opened, SessionNo};
use crate::log::{Index, ReleaseIndex, SessionIndex};
use pondhawk_broker::{InMemory, Place, Release, Restored, RestoredRelease, RestoredSession, RestoredWill};
use pondhawk_codec::Qos;
use pondhawk_session::server::{Delivery, Message, MessageRef, NEVER, Origin, Run, Seq, SubscriptionIds};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What has been read so far.
pub(super) struct Reading {
    clock: Clock,
    in_memory: InMemory,
    restored: Restored,
    index: Index,
    lost: Vec<Lost>,
    garbage: Vec<Vec<u8>>,
    names: HashMap<SessionNo, Arc<str>>,
    gone: BTreeSet<SessionNo>,
    /// In the order of their topics.
    retained: Vec<(Box<str>, Arc<Message>)>,
    /// The sizes of the messages that several records share.
    bodies: HashMap<BodyNo, usize>,
    /// Who wants one of them in memory.
    wanted: BTreeMap<BodyNo, Vec<Wanted>>,
    /// The session whose queue is being read, and the bytes of it that are in memory.
    queue: (SessionNo, usize),
    source: LastSource,
}

/// What a shared message is wanted for.
enum Wanted {
    Queued(SessionNo, Seq),
    UnderWay(Release),
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
    pub(super) fn new(clock: Clock, in_memory: InMemory) -> Self {
        Reading {
            clock,
            in_memory,
            restored: Restored::default(),
            index: Index::default(),
            lost: Vec::new(),
            garbage: Vec::new(),
            names: HashMap::new(),
            gone: BTreeSet::new(),
            retained: Vec::new(),
            bodies: HashMap::new(),
            wanted: BTreeMap::new(),
            queue: (SessionNo(0), 0),
            source: LastSource::default(),
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
                self.bodies.insert(*number, value.message()?.size());
            }
            Key::Subscription(number, filter) => {
                let subscription = value.subscription()?;
                let (_, session) = self.session_of(*number)?;
                session.subscriptions.insert(Arc::from(*filter), subscription);
            }
            Key::Queued(number, seq) => self.queued(*number, *seq, value)?,
            Key::Recorded(number, seq) => self.recorded(*number, *seq, value)?,
            Key::Received(number, packet_id) => {
                let Found::Inline(body) = value.content()? else {
                    return Err(Refused::Damaged(Damage::Field("kind of content")));
                };
                let message = body.to_message(&mut self.source);
                let (_, session) = self.session_of(*number)?;
                session.inbox.insert(*packet_id, message);
            }
            Key::UnderWay(release) => self.under_way(*release, value)?,
            Key::Owed(release, place) => self.owed(*release, place, value)?,
            Key::Retained(topic) => {
                let body = value.message()?;
                if body.topic() != *topic {
                    return Err(Refused::Damaged(Damage::Field("topic")));
                }
                let message = body.to_message(&mut self.source);
                self.retained.push(((*topic).into(), message));
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
            on_disk: None,
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
        let size = self.size(&content)?;
        if self.queue.0 != number {
            self.queue = (number, 0);
        }
        let (bytes, limits) = (self.queue.1, self.in_memory);
        let (index, session) = self.session_of(number)?;
        if let Found::Shared(body) = content {
            index.shared.insert(seq, body);
        }
        if !session.is_in_memory(seq, bytes, &limits) {
            Run::extend(&mut session.on_disk, seq, size);
            self.refer(&content);
            return Ok(());
        }
        self.refer(&content);
        self.queue.1 += size;
        self.remember(number, seq, (&content, delivery))
    }

    /// A message of a queue, or its place until the message is known, is in memory.
    fn remember(
        &mut self,
        number: SessionNo,
        seq: Seq,
        (content, delivery): (&Found<'_>, Delivery),
    ) -> Result<(), Refused> {
        let message = match content {
            Found::Inline(body) => Some(body.to_message(&mut self.source)),
            Found::Shared(body) => {
                self.wanted.entry(*body).or_default().push(Wanted::Queued(number, seq));
                None
            }
        };
        self.session_of(number)?.1.queue.insert(seq, (message, delivery));
        Ok(())
    }

    /// One record more refers to a message that several share.
    fn refer(&mut self, content: &Found<'_>) {
        if let Found::Shared(body) = content {
            *self.index.bodies.entry(*body).or_insert(0) += 1;
        }
    }

    fn recorded(&mut self, number: SessionNo, seq: Seq, value: Opened<'_>) -> Result<(), Refused> {
        value.nothing()?;
        let (index, session) = self.session_of(number)?;
        index.recorded.insert(seq);
        if session.on_disk.is_some_and(|run| (run.from..=run.through).contains(&seq)) {
            // It has been sent, and so has what stands in front of it: see `finish`.
            return Ok(());
        }
        // If the message is lost, nothing is: it is not needed any more, and its delivery was at QoS 2.
        let delivery = || Delivery { qos: Qos::ExactlyOnce, retain: false, ids: SubscriptionIds::None };
        session.queue.entry(seq).or_insert_with(|| (None, delivery())).0 = None;
        Ok(())
    }

    fn under_way(&mut self, release: Release, value: Opened<'_>) -> Result<(), Refused> {
        let content = value.content()?;
        self.size(&content)?;
        self.refer(&content);
        let (message, body) = match content {
            Found::Inline(body) => (body.to_message(&mut self.source), None),
            Found::Shared(body) => {
                self.wanted.entry(body).or_default().push(Wanted::UnderWay(release));
                (unknown(), Some(body))
            }
        };
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

    /// The size of a record's message, if that is there.
    fn size(&self, content: &Found<'_>) -> Result<usize, Refused> {
        match content {
            Found::Inline(body) => Ok(body.size()),
            Found::Shared(body) => {
                self.bodies.get(body).copied().ok_or(Refused::Orphan("its message is missing"))
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

    /// Reads the messages that are wanted in memory, which could not be known before.
    pub(super) fn complete(&mut self, engine: &dyn Engine) -> Result<(), StoreError> {
        self.read_sent(engine)?;
        for (number, wanted) in std::mem::take(&mut self.wanted) {
            let key = Key::Body(number).encode();
            let value = engine.get(&key)?.unwrap_or_default();
            let body = Opened::new(&key, &value, self.clock).and_then(Opened::message);
            let message = body.map(|body| body.to_message(&mut self.source));
            match message {
                Ok(message) => wanted.iter().for_each(|wanted| self.give(wanted, &message)),
                // It was right when it was counted.
                Err(damage) => {
                    return Err(StoreError::Corrupt { what: damage.to_string(), place: format!("{key:x?}") });
                }
            }
        }
        Ok(())
    }

    fn give(&mut self, wanted: &Wanted, message: &Arc<Message>) {
        match wanted {
            Wanted::Queued(number, seq) => {
                if let Ok((index, session)) = self.session_of(*number)
                    && !index.recorded.contains(seq)
                    && let Some(entry) = session.queue.get_mut(seq)
                {
                    entry.0 = Some(message.clone());
                }
            }
            Wanted::UnderWay(release) => {
                if let Some(under_way) = self.restored.under_way.get_mut(release) {
                    under_way.message = message.clone();
                }
            }
        }
    }

    /// What stands in front of a message that the client has was sent: it is not left on disk. So it is with a window
    /// that was larger than it is now.
    fn read_sent(&mut self, engine: &dyn Engine) -> Result<(), StoreError> {
        let numbers: Vec<(SessionNo, Arc<str>)> =
            self.names.iter().map(|(number, name)| (*number, name.clone())).collect();
        for (number, name) in numbers {
            let run = self.restored.sessions.get(&name).and_then(|session| session.on_disk);
            let last = self.index.sessions.get(&name).and_then(|index| index.recorded.last().copied());
            let (Some(run), Some(last)) = (run, last) else { continue };
            if last < run.from {
                continue;
            }
            let from = Key::Queued(number, run.from).encode();
            let to = Key::Queued(number, Seq(last.0.saturating_add(1))).encode();
            let mut taken = Ok(());
            engine.scan(&from, Some(&to), &mut |key, value| {
                taken = self.take_from_disk(key, value);
                if taken.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            taken?;
        }
        Ok(())
    }

    /// The first message of a run on disk is to be in memory.
    fn take_from_disk(&mut self, bytes: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let corrupt =
            |damage: Damage| StoreError::Corrupt { what: damage.to_string(), place: format!("{bytes:x?}") };
        let Key::Queued(number, seq) = Key::decode(bytes).map_err(corrupt)? else {
            return Ok(());
        };
        let Ok(opened) = Opened::new(bytes, value, self.clock) else {
            // It was reported when all was read.
            return Ok(());
        };
        let (delivery, content) = opened.entry().map_err(corrupt)?;
        let Ok(size) = self.size(&content) else { return Ok(()) };
        if self.remember(number, seq, (&content, delivery)).is_err() {
            return Ok(());
        }
        if let Ok((index, session)) = self.session_of(number) {
            if index.recorded.contains(&seq)
                && let Some(entry) = session.queue.get_mut(&seq)
            {
                entry.0 = None;
            }
            session.on_disk = session.on_disk.and_then(|run| run.without_first(seq, size));
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> (Recovered, Index, Vec<Vec<u8>>) {
        self.restored.retained = self.retained.into_iter().collect();
        let mut unused: Vec<BodyNo> =
            self.bodies.keys().filter(|body| !self.index.bodies.contains_key(body)).copied().collect();
        unused.sort_unstable();
        self.garbage.extend(unused.into_iter().map(|body| Key::Body(body).encode()));
        (Recovered { restored: self.restored, lost: self.lost }, self.index, self.garbage)
    }
}

/// In the place of a message that is read later.
fn unknown() -> Arc<Message> {
    let view = MessageRef {
        topic: "",
        properties: &[],
        payload: &[],
        qos: Qos::AtMostOnce,
        retain: false,
        expires_at: NEVER,
        origin: Origin(0),
        source: None,
    };
    Arc::new(view.to_message())
}
