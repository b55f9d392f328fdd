//! What it costs to keep what is acknowledged: messages for a client that is away, and a start with very much kept.
//!
//! Mosquitto syncs nothing and loses what it has not saved when it is killed, so it is ended in order before it is
//! started again; Pondhawk is killed.

use crate::broker::{Contender, Process, Site};
use crate::disk;
use crate::error::BenchError;
use crate::figure::{Figures, Metric};
use crate::load::queue::{AWAY, Publisher, QUEUE_FILTER, fetch, frame_bytes};
use crate::load::{greet, leave_session};
use crate::meter::{CpuReading, Meter};
use crate::workload::Backlog;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest time that messages flow before anything is measured.
const WARM_UP_MAX: Duration = Duration::from_millis(500);
/// Messages under way while the backlog is made.
const BACKLOG_WINDOW: u64 = 1_000;
/// How long a broker may take until it lets clients in.
const GREET_WITHIN: Duration = Duration::from_secs(120);
const MEGABYTE: f64 = 1e6;

/// Messages acknowledged a second while their receiver is away, then drained and checked.
///
/// # Errors
/// The broker broke off or lost something.
pub(crate) fn queue(
    contender: &Contender,
    folder: &Path,
    (window, time): (u64, Duration),
) -> Result<Figures, BenchError> {
    let site = Arc::new(Site::with_store(folder)?);
    let sync = disk::sync_time(site.path(), window as usize * frame_bytes())?;
    let broker = contender.start_at(&site)?;
    leave_session(broker.addr(), AWAY, QUEUE_FILTER)?;
    let mut publisher = Publisher::open(broker.addr(), Backlog::Queued, window)?;
    publisher.publish_for(WARM_UP_MAX.min(time))?;
    let before = Reading::take(&broker, publisher.acknowledged())?;
    publisher.publish_for(time)?;
    let after = Reading::take(&broker, publisher.acknowledged())?;
    publisher.settle()?;
    let mut figures = after.publishing_since(&before);
    let limit = window as f64 / sync.as_secs_f64();
    let reached = figures.get(&Metric::AckedThroughput).map_or(0.0, |rate| rate / limit);
    figures.extend([
        (Metric::SyncTime, sync.as_secs_f64() * 1e6),
        (Metric::SyncLimit, limit),
        (Metric::ShareOfLimit, reached),
    ]);
    figures.extend(drain(&broker, Backlog::Queued, publisher.sent())?);
    Ok(figures)
}

/// Makes a backlog, ends the broker, starts it again, and fetches everything.
///
/// # Errors
/// The broker broke off or lost something.
pub(crate) fn backlog(
    contender: &Contender,
    folder: &Path,
    (what, messages): (Backlog, u64),
) -> Result<Figures, BenchError> {
    let site = Arc::new(Site::with_store(folder)?);
    let broker = contender.start_at(&site)?;
    if what == Backlog::Queued {
        leave_session(broker.addr(), AWAY, QUEUE_FILTER)?;
    }
    let mut publisher = Publisher::open(broker.addr(), what, BACKLOG_WINDOW)?;
    let before = Reading::take(&broker, 0)?;
    publisher.publish_up_to(messages)?;
    let after = Reading::take(&broker, publisher.acknowledged())?;
    let mut figures = after.publishing_since(&before);
    let resident = |broker: &Process| Ok::<_, BenchError>(broker.meter().resident_bytes()? as f64 / MEGABYTE);
    figures.insert(Metric::Resident, resident(&broker)?);
    drop(publisher);
    if contender.outlives_a_kill() {
        broker.kill();
    } else {
        broker.stop()?;
    }
    let stored = site.store_bytes()? as f64 / MEGABYTE;
    let start = Instant::now();
    let broker = contender.start_at(&site)?;
    greet(broker.addr(), GREET_WITHIN)?;
    let started = start.elapsed().as_secs_f64();
    figures.extend([
        (Metric::StoreSize, stored),
        (Metric::StartTime, started),
        (Metric::StartPerGigabyte, started / (stored / 1e3)),
        (Metric::ResidentRestarted, resident(&broker)?),
    ]);
    figures.extend(drain(&broker, what, messages)?);
    Ok(figures)
}

fn drain(broker: &Process, what: Backlog, messages: u64) -> Result<Figures, BenchError> {
    let before = Reading::take(broker, 0)?;
    fetch(broker.addr(), what, messages)?;
    let after = Reading::take(broker, messages)?;
    let (rate, cpu) = after.each_since(&before);
    Ok(Figures::from([(Metric::DrainThroughput, rate), (Metric::CpuPerDrained, cpu)]))
}

/// The state of things at a moment.
struct Reading {
    at: Instant,
    broker: CpuReading,
    generator: CpuReading,
    messages: u64,
}

impl Reading {
    fn take(broker: &Process, messages: u64) -> Result<Self, BenchError> {
        let thread = Meter::Thread(rustix::thread::gettid().as_raw_nonzero().get());
        Ok(Reading { at: Instant::now(), broker: broker.meter().cpu()?, generator: thread.cpu()?, messages })
    }

    /// Messages a second since an earlier moment, and microseconds of the broker's CPU time for each.
    fn each_since(&self, earlier: &Reading) -> (f64, f64) {
        let messages = (self.messages - earlier.messages).max(1) as f64;
        let elapsed = self.at.duration_since(earlier.at).as_secs_f64();
        (messages / elapsed, self.broker.since(&earlier.broker).as_secs_f64() * 1e6 / messages)
    }

    fn publishing_since(&self, earlier: &Reading) -> Figures {
        let (rate, cpu) = self.each_since(earlier);
        let elapsed = self.at.duration_since(earlier.at).as_secs_f64();
        let generator = 100.0 * self.generator.since(&earlier.generator).as_secs_f64() / elapsed;
        Figures::from([
            (Metric::AckedThroughput, rate),
            (Metric::CpuPerAcked, cpu),
            (Metric::GeneratorLoad, generator),
        ])
    }
}
