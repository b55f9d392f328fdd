//! Clients that survive their broker: they keep their half of the session, as the standard asks of a client with a kept
//! one, and go on with it.

use crate::kit::packet::{PUBACK, PUBCOMP, PUBREC, PUBREL, Publish, Subscribe, ack};
use crate::kit::{Broker, Client, Connect, V4};
use crate::ledger::Ledger;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Messages that a publisher has under way.
const WINDOW: usize = 40;
/// How long a turn waits for bytes.
const TURN: Duration = Duration::from_millis(1);

/// A connection that may end at any moment.
#[derive(Default)]
struct Wire {
    stream: Option<TcpStream>,
    bytes: Vec<u8>,
}

impl Wire {
    /// Connects and takes CONNACK; the session must be there, but for the first time.
    fn connect(&mut self, broker: &Broker, id: &str, is_known: bool) {
        let stream = TcpStream::connect(("127.0.0.1", broker.port())).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        *self = Wire { stream: Some(stream), bytes: Vec::new() };
        self.send(&Connect::new(V4, id).durable().bytes());
        let connack = loop {
            if let Some(frame) = self.frame() {
                break frame;
            }
            self.read();
            assert!(self.stream.is_some(), "{id}: no CONNACK");
        };
        assert_eq!(connack[0], 0x20);
        assert_eq!(connack[3], 0, "{id} is refused");
        assert_eq!(connack[2] & 1 == 1, is_known, "{id}: session present is not the truth");
        if let Some(stream) = &self.stream {
            stream.set_read_timeout(Some(TURN)).expect("set");
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if let Some(stream) = &mut self.stream
            && stream.write_all(bytes).is_err()
        {
            self.stream = None;
        }
    }

    /// Takes what has come.
    fn read(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        let mut chunk = [0; 64 << 10];
        match stream.read(&mut chunk) {
            Ok(0) => self.stream = None,
            Ok(len) => self.bytes.extend_from_slice(&chunk[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.stream = None,
        }
    }

    /// The next whole packet; none here is longer than 127 bytes.
    fn frame(&mut self) -> Option<Vec<u8>> {
        let len = usize::from(*self.bytes.get(1)?) + 2;
        assert!(len < 130, "a packet that nobody has sent");
        (self.bytes.len() >= len).then(|| self.bytes.drain(..len).collect())
    }
}

/// How far a message is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Published,
    Released,
}

/// Publishes numbered messages on its own topic.
pub struct Publisher {
    topic: &'static str,
    qos: u8,
    retain: bool,
    wire: Wire,
    /// Unacknowledged messages by number.
    under_way: BTreeMap<u64, Stage>,
    last: u64,
    is_known: bool,
}

impl Publisher {
    pub fn new(topic: &'static str, qos: u8, retain: bool) -> Self {
        let under_way = BTreeMap::new();
        Publisher { topic, qos, retain, wire: Wire::default(), under_way, last: 0, is_known: false }
    }

    /// Connects and repeats what was not acknowledged, in order. [MQTT-4.4.0-1]
    pub fn connect(&mut self, broker: &Broker) {
        self.wire.connect(broker, self.topic, self.is_known);
        self.is_known = true;
        let again: Vec<_> = self.under_way.iter().map(|(number, stage)| (*number, *stage)).collect();
        for (number, stage) in again {
            match stage {
                Stage::Published => self.publish(number, true),
                Stage::Released => self.wire.send(&ack(PUBREL, id_of(number))),
            }
        }
    }

    fn publish(&mut self, number: u64, again: bool) {
        let mut publish = Publish::new(V4, self.topic, number.to_string()).qos(self.qos, id_of(number));
        publish = if self.retain { publish.retain() } else { publish };
        publish = if again { publish.dup() } else { publish };
        self.wire.send(&publish.bytes());
    }

    pub fn turn(&mut self, more: bool, ledger: &mut Ledger) {
        while more && self.wire.stream.is_some() && self.under_way.len() < WINDOW {
            self.last += 1;
            self.under_way.insert(self.last, Stage::Published);
            ledger.sent(self.topic, self.last);
            self.publish(self.last, false);
        }
        self.wire.read();
        while let Some(frame) = self.wire.frame() {
            let id = u16::from_be_bytes([frame[2], frame[3]]);
            let number = self.under_way.keys().copied().find(|number| id_of(*number) == id);
            match (frame[0], number) {
                (PUBREC, Some(number)) => {
                    self.under_way.insert(number, Stage::Released);
                    self.wire.send(&ack(PUBREL, id));
                }
                (PUBACK | PUBCOMP, Some(number)) => {
                    self.under_way.remove(&number);
                    ledger.acknowledged(self.topic, number);
                }
                (first, _) => panic!("{}: a packet {first:02x} for {id}", self.topic),
            }
        }
    }

    pub fn is_settled(&self) -> bool {
        self.under_way.is_empty()
    }
}

fn id_of(number: u64) -> u16 {
    (number % 60_000) as u16 + 1
}

/// Receives everything at QoS 2, with the memory that exactly once asks of a receiver.
pub struct Subscriber {
    wire: Wire,
    /// Packet identifiers between PUBLISH and PUBREL. [MQTT-4.3.3-10]
    held: BTreeSet<u16>,
    is_known: bool,
}

impl Subscriber {
    pub fn new() -> Self {
        Subscriber { wire: Wire::default(), held: BTreeSet::new(), is_known: false }
    }

    pub fn connect(&mut self, broker: &Broker) {
        self.wire.connect(broker, "subscriber", self.is_known);
        self.is_known = true;
    }

    pub fn go_away(&mut self) {
        self.wire = Wire::default();
    }

    /// Subscribes and waits until that is acknowledged.
    pub fn subscribe(&mut self) {
        self.wire.send(&Subscribe::new(V4, 1, "at-least", 2).filter("exactly", 2).bytes());
        loop {
            self.wire.read();
            assert!(self.wire.stream.is_some(), "no SUBACK");
            if let Some(frame) = self.wire.frame() {
                assert_eq!(frame, [0x90, 4, 0, 1, 2, 2]);
                return;
            }
        }
    }

    pub fn turn(&mut self, ledger: &mut Ledger) {
        self.wire.read();
        while let Some(frame) = self.wire.frame() {
            if frame[0] == PUBREL {
                let id = u16::from_be_bytes([frame[2], frame[3]]);
                self.held.remove(&id);
                self.wire.send(&ack(PUBCOMP, id));
                continue;
            }
            assert_eq!(frame[0] & 0xF0, 0x30, "not a PUBLISH");
            let (topic, id, number) = take_publish(&frame);
            if frame[0] & 6 == 2 {
                ledger.received(&topic, number);
                self.wire.send(&ack(PUBACK, id));
                continue;
            }
            if self.held.insert(id) {
                ledger.received(&topic, number);
            }
            self.wire.send(&ack(PUBREC, id));
        }
    }
}

/// Topic, packet identifier and number of a message.
fn take_publish(frame: &[u8]) -> (String, u16, u64) {
    let topic_len = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
    let (topic, rest) = frame[4..].split_at(topic_len);
    let id = u16::from_be_bytes([rest[0], rest[1]]);
    let number = std::str::from_utf8(&rest[2..]).ok().and_then(|text| text.parse().ok());
    (String::from_utf8(topic.to_vec()).expect("text"), id, number.expect("a number"))
}

/// The number of a topic's retained message.
pub fn retained(broker: &Broker, topic: &str) -> u64 {
    let mut reader = Client::clean(broker, V4, "reader");
    reader.subscribe(topic, 0);
    let delivery = reader.receive_any();
    String::from_utf8(delivery.payload).expect("text").parse().expect("a number")
}
