//! Cutting a line of a script at places that are not inside quotes or parentheses.

/// What is wrong with a vector, for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(pub String);

impl Mistake {
    /// A mistake in these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The parts of `text` between `cut` characters that stand outside quotes and parentheses.
pub(crate) fn split(text: &str, cut: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) if depth == 0 && cut(c) => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            (None, _) => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The words of a line.
pub(crate) fn words(text: &str) -> Vec<&str> {
    split(text, char::is_whitespace).into_iter().filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_quotes_and_parentheses_together() {
        assert_eq!(
            words(r#"publish "a b" p(26 "k" 'x )') *"#),
            ["publish", r#""a b""#, r#"p(26 "k" 'x )')"#, "*"]
        );
    }

    #[test]
    fn a_bar_in_quotes_is_text() {
        assert_eq!(split("a '|' | b", |c| c == '|'), ["a '|' ", " b"]);
    }
}
