//! Sessions, their subscriptions and wills, as the packets say they must be.

use super::message::Message;
use super::{Moment, Shadow};
use crate::client::packets::Hello;
use crate::sometimes;
use crate::world::host::Right;
use pondhawk_broker::Millis;
use pondhawk_codec::Version;
use pondhawk_codec::topic;
use std::collections::{BTreeMap, BTreeSet};

/// A connection.
#[derive(Clone, Debug)]
pub struct Link {
    /// The client.
    pub client: usize,
    /// Its CONNECT, once a shard has taken it.
    pub hello: Option<Hello>,
    /// The session, once the broker has let the client in.
    pub session: Option<usize>,
    /// It has a session and has not ended.
    pub live: bool,
    /// The broker must turn it away.
    pub refused: bool,
    /// The session was there before.
    pub present: bool,
    /// CONNACK has left.
    pub greeted: bool,
    /// The will that its end would publish, and its delay.
    pub will: Option<(u32, u32)>,
    /// The broker has a reason to end it.
    pub ending: bool,
    /// QoS 1 and 2 messages that the client takes at once.
    pub window: usize,
    /// Packet identifiers of messages under way to the client on this connection.
    pub inflight: BTreeSet<u16>,
    /// Aliases that the broker has set.
    pub aliases: BTreeMap<u16, String>,
    /// SUBACKs that are owed: when SUBSCRIBE was taken, filters and the codes that they must have.
    pub subacks: BTreeMap<u16, (u64, Vec<(String, u8)>)>,
    /// UNSUBACKs that are owed: the subscriptions that ended, by their places in the session.
    pub unsubacks: BTreeMap<u16, Vec<Option<usize>>>,
    /// The last delivery that was sent again, by its order in the session: PUBLISH, PUBREL.
    pub again: [u64; 2],
    /// When a shard was last given something from it.
    pub heard: Millis,
    /// When its shard was told of it.
    pub opened: Millis,
    /// Its keep alive as the broker has it.
    pub keep_alive: u16,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose.
    pub client: usize,
    /// Seconds that it outlives its connection.
    pub keep_s: u32,
    /// The step in which it began.
    pub began: u64,
    /// How long it was to be kept, from which step on.
    pub keep: Vec<(u64, u32)>,
    /// When it was to end, from which step on; `None` while it was connected.
    pub ends: Vec<(u64, Option<Millis>)>,
    /// It is there.
    pub alive: bool,
    /// The step in which it ended.
    pub ended: Option<u64>,
    /// The connection that it has.
    pub link: Option<usize>,
    /// When it ends, while it has none.
    pub ends_at: Millis,
    /// A will that waits for its delay, and when it is due.
    pub delayed: Option<(Millis, u32)>,
    /// Subscriptions that are or were.
    pub subs: Vec<Sub>,
    /// Packet identifiers of messages to the client that it has not finished.
    pub ids: BTreeMap<u16, IdUse>,
    /// QoS 2 messages from the client that it has not released.
    pub inbox: BTreeMap<u16, u32>,
    /// All QoS 2 messages that it ever held.
    pub held: Vec<Held>,
    /// The message that each packet identifier of the client last stood for.
    pub published: BTreeMap<u16, u32>,
    /// Deliveries so far, for their order.
    pub deliveries: u64,
}

/// A QoS 2 message between PUBLISH and PUBREL.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its packet identifier.
    pub id: u16,
    /// The message.
    pub message: u32,
    /// The step in which it was received.
    pub from: u64,
    /// The step in which it was released.
    pub until: Option<u64>,
}

/// What becomes of a client's will if nothing more is heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pledge {
    /// It has none.
    None,
    /// It is published so many seconds after the connection's end.
    Armed(u32, u32),
    /// It is published at this time.
    Due(u32, Millis),
}

/// What a packet identifier of a delivery stands for.
#[derive(Clone, Debug)]
pub struct IdUse {
    /// The message, if its payload says one.
    pub message: Option<u32>,
    /// Its QoS.
    pub qos: u8,
    /// The connection that it was last sent on.
    pub link: usize,
    /// PUBREL has been sent.
    pub released: bool,
    /// Its place among the session's deliveries.
    pub order: u64,
    /// It was sent before a crash. What made room for it may have been lost, and then the broker does not know.
    pub doubtful: bool,
    /// Its topic.
    pub topic: String,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Sub {
    /// The whole filter, with the mount point.
    pub filter: String,
    /// What is matched.
    pub inner: String,
    /// It is shared.
    pub shared: bool,
    /// The QoS granted.
    pub qos: u8,
    /// Not the client's own.
    pub no_local: bool,
    /// RETAIN as published.
    pub as_published: bool,
    /// The subscription identifier.
    pub id: u32,
    /// The step in which SUBSCRIBE was taken.
    pub from: u64,
    /// The step in which SUBACK left.
    pub sure: Option<u64>,
    /// The step in which it ended.
    pub end: Option<u64>,
}

impl Sub {
    /// True if the subscription is for `topic`.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        topic::matches(&self.inner, topic)
    }
}

impl Session {
    /// The subscription to a filter that there is now.
    pub fn sub_mut(&mut self, filter: &str) -> Option<&mut Sub> {
        self.subs.iter_mut().find(|sub| sub.end.is_none() && sub.filter == filter)
    }
}

impl Link {
    /// A connection that has said nothing yet.
    #[must_use]
    pub fn new(client: usize, now: Millis) -> Link {
        Link {
            client,
            hello: None,
            session: None,
            live: false,
            refused: false,
            present: false,
            greeted: false,
            will: None,
            ending: false,
            window: 0,
            inflight: BTreeSet::new(),
            aliases: BTreeMap::new(),
            subacks: BTreeMap::new(),
            unsubacks: BTreeMap::new(),
            again: [0; 2],
            heard: now,
            opened: now,
            keep_alive: 0,
        }
    }
}

impl Shadow {
    /// The broker lets a client in, or not: everything that it must decide about a CONNECT.
    pub(super) fn admit(&mut self, link: usize, at: &Moment<'_>) {
        let Some(hello) = self.links[link].hello.clone() else { return };
        let client = self.links[link].client;
        if let Some((will, _)) = hello.will
            && !at.rules.allow(&self.clients[client].id, Right::Publish, &self.messages[will as usize].topic)
        {
            sometimes!(self.reached, "will refused for want of a right");
            (self.links[link].refused, self.links[link].ending) = (true, true);
            return;
        }
        self.take_over(client, at);
        let existing = self.current[client];
        if let Some(session) = existing.filter(|_| hello.clean) {
            if self.sessions[session].keep_s > 0 {
                sometimes!(self.reached, "clean start ends a kept session");
            }
            self.end_session(session, at);
        }
        let session = match self.current[client] {
            Some(session) => {
                self.resume(session, &hello, at.step);
                self.links[link].present = true;
                session
            }
            None => self.begin(client, &hello, at.step),
        };
        self.sessions[session].link = Some(link);
        let pledge = hello.will.map_or(Pledge::None, |(will, delay)| Pledge::Armed(will, delay));
        self.pledges[client].push((at.step, pledge));
        let plan = &self.clients[client];
        let offered = if plan.version == Version::V5 { plan.receive_max } else { u16::MAX };
        let max = at.settings.max_keepalive_s;
        let asked = hello.keep_alive;
        let state = &mut self.links[link];
        state.session = Some(session);
        state.heard = at.now;
        state.live = true;
        state.will = hello.will;
        state.window = usize::from(offered.min(at.settings.max_inflight_messages));
        state.keep_alive = if max > 0 && (asked == 0 || asked > max) { max } else { asked };
    }

    fn take_over(&mut self, client: usize, at: &Moment<'_>) {
        let Some(old) = self.current[client].and_then(|session| self.sessions[session].link) else { return };
        sometimes!(self.reached, "take-over");
        if let Some(session) = self.links[old].session {
            let session = &self.sessions[session];
            if !session.inbox.is_empty() || session.ids.values().any(|id| id.qos == 2) {
                sometimes!(self.reached, "take-over with QoS 2 half done");
            }
        }
        if self.links[old].will.is_some() {
            sometimes!(self.reached, "take-over with a will");
        }
        self.links[old].ending = true;
        self.finish(old, at);
    }

    fn begin(&mut self, client: usize, hello: &Hello, step: u64) -> usize {
        self.sessions.push(Session {
            client,
            keep_s: hello.keep_s,
            began: step,
            keep: vec![(step, hello.keep_s)],
            ends: vec![(step, None)],
            alive: true,
            ended: None,
            link: None,
            ends_at: Millis::MAX,
            delayed: None,
            subs: Vec::new(),
            ids: BTreeMap::new(),
            inbox: BTreeMap::new(),
            held: Vec::new(),
            published: BTreeMap::new(),
            deliveries: 0,
        });
        let session = self.sessions.len() - 1;
        self.current[client] = Some(session);
        session
    }

    fn resume(&mut self, session: usize, hello: &Hello, step: u64) {
        let session = &mut self.sessions[session];
        session.keep_s = hello.keep_s;
        session.keep.push((step, hello.keep_s));
        session.ends.push((step, None));
        session.ends_at = Millis::MAX;
        if session.delayed.take().is_some() {
            sometimes!(self.reached, "delayed will called off by a new connection");
        }
        if !session.ids.is_empty() {
            sometimes!(self.reached, "session resumed with messages in flight");
        }
    }

    /// A connection is over, whatever ended it: its will is due, unless DISCONNECT took it back.
    pub fn finish(&mut self, link: usize, at: &Moment<'_>) {
        let state = &mut self.links[link];
        if !std::mem::take(&mut state.live) {
            return;
        }
        let will = state.will.take();
        let Some(session) = state.session else { return };
        self.sessions[session].link = None;
        let Session { keep_s, client, .. } = self.sessions[session];
        let mut pledge = Pledge::None;
        match will {
            Some((will, delay)) if delay > 0 && keep_s > 0 => {
                let due = at.now + Millis::from(delay) * 1000;
                self.sessions[session].delayed = Some((due, will));
                pledge = Pledge::Due(will, due);
            }
            Some((will, _)) => self.publish_will(will, at),
            None => {}
        }
        self.pledges[client].push((at.step, pledge));
        if keep_s == 0 {
            return self.end_session(session, at);
        }
        let state = &mut self.sessions[session];
        if keep_s < u32::MAX {
            state.ends_at = at.now + Millis::from(keep_s) * 1000;
        }
        state.ends.push((at.step, Some(state.ends_at)));
    }

    /// A session ends, with all that it had. A will that still waits is published.
    pub(super) fn end_session(&mut self, session: usize, at: &Moment<'_>) {
        if self.settled(at.step - 1).is_none() {
            sometimes!(self.reached, "mail delayed past a session's end");
        }
        let state = &mut self.sessions[session];
        state.alive = false;
        state.ended = Some(at.step);
        for sub in state.subs.iter_mut().filter(|sub| sub.end.is_none()) {
            sub.end = Some(at.step);
        }
        let delayed = state.delayed.take();
        let client = state.client;
        self.current[client] = None;
        if let Some((_, will)) = delayed {
            self.pledges[client].push((at.step, Pledge::None));
            self.publish_will(will, at);
        }
    }

    pub(super) fn publish_will(&mut self, will: u32, at: &Moment<'_>) {
        let Message { topic, publisher, .. } = &self.messages[will as usize];
        if at.rules.allow(&self.clients[*publisher].id, Right::Publish, topic) {
            sometimes!(self.reached, "will published");
            self.messages[will as usize].transaction = true;
            self.route(will, at);
        }
    }

    /// The timers of a client's shard are fired now.
    pub fn tick(&mut self, client: usize, at: &Moment<'_>) {
        let Some(session) = self.current[client] else { return };
        let state = &mut self.sessions[session];
        let due = state.delayed.filter(|(due, _)| *due <= at.now && state.ends_at > *due);
        if let Some((_, will)) = due {
            state.delayed = None;
            self.pledges[client].push((at.step, Pledge::None));
            sometimes!(self.reached, "delayed will published");
            self.publish_will(will, at);
        }
        let state = &self.sessions[session];
        if state.link.is_none() && state.ends_at <= at.now {
            sometimes!(self.reached, "session expired");
            if state.delayed.is_some() {
                sometimes!(self.reached, "session expired with a delayed will");
            }
            self.end_session(session, at);
        }
    }
}
