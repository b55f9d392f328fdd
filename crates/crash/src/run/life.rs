//! One life of the broker: its start, what happens to its disk, and its death.

use super::{Place, Run};
use crate::args::Trouble;
use crate::broker::{Running, Start};
use crate::client::probe;
use crate::ledger::fault::Kind;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long the broker lives under load.
const LIFE: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(1000));
/// Tries to start a broker whose port somebody else was quicker to take.
const PORT_TRIES: usize = 5;
/// Deaths while it starts, in a row, at the most.
const DEATHS_AT_START_MAX: usize = 3;
/// How long a trouble may take to come, and to go.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an acknowledgement is waited for that must not come. It can only miss a fault.
const REFUSAL: Duration = Duration::from_secs(1);
/// Shards of the broker at the most.
const SHARDS_MAX: u64 = 4;
/// Syncs that succeed before one fails, at the most.
const SYNCS_MAX: u64 = 300;

/// What the broker says when a sync has failed, when its disk is full, and when there is room again.
const POISONED: &str = "Nothing that must be kept is acknowledged any more";
const FULL: &str = "No space is left for the store";
const ROOM: &str = "The store has room again";
/// What it never may say here: nothing damages its files, and what is not synced was not promised.
/// (That a transaction which was being written is taken back is as it should be.)
const ALARMS: [&str; 4] = ["has lost", "is damaged (", "What was found of it", "panicked"];

impl Run<'_> {
    /// Starts the broker; with `may_die`, sometimes kills it on the way and starts again.
    pub(super) fn start(&mut self, may_die: bool) -> Result<Running> {
        let mut deaths = if may_die { DEATHS_AT_START_MAX } else { 0 };
        let mut tries = PORT_TRIES;
        loop {
            // For each try anew: the last one's fault may have come in its start, or gone with its death.
            let tracer = if may_die { self.prepare_sync_fault() } else { Vec::new() };
            let shards = self.shards();
            let mut running = self.broker.start(shards, &tracer)?;
            let usual = self.figures.starts.last().copied();
            if let (1.., Some(usual)) = (deaths, usual)
                && self.chance.one_in(3)
            {
                deaths -= 1;
                rest(self.chance.span(Duration::ZERO, usual));
                self.figures.kills_at_start += 1;
                if running.kill().is_err() {
                    self.ended_early(&running.said())?;
                }
                self.forget(&running);
                continue;
            }
            match running.ready()? {
                Start::Ready(after) => {
                    self.figures.starts.push(after);
                    return Ok(running);
                }
                Start::Ended(said) if said.contains("in use") && tries > 0 => tries -= 1,
                Start::Ended(said) => {
                    self.ended_early(&said)?;
                    self.forget(&running);
                }
            }
        }
    }

    /// How many shards the broker is told to have in the life that begins.
    fn shards(&mut self) -> Option<u64> {
        let any = self.options.broker.is_none().then(|| 1 + self.chance.below(SHARDS_MAX));
        self.options.shards.or(any)
    }

    /// The broker may refuse to start for the trouble that it is in, if it says so.
    fn ended_early(&mut self, said: &str) -> Result<()> {
        match (&self.place, self.options.trouble) {
            (_, Trouble::Sync) if said.contains("cannot be synced") => {}
            (Place::Small(small), Trouble::Full) if said.contains("no space is left") => {
                small.make_room()?;
            }
            _ => bail!("the broker does not start: {said}"),
        }
        self.figures.starts_refused += 1;
        Ok(())
    }

    /// Lets a sync fail in the life that begins; by a command to run the broker by, if not by the file system.
    fn prepare_sync_fault(&mut self) -> Vec<String> {
        if self.options.trouble != Trouble::Sync {
            return Vec::new();
        }
        let syncs = self.chance.below(SYNCS_MAX);
        match &self.place {
            Place::Forgetful(disk) => {
                disk.fail_sync_after(syncs);
                Vec::new()
            }
            // strace counts each thread's calls from 1. With -D the broker is our child, and strace its own.
            _ => {
                let inject = format!("inject=fdatasync,fsync:error=EIO:when={}", syncs + 1);
                ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", &inject]
                    .map(str::to_owned)
                    .to_vec()
            }
        }
    }

    /// The load, with the trouble that was asked for.
    pub(super) fn trouble(&mut self, running: &mut Running) -> Result<()> {
        match self.options.trouble {
            Trouble::None => rest(self.chance.span(LIFE.0, LIFE.1)),
            Trouble::Sync => self.poisoned(running),
            Trouble::Full => self.full(running)?,
        }
        Ok(())
    }

    /// A sync fails: what needs the disk is not acknowledged any more, the rest goes on.
    fn poisoned(&mut self, running: &Running) {
        if !running.says(POISONED, PATIENCE) {
            let text = format!("no sync has failed within {PATIENCE:?}, or the broker does not say so");
            self.world.ledger.fault(Kind::Disk, text);
            return;
        }
        self.figures.syncs_failed += 1;
        self.probe(running, false);
        rest(self.chance.span(Duration::ZERO, LIFE.1));
    }

    /// The disk fills up; the same as above until there is room, and then all is as before.
    fn full(&mut self, running: &mut Running) -> Result<()> {
        if let Place::Small(small) = &self.place {
            small.load()?;
        }
        if !running.says(FULL, PATIENCE) {
            let text = format!("the disk was not full within {PATIENCE:?}, or the broker does not say so");
            self.world.ledger.fault(Kind::Disk, text);
            return Ok(());
        }
        self.figures.fulls += 1;
        self.probe(running, false);
        if self.chance.one_in(3) {
            // It dies with its disk full.
            return Ok(());
        }
        if let Place::Small(small) = &self.place
            && !small.make_room()?
        {
            // The store itself takes nearly all.
            return Ok(());
        }
        if running.says(ROOM, PATIENCE) {
            self.probe(running, true);
        } else {
            self.world.ledger.fault(
                Kind::Disk,
                format!("there is room, and the broker has not noticed: {}", running.said()),
            );
        }
        rest(self.chance.span(LIFE.0, LIFE.1));
        Ok(())
    }

    /// Asks for what needs the disk, which is acknowledged if `is_well`, and for what does not.
    fn probe(&self, running: &Running, is_well: bool) {
        let patience = if is_well { PATIENCE } else { REFUSAL };
        let text = match probe(running.port, patience) {
            Err(error) => format!("the broker does not serve a client: {error}"),
            Ok(probe) if !probe.is_echoed => "a QoS 0 message does not come through".to_owned(),
            // What is dead in a full store may turn out to be room enough.
            Ok(probe) if probe.is_acknowledged && !is_well && !running.said().contains(ROOM) => {
                "a message was acknowledged that cannot be kept".to_owned()
            }
            Ok(probe) if !probe.is_acknowledged && is_well => {
                format!("a message was not acknowledged within {patience:?} though there is room")
            }
            Ok(_) => return,
        };
        self.world.ledger.fault(Kind::Disk, text);
    }

    /// Kills the broker, with what follows from it.
    pub(super) fn kill(&mut self, running: &mut Running) -> Result<()> {
        let killed = running.kill();
        self.world.gate.close();
        self.forget(running);
        killed
    }

    /// The broker is dead: the disk forgets, and what it said is read.
    fn forget(&mut self, running: &Running) {
        if let Place::Forgetful(disk) = &self.place {
            self.figures.bytes_forgotten += disk.crash(&mut self.chance);
        }
        self.check_log(running);
    }

    pub(super) fn check_log(&self, running: &Running) {
        let said = running.said();
        for line in said.lines().filter(|line| ALARMS.iter().any(|alarm| line.contains(alarm))) {
            self.world.ledger.fault(Kind::Broker, format!("the broker says: {line}"));
        }
    }
}

/// Waits for so long.
fn rest(span: Duration) {
    let until = Instant::now() + span;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}
