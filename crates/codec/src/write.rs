//! Appending fields and whole frames to a buffer.

use crate::REMAINING_LENGTH_MAX;
use crate::error::TooLarge;
use crate::varint;
use alloc::vec::Vec;

/// Appends a frame: `first` byte, remaining length, then what `body` appends. On error nothing is appended.
pub(crate) fn frame(
    out: &mut Vec<u8>,
    first: u8,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLarge>,
) -> Result<(), TooLarge> {
    let start = out.len();
    out.extend_from_slice(&[first, 0]);
    let written = body(out).and_then(|()| {
        let len = out.len() - start - 2;
        if len > REMAINING_LENGTH_MAX { Err(TooLarge) } else { Ok(len) }
    });
    match written {
        Ok(len) if len < 128 => out[start + 1] = len as u8,
        Ok(len) => insert_length(out, start + 1, len),
        Err(error) => {
            out.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// Replaces the one byte at `at` by the length of what follows it, which needs more than one byte.
fn insert_length(out: &mut Vec<u8>, at: usize, len: usize) {
    let extra = varint::len(len) - 1;
    let end = out.len();
    out.resize(end + extra, 0);
    out.copy_within(at + 1..end, at + 1 + extra);
    let mut field = Vec::with_capacity(4);
    varint::write(len, &mut field);
    out[at..=at + extra].copy_from_slice(&field);
}

/// Appends binary data with its length, which two bytes must hold. [MQTT-4.7.3-3] [MQTT3-4.7.3-3]
pub(crate) fn binary(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TooLarge> {
    let len = u16::try_from(bytes.len()).map_err(|_| TooLarge)?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends a string with its length.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) -> Result<(), TooLarge> {
    binary(out, text.as_bytes())
}
