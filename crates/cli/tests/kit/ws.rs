//! A WebSocket client of a few lines: the opening handshake, masked frames out, any frames in.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::client::Wire;

/// The mask of every frame we send; any four bytes are as good.
const MASK: [u8; 4] = [0x1D, 0x2E, 0x3F, 0x40];

/// The key and the answer that the standard's own example gives for it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An upgrade request for a path with additional header lines.
pub fn request(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// A client frame: first byte (FIN and opcode) and payload, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=65535 => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// Reads the response head of an upgrade request, up to the empty line.
pub fn response_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An open WebSocket as a byte stream: each write is one binary frame.
#[derive(Debug)]
pub struct WsStream {
    stream: TcpStream,
    raw: Vec<u8>,
    data: Vec<u8>,
    closed: bool,
}

impl WsStream {
    /// Performs the opening handshake with sub-protocol `mqtt` and checks the answer.
    #[track_caller]
    pub fn open(mut stream: TcpStream) -> Self {
        let request = request("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n");
        stream.write_all(request.as_bytes()).expect("the broker reads");
        let head = response_head(&mut stream);
        let lower = head.to_ascii_lowercase();
        assert!(head.starts_with("HTTP/1.1 101"), "upgrade refused: {head}");
        assert!(head.contains(ACCEPT), "wrong Sec-WebSocket-Accept: {head}");
        assert!(lower.contains("sec-websocket-protocol: mqtt\r\n"), "sub-protocol not selected: {head}");
        Self { stream, raw: Vec::new(), data: Vec::new(), closed: false }
    }

    /// Moves the payload of every whole frame in `raw` to `data`.
    fn unpack(&mut self) {
        while let Some((first, payload, used)) = split_frame(&self.raw) {
            match first & 0x0F {
                0x8 => self.closed = true,
                0x9 | 0xA => {}
                _ => self.data.extend_from_slice(payload),
            }
            self.raw.drain(..used);
        }
    }
}

/// First byte, payload and size of the first whole (unmasked) frame.
fn split_frame(raw: &[u8]) -> Option<(u8, &[u8], usize)> {
    let first = *raw.first()?;
    let (length, head) = match *raw.get(1)? {
        126 => (u64::from(u16::from_be_bytes(raw.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(raw.get(2..10)?.try_into().ok()?), 10),
        short => {
            assert!(short < 126, "a server must not mask its frames");
            (u64::from(short), 2)
        }
    };
    let end = head + usize::try_from(length).ok()?;
    Some((first, raw.get(head..end)?, end))
}

impl Read for WsStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut chunk = [0; 65536];
        while self.data.is_empty() && !self.closed {
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Ok(0);
            }
            self.raw.extend_from_slice(&chunk[..count]);
            self.unpack();
        }
        let count = out.len().min(self.data.len());
        out[..count].copy_from_slice(&self.data[..count]);
        self.data.drain(..count);
        Ok(count)
    }
}

impl Write for WsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write_all(&frame(0x82, bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Wire for WsStream {
    fn set_deadline(&self, deadline: Duration) {
        self.stream.set_read_timeout(Some(deadline)).expect("a positive deadline");
    }

    fn cut(&self) {
        self.stream.cut();
    }
}
