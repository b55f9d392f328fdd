//! A file system in memory that knows what was synced, as POSIX has it: fsync of a file keeps its contents and length,
//! fsync of a folder keeps its names, and nothing else keeps anything.

use crate::chance::Chance;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};

/// The number of the root folder.
pub(crate) const ROOT: u64 = 1;
/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What was changed and is not synced.
#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(OsString, u64),
    Remove(OsString),
    Move(OsString, OsString),
}

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// As it is read.
    now: Vec<u8>,
    /// As it is on the disk.
    safe: Vec<u8>,
    unsynced: Vec<Change>,
}

/// A folder.
#[derive(Debug, Default)]
pub(crate) struct Names {
    now: BTreeMap<OsString, u64>,
    safe: BTreeMap<OsString, u64>,
    unsynced: Vec<NameChange>,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    File(Content),
    Folder(Names),
}

/// A file or a folder.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) mode: u16,
}

/// Why something is not done, as the system's numbers.
pub(crate) type Errno = i32;

/// The file system.
#[derive(Debug)]
pub(crate) struct Disk {
    nodes: HashMap<u64, Node>,
    last: u64,
    /// So many more syncs of files succeed, and then one fails.
    fails_after: Option<u64>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let root = Node { kind: Kind::Folder(Names::default()), mode: 0o700 };
        Disk { nodes: HashMap::from([(ROOT, root)]), last: ROOT, fails_after: None }
    }

    pub(crate) fn node(&self, number: u64) -> Result<&Node, Errno> {
        self.nodes.get(&number).ok_or(libc::ENOENT)
    }

    /// Bytes of a file.
    pub(crate) fn len(&self, number: u64) -> u64 {
        match self.nodes.get(&number) {
            Some(Node { kind: Kind::File(file), .. }) => file.now.len() as u64,
            _ => 0,
        }
    }

    pub(crate) fn find(&self, folder: u64, name: &OsStr) -> Result<u64, Errno> {
        match &self.node(folder)?.kind {
            Kind::Folder(names) => names.now.get(name).copied().ok_or(libc::ENOENT),
            Kind::File(_) => Err(libc::ENOTDIR),
        }
    }

    /// The names in a folder.
    pub(crate) fn list(&self, folder: u64) -> Result<Vec<(OsString, u64)>, Errno> {
        match &self.node(folder)?.kind {
            Kind::Folder(names) => Ok(names.now.iter().map(|(name, node)| (name.clone(), *node)).collect()),
            Kind::File(_) => Err(libc::ENOTDIR),
        }
    }

    /// Makes an empty file or folder.
    pub(crate) fn make(&mut self, folder: u64, name: &OsStr, kind: Kind, mode: u16) -> Result<u64, Errno> {
        let number = self.last + 1;
        self.add_name(folder, name, number)?;
        self.last = number;
        self.nodes.insert(number, Node { kind, mode });
        Ok(number)
    }

    /// Gives a file one more name.
    pub(crate) fn link(&mut self, number: u64, folder: u64, name: &OsStr) -> Result<(), Errno> {
        self.node(number)?;
        self.add_name(folder, name, number)
    }

    fn add_name(&mut self, folder: u64, name: &OsStr, number: u64) -> Result<(), Errno> {
        let names = self.names(folder)?;
        if names.now.contains_key(name) {
            return Err(libc::EEXIST);
        }
        names.now.insert(name.to_owned(), number);
        names.unsynced.push(NameChange::Add(name.to_owned(), number));
        Ok(())
    }

    /// Takes a name away; a folder must be empty. An open file goes on until the next crash.
    pub(crate) fn remove(&mut self, folder: u64, name: &OsStr) -> Result<(), Errno> {
        let number = self.find(folder, name)?;
        if self.list(number).is_ok_and(|names| !names.is_empty()) {
            return Err(libc::ENOTEMPTY);
        }
        let names = self.names(folder)?;
        names.now.remove(name);
        names.unsynced.push(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    /// Renames within a folder, over what has the new name. Between folders it is refused: nobody here needs it.
    pub(crate) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> Result<(), Errno> {
        if from.0 != to.0 {
            return Err(libc::EXDEV);
        }
        let names = self.names(from.0)?;
        let number = names.now.remove(from.1).ok_or(libc::ENOENT)?;
        names.now.insert(to.1.to_owned(), number);
        names.unsynced.push(NameChange::Move(from.1.to_owned(), to.1.to_owned()));
        Ok(())
    }

    pub(crate) fn set_mode(&mut self, number: u64, mode: u16) -> Result<(), Errno> {
        self.nodes.get_mut(&number).ok_or(libc::ENOENT)?.mode = mode;
        Ok(())
    }

    pub(crate) fn set_len(&mut self, number: u64, len: u64) -> Result<(), Errno> {
        let file = self.file(number)?;
        let change = Change::SetLen(usize::try_from(len).map_err(|_| libc::EFBIG)?);
        change.apply(&mut file.now);
        file.unsynced.push(change);
        Ok(())
    }

    pub(crate) fn write(&mut self, number: u64, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let file = self.file(number)?;
        let at = usize::try_from(at).map_err(|_| libc::EFBIG)?;
        let change = Change::Write { at, bytes: bytes.to_vec() };
        change.apply(&mut file.now);
        file.unsynced.push(change);
        Ok(())
    }

    /// At most `size` bytes from `at` on.
    pub(crate) fn read(&self, number: u64, at: u64, size: usize) -> Result<&[u8], Errno> {
        let Kind::File(file) = &self.node(number)?.kind else { return Err(libc::EISDIR) };
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(file.now.len());
        Ok(&file.now[from..file.now.len().min(from.saturating_add(size))])
    }

    /// Keeps what is in a file, or the names in a folder.
    pub(crate) fn sync(&mut self, number: u64) -> Result<(), Errno> {
        let node = self.nodes.get_mut(&number).ok_or(libc::ENOENT)?;
        match &mut node.kind {
            Kind::Folder(names) => {
                names.safe.clone_from(&names.now);
                names.unsynced.clear();
            }
            Kind::File(file) => {
                let fails = self.fails_after == Some(0);
                self.fails_after = self.fails_after.and_then(|left| left.checked_sub(1));
                let changes = std::mem::take(&mut file.unsynced);
                if fails {
                    // As Linux does: the pages are taken for written from now on, and the next sync succeeds.
                    return Err(libc::EIO);
                }
                changes.iter().for_each(|change| change.apply(&mut file.safe));
            }
        }
        Ok(())
    }

    /// So many syncs of files succeed from now on, and then one fails.
    pub(crate) fn fail_sync_after(&mut self, syncs: Option<u64>) {
        self.fails_after = syncs;
    }

    /// The machine dies: what was not synced is gone, all of it or random sectors and names. How many bytes were lost.
    pub(crate) fn crash(&mut self, chance: &mut Chance) -> u64 {
        let spares = chance.one_in(2);
        let mut lost = 0;
        let mut numbers: Vec<u64> = self.nodes.keys().copied().collect();
        // In one order, so that a seed means the same in each run.
        numbers.sort_unstable();
        for number in numbers {
            let Some(node) = self.nodes.get_mut(&number) else { continue };
            match &mut node.kind {
                Kind::File(file) => lost += file.crash(spares.then_some(&mut *chance)),
                Kind::Folder(names) => names.crash(spares.then_some(&mut *chance)),
            }
        }
        self.forget_unnamed();
        lost
    }

    /// Nodes without a name have nobody who has them open any more.
    fn forget_unnamed(&mut self) {
        let mut named = HashSet::from([ROOT]);
        let mut left = vec![ROOT];
        while let Some(folder) = left.pop() {
            for (_, number) in self.list(folder).unwrap_or_default() {
                if named.insert(number) {
                    left.push(number);
                }
            }
        }
        self.nodes.retain(|number, _| named.contains(number));
    }

    fn names(&mut self, number: u64) -> Result<&mut Names, Errno> {
        match &mut self.nodes.get_mut(&number).ok_or(libc::ENOENT)?.kind {
            Kind::Folder(names) => Ok(names),
            Kind::File(_) => Err(libc::ENOTDIR),
        }
    }

    fn file(&mut self, number: u64) -> Result<&mut Content, Errno> {
        match &mut self.nodes.get_mut(&number).ok_or(libc::ENOENT)?.kind {
            Kind::File(file) => Ok(file),
            Kind::Folder(_) => Err(libc::EISDIR),
        }
    }
}

impl Content {
    /// Loses what is not synced, or only pieces of it; how many bytes were lost.
    fn crash(&mut self, mut spare: Option<&mut Chance>) -> u64 {
        let mut lost = 0;
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::SetLen(len) => {
                    if spare.as_mut().is_some_and(|chance| chance.one_in(2)) {
                        Change::SetLen(len).apply(&mut self.safe);
                    }
                }
                Change::Write { at, bytes } => {
                    for (start, piece) in sectors(at, &bytes) {
                        if spare.as_mut().is_some_and(|chance| chance.one_in(2)) {
                            write_at(&mut self.safe, start, piece);
                        } else {
                            lost += piece.len() as u64;
                        }
                    }
                }
            }
        }
        self.now.clone_from(&self.safe);
        lost
    }
}

impl Names {
    /// Loses what is not synced, or only the last of it: names are in a journal.
    fn crash(&mut self, spare: Option<&mut Chance>) {
        let changes = std::mem::take(&mut self.unsynced);
        let kept = spare.map_or(0, |chance| chance.below(changes.len() as u64 + 1));
        for change in changes.into_iter().take(kept as usize) {
            match change {
                NameChange::Add(name, number) => {
                    self.safe.insert(name, number);
                }
                NameChange::Remove(name) => {
                    self.safe.remove(&name);
                }
                NameChange::Move(from, to) => {
                    if let Some(number) = self.safe.remove(&from) {
                        self.safe.insert(to, number);
                    }
                }
            }
        }
        self.now.clone_from(&self.safe);
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Write { at, bytes } => write_at(to, *at, bytes),
            Change::SetLen(len) => to.resize(*len, 0),
        }
    }
}

fn write_at(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[at..end].copy_from_slice(bytes);
}

/// The pieces of a write by sectors of the disk, each with its place.
fn sectors(at: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while from < bytes.len() {
        let start = at + from;
        let len = (SECTOR - start % SECTOR).min(bytes.len() - from);
        pieces.push((start, &bytes[from..from + len]));
        from += len;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    fn file(disk: &mut Disk, at: &str) -> u64 {
        disk.make(ROOT, name(at), Kind::File(Content::default()), 0o600).expect("free")
    }

    /// A chance whose first throw is as asked: everything is lost, or pieces are spared.
    fn chance(spares: bool) -> Chance {
        (0..).map(Chance::new).find(|chance| chance.clone().one_in(2) == spares).expect("one of a few")
    }

    #[test]
    fn what_is_synced_is_there_after_a_crash_and_what_is_not_is_gone() {
        let mut disk = Disk::new();
        let number = file(&mut disk, "f");
        disk.write(number, 0, b"synced").expect("a file");
        disk.sync(number).expect("no fault");
        disk.sync(ROOT).expect("no fault");
        disk.write(number, 3, b"not this").expect("a file");
        disk.set_len(number, 20).expect("a file");
        assert_eq!(disk.read(number, 0, 99).expect("a file"), b"synnot this\0\0\0\0\0\0\0\0\0");
        assert_eq!(disk.crash(&mut chance(false)), 8);
        assert_eq!(disk.read(number, 0, 99).expect("a file"), b"synced");
    }

    #[test]
    fn a_name_is_kept_by_a_sync_of_its_folder_only() {
        let mut disk = Disk::new();
        let number = file(&mut disk, "new");
        disk.write(number, 0, b"x").expect("a file");
        disk.sync(number).expect("no fault");
        disk.crash(&mut chance(false));
        assert_eq!(disk.find(ROOT, name("new")), Err(libc::ENOENT));
        let number = file(&mut disk, "part");
        disk.sync(number).expect("no fault");
        disk.sync(ROOT).expect("no fault");
        disk.rename((ROOT, name("part")), (ROOT, name("whole"))).expect("there");
        disk.crash(&mut chance(false));
        assert_eq!(disk.find(ROOT, name("part")), Ok(number));
        assert_eq!(disk.find(ROOT, name("whole")), Err(libc::ENOENT));
    }

    #[test]
    fn pieces_are_whole_sectors_and_names_are_lost_from_the_end() {
        let mut disk = Disk::new();
        let number = file(&mut disk, "f");
        disk.set_len(number, 8 * 512).expect("a file");
        disk.sync(number).expect("no fault");
        disk.sync(ROOT).expect("no fault");
        disk.write(number, 100, &[1; 6 * 512]).expect("a file");
        for more in ["a", "b", "c"] {
            file(&mut disk, more);
        }
        let lost = disk.crash(&mut chance(true));
        assert!(lost > 0 && lost < 6 * 512, "{lost}");
        let bytes = disk.read(number, 0, 8 * 512).expect("a file");
        let written = bytes.iter().filter(|byte| **byte == 1).count();
        assert_eq!(written as u64 + lost, 6 * 512);
        for sector in bytes[512..6 * 512].chunks(512) {
            assert!(sector.iter().all(|byte| *byte == sector[0]));
        }
        let kept: Vec<bool> = ["a", "b", "c"].map(|more| disk.find(ROOT, name(more)).is_ok()).to_vec();
        assert!(kept.is_sorted_by(|one, next| one >= next), "{kept:?}");
    }

    #[test]
    fn a_failed_sync_forgets_and_the_next_one_succeeds() {
        let mut disk = Disk::new();
        let number = file(&mut disk, "f");
        disk.sync(ROOT).expect("no fault");
        disk.fail_sync_after(Some(1));
        disk.write(number, 0, b"1").expect("a file");
        disk.sync(number).expect("the first succeeds");
        disk.write(number, 1, b"2").expect("a file");
        assert_eq!(disk.sync(number), Err(libc::EIO));
        disk.write(number, 2, b"3").expect("a file");
        disk.sync(number).expect("only one fails");
        assert_eq!(disk.read(number, 0, 9).expect("a file"), b"123");
        disk.crash(&mut chance(false));
        assert_eq!(disk.read(number, 0, 9).expect("a file"), b"1\x003");
    }
}
