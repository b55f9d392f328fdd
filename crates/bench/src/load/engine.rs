//! Many connections under one poll, in turns: wait, one read each, what the handler answers, one write each.

use super::PATIENCE;
use super::connection::{Connection, SCRATCH_BYTES};
use crate::error::{BenchError, Tried};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use pondhawk_codec::frame::{Step, next};
use pondhawk_codec::packet::{Connect, FilterList, Subscribe, SubscribeFilter, SubscribeOptions};
use pondhawk_codec::{Frame, Packet, PacketId, Properties, Qos, REMAINING_LENGTH_MAX, Version};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

const TIMER: Token = Token(usize::MAX);
/// Connections that are opened at once: fewer than any broker's listen backlog.
const OPENED_AT_ONCE: usize = 64;

/// What is done with a frame.
pub(super) trait Handler {
    /// A frame came on connection number `connection`; what is appended to `out` is sent at the end of the turn.
    ///
    /// # Errors
    /// The frame has no business there.
    fn frame(&mut self, connection: usize, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), BenchError>;
}

/// What happened in a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Frames that came.
    pub(super) frames: u64,
    /// Times that the timer ran out.
    pub(super) ticks: u64,
}

/// Connections, numbered from 0, and a timer.
pub(super) struct Engine {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    connections: Vec<Connection>,
    /// Connections whose sockets hold more than the last read took.
    more: Vec<usize>,
    timer: Option<OwnedFd>,
}

impl Engine {
    /// No connections yet.
    pub(super) fn new() -> Result<Engine, BenchError> {
        Ok(Engine {
            poll: Poll::new().tried(|| "making a poll".to_owned())?,
            events: Events::with_capacity(1024),
            scratch: vec![0; SCRATCH_BYTES],
            connections: Vec::new(),
            more: Vec::new(),
            timer: None,
        })
    }

    /// Starts a timer that ticks every `period`.
    pub(super) fn tick_every(&mut self, period: Duration) -> Result<(), BenchError> {
        let what = || "making a timer".to_owned();
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(Into::into).tried(what)?;
        let period =
            Timespec::try_from(period).map_err(|_| BenchError::Usage("too slow a pace".to_owned()))?;
        let spec = Itimerspec { it_interval: period, it_value: period };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec).map_err(Into::into).tried(what)?;
        let mut source = SourceFd(&timer.as_raw_fd());
        self.poll.registry().register(&mut source, TIMER, Interest::READABLE).tried(what)?;
        self.timer = Some(timer);
        Ok(())
    }

    /// The bytes that connection number `connection` sends at the end of the turn.
    pub(super) fn out(&mut self, connection: usize) -> &mut Vec<u8> {
        self.connections[connection].out()
    }

    /// One turn: waits until something comes, at most `wait`, handles it, and sends.
    pub(super) fn turn(&mut self, wait: Duration, handler: &mut impl Handler) -> Result<Turn, BenchError> {
        let wait = if self.more.is_empty() { wait } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(error).tried(|| "polling".to_owned());
            }
            _ => {}
        }
        let mut turn = Turn::default();
        let mut readable = std::mem::take(&mut self.more);
        let held_back = readable.len();
        for event in &self.events {
            let Token(number) = event.token();
            if event.token() == TIMER {
                turn.ticks += self.timer.as_ref().map_or(0, expirations);
                continue;
            }
            if event.is_writable() {
                self.connections[number].unblock().map_err(|error| broke_off(number, &error))?;
            }
            if event.is_readable() && !readable[..held_back].contains(&number) {
                readable.push(number);
            }
        }
        for number in readable {
            turn.frames += self.read(number, handler)?;
        }
        self.flush()?;
        Ok(turn)
    }

    /// Sends what waits, one write a connection.
    pub(super) fn flush(&mut self) -> Result<(), BenchError> {
        for (number, connection) in self.connections.iter_mut().enumerate() {
            connection.flush().map_err(|error| broke_off(number, &error))?;
        }
        Ok(())
    }

    fn read(&mut self, number: usize, handler: &mut impl Handler) -> Result<u64, BenchError> {
        let connection = &mut self.connections[number];
        let input = connection.read(&mut self.scratch).map_err(|error| broke_off(number, &error))?;
        let mut rest = input.bytes;
        let mut frames = 0;
        while let Step::Frame(frame) =
            next(rest, REMAINING_LENGTH_MAX).map_err(|error| malformed(number, &error))?
        {
            handler.frame(number, &frame, connection.out())?;
            rest = &rest[frame.len..];
            frames += 1;
        }
        connection.keep(rest);
        if input.more {
            self.more.push(number);
        }
        Ok(frames)
    }

    /// Opens one connection and sends `hello`, whose answer is the handler's business; gives its number.
    pub(super) fn join(&mut self, addr: SocketAddr, hello: &Connect<'_>) -> Result<usize, BenchError> {
        let number = self.connections.len();
        let mut connection = Connection::open(addr, self.poll.registry(), Token(number))
            .tried(|| format!("connection {number} to the broker"))?;
        hello.encode(connection.out()).map_err(too_large)?;
        self.connections.push(connection);
        Ok(number)
    }

    /// Opens as many connections as `greeting` has clients, each with CONNECT and SUBSCRIBE, and waits for the
    /// answers.
    pub(super) fn open(&mut self, addr: SocketAddr, greeting: &Greeting<'_>) -> Result<(), BenchError> {
        let end = self.connections.len() + greeting.clients;
        while self.connections.len() < end {
            let first = self.connections.len();
            let count = OPENED_AT_ONCE.min(end - first);
            for number in first..first + count {
                let connection = Connection::open(addr, self.poll.registry(), Token(number))
                    .tried(|| format!("connection {number} to the broker"))?;
                self.connections.push(connection);
                greeting.connect(number, self.connections[number].out())?;
            }
            self.flush()?;
            let mut opening = Opening { greeting, first, open: 0 };
            self.turn_until(&mut opening, |opening| (count - opening.open) as u64)?;
        }
        Ok(())
    }

    /// Turns until `missing` says that nothing is.
    pub(super) fn turn_until<H: Handler>(
        &mut self,
        handler: &mut H,
        missing: impl Fn(&H) -> u64,
    ) -> Result<(), BenchError> {
        let mut last = Instant::now();
        while missing(handler) > 0 {
            if self.turn(PATIENCE, handler)?.frames > 0 {
                last = Instant::now();
            } else if last.elapsed() >= PATIENCE {
                return Err(BenchError::Stalled { within: PATIENCE, missing: missing(handler) });
            }
        }
        Ok(())
    }
}

/// How often the timer has run out since it was last asked.
fn expirations(timer: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    match rustix::io::read(timer, &mut count) {
        Ok(8) => u64::from_ne_bytes(count),
        // It has not: the event was an old one.
        _ => 0,
    }
}

fn broke_off(number: usize, error: &std::io::Error) -> BenchError {
    BenchError::Broker(format!("connection {number}: {error}"))
}

fn malformed(number: usize, error: &pondhawk_codec::Malformed) -> BenchError {
    BenchError::Broker(format!("connection {number} got bytes that are not MQTT: {error}"))
}

/// A frame that came where none of its kind belongs.
pub(super) fn unexpected(number: usize, frame: &Frame<'_>) -> BenchError {
    BenchError::Broker(format!("connection {number} got an unexpected {}", frame.packet_type.name()))
}

/// How connections begin.
pub(super) struct Greeting<'a> {
    /// How many clients.
    pub(super) clients: usize,
    /// What they speak.
    pub(super) version: Version,
    /// What the connection of this number subscribes to.
    pub(super) filter: &'a dyn Fn(usize) -> Option<String>,
    /// The QoS of subscriptions.
    pub(super) qos: Qos,
}

impl Greeting<'_> {
    fn connect(&self, number: usize, out: &mut Vec<u8>) -> Result<(), BenchError> {
        hello(self.version, true, &format!("bench-{number}")).encode(out).map_err(too_large)
    }
}

/// The CONNECT of a client.
pub(super) fn hello(version: Version, clean_start: bool, client_id: &str) -> Connect<'_> {
    Connect {
        version,
        bridge: false,
        clean_start,
        keep_alive: 0,
        properties: Properties::EMPTY,
        client_id,
        will: None,
        username: None,
        password: None,
    }
}

/// Appends a SUBSCRIBE.
pub(super) fn subscribe(
    version: Version,
    filter: &str,
    qos: Qos,
    out: &mut Vec<u8>,
) -> Result<(), BenchError> {
    let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
    let mut payload = Vec::new();
    FilterList::push(SubscribeFilter { filter, options }, &mut payload).map_err(too_large)?;
    let filters = FilterList::check(&payload, version)
        .map_err(|error| BenchError::Usage(format!("filter {filter}: {error}")))?;
    let subscribe = Subscribe { packet_id: PacketId::MIN, properties: Properties::EMPTY, filters };
    subscribe.encode(version, out).map_err(too_large)
}

pub(super) fn too_large(error: pondhawk_codec::TooLarge) -> BenchError {
    BenchError::Usage(error.to_string())
}

/// The handler while connections are opened.
struct Opening<'a> {
    greeting: &'a Greeting<'a>,
    /// The number of the first connection of this batch.
    first: usize,
    open: usize,
}

impl Handler for Opening<'_> {
    fn frame(&mut self, number: usize, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), BenchError> {
        match Packet::decode(frame, self.greeting.version) {
            Ok(Packet::Connack(connack)) if !connack.code.is_error() && connack.code.0 == 0 => {
                match (self.greeting.filter)(number) {
                    Some(filter) => subscribe(self.greeting.version, &filter, self.greeting.qos, out)?,
                    None => self.open += 1,
                }
                Ok(())
            }
            Ok(Packet::Suback(suback))
                if suback.codes == [self.greeting.qos.as_u8()] && number >= self.first =>
            {
                self.open += 1;
                Ok(())
            }
            _ => Err(unexpected(number, frame)),
        }
    }
}
