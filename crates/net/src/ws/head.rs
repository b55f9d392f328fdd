//! Collects an HTTP head, byte by byte strict about what may be in one.
//!
//! Before it: raw input. After it: `httparse`, which splits the whole head into fields. The checks here are
//! the ones that `httparse` leaves out for the sake of old peers (bare line feeds, folded lines) and that
//! other HTTP programs on the way may read differently. They see each byte once, so a head that drips in
//! costs no more than one that comes whole, and a peer that speaks something else is found out at its first
//! byte, not at its time limit.

use super::WsError;

/// Header lines that one head may have.
pub(super) const FIELDS_MAX: usize = 64;

/// A head on its way in.
pub(super) struct Head {
    bytes: Vec<u8>,
    at: At,
    /// What the first bytes must be.
    prefix: &'static [u8],
    bytes_max: usize,
}

/// What the next byte is the next byte of.
#[derive(Clone, Copy)]
enum At {
    Line,
    LineStart,
    LineFeed,
    LastLineFeed,
    End,
}

impl Head {
    pub(super) fn new(prefix: &'static [u8], bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), at: At::Line, prefix, bytes_max }
    }

    /// Takes what belongs to the head and returns how much that was; then look at [`Self::whole`].
    pub(super) fn take(&mut self, input: &[u8]) -> Result<usize, WsError> {
        let start = self.bytes.len();
        let mut used = 0;
        for &byte in input {
            let index = start + used;
            if index >= self.bytes_max {
                return Err(WsError::HeadTooLarge);
            }
            if self.prefix.get(index).is_some_and(|&wanted| wanted != byte) {
                return Err(WsError::NotHttp);
            }
            self.at = self.at.after(byte)?;
            used += 1;
            if matches!(self.at, At::End) {
                break;
            }
        }
        self.bytes.extend_from_slice(&input[..used]);
        Ok(used)
    }

    /// The head with its empty last line, once it is complete.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        matches!(self.at, At::End).then_some(&self.bytes)
    }
}

impl At {
    fn after(self, byte: u8) -> Result<Self, WsError> {
        match (self, byte) {
            (Self::LineFeed, b'\n') => Ok(Self::LineStart),
            (Self::LastLineFeed, b'\n') => Ok(Self::End),
            (Self::LineFeed | Self::LastLineFeed, _) => {
                Err(WsError::BadHead("carriage return without line feed"))
            }
            (Self::Line, b'\r') => Ok(Self::LineFeed),
            (Self::LineStart, b'\r') => Ok(Self::LastLineFeed),
            (_, b'\n') => Err(WsError::BadHead("line feed without carriage return")),
            (Self::LineStart, b' ' | b'\t') => Err(WsError::BadHead("folded header line")),
            (_, b'\t') => Ok(Self::Line),
            (_, 0..=0x1f | 0x7f) => Err(WsError::BadHead("control character")),
            _ => Ok(Self::Line),
        }
    }
}
