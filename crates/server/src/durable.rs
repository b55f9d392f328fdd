//! What outlives the process: the store is opened before the shards run, what it has is brought to the moment of the
//! start and parted among them, and a thread keeps their records.

use crate::access::ShardHost;
use crate::logging::{Class, Log};
use crate::pump::{Legacy, Store};
use crate::run::{StartError, exit};
use crate::takeover;
use pondhawk_broker::{
    Fetch, Fetched, Homes, Keeping, Persist, Restart, Restored, RestoredSession, Settings, ShardId, Ticket,
};
use pondhawk_config::{Config, Durability};
use pondhawk_store::disk::{self, DiskEngine, Opened};
use pondhawk_store::{
    Clock, Desk, Event, Figures, Keeper, Log as StoreLog, Recovered, State, StoreError, Turn, Wake,
};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The folder of the store, in `persistence_location`.
pub const FOLDER: &str = "pondhawk-store";
/// Lines of the log about what was lost, at the most; the file that was set aside has all.
const LOST_LINES: usize = 20;

/// The thread that keeps records.
pub(crate) struct StoreThread {
    keeper: Keeper<DiskEngine>,
    durability: pondhawk_store::Durability,
}

impl StoreThread {
    /// What it has done, and how the store is.
    pub(crate) fn figures(&self) -> Figures {
        self.keeper.figures()
    }

    /// What acknowledgements promise, in the configuration's words.
    pub(crate) fn durability_text(&self) -> String {
        match self.durability {
            pondhawk_store::Durability::Group => "group".to_owned(),
            pondhawk_store::Durability::Interval(interval) => format!("interval {}", interval.as_millis()),
        }
    }

    /// SIGUSR1: what is not on disk yet goes there; says so.
    pub(crate) fn save(&self) -> &'static str {
        match self.durability {
            pondhawk_store::Durability::Group => {
                "Nothing to save: everything that was acknowledged is on disk."
            }
            pondhawk_store::Durability::Interval(_) => {
                self.keeper.hurry();
                "Saving: everything that was acknowledged goes to disk now."
            }
        }
    }

    /// True if the thread has ended, which it does on its own by a fault only.
    pub(crate) fn has_ended(&self) -> bool {
        self.keeper.has_ended()
    }

    /// Ends the thread behind everything that was handed over; false if it has failed.
    pub(crate) fn close(self) -> bool {
        self.keeper.close().is_some()
    }
}

/// A shard's part of the store.
pub(crate) struct Share {
    /// Where its records go.
    pub(crate) store: Box<dyn Store>,
    /// What it takes over.
    pub(crate) restored: Restored,
}

/// What the shards that start have in common.
pub(crate) struct Start<'a> {
    pub(crate) config: &'a Config,
    pub(crate) settings: &'a Settings,
    pub(crate) homes: Homes,
    /// The moment that the shards count time from.
    pub(crate) epoch: Instant,
    /// Knows the rights of clients.
    pub(crate) host: &'a ShardHost,
    pub(crate) log: &'a Log,
}

impl Store for Desk {
    fn append(&mut self, records: &mut Vec<Persist>, ticket: Ticket) {
        Desk::append(self, records, ticket);
    }

    fn durable(&mut self) -> Ticket {
        Desk::durable(self)
    }

    fn keeping(&self) -> Keeping {
        Desk::keeping(self)
    }

    fn stored(&mut self) -> Ticket {
        Desk::stored(self)
    }

    fn fetch(&mut self, fetches: &mut Vec<Fetch>) {
        Desk::fetch(self, fetches);
    }

    fn fetched(&mut self) -> Vec<Fetched> {
        Desk::fetched(self)
    }
}

/// Opens the store, if the configuration wants one, and starts its thread. One that nobody has asked for may be
/// missing, of which the log warns.
pub(crate) fn start(
    start: &Start<'_>,
    wakes: Vec<Wake>,
) -> Result<Option<(StoreThread, Vec<Share>)>, StartError> {
    let Some(durability) = durability(start.config) else {
        let text = "persistence_durability none: nothing is kept when the broker ends.";
        start.log.write(Class::Information, text);
        return Ok(None);
    };
    let (path, mosquitto_db) = takeover::places(start.config);
    let failed = |error: StoreError| {
        let hint = hint(start.config, &error);
        StartError::new(exit::FAILED, format!("Error: {}: {error}", path.display()), hint)
    };
    let clock = clock(start.epoch);
    let in_memory = start.settings.in_memory();
    let mut opened = match disk::open_within(&path, clock, in_memory) {
        Err(error) if start.config.persistence.by_default && is_outside(&error) => {
            let (text, path) = ("Nothing is kept when the broker ends", path.display());
            start.log.write(Class::Warning, format_args!("Warning: {text}: {path}: {error}."));
            return Ok(None);
        }
        opened => opened.map_err(failed)?,
    };
    if takeover::is_new(&opened) && mosquitto_db.exists() {
        drop(opened);
        take_over(start, &mosquitto_db, &path)?;
        opened = disk::open_within(&path, clock, in_memory).map_err(failed)?;
    }
    let Opened { mut log, recovered, aside, notes } = opened;
    let say = |class, text: String| start.log.write(class, text);
    for note in notes {
        say(Class::Warning, format!("Warning: {note}."));
    }
    tell_lost(start.log, &recovered, &aside);
    let mut restored = recovered.restored;
    say(Class::Information, opened_text(&path.display().to_string(), &restored));
    say(Class::Information, promise_text(durability));
    let records = restored.resolve(&Restart {
        now: u64::try_from(start.epoch.elapsed().as_millis()).unwrap_or(u64::MAX),
        homes: start.homes,
        settings: start.settings,
        host: start.host,
    });
    keep_first(&mut log, (&records, clock), start.homes.shards).map_err(failed)?;
    let parts = restored.split();
    let told = tell_state(start.log.clone());
    let (keeper, desks) = Keeper::start(log, (durability, clock), wakes, told).map_err(StartError::failed)?;
    let share = |(desk, restored)| Share { store: Box::new(desk) as Box<dyn Store>, restored };
    let shares = desks.into_iter().zip(parts).map(share).collect();
    Ok(Some((StoreThread { keeper, durability }, shares)))
}

/// What the start has changed is one unit, which all shards rest on. Without room it waits, and so does what goes out of
/// it; everything else is served.
fn keep_first(
    log: &mut StoreLog<DiskEngine>,
    (records, clock): (&[Persist], Clock),
    shards: u8,
) -> Result<(), StoreError> {
    for shard in 0..shards {
        let records = if shard == 0 { records } else { &[] };
        log.append(&Turn { shard: ShardId(shard), ticket: Legacy::TICKET, clock, records })?;
    }
    match log.commit() {
        Err(StoreError::Full) => Ok(()),
        kept => kept,
    }
}

/// True if it is not the store that is wrong, but where it is.
fn is_outside(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { .. } | StoreError::Locked { .. } | StoreError::Full)
}

/// The first start where Mosquitto was: its sessions and messages come along.
fn take_over(start: &Start<'_>, file: &Path, folder: &Path) -> Result<(), StartError> {
    let listener_of = |port| takeover::listener_of(start.config, port);
    let report = takeover::import(file, folder, &listener_of).map_err(|error| {
        let hint = format!("without {} the broker starts with nothing", file.display());
        StartError::new(exit::FAILED, format!("Error: {error}"), Some(hint))
    })?;
    let said = format!("Imported {}: {report}. It is not needed any more.", file.display());
    start.log.write(Class::Information, said);
    for line in report.left_out_lines() {
        start.log.write(Class::Warning, format_args!("Warning: Import has {line}."));
    }
    Ok(())
}

/// What an acknowledgement promises; `None` without a store.
fn durability(config: &Config) -> Option<pondhawk_store::Durability> {
    match config.persistence.durability {
        _ if !config.persistence.enabled => None,
        Durability::None => None,
        Durability::Group => Some(pondhawk_store::Durability::Group),
        Durability::Interval(interval) => Some(pondhawk_store::Durability::Interval(interval)),
    }
}

/// True if the configuration wants a store.
pub(crate) fn is_wanted(config: &Config) -> bool {
    durability(config).is_some()
}

/// What to do about an error of the store, where that is not in the error.
fn hint(config: &Config, error: &StoreError) -> Option<String> {
    let StoreError::Io { reason, .. } = error else {
        return None;
    };
    reason.contains("(os error 13)").then(|| {
        let user = &config.user;
        format!("the user that the broker runs as must own persistence_location: chown {user} DIRECTORY")
    })
}

fn clock(epoch: Instant) -> Clock {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let at_zero = wall.saturating_sub(epoch.elapsed()).as_millis();
    Clock { wall_at_zero_ms: u64::try_from(at_zero).unwrap_or_default() }
}

fn opened_text(path: &str, restored: &Restored) -> String {
    let queued: usize = restored.sessions.values().map(RestoredSession::queue_len).sum();
    format!(
        "Store {path}: {} sessions, {queued} messages for them, {} retained messages.",
        restored.sessions.len(),
        restored.retained.len(),
    )
}

/// What acknowledgements promise.
fn promise_text(durability: pondhawk_store::Durability) -> String {
    match durability {
        pondhawk_store::Durability::Group => {
            "persistence_durability group: what is acknowledged is on disk.".to_owned()
        }
        pondhawk_store::Durability::Interval(interval) => format!(
            "persistence_durability interval: what is acknowledged is on disk {} ms later.",
            interval.as_millis()
        ),
    }
}

fn tell_lost(log: &Log, recovered: &Recovered, aside: &[PathBuf]) {
    for lost in recovered.lost.iter().take(LOST_LINES) {
        log.write(Class::Error, format_args!("Error: The store has lost {lost}."));
    }
    if recovered.lost.len() > LOST_LINES {
        let more = recovered.lost.len() - LOST_LINES;
        log.write(Class::Error, format_args!("Error: The store has lost {more} more records."));
    }
    for path in aside {
        log.write(Class::Error, format_args!("What was found of it is in {}.", path.display()));
    }
}

/// Says in the log how the store fares.
fn tell_state(log: Log) -> pondhawk_store::Told {
    Box::new(move |event| {
        match event {
        Event::State(State::Open) => log.write(Class::Warning, "The store has room again."),
        Event::State(State::Full) => log.write(
            Class::Error,
            "Error: No space is left for the store: messages that must be kept are refused, or wait, until there is.",
        ),
        Event::State(State::Poisoned(error)) => log.write(
            Class::Error,
            format_args!(
                "Error: {error}. Nothing that must be kept is acknowledged any more: mend the disk and restart the broker."
            ),
        ),
        Event::Unread(error) => log.write(
            Class::Error,
            format_args!("Error: {error}. Messages of a long queue wait until they can be read: mend the disk."),
        ),
    }
    })
}
