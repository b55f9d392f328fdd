//! Signals as values.
//!
//! Before: the operating system interrupts some thread. After: the control loop takes one at a time, between
//! other things.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// What somebody wants of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: end in order.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGRTMIN: open the log file again.
    ReopenLog,
    /// SIGUSR1: save what is to be kept.
    Save,
    /// SIGUSR2: print the subscriptions.
    DumpTree,
}

/// The signals of this process, from the moment that this is made.
#[derive(Debug)]
pub struct Signals {
    from: Receiver<Signal>,
    handle: signal_hook::iterator::Handle,
}

impl Signals {
    /// Catches the signals that mean something to the broker.
    ///
    /// # Errors
    /// The system refuses a handler or a thread.
    pub fn new() -> io::Result<Self> {
        let caught = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, libc::SIGRTMIN()];
        let mut signals = signal_hook::iterator::Signals::new(caught)?;
        let handle = signals.handle();
        let (to, from) = channel();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for number in signals.forever() {
                if to.send(meaning(number)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Signals { from, handle })
    }

    /// The next signal, if one comes within `patience`.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Signal> {
        self.from.recv_timeout(patience).ok()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}

fn meaning(number: i32) -> Signal {
    match number {
        SIGHUP => Signal::Reload,
        SIGUSR1 => Signal::Save,
        SIGUSR2 => Signal::DumpTree,
        SIGTERM | SIGINT => Signal::Stop,
        // Only SIGRTMIN is left of those that are caught.
        _ => Signal::ReopenLog,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_arrive_in_words() {
        let signals = Signals::new().unwrap();
        for (number, signal) in [
            (SIGHUP, Signal::Reload),
            (SIGUSR1, Signal::Save),
            (SIGUSR2, Signal::DumpTree),
            (libc::SIGRTMIN(), Signal::ReopenLog),
            (SIGTERM, Signal::Stop),
            (SIGINT, Signal::Stop),
        ] {
            signal_hook::low_level::raise(number).unwrap();
            assert_eq!(signals.wait(Duration::from_secs(30)), Some(signal));
        }
    }
}
