//! A store in a folder: `records.redb`, a lock, the version of the format, and what was set aside.
//!
//! Before the engine may touch its file, the file is read by `image` from end to end. What is sound is opened as it
//! is. Of what is damaged the parts that are provably as they were written are copied to a new file; the old one is
//! kept under another name, and what was lost is said.

mod check;
mod copying;
mod engine;
mod folder;
mod image;
mod medium;
mod reserve;

pub use check::{Checked, check};
pub use engine::DiskEngine;
pub use medium::Medium;

use crate::engine::{Batch, Engine};
use crate::format::{Clock, Key};
use crate::{Log, Lost, Recovered, StoreError};
use folder::Folder;
use image::{Commit, Hole, Image};
use pondhawk_broker::InMemory;
use std::path::{Path, PathBuf};

/// What is said of a store whose last transaction is not whole.
const TORN: &str = "the newest transaction of the store was not whole and was taken back: it was being written when \
                    the machine stopped, before anything in it was acknowledged, unless the disk itself is damaged";
/// Bytes that are copied in one transaction.
const COPY_BYTES: usize = 4 << 20;

/// An open store.
#[derive(Debug)]
pub struct Opened {
    /// Where records go.
    pub log: Log<DiskEngine>,
    /// What was kept, and what of it is lost.
    pub recovered: Recovered,
    /// Files with what is damaged, for whoever wants to look into it.
    pub aside: Vec<PathBuf>,
    /// What the operator should know though nothing that was promised is lost.
    pub notes: Vec<String>,
}

/// Opens the store in a folder, and makes it if there is none. The folder is locked as long as the log lives.
///
/// # Errors
/// [`StoreError::Locked`], [`StoreError::Newer`], or what the disk says. Damage is no error, but told in what is
/// returned.
pub fn open(path: &Path, clock: Clock) -> Result<Opened, StoreError> {
    open_within(path, clock, EVERYTHING)
}

/// All queues in memory.
const EVERYTHING: InMemory = InMemory { messages: 0, bytes: 0 };

/// The same, with the longer queues left on disk.
///
/// # Errors
/// As [`open`].
pub fn open_within(path: &Path, clock: Clock, in_memory: InMemory) -> Result<Opened, StoreError> {
    let folder = Folder::open(path)?;
    let mut opening = Opening { folder, lost: Vec::new(), aside: Vec::new(), notes: Vec::new() };
    let engine = opening.engine()?;
    opening.folder.finish()?;
    let (log, mut recovered) = Log::open_within(engine, clock, in_memory)?;
    if !recovered.lost.is_empty() {
        // Before the first write, which deletes it.
        opening.aside.push(opening.folder.set_aside(&recovered.lost)?);
    }
    recovered.lost.splice(0..0, opening.lost);
    Ok(Opened { log, recovered, aside: opening.aside, notes: opening.notes })
}

struct Opening {
    folder: Folder,
    lost: Vec<Lost>,
    aside: Vec<PathBuf>,
    notes: Vec<String>,
}

/// How the engine's file is.
enum Health {
    /// With so many bytes of keys and values.
    Sound(u64),
    /// The last transaction is not whole, the one before it is: the machine stopped in the middle, before anything
    /// was promised.
    Torn,
    Damaged,
}

impl Opening {
    fn engine(&mut self) -> Result<DiskEngine, StoreError> {
        self.folder.remove_new_records();
        let (engine, live) = self.engine_and_live()?;
        Ok(engine.copied_in(self.folder.clone(), live))
    }

    /// The engine, and how many bytes of keys and values it has.
    fn engine_and_live(&mut self) -> Result<(DiskEngine, u64), StoreError> {
        if !self.folder.has_records() {
            if self.folder.is_old {
                self.lose("everything", "the file records.redb is missing");
                self.aside.push(self.folder.set_aside(&self.lost)?);
            }
            return Ok((DiskEngine::open(self.folder.records()?)?, 0));
        }
        if !self.folder.is_old {
            // The program stopped while it made the store; nothing has been promised by it.
            self.folder.remove_records()?;
            return Ok((DiskEngine::open(self.folder.records()?)?, 0));
        }
        let medium = self.folder.records()?;
        // What is not counted counts as living.
        let all = |medium: &dyn Medium| medium.len().unwrap_or(u64::MAX);
        let live = match health(&*medium)? {
            Health::Sound(live) => live,
            Health::Torn => {
                self.notes.push(TORN.to_owned());
                all(&*medium)
            }
            Health::Damaged => return Ok((self.salvage(&*medium)?, all(&*medium))),
        };
        match DiskEngine::open(medium.clone()) {
            Err(StoreError::Corrupt { .. }) => Ok((self.salvage(&*medium)?, all(&*medium))),
            opened => Ok((opened?, live)),
        }
    }

    /// Copies what can be believed to a new file.
    fn salvage(&mut self, damaged: &dyn Medium) -> Result<DiskEngine, StoreError> {
        let mut engine = DiskEngine::open(self.folder.new_records()?)?;
        match best(damaged)? {
            None => self.lose("everything", "the head of the file records.redb is damaged"),
            Some((image, commit)) => {
                let holes = copy(&image, &commit, &mut engine)?;
                self.lost.extend(holes.iter().map(lost));
            }
        }
        engine.sync()?;
        drop(engine);
        if self.lost.is_empty() {
            self.notes.push(
                "the engine's own lists were damaged and were made anew; every record is there".to_owned(),
            );
        } else {
            // It is written down before the new file makes the store look sound.
            self.aside.push(self.folder.set_aside(&self.lost)?);
        }
        self.aside.push(self.folder.replace_records()?);
        DiskEngine::open(self.folder.records()?)
    }

    fn lose(&mut self, what: &str, why: &str) {
        self.lost.push(Lost {
            what: what.to_owned(),
            why: why.to_owned(),
            key: Vec::new(),
            value: Vec::new(),
        });
    }
}

fn health(medium: &dyn Medium) -> Result<Health, StoreError> {
    let Some(image) = Image::read(medium)? else {
        return Ok(Health::Damaged);
    };
    let live_of_whole =
        |commit: Option<Commit>| commit.map_or(Ok(None), |commit| image.live_of_whole(&commit));
    if let Some(live) = live_of_whole(image.commits[0])? {
        return Ok(Health::Sound(live));
    }
    if image.was_open && live_of_whole(image.commits[1])?.is_some() {
        return Ok(Health::Torn);
    }
    Ok(Health::Damaged)
}

/// The commit of which the fewest parts are missing; of two, the newer one.
fn best(medium: &dyn Medium) -> Result<Option<(Image<'_>, Commit)>, StoreError> {
    let Some(image) = Image::read(medium)? else {
        return Ok(None);
    };
    let mut best: Option<(usize, Commit)> = None;
    for commit in image.commits.into_iter().flatten() {
        let holes = image.walk(&commit, &mut |_, _| {})?.len();
        if best.is_none_or(|(fewest, _)| holes < fewest) {
            best = Some((holes, commit));
        }
    }
    Ok(best.map(|(_, commit)| (image, commit)))
}

fn copy(image: &Image<'_>, commit: &Commit, to: &mut DiskEngine) -> Result<Vec<Hole>, StoreError> {
    let mut batch = Batch::new();
    let mut copied = Ok(());
    let holes = image.walk(commit, &mut |key, value| {
        batch.put(key.to_vec(), value.to_vec());
        if batch.bytes() >= COPY_BYTES && copied.is_ok() {
            copied = to.apply(&batch).and_then(|()| to.sync());
            batch = Batch::new();
        }
    })?;
    copied?;
    to.apply(&batch)?;
    Ok(holes)
}

fn lost(hole: &Hole) -> Lost {
    let from = if hole.from.is_empty() { "the first".to_owned() } else { place(&hole.from) };
    let to = hole.to.as_ref().map_or_else(|| "the last".to_owned(), |to| place(to));
    Lost {
        what: format!("every record from {from} to {to}"),
        why: format!("the file records.redb is damaged at byte {}", hole.at),
        key: Vec::new(),
        value: Vec::new(),
    }
}

/// A key for people. Between pages stand keys that may be shorter than real ones.
fn place(key: &[u8]) -> String {
    Key::decode(key).map_or_else(|_| format!("{key:x?}"), |key| format!("{key:?}"))
}
