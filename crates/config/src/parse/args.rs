//! What follows a directive's name, on its way to the row that knows its meaning.

use crate::error::Fault;
use crate::lexer::words;
use crate::value;

/// The rest of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Args<'a> {
    /// The directive as the line spells it.
    pub(crate) name: &'a str,
    /// Everything after it.
    pub(crate) rest: &'a [u8],
}

impl<'a> Args<'a> {
    /// The rest of the line as text.
    pub(crate) fn text(&self) -> Result<String, Fault> {
        value::text(self.name, self.rest)
    }

    /// The first word.
    pub(crate) fn word(&self) -> Result<&'a str, Fault> {
        value::first_word(self.name, self.rest)
    }

    /// Every word.
    pub(crate) fn words(&self) -> Result<Vec<&'a str>, Fault> {
        words(value::trimmed(self.rest)).map(value::valid_text).collect()
    }

    /// Every word up to one that starts with `#`.
    pub(crate) fn words_before_comment(&self) -> Result<Vec<&'a str>, Fault> {
        let live = words(value::trimmed(self.rest)).take_while(|word| word[0] != b'#');
        live.map(value::valid_text).collect()
    }

    /// The first word as a number.
    pub(crate) fn integer(&self) -> Result<i64, Fault> {
        value::integer(self.name, self.word()?)
    }

    /// Whether something follows the first word.
    pub(crate) fn has_more(&self) -> bool {
        words(value::trimmed(self.rest)).nth(1).is_some()
    }
}
