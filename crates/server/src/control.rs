//! The control loop: signals, `$SYS`, limits of the whole process. It talks to shards by letters only, so
//! that it can stall without holding up a message.

use crate::access::{EXIT_AUTH, Rules, Slots};
use crate::authenticator::Authenticator;
use crate::boot::Shards;
use crate::durable::StoreThread;
use crate::logging::{Class, Log};
use crate::process::{self, PidFile, Signal, Signals};
use crate::pump::{self, Report};
use crate::run::{PROGRAM, StartError, VERSION, exit, load_config};
use crate::sys::{Figures, SysTree};
use crate::translate;
use pondhawk_config::{BrokerArgs, Config, OnFailure, reload_diff};
use pondhawk_store::State;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a shard may take to send its figures.
const REPORT_PATIENCE: Duration = Duration::from_secs(1);
/// How often the process's memory is compared with `memory_limit`, where there is one.
const MEMORY_PERIOD: Duration = Duration::from_millis(20);
/// How often freed memory is looked for, and how much of it is worth giving back.
const GIVE_BACK_PERIOD: Duration = Duration::from_secs(5);
const GIVE_BACK_BYTES: u64 = 4 << 20;
/// How often the loop looks after the shards at least.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// A broker that runs.
pub(crate) struct Running {
    pub(crate) args: BrokerArgs,
    pub(crate) config: Config,
    pub(crate) log: Log,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) shard_count: u8,
    /// Ends behind the shards.
    pub(crate) store: Option<StoreThread>,
    /// Removed at the end.
    pub(crate) _pid_file: Option<PidFile>,
}

/// The control loop's state.
pub(crate) struct Control {
    running: Running,
    shards: Shards<Arc<Rules>>,
    signals: Signals,
    sys: SysTree,
    started: Instant,
    next_sys: Option<Instant>,
    next_memory: Option<Instant>,
    next_sweep: Option<Instant>,
    next_give_back: Instant,
    /// Resident bytes beyond those of messages, when they were last as low as they get.
    idle_bytes: u64,
    burst: Burst,
}

impl Control {
    pub(crate) fn new(running: Running, shards: Shards<Arc<Rules>>, signals: Signals) -> Self {
        let mut control = Control {
            running,
            shards,
            signals,
            sys: SysTree::new(&format!("{PROGRAM} version {VERSION}")),
            started: Instant::now(),
            next_sys: None,
            next_memory: None,
            next_sweep: None,
            next_give_back: Instant::now() + GIVE_BACK_PERIOD,
            idle_bytes: process::resident_bytes().unwrap_or(u64::MAX),
            burst: Burst::default(),
        };
        control.plan();
        control
    }

    /// Stays until a signal says to stop, or a shard has failed.
    pub(crate) fn serve(mut self) -> Result<(), StartError> {
        self.publish_sys();
        loop {
            let due = [self.next_sys, self.next_memory, self.next_sweep].into_iter().flatten().min();
            let wait = due.map_or(WATCH_PERIOD, |due| due.saturating_duration_since(Instant::now()));
            match self.signals.wait(wait.min(WATCH_PERIOD)) {
                Some(Signal::Stop) => return self.stop(),
                Some(signal) => self.obey(signal),
                None => {}
            }
            if let Some(thread) = self.ended_thread() {
                let error = format!(
                    "Error: {thread} has stopped unexpectedly; the broker ends. Please report this with the log."
                );
                return Err(StartError::new(exit::FAILED, error, None));
            }
            if self.must_end_with_its_store() {
                let error =
                    "Error: The store has failed, and the broker ends as persistence_on_failure says.";
                return Err(StartError::new(exit::FAILED, error, None));
            }
            self.do_due(Instant::now());
        }
    }

    /// A thread that should run and does not.
    fn ended_thread(&self) -> Option<&'static str> {
        if self.shards.any_ended() {
            return Some("a shard");
        }
        let ended = self.running.store.as_ref().is_some_and(StoreThread::has_ended);
        ended.then_some("the store's thread")
    }

    fn must_end_with_its_store(&self) -> bool {
        let ends = self.running.config.persistence.on_failure == OnFailure::Exit;
        let state = self.running.store.as_ref().filter(|_| ends).map(|store| store.figures().state);
        matches!(state, Some(State::Poisoned(_)))
    }

    fn stop(self) -> Result<(), StartError> {
        let stopped = self.shards.stop();
        // Behind the shards: what they did last is kept too.
        let kept = self.running.store.is_none_or(StoreThread::close);
        if stopped && kept {
            return Ok(());
        }
        Err(StartError::new(exit::FAILED, "Error: a shard failed while stopping.", None))
    }

    fn obey(&mut self, signal: Signal) {
        match signal {
            Signal::Stop => {}
            Signal::Reload => self.reload(),
            Signal::ReopenLog => {
                if let Err(error) = self.running.log.reopen() {
                    self.running.log.write(Class::Error, error);
                }
            }
            Signal::Save => {
                let nothing = "Nothing to save: persistence is off.";
                let text = self.running.store.as_ref().map_or(nothing, StoreThread::save);
                self.running.log.write(Class::Information, text);
            }
            Signal::DumpTree => self.dump_tree(),
        }
    }

    /// Sets the times of what happens periodically.
    fn plan(&mut self) {
        let now = Instant::now();
        let config = &self.running.config;
        self.next_sys = config.mqtt.sys_interval.map(|period| now + until_multiple_of(period));
        self.next_memory = config.limits.memory_limit.map(|_| now);
        self.next_sweep = config.mqtt.retain_expiry_interval.map(|period| now + period);
    }

    fn do_due(&mut self, now: Instant) {
        let is_due = |next: Option<Instant>| next.is_some_and(|next| next <= now);
        if is_due(self.next_memory) {
            self.check_memory();
            self.next_memory = Some(now + MEMORY_PERIOD);
        }
        if is_due(self.next_sweep) {
            self.shards.tell(|| pump::Control::Sweep);
            self.next_sweep = self.running.config.mqtt.retain_expiry_interval.map(|period| now + period);
        }
        if is_due(Some(self.next_give_back)) {
            self.give_back_memory();
            self.next_give_back = now + GIVE_BACK_PERIOD;
        }
        if is_due(self.next_sys) {
            self.publish_sys();
            let period = self.running.config.mqtt.sys_interval;
            self.next_sys = period.map(|period| Instant::now() + until_multiple_of(period));
        }
    }

    /// Over `memory_limit` new clients and messages are refused until memory is free again.
    fn check_memory(&mut self) {
        let Some(limit) = self.running.config.limits.memory_limit else {
            return;
        };
        let over = process::resident_bytes().is_some_and(|bytes| bytes > limit as u64);
        if self.running.slots.set_overloaded(over) != over {
            let text = if over {
                "Warning: memory_limit is reached: new clients and messages are refused."
            } else {
                "Memory is below memory_limit again."
            };
            self.running.log.write(Class::Warning, text);
        }
    }

    /// What a burst has left behind goes back to the system.
    fn give_back_memory(&mut self) {
        let Some(figures) = self.figures() else { return };
        let is_over = self.burst.is_over(figures.bytes_moved());
        let Some(now) = figures.bytes_beyond_messages() else { return };
        if is_over || now > self.idle_bytes.saturating_add(GIVE_BACK_BYTES) {
            pondhawk_net::memory::give_back();
            let after = self.figures().and_then(|figures| figures.bytes_beyond_messages());
            self.idle_bytes = after.unwrap_or(now);
        } else {
            self.idle_bytes = self.idle_bytes.min(now);
        }
    }

    /// Publishes the `$SYS` topics that have changed.
    fn publish_sys(&mut self) {
        if self.running.config.mqtt.sys_interval.is_none() {
            return;
        }
        let Some(figures) = self.figures() else { return };
        let changed = self.sys.update(&figures);
        let messages =
            changed.into_iter().map(|(topic, payload)| (topic, payload.into_bytes(), true)).collect();
        self.shards.tell_first(pump::Control::Publish(messages));
    }

    /// The figures of all shards together; `None` if one does not answer in time.
    fn figures(&self) -> Option<Figures> {
        let (to, from) = mpsc::channel::<Report>();
        self.shards.tell(|| pump::Control::Report(to.clone()));
        let mut figures = Figures::new(self.started.elapsed(), process::resident_bytes());
        figures.set_logins(self.running.authenticator.login_counts());
        if let Some(store) = &self.running.store {
            figures.set_store(store.durability_text(), store.figures());
        }
        for _ in 0..self.running.shard_count {
            figures.add(&from.recv_timeout(REPORT_PATIENCE).ok()?);
        }
        Some(figures)
    }

    fn dump_tree(&self) {
        let (to, from) = mpsc::channel::<String>();
        self.shards.tell(|| pump::Control::Describe(to.clone()));
        for shard in 0..self.running.shard_count {
            let Ok(text) = from.recv_timeout(REPORT_PATIENCE) else {
                return;
            };
            // A standard output that is closed has no reader.
            let _unread = writeln!(io::stdout(), "Subscriptions of shard {shard}:\n{text}");
        }
    }

    /// SIGHUP: everything is read and checked first; on any error all stays as it is.
    fn reload(&mut self) {
        self.running.log.write(Class::Information, "Reloading config.");
        if let Err(error) = self.try_reload() {
            for line in &error.lines {
                self.running.log.write(Class::Error, line);
            }
            let text = "Error: The configuration was not reloaded; the old one stays in force.";
            self.running.log.write(Class::Error, text);
        }
    }

    fn try_reload(&mut self) -> Result<(), StartError> {
        let new = load_config(&self.running.args)?;
        let reload = reload_diff(&self.running.config, &new);
        let (rules, warnings) = Rules::load(&reload.config, self.running.authenticator.method_names())
            .map_err(|error| StartError::new(EXIT_AUTH, error, None))?;
        let running = &mut self.running;
        running
            .log
            .reconfigure(&reload.config.logging)
            .map_err(|error| StartError::new(exit::INVALID, error, None))?;
        for warning in warnings.iter().chain(&reload.config.warnings) {
            running.log.write(Class::Warning, warning);
        }
        for change in &reload.restart {
            running.log.write(
                Class::Warning,
                format_args!("Warning: The change of {change} takes effect when the broker is restarted."),
            );
        }
        let rules = Arc::new(rules);
        let mut settings = translate::settings(&reload.config);
        // The store is opened at the start alone.
        settings.persistent = running.store.is_some();
        let settings = Arc::new(settings);
        running.authenticator.set_rules(rules.clone());
        running.authenticator.set_policy(translate::login_policy(&reload.config));
        running.slots.reload(&reload.config);
        running.config = reload.config;
        self.shards.tell(|| pump::Control::Reload(settings.clone(), rules.clone()));
        self.plan();
        Ok(())
    }
}

/// Bytes moved that make a burst, and so few a period that it is over.
const BURST_BYTES: u64 = 4 << 20;
const QUIET_BYTES: u64 = 1 << 20;

/// Whether a burst of traffic is over. What it used was in use while it lasted, so that the growth of the process
/// does not show it; giving memory back while it lasts would cost time again and again.
#[derive(Debug, Default)]
struct Burst {
    at_last_look: u64,
    at_last_end: u64,
}

impl Burst {
    /// Asked once a period with all bytes that were ever moved.
    fn is_over(&mut self, moved: u64) -> bool {
        let lately = moved.saturating_sub(self.at_last_look);
        let is_over = moved.saturating_sub(self.at_last_end) >= BURST_BYTES && lately < QUIET_BYTES;
        self.at_last_look = moved;
        if is_over {
            self.at_last_end = moved;
        }
        is_over
    }
}

/// How long until the wall clock is at a multiple of `period`, as Mosquitto 2.1 times its `$SYS` topics.
fn until_multiple_of(period: Duration) -> Duration {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let period_ms = period.as_millis().max(1);
    let left = period_ms - since.as_millis() % period_ms;
    Duration::from_millis(u64::try_from(left).unwrap_or(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_over_once_and_when_it_is_quiet() {
        let mut burst = Burst::default();
        let looks = [10 << 10, 3 << 20, 30 << 20, 60 << 20, 60 << 20, 60 << 20, 61 << 20, 66 << 20, 66 << 20];
        let over: Vec<usize> = looks
            .iter()
            .enumerate()
            .filter(|(_, moved)| burst.is_over(**moved))
            .map(|(index, _)| index)
            .collect();
        assert_eq!(over, [4, 8]);
    }
}
