//! QoS 2 messages from the client, between PUBLISH and PUBREL.
//!
//! A message is kept here and routed when PUBREL releases it, so that it is routed exactly once however often
//! the client repeats either packet. [MQTT-4.3.3-10] [MQTT3-4.3.3-2]

use super::Message;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use pondhawk_codec::PacketId;

/// The QoS 2 receiving state of one session.
#[derive(Debug, Default)]
pub struct Inbox {
    held: BTreeMap<PacketId, Arc<Message>>,
    bytes: usize,
}

/// What [`Inbox::receive`] made of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A new message.
    New,
    /// The same packet identifier again before PUBREL: acknowledge, keep the first. [MQTT-4.3.3-10]
    Again,
}

impl Inbox {
    /// True if a message with this id waits for its PUBREL.
    #[must_use]
    pub fn contains(&self, id: PacketId) -> bool {
        self.held.contains_key(&id)
    }

    /// Keeps a message until PUBREL.
    pub fn receive(&mut self, id: PacketId, message: impl FnOnce() -> Arc<Message>) -> Received {
        if self.held.contains_key(&id) {
            return Received::Again;
        }
        let message = message();
        self.bytes += message.size();
        self.held.insert(id, message);
        Received::New
    }

    /// PUBREL: the message to route now, or `None` if the id is unknown. Afterwards the id means a new message.
    /// [MQTT-4.3.3-12] [MQTT-4.3.3-13] [MQTT3-4.3.3-2]
    pub fn release(&mut self, id: PacketId) -> Option<Arc<Message>> {
        let message = self.held.remove(&id)?;
        self.bytes -= message.size();
        Some(message)
    }

    /// Messages that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// True if none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes that they hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{MessageRef, NEVER, Origin};
    use pondhawk_codec::Qos;

    // [MQTT-4.3.3-10] [MQTT-4.3.3-12] [MQTT3-4.3.3-2]
    #[test]
    fn repeats_are_kept_once() {
        let message = |payload: &[u8]| {
            Arc::new(
                MessageRef {
                    topic: "t",
                    properties: &[],
                    payload,
                    qos: Qos::ExactlyOnce,
                    retain: false,
                    expires_at: NEVER,
                    origin: Origin(1),
                    source: None,
                }
                .to_message(),
            )
        };
        let id = PacketId::MIN;
        let mut inbox = Inbox::default();
        assert!(inbox.is_empty() && !inbox.contains(id));
        assert_eq!(inbox.receive(id, || message(b"first")), Received::New);
        assert!(!inbox.is_empty() && inbox.contains(id));
        assert_eq!(inbox.receive(id, || message(b"again")), Received::Again);
        assert_eq!((inbox.len(), inbox.bytes()), (1, 6));
        let released = inbox.release(id).expect("held");
        assert_eq!(released.view().payload, b"first");
        assert!(inbox.release(id).is_none());
        assert_eq!((inbox.len(), inbox.bytes()), (0, 0));
        assert_eq!(inbox.receive(id, || message(b"new")), Received::New);
    }
}
