//! Text that a client chose, made fit for a line of the log.
//!
//! Before: a client id, user name, topic or filter. After: the texts of [`super::note`] and whoever else logs.
//! The writer applies the same rule once more to each whole line, so a caller that forgets cannot do harm.

use std::fmt::{self, Write};

/// Bytes of one shown text at the most, as written.
pub const SHOWN_MAX: usize = 256;

/// Shows a text without control characters, line ends or direction marks, and not longer than [`SHOWN_MAX`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, SHOWN_MAX, f)
    }
}

/// Writes `text` escaped, at most `max` bytes of it and then an ellipsis.
pub(super) fn escape(text: &str, max: usize, out: &mut impl Write) -> fmt::Result {
    // Nearly every text is short and plain.
    if text.len() <= max && text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return out.write_str(text);
    }
    let mut left = max;
    for c in text.chars() {
        let len = if is_unfit(c) { c.escape_default().len() } else { c.len_utf8() };
        if len > left {
            return out.write_char('…');
        }
        left -= len;
        if is_unfit(c) {
            write!(out, "{}", c.escape_default())?;
        } else {
            out.write_char(c)?;
        }
    }
    Ok(())
}

/// Control characters, line separators, and marks that change the order in which a terminal shows a line.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_forge_a_line_is_escaped() {
        let shown = Shown("a\r\n1: root\x1b[2J\t%n\u{202e}ü\u{9b}").to_string();
        assert_eq!(shown, "a\\r\\n1: root\\u{1b}[2J\\t%n\\u{202e}ü\\u{9b}");
    }

    #[test]
    fn long_texts_are_cut() {
        let shown = Shown(&"x".repeat(65_535)).to_string();
        assert_eq!(shown.len(), SHOWN_MAX + '…'.len_utf8());
        assert_eq!(Shown(&"x".repeat(SHOWN_MAX)).to_string().len(), SHOWN_MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_one_short_line(text in any::<String>()) {
            let shown = Shown(&text).to_string();
            prop_assert!(shown.len() <= SHOWN_MAX + '…'.len_utf8());
            prop_assert!(!shown.chars().any(is_unfit));
        }
    }
}
