//! Retained messages for a new subscription, in slices: shard after shard, page after page, as fast as the
//! client takes them, so that neither a million messages nor a slow client holds anybody up.

use crate::arena::Arena;
use crate::deliver::Lazy;
use crate::effects::Effects;
use crate::host::Host;
use crate::id::{SessionId, ShardId};
use crate::mail::Mail;
use crate::shard::Shard;
use crate::trie::Subscription;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::Qos;
use pondhawk_session::server::{Message, SubscriptionIds};

/// Messages that one call of [`Shard::work`] delivers at the most.
const SLICE: usize = 512;

/// The search for one subscription's retained messages.
pub(crate) struct Replay {
    session: SessionId,
    filter: Arc<str>,
    subscription: Subscription,
    /// The shard that is being asked, and the topic behind which to go on.
    shard: u8,
    after: Option<Box<str>>,
    found: VecDeque<Arc<Message>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Runnable,
    /// A page is on its way from another shard.
    Waiting,
    /// The client must take what it has first.
    Parked,
}

impl Replay {
    pub(crate) fn new(session: SessionId, filter: Arc<str>, subscription: Subscription) -> Self {
        // [MQTT-3.3.1-8]: they are sent with RETAIN 1, whatever the subscription says of others.
        let subscription = Subscription {
            retain_as_published: true,
            ..subscription
        };
        Replay {
            session,
            filter,
            subscription,
            shard: 0,
            after: None,
            found: VecDeque::new(),
            state: State::Runnable,
        }
    }
}

/// The searches of one shard's sessions.
#[derive(Default)]
pub(crate) struct Replays {
    active: Option<Arena<Replay>>,
    runnable: VecDeque<u32>,
}

impl Replays {
    fn get_mut(&mut self, index: u32) -> Option<&mut Replay> {
        self.active.as_mut()?.get_mut(index)
    }

    fn run(&mut self, index: u32) {
        if let Some(replay) = self.get_mut(index)
            && replay.state != State::Runnable
        {
            replay.state = State::Runnable;
            self.runnable.push_back(index);
        }
    }
}

/// What one look at a replay came to.
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
        !self.replays.runnable.is_empty() || self.sweep.is_some()
    }

    /// Does a bounded slice of background work.
    pub fn work(&mut self, now: crate::Millis, fx: &mut Effects) {
        self.now = now;
        if let Some(after) = self.sweep.take() {
            let (next, _) = self.retained.sweep(after.as_deref(), now);
            self.sweep = next.map(Some);
        }
        let mut left = SLICE;
        while left > 0
            && let Some(index) = self.replays.runnable.pop_front()
        {
            left = self.run_replay(index, left, fx);
        }
    }

    pub(crate) fn start_replay(&mut self, replay: Replay) {
        let (index, _) = self.replays.active.get_or_insert_with(Arena::new).insert(replay);
        self.replays.runnable.push_back(index);
    }

    /// The client of session `index` has taken something: its searches go on.
    pub(crate) fn unpark_replays(&mut self, index: u32) {
        let Some(active) = self.replays.active.as_mut().filter(|active| active.len() > 0) else {
            return;
        };
        let parked: Vec<u32> = active
            .iter_mut()
            .filter(|(_, replay)| replay.session.index == index && replay.state == State::Parked)
            .map(|(at, _)| at)
            .collect();
        for at in parked {
            self.replays.run(at);
        }
    }

    pub(crate) fn replay_page(&mut self, index: u32, messages: Vec<Arc<Message>>, next: Option<Box<str>>) {
        let Some(replay) = self.replays.get_mut(index) else {
            return;
        };
        replay.take_page(messages, next);
        self.replays.run(index);
    }

    /// Runs one search for at most `left` messages: how many are left then.
    fn run_replay(&mut self, index: u32, mut left: usize, fx: &mut Effects) -> usize {
        while left > 0 {
            match self.replay_step(index, fx) {
                Step::Deliver(message) => {
                    self.deliver_retained(index, &message, fx);
                    left -= 1;
                }
                Step::Searched => left = left.saturating_sub(SLICE / 4),
                Step::Wait => {
                    self.set_replay_state(index, State::Waiting);
                    return left;
                }
                Step::Park => {
                    self.set_replay_state(index, State::Parked);
                    return left;
                }
                Step::Done => {
                    if let Some(active) = self.replays.active.as_mut() {
                        active.remove(index);
                    }
                    return left;
                }
            }
        }
        self.replays.runnable.push_back(index);
        0
    }

    fn set_replay_state(&mut self, index: u32, state: State) {
        if let Some(replay) = self.replays.get_mut(index) {
            replay.state = state;
        }
    }

    fn replay_step(&mut self, index: u32, fx: &mut Effects) -> Step {
        let Some(replay) = self
            .replays
            .active
            .as_mut()
            .and_then(|active| active.get_mut(index))
        else {
            return Step::Done;
        };
        let SessionId {
            index: session,
            generation,
        } = replay.session;
        let Some(session) = self.sessions.lookup(session, generation) else {
            return Step::Done;
        };
        let Some(conn) = session.conn.and_then(|conn| self.conns.get(conn)) else {
            return Step::Done;
        };
        // What the client has not taken yet must go first, so that no limit of the queue drops any.
        let queued = replay.subscription.qos != Qos::AtMostOnce && session.outbox.queue_len() > 0;
        if queued || !conn.has_room(self.settings.max_output_bytes) {
            return Step::Park;
        }
        if let Some(message) = replay.found.pop_front() {
            return Step::Deliver(message);
        }
        if replay.shard >= self.homes.shards {
            return Step::Done;
        }
        if replay.shard == self.id.0 {
            let page = self
                .retained
                .page(&replay.filter, replay.after.as_deref(), self.now);
            replay.take_page(page.messages, page.next);
            return Step::Searched;
        }
        let mail = Mail::RetainedQuery {
            filter: replay.filter.clone(),
            after: replay.after.take(),
            reply: (self.id, index),
        };
        fx.mail.push((ShardId(replay.shard), mail));
        Step::Wait
    }

    fn deliver_retained(&mut self, index: u32, message: &Arc<Message>, fx: &mut Effects) {
        let Some(replay) = self.replays.get_mut(index) else {
            return;
        };
        let (session, subscription) = (replay.session.index, replay.subscription);
        let view = message.view();
        if self.settings.check_retain_source
            && let Some(source) = view.source
            && !self.host.source_may_publish(source, view.topic)
        {
            return;
        }
        self.layouts.reset();
        let ids = if subscription.id == 0 {
            SubscriptionIds::None
        } else {
            SubscriptionIds::One(subscription.id)
        };
        let mut lazy = Lazy::new(&view, Some(message));
        self.delivery_parts()
            .deliver(&mut lazy, session, (&subscription, ids), fx);
    }
}

impl Replay {
    /// A page of the shard that was asked: at its end the next shard is asked.
    fn take_page(&mut self, messages: Vec<Arc<Message>>, next: Option<Box<str>>) {
        self.found.extend(messages);
        if next.is_none() {
            self.shard += 1;
        }
        self.after = next;
    }
}
