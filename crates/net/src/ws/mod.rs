//! WebSocket (RFC 6455) as a byte stage in front of MQTT, without a socket and without extensions.
//!
//! Before it: bytes as read from a socket. After it: MQTT bytes for the codec. Both ends are machines that
//! take *all* of each input and keep only what they must: a partial head while the connection is being
//! upgraded, then a partial frame header or control frame. An idle open connection owns no buffer.
//!
//! ```text
//!                 whole head, all well            Close received, or a rule broken
//!   HANDSHAKE ---------------------------> OPEN -----------------------------------> DONE
//!       |              a bad head                                                      ^
//!       +------------------------------------------------------------------------------+
//! ```
//!
//! Messages mean nothing here: MQTT packets need not align with frames, so the payloads of binary frames are
//! one stream of bytes [MQTT-6.0.0-2] [MQTT3-6.0.0-2]. A declared length therefore never becomes an allocation;
//! the codec behind it limits the packet's size.
//!
//! A receiver that returns an error is done. What it has put into `mqtt` before still counts (a client may
//! send its last PUBLISH and a Close in one write); what it has put into `reply` is to be sent before the
//! socket is closed.

mod client;
mod error;
mod fields;
mod frame;
mod head;
mod server;

pub use client::ClientWs;
pub use error::WsError;
pub use frame::{HEADER_BYTES_MAX, frame_header};
pub use server::{ServerWs, WsSettings};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// The sub-protocols under which MQTT is spoken, the preferred one first [MQTT-6.0.0-3] [MQTT3-6.0.0-3]. The
/// second one is what clients of the 3.1 days ask for.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455, 4.2.2).
fn accept_for(key: &[u8]) -> String {
    let digest =
        Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(digest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
