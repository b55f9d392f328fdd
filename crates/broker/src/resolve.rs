//! What a restart does before any shard runs: the crash ended every connection, so sessions and wills fall due, and
//! messages that were under way between shards arrive where they have not been.

use crate::deliver::{granted_qos, ids_of, merged};
use crate::home::Homes;
use crate::host::Host;
use crate::id::{SessionId, SessionRef, ShardId};
use crate::record::{Persist, Place};
use crate::restore::{Restored, RestoredWill, subscription};
use crate::session::is_under;
use crate::settings::Settings;
use crate::trie::{Group, Member, Subscription, Trie};
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::topic::SubscriptionFilter;
use pondhawk_session::server::{Delivery, Message, MessageRef, Millis, Seq, SubscriptionIds};

/// How the broker starts again.
#[derive(Debug)]
pub struct Restart<'a, H: Host> {
    /// The time on the shards' clock.
    pub now: Millis,
    /// Where names are at home from now on.
    pub homes: Homes,
    /// The settings.
    pub settings: &'a Settings,
    /// Who has which rights now.
    pub host: &'a H,
}

impl Restored {
    /// Brings what was kept to the moment of the restart. The records say what that changed: the driver has the store
    /// keep them, as one unit, before it gives a shard what is here. A crash before that does no harm.
    pub fn resolve<H: Host>(&mut self, restart: &Restart<'_, H>) -> Vec<Persist> {
        let mut resolver = Resolver { restored: self, restart, records: Vec::new(), index: None };
        resolver.end_sessions();
        resolver.finish_releases();
        resolver.publish_wills();
        resolver.put(Persist::Homes { homes: restart.homes });
        resolver.records
    }
}

struct Resolver<'a, H: Host> {
    restored: &'a mut Restored,
    restart: &'a Restart<'a, H>,
    records: Vec<Persist>,
    index: Option<Index>,
}

/// Who subscribed to what, made when a message needs it.
struct Index {
    trie: Trie,
    clients: Vec<Arc<str>>,
}

impl Index {
    /// The tree hashes with a secret `key`.
    fn new(restored: &Restored, key: u64) -> Index {
        let mut index = Index { trie: Trie::new(key), clients: Vec::new() };
        for (client_id, session) in &restored.sessions {
            let number = index.clients.len() as u32;
            index.clients.push(client_id.clone());
            for (filter, (options, id)) in &session.subscriptions {
                index.add(number, filter, subscription(*options, *id));
            }
        }
        index
    }

    fn add(&mut self, session: u32, whole: &Arc<str>, subscription: Subscription) {
        let Ok(SubscriptionFilter { share, filter }) = SubscriptionFilter::parse(whole) else {
            return;
        };
        let entry = self.trie.entry(filter);
        let Some(name) = share else {
            entry.subscribe(session, subscription);
            return;
        };
        let id = SessionId { index: session, generation: 0 };
        let session = SessionRef { shard: ShardId(0), id };
        let member = Member { session, subscription, online: false };
        match entry.groups.iter_mut().find(|group| *group.name == *name) {
            Some(group) => group.members.push(member),
            None => entry.groups.push(Group {
                name: name.into(),
                filter: whole.clone(),
                members: [member].into(),
                next: 0,
            }),
        }
    }
}

/// Recipients by their number in the index.
type Recipients = Vec<(u32, Subscription)>;

impl<H: Host> Resolver<'_, H> {
    fn put(&mut self, record: Persist) {
        self.records.push(record.clone());
        self.restored.apply(record);
    }

    /// Sessions whose time is over end. Those whose clients were connected have their time from now on.
    fn end_sessions(&mut self) {
        let now = self.restart.now;
        let mut changes = Vec::new();
        for (client_id, session) in &self.restored.sessions {
            let mut kept = session.kept.clone();
            let ends_at = kept.ends_at.unwrap_or(match kept.expiry_s {
                u32::MAX => Millis::MAX,
                seconds => now.saturating_add(u64::from(seconds) * 1000),
            });
            if ends_at <= now || kept.expiry_s == 0 {
                changes.push(Persist::SessionGone { client_id: client_id.clone() });
            } else if kept.ends_at.is_none() {
                // The queue says what may have been sent: all that the window took.
                let window = usize::from(self.restart.settings.window());
                let sent = session.queue.keys().take(window).max().copied().unwrap_or_default();
                kept.sent = kept.sent.max(sent);
                kept.doubtful = session.last_queued().unwrap_or(kept.doubtful);
                kept.ends_at = Some(ends_at);
                changes.push(Persist::Session { client_id: client_id.clone(), kept });
            }
        }
        changes.into_iter().for_each(|change| self.put(change));
    }

    /// Messages under way arrive, in the order in which they set out.
    fn finish_releases(&mut self) {
        for (release, left) in core::mem::take(&mut self.restored.under_way) {
            for place in left.owed {
                match place {
                    Place::Retained => self.retain(&left.message),
                    Place::Shard(shard) => self.reach_shard(&left.message, Some(shard)),
                    Place::Group(filter) => self.reach_group(&left.message, &filter),
                }
            }
            self.put(Persist::Routed { release });
        }
    }

    /// Wills that are due, and those of clients that the crash disconnected. [MQTT-3.1.2-8] [MQTT3-3.1.2-8]
    fn publish_wills(&mut self) {
        let now = self.restart.now;
        let wills: Vec<_> = self.restored.wills.iter().map(|(id, will)| (id.clone(), will.clone())).collect();
        for (client_id, RestoredWill { source, will, due }) in wills {
            let delay = Millis::from(will.delay_s) * 1000;
            let at = due.unwrap_or(now.saturating_add(delay));
            if at <= now || !self.restored.sessions.contains_key(&client_id) {
                self.put(Persist::WillGone { client_id });
                let host = self.restart.host;
                let username = source.username.as_deref();
                let identity = host.identify(source.listener, username, &source.client_id);
                if host.may_publish(&identity, &will.topic) {
                    self.publish(&will.message(&source, now));
                }
            } else if due.is_none() {
                self.put(Persist::Will { source, will, due: Some(at) });
            }
        }
    }

    fn publish(&mut self, view: &MessageRef<'_>) {
        let retain = view.retain && self.retained_fits(view);
        let message = Arc::new(MessageRef { retain, ..*view }.to_message());
        self.reach_shard(&message, None);
        if retain {
            self.retain(&message);
        }
    }

    fn index(&mut self) -> &mut Index {
        self.index.get_or_insert_with(|| Index::new(self.restored, self.restart.homes.key))
    }

    /// To all, or to what one shard of before was the home of: sessions that subscribed for themselves, and groups.
    fn reach_shard(&mut self, message: &Arc<Message>, shard: Option<ShardId>) {
        let homes = self.restored.homes;
        // What is under way was so by the homes of a record.
        let is_there = |home: fn(&Homes, &str) -> ShardId, name: &str| match (shard, &homes) {
            (Some(shard), Some(homes)) => home(homes, name) == shard,
            _ => true,
        };
        let mut recipients = Recipients::new();
        let mut members = Recipients::new();
        let Index { trie, clients } = self.index();
        trie.for_each_match(message.topic(), |entry| {
            let plain = entry.subscribers.iter().map(|one| (one.session, one.subscription));
            recipients.extend(plain.filter(|(n, _)| is_there(Homes::of_client, &clients[*n as usize])));
            let groups = entry.groups.iter_mut().filter(|group| is_there(Homes::of_group, &group.filter));
            members
                .extend(groups.filter_map(Group::pick).map(|one| (one.session.id.index, one.subscription)));
        });
        self.reach_sessions(message, recipients);
        for (number, subscription) in members {
            self.deliver(message, number, (subscription, ids_of(&subscription)));
        }
    }

    fn reach_sessions(&mut self, message: &Arc<Message>, mut recipients: Recipients) {
        let settings = self.restart.settings;
        if settings.allow_duplicate_messages {
            for (number, subscription) in recipients {
                self.deliver(message, number, (subscription, ids_of(&subscription)));
            }
            return;
        }
        recipients.sort_unstable_by_key(|(number, _)| *number);
        for same in recipients.chunk_by(|a, b| a.0 == b.0) {
            let own = self.is_own(message, same[0].0);
            if let Some(wanted) = merged(same, own) {
                self.deliver(message, same[0].0, wanted);
            }
        }
    }

    fn reach_group(&mut self, message: &Arc<Message>, whole: &str) {
        let Ok(SubscriptionFilter { share: Some(name), filter }) = SubscriptionFilter::parse(whole) else {
            return;
        };
        let entry = self.index().trie.find(filter);
        let group = entry.and_then(|entry| entry.groups.iter_mut().find(|group| *group.name == *name));
        if let Some(Member { session, subscription, .. }) = group.and_then(Group::pick) {
            self.deliver(message, session.id.index, (subscription, ids_of(&subscription)));
        }
    }

    /// True if the client published the message. [MQTT-3.8.3-3]
    fn is_own(&mut self, message: &Message, number: u32) -> bool {
        let client_id = &self.index().clients[number as usize];
        message.view().source.is_some_and(|source| *source.client_id == **client_id)
    }

    /// Queues the message, by the rules of a delivery to a client that is away. It was acknowledged or promised
    /// before, so no limit of the queue drops it.
    fn deliver(
        &mut self,
        message: &Arc<Message>,
        number: u32,
        (subscription, ids): (Subscription, SubscriptionIds),
    ) {
        let view = message.view();
        let Restart { now, settings, host, .. } = *self.restart;
        let qos = granted_qos(settings, &subscription, &view);
        if subscription.no_local && self.is_own(message, number)
            || qos == pondhawk_codec::Qos::AtMostOnce
            || view.is_expired(now)
        {
            return;
        }
        let client_id = self.index().clients[number as usize].clone();
        let Some(session) = self.restored.sessions.get(&client_id) else {
            return;
        };
        let mount = settings.listeners.get(usize::from(session.kept.listener));
        let mount = mount.and_then(|rules| rules.mount_point.as_deref());
        let identity = host.identify(session.kept.listener, session.kept.username.as_deref(), &client_id);
        if !is_under(mount, view.topic) || !host.may_receive(&identity, view.topic) {
            return;
        }
        let seq = Seq(session.last_queued().unwrap_or_default().max(session.kept.sent).0 + 1);
        let delivery = Delivery { qos, retain: subscription.retain_as_published && view.retain, ids };
        self.put(Persist::Queued { client_id, seq, message: message.clone(), delivery });
    }

    fn retained_fits(&self, view: &MessageRef<'_>) -> bool {
        let settings = self.restart.settings;
        let over = |max: usize, value: usize| max != 0 && value > max;
        let bytes = || self.restored.retained.values().map(|message| message.size()).sum::<usize>();
        view.payload.is_empty()
            || self.restored.retained.contains_key(view.topic)
            || !over(settings.max_retained_messages, self.restored.retained.len() + 1)
                && (settings.max_retained_bytes == 0
                    || !over(settings.max_retained_bytes, bytes() + view.size()))
    }

    /// [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT3-3.3.1-5] [MQTT3-3.3.1-10] [MQTT3-3.3.1-11]
    fn retain(&mut self, message: &Arc<Message>) {
        if message.payload_len() > 0 {
            self.put(Persist::Retained { message: message.clone() });
        } else if self.restored.retained.contains_key(message.topic()) {
            self.put(Persist::RetainedGone { topic: message.topic().into() });
        }
    }
}
