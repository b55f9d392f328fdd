//! Listeners: clients come in, as far as places and file descriptors go.

use super::peer::{Greeting, Peer, Stage};
use super::{ACCEPT_PAUSE_MS, Pump, Ruled};
use mio::{Interest, Registry, Token};
use pondhawk_broker::Millis;
use pondhawk_net::{Listener, Socket, Stream, WsSettings};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Clients accepted from one listener in one turn at the most.
const ACCEPTS_MAX: usize = 64;

/// How clients of a listener speak.
#[derive(Clone, Debug)]
pub enum Transport {
    /// MQTT on the socket.
    Plain,
    /// MQTT in WebSocket frames.
    WebSocket(Arc<WsSettings>),
}

/// Hears of each client's address, and why it was turned away if it was.
pub type OnAccept = Arc<dyn Fn(&str, Result<(), &str>) + Send + Sync>;

/// One listening socket.
pub struct Door {
    /// The socket.
    pub listener: Listener,
    /// The number of its listener in the configuration.
    pub number: u16,
    /// How its clients speak.
    pub transport: Transport,
    /// Clients of the configured listener now, over all its sockets and all shards.
    pub count: Arc<AtomicI64>,
    /// `max_connections`.
    pub max: Option<i64>,
    /// Tells the log of a new connection or of one turned away.
    pub on_accept: OnAccept,
}

/// A place among a listener's connections, given back when dropped.
pub(super) struct Place(Arc<AtomicI64>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.listener {
            Listener::Tcp { socket, .. } => registry.register(socket, token, Interest::READABLE),
            Listener::Unix { socket, .. } => registry.register(socket, token, Interest::READABLE),
        }
    }

    fn accept(&self) -> io::Result<(Socket, Box<str>)> {
        match &self.listener {
            Listener::Tcp { socket, .. } => {
                let (socket, address) = socket.accept()?;
                // A lone small packet must not wait for the acknowledgement of the one before.
                socket.set_nodelay(true)?;
                Ok((Socket::Tcp(socket), address.to_string().into()))
            }
            Listener::Unix { socket, file } => {
                let (socket, _) = socket.accept()?;
                Ok((Socket::Unix(socket), file.path().display().to_string().into()))
            }
        }
    }

    /// A place for one more, unless the listener is full.
    fn place(&self) -> Option<Place> {
        let place = Place(self.count.clone());
        let taken = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.max.is_none_or(|max| taken <= max).then_some(place)
    }

    fn stream(&self, socket: Socket) -> Stream {
        match &self.transport {
            Transport::Plain => Stream::plain(socket),
            Transport::WebSocket(settings) => Stream::websocket(socket, settings.clone()),
        }
    }
}

impl<H: Ruled> Pump<H> {
    pub(super) fn accept_ready(&mut self, now: Millis) {
        if !self.is_open || self.accept_again.is_some_and(|again| now < again) {
            return;
        }
        if self.accept_again.take().is_some() {
            self.doors_ready.fill(true);
        }
        for index in 0..self.doors.len() {
            if self.doors_ready[index] {
                self.accept_from(index, now);
            }
        }
    }

    fn accept_from(&mut self, index: usize, now: Millis) {
        for _ in 0..ACCEPTS_MAX {
            match self.doors[index].accept() {
                Ok((socket, address)) => self.welcome(index, socket, address, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.doors_ready[index] = false;
                    return;
                }
                Err(error) if is_exhausted(&error) => {
                    (self.doors[index].on_accept)("", Err(&error.to_string()));
                    self.doors_ready.fill(false);
                    self.accept_again = Some(now + ACCEPT_PAUSE_MS);
                    return;
                }
                // That client is gone already; the next may not be.
                Err(_) => {}
            }
        }
    }

    fn welcome(&mut self, index: usize, socket: Socket, address: Box<str>, now: Millis) {
        let door = &self.doors[index];
        let Some(place) = door.place() else {
            (door.on_accept)(&address, Err("max_connections exceeded"));
            return;
        };
        (door.on_accept)(&address, Ok(()));
        self.report.sockets += 1;
        self.opened += 1;
        let serial = self.opened;
        let stage = Stage::Greeting(Box::new(Greeting { address, serial }));
        let mut peer = Peer::new(door.stream(socket), door.number, stage);
        peer.place = Some(place);
        if let Some(token) = self.register(peer) {
            self.greetings.push_back((now + self.settings.connect_timeout_ms, token, serial));
        }
    }

    /// Gives a peer its place in the poll; `None` if the poll does not take it, and the peer is gone then.
    pub(super) fn register(&mut self, mut peer: Peer) -> Option<usize> {
        let entry = self.peers.vacant_entry();
        let token = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(peer.stream.socket().source(), Token(token), interest);
        registered.ok()?;
        peer.queued = true;
        entry.insert(peer);
        self.ready.push_back(token);
        Some(token)
    }
}

/// True if the process or the machine has no file descriptor or memory left for another connection.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
