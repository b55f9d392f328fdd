//! The pump: one thread that moves bytes between its sockets and its shard.
//!
//! A turn: take the mail, wait for readiness if there is nothing else to do, read each ready socket once and
//! let the shard handle what came, then carry out the effects: first letters to other shards, then one write
//! a connection, then closes. What a turn produced is on its way before the next begins.
//!
//! # Invariants
//! - Letters leave before output does, so that what an acknowledgement promises has been handed on first.
//! - A connection that is not reading or writing owns no buffer here.
//! - While any mailbox that this pump sends to is over its bound, no socket is read.

mod accept;
mod greeting;
mod input;
mod letter;
mod output;
mod peer;
mod store;

pub use accept::{Door, Transport};
pub use letter::{Adopted, Control, Letter, Report};
pub use store::{NullStore, Store};

use mio::{Events, Poll, Token, Waker};
use peer::Peer;
use pondhawk_broker::{
    Effects, Homes, Host, Mail, Millis, Question, Restored, Settings, Shard, ShardId, Ticket,
};
use pondhawk_net::{Pressure, Receiver, Sender};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Bytes that one read takes at the most.
const SCRATCH: usize = 256 << 10;
const WAKER: Token = Token(usize::MAX);
/// Listeners count down from here.
const DOORS: usize = usize::MAX - 1;
/// How long to stop accepting when no file descriptor is left.
const ACCEPT_PAUSE_MS: Millis = 100;

/// A host whose access rules can be replaced.
pub trait Ruled: Host {
    /// The rules.
    type Rules: Send + 'static;

    /// From now on these hold.
    fn set_rules(&mut self, rules: Self::Rules);
}

/// Takes questions; answers come back as [`Letter::Answer`].
pub type Ask = Arc<dyn Fn(ShardId, Question) + Send + Sync>;

/// What a pump is made of.
pub struct Parts<H: Ruled> {
    /// Which shard it is.
    pub id: ShardId,
    /// Where everything lives.
    pub homes: Homes,
    /// The settings to begin with.
    pub settings: Arc<Settings>,
    /// The shard's surroundings.
    pub host: H,
    /// The poll that `inbox` wakes.
    pub poll: Poll,
    /// Its waker.
    pub waker: Arc<Waker>,
    /// Letters to this shard.
    pub inbox: Receiver<Letter<H::Rules>>,
    /// Letters to each shard, this one's place unused.
    pub outboxes: Vec<Sender<Letter<H::Rules>>>,
    /// Where clients come in.
    pub doors: Vec<Door>,
    /// Who answers questions.
    pub ask: Ask,
    /// Where records go.
    pub store: Box<dyn Store>,
    /// What it takes over from the last process. Then no client is let in before [`Control::Open`].
    pub legacy: Option<Legacy>,
    /// The moment that all pumps count time from.
    pub epoch: Instant,
}

/// What a shard takes over before its first client.
pub struct Legacy {
    /// Its part.
    pub part: Restored,
    /// Hears when the other shards know of it.
    pub done: mpsc::Sender<()>,
}

impl Legacy {
    /// What it rests on: the records of the start are durable with this ticket of each shard.
    pub const TICKET: Ticket = Ticket(1);
}

/// One shard's thread.
pub struct Pump<H: Ruled> {
    id: ShardId,
    homes: Homes,
    settings: Arc<Settings>,
    shard: Shard<H>,
    fx: Effects,
    poll: Poll,
    // Kept so that the poll outlives whoever wakes it.
    _waker: Arc<Waker>,
    inbox: Receiver<Letter<H::Rules>>,
    letters: Vec<Letter<H::Rules>>,
    outboxes: Vec<Sender<Letter<H::Rules>>>,
    outgoing: Vec<Vec<Letter<H::Rules>>>,
    over: Vec<bool>,
    doors: Vec<Door>,
    doors_ready: Vec<bool>,
    accept_again: Option<Millis>,
    peers: slab::Slab<Peer>,
    /// The peer of each of the shard's connections.
    by_conn: Vec<usize>,
    ready: VecDeque<usize>,
    /// Greetings by age: when they must be over.
    greetings: VecDeque<(Millis, usize, u64)>,
    /// Closing peers that have not taken their last bytes, by age.
    lingering: VecDeque<(Millis, usize)>,
    opened: u64,
    scratch: Box<[u8]>,
    ask: Ask,
    store: Box<dyn Store>,
    legacy: Option<Restored>,
    /// Hears when that has been taken over.
    taken_over: Option<mpsc::Sender<()>>,
    /// Clients are let in.
    is_open: bool,
    epoch: Instant,
    report: Report,
    stopping: bool,
}

impl<H: Ruled> Pump<H> {
    /// Puts a pump together and registers its listeners.
    ///
    /// # Errors
    /// If a listener cannot be registered with the poll.
    pub fn new(parts: Parts<H>) -> io::Result<Self> {
        let mut doors = parts.doors;
        for (index, door) in doors.iter_mut().enumerate() {
            door.register(parts.poll.registry(), Token(DOORS - index))?;
        }
        let shards = parts.outboxes.len();
        let (legacy, taken_over) = parts.legacy.map(|legacy| (legacy.part, legacy.done)).unzip();
        Ok(Pump {
            id: parts.id,
            homes: parts.homes,
            shard: Shard::new(parts.id, parts.homes, parts.settings.clone(), parts.host),
            settings: parts.settings,
            fx: Effects::new(),
            poll: parts.poll,
            _waker: parts.waker,
            inbox: parts.inbox,
            letters: Vec::new(),
            outboxes: parts.outboxes,
            outgoing: (0..shards).map(|_| Vec::new()).collect(),
            over: vec![false; shards],
            doors_ready: vec![true; doors.len()],
            doors,
            accept_again: None,
            peers: slab::Slab::new(),
            by_conn: Vec::new(),
            ready: VecDeque::new(),
            greetings: VecDeque::new(),
            lingering: VecDeque::new(),
            opened: 0,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            ask: parts.ask,
            store: parts.store,
            is_open: legacy.is_none(),
            legacy,
            taken_over,
            epoch: parts.epoch,
            report: Report::default(),
            stopping: false,
        })
    }

    /// Runs until [`Control::Shutdown`].
    ///
    /// # Errors
    /// If waiting for readiness fails, which no program recovers from.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        self.take_over();
        loop {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            let begun = Instant::now();
            self.take_events(&events);
            self.take_mail();
            let now = self.now();
            self.accept_ready(now);
            self.read_ready(now);
            self.pass_time(now);
            self.carry_out();
            self.tell_taken_over();
            if self.stopping {
                return Ok(());
            }
            self.report.turn_max_us = self.report.turn_max_us.max(begun.elapsed().as_micros() as u64);
        }
    }

    /// Takes over what the last process has left.
    fn take_over(&mut self) {
        if let Some(part) = self.legacy.take() {
            let now = self.now();
            self.fx.ticket = Legacy::TICKET;
            self.shard.restore(now, part, &mut self.fx);
            self.carry_out();
            self.tell_taken_over();
        }
    }

    fn tell_taken_over(&mut self) {
        if self.taken_over.is_some()
            && self.shard.is_restored()
            && let Some(done) = self.taken_over.take()
        {
            // Whoever started the shards may have given up.
            let _unheard = done.send(());
        }
    }

    /// Milliseconds since the epoch that all shards share.
    fn now(&self) -> Millis {
        self.epoch.elapsed().as_millis() as Millis
    }

    fn timeout(&mut self) -> Option<Duration> {
        let pressed = self.is_pressed();
        let busy = !pressed && (!self.ready.is_empty() || self.is_open && self.doors_ready.contains(&true));
        if busy || self.shard.has_work() || !self.inbox.may_sleep() {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.shard.deadline().filter(|_| self.is_open),
            self.greetings.front().map(|greeting| greeting.0),
            self.lingering.front().map(|peer| peer.0),
            self.accept_again,
        ];
        let next = deadlines.into_iter().flatten().min()?;
        Some(Duration::from_millis(next.saturating_sub(self.now())))
    }

    /// True while a mailbox that this pump sends to is over its bound. Asking makes sure of being woken when
    /// it no longer is.
    fn is_pressed(&mut self) -> bool {
        for (over, outbox) in self.over.iter_mut().zip(&self.outboxes) {
            *over = *over && outbox.is_over();
        }
        self.over.contains(&true)
    }

    fn take_events(&mut self, events: &Events) {
        for event in events {
            let token = event.token();
            if token == WAKER {
                continue;
            }
            if let Some(door) = DOORS.checked_sub(token.0).filter(|door| *door < self.doors.len()) {
                self.doors_ready[door] = true;
                continue;
            }
            let Some(peer) = self.peers.get_mut(token.0) else {
                continue;
            };
            peer.closed |= event.is_read_closed() || event.is_error();
            if event.is_readable() || peer.closed {
                peer.readable = true;
                if !peer.queued {
                    peer.queued = true;
                    self.ready.push_back(token.0);
                }
            }
            if event.is_writable() && peer.stream.backlog() > 0 {
                self.write_more(token.0);
            }
        }
    }

    fn take_mail(&mut self) {
        let mut letters = std::mem::take(&mut self.letters);
        self.inbox.drain(&mut letters);
        let now = self.now();
        for letter in letters.drain(..) {
            match letter {
                Letter::Mail(mail) => self.shard.mail(now, mail, &mut self.fx),
                Letter::Adopt(adopted) => self.adopt(now, *adopted),
                Letter::Answer(conn, answer) => {
                    self.shard.answer(now, conn, &answer, &mut self.fx);
                    self.resume_input(conn);
                }
                Letter::Control(control) => self.control(now, control),
            }
        }
        self.letters = letters;
    }

    fn control(&mut self, now: Millis, control: Control<H::Rules>) {
        match control {
            Control::Reload(settings, rules) => {
                self.settings = settings.clone();
                self.shard.host().set_rules(rules);
                self.shard.reload(now, settings);
            }
            Control::Report(to) => {
                let mut report = self.report.clone();
                self.report.turn_max_us = 0;
                report.counters = self.shard.counters();
                let backlogs = self.peers.iter().map(|(_, peer)| peer.stream.backlog() as u64);
                for backlog in backlogs.filter(|backlog| *backlog > 0) {
                    report.blocked += 1;
                    report.blocked_bytes += backlog;
                }
                // Whoever asked may have stopped waiting.
                let _unheard = to.send(report);
            }
            Control::Publish(messages) => {
                for (topic, payload, retain) in messages {
                    self.shard.publish_system(now, &topic, &payload, retain, &mut self.fx);
                }
            }
            Control::Describe(to) => {
                let mut text = String::new();
                self.shard.describe(&mut |line| {
                    text.push_str(line);
                    text.push('\n');
                });
                let _unheard = to.send(text);
            }
            Control::Sweep => self.shard.sweep_retained(),
            Control::Open => self.is_open = true,
            Control::Shutdown => {
                self.doors.clear();
                self.doors_ready.clear();
                self.shard.shutdown(now, &mut self.fx);
                self.stopping = true;
            }
        }
    }

    fn pass_time(&mut self, now: Millis) {
        // Before all shards have their sessions, a will would miss some.
        if self.is_open && self.shard.deadline().is_some_and(|deadline| deadline <= now) {
            self.shard.tick(now, &mut self.fx);
        }
        if self.shard.has_work() {
            self.shard.work(now, &mut self.fx);
        }
        self.end_old_greetings(now);
        self.end_lingering(now);
    }

    /// Sends what the shards are owed; a mailbox that is over its bound stops the reading.
    fn send_letters(&mut self) {
        let mut stores = 0u64;
        for (shard, mail) in self.fx.mail.drain(..) {
            if matches!(mail, Mail::Publish { retain: true, .. }) {
                stores |= 1 << shard.0;
            }
            self.outgoing[usize::from(shard.0)].push(Letter::Mail(mail));
        }
        // A retained message is stored before its live copies can lead anybody to ask for it.
        self.send_batches(|index| stores & 1 << index != 0);
        self.send_batches(|_| true);
    }

    fn send_batches(&mut self, which: impl Fn(usize) -> bool) {
        for (index, batch) in self.outgoing.iter_mut().enumerate() {
            if which(index) && !batch.is_empty() && self.outboxes[index].send_batch(batch) == Pressure::Over {
                self.over[index] = true;
            }
        }
    }
}
