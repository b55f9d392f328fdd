//! A client's byte stream: TCP or Unix, plain or inside WebSocket frames.
//!
//! Before it: the reactor's readiness. After it: MQTT bytes. An idle stream owns no buffer: what is read goes
//! into the reactor's scratch buffer, and what cannot be written at once is kept only until it is.

use crate::ws::{self, ServerWs, WsError, WsSettings};
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

/// The socket under a stream.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(mio::net::TcpStream),
    /// A Unix socket.
    Unix(mio::net::UnixStream),
}

impl Socket {
    /// The socket as a source of readiness.
    pub fn source(&mut self) -> &mut dyn mio::event::Source {
        match self {
            Socket::Tcp(socket) => socket,
            Socket::Unix(socket) => socket,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(buffer),
            Socket::Unix(socket) => socket.read(buffer),
        }
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, parts) {
            (Socket::Tcp(socket), [one]) => socket.write(one),
            (Socket::Unix(socket), [one]) => socket.write(one),
            (Socket::Tcp(socket), _) => socket.write_vectored(parts),
            (Socket::Unix(socket), _) => socket.write_vectored(parts),
        }
    }

    fn shut_down(&self) {
        // The peer may be gone already; there is nobody to tell.
        let _gone = match self {
            Socket::Tcp(socket) => socket.shutdown(std::net::Shutdown::Both),
            Socket::Unix(socket) => socket.shutdown(std::net::Shutdown::Both),
        };
    }
}

/// A stream and what of its output waits for room in the socket.
pub struct Stream {
    socket: Socket,
    ws: Option<Box<ServerWs>>,
    pending: Vec<u8>,
    /// Bytes of `pending` that are written.
    written: usize,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// So many bytes; there may be more.
    More(usize),
    /// So many bytes, and the socket has no more for now.
    Drained(usize),
    /// The peer has closed its end.
    End,
}

impl Stream {
    /// A stream that carries MQTT directly.
    #[must_use]
    pub fn plain(socket: Socket) -> Self {
        Stream { socket, ws: None, pending: Vec::new(), written: 0 }
    }

    /// A stream that will begin with a WebSocket handshake.
    #[must_use]
    pub fn websocket(socket: Socket, settings: Arc<WsSettings>) -> Self {
        let ws = Some(Box::new(ServerWs::new(settings)));
        Stream { ws, ..Stream::plain(socket) }
    }

    /// The socket, to be registered.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Reads outer bytes once.
    ///
    /// # Errors
    /// Whatever the socket says, [`io::ErrorKind::WouldBlock`] excepted.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        loop {
            return match self.socket.read(buffer) {
                Ok(0) => Ok(Input::End),
                // A short read has emptied the socket: see the note on edge triggering in epoll(7).
                Ok(len) if len < buffer.len() => Ok(Input::Drained(len)),
                Ok(len) => Ok(Input::More(len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Input::Drained(0)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// True if outer bytes are not MQTT bytes: they go through [`unwrap`](Self::unwrap).
    #[must_use]
    pub fn is_wrapped(&self) -> bool {
        self.ws.is_some()
    }

    /// Turns outer bytes into MQTT bytes, which are appended to `mqtt`. Answers of the outer protocol are
    /// written.
    ///
    /// # Errors
    /// The outer protocol ended or was broken; `mqtt` still has what came before.
    pub fn unwrap(&mut self, outer: &mut [u8], mqtt: &mut Vec<u8>) -> Result<(), WsError> {
        let Some(ws) = &mut self.ws else {
            mqtt.extend_from_slice(outer);
            return Ok(());
        };
        let mut reply = Vec::new();
        let result = ws.receive(outer, mqtt, &mut reply);
        if !reply.is_empty() {
            // If the socket fails, the next read says so.
            let _failed = self.write_outer(&reply, &[]);
        }
        result
    }

    /// Writes MQTT bytes, in one frame if they need frames; what the socket does not take is kept. How many
    /// outer bytes are kept then.
    ///
    /// # Errors
    /// Whatever the socket says; the stream is of no more use.
    pub fn write(&mut self, mqtt: &[u8]) -> io::Result<usize> {
        if mqtt.is_empty() {
            return Ok(self.backlog());
        }
        let mut header = [0; ws::HEADER_BYTES_MAX];
        let len = if self.ws.is_some() { ws::frame_header(mqtt.len(), &mut header) } else { 0 };
        self.write_outer(&header[..len], mqtt)?;
        Ok(self.backlog())
    }

    /// Writes what is kept, now that the socket has room. How many bytes are still kept then.
    ///
    /// # Errors
    /// Whatever the socket says; the stream is of no more use.
    pub fn flush(&mut self) -> io::Result<usize> {
        while self.written < self.pending.len() {
            match self.socket.write(&[IoSlice::new(&self.pending[self.written..])]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(self.backlog()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pending = Vec::new();
        self.written = 0;
        Ok(0)
    }

    /// Outer bytes that wait for room in the socket.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.pending.len() - self.written
    }

    /// Says goodbye as far as the outer protocol has a word for it.
    pub fn close(&mut self) {
        if let Some(ws) = &mut self.ws
            && ws.is_open()
        {
            let mut goodbye = Vec::new();
            ws.close(1000, &mut goodbye);
            // The stream is closed whether or not the goodbye gets through.
            let _failed = self.write_outer(&goodbye, &[]);
        }
        self.socket.shut_down();
    }

    fn write_outer(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut done = 0;
        let total = head.len() + body.len();
        while self.pending.is_empty() && done < total {
            let result = if done >= head.len() {
                self.socket.write(&[IoSlice::new(&body[done - head.len()..])])
            } else {
                self.socket.write(&[IoSlice::new(&head[done..]), IoSlice::new(body)])
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => done += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if done < total {
            self.keep(&head[done.min(head.len())..]);
            self.keep(&body[done.saturating_sub(head.len())..]);
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        // Written bytes are dropped once they are the larger part, so that keeping stays linear.
        if self.written > self.pending.len() / 2 {
            self.pending.drain(..self.written);
            self.written = 0;
        }
        self.pending.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Stream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("non-blocking");
        (Stream::plain(Socket::Unix(mio::net::UnixStream::from_std(ours))), theirs)
    }

    #[test]
    fn what_the_socket_does_not_take_is_kept_in_order() {
        let (mut stream, mut peer) = pair();
        let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut backlog = 0;
        for chunk in sent.chunks(100_000) {
            backlog = stream.write(chunk).expect("open");
        }
        assert!(backlog > 0 && backlog < sent.len());
        let mut got = vec![0; sent.len()];
        let mut at = 0;
        while at < got.len() {
            at += peer.read(&mut got[at..]).expect("open");
            stream.flush().expect("open");
        }
        assert!(got == sent);
        assert_eq!((stream.backlog(), stream.pending.capacity()), (0, 0));
    }

    #[test]
    fn reads_say_whether_there_is_more() {
        let (mut stream, mut peer) = pair();
        let mut buffer = [0; 4];
        assert_eq!(stream.read(&mut buffer).expect("open"), Input::Drained(0));
        peer.write_all(b"abcdef").expect("open");
        assert_eq!(stream.read(&mut buffer).expect("open"), Input::More(4));
        assert_eq!(stream.read(&mut buffer).expect("open"), Input::Drained(2));
        drop(peer);
        assert_eq!(stream.read(&mut buffer).expect("open"), Input::End);
    }
}
