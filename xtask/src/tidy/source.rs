//! A Rust file as the rules see it: its code without comments and literals, its comments, which lines are tests,
//! and where functions begin and end.
//!
//! A scanner rather than a parser: it needs no dependency, works on files that do not compile, and the rules ask
//! only for words and braces.

use std::ops::Range;

/// One Rust file.
pub struct Source {
    /// The file as it is.
    pub text: String,
    /// The same length and lines, with comments and the insides of literals blank.
    pub code: String,
    /// The same length and lines, with only the comments left.
    pub comments: String,
    /// Modules that stand in files of their own and are compiled for tests only: a name, or the file (`x.rs`) that
    /// a `#[path]` gives.
    pub test_modules: Vec<String>,
    test_lines: Vec<bool>,
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where it begins, from one.
    pub line: usize,
    /// How many lines from the `fn` line to the closing brace.
    pub lines: usize,
    /// Bytes of the body in [`Source::code`], braces included.
    pub body: Range<usize>,
}

impl Source {
    /// Scans a file; `test` says that all of it is a test.
    pub fn new(text: &str, test: bool) -> Self {
        let (code, comments) = mask(text);
        let mut source = Self {
            text: text.to_string(),
            test_lines: vec![test; text.lines().count() + 1],
            code,
            comments,
            test_modules: Vec::new(),
        };
        source.find_tests();
        source
    }

    /// Whether the line (from one) is compiled for tests only.
    pub fn is_test(&self, line: usize) -> bool {
        self.test_lines.get(line - 1).copied().unwrap_or_default()
    }

    /// Whether all of the file is compiled for tests only.
    pub fn is_all_test(&self) -> bool {
        self.test_lines.iter().all(|test| *test)
    }

    /// Says that all of the file is a test.
    pub fn mark_all_as_test(&mut self) {
        self.test_lines.fill(true);
    }

    /// The line (from one) of a byte.
    pub fn line_of(&self, offset: usize) -> usize {
        self.code.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// All functions that have a body.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let starts_a_word = self.code[..at].chars().next_back().is_none_or(|before| !is_word(before));
            let name: String = self.code[at + 3..].chars().take_while(|letter| is_word(*letter)).collect();
            if name.is_empty() || !starts_a_word {
                continue;
            }
            if let Some(body) = self.block_after(at) {
                let line = self.line_of(at);
                let lines = self.line_of(body.end - 1) - line + 1;
                functions.push(Function { name, line, lines, body });
            }
        }
        functions
    }

    /// The next block in braces, unless a semicolon ends the item before it.
    fn block_after(&self, start: usize) -> Option<Range<usize>> {
        let mut nesting = 0_i32;
        for (offset, byte) in self.code.bytes().enumerate().skip(start) {
            match byte {
                b'(' | b'[' => nesting += 1,
                b')' | b']' => nesting -= 1,
                b';' if nesting == 0 => return None,
                b'{' if nesting == 0 => return Some(offset..closing(&self.code, offset)?),
                _ => {}
            }
        }
        None
    }

    fn find_tests(&mut self) {
        for (at, attribute) in test_attributes(&self.code) {
            let item = at + attribute.len();
            let end = match self.block_after(item) {
                Some(block) => block.end,
                None => {
                    let len = self.code[item..].find(';').unwrap_or(0);
                    self.test_modules
                        .extend(module(&self.code[item..item + len], &self.text[item..item + len]));
                    item + len
                }
            };
            let lines = self.line_of(at) - 1..self.line_of(end.min(self.code.len()));
            self.test_lines[lines].fill(true);
        }
    }
}

/// The module that `code` declares; `text` is the same with its literals.
fn module(code: &str, text: &str) -> Option<String> {
    let (_, name) = code.split_once("mod ")?;
    let path = text.split_once("path = \"").and_then(|(_, rest)| rest.split('"').next());
    Some(path.unwrap_or(name.trim()).to_string())
}

fn test_attributes(code: &str) -> Vec<(usize, &'static str)> {
    ["#[cfg(test)]", "#[test]"]
        .iter()
        .flat_map(|text| code.match_indices(text).map(|(at, _)| (at, *text)))
        .collect()
}

/// The byte behind the brace that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> Option<usize> {
    let mut nesting = 0_u32;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => nesting += 1,
            b'}' if nesting == 1 => return Some(offset + 1),
            b'}' => nesting -= 1,
            _ => {}
        }
    }
    None
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What the scanner stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    LineComment,
    /// Block comments nest.
    BlockComment(u32),
    Text,
    /// A raw string with this many `#`.
    RawText(usize),
    Letter,
}

/// Splits a file into code and comments, each with the other (and literals) blanked out, byte for byte.
fn mask(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut comments) = (blank(bytes), blank(bytes));
    let mut state = State::Code;
    let mut at = 0;
    while at < bytes.len() {
        let (next, len) = step(state, bytes, at);
        let end = (at + len).min(bytes.len());
        match (state, next) {
            (State::LineComment | State::BlockComment(_), _)
            | (_, State::LineComment | State::BlockComment(_)) => {
                comments[at..end].copy_from_slice(&bytes[at..end]);
            }
            (State::Code, State::Code) => code[at..end].copy_from_slice(&bytes[at..end]),
            _ => {}
        }
        state = next;
        at = end;
    }
    (String::from_utf8_lossy(&code).into_owned(), String::from_utf8_lossy(&comments).into_owned())
}

fn blank(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }).collect()
}

/// The state behind the next few bytes, and how many they are.
fn step(state: State, bytes: &[u8], at: usize) -> (State, usize) {
    let rest = &bytes[at..];
    match state {
        State::Code if rest.starts_with(b"//") => (State::LineComment, 2),
        State::Code if rest.starts_with(b"/*") => (State::BlockComment(1), 2),
        State::Code if rest[0] == b'"' => (State::Text, 1),
        State::Code => match (raw_string(bytes, at), rest) {
            (Some(hashes), _) => (State::RawText(hashes), hashes + 2),
            (None, [b'\'', b'\\', _, ..]) => (State::Letter, 3),
            // A lifetime has no closing quote behind its first character.
            (None, [b'\'', letter, ..]) if rest.get(1 + width(*letter)) == Some(&b'\'') => {
                (State::Letter, 1 + width(*letter))
            }
            _ => (State::Code, 1),
        },
        State::LineComment if rest[0] == b'\n' => (State::Code, 1),
        State::BlockComment(depth) if rest.starts_with(b"/*") => (State::BlockComment(depth + 1), 2),
        State::BlockComment(1) if rest.starts_with(b"*/") => (State::Code, 2),
        State::BlockComment(depth) if rest.starts_with(b"*/") => (State::BlockComment(depth - 1), 2),
        State::Text if rest[0] == b'\\' => (State::Text, 2),
        State::Text if rest[0] == b'"' => (State::Code, 1),
        State::RawText(hashes) if rest[0] == b'"' && count_hashes(&rest[1..]) >= hashes => {
            (State::Code, 1 + hashes)
        }
        State::Letter if rest[0] == b'\'' => (State::Code, 1),
        other => (other, 1),
    }
}

/// The number of `#` when a raw string begins here.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let word_before =
        at > 0 && is_word(bytes[at - 1] as char) && bytes[at - 1] != b'b' && bytes[at - 1] != b'c';
    if bytes[at] != b'r' || word_before {
        return None;
    }
    let hashes = count_hashes(&bytes[at + 1..]);
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn count_hashes(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b'#').count()
}

/// Bytes of the UTF-8 character that begins with this byte.
fn width(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new(text, false).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(code("a // b\nc /* d /* e */ f */ g"), "a c g");
        assert_eq!(code("let x = \"a \\\" b\"; y"), "let x = ; y");
        assert_eq!(code("r#\"fn \"no\" {\"# z"), "z");
        assert_eq!(code("('{', '\\'', '\\u{7d}', 'é')").matches(['{', '}']).count(), 0);
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn comments_are_kept_apart() {
        let source = Source::new("a // later\nb", false);
        assert_eq!(source.comments.trim(), "// later");
        assert_eq!(source.comments.len(), source.text.len());
        assert_eq!(source.code.len(), source.text.len());
    }

    #[test]
    fn functions_have_names_and_lengths() {
        let source = Source::new(
            "trait T {\n fn none(&self);\n}\nfn f(x: [u8; 2])\n{\n  // }\n  \"}\";\n}\nfn g() {}\n",
            false,
        );
        let found: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("f".to_string(), 4, 5), ("g".to_string(), 9, 1)]);
    }

    #[test]
    fn test_modules_and_functions_are_tests() {
        let source = Source::new(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[test]\nfn d() {}\n",
            false,
        );
        let tests: Vec<_> = (1..=8).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [2, 3, 4, 5, 7, 8]);
    }

    #[test]
    fn test_modules_in_other_files_are_known() {
        let text =
            "#[cfg(test)]\nmod pair;\n#[cfg(test)]\n#[path = \"wire_tests.rs\"]\nmod tests;\nfn a() {}\n";
        let source = Source::new(text, false);
        assert_eq!(source.test_modules, ["pair", "wire_tests.rs"]);
        assert!(!source.is_test(6) && !source.is_all_test());
    }
}
