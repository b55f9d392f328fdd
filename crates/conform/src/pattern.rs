//! What must come back: one line of a script, read into patterns.
//!
//! ```text
//! expectation  = alternative { " | " alternative }      the first is Pondhawk's choice, the others are permitted
//! alternative  = "nothing" | ending | packet { " & " packet }      packets in any order
//! ending       = "close" | "end" | "reject" [CODES] | "refuse" CODES
//! packet       = "connack" CODES ["present"|"fresh"] ["has(…)"] ["with(…)"] ["lacks(…)"]
//!              | ("puback"|"pubrec"|"pubrel"|"pubcomp") ID CODES
//!              | ("suback"|"unsuback") ID CODES…
//!              | ("disconnect"|"auth") CODES ["has(…)"]
//!              | "publish" ["q0"|"q1"|"q2"] ["dup"|"dup?"] ["retain"] ["unaliased"] ID? TOPIC PAYLOAD ["p(…)"]
//!              | "pong"
//! CODES        = "*" | "ok" | "fail" | hexadecimal, separated by commas; before "/" up to 3.1.1, behind it in 5
//! ID           = decimal | "$name" (caught when first seen, the same afterwards) | "$name!=other" | "*"
//! ```

use crate::bytes::{Scope, parse};
use crate::packet::{Property, Received, properties};
use crate::text::{Mistake, split, words};

/// One `<` of a script.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    /// The line as it is written.
    pub text: String,
    /// What is permitted, our own choice first.
    pub alternatives: Vec<Alternative>,
}

/// One permitted outcome.
#[derive(Clone, Debug)]
pub(crate) enum Alternative {
    /// No packet at all.
    Nothing,
    /// The connection ends.
    Ending(Ending),
    /// These packets, in any order.
    Packets(Vec<Pattern>),
}

/// How a connection ends.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// Without a word.
    Close,
    /// Whatever comes before.
    End,
    /// As after a malformed packet or a protocol error: MQTT 5 may say why first.
    Reject(Codes),
    /// CONNACK says why.
    Refuse(Codes),
}

/// A set of return or reason codes.
#[derive(Clone, Debug)]
pub(crate) enum Codes {
    Any,
    Success,
    Failure,
    /// Up to MQTT 3.1.1, and in MQTT 5.
    OneOf(Vec<u8>, Vec<u8>),
}

/// A packet identifier.
#[derive(Clone, Debug)]
pub(crate) enum Id {
    Any,
    Is(u16),
    Named(String),
    /// A name for one that differs from this other one.
    New(String, String),
}

/// One packet.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    kind: u8,
    /// Flags that must be so, by mask and value; of PUBLISH only.
    flags: (u8, u8),
    id: Id,
    codes: Vec<Codes>,
    present: Option<bool>,
    topic: Option<String>,
    payload: Option<String>,
    /// All properties, in the language of bytes.
    exactly: Option<String>,
    has: Option<String>,
    /// Identifiers that must be there, with any value.
    with: Option<String>,
    lacks: Option<String>,
}

impl Codes {
    fn read(text: &str) -> Result<Self, Mistake> {
        let list = |part: &str| {
            let bytes: Result<Vec<u8>, _> =
                part.split(',').map(|code| u8::from_str_radix(code, 16)).collect();
            bytes.map_err(|_| Mistake::new(format!("codes expected, not {text:?}")))
        };
        let (old, new) = text.split_once('/').unwrap_or((text, text));
        Ok(match text {
            "*" => Codes::Any,
            "ok" => Codes::Success,
            "fail" => Codes::Failure,
            _ => Codes::OneOf(list(old)?, list(new)?),
        })
    }

    fn words(&self, version: u8) -> String {
        match self {
            Codes::Any => "of any kind".to_owned(),
            Codes::Success => "below 80".to_owned(),
            Codes::Failure => "80 or above".to_owned(),
            Codes::OneOf(old, new) => {
                let codes = if version == 5 { new } else { old };
                codes.iter().map(|code| format!("{code:02X}")).collect::<Vec<_>>().join(" or ")
            }
        }
    }

    pub(crate) fn contain(&self, code: u8, version: u8) -> bool {
        match self {
            Codes::Any => true,
            Codes::Success => code < 0x80,
            Codes::Failure => code >= 0x80,
            Codes::OneOf(old, new) => if version == 5 { new } else { old }.contains(&code),
        }
    }
}

impl Expectation {
    /// Reads the part of a line behind `<`.
    pub(crate) fn read(text: &str) -> Result<Self, Mistake> {
        let alternatives =
            split(text, |c| c == '|').into_iter().map(Alternative::read).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), alternatives })
    }
}

impl Expectation {
    /// What must come, for a reader of reports.
    pub(crate) fn words(&self, version: u8) -> String {
        let parts = split(&self.text, |c| c == '|');
        let told = self.alternatives.iter().zip(parts).map(|(one, text)| one.words(version, text.trim()));
        told.collect::<Vec<_>>().join(", or ")
    }
}

impl Alternative {
    fn words(&self, version: u8, text: &str) -> String {
        match self {
            Alternative::Nothing => "nothing".to_owned(),
            Alternative::Packets(_) => text.to_owned(),
            Alternative::Ending(Ending::Close) => {
                "the end of the connection and no packet before it".to_owned()
            }
            Alternative::Ending(Ending::End) => "the end of the connection".to_owned(),
            Alternative::Ending(Ending::Reject(_)) if version < 5 => "the end of the connection".to_owned(),
            Alternative::Ending(Ending::Reject(codes)) => {
                format!("the end of the connection, at best with reason {}", codes.words(version))
            }
            Alternative::Ending(Ending::Refuse(codes)) => {
                format!("CONNACK {} and the end of the connection", codes.words(version))
            }
        }
    }

    fn read(text: &str) -> Result<Self, Mistake> {
        let all = words(text);
        let codes = |at: usize| all.get(at).map_or(Ok(Codes::Any), |word| Codes::read(word));
        Ok(match (all.first().copied(), all.len()) {
            (Some("nothing"), 1) => Alternative::Nothing,
            (Some("close"), 1) => Alternative::Ending(Ending::Close),
            (Some("end"), 1) => Alternative::Ending(Ending::End),
            (Some("reject"), 1 | 2) => Alternative::Ending(Ending::Reject(codes(1)?)),
            (Some("refuse"), 2) => Alternative::Ending(Ending::Refuse(codes(1)?)),
            _ => {
                let patterns = split(text, |c| c == '&').into_iter().map(Pattern::read);
                Alternative::Packets(patterns.collect::<Result<_, _>>()?)
            }
        })
    }
}

fn read_id(word: &str) -> Result<Id, Mistake> {
    match (word, word.strip_prefix('$')) {
        ("*", _) => Ok(Id::Any),
        (_, Some(name)) if name.contains("!=") => {
            let (name, other) = name.split_once("!=").unwrap_or((name, ""));
            Ok(Id::New(name.to_owned(), other.to_owned()))
        }
        (_, Some(name)) => Ok(Id::Named(name.to_owned())),
        _ => word
            .parse()
            .map(Id::Is)
            .map_err(|_| Mistake::new(format!("packet identifier expected, not {word:?}"))),
    }
}

/// What stands between `name(` and `)`.
fn call<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    word.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

impl Pattern {
    fn of(kind: u8) -> Self {
        Pattern {
            kind,
            flags: (0, 0),
            id: Id::Any,
            codes: Vec::new(),
            present: None,
            topic: None,
            payload: None,
            exactly: None,
            has: None,
            with: None,
            lacks: None,
        }
    }

    fn read(text: &str) -> Result<Self, Mistake> {
        let all = words(text);
        let (name, rest) = all.split_first().ok_or_else(|| Mistake::new("an empty alternative"))?;
        let kind = match *name {
            "connack" => 2,
            "publish" => return Self::publish(rest),
            "puback" => 4,
            "pubrec" => 5,
            "pubrel" => 6,
            "pubcomp" => 7,
            "suback" => 9,
            "unsuback" => 11,
            "pong" => 13,
            "disconnect" => 14,
            "auth" => 15,
            other => return Err(Mistake::new(format!("unknown packet {other:?}"))),
        };
        let mut pattern = Self::of(kind);
        let mut rest = rest.iter();
        if matches!(kind, 4..=11) {
            let id = rest.next().ok_or_else(|| Mistake::new(format!("{name} needs a packet identifier")))?;
            pattern.id = read_id(id)?;
        }
        for word in rest {
            match *word {
                "present" => pattern.present = Some(true),
                "fresh" => pattern.present = Some(false),
                _ if call(word, "has").is_some() => pattern.has = call(word, "has").map(str::to_owned),
                _ if call(word, "with").is_some() => pattern.with = call(word, "with").map(str::to_owned),
                _ if call(word, "lacks").is_some() => pattern.lacks = call(word, "lacks").map(str::to_owned),
                _ => pattern.codes.push(Codes::read(word)?),
            }
        }
        let wanted = if kind == 13 { pattern.codes.is_empty() } else { !pattern.codes.is_empty() };
        if wanted { Ok(pattern) } else { Err(Mistake::new(format!("codes are missing in {text:?}"))) }
    }

    fn publish(rest: &[&str]) -> Result<Self, Mistake> {
        let mut pattern = Self::of(3);
        pattern.flags = (0xF, 0);
        let mut fields = Vec::new();
        for word in rest {
            match *word {
                "q0" => {}
                "q1" => pattern.flags.1 |= 2,
                "q2" => pattern.flags.1 |= 4,
                "dup" => pattern.flags.1 |= 8,
                "dup?" => pattern.flags.0 &= !8,
                "retain" => pattern.flags.1 |= 1,
                "unaliased" => pattern.lacks = Some("23".to_owned()),
                word if word.starts_with('$') => pattern.id = read_id(word)?,
                word if call(word, "p").is_some() => pattern.exactly = call(word, "p").map(str::to_owned),
                word => fields.push((word != "*").then(|| word.to_owned())),
            }
        }
        match <[Option<String>; 2]>::try_from(fields) {
            Ok([topic, payload]) => Ok(Pattern { topic, payload, ..pattern }),
            Err(_) => Err(Mistake::new(format!("publish needs a topic and a payload: {rest:?}"))),
        }
    }

    /// Whether this is such a packet. Catches its identifier if that has a new name.
    pub(crate) fn matches(&self, packet: &Received, scope: &mut Scope) -> Result<bool, Mistake> {
        let flags = packet.kind != 3 || packet.flags & self.flags.0 == self.flags.1;
        let present = self.present.is_none_or(|present| scope.version == 3 || packet.present == present);
        let good = packet.kind == self.kind
            && flags
            && present
            && self.codes_match(packet, scope.version)
            && self.text_matches(packet, scope)?
            && self.properties_match(packet, scope)?;
        Ok(good && self.id_matches(packet, scope))
    }

    fn codes_match(&self, packet: &Received, version: u8) -> bool {
        let has_codes = version == 5 || matches!(packet.kind, 2 | 9);
        if !has_codes || packet.kind == 3 {
            return true;
        }
        let pairs = self.codes.iter().zip(&packet.codes);
        self.codes.len() == packet.codes.len()
            && pairs.into_iter().all(|(codes, code)| codes.contain(*code, version))
    }

    fn id_matches(&self, packet: &Received, scope: &mut Scope) -> bool {
        match (&self.id, packet.id) {
            (Id::Any, _) => true,
            (Id::Is(id), got) => got == Some(*id),
            (Id::Named(_), None) => false,
            (Id::Named(name), Some(got)) => *scope.ids.entry(name.clone()).or_insert(got) == got,
            (Id::New(..), None) => false,
            (Id::New(name, other), Some(got)) => {
                scope.ids.insert(name.clone(), got);
                scope.ids.get(other) != Some(&got)
            }
        }
    }

    fn text_matches(&self, packet: &Received, scope: &Scope) -> Result<bool, Mistake> {
        let topic = match &self.topic {
            Some(text) => parse(text, scope)?.get(2..) == Some(&packet.topic),
            None => true,
        };
        let payload = match &self.payload {
            Some(text) => parse(text, scope)? == packet.payload,
            None => true,
        };
        Ok(topic && payload)
    }

    fn properties_match(&self, packet: &Received, scope: &Scope) -> Result<bool, Mistake> {
        if scope.version != 5 {
            return Ok(true);
        }
        let read = |text: &str| properties(&parse(text, scope)?, packet.kind).map_err(Mistake::new);
        let mut got = packet.properties.clone();
        // An alias is for the topic, which is judged.
        got.retain(|(id, _)| *id != 0x23);
        if self.kind == 3 && !same(&read(self.exactly.as_deref().unwrap_or(""))?, &got) {
            return Ok(false);
        }
        if let Some(text) = &self.has
            && !read(text)?.iter().all(|property| got.contains(property))
        {
            return Ok(false);
        }
        let ids = |text: &Option<String>| text.as_deref().map_or(Ok(Vec::new()), |text| parse(text, scope));
        let (with, lacks) = (ids(&self.with)?, ids(&self.lacks)?);
        let there = |id: &u8| packet.properties.iter().any(|(other, _)| other == id);
        Ok(with.iter().all(there) && !lacks.iter().any(there))
    }
}

/// The same properties, in any order but for equal ones. A message expiry may have run on by some seconds.
fn same(expected: &[Property], got: &[Property]) -> bool {
    let of = |all: &[Property], id: u8| -> Vec<Vec<u8>> {
        all.iter().filter(|(other, _)| *other == id).map(|(_, value)| value.clone()).collect()
    };
    expected.len() == got.len()
        && expected.iter().all(|(id, _)| match id {
            0x02 => {
                let seconds = |all: &[Property]| {
                    of(all, 2).concat().iter().fold(0_u64, |sum, b| sum << 8 | u64::from(*b))
                };
                let (sent, left) = (seconds(expected), seconds(got));
                got.iter().any(|(other, _)| other == id) && left <= sent && left + 60 >= sent
            }
            // Any order of the matching subscriptions will do.
            0x0B => {
                let (mut one, mut other) = (of(expected, *id), of(got, *id));
                one.sort();
                other.sort();
                one == other
            }
            _ => of(expected, *id) == of(got, *id),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::decode;

    fn matches(pattern: &str, frame: &[u8], version: u8) -> bool {
        let packet = decode(frame, version).expect("a well-formed packet");
        let mut scope = Scope { version, prefix: "z".to_owned(), ..Scope::default() };
        Pattern::read(pattern).expect(pattern).matches(&packet, &mut scope).expect(pattern)
    }

    #[test]
    fn packets() {
        assert!(matches("connack 00 fresh", &[0x20, 2, 0, 0], 4));
        assert!(!matches("connack 00 present", &[0x20, 2, 0, 0], 4));
        assert!(matches("connack 00 has(22 000A) lacks(21)", &[0x20, 6, 0, 0, 3, 0x22, 0, 10], 5));
        assert!(!matches("connack 00 lacks(22)", &[0x20, 6, 0, 0, 3, 0x22, 0, 10], 5));
        assert!(matches("suback 7 01 80/8F,87", &[0x90, 4, 0, 7, 1, 0x80], 4));
        assert!(matches("suback 7 01 80/8F,87", &[0x90, 5, 0, 7, 0, 1, 0x87], 5));
        assert!(!matches("suback 7 01", &[0x90, 4, 0, 7, 1, 0x80], 4));
        assert!(matches("puback 1 10", &[0x40, 2, 0, 1], 4));
        assert!(!matches("puback 1 10", &[0x40, 2, 0, 1], 5));
    }

    #[test]
    fn messages() {
        let frame = b"\x32\x08\0\x03z/t\0\x05x";
        assert!(matches("publish q1 \"@/t\" 'x'", frame, 4));
        assert!(matches("publish q1 $m * *", frame, 4));
        assert!(!matches("publish q1 retain \"@/t\" 'x'", frame, 4));
        assert!(!matches("publish q1 \"@/u\" 'x'", frame, 4));
        let frame = b"\x30\x0d\0\x03z/t\x07\x02\0\0\0\x09\x01\x01";
        assert!(matches("publish \"@/t\" '' p(01 01 02 0000000A)", frame, 5));
        assert!(!matches("publish \"@/t\" ''", frame, 5));
    }

    #[test]
    fn what_cannot_be_read() {
        for text in ["", "puback", "suback x 00", "publish \"t\"", "connack", "hello 1", "suback 1 0G"] {
            assert!(Expectation::read(text).is_err(), "{text}");
        }
        assert_eq!(Expectation::read("reject 81 | suback 1 80").expect("it reads").alternatives.len(), 2);
    }
}
