//! A connected socket that does not block, with WebSocket framing if asked for.

use super::ConnectError;
use pondhawk_net::ws::{ClientWs, WsError};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// The path that MQTT servers expect in a WebSocket request.
const WS_PATH: &str = "/mqtt";
const READ_BYTES: usize = 64 * 1024;

/// A connection to the broker.
pub(crate) struct Transport {
    stream: Stream,
    ws: Option<WebSocket>,
    /// Bytes for the socket; those before `written` are out.
    output: Vec<u8>,
    written: usize,
    scratch: Box<[u8]>,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

struct WebSocket {
    machine: ClientWs,
    /// MQTT bytes that wait for the server to agree.
    waiting: Vec<u8>,
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Bytes were appended, perhaps none; there may be more.
    Some,
    /// Nothing more for now.
    Later,
    /// The broker has closed the connection.
    Closed,
    /// What the other end says is no WebSocket, or no longer.
    Unusable(String),
}

impl Transport {
    pub(super) fn tcp(stream: TcpStream, websocket_host: Option<&str>) -> Result<Self, ConnectError> {
        stream.set_nonblocking(true)?;
        Transport::new(Stream::Tcp(stream), websocket_host)
    }

    pub(super) fn unix(stream: UnixStream, websockets: bool) -> Result<Self, ConnectError> {
        stream.set_nonblocking(true)?;
        Transport::new(Stream::Unix(stream), websockets.then_some("localhost"))
    }

    fn new(stream: Stream, websocket_host: Option<&str>) -> Result<Self, ConnectError> {
        let mut transport = Transport {
            stream,
            ws: None,
            output: Vec::new(),
            written: 0,
            scratch: vec![0; READ_BYTES].into(),
        };
        if let Some(host) = websocket_host {
            let machine = ClientWs::new(random()?);
            let request = machine.request(host, WS_PATH, &[]);
            transport.output = request.map_err(|error| ConnectError::WebSocket(error.to_string()))?;
            let waiting = Vec::new();
            transport.ws = Some(WebSocket { machine, waiting });
        }
        Ok(transport)
    }

    /// How many bytes wait for the socket.
    pub(crate) fn pending(&self) -> usize {
        self.output.len() - self.written
    }

    /// Takes MQTT bytes that are to be sent.
    ///
    /// # Errors
    /// The system has no random numbers for a WebSocket mask.
    pub(crate) fn queue(&mut self, mqtt: Vec<u8>) -> io::Result<()> {
        if mqtt.is_empty() {
            return Ok(());
        }
        match &mut self.ws {
            None if self.output.is_empty() => self.output = mqtt,
            None => self.output.extend_from_slice(&mqtt),
            Some(ws) if ws.machine.is_open() => ClientWs::encode(&mqtt, random()?, &mut self.output),
            Some(ws) => ws.waiting.extend_from_slice(&mqtt),
        }
        Ok(())
    }

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads once and appends the MQTT bytes to `mqtt`.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn read(&mut self, mqtt: &mut Vec<u8>) -> io::Result<Received> {
        let count = match self.stream.read(&mut self.scratch) {
            Ok(0) => return Ok(Received::Closed),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Later),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Received::Some),
            Err(error) => return Err(error),
        };
        let Some(ws) = &mut self.ws else {
            mqtt.extend_from_slice(&self.scratch[..count]);
            return Ok(Received::Some);
        };
        match ws.machine.receive(&mut self.scratch[..count], mqtt, &mut self.output) {
            Ok(()) => {}
            Err(WsError::Closed(_) | WsError::Done) => return Ok(Received::Closed),
            Err(error) => return Ok(Received::Unusable(error.to_string())),
        }
        if ws.machine.is_open() && !ws.waiting.is_empty() {
            let waiting = std::mem::take(&mut ws.waiting);
            self.queue(waiting)?;
        }
        Ok(Received::Some)
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(bytes)
}
