//! Bytes in: frames, packets, and what each of them does. Before it: the transport. After it: events, `send`.

use super::error::Violation;
use super::event::{Cause, Event, Message, Trace, TracedPacket};
use super::incoming::Owed;
use super::inflight::Stage;
use super::options::AckMode;
use super::{Client, Pending, State, codes};
use alloc::string::String;
use alloc::vec::Vec;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::{Ack, Auth, Disconnect, Publish, Suback, Unsuback};
use pondhawk_codec::{Frame, Packet, PacketId, PacketType, PropertiesBuf, Property, Qos, reason};

impl Client {
    /// Bytes arrived. All of them are taken, however they are split.
    ///
    /// What the server does wrong ends the connection with a [`Violation`] in [`Event::Disconnected`]; bytes
    /// after that, or after a DISCONNECT, are not looked at.
    pub fn receive(&mut self, now: u64, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.receive_packet(now, rest);
            rest = &rest[taken..];
        }
    }

    /// Bytes arrived. At most one packet is taken, so that its events can be acted on before the next packet
    /// is acknowledged. Returns how many bytes were taken: all of them if they are only a part of a packet, or
    /// if there is no connection any more; none only if there were none.
    pub fn receive_packet(&mut self, now: u64, bytes: &[u8]) -> usize {
        if self.state == State::Offline || bytes.is_empty() {
            return bytes.len();
        }
        self.keep_alive.received(now);
        if self.partial.is_empty() {
            return match self.receive_first(now, bytes) {
                Some(taken) => taken,
                None => {
                    self.partial.extend_from_slice(bytes);
                    bytes.len()
                }
            };
        }
        let mut held = core::mem::take(&mut self.partial);
        let before = held.len();
        held.extend_from_slice(bytes);
        match self.receive_first(now, &held) {
            // The held bytes alone were not a whole packet.
            Some(taken) => taken.saturating_sub(before),
            None => {
                self.partial = held;
                bytes.len()
            }
        }
    }

    /// Handles the packet at the front of `bytes`; returns its length, or nothing if it is not whole.
    fn receive_first(&mut self, now: u64, bytes: &[u8]) -> Option<usize> {
        let (taken, outcome) = match frame::next(bytes, self.options.packet_size_max()) {
            Ok(Step::Need(_)) => return None,
            Ok(Step::Frame(frame)) => (frame.len, self.receive_frame(&frame, now)),
            Err(malformed) => (bytes.len(), Err(malformed.into())),
        };
        if let Err(violation) = outcome {
            self.violation(violation);
        }
        Some(taken)
    }

    fn receive_frame(&mut self, frame: &Frame<'_>, now: u64) -> Result<(), Violation> {
        let packet_type = frame.packet_type;
        if packet_type == PacketType::Connect {
            return Err(Violation::NotFromServer(packet_type));
        }
        if self.state == State::Handshaking && self.is_refusal_of_v5(frame) {
            let code = reason::UNSUPPORTED_PROTOCOL_VERSION;
            self.trace(|| Trace::Received(TracedPacket::Coded { packet_type: PacketType::Connack, code }));
            let properties = PropertiesBuf::new();
            self.end(Cause::Refused { code, properties });
            return Ok(());
        }
        let packet = Packet::decode(frame, self.options.version)?;
        match (self.state, packet) {
            (State::Handshaking, Packet::Connack(connack)) => self.handle_connack(&connack, now),
            (_, Packet::Auth(auth)) => self.handle_auth(&auth),
            (State::Handshaking, _) => Err(Violation::ConnackExpected(packet_type)),
            (_, packet) => self.handle_online(packet, now),
        }
    }

    /// A server that does not know MQTT 5.0 refuses it with a CONNACK in an older form. [MQTT-3.1.2-2]
    fn is_refusal_of_v5(&self, frame: &Frame<'_>) -> bool {
        const REFUSED_VERSION: u8 = 1;
        self.options.version.has_properties()
            && frame.packet_type == PacketType::Connack
            && matches!(frame.body, [_, REFUSED_VERSION])
    }

    fn handle_online(&mut self, packet: Packet<'_>, now: u64) -> Result<(), Violation> {
        match packet {
            Packet::Connack(_) => return Err(Violation::ConnackTwice),
            Packet::Publish(publish) => return self.handle_publish(&publish, now),
            Packet::Puback(ack) => return self.handle_final_ack(&ack, PacketType::Puback, now),
            Packet::Pubrec(ack) => return self.handle_pubrec(&ack, now),
            Packet::Pubrel(ack) => self.handle_pubrel(&ack, now),
            Packet::Pubcomp(ack) => return self.handle_final_ack(&ack, PacketType::Pubcomp, now),
            Packet::Suback(suback) => return self.handle_suback(&suback),
            Packet::Unsuback(unsuback) => return self.handle_unsuback(&unsuback),
            Packet::Pingresp => {
                self.trace(|| Trace::Received(TracedPacket::Plain(PacketType::Pingresp)));
                self.keep_alive.pong();
            }
            Packet::Disconnect(disconnect) => return self.handle_disconnect(&disconnect),
            Packet::Auth(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::Pingreq => {
                return Err(Violation::NotFromServer(packet.packet_type()));
            }
        }
        Ok(())
    }

    fn handle_publish(&mut self, publish: &Publish<'_>, now: u64) -> Result<(), Violation> {
        let topic = self.incoming.topic(publish, self.options.incoming_aliases_max())?;
        self.trace(|| Trace::Received(traced(publish, &topic)));
        let message = Message {
            topic,
            payload: Vec::from(publish.payload),
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            id: publish.packet_id,
            properties: PropertiesBuf::from(publish.properties),
        };
        // Acknowledged by its QoS, whatever the application makes of it, in the order in which it came.
        // [MQTT-3.3.4-1] [MQTT-4.5.0-2] [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT3-3.3.4-1] [MQTT3-4.5.0-2]
        // [MQTT3-4.6.0-2] [MQTT3-4.6.0-3]
        let Some(id) = publish.packet_id else {
            self.events.push_back(Event::Message(message));
            return Ok(());
        };
        // [MQTT-3.3.4-9]
        let full = self.incoming.unanswered() >= self.options.receive_max();
        if full && !self.incoming.holds(id) {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        match publish.qos {
            // Never refused, so that the identifier always means this message. [MQTT-4.3.3-8] [MQTT-4.3.3-9]
            Qos::ExactlyOnce => {
                self.incoming.hold(id, message);
                self.write_ack(PacketType::Pubrec, id, reason::SUCCESS, now);
            }
            Qos::AtMostOnce | Qos::AtLeastOnce => {
                // Afterwards the identifier is a new message's. [MQTT-4.3.2-4] [MQTT-4.3.2-5] [MQTT3-4.3.2-2]
                match self.options.ack {
                    AckMode::Automatic => self.write_ack(PacketType::Puback, id, reason::SUCCESS, now),
                    AckMode::Manual => self.incoming.owe(id, Owed::Puback),
                }
                self.events.push_back(Event::Message(message));
            }
        }
        Ok(())
    }

    /// PUBREL: the message is ours now, once, however old it is. [MQTT-4.3.3-11] [MQTT-4.3.3-12]
    /// [MQTT-4.3.3-13] [MQTT3-4.3.3-2]
    fn handle_pubrel(&mut self, ack: &Ack<'_>, now: u64) {
        let id = ack.packet_id;
        self.trace_ack(PacketType::Pubrel, ack);
        let Some(message) = self.incoming.release(id) else {
            // Released before, or on a connection that this client does not remember.
            if !self.incoming.holds(id) {
                let code = match self.options.version.has_properties() {
                    true => reason::PACKET_ID_NOT_FOUND,
                    false => reason::SUCCESS,
                };
                self.write_ack(PacketType::Pubcomp, id, code, now);
            }
            return;
        };
        match self.options.ack {
            AckMode::Automatic => self.write_ack(PacketType::Pubcomp, id, reason::SUCCESS, now),
            AckMode::Manual => self.incoming.owe(id, Owed::Pubcomp),
        }
        self.events.push_back(Event::Message(message));
    }

    /// PUBACK or PUBCOMP: the server has answered for the message. One for a message that we do not know is
    /// left alone: it may belong to a session that a server and an earlier program remember.
    fn handle_final_ack(
        &mut self,
        ack: &Ack<'_>,
        packet_type: PacketType,
        now: u64,
    ) -> Result<(), Violation> {
        self.trace_ack(packet_type, ack);
        let awaited = match packet_type {
            PacketType::Puback => Stage::Puback,
            _ => Stage::Pubcomp,
        };
        match self.inflight.stage(ack.packet_id) {
            Some(stage) if stage == awaited => {
                self.published(ack.packet_id, ack.code, PropertiesBuf::from(ack.properties));
                self.flush(now);
                Ok(())
            }
            Some(_) => Err(Violation::AckMismatch(packet_type, ack.packet_id)),
            None => Ok(()),
        }
    }

    /// PUBREC: an error ends the exchange, success asks for PUBREL at once, so in the order of the PUBRECs.
    /// [MQTT-4.3.3-4] [MQTT-4.4.0-2] [MQTT-4.6.0-4] [MQTT3-4.3.3-1] [MQTT3-4.6.0-4]
    fn handle_pubrec(&mut self, ack: &Ack<'_>, now: u64) -> Result<(), Violation> {
        let id = ack.packet_id;
        self.trace_ack(PacketType::Pubrec, ack);
        match self.inflight.stage(id) {
            Some(Stage::Pubrec) if ack.code.is_error() => {
                self.published(id, ack.code, PropertiesBuf::from(ack.properties));
                self.flush(now);
            }
            Some(Stage::Pubrec | Stage::Pubcomp) => {
                self.inflight.received(id);
                self.write_ack(PacketType::Pubrel, id, reason::SUCCESS, now);
            }
            Some(Stage::Waiting | Stage::Puback) => {
                return Err(Violation::AckMismatch(PacketType::Pubrec, id));
            }
            None if ack.code.is_error() => {}
            None if self.options.version.has_properties() => {
                self.write_ack(PacketType::Pubrel, id, reason::PACKET_ID_NOT_FOUND, now);
            }
            None => self.write_ack(PacketType::Pubrel, id, reason::SUCCESS, now),
        }
        Ok(())
    }

    /// The server has answered for the message.
    pub(super) fn published(
        &mut self,
        id: PacketId,
        code: pondhawk_codec::ReasonCode,
        properties: PropertiesBuf,
    ) {
        self.inflight.remove(id);
        self.events.push_back(Event::Published { id, code, properties });
    }

    fn handle_suback(&mut self, suback: &Suback<'_>) -> Result<(), Violation> {
        let id = suback.packet_id;
        self.trace(|| Trace::Received(TracedPacket::Plain(PacketType::Suback)));
        let Some(Pending::Subscribe(filters)) = self.pending.get(&id).copied() else {
            return Err(Violation::AckUnasked(PacketType::Suback, id));
        };
        check_codes(id, filters, suback.codes)?;
        self.pending.remove(&id);
        self.events.push_back(Event::Subscribed {
            id,
            codes: codes(suback.codes),
            properties: PropertiesBuf::from(suback.properties),
        });
        Ok(())
    }

    fn handle_unsuback(&mut self, unsuback: &Unsuback<'_>) -> Result<(), Violation> {
        let id = unsuback.packet_id;
        self.trace(|| Trace::Received(TracedPacket::Plain(PacketType::Unsuback)));
        let Some(Pending::Unsubscribe(filters)) = self.pending.get(&id).copied() else {
            return Err(Violation::AckUnasked(PacketType::Unsuback, id));
        };
        if self.options.version.has_properties() {
            check_codes(id, filters, unsuback.codes)?;
        }
        self.pending.remove(&id);
        self.events.push_back(Event::Unsubscribed {
            id,
            codes: codes(unsuback.codes),
            properties: PropertiesBuf::from(unsuback.properties),
        });
        Ok(())
    }

    /// The server has no more to say, such as after a re-authentication that failed. [MQTT-4.12.1-2]
    fn handle_disconnect(&mut self, disconnect: &Disconnect<'_>) -> Result<(), Violation> {
        if !self.options.version.has_properties() {
            return Err(Violation::NotFromServer(PacketType::Disconnect));
        }
        let code = disconnect.code;
        self.trace(|| Trace::Received(TracedPacket::Coded { packet_type: PacketType::Disconnect, code }));
        let properties = PropertiesBuf::from(disconnect.properties);
        self.end(Cause::Server { code, properties });
        Ok(())
    }

    fn handle_auth(&mut self, auth: &Auth<'_>) -> Result<(), Violation> {
        let Some(wanted) = self.options.authentication_method() else {
            return Err(Violation::AuthUnasked);
        };
        let method = auth.properties.find(|property| match property {
            Property::AuthenticationMethod(method) => Some(method),
            _ => None,
        });
        if method != Some(wanted.as_str()) {
            return Err(Violation::AuthMethodChanged);
        }
        let code = auth.code;
        self.trace(|| Trace::Received(TracedPacket::Coded { packet_type: PacketType::Auth, code }));
        self.events.push_back(Event::Auth { code, properties: PropertiesBuf::from(auth.properties) });
        Ok(())
    }

    fn trace_ack(&mut self, packet_type: PacketType, ack: &Ack<'_>) {
        self.trace(|| Trace::Received(TracedPacket::Ack { packet_type, id: ack.packet_id, code: ack.code }));
    }
}

/// [MQTT-3.8.4-6]
fn check_codes(id: PacketId, filters: usize, codes: &[u8]) -> Result<(), Violation> {
    if filters == codes.len() {
        return Ok(());
    }
    let codes = codes.len();
    Err(Violation::AckCodes { id, filters, codes })
}

fn traced(publish: &Publish<'_>, topic: &str) -> TracedPacket {
    TracedPacket::Publish {
        dup: publish.dup,
        qos: publish.qos,
        retain: publish.retain,
        id: publish.packet_id,
        topic: String::from(topic),
        len: publish.payload.len(),
    }
}
