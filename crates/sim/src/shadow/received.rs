//! What reached the application behind a client.

use super::message::Message;
use super::session::Sub;
use super::{SYSTEM, Shadow};
use crate::client::packets::Delivery;
use crate::sometimes;
use crate::world::host::Right;

/// How often an application was given a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// As it was published, by QoS.
    pub live: [u32; 3],
    /// Of these, those that came without DUP.
    pub first: [u32; 3],
    /// With RETAIN, which for most subscriptions says that it is an old one.
    pub retained: u32,
}

impl Shadow {
    /// The application behind a connection was given a message.
    pub fn received(&mut self, link: usize, delivery: &Delivery) {
        let (Some(session), Some(number)) = (self.links[link].session, delivery.message) else { return };
        let receipt = self.receipts.entry((session, number)).or_default();
        if delivery.retain {
            receipt.retained += 1;
            sometimes!(self.reached, "retained message delivered to a new subscription");
            return;
        }
        let qos = usize::from(delivery.qos);
        let again = receipt.live[qos] > 0;
        receipt.live[qos] += 1;
        receipt.first[qos] += u32::from(!delivery.dup);
        if !again {
            self.check_order(session, number, delivery.qos);
        }
        let shared = self.sessions[session].subs.iter().any(|sub| sub.shared && sub.matches(&delivery.topic));
        if shared {
            sometimes!(self.reached, "shared subscription delivered");
        }
    }

    /// I3: the first copies of one publisher's messages of one topic and QoS come in the order of publishing.
    fn check_order(&mut self, session: usize, number: u32, qos: u8) {
        let message = &self.messages[number as usize];
        let again = message.routings > 1 || message.was_refused || message.in_doubt;
        if message.will || again && !self.had_first_copy(session, message, qos) {
            return;
        }
        let key = (session, message.publisher, message.topic.clone(), qos * 3 + message.qos);
        let last = self.order.entry(key).or_insert(number);
        let before = std::mem::replace(last, number);
        if before > number {
            let who =
                if message.publisher == SYSTEM { "the broker" } else { &self.clients[message.publisher].id };
            let text = format!(
                "{} got message {number} of {who} behind {before} ({}, QoS {qos})",
                self.clients[self.sessions[session].client].id, message.topic
            );
            self.fail("I3", text);
        }
    }

    /// A message that was published again: true if its first sending certainly led to a copy for the session, which
    /// is not lost with a connection.
    fn had_first_copy(&self, session: usize, message: &Message, qos: u8) -> bool {
        let session = &self.sessions[session];
        let routed = message.routed.unwrap_or(0);
        let sure = |sub: &Sub| {
            let own = sub.no_local && message.publisher == session.client;
            !own && sub.matches(&message.topic)
                && sub.qos.min(message.qos) == qos
                && sub.sure.is_some_and(|sure| sure < routed)
                && sub.end.is_none()
        };
        qos > 0
            && message.expiry_s.is_none()
            && !message.was_refused
            && !message.in_doubt
            && session.subs.iter().any(sure)
            && !session.subs.iter().any(|sub| sub.shared)
            && self.always_allowed(0, session.client, Right::Receive, &message.topic)
    }
}
