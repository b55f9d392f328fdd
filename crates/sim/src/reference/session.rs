//! What the reference broker knows: connections, sessions, subscriptions, messages, wills, all in flat lists.

use super::sent::{Sent, Wire, comparable, expiry, is_for_readers};
use pondhawk_codec::packet::{Connect, Publish, SubscribeOptions, Will as WillPacket};
use pondhawk_codec::{Property, Version};
use std::rc::Rc;

/// Milliseconds.
pub type Millis = u64;

/// A connection, from its opening on; it is never taken out of the list.
#[derive(Debug)]
pub(super) struct Connection {
    pub open: bool,
    /// When it must have said CONNECT, or have been heard of again.
    pub deadline: Option<Millis>,
    /// The client identifier, once CONNECT was accepted.
    pub client: Option<String>,
    pub version: Version,
    pub keep_alive_s: u16,
    /// The client's receive maximum, or ours if that is lower.
    pub window: usize,
    /// The client's maximum packet size.
    pub packet_max: usize,
    pub will: Option<Will>,
    /// The client's topic aliases.
    pub aliases: Vec<(u16, String)>,
    /// Bytes that are no whole frame yet.
    pub input: Vec<u8>,
    pub output: Vec<Sent>,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub client: String,
    pub connection: Option<usize>,
    /// Seconds that it outlives its connection; `u32::MAX` is for ever.
    pub expiry_s: u32,
    pub ends_at: Option<Millis>,
    /// A will that waits for its delay.
    pub will: Option<(Millis, Will)>,
    pub subscriptions: Vec<Subscription>,
    /// QoS 2 messages from the client, between PUBLISH and PUBREL.
    pub received: Vec<(u16, Rc<Message>)>,
    /// Messages to the client that are not finished, in the order of their first sending.
    pub inflight: Vec<Inflight>,
    /// Messages that wait to be sent.
    pub queue: Vec<Queued>,
}

/// A subscription, `filter` as SUBSCRIBE had it.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub filter: String,
    pub options: SubscribeOptions,
    pub id: Option<u32>,
    /// Its retained messages are not all sent.
    pub replaying: bool,
}

/// An application message.
#[derive(Debug)]
pub(super) struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub properties: Vec<Wire>,
    pub expires_at: Option<Millis>,
    /// The client identifier of the publisher.
    pub publisher: String,
}

/// A will.
#[derive(Debug)]
pub(super) struct Will {
    pub delay_s: u32,
    pub expiry_s: Option<u32>,
    pub message: Message,
}

/// A message for one client by one subscription.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub message: Rc<Message>,
    /// The subscription's filter.
    pub filter: String,
    pub qos: u8,
    pub retain: bool,
    pub subscription: Option<u32>,
    /// A retained message, sent because of a subscription.
    pub replay: bool,
    /// A broker need not send it: see [`Witness`](super::Witness).
    pub optional: bool,
}

#[derive(Debug)]
pub(super) struct Inflight {
    pub id: u16,
    pub entry: Queued,
    /// PUBREC came: PUBREL is owed until PUBCOMP.
    pub released: bool,
    /// Sent on the connection that there is now.
    pub sent: bool,
}

impl Connection {
    pub(super) fn new(connect_by: Millis) -> Connection {
        Connection {
            open: true,
            deadline: Some(connect_by),
            client: None,
            version: Version::V311,
            keep_alive_s: 0,
            window: 0,
            packet_max: usize::MAX,
            will: None,
            aliases: Vec::new(),
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Takes up what CONNECT says of the connection.
    pub(super) fn greet(&mut self, connect: &Connect<'_>, client: &str, receive_maximum: u16) {
        self.client = Some(client.into());
        self.keep_alive_s = connect.keep_alive;
        self.window = usize::from(receive_maximum);
        self.will = connect.will.as_ref().map(|will| Will::new(will, client));
        for property in connect.properties {
            match property {
                Property::ReceiveMaximum(n) => self.window = self.window.min(usize::from(n)),
                Property::MaximumPacketSize(n) => self.packet_max = n as usize,
                _ => {}
            }
        }
    }
}

impl Session {
    pub(super) fn new(client: &str) -> Session {
        Session {
            client: client.into(),
            connection: None,
            expiry_s: 0,
            ends_at: None,
            will: None,
            subscriptions: Vec::new(),
            received: Vec::new(),
            inflight: Vec::new(),
            queue: Vec::new(),
        }
    }
}

impl Message {
    pub(super) fn new(publish: &Publish<'_>, topic: &str, publisher: &str, now: Millis) -> Message {
        Message {
            topic: topic.into(),
            payload: publish.payload.into(),
            qos: publish.qos.as_u8(),
            retain: publish.retain,
            properties: comparable(publish.properties, is_for_readers),
            expires_at: expiry(publish.properties).map(|seconds| now + u64::from(seconds) * 1000),
            publisher: publisher.into(),
        }
    }

    pub(super) fn is_expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

impl Will {
    fn new(will: &WillPacket<'_>, publisher: &str) -> Will {
        let delay = will.properties.find(|property| match property {
            Property::WillDelayInterval(seconds) => Some(seconds),
            _ => None,
        });
        Will {
            delay_s: delay.unwrap_or(0),
            expiry_s: expiry(will.properties),
            message: Message {
                topic: will.topic.into(),
                payload: will.payload.into(),
                qos: will.qos.as_u8(),
                retain: will.retain,
                properties: comparable(will.properties, is_for_readers),
                expires_at: None,
                publisher: publisher.into(),
            },
        }
    }
}
