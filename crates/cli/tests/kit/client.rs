//! A peer that speaks raw MQTT bytes over TCP, a Unix socket or WebSockets, with a deadline on every wait.
//!
//! Before it: [`super::packet`] builds what it sends. After it: [`super::decode`] reads what came.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::broker::{Broker, ours};
use super::decode::{self, Delivery};
use super::hex::dump;
use super::packet::{Connect, DISCONNECT, PINGREQ, PINGRESP, Publish, Subscribe, V4, V5, Version, ack};
use super::patience::REPLY;
use super::ws::WsStream;

/// A byte stream with a read deadline.
pub trait Wire: Read + Write + Send {
    /// Limits the next reads.
    fn set_deadline(&self, deadline: Duration);
    /// Ends our side of the stream without a word.
    fn cut(&self);
}

impl Wire for TcpStream {
    fn set_deadline(&self, deadline: Duration) {
        self.set_read_timeout(Some(deadline)).expect("a positive deadline");
    }

    fn cut(&self) {
        let _ = self.shutdown(std::net::Shutdown::Both);
    }
}

impl Wire for UnixStream {
    fn set_deadline(&self, deadline: Duration) {
        self.set_read_timeout(Some(deadline)).expect("a positive deadline");
    }

    fn cut(&self) {
        let _ = self.shutdown(std::net::Shutdown::Both);
    }
}

/// Opens a TCP connection to a loopback port.
pub fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker accepts connections");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_write_timeout(Some(REPLY)).expect("a positive deadline");
    stream
}

/// As [`tcp`], from an address of loopback's that is not the usual one.
pub fn tcp_from(address: std::net::Ipv4Addr, port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a TCP socket");
    socket.bind(&SocketAddr::from((address, 0)).into()).expect("all of 127.0.0.0/8 is ours");
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("the broker accepts connections");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_write_timeout(Some(REPLY)).expect("a positive deadline");
    stream
}

/// How a stream ended, or that it did not.
#[derive(Debug, PartialEq, Eq)]
enum Fill {
    More,
    Closed,
    Late,
}

/// One MQTT peer.
pub struct Client {
    wire: Box<dyn Wire>,
    version: Version,
    buffer: VecDeque<u8>,
    closed: bool,
    patience: Duration,
}

impl Client {
    /// A bare TCP connection; nothing sent yet.
    pub fn raw(broker: &Broker, version: Version) -> Self {
        Self::over(tcp(broker.port()), version)
    }

    /// A peer on a stream of the caller's.
    pub fn over(wire: impl Wire + 'static, version: Version) -> Self {
        Self { wire: Box::new(wire), version, buffer: VecDeque::new(), closed: false, patience: REPLY }
    }

    /// A bare connection to a Unix socket.
    pub fn unix(path: &Path, version: Version) -> Self {
        let stream = UnixStream::connect(path).expect("the broker accepts connections");
        Self::over(stream, version)
    }

    /// A bare WebSocket connection to a port.
    pub fn websocket(port: u16, version: Version) -> Self {
        Self::over(WsStream::open(tcp(port)), version)
    }

    /// Connects and requires acceptance; gives the client and its CONNACK.
    #[track_caller]
    pub fn open(broker: &Broker, connect: &Connect) -> (Self, Vec<u8>) {
        let mut client = Self::raw(broker, connect.version());
        let connack = client.handshake(connect);
        (client, connack)
    }

    /// Connects with a clean session and requires acceptance.
    #[track_caller]
    pub fn clean(broker: &Broker, version: Version, id: &str) -> Self {
        Self::open(broker, &Connect::new(version, id)).0
    }

    /// Sends CONNECT and requires acceptance; gives the CONNACK.
    #[track_caller]
    pub fn handshake(&mut self, connect: &Connect) -> Vec<u8> {
        self.send(connect.bytes());
        let connack = self.frame();
        assert!(
            connack[0] == 0x20 && decode::reason(&connack) == Some(0),
            "accepting CONNACK expected, got {}",
            dump(&connack)
        );
        connack
    }

    /// Waits at most this long for each answer from now on.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends bytes as they are. A broker that has already hung up is not an error here.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if self.wire.write_all(bytes.as_ref()).is_err() {
            self.closed = true;
        }
        let _ = self.wire.flush();
    }

    /// Reads once, until `end`.
    fn fill(&mut self, end: Instant) -> Fill {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Fill::Late;
        }
        self.wire.set_deadline(left);
        let mut chunk = [0; 65536];
        match self.wire.read(&mut chunk) {
            Ok(0) => Fill::Closed,
            Ok(count) => {
                self.buffer.extend(&chunk[..count]);
                Fill::More
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Fill::Late,
            Err(error) if error.kind() == ErrorKind::Interrupted => Fill::More,
            Err(_) => Fill::Closed,
        }
    }

    /// A whole packet if it is already here.
    fn buffered(&mut self) -> Option<Vec<u8>> {
        let length = decode::frame_len(self.buffer.make_contiguous())?;
        Some(self.buffer.drain(..length).collect())
    }

    /// The next whole packet, or what came instead.
    fn next(&mut self, deadline: Duration) -> Result<Vec<u8>, Fill> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(frame) = self.buffered() {
                return Ok(frame);
            }
            match self.fill(end) {
                Fill::More => {}
                other => return Err(other),
            }
        }
    }

    /// The next packet.
    #[track_caller]
    pub fn frame(&mut self) -> Vec<u8> {
        match self.next(self.patience) {
            Ok(frame) => frame,
            Err(Fill::Late) => panic!("no packet came in time; buffered: {}", self.rest()),
            Err(_) => panic!(
                "the broker closed the connection where a packet was expected; buffered: {}",
                self.rest()
            ),
        }
    }

    /// The next packet if one comes within this client's patience.
    pub fn patient_frame(&mut self) -> Option<Vec<u8>> {
        self.next(self.patience).ok()
    }

    fn rest(&mut self) -> String {
        dump(self.buffer.make_contiguous())
    }

    /// The next packet if one comes before `deadline` or the end of the connection.
    pub fn frame_within(&mut self, deadline: Duration) -> Option<Vec<u8>> {
        self.next(deadline).ok()
    }

    /// Requires exactly these bytes next.
    #[track_caller]
    pub fn expect(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        let end = Instant::now() + self.patience;
        while self.buffer.len() < wanted.len() && self.fill(end) == Fill::More {}
        let got: Vec<u8> = self.buffer.drain(..wanted.len().min(self.buffer.len())).collect();
        assert!(
            got == wanted,
            "bytes differ\n expected {}\n got      {}\n then     {}",
            dump(wanted),
            dump(&got),
            self.rest()
        );
    }

    /// Requires that the broker closes the connection and sends nothing more.
    #[track_caller]
    pub fn expect_close(&mut self) {
        let (bytes, closed) = self.drain();
        assert!(closed, "the broker keeps the connection open; it sent {}", dump(&bytes));
        assert!(bytes.is_empty(), "close expected, got {} first", dump(&bytes));
    }

    /// Reads everything until the broker closes or patience ends; tells which.
    pub fn drain(&mut self) -> (Vec<u8>, bool) {
        self.drain_within(self.patience)
    }

    /// As [`Client::drain`], with its own deadline.
    pub fn drain_within(&mut self, deadline: Duration) -> (Vec<u8>, bool) {
        let end = Instant::now() + deadline;
        let outcome = loop {
            match self.fill(end) {
                Fill::More => {}
                other => break other,
            }
        };
        (self.buffer.drain(..).collect(), outcome == Fill::Closed)
    }

    /// Requires the reason in a DISCONNECT (MQTT 5), or nothing (below), and then the close.
    #[track_caller]
    pub fn expect_disconnect(&mut self, reason: u8) {
        if self.version == V5 {
            let frame = self.frame();
            assert!(
                frame[0] == 0xE0 && decode::reason(&frame) == Some(reason),
                "DISCONNECT {reason:#04x} expected, got {}",
                dump(&frame)
            );
        }
        self.expect_close();
    }

    /// Requires that the session answers PINGREQ with nothing before it: the broker had nothing to say.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        self.send(PINGREQ);
        self.expect(PINGRESP);
    }

    /// The next PUBLISH.
    #[track_caller]
    pub fn delivery(&mut self) -> Delivery {
        let frame = self.frame();
        decode::delivery(self.version, &frame)
            .unwrap_or_else(|| panic!("PUBLISH expected, got {}", dump(&frame)))
    }

    /// The next PUBLISH, of which topic and payload are required; acknowledged whatever its QoS.
    #[track_caller]
    pub fn receive(&mut self, topic: &str, payload: &str) -> Delivery {
        let delivery = self.delivery();
        assert_eq!(
            (delivery.topic.as_str(), delivery.text().as_str()),
            (topic, payload),
            "another message came: {delivery:?}"
        );
        self.acknowledge(&delivery);
        delivery
    }

    /// The next PUBLISH whatever it is, acknowledged.
    #[track_caller]
    pub fn receive_any(&mut self) -> Delivery {
        let delivery = self.delivery();
        self.acknowledge(&delivery);
        delivery
    }

    /// Completes the handshake of a delivery.
    #[track_caller]
    pub fn acknowledge(&mut self, delivery: &Delivery) {
        match delivery.qos {
            1 => self.send(ack(0x40, delivery.mid)),
            2 => {
                self.send(ack(0x50, delivery.mid));
                let pubrel = ack(0x62, delivery.mid);
                self.past_deliveries("PUBREL", |frame| frame == pubrel);
                self.send(ack(0x70, delivery.mid));
            }
            _ => {}
        }
    }

    /// Requires a packet that deliveries may overtake; those stay in line.
    #[track_caller]
    fn past_deliveries(&mut self, name: &str, wanted: impl Fn(&[u8]) -> bool) {
        let mut overtaking = Vec::new();
        loop {
            let frame = self.frame();
            if wanted(&frame) {
                break;
            }
            assert_eq!(frame[0] >> 4, 3, "{name} expected, got {}", dump(&frame));
            overtaking.extend(frame);
        }
        overtaking.extend(self.buffer.drain(..));
        self.buffer = overtaking.into();
    }

    /// Subscribes and requires that the broker grants exactly the QoS asked for. Deliveries may come before
    /// the SUBACK and stay in line. Gives the client for chaining.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, options: u8) -> &mut Self {
        self.send(Subscribe::new(self.version, 0x5B, filter, options).bytes());
        let version = self.version;
        self.past_deliveries(&format!("SUBACK of {filter}"), |frame| {
            frame[0] == 0x90 && decode::suback_codes(version, frame) == [options & 3]
        });
        self
    }

    /// Publishes at any QoS and completes the handshake.
    #[track_caller]
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) {
        self.send_publish(Publish::new(self.version, topic, payload).qos(qos, 0x70));
    }

    /// As [`Client::publish`], retained.
    #[track_caller]
    pub fn publish_retained(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) {
        self.send_publish(Publish::new(self.version, topic, payload).qos(qos, 0x70).retain());
    }

    #[track_caller]
    fn send_publish(&mut self, publish: Publish) {
        let bytes = publish.bytes();
        self.send(&bytes);
        match (bytes[0] >> 1) & 3 {
            0 => {
                self.send(PINGREQ);
                self.past_deliveries("PINGRESP", |frame| frame == PINGRESP);
            }
            1 => self.await_ack(0x40),
            _ => {
                self.await_ack(0x50);
                self.send(ack(0x62, 0x70));
                self.await_ack(0x70);
            }
        }
    }

    /// An acknowledgement of packet 0x70, whatever (successful) reason it carries.
    #[track_caller]
    fn await_ack(&mut self, first: u8) {
        self.past_deliveries(&format!("acknowledgement {first:#04x}"), |frame| {
            let reason = frame.get(4).copied().unwrap_or(0);
            frame[0] == first && frame[2..4] == [0, 0x70] && reason < 0x80
        });
    }

    /// Says goodbye and waits until the broker has hung up, so that it has seen it.
    #[track_caller]
    pub fn disconnect(mut self) {
        self.send(DISCONNECT);
        self.expect_close();
    }

    /// As [`Client::disconnect`] where others may have ended the connection first.
    pub fn disconnect_or_lose(mut self) {
        self.send(DISCONNECT);
        self.drain();
    }

    /// Cuts the connection without DISCONNECT.
    pub fn cut(self) {
        self.wire.cut();
    }

    /// Whether the broker has hung up on a write.
    pub fn refused_write(&self) -> bool {
        self.closed
    }

    /// Protocol version of this peer.
    pub fn version(&self) -> Version {
        self.version
    }
}

/// The CONNACK that accepts, byte for byte: MQTT 5 has the properties every session is told.
pub fn accepting_connack(version: Version, session_present: bool) -> Vec<u8> {
    let present = u8::from(session_present);
    if version != V5 {
        return vec![0x20, 2, present, 0];
    }
    let packet_size: &[u8] = if ours() { &[0x27, 0x00, 0x1E, 0x84, 0x80] } else { &[] };
    let properties = [&[0x22, 0, 10], packet_size, &[0x21, 0, 20]].concat();
    let length = properties.len() as u8;
    [&[0x20, length + 3, present, 0, length][..], &properties].concat()
}

/// Anonymous helper for tests that need any client: MQTT 3.1.1, clean.
#[track_caller]
pub fn plain(broker: &Broker, id: &str) -> Client {
    Client::clean(broker, V4, id)
}
