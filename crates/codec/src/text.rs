//! MQTT's UTF-8: what a string may hold.

use pondhawk_plants::planted;

/// True if `bytes` is a string that may travel in an MQTT packet.
///
/// The standard forbids ill-formed UTF-8, surrogates [MQTT-1.5.4-1] [MQTT3-1.5.3-1] and U+0000 [MQTT-1.5.4-2]
/// [MQTT3-1.5.3-2] [MQTT-4.7.3-2] [MQTT3-4.7.3-2], and leaves control characters and non-characters to the
/// receiver; like Mosquitto, we refuse those too. A byte order mark is data. [MQTT-1.5.4-3] [MQTT3-1.5.3-3]
#[must_use]
pub fn is_valid(bytes: &[u8]) -> bool {
    str_of(bytes).is_some()
}

/// The string that `bytes` hold, if they may travel in an MQTT packet.
#[must_use]
pub fn str_of(bytes: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(bytes).ok()?;
    if planted!(NulInString) {
        return Some(text);
    }
    if bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        return Some(text);
    }
    text.chars().all(is_allowed).then_some(text)
}

/// True for characters other than controls and non-characters.
fn is_allowed(c: char) -> bool {
    let code = c as u32;
    !c.is_control() && !(0xfdd0..=0xfdef).contains(&code) && code & 0xfffe != 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    // [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3] [MQTT3-1.5.3-1] [MQTT3-1.5.3-2] [MQTT3-1.5.3-3]
    #[test]
    fn strings_as_the_standard_and_mosquitto_see_them() {
        let good: [&[u8]; 5] =
            [b"", b"plain", "gr\u{fc}n".as_bytes(), b"\xef\xbb\xbfbom", "\u{10fffd}".as_bytes()];
        for bytes in good {
            assert!(is_valid(bytes), "{bytes:x?}");
        }
        let bad: [&[u8]; 9] = [
            b"\0",
            b"a\x01",
            b"\x7f",
            b"\xc2\x85",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xff",
            b"\xe2\x82",
            b"\xef\xbf\xbf",
        ];
        for bytes in bad {
            assert!(!is_valid(bytes), "{bytes:x?}");
        }
    }
}
