//! A disk in memory that forgets, tears, fills up and fails.

use pondhawk_store::disk::Medium;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a disk writes at once.
const SECTOR: usize = 512;
/// Below that nothing large should come.
pub const RESERVE: u64 = 1 << 20;
const ENOSPC: i32 = 28;
const EIO: i32 = 5;

#[derive(Debug, Default)]
pub struct Disk {
    state: Mutex<State>,
}

/// Where it is, and what is in it.
type Sector = (usize, Vec<u8>);

#[derive(Debug, Default)]
struct State {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Sectors that were written since the last sync, in order.
    written: Vec<Sector>,
    /// Sectors that may be occupied; `None`: as many as one likes.
    room: Option<usize>,
    occupied: std::collections::BTreeSet<usize>,
    fail_sync: bool,
    syncs: usize,
    /// What a crash right before each sync could leave: the synced bytes and what was written behind them.
    history: Vec<(Vec<u8>, Vec<Sector>)>,
    keep_history: bool,
}

impl Disk {
    pub fn remembering() -> Self {
        let disk = Disk::default();
        disk.state().keep_history = true;
        disk
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many more bytes may be written where none were.
    pub fn set_room(&self, bytes: usize) {
        let mut state = self.state();
        state.room = Some(state.occupied.len() + bytes / SECTOR);
    }

    pub fn has_room(&self) {
        self.state().room = None;
    }

    pub fn fail_syncs(&self, fail: bool) {
        self.state().fail_sync = fail;
    }

    pub fn syncs(&self) -> usize {
        self.state().syncs
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.state().now.clone()
    }

    /// What a crash in the middle of the sync with this number leaves, if the sectors that `survives` names reach
    /// the disk.
    pub fn crashed_in(&self, sync: usize, mut survives: impl FnMut(usize) -> bool) -> Vec<u8> {
        let state = self.state();
        let (mut bytes, written) = state.history[sync].clone();
        for (n, (at, sector)) in written.into_iter().enumerate() {
            if survives(n) {
                put(&mut bytes, at, &sector);
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, from: &[u8]) {
    if bytes.len() < at + from.len() {
        bytes.resize(at + from.len(), 0);
    }
    bytes[at..at + from.len()].copy_from_slice(from);
}

impl Medium for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, at: u64, to: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let from = state.now.get(at as usize..at as usize + to.len());
        to.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let at = at as usize;
        let sectors = at / SECTOR..(at + from.len()).div_ceil(SECTOR);
        let more = sectors.clone().filter(|sector| !state.occupied.contains(sector)).count();
        if state.room.is_some_and(|room| state.occupied.len() + more > room) {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        state.occupied.extend(sectors.clone());
        put(&mut state.now, at, from);
        for sector in sectors {
            let end = ((sector + 1) * SECTOR).min(state.now.len());
            let bytes = state.now[sector * SECTOR..end].to_vec();
            state.written.push((sector * SECTOR, bytes));
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.now.resize(len as usize, 0);
        // A file's length is part of what a sync keeps; what a crash leaves may have the new one already.
        state.synced.resize(len as usize, 0);
        state.written.retain(|(at, sector)| at + sector.len() <= len as usize);
        state.occupied.retain(|sector| sector * SECTOR < len as usize);
        Ok(())
    }

    fn keep_reserve(&self) -> bool {
        self.free().is_ok_and(|free| free >= RESERVE)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.syncs += 1;
        if state.fail_sync {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if state.keep_history {
            let before = (state.synced.clone(), state.written.clone());
            state.history.push(before);
        }
        state.synced = state.now.clone();
        state.written.clear();
        Ok(())
    }

    fn free(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.room.map_or(u64::MAX, |room| (room.saturating_sub(state.occupied.len()) * SECTOR) as u64))
    }
}
