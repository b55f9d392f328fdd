//! The tools' end: asks for the upgrade, checks the answer, then takes the server's frames apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::fields::Fields;
use super::frame::{Frames, Out, Side, append_close, append_masked};
use super::head::{FIELDS_MAX, Head};
use super::{SUBPROTOCOLS, WsError, accept_for};

/// The longest answer to an upgrade; proxies on the way like to add lines.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A client's WebSocket, over a connection that has just been made.
pub struct ClientWs {
    state: State,
    masks: Masks,
}

enum State {
    Handshake(Head),
    Open(Frames),
    Done,
}

/// Where the key and the masks of our own control frames come from. The entropy itself is never sent, so the
/// masks can not be told from the key.
struct Masks {
    entropy: [u8; 16],
    used: u64,
}

impl Masks {
    fn key(&self) -> String {
        let [key @ .., _, _, _, _] = self.derive(0);
        STANDARD.encode(key)
    }

    fn derive(&self, number: u64) -> [u8; 20] {
        Sha1::new().chain_update(self.entropy).chain_update(number.to_be_bytes()).finalize().into()
    }
}

impl Side for Masks {
    const PEER_MASKS: bool = false;

    fn mask(&mut self) -> Option<[u8; 4]> {
        self.used += 1;
        self.derive(self.used).first_chunk().copied()
    }
}

impl ClientWs {
    /// Begins; `entropy` must be new random bytes for each connection.
    #[must_use]
    pub fn new(entropy: [u8; 16]) -> Self {
        let state = State::Handshake(Head::new(b"HTTP/1.", HEAD_BYTES_MAX));
        Self { state, masks: Masks { entropy, used: 0 } }
    }

    /// The bytes to send first. `host` is as in a URL, with its port and an IPv6 address in brackets; `extra`
    /// are further header fields, such as `Origin`.
    ///
    /// # Errors
    /// [`WsError::BadHead`] if an argument would break out of its place in the head.
    pub fn request(&self, host: &str, path: &str, extra: &[(&str, &str)]) -> Result<Vec<u8>, WsError> {
        let slash = if path.starts_with('/') { "" } else { "/" };
        if host.is_empty() || [host, path].iter().any(|part| part.contains(unfit_for_url)) {
            return Err(WsError::BadHead("host or path with a space or control character"));
        }
        let mut request = format!(
            "GET {slash}{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {}\r\n",
            self.masks.key(),
            // [MQTT-6.0.0-3] [MQTT3-6.0.0-3]
            SUBPROTOCOLS[0],
        );
        for (name, value) in extra {
            let name_fits = !name.is_empty() && !name.contains(|c: char| unfit_for_url(c) || c == ':');
            if !name_fits || value.contains(char::is_control) {
                return Err(WsError::BadHead("extra header with a control character"));
            }
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        Ok(request.into_bytes())
    }

    /// Whether the server has agreed, so that MQTT bytes may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// As [`ServerWs::receive`](super::ServerWs::receive).
    ///
    /// # Errors
    /// The connection has ended, in order or not: use what is in `mqtt`, send `reply`, close the socket.
    pub fn receive(
        &mut self,
        mut input: &mut [u8],
        mqtt: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<(), WsError> {
        if let State::Handshake(head) = &mut self.state {
            let taken = head.take(input).and_then(|used| match head.whole() {
                None => Ok(None),
                Some(head) => check(head, &self.masks.key()).map(|()| Some(used)),
            });
            let Some(used) = self.unless_done(taken)? else {
                return Ok(());
            };
            self.state = State::Open(Frames::default());
            input = &mut input[used..];
        }
        let State::Open(frames) = &mut self.state else {
            return Err(WsError::Done);
        };
        let taken = frames.receive(&mut self.masks, input, Out { mqtt, reply });
        self.unless_done(taken)
    }

    /// Appends `mqtt` as one frame to `out`; `mask` must be new random bytes for each frame.
    pub fn encode(mqtt: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
        append_masked(mqtt, mask, out);
    }

    /// Ends the connection from our side, telling the server with a Close of this code.
    pub fn close(&mut self, code: u16, reply: &mut Vec<u8>) {
        if self.is_open() {
            append_close(Some(code), self.masks.mask(), reply);
        }
        self.state = State::Done;
    }

    fn unless_done<T>(&mut self, result: Result<T, WsError>) -> Result<T, WsError> {
        if result.is_err() {
            self.state = State::Done;
        }
        result
    }
}

fn unfit_for_url(c: char) -> bool {
    c == ' ' || c.is_control()
}

/// Checks a whole answer by RFC 6455, 4.1.
fn check(head: &[u8], key: &str) -> Result<(), WsError> {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(WsError::BadHead("incomplete")),
        Err(httparse::Error::TooManyHeaders) => return Err(WsError::HeadTooLarge),
        Err(_) => return Err(WsError::BadHead("malformed")),
    }
    match (response.code, response.version) {
        (Some(101), Some(1)) => {}
        (Some(101), _) => return Err(WsError::BadHead("not HTTP/1.1")),
        (code, _) => return Err(WsError::Refused(code.unwrap_or(0))),
    }
    let fields = Fields(response.headers);
    if !fields.lists("Upgrade", "websocket") || !fields.lists("Connection", "upgrade") {
        return Err(WsError::NotAnUpgrade);
    }
    if fields.once("Sec-WebSocket-Accept")? != Some(accept_for(key.as_bytes()).as_bytes()) {
        return Err(WsError::BadHead("Sec-WebSocket-Accept does not match"));
    }
    if fields.once("Sec-WebSocket-Extensions")?.is_some() {
        return Err(WsError::BadHead("an extension that was not asked for"));
    }
    if fields.once("Sec-WebSocket-Protocol")? != Some(SUBPROTOCOLS[0].as_bytes()) {
        return Err(WsError::Subprotocol);
    }
    Ok(())
}
