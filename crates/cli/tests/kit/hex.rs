//! Bytes as text: dumps for failure messages, and the little language the case files are written in.
//!
//! | written | means |
//! |---|---|
//! | `10 FFFF` | the bytes themselves |
//! | `"a/b"` | a two-byte length and the text |
//! | `'abc'` | the text alone |
//! | `packet(30 "t" 'x')` | first byte, remaining length, the rest |
//! | `sized(…)`, `block(…)` | two-byte length, or property block length, and the bytes |
//! | `repeat(100; …)` | the bytes that many times |
//! | `noise(65536)` | arbitrary bytes, the same in every run, of which the first is 0xF5 |
//! | `C3()` `C4()` `C5()` | a valid clean CONNECT of client `x` for MQTT 3.1, 3.1.1, 5 |

use super::packet::{Connect, V3, V4, V5, packet, sized, varint};

/// Hexadecimal, cut after 64 bytes.
pub fn dump(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(64).map(|byte| format!("{byte:02X}")).collect();
    let cut = if bytes.len() > 64 { format!(" … ({} bytes)", bytes.len()) } else { String::new() };
    format!("[{}{cut}]", shown.join(" "))
}

/// Bytes that look random and are the same in every run.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut out: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(length)
    .collect();
    if let Some(first) = out.first_mut() {
        *first = 0xF5;
    }
    out
}

/// Reads the language above; panics with the offending place, as a case file is part of the test.
pub fn parse(text: &str) -> Vec<u8> {
    let mut parser = Parser { text, at: 0 };
    let bytes = parser.items();
    assert!(parser.at == text.len(), "unbalanced ')' at {} in {text:?}", parser.at);
    bytes
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Reads while `accept` holds.
    fn word(&mut self, accept: impl Fn(char) -> bool) -> String {
        let word: String = self.rest().chars().take_while(|&c| accept(c)).collect();
        self.at += word.len();
        word
    }

    fn expect(&mut self, wanted: char) {
        assert!(self.rest().starts_with(wanted), "{wanted:?} expected at {} in {:?}", self.at, self.text);
        self.at += wanted.len_utf8();
    }

    /// Items up to a closing parenthesis or the end.
    fn items(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            self.word(char::is_whitespace);
            match self.rest().chars().next() {
                None | Some(')') => return out,
                Some(quote @ ('"' | '\'')) => out.extend(self.quoted(quote)),
                Some(_) => out.extend(self.hex_or_call()),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Vec<u8> {
        self.expect(quote);
        let text = self.word(|c| c != quote);
        self.expect(quote);
        if quote == '"' { sized(text) } else { text.into_bytes() }
    }

    fn hex_or_call(&mut self) -> Vec<u8> {
        let start = self.at;
        let word = self.word(|c| c.is_ascii_alphanumeric());
        if self.rest().starts_with('(') {
            return self.call(&word);
        }
        assert!(
            !word.is_empty() && word.len().is_multiple_of(2),
            "hexadecimal bytes expected at {start} in {:?}",
            self.text
        );
        (0..word.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&word[i..i + 2], 16).expect("hexadecimal digits"))
            .collect()
    }

    fn call(&mut self, name: &str) -> Vec<u8> {
        self.expect('(');
        let count = if matches!(name, "repeat" | "noise") { self.count() } else { 0 };
        let inner = self.items();
        self.expect(')');
        match name {
            "packet" => packet(inner[0], &inner[1..]),
            "sized" => sized(inner),
            "block" => [varint(inner.len()), inner].concat(),
            "repeat" => inner.repeat(count),
            "noise" => noise(count),
            "C3" => Connect::new(V3, "x").bytes(),
            "C4" => Connect::new(V4, "x").bytes(),
            "C5" => Connect::new(V5, "x").bytes(),
            other => panic!("unknown function {other:?} in {:?}", self.text),
        }
    }

    /// A decimal number and an optional semicolon behind it.
    fn count(&mut self) -> usize {
        self.word(char::is_whitespace);
        let count = self.word(|c| c.is_ascii_digit()).parse().expect("a decimal count");
        if self.rest().starts_with(';') {
            self.expect(';');
        }
        count
    }
}
