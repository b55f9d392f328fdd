//! Words of a line → booleans, numbers, text and the other kinds of value.
//!
//! Before: `lexer` split the line. After: the table's rows store what comes out.

use crate::error::Fault;
use crate::lexer::words;
use std::time::Duration;

/// Longest text value in bytes, as long as any MQTT string.
const MAX_TEXT_BYTES: usize = 65_535;

/// `true`, `false`, `1` or `0`, in exactly this spelling.
pub(crate) fn boolean(name: &str, word: &str) -> Result<bool, Fault> {
    match word {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Fault::invalid(name, word).hint("the value is 'true' or 'false'")),
    }
}

/// A C integer literal: decimal, `0x` hexadecimal or `0` octal, with an optional sign.
///
/// A number beyond 64 bits becomes the nearest that fits, which is out of every range but those without an end.
pub(crate) fn integer(name: &str, word: &str) -> Result<i64, Fault> {
    let (negative, digits) = match word.as_bytes() {
        [b'-', ..] => (true, &word[1..]),
        [b'+', ..] => (false, &word[1..]),
        _ => (false, word),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() {
        return Err(Fault::not_a_number(name));
    }
    let mut sum: i64 = 0;
    for digit in digits.chars() {
        let digit = digit.to_digit(radix).ok_or_else(|| Fault::not_a_number(name))?;
        sum = sum.saturating_mul(i64::from(radix)).saturating_add(i64::from(digit));
    }
    Ok(if negative { -sum } else { sum })
}

/// The rest of a line as text: trimmed, valid, without control characters.
pub(crate) fn text(name: &str, rest: &[u8]) -> Result<String, Fault> {
    let rest = trimmed(rest);
    if rest.is_empty() {
        return Err(Fault::empty(name));
    }
    if rest.len() > MAX_TEXT_BYTES {
        let size = rest.len();
        return Err(Fault::new(format!("'{name}' value too long ({size} bytes, at most {MAX_TEXT_BYTES}).")));
    }
    valid_text(rest).map(str::to_owned)
}

/// The first word of the rest of a line.
pub(crate) fn first_word<'a>(name: &str, rest: &'a [u8]) -> Result<&'a str, Fault> {
    valid_text(words(trimmed(rest)).next().ok_or_else(|| Fault::empty(name))?)
}

/// `bytes` without the spaces around them.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != b' ').unwrap_or(bytes.len());
    bytes[start..].trim_ascii_end()
}

/// `bytes` as text that MQTT would accept as a string.
pub(crate) fn valid_text(bytes: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::malformed())?;
    let forbidden = |c: char| {
        let code = c as u32;
        c.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
    };
    if text.contains(forbidden) { Err(Fault::malformed()) } else { Ok(text) }
}

/// A span such as `90d`: a positive number and one of `s h d w m y` (a month is 30 days, a year 365).
pub(crate) fn span(name: &str, word: &str) -> Result<Duration, Fault> {
    const HOUR: u64 = 3600;
    let bad = || {
        Fault::new(format!("Invalid '{name}' duration in configuration."))
            .hint("a number and a unit without a space between them, for example 14d: s, h, d, w, m or y")
    };
    let unit = word.chars().next_back().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'h' => HOUR,
        'd' => 24 * HOUR,
        'w' => 7 * 24 * HOUR,
        'm' => 30 * 24 * HOUR,
        'y' => 365 * 24 * HOUR,
        _ => return Err(bad()),
    };
    let count = word.strip_suffix(unit).unwrap_or(word).parse::<u64>().map_err(|_| bad())?;
    match count.checked_mul(seconds) {
        Some(total) if total > 0 => Ok(Duration::from_secs(total)),
        _ => Err(bad()),
    }
}

/// A number where 0 says "no limit".
pub(crate) fn unless_zero(number: i64) -> Option<usize> {
    usize::try_from(number).ok().filter(|limit| *limit != 0)
}

/// A number where everything below 0 says "no limit".
pub(crate) fn unless_negative(number: i64) -> Option<usize> {
    usize::try_from(number).ok()
}

/// A number that a row's range keeps within `T`; the largest `T` otherwise.
pub(crate) fn fitted<T: TryFrom<i64> + Bounded>(number: i64) -> T {
    T::try_from(number).unwrap_or(T::LARGEST)
}

/// The largest number of a type.
pub(crate) trait Bounded {
    const LARGEST: Self;
}

impl Bounded for u8 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for u16 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for u32 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for usize {
    const LARGEST: Self = Self::MAX;
}

/// Seconds as a span; a row's range keeps them from being negative.
pub(crate) fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_strtol_reads_them() {
        let good = [
            ("0", 0),
            ("10", 10),
            ("-1", -1),
            ("+7", 7),
            ("0x10", 16),
            ("-0X1f", -31),
            ("010", 8),
            ("00", 0),
        ];
        for (word, number) in good {
            assert_eq!(integer("x", word), Ok(number), "{word}");
        }
        for word in ["", "-", "3a", "a", "0x", "08", "1.5", "--1", "0x-1", "1_0", "٣"] {
            assert_eq!(integer("x", word), Err(Fault::not_a_number("x")), "{word}");
        }
        assert_eq!(integer("x", "99999999999999999999"), Ok(i64::MAX));
        assert_eq!(integer("x", "-99999999999999999999"), Ok(-i64::MAX));
    }

    #[test]
    fn booleans_have_four_spellings() {
        assert_eq!(boolean("x", "true"), Ok(true));
        assert_eq!(boolean("x", "1"), Ok(true));
        assert_eq!(boolean("x", "false"), Ok(false));
        assert_eq!(boolean("x", "0"), Ok(false));
        for word in ["True", "yes", "on", "01", "2"] {
            assert!(boolean("x", word).is_err(), "{word}");
        }
    }

    #[test]
    fn spans_have_a_unit() {
        assert_eq!(span("x", "90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("x", "2m"), Ok(Duration::from_secs(60 * 86_400)));
        for word in ["", "5", "d", "0d", "5x", "-1d", "99999999999999999999y", "9999999999999999999y", "5é"]
        {
            assert!(span("x", word).is_err(), "{word}");
        }
    }

    #[test]
    fn text_is_trimmed_and_checked() {
        assert_eq!(text("x", b"  a b \t"), Ok("a b".to_owned()));
        assert_eq!(text("x", b"   "), Err(Fault::empty("x")));
        assert_eq!(text("x", b"\xff"), Err(Fault::malformed()));
        assert_eq!(text("x", b"a\tb"), Err(Fault::malformed()));
        assert_eq!(text("x", "\u{fffe}".as_bytes()), Err(Fault::malformed()));
        assert!(text("x", &[b'a'; 65_536]).is_err());
        assert!(text("x", &[b'a'; 65_535]).is_ok());
    }
}
