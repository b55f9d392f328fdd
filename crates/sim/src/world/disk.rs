//! A simulated disk under the store: one file of checksummed frames, written in sectors that a crash may lose, reorder
//! or tear as long as they were not synced. What is found behind the first broken frame does not count, which makes the
//! engine's contract of it: batches are whole, and a crash takes the last of them.

use crate::random::Rng;
use pondhawk_store::StoreError;
use pondhawk_store::engine::{Batch, Engine, Space, Visit};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Bytes that reach the disk together, if they are not torn.
const SECTOR: usize = 64;
/// Length and checksum in front of each frame.
const HEAD: usize = 12;

/// The disk and what is on it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    file: Vec<u8>,
    synced: usize,
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The file may not grow beyond this many bytes.
    pub room: Option<usize>,
    /// The next sync fails.
    pub broken: bool,
}

/// What a crash did to the bytes that were not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Sectors that did not reach the disk.
    pub lost: usize,
    /// A sector reached it in part.
    pub torn: bool,
    /// A later sector reached it and an earlier one did not.
    pub reordered: bool,
}

impl Disk {
    /// Bytes written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.file.len()
    }

    /// True if nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    /// The machine stops: what was not synced may be gone, sector by sector.
    pub fn crash(&mut self, rng: &mut Rng) -> Damage {
        let mut damage = Damage::default();
        // At times all of it reaches the disk, at times nothing does.
        let kept_of_4 = rng.below(5);
        let synced = self.synced;
        for sector in self.file[synced..].chunks_mut(SECTOR) {
            if rng.chance(kept_of_4, 4) {
                damage.reordered |= damage.lost > 0;
                continue;
            }
            damage.lost += 1;
            let whole = rng.chance(1, 2);
            damage.torn |= !whole;
            let from = if whole { 0 } else { rng.below(sector.len()) };
            sector[from..].fill(0);
        }
        damage
    }

    /// The machine starts again: how many bytes of whole frames there are.
    #[must_use]
    pub fn readable(&self) -> usize {
        let mut at = 0;
        while let Some(len) = frame(&self.file[at..]) {
            at += len;
        }
        at
    }

    /// What is behind `len` bytes is cut off, and the rest is read.
    pub fn reopen(&mut self, len: usize) {
        self.file.truncate(len);
        self.synced = len;
        self.map.clear();
        let mut at = 0;
        while let Some(len) = frame(&self.file[at..]) {
            replay(&self.file[at + HEAD..at + len], &mut self.map);
            at += len;
        }
        (self.room, self.broken) = (None, false);
    }
}

/// The length of the frame at the front, if it is whole.
fn frame(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
    let sum = u64::from_le_bytes(*bytes.get(4..)?.first_chunk::<8>()?);
    let body = bytes.get(HEAD..HEAD + len)?;
    (len > 0 && checksum(body) == sum).then_some(HEAD + len)
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A batch as bytes: for each change a flag, the key and, if it is not a deletion, the value, each behind its length.
fn encode(batch: &Batch) -> Vec<u8> {
    let mut body = vec![0xba];
    let mut put = |bytes: &[u8]| {
        body.extend((bytes.len() as u32).to_le_bytes());
        body.extend(bytes);
    };
    for (key, value) in batch.iter() {
        put(&[u8::from(value.is_some())]);
        put(key);
        put(value.unwrap_or_default());
    }
    let mut framed = (body.len() as u32).to_le_bytes().to_vec();
    framed.extend(checksum(&body).to_le_bytes());
    framed.extend(body);
    framed
}

fn replay(body: &[u8], map: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut rest = &body[1..];
    let mut take = || {
        let (len, more) = rest.split_first_chunk::<4>()?;
        let (bytes, more) = more.split_at(u32::from_le_bytes(*len) as usize);
        rest = more;
        Some(bytes.to_vec())
    };
    while let (Some(flag), Some(key), Some(value)) = (take(), take(), take()) {
        if flag == [1] {
            map.insert(key, value);
        } else {
            map.remove(&key);
        }
    }
}

impl Engine for Disk {
    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let framed = encode(batch);
        if self.room.is_some_and(|room| self.file.len() + framed.len() > room) {
            return Err(StoreError::Full);
        }
        replay(&framed[HEAD..], &mut self.map);
        self.file.extend(framed);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Io { action: "synced", reason: "the disk is broken".into() });
        }
        self.synced = self.file.len();
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if to.is_some_and(|to| to <= from) {
            return Ok(());
        }
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        for (key, value) in self.map.range::<[u8], _>((Bound::Included(from), end)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn space(&self) -> Result<Space, StoreError> {
        let free = self.room.map_or(u64::MAX, |room| room.saturating_sub(self.file.len()) as u64);
        Ok(Space { used: self.file.len() as u64, free })
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: u8) -> Batch {
        let mut batch = Batch::new();
        batch.put(vec![key], vec![key; 100]);
        batch
    }

    #[test]
    fn a_crash_takes_whole_batches_from_the_end() {
        for seed in 0..200 {
            let mut disk = Disk::default();
            for key in 0..3 {
                assert_eq!(disk.apply(&put(key)), Ok(()));
            }
            assert_eq!(disk.sync(), Ok(()));
            for key in 3..9 {
                assert_eq!(disk.apply(&put(key)), Ok(()));
            }
            disk.crash(&mut Rng::new(seed));
            disk.reopen(disk.readable());
            let keys: Vec<u8> = disk.map.keys().map(|key| key[0]).collect();
            assert!(keys.len() >= 3 && keys.iter().copied().eq(0..keys.len() as u8), "seed {seed}: {keys:?}");
        }
    }

    #[test]
    fn a_full_disk_takes_nothing_of_a_batch_and_a_broken_one_syncs_nothing() {
        let mut disk = Disk { room: Some(150), ..Disk::default() };
        assert_eq!(disk.apply(&put(1)), Ok(()));
        assert_eq!((disk.apply(&put(2)), disk.get(&[2])), (Err(StoreError::Full), Ok(None)));
        disk.broken = true;
        assert!(disk.sync().is_err());
        disk.crash(&mut Rng::new(1));
    }
}
