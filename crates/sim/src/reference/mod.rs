//! A naive MQTT broker, to compare the real one with: flat lists that are searched from end to end, one thread, no
//! shards, no tree of topics, no packet that is not built anew. It is written from the standard and from
//! `docs/mqtt.md`, and shares nothing with the real broker but the codec's packets.
//!
//! Where the standard leaves a choice that has consequences, such as which member of a shared group gets a message,
//! the reference takes the choice that the real broker was seen to make, if it is a lawful one: see [`Witness`].
//! Without a witness it makes its own, so that it is a broker by itself.

mod acknowledge;
mod connect;
mod deliver;
mod publish;
mod sent;
mod session;
mod subscribe;
mod witness;

pub use sent::{Outgoing, Sent, Wire};
pub use session::Millis;
pub use witness::Witness;

use deliver::Undecided;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::Disconnect;
use pondhawk_codec::{Frame, Packet, PacketType, Property, ReasonCode, Version, reason};
use session::{Connection, Message, Session, Will};
use std::rc::Rc;

/// What the broker offers its clients.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// QoS 1 and 2 messages under way in each direction.
    pub receive_maximum: u16,
    /// Topic aliases that a client may make.
    pub alias_maximum: u16,
    /// The largest packet from a client.
    pub packet_maximum: u32,
    /// The largest CONNECT.
    pub connect_maximum: u32,
    /// How long a client may take to say CONNECT.
    pub connect_timeout: Millis,
}

/// The reference broker.
#[derive(Debug)]
pub struct Broker {
    options: Options,
    now: Millis,
    connections: Vec<Connection>,
    sessions: Vec<Session>,
    retained: Vec<Rc<Message>>,
    undecided: Vec<Undecided>,
    witness: Witness,
    assigned: u32,
}

/// What ends a connection: the reason code that DISCONNECT gives in MQTT 5.0.
type Violation = ReasonCode;

impl Broker {
    /// A broker without clients at the time `now`.
    #[must_use]
    pub fn new(options: Options, now: Millis) -> Broker {
        Broker {
            options,
            now,
            connections: Vec::new(),
            sessions: Vec::new(),
            retained: Vec::new(),
            undecided: Vec::new(),
            witness: Witness::default(),
            assigned: 0,
        }
    }

    /// A client opens a connection: its number, which counts from 0.
    pub fn open(&mut self) -> usize {
        self.connections.push(Connection::new(self.now + self.options.connect_timeout));
        self.connections.len() - 1
    }

    /// True until the connection is closed by either side.
    #[must_use]
    pub fn is_open(&self, connection: usize) -> bool {
        self.connections[connection].open
    }

    /// What another broker was seen to do in the next step, whose choices are to be followed.
    pub fn follow(&mut self, witness: Witness) {
        self.witness = witness;
    }

    /// The packets for the client since the last call.
    pub fn take(&mut self, connection: usize) -> Vec<Sent> {
        std::mem::take(&mut self.connections[connection].output)
    }

    /// Bytes from the client.
    pub fn receive(&mut self, connection: usize, bytes: &[u8]) {
        let mut input = std::mem::take(&mut self.connections[connection].input);
        input.extend_from_slice(bytes);
        while self.is_open(connection) {
            match frame::next(&input, self.packet_maximum(connection)) {
                Ok(Step::Need(_)) => break,
                Ok(Step::Frame(frame)) => {
                    let len = frame.len;
                    if let Err(code) = self.handle(connection, &frame) {
                        self.violated(connection, code);
                    }
                    input.drain(..len);
                }
                Err(malformed) => self.violated(connection, malformed.reason()),
            }
        }
        let state = &mut self.connections[connection];
        if state.open {
            state.input = input;
            if state.client.is_some() {
                // [MQTT-3.1.2-22]: one and a half times the keep alive.
                let patience = u64::from(state.keep_alive_s) * 1500;
                state.deadline = (patience > 0).then(|| self.now + patience);
            }
        }
        self.settle();
    }

    /// The client's transport is gone.
    pub fn closed(&mut self, connection: usize) {
        self.end(connection);
        self.settle();
    }

    /// When something happens by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        let connections = self.connections.iter().filter_map(|state| state.deadline);
        let ends = self.sessions.iter().filter_map(|session| session.ends_at);
        let wills = self.sessions.iter().filter_map(|session| session.will.as_ref().map(|(at, _)| *at));
        connections.chain(ends).chain(wills).min()
    }

    /// It is `now`.
    pub fn advance(&mut self, now: Millis) {
        while let Some(at) = self.deadline().filter(|at| *at <= now) {
            self.now = at;
            self.happen(at);
            self.settle();
        }
        self.now = now;
        self.settle();
    }

    /// The first thing that is due at the time `at`.
    fn happen(&mut self, at: Millis) {
        if let Some(late) = self.connections.iter().position(|state| state.deadline == Some(at)) {
            self.violated(late, reason::KEEP_ALIVE_TIMEOUT);
            return;
        }
        let will_due = |session: &Session| session.will.as_ref().is_some_and(|(due, _)| *due == at);
        if let Some(due) = self.sessions.iter().position(will_due) {
            let (_, will) = self.sessions[due].will.take().expect("it was just found");
            self.publish_will(will);
        } else if let Some(over) = self.sessions.iter().position(|session| session.ends_at == Some(at)) {
            self.end_session(over);
        }
    }

    fn packet_maximum(&self, connection: usize) -> usize {
        let connected = self.connections[connection].client.is_some();
        (if connected { self.options.packet_maximum } else { self.options.connect_maximum }) as usize
    }

    /// One packet.
    fn handle(&mut self, connection: usize, frame: &Frame<'_>) -> Result<(), Violation> {
        let state = &self.connections[connection];
        if state.client.is_none() {
            self.connect(connection, frame);
            return Ok(());
        }
        // [MQTT-3.1.0-2]
        if frame.packet_type == PacketType::Connect {
            return Err(reason::PROTOCOL_ERROR);
        }
        match Packet::decode(frame, state.version).map_err(|malformed| malformed.reason())? {
            Packet::Publish(publish) => self.publish(connection, &publish),
            Packet::Puback(ack) => self.puback(connection, ack.packet_id.get()),
            Packet::Pubrec(ack) => self.pubrec(connection, ack.packet_id.get(), ack.code),
            Packet::Pubrel(ack) => {
                self.pubrel(connection, ack.packet_id.get());
                Ok(())
            }
            Packet::Pubcomp(ack) => self.pubcomp(connection, ack.packet_id.get()),
            Packet::Subscribe(subscribe) => {
                self.subscribe(connection, &subscribe);
                Ok(())
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribe(connection, &unsubscribe);
                Ok(())
            }
            Packet::Pingreq => {
                self.send(connection, Sent::Pingresp);
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.disconnect(connection, &disconnect),
            // Packets that only a server sends, and AUTH where CONNECT named no method. [MQTT-4.12.0-7]
            _ => Err(reason::PROTOCOL_ERROR),
        }
    }

    fn send(&mut self, connection: usize, packet: Sent) {
        self.connections[connection].output.push(packet);
    }

    /// PUBACK and its kin; reason codes exist in MQTT 5.0 only.
    fn send_ack(&mut self, connection: usize, packet_type: PacketType, id: u16, code: ReasonCode) {
        let code = if self.connections[connection].version == Version::V5 { code.0 } else { 0 };
        self.send(connection, Sent::Ack(packet_type, id, code));
    }

    /// The session of a connected client.
    fn session_of(&mut self, connection: usize) -> &mut Session {
        let client = self.connections[connection].client.clone().expect("CONNECT was accepted");
        let at = self.find_session(&client).expect("a connected client has a session");
        &mut self.sessions[at]
    }

    fn find_session(&self, client: &str) -> Option<usize> {
        self.sessions.iter().position(|session| session.client == client)
    }

    /// DISCONNECT from the client.
    fn disconnect(&mut self, connection: usize, packet: &Disconnect<'_>) -> Result<(), Violation> {
        for property in packet.properties {
            match property {
                Property::SessionExpiryInterval(seconds) => {
                    let session = self.session_of(connection);
                    // MQTT 5.0, 3.14.2.2.2: not from zero to anything else.
                    if session.expiry_s == 0 && seconds > 0 {
                        return Err(reason::PROTOCOL_ERROR);
                    }
                    session.expiry_s = seconds;
                }
                Property::ServerReference(_) => return Err(reason::PROTOCOL_ERROR),
                _ => {}
            }
        }
        // [MQTT-3.14.4-3]
        if packet.code == reason::SUCCESS {
            self.connections[connection].will = None;
        }
        self.end(connection);
        Ok(())
    }

    /// The client broke a rule, or was silent for too long: it is told where that can be told. [MQTT-4.13.1-1]
    fn violated(&mut self, connection: usize, code: ReasonCode) {
        let state = &self.connections[connection];
        if state.client.is_some() && state.version == Version::V5 {
            // What was for the client already goes first.
            self.serve_connection(connection);
            self.send(connection, Sent::Disconnect(code.0));
        }
        self.end(connection);
    }

    /// The connection ends; if DISCONNECT did not take the will away, it is due. [MQTT-3.1.2-8]
    fn end(&mut self, connection: usize) {
        let state = &mut self.connections[connection];
        state.open = false;
        state.deadline = None;
        let will = state.will.take();
        let Some(client) = state.client.take() else {
            return;
        };
        let at = self.find_session(&client).expect("a connected client has a session");
        let session = &mut self.sessions[at];
        session.connection = None;
        match session.expiry_s {
            u32::MAX => session.ends_at = None,
            seconds => session.ends_at = Some(self.now + u64::from(seconds) * 1000),
        }
        let over = session.expiry_s == 0;
        if let Some(will) = will {
            if will.delay_s == 0 || over {
                self.publish_will(will);
            } else {
                session.will = Some((self.now + u64::from(will.delay_s) * 1000, will));
            }
        }
        if over {
            self.end_session(at);
        }
    }

    /// The session ends, with all that it has; a will that waits does not wait longer. [MQTT-3.1.2-8]
    fn end_session(&mut self, at: usize) {
        let session = self.sessions.remove(at);
        for undecided in &mut self.undecided {
            undecided.forget(&session.client);
        }
        if let Some((_, will)) = session.will {
            self.publish_will(will);
        }
    }

    /// A will is a message like others from then on.
    fn publish_will(&mut self, will: Will) {
        let expires_at = will.expiry_s.map(|seconds| self.now + u64::from(seconds) * 1000);
        self.route(Rc::new(Message { expires_at, ..will.message }));
    }
}
