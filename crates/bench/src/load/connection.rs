//! One socket with what waits to be sent and the beginning of a frame that has not come whole.

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::SocketAddr;

/// The size of the one buffer that all connections read into.
pub(crate) const SCRATCH_BYTES: usize = 256 * 1024;

/// A connection without blocking.
pub(crate) struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    /// What of `out` has been sent.
    sent: usize,
    /// The socket took less than it was given; it will say when it takes more.
    blocked: bool,
    partial: Vec<u8>,
}

/// What a read gave.
pub(crate) struct Input<'a> {
    /// What was kept from the last read, and what is new.
    pub(crate) bytes: &'a [u8],
    /// The read filled the buffer: the socket holds more and will not say so again.
    pub(crate) more: bool,
}

impl Connection {
    /// Connects to a broker that listens on this machine.
    ///
    /// # Errors
    /// Nobody listens, or no more descriptors.
    pub(crate) fn open(addr: SocketAddr, registry: &Registry, token: Token) -> io::Result<Connection> {
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nonblocking(true)?;
        Connection::accepted(TcpStream::from_std(stream), registry, token)
    }

    /// Takes a connected socket and registers it.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn accepted(
        mut stream: TcpStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Connection { stream, out: Vec::new(), sent: 0, blocked: false, partial: Vec::new() })
    }

    /// One read into `scratch`, behind what [`keep`](Self::keep) kept.
    ///
    /// # Errors
    /// The peer closed ([`io::ErrorKind::UnexpectedEof`]) or the socket failed.
    pub(crate) fn read<'a>(&mut self, scratch: &'a mut [u8]) -> io::Result<Input<'a>> {
        let kept = self.partial.len();
        if kept >= scratch.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame larger than the read buffer"));
        }
        scratch[..kept].copy_from_slice(&self.partial);
        self.partial.clear();
        let len = match self.stream.read(&mut scratch[kept..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => len,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        Ok(Input { bytes: &scratch[..kept + len], more: kept + len == scratch.len() })
    }

    /// Keeps the beginning of a frame for the next read.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.partial.extend_from_slice(rest);
    }

    /// What the next [`flush`](Self::flush) sends; frames are appended.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// One write of all that waits, unless the socket is full.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.blocked || self.sent == self.out.len() {
            return Ok(());
        }
        match self.stream.write(&self.out[self.sent..]) {
            Ok(len) => self.sent += len,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else {
            self.blocked = true;
        }
        Ok(())
    }

    /// The socket takes bytes again.
    ///
    /// # Errors
    /// The socket failed.
    pub(crate) fn unblock(&mut self) -> io::Result<()> {
        self.blocked = false;
        self.flush()
    }
}
