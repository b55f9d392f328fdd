//! Messages to the client: in flight in the order in which they were sent, and queued behind them.
//!
//! ```text
//!             window open                 PUBACK
//!   offer ──► Published{qos 1} ──────────────────────► gone
//!      │      Published{qos 2} ── PUBREC ──► Released ── PUBCOMP ──► gone
//!      └────► queue (window full, or offline) ── poll ──► Published
//! ```
//!
//! # Invariants
//! - Packet ids in flight are unique, and in the deque they ascend cyclically from the front, so that an
//!   acknowledgement finds its message by binary search. The id before the front's is never passed.
//! - `unsent` counts the entries at the back of the deque that this connection has not yet sent.

use super::Message;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use pondhawk_codec::{PacketId, Qos};

/// How one recipient gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// QoS: the lower of published and granted. [MQTT-3.8.4-8]
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
    id: PacketId,
    state: State,
    /// Sent on an earlier connection, so a resend sets DUP. [MQTT-3.3.1-1]
    sent_before: bool,
    delivery: Delivery,
    /// Dropped at PUBREC: from there on only the id counts.
    message: Option<Arc<Message>>,
}

/// The sending state of one session.
#[derive(Debug, Default)]
pub struct Outbox {
    inflight: VecDeque<Inflight>,
    queue: VecDeque<(Arc<Message>, Delivery)>,
    last_id: u16,
    unsent: u16,
    inflight_bytes: usize,
    queue_bytes: usize,
}

/// What became of an offered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is in flight: send it now with this id.
    Start(PacketId),
    /// It waits.
    Queued,
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
        /// Its id, unless it is a QoS 0 message.
        id: Option<PacketId>,
        /// Whether it was sent before.
        dup: bool,
    },
    /// A PUBREL again, for the session resumed.
    Release(PacketId),
}

/// What a PUBREC asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PubrecOutcome {
    /// Answer PUBREL. [MQTT-4.3.3-4]
    Release,
    /// The client refused the message: it is done. [MQTT-4.4.0-2]
    Done,
    /// No such id in flight.
    Unknown,
}

/// The acknowledgement is not the one that the message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongAck;

impl Outbox {
    /// Takes a message for the client: to be sent at once if `online` and fewer than `window` are in flight,
    /// else to be queued within `limits`.
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
            && let Some(id) = self.next_id()
        {
            self.start(id, message, delivery);
            return Offered::Start(id);
        }
        let over = |limit: usize, value: usize| limit != 0 && value > limit;
        if over(limits.queued_messages, self.queue.len() + 1)
            || over(limits.queued_bytes, self.queue_bytes + message.size())
        {
            return Offered::Dropped;
        }
        self.queue_bytes += message.size();
        self.queue.push_back((message, delivery));
        Offered::Queued
    }

    /// The next thing to send, while fewer than `window` are in flight. `keep` says whether a message may
    /// still go out (its second argument: it was sent before); those that may not are dropped.
    pub fn poll(
        &mut self,
        window: u16,
        limits: &OutboxLimits,
        keep: &mut dyn FnMut(&Message, bool) -> bool,
    ) -> Option<Next> {
        while self.unsent > 0 {
            let index = self.inflight.len() - usize::from(self.unsent);
            if index >= usize::from(window) {
                return None;
            }
            self.unsent -= 1;
            let entry = &mut self.inflight[index];
            let Some(message) = entry.message.clone() else {
                return Some(Next::Release(entry.id));
            };
            if keep(&message, entry.sent_before) {
                let dup = core::mem::replace(&mut entry.sent_before, true);
                let delivery = entry.delivery.clone();
                return Some(Next::Publish { message, delivery, id: Some(entry.id), dup });
            }
            self.remove(index);
        }
        self.poll_queue(window, limits, keep)
    }

    fn poll_queue(
        &mut self,
        window: u16,
        limits: &OutboxLimits,
        keep: &mut dyn FnMut(&Message, bool) -> bool,
    ) -> Option<Next> {
        loop {
            let (message, delivery) = self.queue.front()?;
            let wanted = keep(message, false);
            let mut id = None;
            if wanted && delivery.qos != Qos::AtMostOnce {
                if !self.has_room(window, message.size(), limits) {
                    return None;
                }
                id = Some(self.next_id()?);
            }
            let (message, delivery) = self.queue.pop_front()?;
            self.queue_bytes -= message.size();
            if !wanted {
                continue;
            }
            if let Some(id) = id {
                self.start(id, message.clone(), delivery.clone());
            }
            return Some(Next::Publish { message, delivery, id, dup: false });
        }
    }

    /// A new connection resumes the session: everything in flight is to be sent again, in the same order.
    /// [MQTT-4.4.0-1] [MQTT-4.6.0-1]
    pub fn resume(&mut self) {
        // There are at most 65,535 ids.
        self.unsent = self.inflight.len() as u16;
    }

    /// PUBACK: true if it ended a message, false if the id is unknown.
    ///
    /// # Errors
    /// [`WrongAck`] if the message is of QoS 2.
    pub fn puback(&mut self, id: PacketId) -> Result<bool, WrongAck> {
        let Some(index) = self.find(id) else {
            return Ok(false);
        };
        if self.inflight[index].delivery.qos != Qos::AtLeastOnce {
            return Err(WrongAck);
        }
        self.remove(index);
        Ok(true)
    }

    /// PUBREC, which `refused` the message if its reason code is an error.
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
        if refused && entry.state == State::Published {
            self.remove(index);
            return Ok(PubrecOutcome::Done);
        }
        entry.state = State::Released;
        if let Some(message) = entry.message.take() {
            self.inflight_bytes -= message.size();
        }
        Ok(PubrecOutcome::Release)
    }

    /// PUBCOMP: true if it ended a message, false if the id is unknown.
    ///
    /// # Errors
    /// [`WrongAck`] if the message has not been released by PUBREL.
    pub fn pubcomp(&mut self, id: PacketId) -> Result<bool, WrongAck> {
        let Some(index) = self.find(id) else {
            return Ok(false);
        };
        if self.inflight[index].state != State::Released {
            return Err(WrongAck);
        }
        self.remove(index);
        Ok(true)
    }

    /// Drops a message that cannot be sent, such as one too large for the client. [MQTT-3.1.2-25]
    pub fn discard(&mut self, id: PacketId) {
        if let Some(index) = self.find(id) {
            self.remove(index);
        }
    }

    /// Messages in flight.
    #[must_use]
    pub fn inflight_len(&self) -> usize {
        self.inflight.len()
    }

    /// Messages queued.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of the messages in flight and queued.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.inflight_bytes + self.queue_bytes
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
        self.unsent == 0 && self.inflight.len() < usize::from(window) && bytes_ok
    }

    fn start(&mut self, id: PacketId, message: Arc<Message>, delivery: Delivery) {
        self.last_id = id.get();
        self.inflight_bytes += message.size();
        self.inflight.push_back(Inflight {
            id,
            state: State::Published,
            sent_before: true,
            delivery,
            message: Some(message),
        });
    }

    /// The next free id, unless it is the front's: then the oldest message must be acknowledged first.
    /// [MQTT-2.2.1-4]
    fn next_id(&self) -> Option<PacketId> {
        let next = PacketId::new(self.last_id.wrapping_add(1)).unwrap_or(PacketId::MIN);
        let blocked = self.inflight.front().is_some_and(|front| front.id == next);
        (!blocked).then_some(next)
    }

    fn find(&self, id: PacketId) -> Option<usize> {
        let front = self.inflight.front()?.id;
        if front == id {
            return Some(0);
        }
        let key = |id: PacketId| distance(front, id);
        self.inflight.binary_search_by_key(&key(id), |entry| key(entry.id)).ok()
    }

    fn remove(&mut self, index: usize) {
        let unsent_from = self.inflight.len() - usize::from(self.unsent);
        let Some(entry) = self.inflight.remove(index) else { return };
        if let Some(message) = entry.message {
            self.inflight_bytes -= message.size();
        }
        if index >= unsent_from {
            self.unsent -= 1;
        }
        if self.inflight.is_empty() && self.inflight.capacity() > 64 {
            self.inflight = VecDeque::new();
        }
    }
}

/// How many ids lie between `from` and `to`, going up and round; ids run from 1 to 65,535.
fn distance(from: PacketId, to: PacketId) -> u16 {
    let (from, to) = (from.get(), to.get());
    if to >= from { to - from } else { to + (u16::MAX - from) }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
