//! The end of a successful CONNECT: session, CONNACK, and what the session had waiting.

use crate::conn::Phase;
use crate::connect::Entry;
use crate::effects::Effects;
use crate::exchange::find_method;
use crate::host::{Host, Note, NoteKind, Slot};
use crate::id::ConnId;
use crate::session::Session;
use crate::shard::Shard;
use crate::timers::Timer;
use alloc::boxed::Box;
use alloc::vec::Vec;
use pondhawk_codec::packet::Connack;
use pondhawk_codec::{Packet, PropertiesBuf, Property, Qos, TooLarge, Version, reason};
use pondhawk_plants::planted;
use pondhawk_session::server::Millis;

impl<H: Host> Shard<H> {
    /// The session that the client gets, and whether it was there. `None` if no more may be made.
    /// [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.4-4] [MQTT-3.2.2-2] [MQTT-3.2.2-3]
    /// [MQTT3-3.1.2-4] [MQTT3-3.1.2-6] [MQTT3-3.1.4-3] [MQTT3-3.2.2-1] [MQTT3-3.2.2-2] [MQTT3-3.2.2-3]
    pub(crate) fn enter_session(
        &mut self,
        listener: u16,
        entry: &Entry<'_>,
        fx: &mut Effects,
    ) -> Option<(u32, bool)> {
        let expiry_s = self.session_expiry(entry);
        // [MQTT-3.1.3-2] [MQTT3-3.1.3-2]
        let existing = self.by_client.get(entry.client_id).copied();
        if let Some(index) = existing {
            if !entry.connect.clean_start && !planted!(SessionNotResumed) || planted!(CleanStartKeeps) {
                self.resume_session(index, listener, (entry, expiry_s), fx);
                return Some((index, !entry.connect.clean_start));
            }
            self.end_session(index, fx);
        }
        if !self.host.reserve(Slot::Session) {
            return None;
        }
        let identity = self.host.identify(listener, entry.username, entry.client_id);
        let session = Session {
            username: entry.username.map(Into::into),
            expiry_s,
            mount: self.mount_point(listener),
            ..Session::new((entry.client_id.into(), listener), identity)
        };
        Some((self.begin_session(session, fx), false))
    }

    fn resume_session(
        &mut self,
        index: u32,
        listener: u16,
        (entry, expiry_s): (&Entry<'_>, u32),
        fx: &mut Effects,
    ) {
        let mount = self.mount_point(listener);
        let identity = self.host.identify(listener, entry.username, entry.client_id);
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        session.identity = identity;
        session.username = entry.username.map(Into::into);
        session.unclaimed = false;
        session.listener = listener;
        session.mount = mount;
        session.source = None;
        session.expiry_s = expiry_s;
        session.expires_at = Millis::MAX;
        session.absent = false;
        // Back before its delay has passed: the will is not sent. [MQTT-3.1.3-9]
        let will = if planted!(WillNotCalledOff) { None } else { session.will.take() };
        session.outbox.resume();
        if will.is_some() {
            self.record_will_gone(index, fx);
        }
        self.store_session(index, fx);
    }

    pub(crate) fn mount_point(&self, listener: u16) -> Option<Box<str>> {
        let rules = self.settings.listeners.get(usize::from(listener))?;
        rules.mount_point.clone()
    }

    /// Seconds that the session outlives its connection.
    pub(crate) fn session_expiry(&self, entry: &Entry<'_>) -> u32 {
        let asked = match entry.connect.version {
            Version::V5 => session_expiry_property(entry),
            _ if entry.connect.clean_start => 0,
            _ => u32::MAX,
        };
        self.settings.persistent_client_expiration_s.map_or(asked, |max| asked.min(max))
    }

    /// The client has its session: one CONNACK, then what waited for it. [MQTT-3.1.4-5] [MQTT-3.2.0-1] [MQTT-3.2.0-2]
    /// [MQTT3-3.1.4-4] [MQTT3-3.2.0-1]
    pub(crate) fn connected(
        &mut self,
        conn: ConnId,
        index: u32,
        (entry, resumed): (&Entry<'_>, bool),
        fx: &mut Effects,
    ) {
        self.set_up_link(conn, index, entry);
        if let Some(will) = self.conns.get(conn.index).and_then(|state| state.will.clone()) {
            self.record_will(index, (&will, None), fx);
        }
        self.note_connected(conn, entry);
        let properties = if entry.connect.version == Version::V5 {
            // All of them are short, or came in a packet that was no longer.
            self.connack_properties(conn, entry).unwrap_or_default()
        } else {
            PropertiesBuf::new()
        };
        // MQTT 3.1 has no such flag.
        let resumed = resumed && entry.connect.version != Version::V31 && !planted!(SessionPresentLie);
        let connack = Connack {
            session_present: resumed,
            code: reason::SUCCESS,
            properties: properties.as_properties(),
        };
        if self.host.wants(NoteKind::Debug) {
            self.host.note(&Note::Connack { client: entry.client_id, session_present: resumed, code: 0 });
        }
        let mut len = Vec::new();
        let fits = connack.encode(entry.connect.version, &mut len).is_ok();
        let packet_max = self.conns.get(conn.index).map_or(0, |state| state.link.packet_max as usize);
        if !fits || len.len() > packet_max {
            // It cannot be told that it is connected, so it is not. [MQTT-3.1.2-24]
            self.finish(
                conn.index,
                crate::host::Ended::Error("CONNACK larger than its maximum packet size"),
                fx,
            );
            self.close(conn.index, fx);
            return;
        }
        self.send_connack(conn, &connack, entry.client_id, fx);
        self.announce_presence(index, true, fx);
        self.pump(index, fx);
    }

    /// CONNACK waits for all that was recorded of the client, so that what it says of the session stays true.
    fn send_connack(&mut self, conn: ConnId, connack: &Connack<'_>, client_id: &str, fx: &mut Effects) {
        let rests_on = self.holds.told_of(client_id);
        let at = self.conns.get(conn.index).map_or(0, |state| state.out.len());
        self.send(conn.index, &Packet::Connack(*connack), fx);
        if let Some(state) = self.conns.get_mut(conn.index) {
            state.told_by = rests_on;
            self.holds.mark((conn, state), at, rests_on);
        }
    }

    fn set_up_link(&mut self, conn: ConnId, index: u32, entry: &Entry<'_>) {
        let settings = self.settings.clone();
        let (Some(state), Some(session)) = (self.conns.get_mut(conn.index), self.sessions.get_mut(index))
        else {
            return;
        };
        session.conn = Some(conn.index);
        state.session = Some(index);
        state.phase = Phase::Connected;
        let Some(rules) = settings.listeners.get(usize::from(state.listener)) else {
            return;
        };
        // [MQTT-3.1.2-7] [MQTT3-3.1.2-8]
        state.will = entry.will(rules.mount_point.as_deref().unwrap_or_default());
        state.method = find_method(entry.connect).map(|(method, _)| method.into());
        let link = &mut state.link;
        link.window = settings.window();
        link.receive_max = link.window;
        let mut alias_max = 0;
        for property in entry.connect.properties {
            match property {
                // [MQTT-3.3.4-9] [MQTT-4.9.0-1]
                Property::ReceiveMaximum(n) => link.window = n.min(link.window),
                Property::MaximumPacketSize(n) => link.packet_max = n,
                Property::TopicAliasMaximum(n) => alias_max = n,
                Property::RequestProblemInformation(n) => link.problem_information = n == 1,
                _ => {}
            }
        }
        if entry.connect.version == Version::V5 {
            link.set_alias_maximums(rules.max_topic_alias, alias_max.min(rules.max_topic_alias_broker));
        }
        link.keep_alive_s = keep_alive(entry, settings.max_keepalive_s);
        if link.keep_alive_s > 0 {
            self.timers.set(self.now + u64::from(link.keep_alive_s) * 1500, Timer::KeepAlive(conn));
        }
    }

    /// The properties of CONNACK in Mosquitto's order. Response information, a reason string and user properties are
    /// never among them, whatever the client asks for and takes. [MQTT-3.1.2-28] [MQTT-3.1.2-29] [MQTT-3.2.2-19]
    /// [MQTT-3.2.2-20]
    fn connack_properties(&self, conn: ConnId, entry: &Entry<'_>) -> Result<PropertiesBuf, TooLarge> {
        let mut properties = PropertiesBuf::new();
        let settings = &self.settings;
        let listener = self.conns.get(conn.index).map_or(0, |state| usize::from(state.listener));
        let Some(rules) = settings.listeners.get(listener) else {
            return Ok(properties);
        };
        let keep_alive_s = keep_alive(entry, settings.max_keepalive_s);
        let expiry_s = self.session_expiry(entry);
        if expiry_s != session_expiry_property(entry) {
            properties.push(Property::SessionExpiryInterval(expiry_s))?;
        }
        if keep_alive_s != entry.connect.keep_alive {
            properties.push(Property::ServerKeepAlive(keep_alive_s))?;
        }
        if rules.max_topic_alias > 0 {
            properties.push(Property::TopicAliasMaximum(rules.max_topic_alias))?;
        }
        if entry.assigned || rules.use_username_as_client_id {
            // [MQTT-3.1.3-7]
            properties.push(Property::AssignedClientIdentifier(entry.client_id))?;
        }
        // [MQTT-4.12.0-5] [MQTT-4.12.0-6]
        if let Some((method, _)) = find_method(entry.connect) {
            properties.push(Property::AuthenticationMethod(method))?;
            if let Some(data) = entry.auth_data {
                properties.push(Property::AuthenticationData(data))?;
            }
        }
        if !settings.retain_available {
            properties.push(Property::RetainAvailable(0))?;
        }
        if settings.max_packet_size > 0 {
            properties.push(Property::MaximumPacketSize(settings.max_packet_size))?;
        }
        if settings.window() < u16::MAX {
            properties.push(Property::ReceiveMaximum(settings.window()))?;
        }
        if rules.max_qos < Qos::ExactlyOnce {
            // [MQTT-3.2.2-9]
            properties.push(Property::MaximumQos(rules.max_qos.as_u8()))?;
        }
        Ok(properties)
    }

    fn note_connected(&mut self, conn: ConnId, entry: &Entry<'_>) {
        let Some(state) = self.conns.get(conn.index) else {
            return;
        };
        if self.host.wants(NoteKind::Notice) {
            self.host.note(&Note::Connected {
                peer: &state.peer,
                client: entry.client_id,
                version: entry.connect.version,
                clean_start: entry.connect.clean_start,
                keep_alive_s: entry.connect.keep_alive,
                username: entry.username,
            });
        }
        if self.host.wants(NoteKind::Debug) {
            let will = entry.connect.will.as_ref();
            self.host.note(&Note::Will {
                will: will.map(|will| (will.topic, will.payload.len(), will.retain, will.qos)),
            });
        }
    }
}

/// The keep alive that is in force. [MQTT-3.2.2-22]
fn keep_alive(entry: &Entry<'_>, max: u16) -> u16 {
    let asked = entry.connect.keep_alive;
    if max > 0 && (asked == 0 || asked > max) { max } else { asked }
}

fn session_expiry_property(entry: &Entry<'_>) -> u32 {
    let asked = entry.connect.properties.find(|property| match property {
        Property::SessionExpiryInterval(seconds) => Some(seconds),
        _ => None,
    });
    asked.unwrap_or(0)
}
