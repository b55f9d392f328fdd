//! PUBLISH from a client: limits, alias, rights; then routed, or kept until PUBREL.

use crate::effects::Effects;
use crate::hold::Then;
use crate::host::{Ended, Host, Note, NoteKind};
use crate::id::ConnId;
use crate::record::Persist;
use crate::shard::Shard;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_codec::packet::{Ack, Publish};
use pondhawk_codec::reason::{self, ReasonCode};
use pondhawk_codec::{Packet, PacketId, PacketType, PropertiesBuf, Property, Qos, Version, topic};
use pondhawk_plants::planted;
use pondhawk_session::server::{MessageRef, Millis, NEVER, Received, Violation};

/// Topics that no client may publish to.
pub(crate) fn is_reserved(topic: &str) -> bool {
    let first = topic.split('/').next();
    matches!(first, Some("$SYS" | "$CONTROL" | "$share"))
}

/// What the properties of a PUBLISH say to the broker, the rest being for the recipients.
#[derive(Default)]
struct Summary {
    alias: Option<u16>,
    expiry_s: Option<u32>,
}

impl<H: Host> Shard<H> {
    /// PUBLISH.
    pub(crate) fn publish(
        &mut self,
        conn: ConnId,
        index: u32,
        publish: &Publish<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        self.counters.publish_bytes_received += publish.payload.len() as u64;
        let mut forwarded = core::mem::take(&mut self.properties);
        let mut topic = core::mem::take(&mut self.topic);
        let result = self.publish_in(conn, index, publish, (&mut topic, &mut forwarded), fx);
        self.properties = forwarded;
        self.topic = topic;
        result
    }

    fn publish_in(
        &mut self,
        conn: ConnId,
        index: u32,
        publish: &Publish<'_>,
        (topic_scratch, block): (&mut String, &mut Vec<u8>),
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        let Some(state) = self.conns.get_mut(conn.index) else {
            return Ok(());
        };
        let (listener, version) = (state.listener, state.link.version);
        let summary = read_properties(publish, self.settings.max_user_properties, block)?;
        let name = state.link.resolve(publish, summary.alias, topic_scratch)?;
        let mounted = self.mounted(listener, name);
        let name: &str = &mounted;
        self.check_limits(listener, publish, name)?;
        let rewritten = summary.alias.is_some() || summary.expiry_s.is_some();
        let view = MessageRef {
            topic: name,
            properties: if rewritten { block } else { publish.properties.as_bytes() },
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            expires_at: summary.expiry_s.map_or(NEVER, |seconds| self.now + Millis::from(seconds) * 1000),
            origin: self.session_ref(index).origin(),
            source: None,
        };
        if self.host.overloaded() && !view.payload.is_empty() {
            self.shed(conn, publish, version, fx);
            return Ok(());
        }
        let refused = self.refusal(index, &view);
        if refused.is_none() && self.is_unkept(index, publish, &view) {
            if planted!(RefusedTakesEffect) {
                self.route(name);
                self.fan_out_from(index, &view, fx);
            }
            self.turn_down(conn, publish, version, fx);
            return Ok(());
        }
        self.note_received(index, publish, name, refused.is_some());
        // [MQTT-3.3.4-1] [MQTT3-3.3.4-1]
        match publish.packet_id {
            Some(id) if publish.qos == Qos::ExactlyOnce => {
                self.receive_qos2((conn, index), (id, version), &view, refused, fx)
            }
            Some(id) => {
                self.accept_qos1((conn, index), id, &view, refused, fx);
                Ok(())
            }
            None => {
                if refused.is_none() {
                    self.route(name);
                    self.fan_out_from(index, &view, fx);
                }
                Ok(())
            }
        }
    }

    /// The process has no memory for the message: it is not acknowledged as if it had.
    fn shed(&mut self, conn: ConnId, publish: &Publish<'_>, version: Version, fx: &mut Effects) {
        match publish.packet_id {
            None => self.counters.publish_dropped += 1,
            Some(id) if version == Version::V5 => {
                let qos1 = publish.qos == Qos::AtLeastOnce;
                let packet_type = if qos1 { PacketType::Puback } else { PacketType::Pubrec };
                self.send_ack((conn.index, packet_type), id, reason::QUOTA_EXCEEDED, fx);
            }
            Some(_) => {
                // Before MQTT 5.0 only the end of the connection says that a message was not taken. [MQTT3-4.8.0-2]
                self.finish(conn.index, Ended::Error("memory_limit is reached"), fx);
                self.close(conn.index, fx);
            }
        }
    }

    fn check_limits(&self, listener: u16, publish: &Publish<'_>, name: &str) -> Result<(), Violation> {
        let rules = self.settings.listeners.get(usize::from(listener));
        if rules.is_some_and(|rules| publish.qos > rules.max_qos) {
            return Err(Violation::QosNotSupported);
        }
        if publish.retain && !self.settings.retain_available {
            return Err(Violation::RetainNotSupported);
        }
        if topic::levels(name) > self.settings.max_topic_levels {
            return Err(Violation::TopicTooDeep);
        }
        Ok(())
    }

    /// Why the message is acknowledged but not routed, if so. [MQTT3-3.3.5-2]
    fn refusal(&self, index: u32, view: &MessageRef<'_>) -> Option<ReasonCode> {
        let session = self.sessions.get(index)?;
        if is_reserved(view.topic) || !self.host.may_publish(&session.identity, view.topic) {
            return Some(reason::NOT_AUTHORIZED);
        }
        let limit = self.settings.message_size_limit;
        if limit > 0 && view.payload.len() > limit {
            return Some(reason::IMPLEMENTATION_SPECIFIC);
        }
        if view.retain && !self.retained_fits(view) {
            return Some(reason::QUOTA_EXCEEDED);
        }
        None
    }

    /// PUBACK, after which the id is a new message's. [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT3-4.3.2-2]
    fn accept_qos1(
        &mut self,
        (conn, index): (ConnId, u32),
        id: PacketId,
        view: &MessageRef<'_>,
        refused: Option<ReasonCode>,
        fx: &mut Effects,
    ) {
        if let Some(code) = refused {
            self.send_ack((conn.index, PacketType::Puback), id, code, fx);
            return;
        }
        let matched = self.route(view.topic);
        let code = if matched { reason::SUCCESS } else { reason::NO_MATCHING_SUBSCRIBERS };
        if !self.settings.persistent {
            self.send_ack((conn.index, PacketType::Puback), id, code, fx);
            self.fan_out_from(index, view, fx);
            return;
        }
        let token = self.holds.begin(Then::Ack { conn, packet_type: PacketType::Puback, id, code });
        self.fan_out_from(index, view, fx);
        self.end_charged_hold(token, (conn, view.size()), fx);
    }

    /// A QoS 2 message is kept until PUBREL. [MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT3-4.3.3-2]
    fn receive_qos2(
        &mut self,
        (conn, index): (ConnId, u32),
        (id, version): (PacketId, Version),
        view: &MessageRef<'_>,
        refused: Option<ReasonCode>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        let Some(state) = self.conns.get(conn.index) else {
            return Ok(());
        };
        let window = usize::from(state.link.receive_max);
        let bytes_max = self.settings.max_inbox_bytes;
        let Some(session) = self.sessions.get_mut(index) else {
            return Ok(());
        };
        let target = (conn.index, PacketType::Pubrec);
        let then = Then::Ack { conn, packet_type: PacketType::Pubrec, id, code: reason::SUCCESS };
        if session.inbox.contains(id) {
            if planted!(RepeatIsNew) {
                self.route(view.topic);
                self.fan_out_from(index, view, fx);
            }
            // Its record may not be durable yet, but is no later than the last.
            let token = self.holds.begin(then);
            self.holds.persisted(fx.ticket);
            self.end_charged_hold(token, (conn, 0), fx);
            return Ok(());
        }
        // The receive maximum that its CONNACK told, whatever a reload has made of it since; before MQTT 5.0 only the packet ids limit it.
        if version == Version::V5 && session.inbox.len() >= window && !planted!(ReceiveMaximumUnchecked) {
            return Err(Violation::ReceiveMaximum);
        }
        if session.inbox.bytes() + view.topic.len() + view.payload.len() > bytes_max {
            return Err(Violation::InboxFull);
        }
        // Nothing is kept of it: the id is a new message's. [MQTT-4.3.3-9]
        if let Some(code) = refused {
            self.send_ack(target, id, code, fx);
            return Ok(());
        }
        let source = session.source().clone();
        let message = Arc::new(MessageRef { source: Some(&source), ..*view }.to_message());
        let kept = session.inbox.receive(id, || message.clone());
        if planted!(TwiceDelivered) {
            self.route(view.topic);
            self.fan_out_from(index, view, fx);
        }
        let Some(session) = self.sessions.get_mut(index) else {
            return Ok(());
        };
        let record = (session.is_recorded() && kept == Received::New).then(|| Persist::Received {
            client_id: session.client_id.clone(),
            packet_id: id.get(),
            message,
        });
        match record {
            None => self.send_ack(target, id, reason::SUCCESS, fx),
            Some(record) => {
                let token = self.holds.begin(then);
                let ticket = fx.persist(record);
                self.holds.persisted(ticket);
                self.end_charged_hold(token, (conn, view.size()), fx);
            }
        }
        Ok(())
    }

    /// Sends an acknowledgement, its code as far as the version has codes.
    pub(crate) fn send_ack(
        &mut self,
        (index, packet_type): (u32, PacketType),
        id: PacketId,
        code: ReasonCode,
        fx: &mut Effects,
    ) {
        // The publisher's id [MQTT-2.2.1-5] [MQTT3-2.3.1-6], and neither a reason string nor a user property.
        // [MQTT-3.1.2-29] [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3]
        // [MQTT-3.7.2-2] [MQTT-3.7.2-3]
        let ack = Ack::new(id, code);
        let packet = match packet_type {
            PacketType::Puback => Packet::Puback(ack),
            PacketType::Pubrec => Packet::Pubrec(ack),
            PacketType::Pubrel => Packet::Pubrel(ack),
            _ => Packet::Pubcomp(ack),
        };
        self.send(index, &packet, fx);
        if let Some(session) = self.conns.get(index).and_then(|state| state.session) {
            self.note_ack(session, true, packet_type, &ack);
        }
    }

    /// Routes a client's message, with its source where somebody may ask for it later.
    fn fan_out_from(&mut self, index: u32, view: &MessageRef<'_>, fx: &mut Effects) {
        if view.retain
            && let Some(session) = self.sessions.get_mut(index)
        {
            let source = session.source().clone();
            self.fan_out(&MessageRef { source: Some(&source), ..*view }, None, fx);
        } else {
            self.fan_out(view, None, fx);
        }
    }

    fn note_received(&mut self, index: u32, publish: &Publish<'_>, topic: &str, denied: bool) {
        if self.host.wants(NoteKind::Debug)
            && let Some(session) = self.sessions.get(index)
        {
            self.host.note(&Note::Publish {
                client: &session.client_id,
                sent: false,
                denied,
                dup: publish.dup,
                qos: publish.qos,
                retain: publish.retain,
                id: publish.packet_id,
                topic,
                len: publish.payload.len(),
            });
        }
    }

    pub(crate) fn note_ack(&mut self, index: u32, sent: bool, packet_type: PacketType, ack: &Ack<'_>) {
        if self.host.wants(NoteKind::Debug)
            && let Some(session) = self.sessions.get(index)
        {
            self.host.note(&Note::Ack {
                client: &session.client_id,
                sent,
                name: packet_type.name(),
                id: ack.packet_id,
                code: ack.code,
            });
        }
    }
}

/// Takes alias and expiry out of a PUBLISH's properties; `block` gets the others if there were such.
/// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20]
fn read_properties(
    publish: &Publish<'_>,
    user_max: usize,
    block: &mut Vec<u8>,
) -> Result<Summary, Violation> {
    let mut summary = Summary::default();
    if publish.properties.is_empty() {
        return Ok(summary);
    }
    let mut user = 0;
    for property in publish.properties {
        match property {
            Property::TopicAlias(alias) => summary.alias = Some(alias),
            Property::MessageExpiryInterval(seconds) => summary.expiry_s = Some(seconds),
            Property::SubscriptionIdentifier(_) => return Err(Violation::SubscriptionId),
            Property::UserProperty(..) => user += 1,
            _ => {}
        }
    }
    if user > user_max {
        return Err(Violation::TooManyUserProperties);
    }
    if summary.alias.is_some() || summary.expiry_s.is_some() {
        let mut rest = PropertiesBuf::new();
        for property in publish.properties {
            if !matches!(property, Property::TopicAlias(_) | Property::MessageExpiryInterval(_)) {
                // It came in a packet, so it fits in one.
                let _fits = rest.push(property);
            }
        }
        block.clear();
        block.extend_from_slice(rest.as_properties().as_bytes());
    }
    Ok(summary)
}
