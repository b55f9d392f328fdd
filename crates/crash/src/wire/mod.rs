//! MQTT as the clients of the run need it: a connection, and the packets in [`encode`] and [`decode`].

pub(crate) mod decode;
pub(crate) mod encode;

use decode::Packet;
use encode::Hello;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// How long a broker may take for an answer that it owes before the connection counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// The version that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V311,
    V5,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    version: Version,
    bytes: Vec<u8>,
}

impl Wire {
    /// Connects; with it comes whether the broker has the session.
    pub(crate) fn open(port: u16, hello: &Hello<'_>) -> io::Result<(Self, bool)> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut wire = Wire { stream, version: hello.version, bytes: Vec::new() };
        wire.send(&encode::connect(hello))?;
        match wire.one()? {
            Packet::ConnAck { present, code: 0 } => Ok((wire, present)),
            other => Err(io::Error::other(format!("no CONNACK of success but {other:?}"))),
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The packets that have come; waits for the first as long as `wait`.
    pub(crate) fn poll(&mut self, wait: Duration) -> io::Result<Vec<Packet>> {
        let mut packets = self.decode(usize::MAX)?;
        if packets.is_empty() {
            self.read(wait)?;
            packets = self.decode(usize::MAX)?;
        }
        Ok(packets)
    }

    /// The next packet, which the broker owes.
    fn one(&mut self) -> io::Result<Packet> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(packet) = self.decode(1)?.pop() {
                return Ok(packet);
            }
            if Instant::now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.read(PATIENCE)?;
        }
    }

    /// Reads once; nothing within `wait` is no error, the end is.
    fn read(&mut self, wait: Duration) -> io::Result<()> {
        let mut scratch = [0; 16 * 1024];
        self.stream.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match self.stream.read(&mut scratch) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.bytes.extend_from_slice(&scratch[..n]);
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn decode(&mut self, limit: usize) -> io::Result<Vec<Packet>> {
        let mut packets = Vec::new();
        let mut at = 0;
        while packets.len() < limit {
            let Some((packet, len)) = decode::packet(&self.bytes[at..], self.version)? else { break };
            packets.push(packet);
            at += len;
        }
        self.bytes.drain(..at);
        Ok(packets)
    }
}
