//! Tests of the WebSocket stage: what both files need.

mod frames;
mod handshake;
mod properties;

use std::sync::Arc;

use super::*;

const UPGRADE: &str = "GET /mqtt HTTP/1.1\r\nHost: broker.example:9001\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a machine gave back for some input.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    mqtt: Vec<u8>,
    reply: Vec<u8>,
    result: Result<(), WsError>,
}

impl Outcome {
    /// The code of the Close at the end of the reply.
    fn close_code(&self) -> Option<u16> {
        let [.., 0x88, 2, high, low] = self.reply[..] else {
            return None;
        };
        Some(u16::from_be_bytes([high, low]))
    }

    fn reply_text(&self) -> &str {
        std::str::from_utf8(&self.reply).unwrap()
    }
}

/// Feeds `input` in pieces of `piece` bytes, until the first error.
fn feed(ws: &mut ServerWs, input: &[u8], piece: usize) -> Outcome {
    let (mut mqtt, mut reply, mut result) = (Vec::new(), Vec::new(), Ok(()));
    for piece in input.to_vec().chunks_mut(piece) {
        result = ws.receive(piece, &mut mqtt, &mut reply);
        if result.is_err() {
            break;
        }
    }
    Outcome { mqtt, reply, result }
}

fn server() -> ServerWs {
    ServerWs::new(Arc::default())
}

fn open_server() -> ServerWs {
    let mut ws = server();
    assert_eq!(feed(&mut ws, UPGRADE.as_bytes(), usize::MAX).result, Ok(()));
    assert!(ws.is_open());
    ws
}

/// Feeds frames to an open server.
fn receive(frames: &[u8]) -> Outcome {
    feed(&mut open_server(), frames, usize::MAX)
}

/// A masked frame with any first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ClientWs::encode(payload, MASK, &mut bytes);
    bytes[0] = first;
    bytes
}
