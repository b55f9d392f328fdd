//! A message, from its publisher's hand to the last that is known of it.

use super::{Moment, Shadow};
use crate::sometimes;
use pondhawk_broker::Millis;

/// A message that somebody wrote.
#[derive(Clone, Debug)]
pub struct Message {
    /// The topic as the broker knows it.
    pub topic: String,
    /// The QoS that it is published with.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// Its payload is empty.
    pub empty: bool,
    /// Payload bytes behind the number.
    pub len: usize,
    /// Who wrote it: a client, or [`SYSTEM`](super::SYSTEM).
    pub publisher: usize,
    /// It is a will.
    pub will: bool,
    /// Its expiry interval.
    pub expiry_s: Option<u32>,
    /// When it expires; known once a shard has taken it.
    pub expires_at: Millis,
    /// The step in which it was first routed.
    pub routed: Option<u64>,
    /// The step in which it was last routed.
    pub routed_last: u64,
    /// How often it was routed: more than once only at QoS 1, when its publisher sends it again.
    pub routings: u32,
    /// The step of the routing that certainly leads to its recipients. A crash may take it back.
    pub sure: Option<u64>,
    /// A crash took a routing back, or part of it.
    pub in_doubt: bool,
    /// Its routing is finished after a crash if it was begun.
    pub transaction: bool,
    /// The edition of the rules under which it was first routed.
    pub rules_from: usize,
    /// The step in which its acknowledgement left the broker.
    pub acked: Option<u64>,
    /// The broker did not take it, for want of a right.
    pub refused: bool,
    /// That happened once, though it may have taken it since.
    pub was_refused: bool,
}

impl Message {
    /// A message that nobody has seen yet.
    #[must_use]
    pub fn new(topic: String, qos: u8, publisher: usize) -> Message {
        Message {
            topic,
            qos,
            retain: false,
            empty: false,
            len: 0,
            publisher,
            will: false,
            expiry_s: None,
            expires_at: Millis::MAX,
            routed: None,
            routed_last: 0,
            routings: 0,
            sure: None,
            in_doubt: false,
            transaction: false,
            rules_from: 0,
            acked: None,
            refused: false,
            was_refused: false,
        }
    }
}

impl Shadow {
    /// The broker routes a message now.
    pub fn route(&mut self, number: u32, at: &Moment<'_>) {
        let message = &mut self.messages[number as usize];
        message.routed.get_or_insert(at.step);
        message.sure.get_or_insert(at.step);
        message.routed_last = at.step;
        if message.routings == 0 {
            message.rules_from = at.oldest;
        }
        message.routings += 1;
        if message.retain {
            if message.empty {
                sometimes!(self.reached, "retained message deleted");
            }
            let topic = message.topic.clone();
            self.retained.entry(topic).or_default().push(number);
        }
    }

    /// The last step in which a message may still have been routed somewhere.
    #[must_use]
    pub fn routed_until(&self, message: &Message) -> u64 {
        self.settled(message.routed_last).unwrap_or(u64::MAX)
    }

    /// A retained message, or the deletion of one, that certainly holds at its home.
    #[must_use]
    pub fn retained_by(&self, number: u32) -> u64 {
        let message = &self.messages[number as usize];
        let settled = self.routed_until(message);
        match message.acked {
            // The acknowledgement of the last sending waited for the home.
            Some(acked) if self.persistent && acked >= message.routed_last => settled.min(acked),
            _ => settled,
        }
    }
}
