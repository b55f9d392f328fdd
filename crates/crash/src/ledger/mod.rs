//! The ledger: what was sent and what the broker has acknowledged, kept where a crash of the broker cannot reach it.
//!
//! Messages come in *streams*: one publisher, one QoS, a few topics, numbered from 0. [`receipts`] has what each subscriber
//! got, and judges it against this.

pub(crate) mod fault;
pub(crate) mod payload;
pub(crate) mod receipts;

use fault::{Fault, Faults, Kind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a stream is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// Message `n` goes to topic `n % topics`.
    pub(crate) topics: u64,
}

/// What became of a message on its publisher's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Sent, and not acknowledged yet.
    Open,
    /// Promised: PUBACK, or PUBCOMP.
    Acked,
    /// Turned down with a reason code: nothing is promised.
    Refused,
}

#[derive(Debug, Default)]
struct Book {
    fates: Vec<Fate>,
    /// Everything before it has come to an end.
    first_open: usize,
    acked: u64,
}

/// What must become of the will of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Whether it was taken, or called off in time, is not known from outside.
    May,
    /// It was taken, and its client has died.
    Must,
    /// It was called off, and the broker has confirmed something later.
    Never,
}

/// The ledger.
#[derive(Debug)]
pub(crate) struct Ledger {
    plans: Vec<Plan>,
    books: Vec<Mutex<Book>>,
    wills: Vec<Mutex<Vec<Due>>>,
    faults: Mutex<Faults>,
}

impl Ledger {
    pub(crate) fn new(plans: Vec<Plan>, testators: usize) -> Self {
        Ledger {
            books: plans.iter().map(|_| Mutex::default()).collect(),
            plans,
            wills: (0..testators).map(|_| Mutex::default()).collect(),
            faults: Mutex::default(),
        }
    }

    pub(crate) fn plans(&self) -> &[Plan] {
        &self.plans
    }

    pub(crate) fn topic(&self, stream: usize, number: u64) -> String {
        format!("crash/s{stream}/{}", number % self.plans[stream].topics)
    }

    /// The number of the next message of a stream, which is about to be sent.
    pub(crate) fn send(&self, stream: usize) -> u64 {
        let mut book = lock(&self.books[stream]);
        book.fates.push(Fate::Open);
        book.fates.len() as u64 - 1
    }

    /// The broker promises a message.
    pub(crate) fn acked(&self, stream: usize, number: u64) {
        lock(&self.books[stream]).end(number, Fate::Acked);
    }

    /// The broker turns a message down.
    pub(crate) fn refused(&self, stream: usize, number: u64) {
        lock(&self.books[stream]).end(number, Fate::Refused);
    }

    /// True if the broker has promised the message.
    pub(crate) fn is_acked(&self, stream: usize, number: u64) -> bool {
        let fates = self.books.get(stream).map(lock);
        fates.is_some_and(|book| book.fates.get(number as usize) == Some(&Fate::Acked))
    }

    /// How many messages of a stream were sent.
    pub(crate) fn sent(&self, stream: usize) -> u64 {
        lock(&self.books[stream]).fates.len() as u64
    }

    /// How many messages of QoS `qos` were sent, and acknowledged.
    pub(crate) fn totals(&self, qos: u8) -> (u64, u64) {
        let streams = self.plans.iter().zip(&self.books).filter(|(plan, _)| plan.qos == qos);
        streams.fold((0, 0), |(sent, acked), (_, book)| {
            let book = lock(book);
            (sent + book.fates.len() as u64, acked + book.acked)
        })
    }

    /// How many messages are acknowledged.
    pub(crate) fn acked_total(&self) -> u64 {
        self.books.iter().map(|book| lock(book).acked).sum()
    }

    /// Calls `judge` with each message from `from` on that is promised.
    fn promised(&self, stream: usize, from: u64, mut judge: impl FnMut(u64)) {
        let book = lock(&self.books[stream]);
        for (number, fate) in book.fates.iter().enumerate().skip(from as usize) {
            if *fate == Fate::Acked {
                judge(number as u64);
            }
        }
    }

    /// The oldest message that topic `topic` of a retaining stream may have: the last promised one before any that is
    /// under way, because a publisher that sends what is under way again sets the topic back to it. `None` if it may
    /// have none.
    pub(crate) fn retained_floor(&self, stream: usize, topic: u64) -> Option<u64> {
        let book = lock(&self.books[stream]);
        let is_it = |number: &usize| {
            *number as u64 % self.plans[stream].topics == topic && book.fates[*number] == Fate::Acked
        };
        (0..book.first_open).rev().find(is_it).map(|number| number as u64)
    }

    /// A connection with a will begins; its number.
    pub(crate) fn will(&self, testator: usize) -> u64 {
        let mut wills = lock(&self.wills[testator]);
        wills.push(Due::May);
        wills.len() as u64 - 1
    }

    /// What must become of that will is known.
    pub(crate) fn decide(&self, testator: usize, number: u64, due: Due) {
        lock(&self.wills[testator])[number as usize] = due;
    }

    pub(crate) fn wills(&self, testator: usize) -> Vec<Due> {
        lock(&self.wills[testator]).clone()
    }

    pub(crate) fn testators(&self) -> usize {
        self.wills.len()
    }

    pub(crate) fn fault(&self, kind: Kind, text: String) {
        lock(&self.faults).add(Fault { kind, text });
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }
}

impl Book {
    fn end(&mut self, number: u64, fate: Fate) {
        let known = &mut self.fates[number as usize];
        if *known == Fate::Open {
            *known = fate;
            self.acked += u64::from(fate == Fate::Acked);
        }
        while self.fates.get(self.first_open).is_some_and(|fate| *fate != Fate::Open) {
            self.first_open += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
