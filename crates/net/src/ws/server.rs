//! The broker's end: checks the upgrade, answers it, then takes the client's frames apart.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::fields::Fields;
use super::frame::{Frames, Out, Side, append_close};
use super::head::{FIELDS_MAX, Head};
use super::{SUBPROTOCOLS, WsError, accept_for};

/// Small devices make up their key letter by letter, so the bits that pad the last byte may be anything.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// What a listener asks of those who upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsSettings {
    /// The allowed values of `Origin`; empty allows any, and none at all. With a list, a request without
    /// `Origin` is refused.
    pub origins: Vec<String>,
    /// The longest HTTP head, in bytes.
    pub max_header_bytes: usize,
}

impl Default for WsSettings {
    fn default() -> Self {
        Self { origins: Vec::new(), max_header_bytes: 4096 }
    }
}

/// One client's WebSocket, from its first byte on.
pub struct ServerWs {
    state: State,
}

enum State {
    Handshake(Box<Handshake>),
    Open(Frames),
    Done,
}

struct Handshake {
    settings: Arc<WsSettings>,
    head: Head,
}

struct ServerSide;

impl Side for ServerSide {
    const PEER_MASKS: bool = true;

    fn mask(&mut self) -> Option<[u8; 4]> {
        None
    }
}

impl ServerWs {
    /// A connection that has been accepted and has said nothing yet.
    #[must_use]
    pub fn new(settings: Arc<WsSettings>) -> Self {
        let head = Head::new(b"GET ", settings.max_header_bytes);
        Self { state: State::Handshake(Box::new(Handshake { settings, head })) }
    }

    /// Whether the upgrade is done, so that frames may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes all of `input` (and scribbles on it), appends MQTT bytes to `mqtt`, and to `reply` what is to be
    /// sent as it is.
    ///
    /// # Errors
    /// The connection has ended, in order or not: use what is in `mqtt`, send `reply`, close the socket.
    pub fn receive(
        &mut self,
        mut input: &mut [u8],
        mqtt: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<(), WsError> {
        if let State::Handshake(handshake) = &mut self.state {
            let taken = handshake.receive(input, reply);
            let Some(used) = self.unless_done(taken)? else {
                return Ok(());
            };
            self.state = State::Open(Frames::default());
            input = &mut input[used..];
        }
        let State::Open(frames) = &mut self.state else {
            return Err(WsError::Done);
        };
        let taken = frames.receive(&mut ServerSide, input, Out { mqtt, reply });
        self.unless_done(taken)
    }

    /// Ends the connection from our side, telling an open client with a Close of this code.
    pub fn close(&mut self, code: u16, reply: &mut Vec<u8>) {
        if self.is_open() {
            append_close(Some(code), None, reply);
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

impl Handshake {
    /// Once the head is whole: writes the answer and returns how much of `input` the head was.
    fn receive(&mut self, input: &[u8], reply: &mut Vec<u8>) -> Result<Option<usize>, WsError> {
        let result = self.head.take(input).and_then(|used| match self.head.whole() {
            None => Ok(None),
            Some(head) => check(head, &self.settings).map(|accepted| Some((used, accepted))),
        });
        match result {
            Ok(None) => Ok(None),
            Ok(Some((used, accepted))) => {
                accepted.answer(reply);
                Ok(Some(used))
            }
            Err(error) => {
                refuse(error, reply);
                Err(error)
            }
        }
    }
}

/// An upgrade that may go on.
struct Accepted {
    accept: String,
    subprotocol: &'static str,
}

impl Accepted {
    fn answer(&self, reply: &mut Vec<u8>) {
        let Self { accept, subprotocol } = self;
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
        );
        reply.extend_from_slice(answer.as_bytes());
    }
}

/// Checks a whole head by RFC 6455, 4.2.1, and our settings.
fn check(head: &[u8], settings: &WsSettings) -> Result<Accepted, WsError> {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(WsError::BadHead("incomplete")),
        Err(httparse::Error::TooManyHeaders) => return Err(WsError::HeadTooLarge),
        Err(_) => return Err(WsError::BadHead("malformed")),
    }
    if request.version != Some(1) {
        return Err(WsError::BadHead("not HTTP/1.1"));
    }
    let fields = Fields(request.headers);
    if fields.once("Host")?.is_none() {
        return Err(WsError::BadHead("no Host"));
    }
    // A body would be taken for frames.
    if fields.once("Transfer-Encoding")?.is_some()
        || fields.once("Content-Length")?.is_some_and(|len| len != b"0")
    {
        return Err(WsError::BadHead("request with a body"));
    }
    if !fields.lists("Upgrade", "websocket") || !fields.lists("Connection", "upgrade") {
        return Err(WsError::NotAnUpgrade);
    }
    if fields.once("Sec-WebSocket-Version")? != Some(b"13") {
        return Err(WsError::Version);
    }
    let key = fields.once("Sec-WebSocket-Key")?.ok_or(WsError::BadHead("no Sec-WebSocket-Key"))?;
    if KEY.decode(key).map(|key| key.len()) != Ok(16) {
        return Err(WsError::BadHead("Sec-WebSocket-Key is not 16 bytes in base64"));
    }
    check_origin(fields.once("Origin")?, &settings.origins)?;
    // [MQTT-6.0.0-4] [MQTT3-6.0.0-4]
    let offered =
        |name: &&&str| fields.tokens("Sec-WebSocket-Protocol").any(|token| token == name.as_bytes());
    let subprotocol = SUBPROTOCOLS.iter().find(offered).ok_or(WsError::Subprotocol)?;
    Ok(Accepted { accept: accept_for(key), subprotocol })
}

fn check_origin(origin: Option<&[u8]>, allowed: &[String]) -> Result<(), WsError> {
    let is = |origin: &[u8]| allowed.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin));
    if allowed.is_empty() || origin.is_some_and(is) { Ok(()) } else { Err(WsError::Origin) }
}

/// Writes the HTTP answer to a bad upgrade.
fn refuse(error: WsError, reply: &mut Vec<u8>) {
    let (status, extra) = match error {
        WsError::NotAnUpgrade => ("426 Upgrade Required", "Upgrade: websocket\r\n"),
        WsError::Version => ("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
        WsError::Origin => ("403 Forbidden", ""),
        WsError::HeadTooLarge => ("431 Request Header Fields Too Large", ""),
        _ => ("400 Bad Request", ""),
    };
    let len = error.to_string().len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\n{extra}Content-Type: text/plain\r\nContent-Length: {len}\r\n\
         Connection: close\r\n\r\n{error}\n"
    );
    reply.extend_from_slice(answer.as_bytes());
}
