//! An application message on its way: borrowed from a packet, or owned and shared by its recipients.

use super::Millis;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::Qos;
use pondhawk_plants::planted;

/// The expiry time of a message that does not expire.
pub const NEVER: Millis = Millis::MAX;

/// The session that published a message, unique in the whole broker; 0 for the broker itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin(pub u64);

/// Who published a message, for checks that come later than the connection lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The client identifier.
    pub client_id: Box<str>,
    /// The user name, if it had one.
    pub username: Option<Box<str>>,
    /// The listener that it came in by.
    pub listener: u16,
}

/// A message whose bytes belong to somebody else.
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    /// The topic name, with the listener's mount point in front.
    pub topic: &'a str,
    /// The properties to pass on, in the publisher's order, without alias, expiry and subscription ids.
    /// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
    pub properties: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// The QoS that it was published with.
    pub qos: Qos,
    /// The retain flag that it was published with.
    pub retain: bool,
    /// When it expires, or [`NEVER`].
    pub expires_at: Millis,
    /// The publishing session.
    pub origin: Origin,
    /// The publisher, where somebody will ask for it later.
    pub source: Option<&'a Arc<Source>>,
}

/// A message that owns its bytes: one allocation for topic, properties and payload.
#[derive(Debug)]
pub struct Message {
    data: Box<[u8]>,
    topic_len: u32,
    properties_len: u32,
    expires_at: Millis,
    origin: Origin,
    source: Option<Arc<Source>>,
    qos: Qos,
    retain: bool,
}

impl MessageRef<'_> {
    /// An owned copy.
    #[must_use]
    pub fn to_message(&self) -> Message {
        let mut data = Vec::with_capacity(self.topic.len() + self.properties.len() + self.payload.len());
        data.extend_from_slice(self.topic.as_bytes());
        data.extend_from_slice(self.properties);
        data.extend_from_slice(self.payload);
        Message {
            data: data.into_boxed_slice(),
            // Topics have at most 65,535 bytes and a mount point; properties less than a packet's 256 MiB.
            topic_len: self.topic.len() as u32,
            properties_len: self.properties.len() as u32,
            expires_at: self.expires_at,
            origin: self.origin,
            source: self.source.cloned(),
            qos: self.qos,
            retain: self.retain,
        }
    }

    /// Bytes of topic, properties and payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.topic.len() + self.properties.len() + self.payload.len()
    }

    /// True once the message must no longer be sent. [MQTT-3.3.2-5]
    #[must_use]
    pub fn is_expired(&self, now: Millis) -> bool {
        now >= self.expires_at && !planted!(ExpiredDelivered)
    }

    /// The expiry interval to send: what was received less the time that has passed. [MQTT-3.3.2-6]
    #[must_use]
    pub fn remaining_expiry_s(&self, now: Millis) -> Option<u32> {
        if self.expires_at == NEVER {
            return None;
        }
        let now = if planted!(ExpiryNotDecremented) { 0 } else { now };
        let seconds = self.expires_at.saturating_sub(now).div_ceil(1000);
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

impl Message {
    /// The message as recipients see it.
    #[must_use]
    pub fn view(&self) -> MessageRef<'_> {
        let (topic, rest) = self.data.split_at(self.topic_len as usize);
        let (properties, payload) = rest.split_at(self.properties_len as usize);
        MessageRef {
            // The bytes came from a `str` of that length.
            topic: core::str::from_utf8(topic).unwrap_or_default(),
            properties,
            payload,
            qos: self.qos,
            retain: self.retain,
            expires_at: self.expires_at,
            origin: self.origin,
            source: self.source.as_ref(),
        }
    }

    /// The topic name.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.view().topic
    }

    /// The bytes of the topic name, which sort as it does.
    #[must_use]
    pub fn topic_bytes(&self) -> &[u8] {
        &self.data[..self.topic_len as usize]
    }

    /// Bytes of topic, properties and payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// Bytes of payload.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.data.len() - self.topic_len as usize - self.properties_len as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(expires_at: Millis) -> Message {
        let source = Arc::new(Source { client_id: "c".into(), username: None, listener: 0 });
        MessageRef {
            topic: "a/b",
            properties: &[1, 1],
            payload: b"hello",
            qos: Qos::AtLeastOnce,
            retain: true,
            expires_at,
            origin: Origin(7),
            source: Some(&source),
        }
        .to_message()
    }

    #[test]
    fn parts_come_back() {
        let message = message(NEVER);
        let view = message.view();
        assert_eq!((view.topic, view.properties, view.payload), ("a/b", &[1u8, 1][..], &b"hello"[..]));
        assert_eq!((message.size(), message.payload_len()), (10, 5));
        assert_eq!((view.size(), message.topic()), (10, "a/b"));
    }

    // [MQTT-3.3.2-5] [MQTT-3.3.2-6]
    #[test]
    fn expiry_counts_down_in_whole_seconds() {
        let message = message(10_000);
        assert_eq!(message.view().remaining_expiry_s(0), Some(10));
        assert_eq!(message.view().remaining_expiry_s(1), Some(10));
        assert_eq!(message.view().remaining_expiry_s(9_001), Some(1));
        assert!(!message.view().is_expired(9_999));
        assert!(message.view().is_expired(10_000));
    }
}
