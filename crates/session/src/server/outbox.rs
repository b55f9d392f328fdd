//! Messages to the client: in flight in the order in which they were sent, and queued behind them.
//!
//! ```text
//!             window open                 PUBACK
//!   offer ──► Published{qos 1} ──────────────────────► gone
//!      │      Published{qos 2} ── PUBREC ──► Released ── PUBCOMP ──► gone
//!      └────► queue (window full, or offline) ── poll ──► Published
//! ```
//!
//! The queue keeps its first messages in memory. Of those behind them that are on disk too, only the place is known
//! ([`Outbox::spill`]), and pages of them are read back before they are due ([`Outbox::ask`], [`Outbox::take`]).
//!
//! A message of QoS 1 or 2 has a number from the moment that it is offered, and its packet id follows from that: a
//! session that is restored from records sends it under the same id again.
//!
//! # Invariants
//! - Numbers ascend in the deque and go on ascending in the queue, so that an acknowledgement finds its message by
//!   binary search. None is sent that is 65,535 or more above the front's: ids in flight are unique.
//! - `unsent` counts the entries at the back of the deque that this connection has not yet sent.

use super::Message;
use super::queue::{Page, Queue, Queued, Run};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use pondhawk_codec::{PacketId, Qos};
use pondhawk_plants::planted;

/// How one recipient gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// QoS: the lower of published and granted. [MQTT-3.8.4-8] [MQTT3-3.8.4-6]
    pub qos: Qos,
    /// The retain flag to send.
    pub retain: bool,
    /// The subscription identifiers to send. [MQTT-3.3.4-3]
    pub ids: SubscriptionIds,
}

/// The subscription identifiers of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionIds {
    /// None.
    #[default]
    None,
    /// One, as almost always.
    One(u32),
    /// Several, for one copy that stands for several subscriptions. [MQTT-3.3.4-4]
    Many(Box<[u32]>),
}

impl SubscriptionIds {
    /// The identifiers as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        match self {
            SubscriptionIds::None => &[],
            SubscriptionIds::One(id) => core::slice::from_ref(id),
            SubscriptionIds::Many(ids) => ids,
        }
    }
}

/// A message's number in its session, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// How many packet ids there are.
const IDS: u64 = u16::MAX as u64;

impl Seq {
    /// The packet id that the message is sent with.
    #[must_use]
    pub fn packet_id(self) -> PacketId {
        let ids = if planted!(PacketIdReused) { 16 } else { IDS };
        let id = self.0.wrapping_sub(1) % ids + 1;
        PacketId::new(id as u16).unwrap_or(PacketId::MIN)
    }

    fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

/// Limits of an outbox; 0 means none.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutboxLimits {
    /// Bytes in flight.
    pub inflight_bytes: usize,
    /// Messages in the queue.
    pub queued_messages: usize,
    /// Bytes in the queue.
    pub queued_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Published,
    Released,
}

#[derive(Debug)]
struct Inflight {
    seq: Seq,
    state: State,
    /// Sent on an earlier connection, so a resend sets DUP. [MQTT-3.3.1-1] [MQTT3-3.3.1-1]
    sent_before: bool,
    delivery: Delivery,
    /// Dropped at PUBREC: from there on only the id counts. [MQTT-4.3.3-6] [MQTT3-4.3.3-1]
    message: Option<Arc<Message>>,
}

/// The sending state of one session.
#[derive(Debug, Default)]
pub struct Outbox {
    inflight: VecDeque<Inflight>,
    queue: Queue,
    /// The last number that was given.
    last: Seq,
    /// The last number that was sent.
    sent: Seq,
    /// The last number that an earlier process may have sent at QoS 1.
    doubtful: Seq,
    /// Messages of QoS 0 in the queue.
    queued_qos0: usize,
    unsent: u16,
    inflight_bytes: usize,
}

/// What became of an offered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is in flight: send it now.
    Start(Seq),
    /// It waits; a message of QoS 0 has no number.
    Queued(Option<Seq>),
    /// The queue is full: the message is not delivered.
    Dropped,
}

/// The next thing to send, from [`Outbox::poll`].
#[derive(Debug)]
pub enum Next {
    /// A PUBLISH.
    Publish {
        /// The message.
        message: Arc<Message>,
        /// How it goes out.
        delivery: Delivery,
        /// Its number, unless it is a QoS 0 message.
        seq: Option<Seq>,
        /// Whether it was sent before.
        dup: bool,
    },
    /// A PUBREL, for the session resumed. `given_up` if it is for a message that may not go out again: the client
    /// may know its id, which must not mean another message before PUBCOMP.
    Release {
        /// The number of its message.
        seq: Seq,
        /// No PUBREC has come for it.
        given_up: bool,
    },
    /// Nothing: the message must not go out. It has a number unless it is of QoS 0.
    Dropped(Option<Seq>),
}

/// What a PUBREC asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PubrecOutcome {
    /// Answer PUBREL. [MQTT-4.3.3-4] [MQTT3-4.3.3-1]
    Release {
        /// The number of the message.
        seq: Seq,
        /// It is the first PUBREC for it.
        first: bool,
    },
    /// The client refused the message: it is done. [MQTT-4.4.0-2]
    Done(Seq),
    /// No such id in flight.
    Unknown,
}

/// The acknowledgement is not the one that the message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongAck;

impl Outbox {
    /// Takes a message for the client: to be sent at once if `online` and fewer than `window` are in flight,
    /// else to be queued within `limits`. [MQTT-4.5.0-1] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT3-4.5.0-1]
    pub fn offer(
        &mut self,
        (message, delivery): (Arc<Message>, Delivery),
        window: Option<u16>,
        limits: &OutboxLimits,
    ) -> Offered {
        if let Some(window) = window
            && delivery.qos != Qos::AtMostOnce
            && self.queue.is_empty()
            && self.has_room(window, message.size(), limits)
            && self.is_free(self.last.next())
        {
            self.last = self.last.next();
            self.start(self.last, message, delivery);
            return Offered::Start(self.last);
        }
        let over = |limit: usize, value: usize| limit != 0 && value > limit;
        if over(limits.queued_messages, self.queue.len() + 1)
            || over(limits.queued_bytes, self.queue.bytes() + message.size())
        {
            return Offered::Dropped;
        }
        let numbered = delivery.qos != Qos::AtMostOnce;
        self.queued_qos0 += usize::from(!numbered);
        if numbered {
            self.last = self.last.next();
        }
        let seq = if numbered { self.last } else { Seq(0) };
        self.queue.push(Queued { seq, message, delivery });
        if planted!(QueueOutOfOrder) {
            self.queue.swap_last();
        }
        Offered::Queued(numbered.then_some(seq))
    }

    /// The next thing to send, while fewer than `window` are in flight. [MQTT-3.3.4-9] `keep` says whether a
    /// message may still go out (its second argument: it was sent before).
    pub fn poll(
        &mut self,
        window: u16,
        limits: &OutboxLimits,
        keep: &mut dyn FnMut(&Message, bool) -> bool,
    ) -> Option<Next> {
        if self.unsent == 0 {
            return self.poll_queue(window, limits, keep);
        }
        let index = self.inflight.len() - usize::from(self.unsent);
        if index >= usize::from(window) {
            return None;
        }
        let entry = &mut self.inflight[index];
        let seq = entry.seq;
        let Some(message) = entry.message.clone() else {
            self.unsent -= 1;
            return Some(Next::Release { seq, given_up: false });
        };
        if keep(&message, entry.sent_before) {
            self.unsent -= 1;
            let dup = core::mem::replace(&mut entry.sent_before, true) && !planted!(DupNotSet);
            let delivery = entry.delivery.clone();
            return Some(Next::Publish { message, delivery, seq: Some(seq), dup });
        }
        if entry.sent_before && entry.delivery.qos == Qos::ExactlyOnce {
            self.unsent -= 1;
            self.give_up(seq);
            return Some(Next::Release { seq, given_up: true });
        }
        self.remove(index);
        Some(Next::Dropped(Some(seq)))
    }

    fn poll_queue(
        &mut self,
        window: u16,
        limits: &OutboxLimits,
        keep: &mut dyn FnMut(&Message, bool) -> bool,
    ) -> Option<Next> {
        let Queued { seq, message, delivery } = self.queue.first()?;
        let (seq, numbered) = (*seq, delivery.qos != Qos::AtMostOnce);
        let wanted = keep(message, false);
        if wanted && numbered && !(self.has_room(window, message.size(), limits) && self.is_free(seq)) {
            return None;
        }
        let Queued { message, delivery, .. } = self.queue.pop()?;
        self.queued_qos0 -= usize::from(!numbered);
        // One that was never sent may have DUP as well: it says that this might be a repetition.
        let dup = delivery.qos == Qos::AtLeastOnce && seq <= self.doubtful && !planted!(DupNotSet);
        let seq = numbered.then_some(seq);
        if !wanted {
            return Some(Next::Dropped(seq));
        }
        if let Some(seq) = seq {
            self.start(seq, message.clone(), delivery.clone());
        }
        Some(Next::Publish { message, delivery, seq, dup })
    }

    /// Takes back what records say of a session: in the order of their numbers, without a message where only PUBREL
    /// is owed. What the client may have been sent, everything up to `sent`, is in flight. Behind that, what is of QoS 1 may
    /// have been sent up to `doubtful`. [MQTT-3.3.1-1] [MQTT3-3.3.1-1] What is `on_disk` only is behind all that is in
    /// flight.
    pub fn restore(
        entries: impl IntoIterator<Item = (Seq, Option<Arc<Message>>, Delivery)>,
        mut on_disk: Option<Run>,
        (sent, doubtful): (Seq, Seq),
    ) -> Outbox {
        let mut outbox = Outbox { last: sent, sent, doubtful, ..Outbox::default() };
        for (seq, message, delivery) in entries {
            if let Some(run) = on_disk.take_if(|run| run.from < seq) {
                outbox.restore_run(run);
            }
            outbox.last = outbox.last.max(seq);
            match message {
                Some(message) if seq <= sent => outbox.start(seq, message, delivery),
                Some(message) => outbox.queue.push(Queued { seq, message, delivery }),
                None => {
                    // Numbers are sent in their order: what stands in front of it was sent too.
                    while let Some(Queued { seq, message, delivery }) = outbox.queue.pop() {
                        outbox.start(seq, message, delivery);
                    }
                    let (state, sent_before, message) = (State::Released, true, None);
                    outbox.inflight.push_back(Inflight { seq, state, sent_before, delivery, message });
                }
            }
        }
        if let Some(run) = on_disk {
            outbox.restore_run(run);
        }
        outbox.resume();
        outbox
    }

    fn restore_run(&mut self, run: Run) {
        self.last = self.last.max(run.through);
        self.queue.push_run(run);
    }

    /// A new connection resumes the session: everything in flight is to be sent again, in the same order.
    /// [MQTT-4.4.0-1] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1]
    pub fn resume(&mut self) {
        if planted!(ReleaseForgotten) {
            self.inflight.retain(|entry| entry.state == State::Published);
        }
        if planted!(QueueTailDropped) {
            self.queue.lose_last();
        }
        // There are at most 65,535 ids.
        self.unsent = self.inflight.len() as u16;
    }

    /// PUBACK: the message that it ended, or `None` if the id is unknown.
    /// [MQTT-4.3.2-3] [MQTT-4.4.0-2] [MQTT3-4.3.2-1]
    ///
    /// # Errors
    /// [`WrongAck`] if the message is of QoS 2.
    pub fn puback(&mut self, id: PacketId) -> Result<Option<Seq>, WrongAck> {
        let Some(index) = self.find(id) else {
            return Ok(None);
        };
        if self.inflight[index].delivery.qos != Qos::AtLeastOnce {
            return Err(WrongAck);
        }
        if planted!(InflightNotFreed) {
            return Ok(Some(self.inflight[index].seq));
        }
        Ok(self.remove(index))
    }

    /// PUBREC, which `refused` the message if its reason code is an error. [MQTT-4.3.3-3] [MQTT-4.3.3-4]
    ///
    /// # Errors
    /// [`WrongAck`] if the message is of QoS 1.
    pub fn pubrec(&mut self, id: PacketId, refused: bool) -> Result<PubrecOutcome, WrongAck> {
        let Some(index) = self.find(id) else {
            return Ok(PubrecOutcome::Unknown);
        };
        let entry = &mut self.inflight[index];
        if entry.delivery.qos != Qos::ExactlyOnce {
            return Err(WrongAck);
        }
        let (seq, first) = (entry.seq, entry.state == State::Published);
        if refused && first && !planted!(RefusedKeptInflight) {
            self.remove(index);
            return Ok(PubrecOutcome::Done(seq));
        }
        self.release(index);
        Ok(PubrecOutcome::Release { seq, first })
    }

    /// PUBCOMP: the message that it ended, or `None` if the id is unknown.
    /// [MQTT-4.3.3-5] [MQTT3-4.3.3-1]
    ///
    /// # Errors
    /// [`WrongAck`] if the message has not been released by PUBREL.
    pub fn pubcomp(&mut self, id: PacketId) -> Result<Option<Seq>, WrongAck> {
        let Some(index) = self.find(id) else {
            return Ok(None);
        };
        if self.inflight[index].state != State::Released {
            return Err(WrongAck);
        }
        Ok(self.remove(index))
    }

    /// Drops a message that cannot be sent, such as one too large for the client. [MQTT-3.1.2-25]
    pub fn discard(&mut self, seq: Seq) {
        if let Some(index) = self.find(seq.packet_id()) {
            self.remove(index);
        }
    }

    /// Forgets a QoS 2 message that was sent before but cannot be sent again: PUBREL is owed instead.
    pub fn give_up(&mut self, seq: Seq) {
        if let Some(index) = self.find(seq.packet_id()) {
            self.release(index);
        }
    }

    /// Forgets messages behind the first `window` bytes of the queue: those up to the number `durable`, which are on
    /// disk too.
    pub fn spill(&mut self, durable: Seq, window: usize) {
        self.queue.spill(durable, window);
    }

    /// The numbers of messages on disk that are to be read now, from the first on, a page of so many bytes: fewer are
    /// in front of them, and none are being read.
    pub fn ask(&mut self, page: usize) -> Option<(Seq, Seq)> {
        self.queue.ask(page)
    }

    /// What was asked for could not be read: it may be asked for again.
    pub fn ask_again(&mut self) {
        self.queue.ask_again();
    }

    /// What was asked for has been read. How many messages are missing beside those that the page says are lost.
    pub fn take(&mut self, page: Page) -> usize {
        self.queue.take(page)
    }

    /// The last number that was given, 0 if none was.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.last
    }

    /// The last number that was sent, 0 if none was.
    #[must_use]
    pub fn sent(&self) -> Seq {
        self.sent
    }

    /// The last number that an earlier process may have sent at QoS 1.
    #[must_use]
    pub fn doubtful(&self) -> Seq {
        self.doubtful
    }

    /// Messages in flight.
    #[must_use]
    pub fn inflight_len(&self) -> usize {
        self.inflight.len()
    }

    /// True if a message of QoS 0 is queued, which the next one must not overtake. [MQTT-4.6.0-5] [MQTT3-4.6.0-6]
    #[must_use]
    pub fn has_queued_qos0(&self) -> bool {
        self.queued_qos0 > 0
    }

    /// Messages queued.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of the messages in flight and queued, also of those on disk.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.inflight_bytes + self.queue.bytes()
    }

    /// Bytes of queued messages that are in memory.
    #[must_use]
    pub fn queue_memory_bytes(&self) -> usize {
        self.queue.memory_bytes()
    }

    /// Bytes of queued messages that are on disk only.
    #[must_use]
    pub fn disk_bytes(&self) -> usize {
        self.queue.disk_bytes()
    }

    /// True if nothing is in flight or queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inflight.is_empty() && self.queue.is_empty()
    }

    fn has_room(&self, window: u16, size: usize, limits: &OutboxLimits) -> bool {
        let bytes_ok = limits.inflight_bytes == 0
            || self.inflight.is_empty()
            || self.inflight_bytes + size <= limits.inflight_bytes;
        let window = usize::from(window) + usize::from(planted!(WindowOffByOne));
        self.unsent == 0 && self.inflight.len() < window && bytes_ok
    }

    fn start(&mut self, seq: Seq, message: Arc<Message>, delivery: Delivery) {
        self.sent = self.sent.max(seq);
        self.inflight_bytes += message.size();
        self.inflight.push_back(Inflight {
            seq,
            state: State::Published,
            sent_before: true,
            delivery,
            message: Some(message),
        });
    }

    /// True unless the number's id may still mean an older message: then that must be acknowledged first.
    /// [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT3-2.3.1-4]
    fn is_free(&self, seq: Seq) -> bool {
        self.inflight.front().is_none_or(|front| seq.0 - front.seq.0 < IDS)
    }

    fn find(&self, id: PacketId) -> Option<usize> {
        let front = self.inflight.front()?.seq;
        let (from, to) = (u64::from(front.packet_id().get()), u64::from(id.get()));
        // Ids go round: from the front's up to 65,535, then from 1.
        let distance = if to >= from { to - from } else { to + IDS - from };
        if distance == 0 {
            return Some(0);
        }
        let seq = Seq(front.0 + distance);
        self.inflight.binary_search_by_key(&seq, |entry| entry.seq).ok()
    }

    fn release(&mut self, index: usize) {
        let entry = &mut self.inflight[index];
        entry.state = State::Released;
        if let Some(message) = entry.message.take() {
            self.inflight_bytes -= message.size();
        }
    }

    fn remove(&mut self, index: usize) -> Option<Seq> {
        let unsent_from = self.inflight.len() - usize::from(self.unsent);
        let entry = self.inflight.remove(index)?;
        if let Some(message) = entry.message {
            self.inflight_bytes -= message.size();
        }
        if index >= unsent_from {
            self.unsent -= 1;
        }
        if self.inflight.is_empty() && self.inflight.capacity() > 64 {
            self.inflight = VecDeque::new();
        }
        Some(entry.seq)
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
