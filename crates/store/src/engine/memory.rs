//! An engine that keeps bytes in memory and can lose what was not synced, as a disk does at a crash.

use super::{Batch, Engine, Space, Visit};
use crate::StoreError;
use std::collections::BTreeMap;
use std::ops::Bound;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A map in memory. It has as much room as it is told to have.
#[derive(Clone, Debug)]
pub struct MemoryEngine {
    /// What survives a crash.
    synced: Map,
    /// Batches behind it, in order.
    unsynced: Vec<Batch>,
    /// Both together.
    now: Map,
    used: u64,
    room: u64,
}

impl Default for MemoryEngine {
    fn default() -> Self {
        MemoryEngine { synced: Map::new(), unsynced: Vec::new(), now: Map::new(), used: 0, room: u64::MAX }
    }
}

impl MemoryEngine {
    /// An empty one with all the room.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on keys and values may take so many bytes together.
    pub fn set_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// Batches that a crash may take.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// What is left of it after a crash that spares the first `kept` batches that were not synced.
    #[must_use]
    pub fn crashed(&self, kept: usize) -> Self {
        let mut left = self.synced.clone();
        for batch in self.unsynced.iter().take(kept) {
            change(&mut left, batch);
        }
        let used = bytes(&left);
        MemoryEngine { synced: left.clone(), unsynced: Vec::new(), now: left, used, room: self.room }
    }

    /// Changes one value behind the store's back, as bad hardware does; `None` removes it.
    pub fn damage(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        for map in [&mut self.synced, &mut self.now] {
            match &value {
                Some(value) => map.insert(key.to_vec(), value.clone()),
                None => map.remove(key),
            };
        }
        self.used = bytes(&self.now);
    }
}

impl Engine for MemoryEngine {
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let (mut more, mut less) = (0, 0);
        for (key, value) in batch.iter() {
            more += value.map_or(0, |value| key.len() + value.len()) as u64;
            less += self.now.get(key).map_or(0, |old| key.len() + old.len()) as u64;
        }
        let used = self.used + more - less;
        if used > self.room && more > less {
            return Err(StoreError::Full);
        }
        self.used = used;
        change(&mut self.now, batch);
        self.unsynced.push(batch.clone());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        for batch in self.unsynced.drain(..) {
            change(&mut self.synced, &batch);
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.now.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        for (key, value) in self.now.range::<[u8], _>((Bound::Included(from), end)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn space(&self) -> Result<Space, StoreError> {
        Ok(Space { used: self.used, free: self.room.saturating_sub(self.used) })
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn change(map: &mut Map, batch: &Batch) {
    for (key, value) in batch.iter() {
        match value {
            Some(value) => map.insert(key.to_vec(), value.to_vec()),
            None => map.remove(key),
        };
    }
}

fn bytes(map: &Map) -> u64 {
    map.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    fn put(key: &[u8], value: &[u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(key.to_vec(), value.to_vec());
        batch
    }

    fn keys(engine: &MemoryEngine) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let all = engine.scan(b"", None, &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!(all, Ok(()));
        keys
    }

    #[test]
    fn a_crash_takes_a_suffix_of_what_was_not_synced() {
        let mut engine = MemoryEngine::new();
        assert_eq!(engine.apply(&put(b"a", b"1")), Ok(()));
        assert_eq!(engine.sync(), Ok(()));
        assert_eq!(engine.apply(&put(b"b", b"2")), Ok(()));
        assert_eq!(engine.apply(&put(b"c", b"3")), Ok(()));
        assert_eq!(keys(&engine), [b"a", b"b", b"c"]);
        for kept in 0..=2 {
            assert_eq!(keys(&engine.crashed(kept)), [b"a", b"b", b"c"][..=kept]);
        }
    }

    #[test]
    fn no_room_changes_nothing_and_deleting_makes_room() {
        let mut engine = MemoryEngine::new();
        engine.set_room(4);
        assert_eq!(engine.apply(&put(b"a", b"123")), Ok(()));
        assert_eq!(engine.apply(&put(b"b", b"")), Err(StoreError::Full));
        assert_eq!(keys(&engine), [b"a"]);
        let mut batch = put(b"b", b"4");
        batch.delete(b"a".to_vec());
        assert_eq!(engine.apply(&batch), Ok(()));
        assert_eq!(engine.space(), Ok(Space { used: 2, free: 2 }));
    }
}
