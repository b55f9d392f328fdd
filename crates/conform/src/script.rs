//! A vector's script, line by line.
//!
//! ```text
//! [VERSIONS|] NAME speaks LEVEL         from now on this connection is of another version than the vector's
//! [VERSIONS|] NAME open                 a connection without CONNECT
//! [VERSIONS|] NAME connect [PROPERTIES] a clean session; CONNACK 0 must follow
//! [VERSIONS|] NAME resume [present|fresh] [PROPERTIES]   a session that is kept; CONNACK 0 must follow
//! [VERSIONS|] NAME > BYTES              sends
//! [VERSIONS|] NAME < EXPECTATION        what must come next
//! [VERSIONS|] one NAME… < EXPECTATION   what must come to one of them, and nothing to the others
//! [VERSIONS|] NAME leave                DISCONNECT, and the end is awaited
//! [VERSIONS|] NAME cut                  breaks the connection
//! [VERSIONS|] pass MILLISECONDS         lets time pass
//! ```
//!
//! `NAME` is letters and a number; its letters make the client identifier, so `a` and `a2` are one client. A name that
//! has not been opened connects by itself, unless it sends `connect(…)`. `VERSIONS` are digits: `45| a > C000`.

use crate::pattern::Expectation;
use crate::text::Mistake;

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The connection; empty for `pass`.
    pub link: String,
    /// What is done.
    pub act: Act,
}

/// What a line does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Open,
    /// The protocol level of this connection.
    Speak(u8),
    /// CONNECT with these properties.
    Connect {
        resume: bool,
        present: Option<bool>,
        properties: String,
    },
    Send(String),
    Expect(Expectation),
    /// On one of these connections.
    OneOf(Vec<String>, Expectation),
    Leave,
    Cut,
    Pass(u64),
}

/// The steps of a script for one version.
pub(crate) fn read(script: &str, version: u8) -> Result<Vec<Step>, Mistake> {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| of_version(line, version)).map(read_line).collect()
}

/// The line without its versions, if it is for this one.
fn of_version(line: &str, version: u8) -> Option<&str> {
    match line.split_once('|') {
        Some((versions, rest)) if !versions.is_empty() && versions.bytes().all(|b| b.is_ascii_digit()) => {
            versions.bytes().any(|digit| digit - b'0' == version).then(|| rest.trim())
        }
        _ => Some(line),
    }
}

fn read_line(line: &str) -> Result<Step, Mistake> {
    let (link, rest) = line.split_once(' ').ok_or_else(|| Mistake::new(format!("half a line: {line:?}")))?;
    let (verb, rest) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    let rest = rest.trim();
    if link == "pass" {
        let time = verb.parse().map_err(|_| Mistake::new(format!("milliseconds expected: {line:?}")))?;
        return Ok(Step { link: String::new(), act: Act::Pass(time) });
    }
    if link == "one" {
        let (names, expected) =
            line.split_once('<').ok_or_else(|| Mistake::new(format!("no < in {line:?}")))?;
        let names = names.split_whitespace().skip(1).map(str::to_owned).collect();
        return Ok(Step { link: String::new(), act: Act::OneOf(names, Expectation::read(expected)?) });
    }
    let act = match verb {
        "open" => Act::Open,
        "speaks" => match rest {
            "3" => Act::Speak(3),
            "4" => Act::Speak(4),
            "5" => Act::Speak(5),
            _ => return Err(Mistake::new(format!("a protocol level expected: {line:?}"))),
        },
        "connect" => Act::Connect { resume: false, present: None, properties: rest.to_owned() },
        "resume" => {
            let (word, properties) = rest.split_once(' ').unwrap_or((rest, ""));
            let (present, properties) = match word {
                "present" => (Some(true), properties),
                "fresh" => (Some(false), properties),
                _ => (None, rest),
            };
            Act::Connect { resume: true, present, properties: properties.to_owned() }
        }
        ">" => Act::Send(rest.to_owned()),
        "<" => Act::Expect(Expectation::read(rest)?),
        "leave" => Act::Leave,
        "cut" => Act::Cut,
        _ => return Err(Mistake::new(format!("unknown verb in {line:?}"))),
    };
    Ok(Step { link: link.to_owned(), act })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_their_versions() {
        let script = "a > C000\n 34| a < pong\n5| a < disconnect 81 | close\n# nothing\n";
        assert_eq!(read(script, 4).expect("it reads").len(), 2);
        let five = read(script, 5).expect("it reads");
        assert!(matches!(&five[1].act, Act::Expect(expectation) if expectation.alternatives.len() == 2));
    }

    #[test]
    fn verbs() {
        let steps = read("a open\nb resume present 21 0001\nc connect\npass 10\nc leave\nc cut", 5)
            .expect("it reads");
        assert!(
            matches!(&steps[1].act, Act::Connect { resume: true, present: Some(true), properties } if properties == "21 0001")
        );
        assert!(matches!(steps[3].act, Act::Pass(10)));
        assert!(read("a jump", 5).is_err() && read("a", 5).is_err() && read("pass soon", 5).is_err());
    }
}
