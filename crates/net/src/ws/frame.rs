//! Frames (RFC 6455, section 5): takes input apart, answers control frames, writes headers.
//!
//! Before it: the handshake, which made the connection a WebSocket. After it: the codec.

use super::WsError;
use pondhawk_plants::planted;

/// The longest header of a frame to a client.
pub const HEADER_BYTES_MAX: usize = 10;

const CONTROL_BYTES_MAX: usize = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASK: u8 = 0x80;

/// Writes the header of a whole, unmasked, binary frame of `len` bytes to the start of `out` and returns the
/// header's length.
pub fn frame_header(len: usize, out: &mut [u8; HEADER_BYTES_MAX]) -> usize {
    header(BINARY, 0, len, out)
}

fn header(opcode: u8, mask: u8, len: usize, out: &mut [u8; HEADER_BYTES_MAX]) -> usize {
    out[0] = FIN | opcode;
    if let Ok(len) = u8::try_from(len)
        && usize::from(len) <= CONTROL_BYTES_MAX
    {
        out[1] = mask | len;
        2
    } else if let Ok(len) = u16::try_from(len) {
        out[1] = mask | 126;
        out[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        out[1] = mask | 127;
        out[2..].copy_from_slice(&(len as u64).to_be_bytes());
        10
    }
}

/// Appends a whole frame, masked if there is a mask.
fn append(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let mut head = [0; HEADER_BYTES_MAX];
    let used = header(opcode, if mask.is_some() { MASK } else { 0 }, payload.len(), &mut head);
    out.reserve(used + 4 + payload.len());
    out.extend_from_slice(&head[..used]);
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask);
    }
}

/// Appends a whole, masked, binary frame.
pub(super) fn append_masked(payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    append(BINARY, payload, Some(mask), out);
}

/// Appends a Close frame with a code and no reason.
pub(super) fn append_close(code: Option<u16>, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    match code {
        Some(code) => append(CLOSE, &code.to_be_bytes(), mask, out),
        None => append(CLOSE, &[], mask, out),
    }
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Which end of the connection we are.
pub(super) trait Side {
    /// Whether the peer's frames are masked.
    const PEER_MASKS: bool;
    /// The mask for the next frame that we send by ourselves.
    fn mask(&mut self) -> Option<[u8; 4]>;
}

/// Where the results of a receive go.
pub(super) struct Out<'a> {
    pub(super) mqtt: &'a mut Vec<u8>,
    pub(super) reply: &'a mut Vec<u8>,
}

/// Takes the peer's frames apart. Owns no heap unless a control frame came in parts.
#[derive(Default)]
pub(super) struct Frames {
    /// Payload bytes of this frame that are still to come.
    remaining: u64,
    /// The payload so far of a control frame.
    control: Option<Box<Control>>,
    /// The start of a header that came in parts.
    partial: [u8; 14],
    partial_len: u8,
    /// As it applies to the next payload byte.
    mask: [u8; 4],
    /// The opcode of a control frame.
    opcode: u8,
    part: Part,
    /// Whether a message has begun whose last fragment is still to come.
    in_message: bool,
}

#[derive(Clone, Copy, Default)]
enum Part {
    #[default]
    Header,
    Data,
    Control,
}

struct Control {
    len: u8,
    bytes: [u8; CONTROL_BYTES_MAX],
}

/// A header taken apart.
struct Header {
    used: usize,
    fin: bool,
    opcode: u8,
    len: u64,
    mask: [u8; 4],
}

impl Frames {
    /// Takes all of `input`. On an error, the Close that tells the peer is in `reply`.
    pub(super) fn receive<S: Side>(
        &mut self,
        side: &mut S,
        input: &mut [u8],
        mut out: Out<'_>,
    ) -> Result<(), WsError> {
        let result = self.take(side, input, &mut out);
        if let Err(error) = result
            && let Some(code) = error.close_code()
        {
            append_close(Some(code), side.mask(), out.reply);
        }
        result
    }

    fn take<S: Side>(&mut self, side: &mut S, input: &mut [u8], out: &mut Out<'_>) -> Result<(), WsError> {
        let mut at = 0;
        while at < input.len() {
            let rest = &mut input[at..];
            at += match self.part {
                Part::Header => self.take_header::<S>(rest)?,
                Part::Data => {
                    let payload = self.unmask::<S>(rest);
                    out.mqtt.extend_from_slice(payload);
                    payload.len()
                }
                Part::Control => {
                    let payload = self.unmask::<S>(rest);
                    self.control.get_or_insert_default().append(payload);
                    payload.len()
                }
            };
            if self.remaining > 0 {
                continue;
            }
            if matches!(self.part, Part::Control) {
                self.answer(side, out.reply)?;
            }
            self.part = Part::Header;
        }
        Ok(())
    }

    /// Takes header bytes; the frame's state is set once they are whole.
    fn take_header<S: Side>(&mut self, input: &[u8]) -> Result<usize, WsError> {
        if self.partial_len == 0
            && let Some(header) = self.parse::<S>(input)?
        {
            return Ok(self.begin(&header));
        }
        let mut used = 0;
        for &byte in input {
            self.partial[usize::from(self.partial_len)] = byte;
            self.partial_len += 1;
            used += 1;
            if let Some(header) = self.parse::<S>(&self.partial[..usize::from(self.partial_len)])? {
                self.partial_len = 0;
                self.begin(&header);
                break;
            }
        }
        Ok(used)
    }

    fn begin(&mut self, header: &Header) -> usize {
        self.remaining = header.len;
        self.mask = header.mask;
        if header.opcode >= CLOSE {
            self.opcode = header.opcode;
            self.part = Part::Control;
        } else {
            self.in_message = !header.fin;
            self.part = Part::Data;
        }
        header.used
    }

    /// Reads a header, complaining as early as the bytes allow; `None` if there are too few.
    fn parse<S: Side>(&self, bytes: &[u8]) -> Result<Option<Header>, WsError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let (fin, opcode) = (first & FIN != 0, first & 0x0f);
        self.check_opcode(first)?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        if (second & MASK != 0) != S::PEER_MASKS && !planted!(UnmaskedAccepted) {
            return Err(if S::PEER_MASKS { WsError::Unmasked } else { WsError::Masked });
        }
        let short = second & !MASK;
        if opcode >= CLOSE && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(WsError::ControlTooLong);
        }
        let (len, mut used) = match short {
            126 => {
                let Some(&len) = bytes[2..].first_chunk() else {
                    return Ok(None);
                };
                (u64::from(u16::from_be_bytes(len)), 4)
            }
            127 => {
                let Some(&len) = bytes[2..].first_chunk() else {
                    return Ok(None);
                };
                (u64::from_be_bytes(len), 10)
            }
            short => (u64::from(short), 2),
        };
        check_length(short, len)?;
        let mut mask = [0; 4];
        if S::PEER_MASKS {
            let Some(&found) = bytes[used..].first_chunk() else {
                return Ok(None);
            };
            mask = found;
            used += mask.len();
        }
        Ok(Some(Header { used, fin, opcode, len, mask }))
    }

    fn check_opcode(&self, first: u8) -> Result<(), WsError> {
        if first & RESERVED != 0 {
            return Err(WsError::ReservedBit);
        }
        match first & 0x0f {
            CONTINUATION if !self.in_message => Err(WsError::Continuation),
            BINARY if self.in_message => Err(WsError::Interleaved),
            CONTINUATION | BINARY => Ok(()),
            // [MQTT-6.0.0-1] [MQTT3-6.0.0-1]
            TEXT => Err(WsError::Text),
            CLOSE | PING | PONG if first & FIN == 0 => Err(WsError::FragmentedControl),
            CLOSE | PING | PONG => Ok(()),
            opcode => Err(WsError::Opcode(opcode)),
        }
    }

    /// Unmasks, in place, what `input` has of this frame's payload.
    fn unmask<'a, S: Side>(&mut self, input: &'a mut [u8]) -> &'a [u8] {
        let len = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let payload = &mut input[..len];
        if S::PEER_MASKS {
            apply_mask(payload, self.mask);
            self.mask.rotate_left(len % 4);
        }
        self.remaining -= len as u64;
        payload
    }

    /// Acts on a whole control frame.
    fn answer<S: Side>(&mut self, side: &mut S, reply: &mut Vec<u8>) -> Result<(), WsError> {
        let control = self.control.take();
        let payload = control.as_ref().map_or(&[][..], |control| control.payload());
        match self.opcode {
            PING => append(PONG, payload, side.mask(), reply),
            CLOSE => {
                let code = close_code(payload)?;
                append_close(code, side.mask(), reply);
                return Err(WsError::Closed(code));
            }
            // A Pong needs no answer, asked for or not.
            _ => {}
        }
        Ok(())
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { len: 0, bytes: [0; CONTROL_BYTES_MAX] }
    }
}

impl Control {
    /// The frame's length was checked to fit.
    fn append(&mut self, payload: &[u8]) {
        let start = usize::from(self.len);
        self.bytes[start..start + payload.len()].copy_from_slice(payload);
        self.len += payload.len() as u8;
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The length must have its top bit clear and be written in the fewest bytes (RFC 6455, 5.2).
fn check_length(short: u8, len: u64) -> Result<(), WsError> {
    let least = match short {
        126 => CONTROL_BYTES_MAX as u64 + 1,
        127 => u64::from(u16::MAX) + 1,
        _ => 0,
    };
    if len < least || len > i64::MAX as u64 { Err(WsError::Length) } else { Ok(()) }
}

/// The code in a Close, checked (RFC 6455, 5.5.1 and 7.4, with the codes registered since).
fn close_code(payload: &[u8]) -> Result<Option<u16>, WsError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((&code, reason)) = payload.split_first_chunk() else {
        return Err(WsError::CloseCode);
    };
    let code = u16::from_be_bytes(code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(WsError::CloseCode);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(WsError::CloseReason),
    }
}
