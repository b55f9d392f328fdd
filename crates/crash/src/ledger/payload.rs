//! Payloads that say what they are, so that each byte of one can be checked.

use std::io::Write as _;

/// What a payload says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A message of a stream.
    Message { stream: usize, number: u64 },
    /// The will of a testator's connection.
    Will { testator: usize, number: u64 },
}

/// Length of an ordinary payload, and of one in 64, which takes more than a page of a disk.
const LENGTHS: [usize; 2] = [100, 5000];

/// The payload of a message or will.
pub(crate) fn of(origin: Origin) -> Vec<u8> {
    let (kind, who, number) = match origin {
        Origin::Message { stream, number } => ('m', stream, number),
        Origin::Will { testator, number } => ('w', testator, number),
    };
    let len = LENGTHS[usize::from(kind == 'm' && number % 64 == 63)];
    let mut payload = Vec::with_capacity(len);
    // Writing to a vector does not fail.
    let _ = write!(payload, "{kind} {who} {number} ");
    payload.resize(len, b'a' + (number % 26) as u8);
    payload
}

/// What a payload is; `None` if it is not to the byte what [`of`] makes.
pub(crate) fn origin(payload: &[u8]) -> Option<Origin> {
    let head = &payload[..payload.len().min(48)];
    let mut words = head.split(|byte| *byte == b' ').map(|word| std::str::from_utf8(word).ok());
    let kind = words.next()??;
    let who: usize = words.next()??.parse().ok()?;
    let number = words.next()??.parse().ok()?;
    let origin = match kind {
        "m" => Origin::Message { stream: who, number },
        "w" => Origin::Will { testator: who, number },
        _ => return None,
    };
    (of(origin) == payload).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_tells_its_origin_and_one_changed_byte_is_noticed() {
        for number in [0, 62, 63, 1_000_000] {
            for origin_ in [Origin::Message { stream: 3, number }, Origin::Will { testator: 12, number }] {
                let mut payload = of(origin_);
                assert_eq!(origin(&payload), Some(origin_));
                *payload.last_mut().expect("not empty") ^= 1;
                assert_eq!(origin(&payload), None);
            }
        }
        assert_eq!(origin(b""), None);
        assert_eq!(origin(b"m 1"), None);
    }
}
