//! The thread that writes the log, and the bounded queue in front of it.
//!
//! Before: any thread puts a line into the queue and goes on. After: the sinks. A queue that is full loses
//! lines and counts them; the writer says how many as soon as it gets on.

use super::LogError;
use super::class::Class;
use super::shown::escape;
use super::sink::{Line, Sinks};
use super::stamp::Stamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// Lines that may wait.
const QUEUE_LINES: usize = 8192;
/// Bytes of one line at the most, time aside.
const LINE_MAX: usize = 2048;
/// Bytes that are gathered before they are written.
const BATCH_BYTES: usize = 64 << 10;

/// A line on its way to the writer.
struct Entry {
    class: Class,
    at: SystemTime,
    text: String,
}

/// What the writer does besides writing.
enum Order {
    Replace(Box<(Sinks, Stamp)>),
    Reopen(Sender<Result<(), LogError>>),
    Flush(Sender<()>),
    Stop(Sender<()>),
}

enum Item {
    Line(Entry),
    Order(Order),
}

/// The writer's near end.
pub(super) struct Writer {
    queue: SyncSender<Item>,
    /// For orders that find the queue full; obeyed when it is not.
    orders: Sender<Order>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(sinks: Sinks, stamp: Stamp) -> Result<(Self, JoinHandle<()>), LogError> {
        let (queue, entries) = sync_channel(QUEUE_LINES);
        let (orders, received) = channel();
        let lost = Arc::new(AtomicU64::new(0));
        let desk = Desk { sinks, stamp, pending: Vec::new(), line: String::new(), lost: Arc::clone(&lost) };
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || desk.work(&entries, &received))
            .map_err(LogError::Thread)?;
        Ok((Writer { queue, orders, lost }, thread))
    }

    /// Hands a line over; never waits.
    pub(super) fn line(&self, class: Class, text: String) {
        let entry = Entry { class, at: SystemTime::now(), text };
        if self.queue.try_send(Item::Line(entry)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// From the next line on these hold.
    pub(super) fn replace(&self, sinks: Sinks, stamp: Stamp) {
        self.order(Order::Replace(Box::new((sinks, stamp))));
    }

    /// Has the file opened anew; waits for it as long as `patience`.
    pub(super) fn reopen(&self, patience: Duration) -> Result<(), LogError> {
        let (told, answer) = channel();
        self.order(Order::Reopen(told));
        answer.recv_timeout(patience).unwrap_or(Err(LogError::Stuck))
    }

    /// Waits until all lines so far are written, as long as `patience`.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let (told, answer) = channel();
        self.order(Order::Flush(told));
        answer.recv_timeout(patience).is_ok()
    }

    /// Has all lines so far written and the thread ended, unless that takes longer than `patience`.
    pub(super) fn stop(&self, patience: Duration) -> bool {
        let (told, answer) = channel();
        self.order(Order::Stop(told));
        answer.recv_timeout(patience).is_ok()
    }

    fn order(&self, order: Order) {
        if let Err(TrySendError::Full(Item::Order(order))) = self.queue.try_send(Item::Order(order)) {
            // A writer that is gone needs no orders.
            let _gone = self.orders.send(order);
        }
    }
}

/// What the writer's thread owns.
struct Desk {
    sinks: Sinks,
    stamp: Stamp,
    pending: Vec<u8>,
    line: String,
    lost: Arc<AtomicU64>,
}

impl Desk {
    fn work(mut self, entries: &Receiver<Item>, orders: &Receiver<Order>) {
        while let Ok(first) = entries.recv() {
            let taken = std::iter::once(first).chain(entries.try_iter().take(QUEUE_LINES));
            let end = self.take_all(taken);
            self.settle();
            let end = end.or_else(|| orders.try_iter().find_map(|order| self.obey(order)));
            if let Some(told) = end {
                let _unheard = told.send(());
                return;
            }
        }
    }

    /// Takes what is queued, in order; whom to tell if one of it is the end.
    fn take_all(&mut self, mut items: impl Iterator<Item = Item>) -> Option<Sender<()>> {
        items.find_map(|item| match item {
            Item::Line(entry) => {
                self.take(&entry);
                None
            }
            Item::Order(order) => {
                // What was logged before goes by what held before.
                self.settle();
                self.obey(order)
            }
        })
    }

    /// Writes what was taken.
    fn settle(&mut self) {
        self.tell_lost();
        self.sinks.flush(&mut self.pending);
    }

    fn tell_lost(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text =
                format!("Warning: {lost} log lines were lost: they came faster than they could be written.");
            self.take(&Entry { class: Class::Warning, at: SystemTime::now(), text });
        }
    }

    fn take(&mut self, entry: &Entry) {
        self.line.clear();
        self.stamp.write(entry.at, &mut self.line);
        // The one tab that Mosquitto's lines have is at their beginning.
        let text = match entry.text.strip_prefix('\t') {
            Some(rest) => {
                self.line.push('\t');
                rest
            }
            None => &entry.text,
        };
        let escaped = escape(text, LINE_MAX, &mut self.line);
        debug_assert!(escaped.is_ok(), "a String takes everything");
        let line = Line { class: entry.class, at: entry.at, text: &self.line };
        self.sinks.take(&line, &mut self.pending);
        if self.pending.len() >= BATCH_BYTES {
            self.sinks.flush(&mut self.pending);
        }
    }

    /// Does what is ordered; whom to tell if that is the end.
    fn obey(&mut self, order: Order) -> Option<Sender<()>> {
        match order {
            Order::Replace(new) => (self.sinks, self.stamp) = *new,
            Order::Reopen(told) => {
                let _unheard = told.send(self.sinks.reopen());
            }
            Order::Flush(told) => {
                let _unheard = told.send(());
            }
            Order::Stop(told) => return Some(told),
        }
        None
    }
}
