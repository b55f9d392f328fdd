//! Bytes of a file → lines with a word and the rest.
//!
//! The rules are Mosquitto's: only a `#` in the very first column makes a comment, the space is the only
//! separator, and nothing is quoted. After: `parse` looks the word up in the table.

/// A line that is neither empty nor a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Its number in the file, from 1.
    pub(crate) number: usize,
    /// The first word, never empty.
    pub(crate) word: &'a [u8],
    /// Everything after the space that ends the word.
    pub(crate) rest: &'a [u8],
}

/// The meaningful lines of `bytes`.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    bytes.split(|byte| *byte == b'\n').enumerate().filter_map(|(index, raw)| {
        let line = without_returns(raw);
        if line.first() == Some(&b'#') {
            return None;
        }
        let start = line.iter().position(|byte| *byte != b' ')?;
        let line = &line[start..];
        let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let rest = line.get(end + 1..).unwrap_or_default();
        Some(Line { number: index + 1, word: &line[..end], rest })
    })
}

/// The space-separated words of `bytes`.
pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// `line` without the carriage returns at its end.
fn without_returns(mut line: &[u8]) -> &[u8] {
    while let [head @ .., b'\r'] = line {
        line = head;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(usize, &str, &str)> {
        let as_text = |bytes| std::str::from_utf8(bytes).expect("test input is text");
        lines(text.as_bytes()).map(|line| (line.number, as_text(line.word), as_text(line.rest))).collect()
    }

    #[test]
    fn only_a_hash_in_the_first_column_is_a_comment() {
        assert_eq!(split("# a b\n#\n # c\na #b"), [(3, "#", "c"), (4, "a", "#b")]);
    }

    #[test]
    fn line_ends_and_blank_lines() {
        assert_eq!(split("a b\r\n\r\n   \n\nc"), [(1, "a", "b"), (5, "c", "")]);
        assert_eq!(split(""), []);
    }

    #[test]
    fn only_the_space_separates() {
        assert_eq!(split("  a  b c "), [(1, "a", " b c ")]);
        assert_eq!(split("a\tb c"), [(1, "a\tb", "c")]);
        assert_eq!(split("a "), [(1, "a", "")]);
    }
}
