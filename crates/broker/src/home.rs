//! Where things live: a keyed hash spreads client ids, retained topics and shared groups over the shards.

use crate::ShardId;
use core::hash::BuildHasher;
use foldhash::quality::FixedState;

/// The map from names to shards, the same on every shard.
#[derive(Clone, Copy, Debug)]
pub struct Homes {
    /// A secret of this process, so that clients cannot choose their shard.
    pub key: u64,
    /// How many shards there are, at least 1 and at most [`Homes::SHARDS_MAX`].
    pub shards: u8,
}

impl Homes {
    /// The most shards that a broker can have: a set of them is 64 bits.
    pub const SHARDS_MAX: u8 = 64;

    /// The home of the session of this client id.
    #[must_use]
    pub fn of_client(&self, client_id: &str) -> ShardId {
        self.of(client_id.as_bytes())
    }

    /// The home of the retained message of this topic.
    #[must_use]
    pub fn of_topic(&self, topic: &str) -> ShardId {
        self.of(topic.as_bytes())
    }

    /// The home of a shared group, named by its whole filter, `$share/NAME/FILTER`.
    #[must_use]
    pub fn of_group(&self, filter: &str) -> ShardId {
        self.of(filter.as_bytes())
    }

    fn of(&self, name: &[u8]) -> ShardId {
        if self.shards <= 1 {
            return ShardId(0);
        }
        let hash = FixedState::with_seed(self.key).hash_one(name);
        ShardId((hash % u64::from(self.shards)) as u8)
    }
}
