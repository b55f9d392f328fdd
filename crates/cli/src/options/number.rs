//! Numbers and texts as the C library and Mosquitto read them from a command line.

/// The integer at the front of `text`, 0 if there is none: `atoi`, which scripts have come to rely on.
pub(crate) fn leading_int(text: &[u8]) -> i64 {
    let trimmed = text.trim_ascii_start();
    let (negative, digits) = match trimmed {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0i64, |value, b| value.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    if negative { -value } else { value }
}

/// The decimal number at the front of `text`, 0 if there is none: `atof`.
pub(crate) fn leading_float(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start();
    let mut end = text.len();
    while end > 0 {
        match text.get(..end).and_then(|front| front.parse::<f64>().ok()) {
            Some(value) if value.is_finite() => return value,
            _ => end -= 1,
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_in_c() {
        for (text, value) in [("12", 12), (" -3x", -3), ("abc", 0), ("", 0), ("+7", 7)] {
            assert_eq!(leading_int(text.as_bytes()), value, "{text}");
        }
        assert_eq!(leading_int(b"99999999999999999999"), i64::MAX);
        for (text, value) in [("1.5", 1.5), ("2s", 2.0), ("x", 0.0), ("-1", -1.0), ("", 0.0)] {
            assert!((leading_float(text.as_bytes()) - value).abs() < 1e-9, "{text}");
        }
    }
}
