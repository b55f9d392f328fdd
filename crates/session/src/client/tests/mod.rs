//! The client against a scripted server over a virtual wire with a clock.

mod handshake;
mod properties;
mod receiving;
mod sending;
mod violations;

use super::*;
use alloc::boxed::Box;
use alloc::vec;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::{
    Ack, Auth, Connack, Connect, Disconnect, Publish, Suback, SubscribeFilter, SubscribeOptions, Unsuback,
};
use pondhawk_codec::{Packet, PacketType, PropertiesBuf, Property, Qos, ReasonCode, Version, reason};

const V3: Version = Version::V311;
const V5: Version = Version::V5;

/// A client, its clock, and the wire to a server that the test plays.
struct Wire {
    client: Client,
    now: u64,
    sent: Vec<u8>,
}

impl Wire {
    fn new(options: Options) -> Self {
        Wire { client: Client::new(options), now: 1_000, sent: Vec::new() }
    }

    /// A connection that the server has accepted with these properties.
    fn online(options: Options, properties: &[Property<'_>]) -> Self {
        let mut wire = Wire::new(options);
        wire.reconnect(false, properties);
        wire
    }

    fn reconnect(&mut self, session_present: bool, properties: &[Property<'_>]) {
        self.client.connect(self.now).expect("offline");
        assert!(matches!(self.sent()[..], [PacketType::Connect]));
        let properties = block(properties);
        self.serve(&Packet::Connack(Connack {
            session_present,
            code: reason::SUCCESS,
            properties: properties.as_properties(),
        }));
        let Some(Event::Connected(connected)) = self.client.poll_event() else { panic!("connected") };
        assert_eq!(connected.session_present, session_present);
    }

    fn version(&self) -> Version {
        self.client.options().version
    }

    /// The server sends a packet.
    fn serve(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.version(), &mut bytes).expect("small");
        self.client.receive(self.now, &bytes);
    }

    fn serve_publish(&mut self, qos: Qos, id: Option<u16>, topic: &str, properties: &[Property<'_>]) {
        let properties = block(properties);
        self.serve(&Packet::Publish(Publish {
            dup: false,
            qos,
            retain: false,
            topic,
            packet_id: id.and_then(PacketId::new),
            properties: properties.as_properties(),
            payload: b"payload",
        }));
    }

    /// What the client has sent since the last look, as the server sees it.
    fn packets(&mut self, look: &mut dyn FnMut(&Packet<'_>)) {
        self.sent = self.client.take_output();
        let mut rest = &self.sent[..];
        while let Ok(Step::Frame(frame)) = frame::next(rest, usize::MAX) {
            match frame.packet_type {
                PacketType::Connect => panic!("CONNECT is looked at elsewhere"),
                _ => look(&Packet::decode(&frame, self.client.options().version).expect("legal")),
            }
            rest = &rest[frame.len..];
        }
        assert!(rest.is_empty(), "whole packets");
    }

    fn sent(&mut self) -> Vec<PacketType> {
        self.sent = self.client.take_output();
        let mut rest = &self.sent[..];
        let mut types = Vec::new();
        while let Ok(Step::Frame(frame)) = frame::next(rest, usize::MAX) {
            types.push(frame.packet_type);
            rest = &rest[frame.len..];
        }
        types
    }

    /// The PUBLISH packets since the last look: identifier and DUP.
    fn published(&mut self) -> Vec<(u16, bool)> {
        let mut seen = Vec::new();
        self.packets(&mut |packet| match packet {
            Packet::Publish(publish) => {
                seen.push((publish.packet_id.map_or(0, PacketId::get), publish.dup));
            }
            other => panic!("PUBLISH, not {other:?}"),
        });
        seen
    }

    fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn cause(&mut self) -> Cause {
        assert!(self.client.is_offline());
        match self.events().pop() {
            Some(Event::Disconnected(cause)) => cause,
            other => panic!("disconnected, not {other:?}"),
        }
    }

    fn violation(&mut self) -> Violation {
        match self.cause() {
            Cause::Violation(violation) => violation,
            other => panic!("violation, not {other:?}"),
        }
    }

    fn publish(&mut self, qos: Qos) -> PacketId {
        let message = NewMessage::new("t", b"hello").qos(qos);
        self.client.publish(self.now, &message).expect("accepted")
    }
}

fn block(properties: &[Property<'_>]) -> PropertiesBuf {
    let mut buf = PropertiesBuf::new();
    for property in properties {
        buf.push(*property).expect("small");
    }
    buf
}

fn options(version: Version) -> Options {
    Options { version, client_id: String::from("me"), ..Options::default() }
}

fn kept(version: Version) -> Options {
    Options { clean_start: false, ..options(version) }
}

fn ack(id: u16, code: ReasonCode) -> Ack<'static> {
    Ack::new(PacketId::new(id).expect("not zero"), code)
}

impl Wire {
    /// A new connection of the session, its events left to the caller.
    fn reconnect_quietly(&mut self, window: u16) {
        self.client.connect(self.now).expect("offline");
        let _ = self.client.take_output();
        let properties = block(&[Property::ReceiveMaximum(window)]);
        self.serve(&Packet::Connack(Connack {
            session_present: true,
            code: reason::SUCCESS,
            properties: properties.as_properties(),
        }));
    }
}
