//! PUBLISH from a client, and the way of its message to the sessions that get it.

use super::deliver::Undecided;
use super::session::{Message, Queued, Session, Subscription};
use super::{Broker, Violation};
use pondhawk_codec::packet::Publish;
use pondhawk_codec::topic::{SubscriptionFilter, matches};
use pondhawk_codec::{PacketId, PacketType, Property, Qos, Version, reason};
use std::rc::Rc;

/// Topics that clients do not publish to: see `docs/mqtt.md`.
pub(super) fn is_reserved(topic: &str) -> bool {
    ["$SYS", "$CONTROL", "$share"].contains(&topic.split('/').next().unwrap_or_default())
}

impl Broker {
    /// PUBLISH.
    pub(super) fn publish(&mut self, connection: usize, publish: &Publish<'_>) -> Result<(), Violation> {
        let mut alias = None;
        for property in publish.properties {
            match property {
                Property::TopicAlias(n) => alias = Some(n),
                // [MQTT-3.3.4-6]
                Property::SubscriptionIdentifier(_) => return Err(reason::PROTOCOL_ERROR),
                _ => {}
            }
        }
        let topic = self.topic_of(connection, publish.topic, alias)?;
        let client = self.session_of(connection).client.clone();
        let message = Rc::new(Message::new(publish, &topic, &client, self.now));
        let id = publish.packet_id.map_or(0, PacketId::get);
        match publish.qos {
            Qos::AtMostOnce if is_reserved(&topic) => {}
            Qos::AtMostOnce => drop(self.route(message)),
            Qos::AtLeastOnce => {
                let code = if is_reserved(&topic) {
                    reason::NOT_AUTHORIZED
                } else if self.route(message) {
                    reason::SUCCESS
                } else {
                    reason::NO_MATCHING_SUBSCRIBERS
                };
                self.send_ack(connection, PacketType::Puback, id, code);
            }
            Qos::ExactlyOnce => self.receive_once(connection, id, message)?,
        }
        Ok(())
    }

    /// A QoS 2 message waits for its PUBREL; that it comes again changes nothing. [MQTT-4.3.3-10]
    fn receive_once(&mut self, connection: usize, id: u16, message: Rc<Message>) -> Result<(), Violation> {
        let (version, max) = (self.connections[connection].version, self.options.receive_maximum);
        let session = self.session_of(connection);
        let mut code = reason::SUCCESS;
        if !session.received.iter().any(|(held, _)| *held == id) {
            // [MQTT-3.3.4-7]
            if version == Version::V5 && session.received.len() >= usize::from(max) {
                return Err(reason::RECEIVE_MAXIMUM_EXCEEDED);
            }
            if is_reserved(&message.topic) {
                code = reason::NOT_AUTHORIZED;
            } else {
                session.received.push((id, message));
            }
        }
        self.send_ack(connection, PacketType::Pubrec, id, code);
        Ok(())
    }

    /// PUBREL: the message goes on its way. [MQTT-4.3.3-11]
    pub(super) fn pubrel(&mut self, connection: usize, id: u16) {
        let received = &mut self.session_of(connection).received;
        let code = match received.iter().position(|(held, _)| *held == id) {
            Some(at) => {
                let (_, message) = received.remove(at);
                self.route(message);
                reason::SUCCESS
            }
            None => reason::PACKET_ID_NOT_FOUND,
        };
        self.send_ack(connection, PacketType::Pubcomp, id, code);
    }

    /// The topic that a PUBLISH means. [MQTT-3.3.2-7] [MQTT-3.3.2-12]
    fn topic_of(&mut self, connection: usize, topic: &str, alias: Option<u16>) -> Result<String, Violation> {
        let aliases = &mut self.connections[connection].aliases;
        match alias {
            Some(alias) if alias > self.options.alias_maximum => Err(reason::TOPIC_ALIAS_INVALID),
            Some(alias) if topic.is_empty() => {
                let known = aliases.iter().find(|(known, _)| *known == alias);
                known.map(|(_, topic)| topic.clone()).ok_or(reason::PROTOCOL_ERROR)
            }
            None if topic.is_empty() => Err(reason::PROTOCOL_ERROR),
            Some(alias) => {
                aliases.retain(|(known, _)| *known != alias);
                aliases.push((alias, topic.into()));
                Ok(topic.into())
            }
            None => Ok(topic.into()),
        }
    }

    /// A message for everybody who subscribed to its topic; true if there is anybody. [MQTT-4.5.0-1]
    pub(super) fn route(&mut self, message: Rc<Message>) -> bool {
        let mut matched = false;
        let mut groups: Vec<String> = Vec::new();
        for session in &mut self.sessions {
            for subscription in session.subscriptions.clone() {
                let filter = parse(&subscription.filter);
                if !matches(filter.filter, &message.topic) {
                    continue;
                }
                matched = true;
                if filter.share.is_none() {
                    session.enqueue(&subscription, &message);
                } else if !groups.contains(&subscription.filter) {
                    groups.push(subscription.filter);
                }
            }
        }
        for group in groups {
            self.undecided.push(Undecided::new(&self.sessions, &group, &message));
        }
        if message.retain {
            self.retain(message);
        }
        matched
    }

    /// [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]
    fn retain(&mut self, message: Rc<Message>) {
        self.retained.retain(|old| old.topic != message.topic);
        for session in &mut self.sessions {
            session.retained_changed(&message);
        }
        if !message.payload.is_empty() {
            self.retained.push(message);
        }
    }
}

/// A filter that was checked when it came.
pub(super) fn parse(filter: &str) -> SubscriptionFilter<'_> {
    SubscriptionFilter::parse(filter).expect("the codec checked it")
}

impl Session {
    /// A message for one of the session's subscriptions. QoS 0 is not kept for a client that is away.
    fn enqueue(&mut self, subscription: &Subscription, message: &Rc<Message>) {
        // [MQTT-3.8.3-3]
        if subscription.options.no_local && message.publisher == self.client {
            return;
        }
        let entry = Queued::live(subscription, message);
        if self.connection.is_some() || entry.qos > 0 {
            self.queue.push(entry);
        }
    }

    /// What is still to be sent of the topic's old retained message may be left out, and the new one sent for it.
    fn retained_changed(&mut self, message: &Rc<Message>) {
        for entry in &mut self.queue {
            entry.optional |= entry.replay && entry.message.topic == message.topic;
        }
        for subscription in self.subscriptions.iter().filter(|subscription| subscription.replaying) {
            if matches(&subscription.filter, &message.topic) && !message.payload.is_empty() {
                self.queue.push(Queued { optional: true, ..Queued::replay(subscription, message) });
            }
        }
    }
}

impl Queued {
    /// A message that was published while the subscription was there. [MQTT-3.8.4-8] [MQTT-3.3.1-12]
    pub(super) fn live(subscription: &Subscription, message: &Rc<Message>) -> Queued {
        Queued {
            message: message.clone(),
            filter: subscription.filter.clone(),
            qos: message.qos.min(subscription.options.qos.as_u8()),
            retain: message.retain && subscription.options.retain_as_published,
            subscription: subscription.id,
            replay: false,
            optional: false,
        }
    }

    /// A message that was retained when the subscription was made. [MQTT-3.3.1-9]
    pub(super) fn replay(subscription: &Subscription, message: &Rc<Message>) -> Queued {
        Queued { retain: true, replay: true, ..Queued::live(subscription, message) }
    }
}
