//! How connections end: DISCONNECT, violations, take-over, failure.

use crate::conn::Phase;
use crate::effects::Effects;
use crate::host::{Ended, Host, Note, NoteKind, Slot};
use crate::id::ConnId;
use crate::shard::Shard;
use alloc::string::ToString;
use pondhawk_codec::packet::{Connack, Disconnect};
use pondhawk_codec::reason::{self, ReasonCode};
use pondhawk_codec::{Packet, PacketType, Properties, Property, Version};
use pondhawk_plants::planted;
use pondhawk_session::server::Violation;

impl<H: Host> Shard<H> {
    /// DISCONNECT from the client. [MQTT-3.14.4-3] [MQTT3-3.14.4-3]
    pub(crate) fn disconnect(
        &mut self,
        conn: ConnId,
        index: u32,
        packet: &Disconnect<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        let mut expiry_s = None;
        for property in packet.properties {
            match property {
                Property::SessionExpiryInterval(seconds) => expiry_s = Some(seconds),
                // Only a server refers to another.
                Property::ServerReference(_) => {
                    return Err(Violation::UnexpectedPacket(PacketType::Disconnect));
                }
                _ => {}
            }
        }
        if let (Some(expiry_s), Some(session)) = (expiry_s, self.sessions.get_mut(index)) {
            if session.expiry_s == 0 && expiry_s > 0 {
                return Err(Violation::ExpiryRaised);
            }
            let max = self.settings.persistent_client_expiration_s;
            session.expiry_s = expiry_s.min(max.unwrap_or(u32::MAX));
        }
        self.note_packet(index, false, "DISCONNECT");
        // [MQTT-3.1.2-10] [MQTT-3.14.4-3] [MQTT3-3.1.2-10] [MQTT3-3.14.4-3]
        if packet.code == reason::SUCCESS
            && !planted!(WillAfterDisconnect)
            && let Some(state) = self.conns.get_mut(conn.index)
            && state.will.take().is_some()
        {
            self.record_will_gone(index, fx);
        }
        self.finish(conn.index, Ended::Disconnected, fx);
        self.close(conn.index, fx);
        Ok(())
    }

    /// The client broke a rule: it is told in MQTT 5.0, and its connection ends. [MQTT-4.13.1-1]
    /// [MQTT-3.14.1-1] [MQTT-4.13.2-1] [MQTT3-4.8.0-1]
    pub(crate) fn punish(&mut self, conn: ConnId, violation: Violation, fx: &mut Effects) {
        let Some(state) = self.conns.get(conn.index) else {
            return;
        };
        if state.is_connected() {
            self.say_disconnect(conn.index, violation.reason(), fx);
        } else if matches!(state.phase, Phase::Exchanging(_)) {
            self.refuse(conn.index, violation.reason(), fx);
        }
        let text = violation.to_string();
        self.finish(conn.index, Ended::Error(&text), fx);
        self.close(conn.index, fx);
    }

    /// DISCONNECT to the client, which exists in MQTT 5.0 only and after CONNACK only. [MQTT-3.14.0-1]
    /// It has no properties. [MQTT-3.14.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4]
    pub(crate) fn say_disconnect(&mut self, index: u32, code: ReasonCode, fx: &mut Effects) {
        let durable = self.holds.durable();
        let Some(conn) = self.conns.get_mut(index) else { return };
        // What waits for the store will not be written any more, and must not stand in front.
        conn.forget_held(durable);
        if conn.is_connected() && conn.told_by <= durable && conn.link.version == Version::V5 {
            self.send(index, &Packet::Disconnect(Disconnect::new(code)), fx);
        }
    }

    /// A CONNACK that refuses, without properties. [MQTT-3.2.2-6] [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT3-3.2.2-4]
    pub(crate) fn refuse(&mut self, index: u32, code: ReasonCode, fx: &mut Effects) {
        let Some(conn) = self.conns.get(index) else { return };
        let code = match conn.link.version {
            Version::V5 => code,
            Version::V31 | Version::V311 => ReasonCode(code.to_connack_v3()),
        };
        let connack = Connack { session_present: false, code, properties: Properties::EMPTY };
        self.send(index, &Packet::Connack(connack), fx);
    }

    /// Separates a connection from its session, if it has one: will, expiry, log. Idempotent. Nothing goes out to a
    /// connection without a session. [MQTT-3.14.4-1] [MQTT-3.14.4-2]
    pub(crate) fn finish(&mut self, index: u32, how: Ended<'_>, fx: &mut Effects) {
        let Some(conn) = self.conns.get_mut(index) else {
            return;
        };
        let greeting = !matches!(conn.phase, Phase::Closing) && conn.session.is_none();
        conn.phase = Phase::Closing;
        let will = conn.will.take();
        let Some(session) = conn.session.take() else {
            if greeting {
                self.note_ended(index, &how);
            }
            return;
        };
        if !planted!(PlaceLeaks) {
            self.host.release(Slot::Connection);
        }
        self.note_ended_session(index, session, &how);
        if let Some(state) = self.sessions.get_mut(session) {
            state.conn = None;
        }
        // Before its will, which must not be given to a member that has just gone.
        self.announce_presence(session, false, fx);
        if let Some(will) = will {
            self.will_due(session, will, fx);
        }
        self.leave_session(session, fx);
    }

    /// Lets the driver close the connection once its output is written.
    pub(crate) fn close(&mut self, index: u32, fx: &mut Effects) {
        let id = self.conn_id(index);
        fx.close.push(id);
    }

    pub(crate) fn note_ended(&mut self, index: u32, how: &Ended<'_>) {
        if self.host.wants(NoteKind::Notice)
            && let Some(conn) = self.conns.get(index)
        {
            self.host.note(&Note::Ended { peer: &conn.peer, client: "", how: how.clone() });
        }
    }

    fn note_ended_session(&mut self, index: u32, session: u32, how: &Ended<'_>) {
        if self.host.wants(NoteKind::Notice)
            && let (Some(conn), Some(session)) = (self.conns.get(index), self.sessions.get(session))
        {
            self.host.note(&Note::Ended { peer: &conn.peer, client: &session.client_id, how: how.clone() });
        }
    }
}
