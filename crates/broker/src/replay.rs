//! Retained messages for new subscriptions, in slices: one search of a session after the other, shard after
//! shard, page after page, as fast as the client takes them, so that neither a million messages nor a slow
//! client holds anybody up.

use crate::deliver::Lazy;
use crate::effects::Effects;
use crate::host::Host;
use crate::id::{ConnId, SessionId, ShardId};
use crate::mail::Mail;
use crate::record::Persist;
use crate::shard::Shard;
use crate::trie::Subscription;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::Qos;
use pondhawk_session::server::{Message, SubscriptionIds};

/// Messages that one call of [`Shard::work`] delivers at the most.
const SLICE: usize = 512;
/// Bytes of topics that a line remembers since their retained messages were replaced.
const NEWER_BYTES_MAX: usize = 64 << 10;

/// The search for one subscription's retained messages.
pub(crate) struct Replay {
    filter: Arc<str>,
    subscription: Subscription,
    /// The shard that is being asked, and the topic behind which to go on.
    shard: u8,
    after: Option<Box<str>>,
    /// Called off while a page was on its way.
    cancelled: bool,
    /// How many retained messages its line had been sent live when it began.
    since: u64,
}

impl Replay {
    pub(crate) fn new(filter: Arc<str>, subscription: Subscription) -> Self {
        // [MQTT3-3.3.1-8]: they are sent with RETAIN 1, whatever the subscription says of others.
        let subscription = Subscription { retain_as_published: true, ..subscription };
        Replay { filter, subscription, shard: 0, after: None, cancelled: false, since: 0 }
    }
}

/// A topic whose retained message was sent live, and which in the count of those that was.
struct Newer {
    topic: Box<str>,
    number: u64,
}

/// The searches of one session. Only the first runs, so that a session holds one page at the most.
struct Line {
    session: SessionId,
    searches: VecDeque<Replay>,
    /// What the first search found, in the order of topics.
    found: VecDeque<Arc<Message>>,
    /// Topics of retained messages that the session was sent live since it began, in order: a page of another
    /// shard may have been made before, or hold what came live, though it comes later.
    newer: Vec<Newer>,
    newer_bytes: usize,
    /// How many those were.
    refreshed: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It stands in [`Replays::runnable`].
    Runnable,
    /// A page is on its way from another shard.
    Waiting,
    /// The client must take what it has first, or come back.
    Parked,
}

impl Line {
    /// A page of the shard that was asked: at its end the next shard is asked.
    fn take_page(&mut self, messages: Vec<Arc<Message>>, next: Option<Box<str>>) {
        let Some(search) = self.searches.front_mut() else {
            return;
        };
        if search.cancelled {
            self.searches.pop_front();
            return;
        }
        self.found.extend(messages);
        if next.is_none() {
            search.shard += 1;
        }
        search.after = next;
        // What was sent before a subscription was made is not of it: it gets that once more.
        let since = search.since;
        for newer in self.newer.iter().filter(|newer| newer.number > since) {
            forget(&mut self.found, &newer.topic);
        }
    }

    /// A retained message was replaced or deleted, and the session told: nothing of its topic must follow.
    fn refresh(&mut self, topic: &str) {
        forget(&mut self.found, topic);
        self.refreshed += 1;
        let number = self.refreshed;
        match self.newer.binary_search_by(|newer| (*newer.topic).cmp(topic)) {
            Ok(at) => self.newer[at].number = number,
            Err(at) if self.newer_bytes < NEWER_BYTES_MAX => {
                self.newer_bytes += topic.len();
                self.newer.insert(at, Newer { topic: topic.into(), number });
            }
            Err(_) => {}
        }
    }

    /// Drops the search for `filter`, if there is one.
    fn cancel(&mut self, filter: &str) {
        let same = |search: &Replay| *search.filter == *filter;
        let waiting = self.state == State::Waiting;
        match self.searches.front_mut() {
            Some(first) if same(first) && waiting => first.cancelled = true,
            Some(first) if same(first) => {
                self.searches.pop_front();
                self.found.clear();
            }
            _ => self.searches.retain(|search| !same(search)),
        }
    }
}

/// Takes the message of `topic` out: its session has just been sent a newer one.
fn forget(found: &mut VecDeque<Arc<Message>>, topic: &str) {
    if let Ok(at) = found.binary_search_by(|found| found.topic().cmp(topic)) {
        found.remove(at);
    }
}

/// The searches of one shard's sessions.
#[derive(Default)]
pub(crate) struct Replays {
    /// By number: a number is not used again soon, so a page that comes late finds nobody.
    lines: BTreeMap<u32, Line>,
    last: u32,
    runnable: VecDeque<u32>,
    /// Connections that found no room in their output, and whose output was taken since.
    fed: Vec<ConnId>,
}

impl Replays {
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    fn run(&mut self, number: u32) {
        if let Some(line) = self.lines.get_mut(&number)
            && line.state != State::Runnable
        {
            line.state = State::Runnable;
            self.runnable.push_back(number);
        }
    }

    fn set_state(&mut self, number: u32, state: State) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.state = state;
        }
    }

    /// A retained message goes to the session that line `number` belongs to.
    pub(crate) fn refresh(&mut self, number: u32, topic: &str) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.refresh(topic);
        }
    }

    pub(crate) fn feed(&mut self, conn: ConnId) {
        self.fed.push(conn);
    }

    /// The session has ended.
    pub(crate) fn remove(&mut self, number: u32) {
        self.lines.remove(&number);
    }
}

/// What one look at a line came to.
enum Step {
    Deliver(Arc<Message>),
    Searched,
    Park,
    Wait,
    Done,
}

impl<H: Host> Shard<H> {
    /// True while [`work`](Self::work) has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.replays.runnable.is_empty() || !self.replays.fed.is_empty() || self.sweep.is_some()
    }

    /// Does a bounded slice of background work.
    pub fn work(&mut self, now: crate::Millis, fx: &mut Effects) {
        self.now = now;
        if let Some(after) = self.sweep.take() {
            let (messages, bytes) = (self.retained.len(), self.retained.bytes());
            let (next, expired) = self.retained.sweep(after.as_deref(), now);
            for message in expired.iter().filter(|_| self.settings.persistent) {
                fx.persist(Persist::RetainedGone { topic: message.topic().into() });
            }
            self.sweep = next.map(Some);
            self.count_retained(messages, bytes);
        }
        for conn in core::mem::take(&mut self.replays.fed) {
            let state = self.conns.lookup(conn.index, conn.generation);
            if let Some(session) = state.and_then(|state| state.session) {
                self.pump(session, fx);
            }
        }
        let mut left = SLICE;
        while left > 0
            && let Some(number) = self.replays.runnable.pop_front()
        {
            left = self.run_line(number, left, fx);
        }
    }

    /// Begins a search for a subscription, `again` if the session had that subscription before.
    pub(crate) fn start_replay(&mut self, id: SessionId, replay: Replay, again: bool) {
        // UNSUBSCRIBE may have come while SUBACK waited for other shards.
        let entry = self.trie.find(&replay.filter);
        if !entry.is_some_and(|entry| entry.has_subscriber(id.index)) {
            return;
        }
        let Some(session) = self.sessions.lookup(id.index, id.generation) else {
            return;
        };
        let replays = &mut self.replays;
        if let Some(line) = session.replay.and_then(|number| replays.lines.get_mut(&number)) {
            if again {
                line.cancel(&replay.filter);
            }
            line.searches.push_back(Replay { since: line.refreshed, ..replay });
            return;
        }
        replays.last = replays.last.wrapping_add(1);
        session.replay = Some(replays.last);
        replays.lines.insert(
            replays.last,
            Line {
                session: id,
                searches: [replay].into(),
                found: VecDeque::new(),
                newer: Vec::new(),
                newer_bytes: 0,
                refreshed: 0,
                state: State::Runnable,
            },
        );
        replays.runnable.push_back(replays.last);
    }

    /// The session has no such subscription any more. [MQTT-3.10.4-2] [MQTT3-3.10.4-2]
    pub(crate) fn cancel_replay(&mut self, index: u32, filter: &str) {
        let number = self.sessions.get(index).and_then(|session| session.replay);
        let Some(number) = number else { return };
        if let Some(line) = self.replays.lines.get_mut(&number) {
            line.cancel(filter);
            if line.state == State::Parked {
                self.replays.run(number);
            }
        }
    }

    /// The client of session `index` has taken something: its searches go on.
    pub(crate) fn unpark_replays(&mut self, index: u32) {
        let number = self.sessions.get(index).and_then(|session| session.replay);
        if let Some(number) = number
            && self.replays.lines.get(&number).is_some_and(|line| line.state == State::Parked)
        {
            self.replays.run(number);
        }
    }

    pub(crate) fn replay_page(&mut self, number: u32, messages: Vec<Arc<Message>>, next: Option<Box<str>>) {
        if let Some(line) = self.replays.lines.get_mut(&number) {
            line.take_page(messages, next);
            self.replays.run(number);
        }
    }

    /// Runs one line for at most `left` messages: how many are left then.
    fn run_line(&mut self, number: u32, mut left: usize, fx: &mut Effects) -> usize {
        while left > 0 {
            match self.line_step(number, fx) {
                Step::Deliver(message) => {
                    self.deliver_retained(number, &message, fx);
                    left -= 1;
                }
                Step::Searched => left = left.saturating_sub(SLICE / 4),
                Step::Wait => {
                    self.replays.set_state(number, State::Waiting);
                    return left;
                }
                Step::Park => {
                    self.replays.set_state(number, State::Parked);
                    return left;
                }
                Step::Done => {
                    if let Some(line) = self.replays.lines.remove(&number)
                        && let Some(session) =
                            self.sessions.lookup(line.session.index, line.session.generation)
                    {
                        session.replay = None;
                    }
                    return left;
                }
            }
        }
        self.replays.runnable.push_back(number);
        0
    }

    fn line_step(&mut self, number: u32, fx: &mut Effects) -> Step {
        let Some(line) = self.replays.lines.get_mut(&number) else {
            return Step::Done;
        };
        let id = line.session;
        let Some(session) = self.sessions.lookup(id.index, id.generation) else {
            return Step::Done;
        };
        let Some(search) = line.searches.front_mut() else {
            return Step::Done;
        };
        // A kept session gets the rest when its client is back.
        let Some(conn) = session.conn.and_then(|conn| self.conns.get_mut(conn)) else {
            return Step::Park;
        };
        // What the client has not taken yet must go first, so that no limit of the queue drops any.
        if search.subscription.qos != Qos::AtMostOnce && session.outbox.queue_len() > 0 {
            return Step::Park;
        }
        if !conn.has_room(self.settings.max_output_bytes) {
            conn.starved = true;
            return Step::Park;
        }
        if let Some(message) = line.found.pop_front() {
            return Step::Deliver(message);
        }
        if search.shard >= self.homes.shards {
            line.searches.pop_front();
            return Step::Searched;
        }
        if search.shard == self.id.0 {
            let page = self.retained.page(&search.filter, search.after.as_deref(), self.now);
            line.take_page(page.messages, page.next);
            return Step::Searched;
        }
        let mail = Mail::RetainedQuery {
            filter: search.filter.clone(),
            after: search.after.take(),
            reply: (self.id, number),
        };
        fx.mail.push((ShardId(search.shard), mail));
        Step::Wait
    }

    fn deliver_retained(&mut self, number: u32, message: &Arc<Message>, fx: &mut Effects) {
        let Some(line) = self.replays.lines.get(&number) else {
            return;
        };
        let Some(search) = line.searches.front() else {
            return;
        };
        let (session, subscription) = (line.session.index, search.subscription);
        let view = message.view();
        if self.settings.check_retain_source
            && let Some(source) = view.source
            && !self.host.source_may_publish(source, view.topic)
        {
            return;
        }
        self.layouts.reset();
        let ids =
            if subscription.id == 0 { SubscriptionIds::None } else { SubscriptionIds::One(subscription.id) };
        let mut lazy = Lazy::new(&view, Some(message));
        self.delivery_parts().deliver(&mut lazy, session, (&subscription, ids), fx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_remembers_has_a_bound() {
        let mut line = Line {
            session: SessionId::default(),
            searches: VecDeque::new(),
            found: VecDeque::new(),
            newer: Vec::new(),
            newer_bytes: 0,
            refreshed: 0,
            state: State::Runnable,
        };
        // A topic that comes again takes no more room.
        for n in 0..300 {
            line.refresh(&alloc::format!("{:0>1024}", n / 3));
        }
        assert_eq!((line.newer.len(), line.newer_bytes), (64, NEWER_BYTES_MAX));
        assert_eq!(line.newer[63].number, 3 * 64);
    }
}
