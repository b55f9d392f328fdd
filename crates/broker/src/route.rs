//! Topic to recipients, and the message to all of them: here, to other shards, to the retained store.

use crate::deliver::{Lazy, ids_of, merged};
use crate::effects::Effects;
use crate::hold::Then;
use crate::host::Host;
use crate::id::{SessionId, SessionRef, ShardId};
use crate::mail::{Confirm, Mail};
use crate::record::{Persist, Place, Release};
use crate::shard::Shard;
use crate::trie::{Member, Subscription};
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_plants::planted;
use pondhawk_session::server::{Message, MessageRef};

/// The recipients of the message at hand.
#[derive(Default)]
pub(crate) struct Routing {
    recipients: Vec<(u32, Subscription)>,
    members: Vec<Member>,
    /// The groups that picked them, while the message is to be recorded.
    groups: Vec<Arc<str>>,
    remote: u64,
    /// Those shards that may have to keep the message.
    remote_kept: u64,
    /// The message is under way by a record.
    release: Option<Release>,
}

impl Routing {
    /// True if a session that `is_here` says so of is among the recipients, or another shard may have such a one.
    pub(crate) fn reaches(&self, here: ShardId, is_here: impl Fn(u32, &Subscription) -> bool) -> bool {
        let member = |member: &Member| {
            member.session.shard != here || is_here(member.session.id.index, &member.subscription)
        };
        self.remote_kept != 0
            || self.recipients.iter().any(|(session, subscription)| is_here(*session, subscription))
            || self.members.iter().any(member)
    }
}

impl<H: Host> Shard<H> {
    /// Finds the recipients of `topic`; true if there is any.
    pub(crate) fn route(&mut self, topic: &str) -> bool {
        self.route_named(topic, false)
    }

    /// Finds the recipients of `topic`, with the names of the groups that picked some if `named`.
    fn route_named(&mut self, topic: &str, named: bool) -> bool {
        let routing = &mut self.routing;
        routing.recipients.clear();
        routing.members.clear();
        routing.groups.clear();
        routing.remote = 0;
        routing.remote_kept = 0;
        routing.release = None;
        self.trie.for_each_match(topic, |entry| {
            let subscribers = entry.subscribers.iter();
            routing.recipients.extend(subscribers.map(|s| (s.session, s.subscription)));
            for group in &mut entry.groups {
                if planted!(SharedToTwo) {
                    routing.members.extend(group.pick());
                }
                if let Some(member) = group.pick() {
                    routing.members.push(member);
                    if named {
                        routing.groups.push(group.filter.clone());
                    }
                }
            }
            routing.remote |= entry.remote;
            routing.remote_kept |= entry.remote_kept;
        });
        !routing.recipients.is_empty() || !routing.members.is_empty() || routing.remote != 0
    }

    /// Routes a message that must reach every place once, whatever crashes: where it cannot arrive in this turn, a
    /// record says that it still has to. It belongs to the current hold.
    pub(crate) fn send_out(&mut self, view: &MessageRef<'_>, given: Option<&Arc<Message>>, fx: &mut Effects) {
        self.route_named(view.topic, true);
        let mut owed: Vec<Place> = shards_of(self.routing.remote).map(Place::Shard).collect();
        if view.retain && self.homes.of_topic(view.topic) != self.id {
            owed.push(Place::Retained);
        }
        owed.extend(self.owed_groups());
        if owed.is_empty() {
            self.fan_out(view, given, fx);
            return;
        }
        let message = given.cloned().unwrap_or_else(|| Arc::new(view.to_message()));
        self.releases += 1;
        let release = Release(u64::from(self.id.0) << 56 | self.releases);
        let ticket = fx.persist(Persist::UnderWay { release, message: message.clone(), owed });
        self.holds.persisted(ticket);
        self.holds.set_out(release);
        self.routing.release = Some(release);
        self.fan_out(view, Some(&message), fx);
    }

    /// Groups that picked a session of another shard.
    fn owed_groups(&self) -> impl Iterator<Item = Place> {
        let picked = self.routing.members.iter().zip(&self.routing.groups);
        picked
            .filter(|(member, _)| member.session.shard != self.id)
            .map(|(_, group)| Place::Group(group.clone()))
    }

    /// Sends the message to the recipients that [`route`](Self::route) found, and retains it if it asks for
    /// that. `given` is the message if somebody already owns it.
    pub(crate) fn fan_out(&mut self, view: &MessageRef<'_>, given: Option<&Arc<Message>>, fx: &mut Effects) {
        let mut message = Lazy::new(view, given);
        self.deliver_routed(&mut message, fx);
        let mut remote = self.routing.remote;
        // Without the flag the retained messages stay as they are. [MQTT-3.3.1-8] [MQTT3-3.3.1-12]
        if view.retain {
            let home = self.homes.of_topic(view.topic);
            if home == self.id {
                self.retain(message.shared(), fx);
            } else {
                let deliver = remote & 1 << home.0 != 0;
                remote &= !(1 << home.0);
                self.count_on_its_way(message.shared(), 1);
                self.forward(home, message.shared(), (deliver, true), fx);
            }
        }
        for shard in shards_of(remote) {
            self.forward(shard, message.shared(), (true, false), fx);
        }
    }

    fn forward(
        &mut self,
        shard: ShardId,
        message: &Arc<Message>,
        (deliver, retain): (bool, bool),
        fx: &mut Effects,
    ) {
        let confirm = self.holds.expect().map(|token| (self.id, token));
        let release = self.routing.release;
        let mail = Mail::Publish { message: message.clone(), deliver, retain, confirm, release };
        let at = if planted!(LettersOutOfOrder) { 0 } else { fx.mail.len() };
        fx.mail.insert(at, (shard, mail));
    }

    /// Delivers to the sessions of this shard, and to the members that its groups picked.
    fn deliver_routed(&mut self, message: &mut Lazy<'_>, fx: &mut Effects) {
        let mut recipients = core::mem::take(&mut self.routing.recipients);
        let work = recipients.len() + self.routing.members.len();
        self.budget = self.budget.saturating_sub(u32::try_from(work).unwrap_or(u32::MAX));
        self.layouts.reset();
        if message.view.retain && self.replays.len() > 0 {
            self.refresh_replays(message, &recipients);
        }
        if self.settings.allow_duplicate_messages {
            let mut parts = self.delivery_parts();
            // [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-5] [MQTT3-3.3.5-1]
            for (session, subscription) in &recipients {
                parts.deliver(message, *session, (subscription, ids_of(subscription)), fx);
            }
        } else {
            self.deliver_merged(message, &mut recipients, fx);
        }
        recipients.clear();
        self.routing.recipients = recipients;
        let members = core::mem::take(&mut self.routing.members);
        for (place, member) in members.iter().enumerate() {
            self.deliver_member(message, (member, place), fx);
        }
        self.routing.members = members;
    }

    /// Recipients that are still being sent retained messages get neither an older one nor this one again.
    fn refresh_replays(&mut self, message: &Lazy<'_>, recipients: &[(u32, Subscription)]) {
        for (session, _) in recipients {
            if let Some(number) = self.sessions.get(*session).and_then(|session| session.replay) {
                self.replays.refresh(number, message.view.topic);
            }
        }
    }

    /// One copy a session.
    fn deliver_merged(
        &mut self,
        message: &mut Lazy<'_>,
        recipients: &mut [(u32, Subscription)],
        fx: &mut Effects,
    ) {
        recipients.sort_unstable_by_key(|(session, _)| *session);
        let mut parts = self.delivery_parts();
        for same in recipients.chunk_by(|a, b| a.0 == b.0) {
            let Some((session, _)) = same.first() else {
                continue;
            };
            let own = parts.is_origin(*session, message.view);
            if let Some((merged, ids)) = merged(same, own) {
                parts.deliver(message, *session, (&merged, ids), fx);
            }
        }
    }

    fn deliver_member(
        &mut self,
        message: &mut Lazy<'_>,
        (member, place): (&Member, usize),
        fx: &mut Effects,
    ) {
        let SessionRef { shard, id } = member.session;
        if shard != self.id {
            let confirm = self.holds.expect().map(|token| (self.id, token));
            let group = self.routing.groups.get(place);
            let release = self.routing.release.zip(group.cloned());
            let mail = Mail::Deliver {
                to: id,
                message: message.shared().clone(),
                subscription: member.subscription,
                confirm,
                release,
            };
            fx.mail.push((shard, mail));
        } else if self.sessions.lookup(id.index, id.generation).is_some() {
            let subscription = &member.subscription;
            self.delivery_parts().deliver(message, id.index, (subscription, ids_of(subscription)), fx);
        }
    }

    /// A message that another shard published.
    pub(crate) fn mailed_publish(
        &mut self,
        (message, deliver, retain): (&Arc<Message>, bool, bool),
        (confirm, release): (Option<Confirm>, Option<Release>),
        fx: &mut Effects,
    ) {
        let hold = confirm.map(|(shard, token)| self.holds.begin(Then::Confirm { shard, token }));
        if deliver {
            let view = message.view();
            self.route_named(view.topic, release.is_some());
            if let Some(release) = release {
                self.routing.release = Some(release);
                let owed = self.owed_groups().collect();
                self.reached((release, Place::Shard(self.id)), owed, fx);
            }
            self.deliver_routed(&mut Lazy::new(&view, Some(message)), fx);
        }
        if retain {
            if let Some(release) = release {
                self.reached((release, Place::Retained), Vec::new(), fx);
            }
            self.count_on_its_way(message, -1);
            self.retain(message, fx);
        }
        if let Some(token) = hold {
            self.end_hold(token, fx);
        }
    }

    /// A message that is under way has arrived, by a record of the turn in which it takes effect.
    fn reached(&mut self, (release, place): (Release, Place), owed: Vec<Place>, fx: &mut Effects) {
        if planted!(ReachedForgotten) {
            return;
        }
        let ticket = fx.persist(Persist::Reached { release, place, owed });
        self.holds.persisted(ticket);
    }

    /// A message for a member of a shared group.
    pub(crate) fn mailed_deliver(
        &mut self,
        (to, message, subscription): (SessionId, &Arc<Message>, Subscription),
        (confirm, release): (Option<Confirm>, Option<(Release, Arc<str>)>),
        fx: &mut Effects,
    ) {
        let hold = confirm.map(|(shard, token)| self.holds.begin(Then::Confirm { shard, token }));
        if let Some((release, group)) = release {
            self.reached((release, Place::Group(group)), Vec::new(), fx);
        }
        if self.sessions.lookup(to.index, to.generation).is_some() {
            let view = message.view();
            self.layouts.reset();
            let mut lazy = Lazy::new(&view, Some(message));
            self.delivery_parts().deliver(&mut lazy, to.index, (&subscription, ids_of(&subscription)), fx);
        }
        if let Some(token) = hold {
            self.end_hold(token, fx);
        }
    }

    /// Whether the retained stores have room for the message. Its home may be another shard, which cannot be
    /// asked before the acknowledgement: the broker's total decides. A message that replaces one is refused
    /// too then, unless its home is here.
    pub(crate) fn retained_fits(&self, view: &MessageRef<'_>) -> bool {
        let (max, bytes_max) = (self.settings.max_retained_messages, self.settings.max_retained_bytes);
        if view.payload.is_empty() || max == 0 && bytes_max == 0 {
            return true;
        }
        let size = view.topic.len() + view.properties.len() + view.payload.len();
        let (messages, bytes) = self.host.retained_total();
        let over = |max: usize, value: usize| max != 0 && value > max;
        !over(max, messages + 1) && !over(bytes_max, bytes + size) || self.retained.contains(view.topic)
    }

    /// Stores or deletes the topic's retained message. [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT3-3.3.1-5]
    /// [MQTT3-3.3.1-10] [MQTT3-3.3.1-11]
    fn retain(&mut self, message: &Arc<Message>, fx: &mut Effects) {
        let (messages, bytes) = (self.retained.len(), self.retained.bytes());
        let record = if message.payload_len() == 0 && !planted!(EmptyRetained) {
            if !self.retained.remove(message.topic()) {
                // Somebody else's deletion may not be durable yet, but its record is no later than the last.
                self.holds.persisted(fx.ticket);
                return;
            }
            Persist::RetainedGone { topic: message.topic().into() }
        } else {
            self.retained.set(message.clone());
            Persist::Retained { message: message.clone() }
        };
        self.count_retained(messages, bytes);
        // What the broker says of itself is no truth about the next one.
        if self.settings.persistent && !message.topic().starts_with("$SYS/") {
            let ticket = fx.persist(record);
            self.holds.persisted(ticket);
        }
    }
}

impl<H: Host> Shard<H> {
    /// A retained message that is on its way to its home counts as if it were there, so that no more are
    /// acknowledged than there is room for.
    fn count_on_its_way(&mut self, message: &Message, sign: isize) {
        if message.payload_len() > 0 {
            self.host.retained_changed(sign, sign * message.size() as isize);
        }
    }

    /// Tells the host how the retained messages have changed since there were so many.
    pub(crate) fn count_retained(&mut self, messages: usize, bytes: usize) {
        let messages = self.retained.len() as isize - messages as isize;
        let bytes = self.retained.bytes() as isize - bytes as isize;
        if messages != 0 || bytes != 0 {
            self.host.retained_changed(messages, bytes);
        }
    }
}

/// The shards whose bits are set.
fn shards_of(mut bits: u64) -> impl Iterator<Item = ShardId> {
    core::iter::from_fn(move || {
        let shard = (bits != 0).then(|| ShardId(bits.trailing_zeros() as u8));
        bits &= bits.wrapping_sub(1);
        shard
    })
}
