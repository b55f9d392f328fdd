//! A few threads that check credentials, so that a slow hash never stalls a data-plane thread.
//!
//! Before: `server` makes a [`Job`] from a CONNECT. After: the job's answer closure posts the result to the shard's
//! mailbox. The queue is bounded: when logins arrive faster than they can be checked, [`Full`] says so at once and
//! the client can be told that the server is busy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::password_file::PasswordFile;

type Check = Box<dyn FnOnce() -> bool + Send>;
type Answer = Box<dyn FnOnce(bool) + Send>;

/// One question and where its answer goes.
///
/// The answer closure is called exactly once, on a pool thread or, at shutdown, on the thread that drops the pool.
/// It should only post a message. Only when [`AuthPool::submit`] returns [`Full`] it is not called.
pub struct Job {
    check: Option<Check>,
    answer: Option<Answer>,
}

impl Job {
    /// A job with any check; a panic in it counts as "no".
    pub fn new(
        check: impl FnOnce() -> bool + Send + 'static,
        answer: impl FnOnce(bool) + Send + 'static,
    ) -> Job {
        Job { check: Some(Box::new(check)), answer: Some(Box::new(answer)) }
    }

    /// A job that asks a password file.
    pub fn password(
        file: Arc<PasswordFile>,
        user: String,
        password: Vec<u8>,
        answer: impl FnOnce(bool) + Send + 'static,
    ) -> Job {
        Job::new(move || file.verify(&user, &password), answer)
    }

    fn run(mut self) {
        let granted = self.check.take().is_some_and(|check| contained(check).unwrap_or(false));
        self.reply(granted);
    }

    fn reply(&mut self, granted: bool) {
        if let Some(answer) = self.answer.take() {
            // A panicking answer may lose its own message, but not the thread that others wait for.
            let _ = contained(|| answer(granted));
        }
    }
}

impl Drop for Job {
    /// A job that is dropped unanswered is answered "no".
    fn drop(&mut self) {
        self.reply(false);
    }
}

fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Nothing is shared with the closure that is looked at after a panic: what it owns is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// The queue is full (or the pool is shutting down); the job was dropped and its answer will not be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many logins are waiting to be checked")]
pub struct Full;

/// A bounded pool of threads that run [`Job`]s in the order of their arrival.
///
/// Dropping it finishes the jobs that are running, answers the waiting ones "no" and joins the threads.
pub struct AuthPool {
    /// `None` only while dropping.
    queue: Option<SyncSender<Job>>,
    closing: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl AuthPool {
    /// Starts `threads` threads (at least one) before a queue of `queue_bound` waiting jobs (at least one).
    ///
    /// # Errors
    /// The operating system's error when no thread can be started; with fewer than asked for the pool runs.
    pub fn new(threads: usize, queue_bound: usize) -> std::io::Result<AuthPool> {
        let (sender, receiver) = sync_channel(queue_bound.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        let mut pool = AuthPool { queue: Some(sender), closing: Arc::default(), threads: Vec::new() };
        for index in 0..threads.max(1) {
            let (receiver, closing) = (Arc::clone(&receiver), Arc::clone(&pool.closing));
            let builder = thread::Builder::new().name(format!("auth-{index}"));
            match builder.spawn(move || work(&receiver, &closing)) {
                Ok(thread) => pool.threads.push(thread),
                Err(error) if pool.threads.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(pool)
    }

    /// Queues a job; never blocks.
    ///
    /// # Errors
    /// [`Full`] when the queue is full. The job's answer is then not called: the caller knows already.
    pub fn submit(&self, job: Job) -> Result<(), Full> {
        let Some(queue) = &self.queue else {
            return refuse(job);
        };
        match queue.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => refuse(job),
        }
    }
}

fn refuse(mut job: Job) -> Result<(), Full> {
    job.answer = None;
    Err(Full)
}

fn work(queue: &Mutex<Receiver<Job>>, closing: &AtomicBool) {
    loop {
        // The guard lives for this statement only: one thread waits in `recv`, the others for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if closing.load(Ordering::Acquire) {
            drop(job);
        } else {
            job.run();
        }
    }
}

impl Drop for AuthPool {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        self.queue = None;
        let here = thread::current().id();
        for thread in self.threads.drain(..) {
            // An answer that owned the pool drops it on a pool thread, which cannot wait for itself.
            if thread.thread().id() != here {
                // Jobs' panics are contained, so a thread ends only by returning.
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use super::*;
    use crate::hash::{PasswordHash, Scheme};

    const PATIENCE: Duration = Duration::from_secs(30);

    fn telling(to: &Sender<bool>) -> impl FnOnce(bool) + Send + 'static {
        let to = to.clone();
        move |granted| to.send(granted).unwrap()
    }

    #[test]
    fn passwords_are_checked_on_the_pool() {
        let hash = PasswordHash::create(b"p", Scheme::Sha512).unwrap();
        let file = PasswordFile::parse(format!("ann:{hash}").as_bytes(), Path::new("pw")).unwrap();
        let (file, pool) = (Arc::new(file), AuthPool::new(2, 8).unwrap());
        for (user, password, expected) in [("ann", "p", true), ("ann", "q", false), ("bob", "p", false)] {
            let (sender, receiver) = channel();
            let job = Job::password(Arc::clone(&file), user.into(), password.into(), telling(&sender));
            pool.submit(job).unwrap();
            assert_eq!(receiver.recv_timeout(PATIENCE), Ok(expected), "{user}:{password}");
        }
    }

    #[test]
    fn a_full_queue_is_said_at_once_and_answers_come_once() {
        let pool = AuthPool::new(1, 2).unwrap();
        let (release, gate) = channel::<()>();
        let (started, running) = channel();
        let (sender, receiver) = channel();
        let blocking = move || {
            started.send(()).unwrap();
            gate.recv().is_ok()
        };
        pool.submit(Job::new(blocking, telling(&sender))).unwrap();
        running.recv_timeout(PATIENCE).unwrap();
        pool.submit(Job::new(|| true, telling(&sender))).unwrap();
        pool.submit(Job::new(|| true, telling(&sender))).unwrap();
        assert_eq!(pool.submit(Job::new(|| true, telling(&sender))), Err(Full));
        release.send(()).unwrap();
        drop(pool);
        drop(sender);
        // Three answers for the three that were taken; which of the last two ran before the drop is timing.
        assert_eq!(receiver.iter().count(), 3);
    }

    #[test]
    fn panics_are_answered_no_and_the_thread_lives() {
        let pool = AuthPool::new(1, 8).unwrap();
        let (sender, receiver) = channel();
        pool.submit(Job::new(|| panic!("a check that panics"), telling(&sender))).unwrap();
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(false));
        pool.submit(Job::new(|| true, |_| panic!("an answer that panics"))).unwrap();
        pool.submit(Job::new(|| true, telling(&sender))).unwrap();
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(true));
    }

    #[test]
    fn dropping_answers_the_waiting_with_no() {
        let pool = AuthPool::new(1, 8).unwrap();
        let (started, running) = channel();
        let (release, gate) = channel::<()>();
        let (first, first_answer) = channel();
        let (second, second_answer) = channel();
        let closing = Arc::clone(&pool.closing);
        let blocking = move || {
            started.send(()).unwrap();
            gate.recv().unwrap();
            // The drop below has begun: what waits behind this job must not run any more.
            while !closing.load(Ordering::Acquire) {
                thread::yield_now();
            }
            true
        };
        pool.submit(Job::new(blocking, telling(&first))).unwrap();
        pool.submit(Job::new(|| true, telling(&second))).unwrap();
        running.recv_timeout(PATIENCE).unwrap();
        release.send(()).unwrap();
        drop(pool);
        assert_eq!((first_answer.try_recv(), second_answer.try_recv()), (Ok(true), Ok(false)));
    }

    #[test]
    fn an_answer_may_own_the_pool() {
        let pool = Arc::new(AuthPool::new(1, 1).unwrap());
        let (sender, receiver) = channel();
        let (go, gate) = channel::<()>();
        let own = Arc::clone(&pool);
        let answer = move |granted| {
            drop(own);
            sender.send(granted).unwrap();
        };
        pool.submit(Job::new(move || gate.recv().is_ok(), answer)).unwrap();
        drop(pool);
        go.send(()).unwrap();
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(true));
    }
}
