//! CONNECT: checks, authentication, take-over, the session that results.
//!
//! ```text
//! Greeting ─ CONNECT ─► checks ─► gate ─┬─ accept ──────────────► admit ─► Connected
//!                          │            ├─ ask ─► Asked ─ answer ─┤
//!                          │            │           ▲             ├─ continue ─► Exchanging
//!                          ▼            ▼           └──── AUTH ───┼──────────────────┘
//!                       CONNACK with a reason, close ◄── refuse ──┘
//! ```

use crate::conn::{Asked, Phase};

use crate::effects::{Answer, Effects, Question, Subject};
use crate::exchange::find_method;
use crate::host::{Ended, Gate, Host, Note, NoteKind, Slot};
use crate::id::ConnId;
use crate::settings::ListenerSettings;
use crate::shard::Shard;
use crate::will::Will;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use pondhawk_codec::packet::{Connect, ConnectRefused};
use pondhawk_codec::reason::{self, ReasonCode};
use pondhawk_codec::{Frame, Kind, PacketType, Properties, Property, Version, topic};
use pondhawk_plants::planted;
use pondhawk_session::server::{Link, Violation};

/// Why a CONNECT is turned away.
pub(crate) enum Refusal {
    /// With this code in CONNACK.
    Code(ReasonCode, &'static str),
    /// Without a word, since no return code says it. [MQTT3-3.2.2-6]
    Silent(&'static str),
}

/// What the log says of a refusal that an answer brings.
fn why_refused(code: ReasonCode) -> &'static str {
    match code {
        reason::CONNECTION_RATE_EXCEEDED => "too many failed logins",
        reason::SERVER_BUSY => "server busy",
        _ => "not authorised",
    }
}

impl<H: Host> Shard<H> {
    /// The first packet of a connection. [MQTT-3.1.0-1]
    pub(crate) fn connect(&mut self, conn: ConnId, frame: &Frame<'_>, fx: &mut Effects) {
        if frame.packet_type != PacketType::Connect {
            let violation = Violation::UnexpectedPacket(frame.packet_type);
            self.end_greeting(conn, &violation.to_string(), fx);
            return;
        }
        let connect = match Connect::decode(frame) {
            Ok(connect) => connect,
            Err(refused) => {
                self.refuse_undecoded(conn, refused, fx);
                return;
            }
        };
        let Some(state) = self.conns.get_mut(conn.index) else {
            return;
        };
        state.link = Link::new(connect.version);
        let listener = state.listener;
        if let Err(refusal) = self.check_connect(listener, &connect) {
            self.turn_away(conn, &connect, refusal, fx);
            return;
        }
        match self.host.gate(listener, &connect) {
            Gate::Accept => self.admit(conn, &connect, &Answer::Accept { username: None, data: None }, fx),
            Gate::Refuse(code) => self.turn_away(conn, &connect, Refusal::Code(code, "not authorised"), fx),
            Gate::Ask => self.ask(conn, frame, &connect, fx),
        }
    }

    /// [MQTT-3.1.2-1] [MQTT-3.1.2-2] [MQTT-3.1.4-1] [MQTT3-3.1.2-1] [MQTT3-3.1.2-2] [MQTT3-3.1.4-1]
    fn refuse_undecoded(&mut self, conn: ConnId, refused: ConnectRefused, fx: &mut Effects) {
        let version_5 = |code| (Version::V5, code);
        let answer = match refused {
            ConnectRefused::ProtocolName => None,
            ConnectRefused::ProtocolLevel { named_mqtt: true, level } if level & 0x7f > 4 => {
                Some(version_5(reason::UNSUPPORTED_PROTOCOL_VERSION))
            }
            ConnectRefused::ProtocolLevel { .. } => {
                Some((Version::V311, reason::UNSUPPORTED_PROTOCOL_VERSION))
            }
            ConnectRefused::Malformed(Some(Version::V5), malformed)
                if malformed.kind != Kind::ConnectFlags =>
            {
                Some(version_5(malformed.reason()))
            }
            ConnectRefused::Malformed(..) => None,
        };
        if let (Some((version, code)), Some(state)) = (answer, self.conns.get_mut(conn.index)) {
            state.link = Link::new(version);
            self.refuse(conn.index, code, fx);
        }
        self.end_greeting(conn, &refused.to_string(), fx);
    }

    pub(crate) fn end_greeting(&mut self, conn: ConnId, why: &str, fx: &mut Effects) {
        self.finish(conn.index, Ended::Error(why), fx);
        self.close(conn.index, fx);
    }

    /// Nothing of the connection is read any more. [MQTT-3.1.3-8] [MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT-3.2.2-7]
    /// [MQTT-4.12.0-4] [MQTT3-3.1.3-9] [MQTT3-3.1.4-5] [MQTT3-3.2.2-5]
    pub(crate) fn turn_away(
        &mut self,
        conn: ConnId,
        connect: &Connect<'_>,
        refusal: Refusal,
        fx: &mut Effects,
    ) {
        let (code, why) = match refusal {
            Refusal::Code(code, why) => (code, why),
            Refusal::Silent(why) => (reason::UNSPECIFIED_ERROR, why),
        };
        if matches!(refusal, Refusal::Code(..)) {
            self.refuse(conn.index, code, fx);
        }
        if let Some(state) = self.conns.get_mut(conn.index) {
            state.phase = Phase::Closing;
            if self.host.wants(NoteKind::Notice) {
                let note = Note::Refused { peer: &state.peer, client: connect.client_id, code, why };
                self.host.note(&note);
            }
        }
        self.close(conn.index, fx);
    }

    /// Everything that can be judged without a question.
    fn check_connect(&self, listener: u16, connect: &Connect<'_>) -> Result<(), Refusal> {
        let Some(rules) = self.settings.listeners.get(usize::from(listener)) else {
            return Err(Refusal::Silent("unknown listener"));
        };
        if !rules.versions.contains(&connect.version) {
            return Err(Refusal::Code(
                reason::UNSUPPORTED_PROTOCOL_VERSION,
                "protocol version not accepted here",
            ));
        }
        let will = connect.will.map_or(Properties::EMPTY, |will| will.properties);
        let over = |properties: Properties<'_>| {
            let user = |property: &Property<'_>| matches!(property, Property::UserProperty(..));
            properties.iter().filter(user).count() > self.settings.max_user_properties
        };
        if over(connect.properties) || over(will) {
            return Err(Refusal::Code(reason::QUOTA_EXCEEDED, "too many user properties"));
        }
        self.check_client_id(rules, connect)?;
        self.check_keep_alive(connect)?;
        self.check_will(rules, connect)
    }

    /// Any id within the limit will do. [MQTT-3.1.3-5] [MQTT3-3.1.3-5]
    fn check_client_id(&self, rules: &ListenerSettings, connect: &Connect<'_>) -> Result<(), Refusal> {
        let settings = &self.settings;
        let refused = |why| Err(Refusal::Code(reason::CLIENT_ID_NOT_VALID, why));
        if rules.use_username_as_client_id && connect.username.is_none() {
            return Err(Refusal::Code(reason::NOT_AUTHORIZED, "no user name to use as client id"));
        }
        if connect.username.is_some_and(|name| name.len() > settings.max_username_bytes) {
            return Err(Refusal::Code(reason::BAD_USERNAME_OR_PASSWORD, "user name too long"));
        }
        let client_id = effective_client_id(rules, connect);
        if client_id.is_empty() {
            // [MQTT-3.1.3-6] [MQTT3-3.1.3-6] [MQTT3-3.1.3-7] [MQTT3-3.1.3-8]; MQTT 3.1 has no empty identifiers.
            let may_be_empty = match connect.version {
                Version::V31 => false,
                Version::V311 => connect.clean_start,
                Version::V5 => true,
            };
            if !may_be_empty || !rules.allow_zero_length_client_id {
                return refused("empty client id");
            }
            return Ok(());
        }
        if client_id.len() > settings.max_client_id_bytes {
            return refused("client id too long");
        }
        if settings.client_id_prefix.as_deref().is_some_and(|prefix| !client_id.starts_with(prefix)) {
            return Err(Refusal::Code(reason::NOT_AUTHORIZED, "client id prefix not allowed"));
        }
        Ok(())
    }

    fn check_keep_alive(&self, connect: &Connect<'_>) -> Result<(), Refusal> {
        let max = self.settings.max_keepalive_s;
        let over = max > 0 && (connect.keep_alive > max || connect.keep_alive == 0);
        if over && connect.version != Version::V5 {
            return Err(Refusal::Code(reason::CLIENT_ID_NOT_VALID, "keep alive above max_keepalive"));
        }
        Ok(())
    }

    /// [MQTT-3.2.2-12] [MQTT-3.2.2-13]
    fn check_will(&self, rules: &ListenerSettings, connect: &Connect<'_>) -> Result<(), Refusal> {
        let Some(will) = &connect.will else { return Ok(()) };
        let v5 = connect.version == Version::V5;
        let coded = |code, why| Err(if v5 { Refusal::Code(code, why) } else { Refusal::Silent(why) });
        if will.qos > rules.max_qos {
            return coded(reason::QOS_NOT_SUPPORTED, "will QoS above max_qos");
        }
        if will.retain && !self.settings.retain_available {
            return coded(reason::RETAIN_NOT_SUPPORTED, "retained will, but retain_available is false");
        }
        let limit = self.settings.message_size_limit;
        if limit > 0 && will.payload.len() > limit {
            return coded(reason::PACKET_TOO_LARGE, "will above message_size_limit");
        }
        if topic::levels(will.topic) > self.settings.max_topic_levels {
            return coded(reason::TOPIC_NAME_INVALID, "will topic has too many levels");
        }
        if crate::ingress::is_reserved(will.topic) {
            return Err(Refusal::Code(reason::NOT_AUTHORIZED, "will on a reserved topic"));
        }
        Ok(())
    }

    fn ask(&mut self, conn: ConnId, frame: &Frame<'_>, connect: &Connect<'_>, fx: &mut Effects) {
        let Some(state) = self.conns.get_mut(conn.index) else {
            return;
        };
        let Some(rules) = self.settings.listeners.get(usize::from(state.listener)) else {
            return;
        };
        let client_id: Box<str> = effective_client_id(rules, connect).into();
        let method = find_method(connect);
        let subject = match method {
            Some((method, data)) => Subject::Exchange {
                client_id: client_id.clone(),
                method: method.into(),
                data: data.into(),
                first: true,
            },
            None => Subject::Password {
                client_id: client_id.clone(),
                username: connect.username.map(Into::into),
                password: connect.password.map(Into::into),
            },
        };
        let asked = Asked::new(frame, method.map(|(method, _)| method), &client_id);
        state.phase = Phase::Asked(Box::new(asked));
        fx.questions.push(Question { conn, listener: state.listener, peer: state.peer.clone(), subject });
    }

    /// The answer to a question; the driver then gives the bytes that it kept.
    pub fn answer(&mut self, now: crate::Millis, conn: ConnId, answer: &Answer, fx: &mut Effects) {
        self.now = now;
        let Some(state) = self.conns.lookup(conn.index, conn.generation) else {
            return;
        };
        if state.is_connected() {
            self.answer_reauthentication(conn, answer, fx);
            return;
        }
        let Phase::Asked(asked) = core::mem::replace(&mut state.phase, Phase::Greeting) else {
            // It ended meanwhile.
            state.phase = Phase::Closing;
            return;
        };
        let Some(connect) = asked.connect() else { return };
        match answer {
            Answer::Accept { .. } => self.admit(conn, &connect, answer, fx),
            Answer::Refuse(code) => {
                self.turn_away(conn, &connect, Refusal::Code(*code, why_refused(*code)), fx);
            }
            // Without a method there is nothing to go on with. [MQTT-4.12.0-6]
            Answer::Continue { .. } if asked.method.is_none() => {
                let refusal = Refusal::Code(reason::NOT_AUTHORIZED, "not authorised");
                self.turn_away(conn, &connect, refusal, fx);
            }
            Answer::Continue { data } => {
                let method: Option<Box<str>> = asked.method.clone();
                state.phase = Phase::Exchanging(asked);
                self.send_auth(
                    conn.index,
                    reason::CONTINUE_AUTHENTICATION,
                    (method.as_deref(), Some(data)),
                    fx,
                );
            }
        }
    }

    /// The client may come in.
    fn admit(&mut self, conn: ConnId, connect: &Connect<'_>, answer: &Answer, fx: &mut Effects) {
        let Answer::Accept { username, data } = answer else {
            return;
        };
        let Some(state) = self.conns.get(conn.index) else {
            return;
        };
        let listener = state.listener;
        let settings = self.settings.clone();
        let Some(rules) = settings.listeners.get(usize::from(listener)) else {
            return;
        };
        let username = username.as_deref().or(connect.username);
        let sent = effective_client_id(rules, connect);
        let assigned = if sent.is_empty() { Some(self.assign_client_id(rules)) } else { None };
        let client_id = assigned.as_deref().unwrap_or(sent);
        let entry =
            Entry { connect, username, client_id, assigned: assigned.is_some(), auth_data: data.as_deref() };

        if let Err(refusal) = self.may_enter(listener, &entry, fx) {
            self.turn_away(conn, connect, refusal, fx);
            return;
        }
        let Some((index, resumed)) = self.enter_session(listener, &entry, fx) else {
            self.host.release(Slot::Connection);
            self.turn_away(conn, connect, Refusal::Code(reason::QUOTA_EXCEEDED, "too many sessions"), fx);
            return;
        };
        self.connected(conn, index, (&entry, resumed), fx);
    }

    /// Rights that need the identity: the session's owner, the will's topic, a free place, which may be that of
    /// the client's last connection.
    fn may_enter(&mut self, listener: u16, entry: &Entry<'_>, fx: &mut Effects) -> Result<(), Refusal> {
        let identity = self.host.identify(listener, entry.username, entry.client_id);
        if let Some(will) = &entry.connect.will {
            let topic = self.mounted(listener, will.topic);
            if !self.host.may_publish(&identity, &topic) {
                return Err(Refusal::Code(reason::NOT_AUTHORIZED, "may not publish to the will topic"));
            }
        }
        let owner = self.by_client.get(entry.client_id).and_then(|index| self.sessions.get(*index));
        let foreign =
            owner.is_some_and(|session| !session.unclaimed && session.username.as_deref() != entry.username);
        if foreign && !self.settings.allow_session_transfer {
            return Err(Refusal::Code(reason::NOT_AUTHORIZED, "session belongs to another user"));
        }
        self.may_be_promised(entry)?;
        self.take_over(entry.client_id, fx);
        if !self.host.reserve(Slot::Connection) {
            return Err(Refusal::Code(reason::SERVER_BUSY, "too many connections"));
        }
        Ok(())
    }

    /// A topic with the listener's mount point in front.
    pub(crate) fn mounted<'a>(&self, listener: u16, topic: &'a str) -> Cow<'a, str> {
        match self
            .settings
            .listeners
            .get(usize::from(listener))
            .and_then(|rules| rules.mount_point.as_deref())
        {
            Some(prefix) => Cow::Owned(format!("{prefix}{topic}")),
            None => Cow::Borrowed(topic),
        }
    }

    /// A client identifier that nobody can guess and whose home is this shard. [MQTT-3.1.3-6] [MQTT-3.2.2-16]
    /// [MQTT3-3.1.3-6]
    fn assign_client_id(&mut self, rules: &ListenerSettings) -> String {
        loop {
            let n = self.host.entropy();
            // The version and variant bits of a random UUID (RFC 9562, section 5.4).
            let n = n & !(0xf000 << 64) & !(0b11 << 62) | 0x4000 << 64 | 0b10 << 62;
            let id = format!(
                "{}{:08X}-{:04X}-{:04X}-{:04X}-{:012X}",
                rules.auto_id_prefix,
                n >> 96,
                n >> 80 & 0xffff,
                n >> 64 & 0xffff,
                n >> 48 & 0xffff,
                n & 0xffff_ffff_ffff
            );
            if self.homes.of_client(&id) == self.id && !self.by_client.contains_key(id.as_str()) {
                return id;
            }
        }
    }

    /// The connection that the client id has now, if any, must go. [MQTT-3.1.4-3] [MQTT3-3.1.4-2]
    fn take_over(&mut self, client_id: &str, fx: &mut Effects) {
        let Some(index) = self.by_client.get(client_id) else {
            return;
        };
        let Some(old) = self.sessions.get(*index).and_then(|session| session.conn) else {
            return;
        };
        if planted!(OldConnectionStays) {
            return;
        }
        self.say_disconnect(old, reason::SESSION_TAKEN_OVER, fx);
        self.finish(old, Ended::TakenOver, fx);
        self.close(old, fx);
    }
}

/// What is known of a client when it is let in.
pub(crate) struct Entry<'a> {
    pub(crate) connect: &'a Connect<'a>,
    pub(crate) username: Option<&'a str>,
    pub(crate) client_id: &'a str,
    pub(crate) assigned: bool,
    pub(crate) auth_data: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// The will, its topic behind `mount_point`.
    pub(crate) fn will(&self, mount_point: &str) -> Option<Arc<Will>> {
        self.connect.will.as_ref().map(|will| Arc::new(Will::new(will, mount_point)))
    }
}

/// The client identifier that names the session.
fn effective_client_id<'a>(rules: &ListenerSettings, connect: &Connect<'a>) -> &'a str {
    if rules.use_username_as_client_id { connect.username.unwrap_or_default() } else { connect.client_id }
}
