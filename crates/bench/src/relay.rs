//! The limit: a relay that answers CONNECT and SUBSCRIBE and copies whole frames from each read to every
//! subscriber with one write each. It reads no topic and keeps no state; no broker on sockets can do less.

use crate::error::{BenchError, Tried};
use crate::load::{Connection, SCRATCH_BYTES};
use crate::meter::Meter;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use pondhawk_codec::frame::{Step, next};
use pondhawk_codec::{PacketType, REMAINING_LENGTH_MAX};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::JoinHandle;

const LISTENER: Token = Token(usize::MAX - 1);
const STOP: Token = Token(usize::MAX - 2);

/// A relay on a thread of its own, which ends when this is dropped.
pub(crate) struct Relay {
    addr: SocketAddr,
    thread_id: i32,
    stop: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port or no thread.
    pub(crate) fn start() -> Result<Relay, BenchError> {
        let what = || "starting the relay".to_owned();
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).tried(what)?;
        let addr = listener.local_addr().tried(what)?;
        let poll = Poll::new().tried(what)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).tried(what)?;
        let stop = Waker::new(poll.registry(), STOP).tried(what)?;
        let (tell, told) = mpsc::channel();
        let floor =
            Floor { poll, listener, clients: BTreeMap::new(), opened: 0, scratch: vec![0; SCRATCH_BYTES] };
        let thread = std::thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || {
                // The receiver waits for this below.
                let _ = tell.send(rustix::thread::gettid().as_raw_nonzero().get());
                if let Err(error) = floor.run() {
                    eprintln!("relay: {error}");
                }
            })
            .tried(what)?;
        let thread_id = told.recv().map_err(|_| BenchError::Broker("the relay's thread ended".to_owned()))?;
        Ok(Relay { addr, thread_id, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The meter of its thread.
    pub(crate) fn meter(&self) -> Meter {
        Meter::Thread(self.thread_id)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if self.stop.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            // A panic there has been printed.
            let _ = thread.join();
        }
    }
}

/// One client: its connection, and whether it has subscribed.
struct Client {
    connection: Connection,
    subscribed: bool,
}

/// The relay's thread.
struct Floor {
    poll: Poll,
    listener: TcpListener,
    clients: BTreeMap<Token, Client>,
    opened: usize,
    scratch: Vec<u8>,
}

impl Floor {
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        // Clients with bytes left in their sockets, or with input held back.
        let mut more: Vec<Token> = Vec::new();
        let mut relayed = Vec::new();
        loop {
            let timeout = if more.is_empty() { None } else { Some(std::time::Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let mut readable = std::mem::take(&mut more);
            for event in &events {
                match event.token() {
                    STOP => return Ok(()),
                    LISTENER => self.accept()?,
                    token => {
                        if event.is_writable() {
                            self.flush(token);
                        }
                        if event.is_readable() && !readable.contains(&token) {
                            readable.push(token);
                        }
                    }
                }
            }
            for token in readable {
                if self.read(token, &mut relayed) {
                    more.push(token);
                }
                self.relay(&relayed);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    let token = Token(self.opened);
                    self.opened += 1;
                    let connection = Connection::accepted(stream, self.poll.registry(), token)?;
                    let client = Client { connection, subscribed: false };
                    self.clients.insert(token, client);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// One read of one client; its whole PUBLISH frames go to `relayed`. True if there is more to read.
    fn read(&mut self, token: Token, relayed: &mut Vec<u8>) -> bool {
        relayed.clear();
        let Some(client) = self.clients.get_mut(&token) else {
            return false;
        };
        let answered = client.connection.read(&mut self.scratch).and_then(|input| {
            let rest = client.handle(input.bytes, relayed)?;
            client.connection.keep(&input.bytes[input.bytes.len() - rest..]);
            client.connection.flush()?;
            Ok(input.more)
        });
        answered.unwrap_or_else(|_| {
            self.clients.remove(&token);
            false
        })
    }

    /// One write a subscriber.
    fn relay(&mut self, frames: &[u8]) {
        if frames.is_empty() {
            return;
        }
        self.clients.retain(|_, client| {
            if !client.subscribed {
                return true;
            }
            client.connection.out().extend_from_slice(frames);
            client.connection.flush().is_ok()
        });
    }

    fn flush(&mut self, token: Token) {
        if let Some(client) = self.clients.get_mut(&token)
            && client.connection.unblock().is_err()
        {
            self.clients.remove(&token);
        }
    }
}

impl Client {
    /// Answers what asks for an answer and collects PUBLISH frames. Returns how many bytes are left over.
    fn handle(&mut self, mut bytes: &[u8], relayed: &mut Vec<u8>) -> io::Result<usize> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        while let Step::Frame(frame) = next(bytes, REMAINING_LENGTH_MAX).map_err(invalid)? {
            let out = self.connection.out();
            match frame.packet_type {
                PacketType::Connect => out.extend_from_slice(&[0x20, 2, 0, 0]),
                PacketType::Subscribe => {
                    self.subscribed = true;
                    let id = frame.body.get(..2).unwrap_or(&[0, 1]);
                    out.extend_from_slice(&[0x90, 3, id[0], id[1], 0]);
                }
                PacketType::Pingreq => out.extend_from_slice(&[0xd0, 0]),
                PacketType::Publish => relayed.extend_from_slice(&bytes[..frame.len]),
                _ => {}
            }
            bytes = &bytes[frame.len..];
        }
        Ok(bytes.len())
    }
}
