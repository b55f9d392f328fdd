//! A mailbox: many threads send batches, one thread takes all there is.
//!
//! Before it: a shard's turn, which gathers what it owes each other shard into one batch. After it: the
//! receiving shard, which drains its mailbox once a turn.
//!
//! *Soft bound.* A send is always accepted. Blocking or refusing could make two shards wait for each other,
//! and a refused item would be a lost message. Past the [`Bound`] the sender is told [`Pressure::Over`]: it
//! then stops reading its own sockets, goes on draining its own mailbox, and is woken through its *relief*
//! waker as soon as the receiver has taken the mail.
//!
//! *Wake-ups.* A wake-up is a system call, so it is made only when the receiver may be asleep. The receiver
//! says so with [`Receiver::may_sleep`] right before it blocks, and is awake again from its next
//! [`Receiver::drain`], or from the first send that woke it.
//!
//! ```text
//!            may_sleep() == true                 send_batch(): wake()
//!  AWAKE ---------------------------> ASLEEP ---------------------------> AWAKE
//!    ^  sends make no system call        |  drain() (woken by a socket)     ^
//!    |                                   +----------------------------------+
//! ```

use pondhawk_plants::planted;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A drained buffer with room for more items than this is given back to the allocator, so that one burst
/// does not stay resident for ever.
const SPARE_ITEMS_MAX: usize = 8 * 1024;

/// What an item costs its mailbox, in bytes.
pub trait Weight {
    /// The bytes that the item keeps alive; an estimate is enough, but it must not change while queued.
    fn weight(&self) -> usize;
}

/// Gets a thread out of its wait.
pub trait Wake: Send + Sync {
    /// Makes the thread's present or next wait return at once. Must not block.
    fn wake(&self);
}

impl Wake for mio::Waker {
    fn wake(&self) {
        // mio already handles a full counter. What can still fail is a poll that no longer exists, and its
        // thread has nothing left to be woken for.
        let _ = mio::Waker::wake(self);
    }
}

/// How much may wait in a mailbox before its senders are asked to hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Number of items.
    pub items: usize,
    /// Sum of the items' [`Weight`].
    pub bytes: usize,
}

/// What the mailbox says to the one who just sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a sender that ignores Over makes the mailbox grow without bound"]
pub enum Pressure {
    /// Go on.
    Ok,
    /// Accepted, but the mailbox is past its bound: read no more input until [`Sender::is_over`] is false.
    Over,
    /// The receiver is gone; the batch was dropped.
    Closed,
}

/// Makes a mailbox whose receiver is woken through `waker`.
///
/// The receiver counts as asleep until its first [`Receiver::drain`], so that no early send is missed.
pub fn mailbox<T: Weight>(bound: Bound, waker: Arc<dyn Wake>) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            queue: Vec::new(),
            bytes: 0,
            asleep: true,
            closed: false,
            waiting: Vec::new(),
        }),
        over: AtomicBool::new(false),
        bound,
        waker,
    });
    let sender = Sender { shared: Arc::clone(&shared), relief: None };
    (sender, Receiver { shared })
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Whether the mailbox is past its bound; written under the lock, read without it.
    over: AtomicBool,
    bound: Bound,
    waker: Arc<dyn Wake>,
}

struct State<T> {
    queue: Vec<T>,
    bytes: usize,
    asleep: bool,
    closed: bool,
    /// Senders that were told `Over`, each once.
    waiting: Vec<Arc<dyn Wake>>,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No foreign code runs under this lock, so a poisoned state is still a consistent one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending end; clone it for each thread that sends.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
    relief: Option<Arc<dyn Wake>>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), relief: self.relief.clone() }
    }
}

impl<T: Weight> Sender<T> {
    /// The same sender, woken through `relief` when a mailbox that told it [`Pressure::Over`] has room again.
    #[must_use]
    pub fn with_relief(mut self, relief: Arc<dyn Wake>) -> Self {
        self.relief = Some(relief);
        self
    }

    /// Sends all of `batch`, in order, and leaves it empty (its room may be exchanged for another buffer's).
    ///
    /// Items of one call stay together; calls are kept in the order in which they happened. An empty batch
    /// wakes nobody.
    pub fn send_batch(&self, batch: &mut Vec<T>) -> Pressure {
        if batch.is_empty() {
            return self.pressure();
        }
        if planted!(LastLetterLost) && batch.len() > 2 {
            batch.pop();
        }
        let weight = batch.iter().map(Weight::weight).fold(0usize, usize::saturating_add);
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            batch.clear();
            return Pressure::Closed;
        }
        if state.queue.is_empty() {
            mem::swap(&mut state.queue, batch);
        } else {
            state.queue.append(batch);
        }
        state.bytes = state.bytes.saturating_add(weight);
        let bound = self.shared.bound;
        let over = state.queue.len() > bound.items || state.bytes > bound.bytes;
        if over {
            self.shared.over.store(true, Ordering::Release);
            self.ask_for_relief(&mut state);
        }
        let wake = mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.shared.waker.wake();
        }
        if over { Pressure::Over } else { Pressure::Ok }
    }

    /// Whether the mailbox is past its bound now. One atomic load if it is not.
    ///
    /// After true the sender is woken when that changes, so it may look again then and not before.
    #[must_use]
    pub fn is_over(&self) -> bool {
        if !self.shared.over.load(Ordering::Acquire) {
            return false;
        }
        // Since this sender was last relieved, another one may have filled the mailbox again: without
        // asking anew it would then wait for ever.
        let mut state = self.shared.lock();
        let over = self.shared.over.load(Ordering::Acquire);
        if over {
            self.ask_for_relief(&mut state);
        }
        over
    }

    fn pressure(&self) -> Pressure {
        if self.is_over() { Pressure::Over } else { Pressure::Ok }
    }

    fn ask_for_relief(&self, state: &mut State<T>) {
        let Some(relief) = &self.relief else { return };
        let same = |other: &Arc<dyn Wake>| Arc::as_ptr(other).cast::<()>() == Arc::as_ptr(relief).cast();
        if !state.waiting.iter().any(same) {
            state.waiting.push(Arc::clone(relief));
        }
    }
}

/// The receiving end, owned by one thread.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// Takes all the mail there is, oldest first, and appends it to `into`.
    ///
    /// Give an empty buffer, the same one each turn: it is then exchanged for the queue, without a copy and
    /// without an allocation. From here on the receiver counts as awake.
    pub fn drain(&mut self, into: &mut Vec<T>) {
        if into.is_empty() && into.capacity() > SPARE_ITEMS_MAX {
            *into = Vec::new();
        }
        let mut state = self.shared.lock();
        state.asleep = false;
        if into.is_empty() {
            mem::swap(&mut state.queue, into);
        } else {
            into.append(&mut state.queue);
        }
        state.bytes = 0;
        self.shared.over.store(false, Ordering::Release);
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        for relief in waiting {
            relief.wake();
        }
    }

    /// To be called right before the thread blocks: true if it may, false if there is mail.
    ///
    /// After true, the next send wakes the thread. After false the thread must not block: poll with no
    /// wait, then drain.
    #[must_use = "after false the thread must not block"]
    pub fn may_sleep(&mut self) -> bool {
        let mut state = self.shared.lock();
        state.asleep = state.queue.is_empty();
        state.asleep
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let mail = mem::take(&mut state.queue);
        let waiting = mem::take(&mut state.waiting);
        state.bytes = 0;
        self.shared.over.store(false, Ordering::Release);
        drop(state);
        // An item's own drop may send to a mailbox, so it must not run under the lock.
        drop(mail);
        for relief in waiting {
            relief.wake();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "mailbox_tests.rs"]
mod tests;
