//! The tools' end of a connection, against a server that says anything, over any number of connections.
//!
//! Every message is answered for once, every connection ends once, the server's limits are kept, what is sent can be
//! read, and how the server's bytes are cut changes nothing.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::{Ack, Connack, Disconnect, Publish, Suback, SubscribeFilter, Unsuback};
use pondhawk_codec::{
    Packet, PacketId, PacketType, PropertiesBuf, Property, Qos, ReasonCode, Version, reason,
};
use pondhawk_fuzz::many::Many;
use pondhawk_fuzz::pieces;
use pondhawk_session::client::{AckMode, Cause, Client, Event, NewMessage, Options};

const TOPICS: [&str; 4] = ["a", "a/b", "a/b/c", "$x"];

#[derive(Arbitrary, Debug)]
struct Input {
    version: u8,
    resume: bool,
    manual: bool,
    window: u8,
    receive_max: Option<u8>,
    aliases: u8,
    queue_bytes: Option<u16>,
    cuts: [u8; 3],
    ops: Many<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Connect,
    Publish { topic: u8, qos: u8, len: u8, retain: bool },
    Subscribe(u8),
    Unsubscribe,
    Acknowledge(u8),
    Authenticate,
    Disconnect,
    Tick(u16),
    Closed,
    Connack(Greeting),
    Message { topic: u8, qos: u8, id: u8, alias: u8, dup: bool },
    Ack { kind: u8, id: u8, refused: bool },
    Suback { id: u8, codes: u8 },
    Unsuback { id: u8, codes: u8 },
    Pingresp,
    Goodbye,
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Greeting {
    present: bool,
    refused: bool,
    receive_max: Option<u8>,
    packet_max: Option<u8>,
    aliases: u8,
    keep_alive: Option<u8>,
    qos_max: Option<bool>,
}

fuzz_target!(|input: Input| {
    let mut run = Run::new(&input);
    for op in &input.ops.0 {
        run.step(op);
        run.check();
    }
});

struct Run {
    version: Version,
    client: Client,
    /// The same client, which gets the server's bytes in pieces.
    twin: Client,
    cuts: [u8; 3],
    now: u64,
    window: usize,
    server: Server,
    connected: bool,
    /// QoS 1 and 2 messages that were accepted and not answered for.
    open: BTreeSet<PacketId>,
    /// The number of a QoS 0 message that must be reported at once.
    at_once: Option<PacketId>,
}

/// What the server knows of a connection.
#[derive(Default)]
struct Server {
    greeted: bool,
    receive_max: usize,
    packet_max: usize,
    aliases_max: u16,
    aliases: BTreeMap<u16, String>,
    /// Sent on this connection and not answered for.
    unanswered: BTreeSet<PacketId>,
    /// Answered for since the last look.
    answered: BTreeSet<PacketId>,
}

impl Run {
    fn new(input: &Input) -> Run {
        let version = [Version::V31, Version::V311, Version::V5][usize::from(input.version % 3)];
        let mut properties = PropertiesBuf::new();
        if let Some(n) = input.receive_max.filter(|n| *n > 0) {
            properties.push(Property::ReceiveMaximum(n.into())).expect("a number");
        }
        properties.push(Property::TopicAliasMaximum(u16::from(input.aliases % 4))).expect("a number");
        let options = Options {
            version,
            client_id: "me".into(),
            clean_start: !input.resume,
            keep_alive: 10,
            properties,
            inflight_max: input.window.into(),
            queue_bytes_max: input.queue_bytes.map_or(1 << 20, usize::from),
            topic_aliases_max: u16::from(input.aliases / 4 % 4),
            ack: if input.manual { AckMode::Manual } else { AckMode::Automatic },
            ..Options::default()
        };
        Run {
            version,
            client: Client::new(options.clone()),
            twin: Client::new(options),
            cuts: input.cuts,
            now: 1_000,
            window: usize::from(input.window.max(1)),
            server: Server::default(),
            connected: false,
            open: BTreeSet::new(),
            at_once: None,
        }
    }

    /// Does the same to both.
    fn both<T>(&mut self, act: impl Fn(&mut Client, u64) -> T) -> T {
        act(&mut self.twin, self.now);
        act(&mut self.client, self.now)
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Connect => {
                if self.both(|client, now| client.connect(now)).is_ok() {
                    assert!(!std::mem::replace(&mut self.connected, true));
                    self.server = Server { packet_max: usize::MAX, ..Server::default() };
                }
            }
            Op::Publish { topic, qos, len, retain } => self.publish(*topic, *qos, *len, *retain),
            Op::Subscribe(count) => {
                let filters: Vec<_> = TOPICS[..usize::from(count % 5)]
                    .iter()
                    .map(|filter| SubscribeFilter { filter, options: Default::default() })
                    .collect();
                let _ = self.both(|client, now| client.subscribe(now, &filters, &PropertiesBuf::new()));
            }
            Op::Unsubscribe => {
                let _ = self.both(|client, now| client.unsubscribe(now, &TOPICS, &PropertiesBuf::new()));
            }
            Op::Acknowledge(id) => {
                let id = packet_id(*id);
                let _ = self.both(|client, now| client.acknowledge(now, id, reason::SUCCESS));
            }
            Op::Authenticate => {
                let none = PropertiesBuf::new();
                let code = reason::CONTINUE_AUTHENTICATION;
                let _ = self.both(|client, now| client.authenticate(now, code, &none));
            }
            Op::Disconnect => {
                let none = PropertiesBuf::new();
                let _ = self.both(|client, now| client.disconnect(now, reason::SUCCESS, &none));
            }
            Op::Tick(ms) => {
                self.now += u64::from(*ms);
                self.both(|client, now| client.tick(now));
            }
            Op::Closed => self.both(|client, _| client.closed()),
            said => self.hear(said),
        }
    }

    fn publish(&mut self, topic: u8, qos: u8, len: u8, retain: bool) {
        let qos = Qos::from_u8(qos % 3).expect("0 to 2");
        let index = topic % 4;
        let payload = vec![index; 1 + usize::from(len)];
        let message = NewMessage { retain, qos, ..NewMessage::new(TOPICS[usize::from(index)], &payload) };
        match self.both(|client, now| client.publish(now, &message)) {
            Ok(id) if qos == Qos::AtMostOnce => self.at_once = Some(id),
            Ok(id) => assert!(self.open.insert(id), "{id} is in use"),
            Err(_) => {}
        }
    }

    /// The server says something.
    fn hear(&mut self, said: &Op) {
        let mut bytes = Vec::new();
        if let Op::Bytes(raw) = said {
            bytes.extend_from_slice(raw);
        } else {
            self.say(said, &mut bytes);
        }
        self.client.receive(self.now, &bytes);
        for piece in pieces::cut(&bytes, &self.cuts) {
            self.twin.receive(self.now, piece);
        }
    }

    fn say(&mut self, said: &Op, out: &mut Vec<u8>) {
        let mut properties = PropertiesBuf::new();
        let topic = |n: &u8| TOPICS[usize::from(n % 4)];
        match said {
            Op::Connack(greeting) => {
                self.greeting(greeting, &mut properties);
                let code = match (greeting.refused, self.version) {
                    (false, _) => reason::SUCCESS,
                    (true, Version::V5) => reason::SERVER_BUSY,
                    (true, _) => ReasonCode(3),
                };
                let session_present = greeting.present && self.version != Version::V31;
                let properties = properties.as_properties();
                self.encode(&Packet::Connack(Connack { session_present, code, properties }), out);
            }
            Op::Message { topic: n, qos, id, alias, dup } => {
                let qos = Qos::from_u8(qos % 3).expect("0 to 2");
                let alias = u16::from(alias % 4);
                if alias > 0 && self.version == Version::V5 {
                    properties.push(Property::TopicAlias(alias)).expect("a number");
                }
                let known = alias > 0 && n % 5 == 4 && self.version == Version::V5;
                let publish = Publish {
                    dup: *dup && qos != Qos::AtMostOnce,
                    qos,
                    retain: false,
                    topic: if known { "" } else { topic(n) },
                    packet_id: (qos != Qos::AtMostOnce).then(|| packet_id(*id)),
                    properties: properties.as_properties(),
                    payload: b"hello",
                };
                self.encode(&Packet::Publish(publish), out);
            }
            Op::Ack { kind, id, refused } => {
                let refused = *refused && self.version == Version::V5;
                let code = if refused { reason::PACKET_ID_NOT_FOUND } else { reason::SUCCESS };
                let refusal = if refused { reason::QUOTA_EXCEEDED } else { reason::SUCCESS };
                let id = packet_id(*id);
                let packet = match kind % 4 {
                    0 => Packet::Puback(Ack::new(id, refusal)),
                    1 => Packet::Pubrec(Ack::new(id, refusal)),
                    2 => Packet::Pubrel(Ack::new(id, code)),
                    _ => Packet::Pubcomp(Ack::new(id, code)),
                };
                self.encode(&packet, out);
            }
            Op::Suback { id, codes } => {
                let codes = &[0; 8][..usize::from(codes % 8)];
                let properties = properties.as_properties();
                self.encode(&Packet::Suback(Suback { packet_id: packet_id(*id), properties, codes }), out);
            }
            Op::Unsuback { id, codes } => {
                let count = if self.version == Version::V5 { codes % 8 } else { 0 };
                let codes = &[0; 8][..usize::from(count)];
                let properties = properties.as_properties();
                self.encode(
                    &Packet::Unsuback(Unsuback { packet_id: packet_id(*id), properties, codes }),
                    out,
                );
            }
            Op::Goodbye => self.encode(&Packet::Disconnect(Disconnect::new(reason::SERVER_BUSY)), out),
            _ => self.encode(&Packet::Pingresp, out),
        }
    }

    /// The server's limits, which hold from here on if the client believes them.
    fn greeting(&self, greeting: &Greeting, properties: &mut PropertiesBuf) {
        if self.version != Version::V5 {
            return;
        }
        let limits = [
            greeting.receive_max.filter(|n| *n > 0).map(|n| Property::ReceiveMaximum(n.into())),
            greeting.packet_max.filter(|n| *n > 0).map(|n| Property::MaximumPacketSize(n.into())),
            Some(Property::TopicAliasMaximum(u16::from(greeting.aliases % 4))),
            greeting.keep_alive.map(|n| Property::ServerKeepAlive(n.into())),
            greeting.qos_max.map(|n| Property::MaximumQos(n.into())),
        ];
        for limit in limits.into_iter().flatten() {
            properties.push(limit).expect("a number");
        }
    }

    fn encode(&self, packet: &Packet<'_>, out: &mut Vec<u8>) {
        packet.encode(self.version, out).expect("small");
    }

    // ---- What must hold -----------------------------------------------------------------------------------

    fn check(&mut self) {
        let output = self.client.take_output();
        assert_eq!(output, self.twin.take_output());
        let events: Vec<Event> = std::iter::from_fn(|| self.client.poll_event()).collect();
        assert_eq!(events, std::iter::from_fn(|| self.twin.poll_event()).collect::<Vec<_>>());
        // A server's limits are told by CONNACK, and what is sent behind it keeps them.
        for event in &events {
            if let Event::Connected(connected) = event {
                self.server.greet(&connected.properties);
            }
        }
        // What is answered for by now makes room for what is sent behind it.
        let answered = events.iter().filter_map(|event| match event {
            Event::Published { id, .. } => Some(*id),
            _ => None,
        });
        self.server.answered = answered.collect();
        self.server.unanswered.retain(|id| !self.server.answered.contains(id));
        self.read(&output);
        for event in &events {
            self.event(event);
        }
        assert_eq!(self.at_once, None, "a QoS 0 message was not reported");
        assert_eq!(self.connected, !self.client.is_offline());
        assert_eq!(self.client.unanswered(), self.open.len());
        assert!(self.open.len() > 0 || self.client.unanswered_bytes() == 0);
        assert_eq!(self.client.deadline().is_some(), self.twin.deadline().is_some());
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Disconnected(cause) => {
                assert!(std::mem::replace(&mut self.connected, false), "a connection ends once");
                assert!(!matches!(cause, Cause::Refused { .. }) || !self.server.greeted);
            }
            Event::Published { id, .. } => {
                let at_once = self.at_once.take_if(|number| number == id).is_some();
                assert!(at_once || self.open.remove(id), "{id} is answered for twice");
            }
            _ => assert!(self.connected, "{event:?} behind the end"),
        }
    }

    /// What the client sends, as the server reads it.
    fn read(&mut self, mut output: &[u8]) {
        while !output.is_empty() {
            let frame = match frame::next(output, usize::MAX) {
                Ok(Step::Frame(frame)) => frame,
                other => panic!("no frame in {output:02x?}: {other:?}"),
            };
            output = &output[frame.len..];
            if frame.packet_type == PacketType::Connect {
                pondhawk_codec::packet::Connect::decode(&frame).expect("a valid CONNECT");
                continue;
            }
            let packet = Packet::decode(&frame, self.version).expect("a valid packet");
            if let Packet::Publish(publish) = packet {
                assert!(frame.len <= self.server.packet_max, "too large for the server");
                let limit = self.server.receive_max.min(self.window);
                self.server.take(&publish, limit);
            }
        }
    }
}

impl Server {
    fn greet(&mut self, properties: &PropertiesBuf) {
        self.greeted = true;
        (self.receive_max, self.packet_max) = (usize::from(u16::MAX), usize::MAX);
        for property in properties.as_properties() {
            match property {
                Property::ReceiveMaximum(n) => self.receive_max = n.into(),
                Property::MaximumPacketSize(n) => self.packet_max = n as usize,
                Property::TopicAliasMaximum(n) => self.aliases_max = n,
                _ => {}
            }
        }
    }

    fn take(&mut self, publish: &Publish<'_>, limit: usize) {
        assert!(self.greeted, "a message before CONNACK");
        if let Some(id) = publish.packet_id.filter(|id| !self.answered.contains(id)) {
            assert!(self.unanswered.insert(id), "{id} twice on one connection");
            assert!(self.unanswered.len() <= limit, "more than {limit} unanswered");
        }
        let alias = publish.properties.find(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        let topic = match alias {
            Some(alias) if publish.topic.is_empty() => self.aliases[&alias].clone(),
            _ => publish.topic.to_owned(),
        };
        if let Some(alias) = alias {
            assert!((1..=self.aliases_max).contains(&alias));
            self.aliases.insert(alias, topic.clone());
        }
        assert_eq!(topic, TOPICS[usize::from(publish.payload[0])]);
    }
}

fn packet_id(n: u8) -> PacketId {
    // Few, so that the server's answers meet the client's questions.
    PacketId::new(u16::from(n % 8) + 1).expect("not zero")
}
