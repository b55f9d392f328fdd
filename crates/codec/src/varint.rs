//! Variable byte integers: seven bits a byte, least significant first, four bytes at most.

use crate::error::Kind;
use alloc::vec::Vec;

/// The largest value.
pub const MAX: u32 = 268_435_455;

/// Reads one from the front of `bytes`: the value and how many bytes it took, or `None` if the bytes end
/// inside it.
///
/// # Errors
/// [`Kind::RemainingLength`] if a fifth byte would be needed.
pub fn read(bytes: &[u8]) -> Result<Option<(u32, usize)>, Kind> {
    let mut value = 0u32;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((value, i + 1)));
        }
    }
    if bytes.len() >= 4 { Err(Kind::RemainingLength) } else { Ok(None) }
}

/// How many bytes `value` takes in its shortest form.
#[must_use]
pub fn len(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// Appends `value`, which is at most [`MAX`], in its shortest form. [MQTT-1.5.5-1]
pub fn write(mut value: usize, out: &mut Vec<u8>) {
    debug_assert!(value <= MAX as usize);
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // [MQTT-1.5.5-1]
    #[test]
    fn boundaries_round_trip() {
        for value in [0u32, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, MAX] {
            let mut out = Vec::new();
            write(value as usize, &mut out);
            assert_eq!(out.len(), len(value as usize));
            assert_eq!(read(&out), Ok(Some((value, out.len()))));
            assert_eq!(read(&out[..out.len() - 1]), Ok(None));
        }
    }

    #[test]
    fn fifth_byte_is_an_error_as_soon_as_the_fourth_announces_it() {
        assert_eq!(read(&[0xff, 0xff, 0xff]), Ok(None));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff]), Err(Kind::RemainingLength));
    }
}
