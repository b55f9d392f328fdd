//! Which shards need messages of which filters: announced once a filter, not once a subscription.

use crate::effects::Effects;
use crate::host::Host;
use crate::id::ShardId;
use crate::mail::Mail;
use crate::shard::Shard;
use alloc::sync::Arc;
use pondhawk_plants::planted;

impl<H: Host> Shard<H> {
    /// True if every other shard knows that this one needs messages of the entry's filter, which has an interest.
    pub(crate) fn is_announced(&mut self, (token, generation): (u32, u32)) -> bool {
        self.pending.lookup(token, generation).is_none()
    }

    /// Tells every other shard that this one needs messages of `filter`; what waits under `token` then waits
    /// for their answers too.
    pub(crate) fn announce_interest(&mut self, filter: &str, token: Option<u32>, fx: &mut Effects) {
        let others = u32::from(self.homes.shards.saturating_sub(1));
        if others == 0 {
            return;
        }
        if let Some(token) = token
            && let Some(pending) = self.pending.get_mut(token)
        {
            pending.missing += if planted!(EarlySuback) { 0 } else { others };
            let generation = self.pending.generation(token);
            if let Some(entry) = self.trie.find(filter) {
                entry.announced = (token, generation);
            }
        }
        self.tell_all(filter, (true, token), fx);
    }

    /// The last subscriber of `filter` is gone from this shard.
    pub(crate) fn withdraw_interest(&mut self, filter: &str, fx: &mut Effects) {
        if let Some(entry) = self.trie.find(filter) {
            entry.kept = false;
        }
        self.trie.prune(filter);
        self.tell_all(filter, (false, None), fx);
    }

    fn tell_all(&mut self, filter: &str, (add, token): (bool, Option<u32>), fx: &mut Effects) {
        if self.homes.shards <= 1 {
            return;
        }
        let kept = self.trie.find(filter).is_some_and(|entry| entry.kept);
        let filter: Arc<str> = filter.into();
        for shard in (0..self.homes.shards).map(ShardId).filter(|shard| *shard != self.id) {
            let mail = Mail::Interest { filter: filter.clone(), shard: self.id, add, kept, token };
            fx.mail.push((shard, mail));
        }
    }

    /// Another shard announced or withdrew an interest.
    pub(crate) fn mailed_interest(
        &mut self,
        (filter, shard, (add, kept)): (&Arc<str>, ShardId, (bool, bool)),
        token: Option<u32>,
        fx: &mut Effects,
    ) {
        if add {
            self.trie.entry(filter).set_remote(shard, true, kept);
        } else if let Some(entry) = self.trie.find(filter) {
            entry.set_remote(shard, false, false);
            self.trie.prune(filter);
        }
        if let Some(token) = token {
            fx.mail.push((shard, Mail::Done { token }));
        }
    }
}
