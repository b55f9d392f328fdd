//! Wills: kept with the connection, delayed with the session, published when the time has come.

use crate::effects::Effects;
use crate::host::Host;
use crate::id::SessionId;
use crate::shard::Shard;
use crate::timers::Timer;
use alloc::boxed::Box;
use alloc::sync::Arc;
use pondhawk_codec::packet;
use pondhawk_codec::{PropertiesBuf, Property, Qos};
use pondhawk_session::server::{MessageRef, NEVER};

/// The will of a connection. [MQTT-3.1.2-9]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// The topic, behind the listener's mount point.
    pub topic: Box<str>,
    /// The properties for the recipients.
    pub properties: Box<[u8]>,
    /// The payload.
    pub payload: Box<[u8]>,
    /// The QoS to publish it with.
    pub qos: Qos,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Seconds between the end of the connection and publishing.
    pub delay_s: u32,
    /// Seconds that it lives from then on.
    pub expiry_s: Option<u32>,
}

impl Will {
    /// The will of a CONNECT, its topic behind the listener's mount point.
    pub(crate) fn new(will: &packet::Will<'_>, mount_point: &str) -> Self {
        let mut delay_s = 0;
        let mut expiry_s = None;
        let mut rest = PropertiesBuf::new();
        for property in will.properties {
            match property {
                Property::WillDelayInterval(seconds) => delay_s = seconds,
                Property::MessageExpiryInterval(seconds) => expiry_s = Some(seconds),
                // It was decoded, so its strings are short enough to be encoded.
                other => drop(rest.push(other)),
            }
        }
        Will {
            topic: [mount_point, will.topic].concat().into(),
            properties: rest.as_properties().as_bytes().into(),
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
            delay_s,
            expiry_s,
        }
    }
}

impl<H: Host> Shard<H> {
    /// The connection of session `index` ended without DISCONNECT 0x00: its will is published now, or after
    /// its delay or at the session's end, whichever comes first. [MQTT-3.1.2-8]
    pub(crate) fn will_due(&mut self, index: u32, will: Arc<Will>, fx: &mut Effects) {
        let now = self.now;
        let id = self.session_id(index);
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if will.delay_s == 0 || !session.is_kept() {
            self.publish_will(index, &will, fx);
            return;
        }
        let at = now + u64::from(will.delay_s) * 1000;
        session.will = Some((at, will));
        self.timers.set(at, Timer::Will(id));
    }

    pub(crate) fn will_timer(&mut self, id: SessionId, fx: &mut Effects) {
        let now = self.now;
        let Some(session) = self.sessions.lookup(id.index, id.generation) else {
            return;
        };
        if session.will.as_ref().is_some_and(|(at, _)| *at <= now)
            && let Some((_, will)) = session.will.take()
        {
            self.publish_will(id.index, &will, fx);
        }
    }

    /// Publishes a will, if its client may still publish there.
    pub(crate) fn publish_will(&mut self, index: u32, will: &Will, fx: &mut Effects) {
        let origin = self.session_ref(index).origin();
        let now = self.now;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if !self.host.may_publish(&session.identity, &will.topic) {
            return;
        }
        let source = session.source().clone();
        let mut view = MessageRef {
            topic: &will.topic,
            properties: &will.properties,
            payload: &will.payload,
            qos: will.qos,
            // [MQTT-3.1.2-16] [MQTT-3.1.2-17]
            retain: will.retain,
            expires_at: will.expiry_s.map_or(NEVER, |seconds| now + u64::from(seconds) * 1000),
            origin,
            source: Some(&source),
        };
        // Nobody is left to be refused: the message goes out, but is not kept where there is no room for it.
        view.retain = will.retain && self.retained_fits(&view);
        self.route(view.topic);
        self.fan_out(&view, None, fx);
    }
}
