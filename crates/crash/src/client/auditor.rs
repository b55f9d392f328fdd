//! Looks at retained messages in every life, and at the broker when its disk is in trouble.

use super::{LOOK_EVERY, World};
use crate::ledger::fault::Kind;
use crate::ledger::payload::{self, Origin};
use crate::wire::decode::Packet;
use crate::wire::encode::{self, Hello, Message};
use crate::wire::{Version, Wire};
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

/// How long a retained message, an acknowledgement or an echo may take from a broker that is alive.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing may come before nothing more is expected. It can only miss a fault.
const QUIET: Duration = Duration::from_millis(500);
/// Retained messages that were cleared are here.
const CLEARED: &str = "cleared/";

/// The client that looks at retained messages.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    /// Looks that came to an end before the broker did.
    pub(crate) looks: u64,
    cleared: Vec<String>,
}

impl Auditor {
    /// Looks once in each life until the run is over; gives back what it knows.
    pub(crate) fn run(mut self, world: &World) -> Self {
        let mut next = 0;
        while let Some(life) = world.gate.enter(next) {
            if world.gate.stage() != crate::gate::Stage::Load {
                return self;
            }
            next = life.number + 1;
            // An error is the broker's death.
            if check_retained(world, life.port).is_ok() {
                self.looks += 1;
                let _died = self.clear(life.port, life.number);
            }
        }
        self
    }

    /// Sets a retained message and clears it again.
    fn clear(&mut self, port: u16, life: u32) -> io::Result<()> {
        let topic = format!("{CLEARED}{life}");
        let mut wire = open(port, "clearer")?;
        for (id, payload) in [(1, b"set".as_slice()), (2, b"")] {
            let message = Message { topic: &topic, payload, qos: 1, retain: true, dup: false, id };
            let mut bytes = Vec::new();
            encode::publish(&mut bytes, wire.version(), &message);
            wire.send(&bytes)?;
            await_packet(&mut wire, PATIENCE, |packet| matches!(packet, Packet::PubAck { reason: 0, .. }))?;
        }
        self.cleared.push(topic);
        Ok(())
    }
}

/// Every topic of the retaining streams has a message that is new enough. Errors are the connection's.
fn check_retained(world: &World, port: u16) -> io::Result<()> {
    let mut wire = open(port, "auditor")?;
    let topics = retaining(world);
    let floors: HashMap<&str, Option<u64>> = topics
        .iter()
        .map(|(topic, (stream, n))| (topic.as_str(), world.ledger.retained_floor(*stream, *n)))
        .collect();
    let mut owed = floors.values().filter(|floor| floor.is_some()).count();
    let filters: Vec<&str> = topics.keys().map(String::as_str).collect();
    wire.send(&encode::subscribe(wire.version(), 1, &filters, 0))?;
    let until = Instant::now() + PATIENCE;
    let mut came: HashMap<String, u64> = HashMap::new();
    while owed > 0 {
        if Instant::now() > until {
            for (topic, floor) in floors.iter().filter(|(topic, _)| !came.contains_key(**topic)) {
                if let Some(floor) = floor {
                    let text = format!("{topic} has no retained message, and {floor} was acknowledged");
                    world.ledger.fault(Kind::Retained, text);
                }
            }
            return Ok(());
        }
        for packet in wire.poll(LOOK_EVERY)? {
            let Packet::Publish { topic, payload, retain: true, .. } = packet else { continue };
            let Some((stream, _)) = topics.get(&topic) else { continue };
            let floor = floors[topic.as_str()];
            let number = number_of(world, *stream, &topic, &payload);
            if number.is_none() || number < floor {
                let text = format!("{topic} has {number:?} retained, and {floor:?} was acknowledged");
                world.ledger.fault(Kind::Retained, text);
            }
            if came.insert(topic, number.unwrap_or_default()).is_none() && floor.is_some() {
                owed -= 1;
            }
        }
    }
    Ok(())
}

/// At the end, when everything is acknowledged: the last messages are retained, and none that was cleared.
pub(crate) fn retained_at_rest(world: &World, auditor: &Auditor, port: u16) -> io::Result<()> {
    check_retained(world, port)?;
    let mut wire = open(port, "auditor")?;
    wire.send(&encode::subscribe(wire.version(), 1, &[&format!("{CLEARED}#")], 0))?;
    let mut until = Instant::now() + QUIET;
    while Instant::now() < until {
        for packet in wire.poll(LOOK_EVERY)? {
            until = Instant::now() + QUIET;
            if let Packet::Publish { topic, .. } = packet
                && auditor.cleared.contains(&topic)
            {
                world.ledger.fault(Kind::Retained, format!("{topic} was cleared and is there again"));
            }
        }
    }
    Ok(())
}

/// The topics of retaining streams, with stream and number of the topic.
fn retaining(world: &World) -> HashMap<String, (usize, u64)> {
    let streams = world.ledger.plans().iter().enumerate().filter(|(_, plan)| plan.retain);
    let topics = streams.flat_map(|(stream, plan)| (0..plan.topics).map(move |n| (stream, n)));
    topics.map(|(stream, n)| (world.ledger.topic(stream, n), (stream, n))).collect()
}

/// The number of a message, if it is one that was sent to this topic.
fn number_of(world: &World, stream: usize, topic: &str, payload: &[u8]) -> Option<u64> {
    match payload::origin(payload) {
        Some(Origin::Message { stream: of, number })
            if of == stream
                && world.ledger.topic(stream, number) == topic
                && number < world.ledger.sent(stream) =>
        {
            Some(number)
        }
        _ => None,
    }
}

/// What a broker does whose disk is in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// A QoS 1 message that would have to be kept was acknowledged.
    pub(crate) is_acknowledged: bool,
    /// A QoS 0 message came back to its subscriber.
    pub(crate) is_echoed: bool,
}

/// Asks for what needs the disk, and for what does not. Errors are the connection's.
pub(crate) fn probe(port: u16, patience: Duration) -> io::Result<Probe> {
    let mut wire = open(port, "prober")?;
    let mut bytes = encode::subscribe(wire.version(), 1, &["echo"], 0);
    let echo = Message { topic: "echo", payload: b"echo", qos: 0, retain: false, dup: false, id: 0 };
    // Retained, so that there is something to keep.
    let kept = Message { topic: "kept", payload: b"kept", qos: 1, retain: true, dup: false, id: 7 };
    encode::publish(&mut bytes, wire.version(), &echo);
    wire.send(&bytes)?;
    let is_echoed =
        answered(await_packet(&mut wire, PATIENCE, |packet| matches!(packet, Packet::Publish { .. })))?;
    bytes.clear();
    encode::publish(&mut bytes, wire.version(), &kept);
    wire.send(&bytes)?;
    let acked = await_packet(&mut wire, patience, |packet| {
        matches!(packet, Packet::PubAck { id: 7, reason: 0..0x80 })
    });
    Ok(Probe { is_acknowledged: answered(acked)?, is_echoed })
}

fn answered(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
        Err(error) => Err(error),
    }
}

fn open(port: u16, client: &str) -> io::Result<Wire> {
    let hello = Hello { version: Version::V5, client, kept: false, will: None };
    Wire::open(port, &hello).map(|(wire, _)| wire)
}

fn await_packet(wire: &mut Wire, patience: Duration, wanted: impl Fn(&Packet) -> bool) -> io::Result<()> {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        if wire.poll(LOOK_EVERY)?.iter().any(&wanted) {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
