//! Vectors over TCP to any broker.

use crate::transport::{Heard, Link, Patience, Transport};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// After this time without an answer one asks whether the connection lives.
const MOMENT: Duration = Duration::from_millis(200);

/// A broker's address, and how long to wait for an answer that does not come.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Where the broker listens.
    pub address: SocketAddr,
    /// Patience for each answer.
    pub patience: Duration,
}

impl Transport for Tcp {
    type Link = Socket;

    fn open(&mut self) -> io::Result<Socket> {
        let stream = TcpStream::connect_timeout(&self.address, self.patience)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(self.patience))?;
        Ok(Socket { stream, patience: self.patience })
    }

    fn pass(&mut self, time: Duration) {
        // The one way to let a foreign broker's clock run on.
        std::thread::sleep(time);
    }
}

/// A connection over TCP.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    patience: Duration,
}

impl Link for Socket {
    fn send(&mut self, bytes: &[u8]) {
        // A peer that has hung up is heard at the next read.
        let _ = self.stream.write_all(bytes);
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Patience) -> Heard {
        let time = if patience == Patience::All { self.patience } else { MOMENT.min(self.patience) };
        if self.stream.set_read_timeout(Some(time)).is_err() {
            return Heard::Closed;
        }
        let mut chunk = [0; 16 << 10];
        loop {
            return match self.stream.read(&mut chunk) {
                Ok(0) => Heard::Closed,
                Ok(count) => {
                    into.extend_from_slice(&chunk[..count]);
                    Heard::Bytes
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => Heard::Silence,
                    _ => Heard::Closed,
                },
            };
        }
    }

    fn cut(&mut self) {
        // If it has gone already, that is what was wanted.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
