//! CONNECT: who may come in, and with which session.

use super::Broker;
use super::publish::is_reserved;
use super::sent::{Sent, comparable};
use super::session::Session;
use pondhawk_codec::packet::{Connect, ConnectRefused};
use pondhawk_codec::{Frame, PacketType, PropertiesBuf, Property, ReasonCode, Version, reason};

impl Broker {
    /// The first packet of a connection, which must be CONNECT. [MQTT-3.1.0-1]
    pub(super) fn connect(&mut self, connection: usize, frame: &Frame<'_>) {
        if frame.packet_type != PacketType::Connect {
            self.end(connection);
            return;
        }
        match Connect::decode(frame) {
            Ok(connect) => {
                self.connections[connection].version = connect.version;
                match refusal(&connect) {
                    Some(code) => self.refuse(connection, code),
                    None => self.admit(connection, &connect),
                }
            }
            // [MQTT-3.1.2-2]
            Err(ConnectRefused::ProtocolLevel { named_mqtt, level }) => {
                if named_mqtt && level & 0x7f > Version::V311.level() {
                    self.connections[connection].version = Version::V5;
                }
                self.refuse(connection, reason::UNSUPPORTED_PROTOCOL_VERSION);
            }
            Err(ConnectRefused::Malformed(Some(Version::V5), malformed)) => {
                self.connections[connection].version = Version::V5;
                self.refuse(connection, malformed.reason());
            }
            // [MQTT-3.1.2-1]; before MQTT 5.0 without a word. [MQTT-3.1.4-1]
            Err(_) => self.end(connection),
        }
    }

    /// A CONNACK that says no, and the end. [MQTT-3.2.2-6] [MQTT-3.2.2-7]
    fn refuse(&mut self, connection: usize, code: ReasonCode) {
        let code = match (self.connections[connection].version, code) {
            (Version::V5, code) => code.0,
            (_, reason::UNSUPPORTED_PROTOCOL_VERSION) => 1,
            (_, reason::CLIENT_ID_NOT_VALID) => 2,
            (_, reason::NOT_AUTHORIZED) => 5,
            (_, other) => unreachable!("{other:?} is no reason of the reference"),
        };
        self.send(connection, Sent::Connack { present: false, code, properties: Vec::new() });
        self.end(connection);
    }

    fn admit(&mut self, connection: usize, connect: &Connect<'_>) {
        let assigned = connect.client_id.is_empty().then(|| self.assign());
        let client = assigned.as_deref().unwrap_or(connect.client_id).to_owned();
        self.take_over(&client);
        let (at, present) = self.enter(&client, connect.clean_start);
        let session = &mut self.sessions[at];
        session.connection = Some(connection);
        session.expiry_s = expiry(connect);
        session.ends_at = None;
        // [MQTT-3.1.3-9]
        session.will = None;
        for entry in &mut session.inflight {
            entry.sent = false;
        }
        self.connections[connection].greet(connect, &client, self.options.receive_maximum);
        let properties = self.offer(connect, assigned.as_deref());
        // MQTT 3.1 has no such flag.
        let present = present && connect.version != Version::V31;
        self.send(connection, Sent::Connack { present, code: 0, properties });
    }

    /// An identifier that no session has. [MQTT-3.1.3-6]
    fn assign(&mut self) -> String {
        if let Some(seen) = self.witness.assigned().filter(|seen| self.find_session(seen).is_none()) {
            return seen;
        }
        self.assigned += 1;
        format!("assigned-{}", self.assigned)
    }

    /// The client's older connection goes. [MQTT-3.1.4-3]
    fn take_over(&mut self, client: &str) {
        let old = self.find_session(client).and_then(|at| self.sessions[at].connection);
        if let Some(old) = old {
            self.violated(old, reason::SESSION_TAKEN_OVER);
        }
    }

    /// The client's session, and whether it was there. [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6]
    fn enter(&mut self, client: &str, clean: bool) -> (usize, bool) {
        if let Some(at) = self.find_session(client) {
            if !clean {
                return (at, true);
            }
            self.end_session(at);
        }
        self.sessions.push(Session::new(client));
        (self.sessions.len() - 1, false)
    }

    /// The properties of CONNACK.
    fn offer(&self, connect: &Connect<'_>, assigned: Option<&str>) -> Vec<Vec<u8>> {
        if connect.version != Version::V5 {
            return Vec::new();
        }
        let offered = [
            Property::ReceiveMaximum(self.options.receive_maximum),
            Property::TopicAliasMaximum(self.options.alias_maximum),
            Property::MaximumPacketSize(self.options.packet_maximum),
        ];
        let mut block = PropertiesBuf::new();
        for property in offered.into_iter().chain(assigned.map(Property::AssignedClientIdentifier)) {
            block.push(property).expect("short");
        }
        comparable(block.as_properties(), |_| true)
    }
}

/// Why a CONNECT that is well formed is turned away.
fn refusal(connect: &Connect<'_>) -> Option<ReasonCode> {
    // [MQTT-3.1.3-7] [MQTT-3.1.3-8]; MQTT 3.1 has no empty identifiers, 3.1.1 none for sessions that are kept.
    let may_be_empty = match connect.version {
        Version::V31 => false,
        Version::V311 => connect.clean_start,
        Version::V5 => true,
    };
    if connect.client_id.is_empty() && !may_be_empty {
        return Some(reason::CLIENT_ID_NOT_VALID);
    }
    connect.will.filter(|will| is_reserved(will.topic)).map(|_| reason::NOT_AUTHORIZED)
}

/// Seconds that the session outlives the connection.
fn expiry(connect: &Connect<'_>) -> u32 {
    match connect.version {
        Version::V5 => {
            let asked = connect.properties.find(|property| match property {
                Property::SessionExpiryInterval(seconds) => Some(seconds),
                _ => None,
            });
            asked.unwrap_or(0)
        }
        _ if connect.clean_start => 0,
        _ => u32::MAX,
    }
}
