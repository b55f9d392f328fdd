//! PUBREL from a client: its QoS 2 message goes out, and PUBCOMP follows once it is everywhere.

use crate::effects::Effects;
use crate::hold::Then;
use crate::host::Host;
use crate::id::{ConnId, SessionId};
use crate::record::Persist;
use crate::session::Releasing;
use crate::shard::Shard;
use alloc::sync::Arc;
use pondhawk_codec::packet::Ack;
use pondhawk_codec::{PacketId, PacketType, reason};
use pondhawk_plants::planted;
use pondhawk_session::server::{Message, Violation};

impl<H: Host> Shard<H> {
    /// PUBREL: the message goes out now, if its publisher may still publish it. [MQTT-4.3.3-11]
    /// [MQTT-4.3.3-12] [MQTT-4.3.3-13] [MQTT3-4.3.3-2]
    pub(crate) fn pubrel(
        &mut self,
        conn: ConnId,
        index: u32,
        ack: &Ack<'_>,
        fx: &mut Effects,
    ) -> Result<(), Violation> {
        self.note_ack(index, false, PacketType::Pubrel, ack);
        let id = ack.packet_id;
        let Some(session) = self.sessions.get_mut(index) else {
            return Ok(());
        };
        let Some(message) = session.inbox.release(id) else {
            // The last PUBREL may still be at work, also if it came by another connection.
            if let Some(releasing) = session.releasing.get_mut(&id) {
                let again = releasing.conn == conn;
                releasing.times = if again { releasing.times.saturating_add(1) } else { 1 };
                releasing.conn = conn;
            } else {
                self.send_ack((conn.index, PacketType::Pubcomp), id, reason::PACKET_ID_NOT_FOUND, fx);
            }
            return Ok(());
        };
        let view = message.view();
        let allowed = self.host.may_publish(&session.identity, view.topic) || planted!(ReleaseWithoutRight);
        if self.settings.persistent {
            self.release((conn, index), id, (&message, allowed), fx);
            return Ok(());
        }
        self.send_ack((conn.index, PacketType::Pubcomp), id, reason::SUCCESS, fx);
        if allowed {
            self.route(view.topic);
            self.fan_out(&view, Some(&message), fx);
        }
        Ok(())
    }

    /// The message leaves the session and goes out in one turn; PUBCOMP waits for all that this leads to.
    fn release(
        &mut self,
        (conn, index): (ConnId, u32),
        id: PacketId,
        (message, allowed): (&Arc<Message>, bool),
        fx: &mut Effects,
    ) {
        let then = Then::Pubcomp { session: self.session_id(index), id };
        let token = self.holds.begin(then);
        let view = message.view();
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        session.releasing.insert(id, Releasing { token, conn, times: 1 });
        let recorded = session.is_recorded();
        if recorded && !planted!(ReleasedForgotten) {
            let client_id = session.client_id.clone();
            let ticket = fx.persist(Persist::Released { client_id, packet_id: id.get() });
            self.holds.persisted(ticket);
        }
        if allowed && recorded {
            self.send_out(&view, Some(message), fx);
        } else if allowed {
            // A crash ends the session, and with it what was half done.
            self.route(view.topic);
            self.fan_out(&view, Some(message), fx);
        }
        self.end_charged_hold(token, (conn, view.size()), fx);
    }

    /// The message of a PUBREL is everywhere. [MQTT-4.3.3-8]
    pub(crate) fn complete(&mut self, (id, packet_id): (SessionId, PacketId), token: u32, fx: &mut Effects) {
        let Some(session) = self.sessions.lookup(id.index, id.generation) else {
            return;
        };
        let Some(releasing) = session.releasing.get(&packet_id).copied() else {
            return;
        };
        if releasing.token != token {
            return;
        }
        session.releasing.remove(&packet_id);
        let conn = releasing.conn;
        if self.conns.lookup(conn.index, conn.generation).is_some_and(|state| state.is_connected()) {
            for _ in 0..releasing.times {
                self.send_ack((conn.index, PacketType::Pubcomp), packet_id, reason::SUCCESS, fx);
            }
        }
    }
}
