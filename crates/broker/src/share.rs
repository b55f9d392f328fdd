//! Shared subscriptions. A group lives on the shard that its filter hashes to, which picks the member for
//! each message.

use crate::effects::Effects;
use crate::host::Host;
use crate::id::SessionRef;
use crate::mail::Mail;
use crate::shard::Shard;
use crate::subscribe::{AfterInterest, PendingSuback};
use crate::trie::{Group, Member, Subscription};
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::topic::SubscriptionFilter;
use pondhawk_plants::planted;

impl Group {
    /// The next member in turn, preferring those that are connected. The message is that member's, and nobody
    /// else's later. [MQTT-4.8.2-4] [MQTT-4.8.2-5]
    pub(crate) fn pick(&mut self) -> Option<Member> {
        let len = self.members.len();
        let in_turn = (0..len).map(|step| (self.next + step) % len);
        let online = in_turn.clone().find(|at| self.members[*at].online);
        let at = online.or_else(|| in_turn.clone().next())?;
        self.next = (at + 1) % len;
        Some(self.members[at])
    }
}

impl<H: Host> Shard<H> {
    /// A session of this shard subscribes to a shared filter; true if it is new to it.
    pub(crate) fn subscribe_shared(
        &mut self,
        index: u32,
        (filter, subscription): (&Arc<str>, Subscription),
        token: u32,
        fx: &mut Effects,
    ) -> bool {
        let member = self.session_ref(index);
        let Some(session) = self.sessions.get_mut(index) else {
            return false;
        };
        let new = session.add_filter(filter);
        if new {
            self.counters.shared_subscriptions += 1;
        }
        let home = self.homes.of_group(filter);
        if home == self.id {
            self.join_group((filter, member, subscription), token, fx);
        } else {
            if let Some(pending) = self.pending.get_mut(token) {
                pending.missing += 1;
            }
            fx.mail.push((home, Mail::Join { filter: filter.clone(), member, subscription, token }));
        }
        new
    }

    /// A session of this shard leaves a shared filter.
    pub(crate) fn leave_shared(&mut self, index: u32, filter: &Arc<str>, fx: &mut Effects) {
        self.counters.shared_subscriptions -= 1;
        let member = self.session_ref(index);
        let home = self.homes.of_group(filter);
        if home == self.id {
            self.leave_group(filter, member, fx);
        } else {
            fx.mail.push((home, Mail::Leave { filter: filter.clone(), member }));
        }
    }

    /// The client of a session came or went: its groups prefer those who are there.
    pub(crate) fn announce_presence(&mut self, index: u32, online: bool, fx: &mut Effects) {
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let shared = |filter: &&Arc<str>| filter.starts_with("$share/");
        if !session.filters.iter().any(|filter| shared(&filter)) {
            return;
        }
        let filters: Vec<Arc<str>> = session.filters.iter().filter(shared).cloned().collect();
        let member = self.session_ref(index);
        for filter in filters {
            let home = self.homes.of_group(&filter);
            if home == self.id {
                self.set_presence(&filter, member, online);
            } else {
                fx.mail.push((home, Mail::Presence { filter, member, online }));
            }
        }
    }

    /// At the group's home: a session of another shard joins.
    pub(crate) fn mailed_join(
        &mut self,
        (filter, member, subscription): (Arc<str>, SessionRef, Subscription),
        token: u32,
        fx: &mut Effects,
    ) {
        let then = AfterInterest::Reply { shard: member.shard, token };
        let (own, _) = self.pending.insert(PendingSuback { missing: 1, then });
        self.join_group((&filter, member, subscription), own, fx);
        self.suback_step(own, fx);
    }

    fn join_group(
        &mut self,
        (whole, session, subscription): (&Arc<str>, SessionRef, Subscription),
        token: u32,
        fx: &mut Effects,
    ) {
        let Ok(SubscriptionFilter { share: Some(name), filter }) = SubscriptionFilter::parse(whole) else {
            return;
        };
        let entry = self.trie.entry(filter);
        let (known, announced) = (entry.has_interest(), entry.announced);
        // Which of its members are kept is not asked.
        let more = entry.keep(self.settings.persistent);
        let at = entry.groups.iter().position(|group| *group.name == *name).unwrap_or_else(|| {
            entry.groups.push(Group {
                name: name.into(),
                filter: whole.clone(),
                members: Vec::new(),
                next: 0,
            });
            entry.groups.len() - 1
        });
        let member = Member { session, subscription, online: true };
        let members = &mut entry.groups[at].members;
        match members.iter_mut().find(|member| member.session == session) {
            Some(old) => *old = member,
            None => members.push(member),
        }
        if !known || more || !self.is_announced(announced) {
            self.announce_interest(filter, Some(token), fx);
        }
    }

    /// At the group's home: a session leaves.
    pub(crate) fn leave_group(&mut self, filter: &str, session: SessionRef, fx: &mut Effects) {
        let Ok(SubscriptionFilter { share: Some(name), filter }) = SubscriptionFilter::parse(filter) else {
            return;
        };
        let Some(entry) = self.trie.find(filter) else {
            return;
        };
        let had = entry.has_interest();
        for group in entry.groups.iter_mut().filter(|group| *group.name == *name) {
            group.members.retain(|member| member.session != session);
        }
        entry.groups.retain(|group| !group.members.is_empty());
        if had && !entry.has_interest() {
            self.withdraw_interest(filter, fx);
        }
    }

    /// At the group's home: a member's client came or went.
    pub(crate) fn set_presence(&mut self, filter: &str, session: SessionRef, online: bool) {
        let Ok(SubscriptionFilter { share: Some(name), filter }) = SubscriptionFilter::parse(filter) else {
            return;
        };
        let Some(entry) = self.trie.find(filter) else {
            return;
        };
        let members =
            entry.groups.iter_mut().filter(|group| *group.name == *name).flat_map(|g| &mut g.members);
        for member in members.filter(|member| member.session == session) {
            member.online = online || planted!(GroupPrefersAbsent);
        }
    }
}
