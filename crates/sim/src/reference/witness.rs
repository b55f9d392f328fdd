//! The choices of another broker, as far as they are seen from outside.

use super::sent::{Outgoing, Sent};
use std::collections::{BTreeMap, VecDeque};

/// What another broker sent in one step. The reference follows it where the standard leaves a choice:
///
/// - which of the messages that wait goes out next, unless they are of one publisher, topic and QoS; a retained
///   message that is sent because of a subscription has no place in that order;
/// - which member of a shared group gets a message;
/// - the packet identifier of a PUBLISH, if it is not in use;
/// - the client identifier that is assigned, if it is not in use;
/// - whether a retained message, due because of a subscription and not yet sent, is still sent when it was replaced,
///   deleted or its subscription ended meanwhile, and whether its successor is sent for it.
#[derive(Debug, Default)]
pub struct Witness {
    seen: BTreeMap<usize, VecDeque<Outgoing>>,
    assigned: Vec<String>,
}

impl Witness {
    /// The other broker sent this on the connection.
    pub fn saw(&mut self, connection: usize, packet: &Sent) {
        match packet {
            Sent::Publish(publish) => self.seen.entry(connection).or_default().push_back(publish.clone()),
            Sent::Connack { properties, .. } => {
                self.assigned.extend(properties.iter().filter_map(|property| assigned(property)))
            }
            _ => {}
        }
    }

    /// The next message on the connection.
    pub(super) fn next(&self, connection: usize) -> Option<&Outgoing> {
        self.seen.get(&connection)?.front()
    }

    /// The reference follows with `packet`: its packet id, if it was the next.
    pub(super) fn followed(&mut self, connection: usize, packet: &Outgoing) -> Option<u16> {
        let seen = self.seen.get_mut(&connection)?;
        if !seen.front()?.is_like(packet) {
            return None;
        }
        seen.pop_front().map(|packet| packet.id)
    }

    pub(super) fn assigned(&mut self) -> Option<String> {
        self.assigned.pop()
    }
}

impl Outgoing {
    /// True if both say the same, whatever their packet ids and whether they were sent before. The remaining expiry may
    /// differ by a second, as a matter of rounding.
    #[must_use]
    pub fn is_like(&self, other: &Outgoing) -> bool {
        let expiry = match (self.expiry_s, other.expiry_s) {
            (Some(this), Some(other)) => this.abs_diff(other) <= 1,
            (this, other) => this == other,
        };
        let (id, dup, expiry_s) = (self.id, self.dup, self.expiry_s);
        expiry && Outgoing { id, dup, expiry_s, ..other.clone() } == *self
    }
}

/// The value of an Assigned Client Identifier in wire form: behind its identifier, 18, and its length.
fn assigned(property: &[u8]) -> Option<String> {
    let value = property.strip_prefix(&[18])?.get(2..)?;
    String::from_utf8(value.into()).ok()
}
