//! The end of a run: publishers end what they have begun, subscribers fetch what is theirs, and the ledger is compared.

use super::cast::Cast;
use super::{Place, Run};
use crate::broker::Running;
use crate::client::retained_at_rest;
use crate::gate::Stage;
use crate::ledger::fault::Kind;
use anyhow::{Context as _, Result};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How long nothing may advance before it is taken for stuck.
const STUCK: Duration = Duration::from_secs(60);

/// How often a line says how far the end is.
const SAY_EVERY: Duration = Duration::from_secs(5);

impl Run<'_> {
    pub(super) fn drain(&mut self, cast: &mut Cast) -> Result<()> {
        let world = self.world.clone();
        if let Place::Small(small) = &self.place {
            // There may be none to take away.
            let _room = small.make_room();
        }
        let mut running = self.start(false)?;
        self.figures.load_took = self.figures.began.elapsed();
        world.gate.set_stage(Stage::Drain);
        world.gate.open(running.port);
        if self.await_others(cast) {
            cast.send_barrier(&world);
            self.await_others(cast);
        }
        let auditor = cast.auditor();
        self.await_receipts(cast);
        for receipts in &cast.receipts {
            let receipts = receipts.lock().unwrap_or_else(PoisonError::into_inner);
            receipts.judge(&world.ledger);
            if !receipts.is_subscribed() {
                world.ledger.fault(Kind::Broker, format!("{} could never subscribe", receipts.name()));
            }
            self.figures.received += receipts.received;
            self.figures.repeated += receipts.repeated;
        }
        self.figures.looks = auditor.looks;
        retained_at_rest(&world, &auditor, running.port)
            .context("looking at retained messages at the end")?;
        self.end(&mut running)
    }

    fn end(&mut self, running: &mut Running) -> Result<()> {
        let killed = running.kill();
        self.world.gate.close();
        self.check_log(running);
        killed
    }

    /// Waits until publishers and testators are done; false if they are stuck.
    fn await_others(&self, cast: &Cast) -> bool {
        let is_done = || cast.others.iter().all(|thread| thread.is_finished());
        let is_done = advance(is_done, "acknowledged", || self.world.ledger.acked_total());
        if !is_done {
            let text = format!("publishers got no acknowledgement for {STUCK:?} though the broker was well");
            self.world.ledger.fault(Kind::Broker, text);
        }
        is_done
    }

    /// Waits until everybody has what is theirs. What has not come when nothing comes any more is lost.
    fn await_receipts(&self, cast: &Cast) {
        let missing = || {
            let each = cast.receipts.iter().map(|receipts| {
                receipts.lock().unwrap_or_else(PoisonError::into_inner).missing(&self.world.ledger)
            });
            each.sum::<u64>()
        };
        // The judgement counts what is missing.
        let _all_came = advance(|| missing() == 0, "to be fetched", missing);
    }
}

/// Waits until something is so; false if nothing has changed `progress` for too long.
fn advance(is_so: impl Fn() -> bool, what: &str, progress: impl Fn() -> u64) -> bool {
    let mut last = (progress(), Instant::now());
    let mut said = Instant::now();
    while !is_so() {
        let now = progress();
        if said.elapsed() > SAY_EVERY {
            said = Instant::now();
            eprintln!("the end: {now} {what}");
        }
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() > STUCK {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    true
}
