//! Messages on their way from the server: aliases, unanswered messages, those of QoS 2 that wait for release.

use super::error::{Refused, Violation};
use super::event::Message;
use alloc::collections::BTreeMap;
use alloc::string::String;
use pondhawk_codec::packet::Publish;
use pondhawk_codec::{PacketId, Property};

/// Where a message of QoS 1 or 2 stands.
#[derive(Clone, Debug)]
enum Held {
    /// QoS 1: handed over, and the application owes the acknowledgement. The number says which came first.
    Puback(u64),
    /// QoS 2: PUBREC is sent and PUBREL is awaited.
    Pubrel(Message),
    /// QoS 2: handed over, and the application owes the acknowledgement.
    Pubcomp,
}

/// What the application's acknowledgement sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    Puback,
    Pubcomp,
}

/// The receiving half of a session, and the aliases of a connection.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    held: BTreeMap<PacketId, Held>,
    /// Of the next PUBACK that is owed.
    number: u64,
    aliases: BTreeMap<u16, String>,
}

impl Incoming {
    /// Aliases end with the connection [MQTT-3.3.2-7]; so do acknowledgements that are owed, because the
    /// server will send those messages again.
    pub(super) fn connection_lost(&mut self) {
        self.aliases.clear();
        self.held.retain(|_, held| matches!(held, Held::Pubrel(_)));
    }

    /// The server has no session: it will not release what it sent before.
    pub(super) fn session_lost(&mut self) {
        self.held.clear();
    }

    /// How many messages the server has sent and not seen answered.
    pub(super) fn unanswered(&self) -> usize {
        self.held.len()
    }

    /// The topic of a message, its alias resolved and remembered: any up to our maximum. [MQTT-3.3.2-10]
    pub(super) fn topic(&mut self, publish: &Publish<'_>, aliases_max: u16) -> Result<String, Violation> {
        let alias = publish.properties.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        let Some(alias) = alias else {
            if publish.topic.is_empty() {
                return Err(Violation::TopicMissing);
            }
            return Ok(String::from(publish.topic));
        };
        if alias > aliases_max {
            return Err(Violation::TopicAliasTooHigh(alias));
        }
        if publish.topic.is_empty() {
            let known = self.aliases.get(&alias);
            return known.cloned().ok_or(Violation::TopicAliasUnknown(alias));
        }
        self.aliases.insert(alias, String::from(publish.topic));
        Ok(String::from(publish.topic))
    }

    /// Keeps a message of QoS 2 until it is released; one that is there already came twice. [MQTT-4.3.3-10]
    /// [MQTT-4.3.3-12] [MQTT3-4.3.3-2]
    pub(super) fn hold(&mut self, id: PacketId, message: Message) {
        self.held.entry(id).or_insert(Held::Pubrel(message));
    }

    /// True if a message with this identifier is held.
    pub(super) fn holds(&self, id: PacketId) -> bool {
        self.held.contains_key(&id)
    }

    /// PUBREL: the message, if this is the first of it.
    pub(super) fn release(&mut self, id: PacketId) -> Option<Message> {
        match self.held.remove(&id) {
            Some(Held::Pubrel(message)) => Some(message),
            Some(other) => {
                self.held.insert(id, other);
                None
            }
            None => None,
        }
    }

    /// The application will acknowledge the message.
    pub(super) fn owe(&mut self, id: PacketId, owed: Owed) {
        let held = match owed {
            Owed::Puback => Held::Puback(self.number),
            Owed::Pubcomp => Held::Pubcomp,
        };
        self.number += 1;
        self.held.insert(id, held);
    }

    /// The application acknowledges the message, those of QoS 1 in the order in which they came.
    /// [MQTT-4.6.0-2] [MQTT3-4.6.0-2]
    pub(super) fn settle(&mut self, id: PacketId) -> Result<Owed, Refused> {
        let earlier = |number: u64| {
            let before = |held: &Held| matches!(held, Held::Puback(other) if *other < number);
            self.held.values().any(before)
        };
        let owed = match self.held.get(&id) {
            Some(Held::Puback(number)) if earlier(*number) => return Err(Refused::AcknowledgeInOrder),
            Some(Held::Puback(_)) => Owed::Puback,
            Some(Held::Pubcomp) => Owed::Pubcomp,
            Some(Held::Pubrel(_)) | None => return Err(Refused::NothingToAcknowledge),
        };
        self.held.remove(&id);
        Ok(owed)
    }
}
