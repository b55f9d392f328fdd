//! Wills: kept with the connection, delayed with the session, published when the time has come.

use crate::effects::Effects;
use crate::hold::Then;
use crate::host::Host;
use crate::id::SessionId;
use crate::record::Persist;
use crate::shard::Shard;
use crate::timers::Timer;
use alloc::boxed::Box;
use alloc::sync::Arc;
use pondhawk_codec::packet;
use pondhawk_codec::{PropertiesBuf, Property, Qos};
use pondhawk_plants::planted;
use pondhawk_session::server::{MessageRef, Millis, NEVER, Origin, Source};

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
                // It was decoded, so its strings are short enough to be encoded. The order stays. [MQTT-3.1.3-10]
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

    /// The message that is published at this moment.
    pub(crate) fn message<'a>(&'a self, source: &'a Arc<Source>, now: Millis) -> MessageRef<'a> {
        MessageRef {
            topic: &self.topic,
            properties: &self.properties,
            payload: &self.payload,
            qos: self.qos,
            // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT3-3.1.2-16] [MQTT3-3.1.2-17]
            retain: self.retain,
            expires_at: self.expiry_s.map_or(NEVER, |seconds| now + u64::from(seconds) * 1000),
            origin: Origin(0),
            source: Some(source),
        }
    }
}

impl<H: Host> Shard<H> {
    /// The connection of session `index` ended without DISCONNECT 0x00: its will is published now, or after
    /// its delay or at the session's end, whichever comes first. [MQTT-3.1.2-8] [MQTT3-3.1.2-8]
    /// A client without a will has none to publish. [MQTT3-3.1.2-12]
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
        if planted!(WillTwice) {
            self.publish_will(index, &will, fx);
        }
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let at = now + u64::from(will.delay_s) * 1000;
        session.will = Some((at, will.clone()));
        self.timers.set(at, Timer::Will(id));
        self.record_will(index, (&will, Some(at)), fx);
    }

    /// The store learns of a will: of a connected client, or one that is `due` unless its client comes back.
    pub(crate) fn record_will(
        &mut self,
        index: u32,
        (will, due): (&Arc<Will>, Option<Millis>),
        fx: &mut Effects,
    ) {
        let wanted = self.settings.persistent && !(planted!(WillNotRecorded) && due.is_none());
        if let Some(session) = self.sessions.get_mut(index).filter(|_| wanted) {
            let source = session.source().clone();
            let ticket = fx.persist(Persist::Will { source, will: will.clone(), due });
            self.holds.change(session.client_id.clone(), ticket);
        }
    }

    /// The store learns that the client has no will any more.
    pub(crate) fn record_will_gone(&mut self, index: u32, fx: &mut Effects) {
        if self.settings.persistent
            && let Some(session) = self.sessions.get(index)
        {
            let client_id = session.client_id.clone();
            let ticket = fx.persist(Persist::WillGone { client_id: client_id.clone() });
            self.holds.change(client_id, ticket);
        }
    }

    pub(crate) fn will_timer(&mut self, id: SessionId, fx: &mut Effects) {
        let now = self.now;
        let Some(session) = self.sessions.lookup(id.index, id.generation) else {
            return;
        };
        if session.will.as_ref().is_some_and(|(at, _)| *at <= now)
            && let Some((_, will)) = session.will.take()
        {
            // Once. [MQTT-3.1.2-10] [MQTT3-3.1.2-10]
            self.publish_will(id.index, &will, fx);
        }
    }

    /// Publishes a will, if its client may still publish there.
    pub(crate) fn publish_will(&mut self, index: u32, will: &Will, fx: &mut Effects) {
        self.record_will_gone(index, fx);
        let origin = self.session_ref(index).origin();
        let now = self.now;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if !self.host.may_publish(&session.identity, &will.topic) && !planted!(WillWithoutRight) {
            return;
        }
        let source = session.source().clone();
        let mut view = MessageRef { origin, ..will.message(&source, now) };
        // Nobody is left to be refused: the message goes out, but is not kept where there is no room for it.
        // [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT3-3.1.2-16] [MQTT3-3.1.2-17]
        view.retain = will.retain && self.retained_fits(&view);
        if self.settings.persistent {
            let token = self.holds.begin(Then::Nothing);
            self.send_out(&view, None, fx);
            self.end_hold(token, fx);
        } else {
            self.route(view.topic);
            self.fan_out(&view, None, fx);
        }
    }
}
