//! Changes that are made together or not at all.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

/// A set of changes by key. A later change of a key replaces an earlier one, so that what is written and
/// deleted within one batch costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: BTreeMap<Vec<u8>, Change>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Change {
    /// The key may have had a value before.
    Put(Vec<u8>),
    /// The key has never been in the store.
    PutNew(Vec<u8>),
    Delete,
}

impl Change {
    fn value(&self) -> Option<&[u8]> {
        match self {
            Change::Put(value) | Change::PutNew(value) => Some(value),
            Change::Delete => None,
        }
    }

    fn bytes(&self) -> usize {
        self.value().map_or(0, <[u8]>::len)
    }
}

impl Batch {
    /// No change yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let new = matches!(self.changes.get(&key), Some(Change::PutNew(_)));
        self.change(key, if new { Change::PutNew(value) } else { Change::Put(value) });
    }

    /// Sets a key that no earlier batch has set: if this batch deletes it too, nothing is written.
    pub fn put_new(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let new = !self.changes.contains_key(&key);
        self.change(key, if new { Change::PutNew(value) } else { Change::Put(value) });
    }

    /// Removes a key, whether it is there or not.
    pub fn delete(&mut self, key: Vec<u8>) {
        match self.changes.entry(key) {
            Entry::Occupied(entry) if matches!(entry.get(), Change::PutNew(_)) => {
                let (key, change) = entry.remove_entry();
                self.bytes -= key.len() + change.bytes();
            }
            Entry::Occupied(mut entry) => self.bytes -= entry.insert(Change::Delete).bytes(),
            Entry::Vacant(entry) => {
                self.bytes += entry.key().len();
                entry.insert(Change::Delete);
            }
        }
    }

    fn change(&mut self, key: Vec<u8>, change: Change) {
        self.bytes += change.bytes();
        match self.changes.entry(key) {
            Entry::Occupied(mut entry) => self.bytes -= entry.insert(change).bytes(),
            Entry::Vacant(entry) => {
                self.bytes += entry.key().len();
                entry.insert(change);
            }
        }
    }

    /// Makes the changes of another batch too, behind its own.
    pub fn append(&mut self, later: &Batch) {
        if self.is_empty() {
            // What is commonly so, and cheaper than change by change.
            self.clone_from(later);
            return;
        }
        for (key, change) in &later.changes {
            match change {
                Change::Put(value) => self.put(key.clone(), value.clone()),
                Change::PutNew(value) => self.put_new(key.clone(), value.clone()),
                Change::Delete => self.delete(key.clone()),
            }
        }
    }

    /// What this batch makes of a key: `None` if it does not touch it, `Some(None)` if it deletes it.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.changes.get(key).map(Change::value)
    }

    /// The changes by key: the new value, or `None` to delete it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.changes.iter().map(|(key, change)| (key.as_slice(), change.value()))
    }

    /// The changes of the keys from `from` on, and before `to` if there is one, which is not below it.
    pub fn range<'a>(
        &'a self,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let bounds = (Bound::Included(from), to.map_or(Bound::Unbounded, Bound::Excluded));
        self.changes.range::<[u8], _>(bounds).map(|(key, change)| (key.as_slice(), change.value()))
    }

    /// Keys that change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// True if nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_comes_and_goes_within_a_batch_leaves_nothing() {
        let mut batch = Batch::new();
        batch.put_new(b"a".to_vec(), b"1".to_vec());
        batch.put(b"a".to_vec(), b"22".to_vec());
        batch.delete(b"a".to_vec());
        assert!(batch.is_empty());
        batch.put(b"a".to_vec(), b"1".to_vec());
        batch.delete(b"a".to_vec());
        assert!(batch.iter().eq([(&b"a"[..], None)]));
        // Deleted first: an earlier batch may have set it.
        batch.put_new(b"a".to_vec(), b"1".to_vec());
        batch.delete(b"a".to_vec());
        assert!(batch.iter().eq([(&b"a"[..], None)]));
    }

    proptest! {
        #[test]
        fn bytes_are_those_of_the_changes(ops in prop::collection::vec((0u8..4, 0u8..3, 0usize..5), 0..40)) {
            let mut batch = Batch::new();
            for (key, op, size) in ops {
                match op {
                    0 => batch.put(vec![key], vec![0; size]),
                    1 => batch.put_new(vec![key], vec![0; size]),
                    _ => batch.delete(vec![key]),
                }
                let bytes: usize = batch.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len)).sum();
                prop_assert_eq!(batch.bytes(), bytes);
            }
        }
    }
}
