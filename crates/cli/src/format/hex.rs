//! Payloads in hexadecimal, in groups if asked for.

use super::Layout;

/// `payload` in hexadecimal. A width cuts it to whole bytes and pads it; with a separator the precision is the
/// number of bytes in a group.
pub(super) fn hex(payload: &[u8], layout: Layout, upper: bool) -> Vec<u8> {
    const LOWER: &[u8; 16] = b"0123456789abcdef";
    const UPPER: &[u8; 16] = b"0123456789ABCDEF";
    let digits = if upper { UPPER } else { LOWER };
    let group = layout.precision.filter(|n| *n > 0).unwrap_or(1);
    let mut out = Vec::with_capacity(payload.len() * 3);
    for (index, byte) in payload.iter().enumerate() {
        if let Some(separator) = layout.separator.filter(|_| index > 0 && index % group == 0) {
            out.push(separator);
        }
        if layout.width > 0 && out.len() + 2 > layout.width {
            break;
        }
        out.push(digits[usize::from(byte >> 4)]);
        out.push(digits[usize::from(byte & 15)]);
    }
    let dangling = layout.separator.is_some_and(|separator| out.last() == Some(&separator));
    if dangling && out.len() % 2 != 0 {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &[u8], layout: Layout) -> String {
        String::from_utf8(hex(payload, layout, false)).expect("digits")
    }

    #[test]
    fn plain_and_grouped() {
        let plain = Layout::default();
        assert_eq!(text(b"abc", plain), "616263");
        assert_eq!(hex(b"\xab", plain, true), b"AB");
        let colon = Layout { separator: Some(b':'), ..plain };
        assert_eq!(text(b"abc", colon), "61:62:63");
        assert_eq!(text(b"abcde", Layout { precision: Some(2), ..colon }), "6162:6364:65");
    }

    #[test]
    fn a_width_cuts_whole_bytes() {
        let width = |width| Layout { width, ..Layout::default() };
        assert_eq!(text(b"abc", width(2)), "61");
        assert_eq!(text(b"abc", width(5)), "6162");
        assert_eq!(text(b"abc", width(10)), "616263");
    }
}
