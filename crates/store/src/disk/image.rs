//! A reader of redb's file that needs nothing of it to be right but what it uses: it follows the tree from the newest
//! root, believes a page only if its checksum is the one that its parent has for it, and tells which parts are missing.
//!
//! redb itself opens a whole file or none, and steps back to the commit before the last if only the last is damaged,
//! without a word. The layout is that of redb's `docs/design.md`, file format 3.

use super::engine::TABLE_NAME;
use super::medium::Medium;
use crate::StoreError;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use xxhash_rust::xxh3::xxh3_128;

const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
const FORMAT: u8 = 3;
const SLOTS_AT: usize = 64;
const SLOT_LEN: usize = 128;
const HEADER_LEN: usize = SLOTS_AT + 2 * SLOT_LEN;
const SLOT_CHECKSUM_AT: usize = SLOT_LEN - 16;
const SLOT_TRANSACTION_AT: usize = SLOT_CHECKSUM_AT - 8;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;
/// Far above what a tree of this size can have.
const DEPTH_MAX: u32 = 24;
const PAGE_MAX: u64 = 1 << 32;
/// A page's number has so many bits.
const PAGES_MAX: u64 = 1 << 20;

/// A part of the tree that cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    /// Where in the file.
    pub(super) at: u64,
    /// All its keys are at or behind this.
    pub(super) from: Vec<u8>,
    /// All its keys are at or before this, if it is known.
    pub(super) to: Option<Vec<u8>>,
}

/// The outline of a file.
#[derive(Debug)]
pub(super) struct Image<'a> {
    medium: &'a dyn Medium,
    len: u64,
    page_size: u64,
    region_header_pages: u64,
    region_data_pages: u64,
    /// The last two commits, newest first; `None` where it is damaged.
    pub(super) commits: [Option<Commit>; 2],
    /// The program that wrote it did not close it.
    pub(super) was_open: bool,
}

/// What a commit made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    root: Option<Root>,
    transaction: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Root {
    page: u64,
    checksum: u128,
}

/// A page whose checksum is right, taken apart.
enum Page {
    /// It has so many pairs.
    Leaf(usize),
    Branch {
        children: Vec<Root>,
        keys: Vec<Vec<u8>>,
    },
}

/// A place in the tree: a page, and what its parents say about its keys.
#[derive(Clone)]
struct Place {
    root: Root,
    depth: u32,
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl<'a> Image<'a> {
    /// The outline, or `None` if the head of the file is damaged.
    pub(super) fn read(medium: &'a dyn Medium) -> Result<Option<Self>, StoreError> {
        let len = medium.len().map_err(|error| StoreError::from_io("read", &error))?;
        let mut head = [0; HEADER_LEN];
        if len < HEADER_LEN as u64 {
            return Ok(None);
        }
        medium.read(0, &mut head).map_err(|error| StoreError::from_io("read", &error))?;
        let word = |at: usize| u64::from(u32::from_le_bytes(array(&head, at)));
        let (page_size, region_data_pages) = (word(12), word(20));
        let pages = 1..=PAGES_MAX;
        let sane = page_size.is_power_of_two()
            && (512..=65_536).contains(&page_size)
            && pages.contains(&region_data_pages)
            && word(16) <= PAGES_MAX;
        if !head.starts_with(MAGIC) || !sane {
            return Ok(None);
        }
        let flags = head[MAGIC.len()];
        let newest = usize::from(flags & 1);
        Ok(Some(Image {
            medium,
            len,
            page_size,
            region_header_pages: word(16),
            region_data_pages,
            commits: [newest, 1 - newest].map(|slot| commit(&head[SLOTS_AT + slot * SLOT_LEN..][..SLOT_LEN])),
            was_open: flags & 2 != 0,
        }))
    }

    /// Shows every pair that the commit holds and tells which parts are missing.
    pub(super) fn walk(
        &self,
        commit: &Commit,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<Vec<Hole>, StoreError> {
        let mut table = None;
        let mut holes = self.walk_tree(commit.root, &mut |name, definition| {
            if name == TABLE_NAME.as_bytes() {
                table = Some(definition.to_vec());
            }
        })?;
        if let Some(definition) = table {
            match table_root(&definition) {
                Ok(root) => holes.extend(self.walk_tree(root, visit)?),
                Err(()) => holes.push(Hole { at: 0, from: Vec::new(), to: None }),
            }
        }
        Ok(holes)
    }

    fn walk_tree(
        &self,
        root: Option<Root>,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<Vec<Hole>, StoreError> {
        self.walk_places(root.map(Place::top).into_iter().collect(), visit)
    }

    /// Shows every pair below these places, which are taken from the end.
    fn walk_places(
        &self,
        mut left: Vec<Place>,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<Vec<Hole>, StoreError> {
        let mut holes = Vec::new();
        let mut bytes = Vec::new();
        while let Some(place) = left.pop() {
            match self.page(place.root, &mut bytes)? {
                Some(Page::Leaf(count)) => {
                    pairs(&bytes, count).for_each(|(key, value)| visit(&bytes[key], &bytes[value]));
                }
                Some(Page::Branch { children, keys }) if place.depth < DEPTH_MAX => {
                    left.extend(children_of(&place, &children, &keys));
                }
                _ => holes.push(Hole { at: self.address(place.root.page).0, from: place.from, to: place.to }),
            }
        }
        Ok(holes)
    }

    /// Where a page is, and how long.
    fn address(&self, page: u64) -> (u64, u64) {
        let order = page >> 59;
        let index = page & (0x000f_ffff >> order.min(31));
        let region = page >> 20 & 0x000f_ffff;
        let len = self.page_size << order.min(31);
        let region_len = (self.region_header_pages + self.region_data_pages) * self.page_size;
        let at =
            self.page_size + region * region_len + self.region_header_pages * self.page_size + index * len;
        (at, len)
    }

    /// The bytes of keys and values, if every part of the commit can be believed. All processors look.
    pub(super) fn live_of_whole(&self, commit: &Commit) -> Result<Option<u64>, StoreError> {
        let mut table = None;
        let holes = self.walk_tree(commit.root, &mut |name, definition| {
            if name == TABLE_NAME.as_bytes() {
                table = Some(table_root(definition));
            }
        })?;
        match table {
            _ if !holes.is_empty() => Ok(None),
            None | Some(Ok(None)) => Ok(Some(0)),
            Some(Err(())) => Ok(None),
            Some(Ok(Some(root))) => self.live_of_whole_tree(root),
        }
    }

    fn live_of_whole_tree(&self, root: Root) -> Result<Option<u64>, StoreError> {
        let Some(places) = self.spread(root)? else {
            return Ok(None);
        };
        let next = AtomicUsize::new(0);
        let look = || {
            let mut live = 0;
            while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut count = |key: &[u8], value: &[u8]| live += (key.len() + value.len()) as u64;
                if !self.walk_places(vec![place.clone()], &mut count)?.is_empty() {
                    return Ok(None);
                }
            }
            Ok(Some(live))
        };
        let helpers =
            available_parallelism().map_or(0, |processors| processors.get().min(HELPERS_MAX + 1) - 1);
        std::thread::scope(|scope| {
            let start = || std::thread::Builder::new().spawn_scoped(scope, look);
            // Without room for a thread it takes longer.
            let helpers: Vec<_> = (0..helpers).filter_map(|_| start().ok()).collect();
            let mut outcomes = vec![look()];
            outcomes.extend(helpers.into_iter().map(|helper| helper.join().expect("nothing here panics")));
            outcomes
                .into_iter()
                .try_fold(Some(0), |sum, live| Ok(sum.zip(live?).map(|(sum, live)| sum + live)))
        })
    }

    /// Enough places to share out that all pairs are below; `None` if a page above them is damaged.
    fn spread(&self, root: Root) -> Result<Option<Vec<Place>>, StoreError> {
        let mut places = vec![Place::top(root)];
        let mut bytes = Vec::new();
        while places.len() < PLACES_WANTED {
            let mut below = Vec::new();
            for place in &places {
                match self.page(place.root, &mut bytes)? {
                    Some(Page::Branch { children, keys }) if place.depth < DEPTH_MAX => {
                        below.extend(children_of(place, &children, &keys));
                    }
                    // A leaf: there is not much to look at.
                    Some(Page::Leaf(_)) => return Ok(Some(places)),
                    _ => return Ok(None),
                }
            }
            places = below;
        }
        Ok(Some(places))
    }

    /// What a page is, if it is right, and its bytes.
    fn page(&self, root: Root, bytes: &mut Vec<u8>) -> Result<Option<Page>, StoreError> {
        let (at, len) = self.address(root.page);
        if len > PAGE_MAX || at.checked_add(len).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        bytes.resize(len as usize, 0);
        match self.medium.read(at, bytes) {
            Ok(()) => Ok(take_apart(bytes, root.checksum)),
            // A bad sector is a hole too.
            Err(error) if error.raw_os_error() == Some(EIO) => Ok(None),
            Err(error) => Err(StoreError::from_io("read", &error)),
        }
    }
}

impl Place {
    fn top(root: Root) -> Place {
        Place { root, depth: 0, from: Vec::new(), to: None }
    }
}

const EIO: i32 = 5;
/// Parts of a tree that are looked at side by side, at the least, and threads that do it, at the most.
const PLACES_WANTED: usize = 64;
const HELPERS_MAX: usize = 7;

/// The children of a branch, last first: the stack gives the first one first.
fn children_of<'a>(
    place: &'a Place,
    children: &'a [Root],
    keys: &'a [Vec<u8>],
) -> impl Iterator<Item = Place> + use<'a> {
    (0..children.len()).rev().map(move |n| Place {
        root: children[n],
        depth: place.depth + 1,
        from: if n == 0 { place.from.clone() } else { keys[n - 1].clone() },
        to: keys.get(n).cloned().or_else(|| place.to.clone()),
    })
}

fn commit(slot: &[u8]) -> Option<Commit> {
    let right = xxh3_128(&slot[..SLOT_CHECKSUM_AT]) == u128::from_le_bytes(array(slot, SLOT_CHECKSUM_AT));
    if !right || slot[0] != FORMAT {
        return None;
    }
    let root =
        Root { page: u64::from_le_bytes(array(slot, 8)), checksum: u128::from_le_bytes(array(slot, 16)) };
    let transaction = u64::from_le_bytes(array(slot, SLOT_TRANSACTION_AT));
    Some(Commit { root: (slot[1] != 0).then_some(root), transaction })
}

/// The root of the tree that a table's definition names.
fn table_root(definition: &[u8]) -> Result<Option<Root>, ()> {
    // Type of the table, number of its pairs, whether it has a root, the root.
    let rest = definition.get(9..9 + 1 + 24).ok_or(())?;
    let root =
        Root { page: u64::from_le_bytes(array(rest, 1)), checksum: u128::from_le_bytes(array(rest, 9)) };
    Ok((rest[0] != 0).then_some(root))
}

fn take_apart(page: &[u8], checksum: u128) -> Option<Page> {
    match *page.first()? {
        LEAF => leaf(page, checksum),
        BRANCH => branch(page, checksum),
        _ => None,
    }
}

fn leaf(page: &[u8], checksum: u128) -> Option<Page> {
    let count = usize::from(u16::from_le_bytes(page.get(2..4)?.try_into().ok()?));
    page.get(4..4 + 8 * count)?;
    let end = end_at(page, 4 + 8 * count.checked_sub(1)? + 4);
    if xxh3_128(page.get(..end)?) != checksum {
        return None;
    }
    let fits = |range: Range<usize>| page.get(range).is_some();
    pairs(page, count).all(|(key, value)| fits(key) && fits(value)).then_some(Page::Leaf(count))
}

/// Where keys and values are in a leaf that has the ends of so many.
fn pairs(page: &[u8], count: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<'_> {
    let ends = move |table: usize, n: usize| end_at(page, 4 + 4 * (table * count + n));
    let (mut key_at, mut value_at) = (4 + 8 * count, ends(0, count.saturating_sub(1)));
    (0..count).map(move |n| {
        let (key, value) = (key_at..ends(0, n), value_at..ends(1, n));
        (key_at, value_at) = (key.end, value.end);
        (key, value)
    })
}

/// The offset that stands at a place that has been checked.
fn end_at(page: &[u8], at: usize) -> usize {
    u32::from_le_bytes(array(page, at)) as usize
}

fn branch(page: &[u8], checksum: u128) -> Option<Page> {
    let count = usize::from(u16::from_le_bytes(page.get(2..4)?.try_into().ok()?));
    let sums_at = 8;
    let pages_at = sums_at + 16 * (count + 1);
    let ends_at = pages_at + 8 * (count + 1);
    let key_ends = ends(page, ends_at, count)?;
    if xxh3_128(page.get(..*key_ends.last()?)?) != checksum {
        return None;
    }
    let child = |n: usize| Root {
        page: u64::from_le_bytes(array(page, pages_at + 8 * n)),
        checksum: u128::from_le_bytes(array(page, sums_at + 16 * n)),
    };
    let children = (0..=count).map(child).collect();
    let mut at = ends_at + 4 * count;
    let mut keys = Vec::with_capacity(count);
    for end in key_ends {
        keys.push(page.get(at..end)?.to_vec());
        at = end;
    }
    Some(Page::Branch { children, keys })
}

/// The offsets that stand at `at`.
fn ends(page: &[u8], at: usize, count: usize) -> Option<Vec<usize>> {
    let bytes = page.get(at..at + 4 * count)?;
    Some(bytes.chunks_exact(4).map(|end| u32::from_le_bytes(array(end, 0)) as usize).collect())
}

/// Bytes whose place has been checked.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
