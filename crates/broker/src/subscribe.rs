//! SUBSCRIBE and UNSUBSCRIBE. SUBACK waits until every shard knows of a new filter.

use crate::effects::{Effects, Ticket};
use crate::hold::Then;
use crate::host::{Host, Note, NoteKind};
use crate::id::{ConnId, SessionId, ShardId};
use crate::mail::Mail;
use crate::record::Persist;
use crate::replay::Replay;
use crate::shard::Shard;
use crate::trie::Subscription;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::packet::{
    RetainHandling, Suback, Subscribe, SubscribeFilter, SubscribeOptions, Unsuback, Unsubscribe,
};
use pondhawk_codec::reason::{self, ReasonCode};
use pondhawk_codec::topic::{self, SubscriptionFilter};
use pondhawk_codec::{Packet, PacketId, Properties, Property, Version};
use pondhawk_plants::planted;
use pondhawk_session::server::Violation;

/// Something that waits until other shards have taken note.
pub(crate) struct PendingSuback {
    /// Answers that are missing, and one more while it is being set up.
    pub(crate) missing: u32,
    pub(crate) then: AfterInterest,
}

/// What is done then.
pub(crate) enum AfterInterest {
    /// The client gets its SUBACK, then retained messages.
    Suback {
        conn: ConnId,
        session: SessionId,
        packet_id: PacketId,
        codes: Vec<u8>,
        /// The searches to begin, and whether the subscription was there before.
        replays: Vec<(Replay, bool)>,
    },
    /// The shard whose session joined a group is told.
    Reply { shard: ShardId, token: u32 },
    /// What was restored is known everywhere.
    Restored,
}

impl<H: Host> Shard<H> {
    /// SUBSCRIBE: its filters one after the other, as if each stood alone. [MQTT-3.8.4-1] [MQTT-3.8.4-5] [MQTT-3.8.4-6]
    /// [MQTT-3.9.3-1] [MQTT3-3.8.4-1] [MQTT3-3.8.4-4] [MQTT3-3.8.4-5] [MQTT3-3.9.3-1]
    pub(crate) fn subscribe(
        &mut self,
        conn: ConnId,
        index: u32,
        packet: &Subscribe<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        self.note_packet(index, false, "SUBSCRIBE");
        let id = subscription_id(packet.properties, self.settings.max_user_properties)?;
        let listener = self.conns.get(conn.index).map_or(0, |state| state.listener);
        self.check_depth(packet.filters.iter().map(|one| one.filter))?;
        let session = self.session_id(index);
        let before = fx.ticket;
        let then = AfterInterest::Suback {
            conn,
            session,
            packet_id: packet.packet_id,
            codes: Vec::new(),
            replays: Vec::new(),
        };
        let (token, _) = self.pending.insert(PendingSuback { missing: 1, then });
        for one in packet.filters.iter() {
            let filter = self.mounted_filter(listener, one.filter);
            let (code, replay) = self.subscribe_one((index, listener), (&one, filter, id), token, fx);
            self.note_subscribed(index, &one, code);
            if let Some(PendingSuback { then: AfterInterest::Suback { codes, replays, .. }, .. }) =
                self.pending.get_mut(token)
            {
                codes.push(code.0);
                replays.extend(replay);
            }
        }
        self.suback_after_store(token, before, fx);
        self.suback_step(token, fx);
        Ok(())
    }

    /// SUBACK waits for what was persisted since `before`.
    fn suback_after_store(&mut self, token: u32, before: Ticket, fx: &mut Effects) {
        if fx.ticket > before
            && let Some(pending) = self.pending.get_mut(token)
        {
            pending.missing += 1;
            let hold = self.holds.begin(Then::Suback { token });
            self.holds.persisted(fx.ticket);
            self.end_hold(hold, fx);
        }
    }

    fn check_depth<'a>(&self, mut filters: impl Iterator<Item = &'a str>) -> Result<(), Violation> {
        let max = self.settings.max_topic_levels;
        let deep = |filter: &str| {
            let plain = SubscriptionFilter::parse(filter).map_or(filter, |parsed| parsed.filter);
            topic::levels(plain) > max
        };
        if filters.any(deep) { Err(Violation::TopicTooDeep) } else { Ok(()) }
    }

    /// One filter: its code, and the search for its retained messages if there is to be one.
    fn subscribe_one(
        &mut self,
        (index, listener): (u32, u16),
        (one, filter, id): (&SubscribeFilter<'_>, Arc<str>, u32),
        token: u32,
        fx: &mut Effects,
    ) -> (ReasonCode, Option<(Replay, bool)>) {
        let Ok(parsed) = SubscriptionFilter::parse(&filter) else {
            return (reason::TOPIC_FILTER_INVALID, None);
        };
        if let Some(code) = self.subscribe_refusal(index, one, (&filter, parsed.filter)) {
            let answer = match self.version_of(index) {
                Version::V5 => code,
                Version::V311 => reason::SUBACK_FAILURE,
                // MQTT 3.1 cannot say no: it is told what it asked for, and gets nothing.
                Version::V31 => ReasonCode(one.options.qos.as_u8()),
            };
            return (answer, None);
        }
        let max_qos = self.settings.listeners.get(usize::from(listener)).map(|rules| rules.max_qos);
        let subscription = Subscription {
            id,
            // Granted, whatever is announced. [MQTT-3.2.2-10] [MQTT-3.8.4-7]
            qos: max_qos.map_or(one.options.qos, |max| one.options.qos.min(max)),
            no_local: one.options.no_local,
            retain_as_published: one.options.retain_as_published,
        };
        let new = self.add_subscription(index, (&filter, subscription), token, fx);
        let granted = SubscribeOptions { qos: subscription.qos, ..one.options };
        self.persist_subscription(index, (&filter, granted.to_byte(), id), fx);
        // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; shared subscriptions get none.
        // [MQTT-3.8.4-4] [MQTT3-3.3.1-6] [MQTT3-3.8.4-3]
        let wanted = match one.options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => new || planted!(RetainHandlingIgnored),
            RetainHandling::DoNotSend => false,
        };
        let replay =
            (wanted && parsed.share.is_none()).then(|| (Replay::new(filter.clone(), subscription), !new));
        (ReasonCode(subscription.qos.as_u8()), replay)
    }

    /// True if the session did not have it.
    pub(crate) fn add_subscription(
        &mut self,
        index: u32,
        wanted: (&Arc<str>, Subscription),
        token: u32,
        fx: &mut Effects,
    ) -> bool {
        if wanted.0.starts_with("$share/") {
            self.subscribe_shared(index, wanted, token, fx)
        } else {
            self.subscribe_plain(index, wanted, token, fx)
        }
    }

    fn subscribe_refusal(
        &self,
        index: u32,
        one: &SubscribeFilter<'_>,
        (filter, inner): (&Arc<str>, &str),
    ) -> Option<ReasonCode> {
        let session = self.sessions.get(index)?;
        // Nobody gets around either by sharing.
        let plain = SubscriptionFilter::parse(one.filter).map_or(one.filter, |parsed| parsed.filter);
        let refused_filters = &self.settings.refused_filters;
        let refused = refused_filters.iter().any(|refused| **refused == *plain || **refused == *one.filter);
        if refused || !self.host.may_subscribe(&session.identity, inner) {
            return Some(reason::NOT_AUTHORIZED);
        }
        let max = self.settings.max_subscriptions;
        if max > 0 && session.filters.len() >= max && !session.has_filter(filter) {
            return Some(reason::QUOTA_EXCEEDED);
        }
        self.unkept_subscription(index)
    }

    /// [MQTT-3.8.4-3] [MQTT-3.8.4-4] [MQTT3-3.8.4-3]
    fn subscribe_plain(
        &mut self,
        index: u32,
        (filter, subscription): (&Arc<str>, Subscription),
        token: u32,
        fx: &mut Effects,
    ) -> bool {
        let kept = self.sessions.get(index).is_some_and(|session| session.is_recorded());
        let entry = self.trie.entry(filter);
        let (known, announced) = (entry.has_interest(), entry.announced);
        let more = entry.keep(kept);
        let new = entry.subscribe(index, subscription);
        if new {
            self.counters.subscriptions += 1;
            if let Some(session) = self.sessions.get_mut(index) {
                session.add_filter(filter);
            }
        }
        // The one that came first may still wait for the other shards. This one must then too.
        if !known || more || !self.is_announced(announced) {
            self.announce_interest(filter, Some(token), fx);
        }
        new
    }

    fn persist_subscription(
        &mut self,
        index: u32,
        (filter, options, id): (&Arc<str>, u8, u32),
        fx: &mut Effects,
    ) {
        if let Some(session) = self.sessions.get(index)
            && session.is_recorded()
        {
            let (client_id, filter) = (session.client_id.clone(), filter.clone());
            fx.persist(Persist::Subscribed { client_id, filter, options, id });
        }
    }

    /// One of the answers that a SUBACK waits for has come.
    pub(crate) fn suback_step(&mut self, token: u32, fx: &mut Effects) {
        let Some(pending) = self.pending.get_mut(token) else {
            return;
        };
        pending.missing -= 1;
        if pending.missing > 0 {
            return;
        }
        let Some(pending) = self.pending.remove(token) else {
            return;
        };
        match pending.then {
            AfterInterest::Reply { shard, token } => fx.mail.push((shard, Mail::Done { token })),
            AfterInterest::Restored => self.restoring -= 1,
            AfterInterest::Suback { conn, session, packet_id, codes, replays } => {
                let connected = self.conns.lookup(conn.index, conn.generation);
                if connected.is_none_or(|state| state.session != Some(session.index)) {
                    return;
                }
                self.note_packet(session.index, true, "SUBACK");
                // [MQTT-2.2.1-6] [MQTT-3.8.4-2] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT3-2.3.1-7] [MQTT3-3.8.4-2]
                let suback = Suback { packet_id, properties: Properties::EMPTY, codes: &codes };
                self.send(conn.index, &Packet::Suback(suback), fx);
                for (replay, again) in replays {
                    self.start_replay(session, replay, again);
                }
            }
        }
    }

    /// UNSUBSCRIBE. [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT3-3.10.4-4] [MQTT3-3.10.4-5]
    /// [MQTT3-3.10.4-6]
    pub(crate) fn unsubscribe(
        &mut self,
        conn: ConnId,
        index: u32,
        packet: &Unsubscribe<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        self.note_packet(index, false, "UNSUBSCRIBE");
        count_user_properties(packet.properties, self.settings.max_user_properties)?;
        let listener = self.conns.get(conn.index).map_or(0, |state| state.listener);
        let mut codes = Vec::new();
        let before = fx.ticket;
        for filter in packet.filters.iter() {
            let mounted = self.mounted_filter(listener, filter);
            let removed = self.unsubscribe_one(index, &mounted, fx);
            codes.push(if removed { reason::SUCCESS.0 } else { reason::NO_SUBSCRIPTION_EXISTED.0 });
            if self.host.wants(NoteKind::Unsubscribe)
                && let Some(session) = self.sessions.get(index)
            {
                self.host.note(&Note::UnsubscribeFilter { client: &session.client_id, filter });
            }
        }
        self.note_packet(index, true, "UNSUBACK");
        // [MQTT-2.2.1-6] [MQTT-3.11.2-1] [MQTT-3.11.2-2] [MQTT3-2.3.1-7]
        let unsuback = Unsuback { packet_id: packet.packet_id, properties: Properties::EMPTY, codes: &codes };
        let at = self.conns.get(conn.index).map_or(0, |state| state.out.len());
        self.send(conn.index, &Packet::Unsuback(unsuback), fx);
        if let Some(state) = self.conns.get_mut(conn.index).filter(|_| fx.ticket > before) {
            self.holds.mark((conn, state), at, fx.ticket);
        }
        Ok(())
    }

    /// What is in flight or queued stays with the session. [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-3]
    /// [MQTT3-3.10.4-1] [MQTT3-3.10.4-2] [MQTT3-3.10.4-3]
    fn unsubscribe_one(&mut self, index: u32, filter: &Arc<str>, fx: &mut Effects) -> bool {
        let Some(session) = self.sessions.get_mut(index) else {
            return false;
        };
        if !session.remove_filter(filter) {
            return false;
        }
        if session.is_recorded() {
            let client_id = session.client_id.clone();
            fx.persist(Persist::Unsubscribed { client_id, filter: filter.clone() });
        }
        if planted!(UnsubscribedStillServed) {
            return true;
        }
        self.cancel_replay(index, filter);
        self.drop_subscription(index, filter, fx);
        true
    }

    /// Takes a subscription out of the trie or its group. The session no longer lists it.
    pub(crate) fn drop_subscription(&mut self, index: u32, filter: &Arc<str>, fx: &mut Effects) {
        let Ok(parsed) = SubscriptionFilter::parse(filter) else {
            return;
        };
        if parsed.share.is_some() {
            self.leave_shared(index, filter, fx);
            return;
        }
        let Some(entry) = self.trie.find(filter) else {
            return;
        };
        if entry.unsubscribe(index) {
            self.counters.subscriptions -= 1;
            let interest = entry.has_interest() && !planted!(InterestLost);
            if !interest {
                self.withdraw_interest(filter, fx);
            }
        }
    }

    /// A filter with the listener's mount point in front of what is matched.
    fn mounted_filter(&self, listener: u16, filter: &str) -> Arc<str> {
        let prefix =
            self.settings.listeners.get(usize::from(listener)).and_then(|l| l.mount_point.as_deref());
        match (prefix, SubscriptionFilter::parse(filter)) {
            (Some(prefix), Ok(SubscriptionFilter { share: Some(name), filter })) => {
                format!("$share/{name}/{prefix}{filter}").into()
            }
            (Some(prefix), _) => {
                let mut mounted = String::from(prefix);
                mounted.push_str(filter);
                mounted.into()
            }
            (None, _) => filter.into(),
        }
    }

    fn version_of(&self, index: u32) -> Version {
        let conn = self.sessions.get(index).and_then(|session| session.conn);
        conn.and_then(|conn| self.conns.get(conn)).map_or(Version::V311, |state| state.link.version)
    }

    fn note_subscribed(&mut self, index: u32, one: &SubscribeFilter<'_>, code: ReasonCode) {
        if (self.host.wants(NoteKind::Subscribe) || self.host.wants(NoteKind::Debug))
            && let Some(session) = self.sessions.get(index)
        {
            self.host.note(&Note::SubscribeFilter {
                client: &session.client_id,
                filter: one.filter,
                qos: one.options.qos,
                granted: pondhawk_codec::Qos::from_u8(code.0),
            });
        }
    }
}

/// The subscription identifier of a SUBSCRIBE, or 0.
fn subscription_id(properties: Properties<'_>, user_max: usize) -> Result<u32, Violation> {
    count_user_properties(properties, user_max)?;
    let id = properties.find(|property| match property {
        Property::SubscriptionIdentifier(id) => Some(id),
        _ => None,
    });
    Ok(id.unwrap_or(0))
}

fn count_user_properties(properties: Properties<'_>, max: usize) -> Result<(), Violation> {
    let count = properties.iter().filter(|property| matches!(property, Property::UserProperty(..))).count();
    if count > max { Err(Violation::TooManyUserProperties) } else { Ok(()) }
}
