//! Bytes as text: the little language that vectors are written in.
//!
//! | written | means |
//! |---|---|
//! | `10 FFFF` | the bytes themselves |
//! | `"a/b"` | a two-byte length and the text; `@` is the vector's own prefix |
//! | `'abc'` | the text alone |
//! | `$m` | the packet identifier that was caught under this name |
//! | `packet(30 "t" 'x')` | first byte, remaining length, the rest |
//! | `long(3; 30 "t")` | the same with a remaining length in so many bytes, though fewer would do |
//! | `p(21 0005)` | a property block in MQTT 5, nothing before |
//! | `v5(…)`, `v4(…)` | the bytes in MQTT 5 only, or before it only |
//! | `connect(02 003C p() "@a")` | CONNECT: protocol name and level of the version, then the bytes, then the login |
//! | `sized(…)`, `block(…)` | two-byte length, or variable length, and the bytes |
//! | `first(5; …)`, `rest(5; …)` | of the bytes inside only so many, or the others |
//! | `repeat(100; …)` | the bytes that many times |
//! | `or(02 80 40)` | one byte with the bits of all |
//! | `id(300)` | a number as two bytes |
//! | `varint(128)` | a variable byte integer |
//! | `noise(65536)` | arbitrary bytes, the same in every run, of which the first is 0xF5 |
//! | `C3()` `C4()` `C5()` | a valid clean CONNECT of client `x` for MQTT 3.1, 3.1.1, 5 |

use crate::Mistake;
use std::collections::HashMap;

/// User name and password for brokers that ask for them.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Option<String>,
}

/// What the words of the language stand for.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Protocol level: 3, 4 or 5.
    pub version: u8,
    /// What `@` stands for inside quotes.
    pub prefix: String,
    /// Packet identifiers by name.
    pub ids: HashMap<String, u16>,
    /// Added to each `connect(…)` without a user name of its own.
    pub login: Option<Login>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { version: 4, prefix: "@".to_owned(), ids: HashMap::new(), login: None }
    }
}

/// The remaining length, or any variable byte integer, in as few bytes as possible.
#[must_use]
pub fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return out;
        }
    }
}

/// A variable byte integer of so many bytes.
fn long_varint(value: usize, bytes: usize) -> Vec<u8> {
    let last = bytes.saturating_sub(1);
    let digit = |index: usize| (value >> (7 * index) & 0x7F) as u8 | if index < last { 0x80 } else { 0 };
    (0..bytes).map(digit).collect()
}

/// A two-byte length and the bytes: strings and binary data.
///
/// # Panics
/// If there are more than 65,535 bytes.
#[must_use]
pub fn sized(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a string of at most 65535 bytes");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A whole packet: first byte, remaining length, body.
#[must_use]
pub fn packet(first: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[first][..], &varint(body.len()), body].concat()
}

/// Bytes that look random and are the same in every run.
#[must_use]
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

/// Reads the language above.
///
/// # Errors
/// Says what cannot be read and where.
pub fn parse(text: &str, scope: &Scope) -> Result<Vec<u8>, Mistake> {
    let mut parser = Parser { text, at: 0, scope };
    let bytes = parser.items()?;
    if parser.at == text.len() { Ok(bytes) } else { Err(parser.mistake("unbalanced ')'")) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    scope: &'a Scope,
}

impl Parser<'_> {
    fn mistake(&self, what: &str) -> Mistake {
        Mistake::new(format!("{what} at {} in {:?}", self.at, self.text))
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Reads while `accept` holds.
    fn word(&mut self, accept: impl Fn(char) -> bool) -> String {
        let word: String = self.rest().chars().take_while(|&c| accept(c)).collect();
        self.at += word.len();
        word
    }

    fn expect(&mut self, wanted: char) -> Result<(), Mistake> {
        if !self.rest().starts_with(wanted) {
            return Err(self.mistake(&format!("{wanted:?} expected")));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    /// Items up to a closing parenthesis or the end.
    fn items(&mut self) -> Result<Vec<u8>, Mistake> {
        let mut out = Vec::new();
        loop {
            self.word(char::is_whitespace);
            match self.rest().chars().next() {
                None | Some(')') => return Ok(out),
                Some(quote @ ('"' | '\'')) => out.extend(self.quoted(quote)?),
                Some('$') => out.extend(self.caught()?),
                Some(_) => out.extend(self.hex_or_call()?),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Vec<u8>, Mistake> {
        self.expect(quote)?;
        let text = self.word(|c| c != quote).replace('@', &self.scope.prefix);
        self.expect(quote)?;
        Ok(if quote == '"' { sized(text) } else { text.into_bytes() })
    }

    fn caught(&mut self) -> Result<[u8; 2], Mistake> {
        self.expect('$')?;
        let name = self.word(char::is_alphanumeric);
        let id = self.scope.ids.get(&name);
        id.map(|id| id.to_be_bytes()).ok_or_else(|| self.mistake("no packet identifier of this name"))
    }

    fn hex_or_call(&mut self) -> Result<Vec<u8>, Mistake> {
        let word = self.word(|c| c.is_ascii_alphanumeric());
        if self.rest().starts_with('(') {
            return self.call(&word);
        }
        if word.is_empty() || !word.len().is_multiple_of(2) {
            return Err(self.mistake("hexadecimal bytes expected"));
        }
        let byte = |i: usize| u8::from_str_radix(&word[i..i + 2], 16);
        let bytes: Result<Vec<u8>, _> = (0..word.len()).step_by(2).map(byte).collect();
        bytes.map_err(|_| self.mistake("hexadecimal digits expected"))
    }

    fn call(&mut self, name: &str) -> Result<Vec<u8>, Mistake> {
        self.expect('(')?;
        let counted = matches!(name, "repeat" | "noise" | "first" | "rest" | "varint" | "id" | "long");
        let count = if counted { self.count()? } else { 0 };
        let inner = self.items()?;
        self.expect(')')?;
        let v5 = self.scope.version == 5;
        Ok(match name {
            "packet" => match inner.split_first() {
                Some((first, body)) => packet(*first, body),
                None => return Err(self.mistake("a packet has a first byte")),
            },
            "long" => match inner.split_first() {
                Some((first, body)) => [&[*first][..], &long_varint(body.len(), count), body].concat(),
                None => return Err(self.mistake("a packet has a first byte")),
            },
            "sized" if inner.len() > 65_535 => {
                return Err(self.mistake("more than a two-byte length can say"));
            }
            "sized" => sized(inner),
            "block" => [varint(inner.len()), inner].concat(),
            "p" if v5 => [varint(inner.len()), inner].concat(),
            "v5" if v5 => inner,
            "v4" if !v5 => inner,
            "p" | "v5" | "v4" => Vec::new(),
            "connect" => self.connect(inner)?,
            "repeat" => inner.repeat(count),
            "first" => inner[..count.min(inner.len())].to_vec(),
            "rest" => inner[count.min(inner.len())..].to_vec(),
            "id" => {
                u16::try_from(count).map_err(|_| self.mistake("more than two bytes"))?.to_be_bytes().to_vec()
            }
            "or" => vec![inner.iter().fold(0, |bits, byte| bits | byte)],
            "varint" => varint(count),
            "noise" => noise(count),
            "C3" => plain_connect(3),
            "C4" => plain_connect(4),
            "C5" => plain_connect(5),
            other => return Err(self.mistake(&format!("unknown function {other:?}"))),
        })
    }

    /// CONNECT of the scope's version around flags, keep alive, properties and payload.
    fn connect(&self, mut inner: Vec<u8>) -> Result<Vec<u8>, Mistake> {
        let flags = inner.first_mut().ok_or_else(|| self.mistake("CONNECT has flags"))?;
        let mut login = Vec::new();
        if let Some(Login { user, password }) = self.scope.login.as_ref().filter(|_| *flags & 0xC0 == 0) {
            *flags |= 0x80;
            login.extend(sized(user));
            if let Some(password) = password {
                *flags |= 0x40;
                login.extend(sized(password));
            }
        }
        Ok(packet(0x10, [name_and_level(self.scope.version), inner, login].concat()))
    }

    /// A decimal number and an optional semicolon behind it.
    fn count(&mut self) -> Result<usize, Mistake> {
        self.word(char::is_whitespace);
        let digits = self.word(|c| c.is_ascii_digit());
        let count = digits.parse().map_err(|_| self.mistake("a decimal count expected"))?;
        if self.rest().starts_with(';') {
            self.expect(';')?;
        }
        Ok(count)
    }
}

fn name_and_level(version: u8) -> Vec<u8> {
    let name = if version == 3 { "MQIsdp" } else { "MQTT" };
    [sized(name), vec![version]].concat()
}

fn plain_connect(version: u8) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[0] } else { &[] };
    packet(0x10, [&name_and_level(version)[..], &[0x02, 0, 60], properties, &sized("x")].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, version: u8, expected: &[u8]) {
        let scope =
            Scope { version, prefix: "pre".to_owned(), ids: [("m".to_owned(), 258)].into(), login: None };
        assert_eq!(parse(text, &scope).expect(text), expected, "{text}");
    }

    #[test]
    fn the_language() {
        check("82 0001", 4, &[0x82, 0, 1]);
        check("\"@/a\" '@'", 4, b"\x00\x05pre/apre");
        check("packet(62 $m)", 4, &[0x62, 2, 1, 2]);
        check("p(01 00) v5(07) v4(08)", 4, &[8]);
        check("p(01 00) v5(07) v4(08)", 5, &[2, 1, 0, 7]);
        check("first(2; 01 02 03) repeat(2; 09) varint(128)", 4, &[1, 2, 9, 9, 0x80, 1]);
        check("long(3; C0 07)", 4, &[0xC0, 0x81, 0x80, 0, 7]);
        check("connect(02 0000 p() \"a\")", 5, b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01a");
        check("connect(02 0000 p() \"a\")", 3, b"\x10\x0f\0\x06MQIsdp\x03\x02\0\0\0\x01a");
    }

    #[test]
    fn a_login_joins_a_connect_that_has_none() {
        let login = Some(Login { user: "u".to_owned(), password: Some("w".to_owned()) });
        let scope = Scope { login, ..Scope::default() };
        let bytes = parse("connect(02 0000 \"a\")", &scope).expect("it reads");
        assert_eq!(bytes, b"\x10\x13\0\x04MQTT\x04\xC2\0\0\0\x01a\0\x01u\0\x01w");
        let own = parse("connect(82 0000 \"a\" \"me\")", &scope).expect("it reads");
        assert!(own.ends_with(b"\0\x02me"));
    }

    #[test]
    fn mistakes_are_told() {
        for text in ["0", "zz", "packet()", "sized(01", "01)", "nothing(01)", "$x", "'open"] {
            assert!(parse(text, &Scope::default()).is_err(), "{text}");
        }
    }
}
