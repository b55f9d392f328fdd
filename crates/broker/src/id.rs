//! Names of shards, connections and sessions.

use pondhawk_session::server::Origin;

/// A shard, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u8);

/// A connection of one shard. The generation tells it from others that had the same place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnId {
    /// Its place in the shard's arena, for drivers that keep an array beside it.
    pub index: u32,
    pub(crate) generation: u32,
}

/// A session of one shard; the default is none that ever was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A session anywhere in the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// The shard that it lives on.
    pub shard: ShardId,
    /// Its name there.
    pub id: SessionId,
}

impl SessionRef {
    /// The session as the origin of messages; never 0, since generations start at 1.
    pub(crate) fn origin(self) -> Origin {
        let generation = u64::from(self.id.generation) & 0x00ff_ffff;
        Origin(u64::from(self.shard.0) << 56 | generation << 32 | u64::from(self.id.index))
    }
}
