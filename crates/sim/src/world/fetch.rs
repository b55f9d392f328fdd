//! The store reads queued messages back: late, in any order, in small parts, and at times not at all.

use super::World;
use crate::sometimes;
use pondhawk_broker::Fetched;

impl World {
    /// The store has read what one shard asked for: a part of it, or at times nothing.
    pub(super) fn answer_fetch(&mut self, at: usize) {
        let (shard, mut fetch) = self.broker.fetches.swap_remove(at);
        fetch.bytes = self.rng.pick(&[1, 60, fetch.bytes]);
        let fails = !self.healed && self.rng.chance(1, 8);
        let page = if fails { None } else { self.broker.store.page(&fetch).ok() };
        if page.is_some() {
            sometimes!(self.shadow.reached, "queued messages read back from disk");
        } else {
            sometimes!(self.shadow.reached, "reading queued messages failed");
        }
        self.note(|_| format!("shard {shard} is given {page:?} for {fetch:?}"));
        let station = &mut self.broker.shards[shard];
        let fetched = Fetched { session: fetch.session, page };
        station.shard.fetched(self.now, fetched, &mut station.fx);
        self.carry_out(shard);
    }
}
