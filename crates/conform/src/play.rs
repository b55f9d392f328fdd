//! Plays one vector over a transport and judges it.
//!
//! Before it: [`script`](crate::script) has read the lines. After it: [`run`](crate::run) gathers the verdicts.

mod await_packets;
mod barrier;
mod tidy_up;

use crate::bytes::{Login, Scope, parse};
use crate::packet::frame_len;
use crate::pattern::Expectation;
use crate::peer::Peer;
use crate::script::{Act, Step, read};
use crate::text::Mistake;
use crate::transport::{Link, Transport};
use crate::verdict::{Difference, Played, Said, Verdict};
use await_packets::Met;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// How one script is played.
pub(crate) struct Part<'a> {
    pub(crate) script: &'a str,
    /// Protocol level.
    pub(crate) version: u8,
    /// What all its topics and client identifiers begin with.
    pub(crate) prefix: String,
    pub(crate) login: Option<Login>,
    /// Whether the script's expectation is a MUST of the standard.
    pub(crate) must: bool,
}

/// Why playing stopped before the end.
enum Stop {
    /// What came is not what must.
    Difference(Difference),
    /// Another choice ended the connection; the rest of the script is about ours.
    OtherEnd,
    /// The vector cannot be read.
    Mistake(Mistake),
    /// The broker cannot be reached.
    Unreachable(io::Error),
}

impl From<Mistake> for Stop {
    fn from(mistake: Mistake) -> Self {
        Stop::Mistake(mistake)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Unreachable(error)
    }
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The vector cannot be read.
    #[error("{0}")]
    Mistake(Mistake),
    /// The broker cannot be reached.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(io::Error),
}

struct Player<'a, T: Transport> {
    transport: &'a mut T,
    scope: Scope,
    peers: BTreeMap<String, Peer<T::Link>>,
    /// The vector's protocol level, and those of connections that speak another one.
    version: u8,
    versions: BTreeMap<String, u8>,
    transcript: Vec<Said>,
    /// The connection on which the last line sent whole packets, if it sent.
    sent_last: Option<String>,
    /// Barriers so far, which makes their topics new.
    barriers: u32,
    /// The first way in which the broker chose otherwise than we do.
    choice: Option<Difference>,
    /// Clients that may have left a session.
    kept: BTreeSet<String>,
    /// Topics that may have a retained message.
    retained: BTreeSet<Vec<u8>>,
}

/// Plays a script to its end.
pub(crate) fn play<T: Transport>(transport: &mut T, part: Part<'_>) -> Result<Played, Failure> {
    let steps = read(part.script, part.version).map_err(Failure::Mistake)?;
    let scope =
        Scope { version: part.version, prefix: part.prefix, ids: Default::default(), login: part.login };
    let mut player = Player {
        transport,
        scope,
        peers: BTreeMap::new(),
        version: part.version,
        versions: BTreeMap::new(),
        transcript: Vec::new(),
        sent_last: None,
        barriers: 0,
        choice: None,
        kept: BTreeSet::new(),
        retained: BTreeSet::new(),
    };
    let stop = player.steps(&steps).and_then(|()| player.nothing_is_left()).err();
    player.tidy_up();
    let (choice, transcript) = (player.choice, player.transcript);
    let (verdict, difference) = match stop {
        Some(Stop::Mistake(mistake)) => return Err(Failure::Mistake(mistake)),
        Some(Stop::Unreachable(error)) => return Err(Failure::Unreachable(error)),
        Some(Stop::Difference(difference)) if part.must && !is_open(part.version, &difference) => {
            (Verdict::Breaks, Some(difference))
        }
        Some(Stop::Difference(difference)) => (Verdict::Choice, Some(difference)),
        Some(Stop::OtherEnd) => (Verdict::Choice, choice),
        None if choice.is_some() => (Verdict::Choice, choice),
        None => (Verdict::Passed, None),
    };
    Ok(Played { verdict, difference, why: None, transcript })
}

/// MQTT 3.1 leaves open what a server does with bytes that are no packet: its text is older than the numbered
/// statements, and asks for no check of reserved bits or of text.
fn is_open(version: u8, difference: &Difference) -> bool {
    version == 3 && difference.line.starts_with("reject")
}

impl<T: Transport> Player<'_, T> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), Stop> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, Step { link, act }: &Step) -> Result<(), Stop> {
        if !matches!(act, Act::Expect(_)) {
            self.sent_last = None;
        }
        self.speak_as(link);
        match act {
            Act::Speak(version) => {
                self.versions.insert(link.clone(), *version);
                Ok(())
            }
            Act::Open => self.open(link),
            Act::Connect { resume, present, properties } => self.connect(link, *resume, *present, properties),
            Act::Send(text) => {
                if !self.peers.contains_key(link) {
                    if text.starts_with("connect(") {
                        self.open(link)
                    } else {
                        self.connect(link, false, None, "")
                    }?;
                }
                let bytes = parse(text, &self.scope)?;
                self.send(link, bytes);
                Ok(())
            }
            Act::Expect(expectation) => self.judge(link, expectation),
            Act::OneOf(links, expectation) => self.one_of(links, expectation),
            Act::Leave => {
                self.send(link, vec![0xE0, 0]);
                self.must(link, "close")
            }
            Act::Cut => {
                if let Some(peer) = self.peers.get_mut(link) {
                    peer.link.cut();
                    (peer.closed, peer.connected) = (true, false);
                }
                Ok(())
            }
            Act::Pass(time) => {
                self.transport.pass(Duration::from_millis(*time));
                Ok(())
            }
        }
    }

    /// From now on bytes are read and written in this connection's version.
    fn speak_as(&mut self, link: &str) {
        self.scope.version = self.versions.get(link).copied().unwrap_or(self.version);
    }

    fn judge(&mut self, link: &str, expectation: &Expectation) -> Result<(), Stop> {
        match self.expect(link, expectation)? {
            Met::Ours => Ok(()),
            Met::Other { difference, ended } => {
                self.choice.get_or_insert(difference);
                if ended { Err(Stop::OtherEnd) } else { Ok(()) }
            }
        }
    }

    /// Exactly one of the connections has got something, and that is as expected.
    fn one_of(&mut self, links: &[String], expectation: &Expectation) -> Result<(), Stop> {
        let mut lucky = Vec::new();
        for link in links {
            self.barrier(link)?;
            if self.peer(link)?.pending().is_some() {
                lucky.push(link);
            }
        }
        match lucky[..] {
            [link] => {
                self.speak_as(link);
                self.judge(link, expectation)
            }
            _ => Err(Stop::Difference(Difference {
                line: expectation.text.clone(),
                expected: format!("{} on one of {}", expectation.text, links.join(", ")),
                got: format!("something on {} of them", lucky.len()),
            })),
        }
    }

    fn must(&mut self, link: &str, expectation: &str) -> Result<(), Stop> {
        self.judge(link, &Expectation::read(expectation)?)
    }

    fn open(&mut self, link: &str) -> Result<(), Stop> {
        let client = format!("{}{}", self.scope.prefix, letters(link));
        let opened = self.transport.open()?;
        self.peers.insert(link.to_owned(), Peer::new(opened, client));
        Ok(())
    }

    fn connect(
        &mut self,
        link: &str,
        resume: bool,
        present: Option<bool>,
        properties: &str,
    ) -> Result<(), Stop> {
        self.open(link)?;
        let (flags, expiry) = if resume { ("00", "11 00000E10") } else { ("02", "") };
        let text = format!("connect({flags} 003C p({expiry} {properties}) \"@{}\")", letters(link));
        let bytes = parse(&text, &self.scope)?;
        self.send(link, bytes);
        let word = match (present, resume) {
            (Some(true), _) => "present",
            (Some(false), _) | (None, false) => "fresh",
            (None, true) => "",
        };
        self.must(link, &format!("connack 00 {word}"))
    }

    fn send(&mut self, link: &str, bytes: Vec<u8>) {
        self.remember(link, &bytes);
        self.sent_last = whole(&bytes).then(|| link.to_owned());
        if let Some(peer) = self.peers.get_mut(link) {
            peer.link.send(&bytes);
            if bytes.len() >= 2 && bytes[0] == 0xE0 && frame_len(&bytes) == Ok(Some(bytes.len())) {
                peer.connected = false;
            }
        }
        let bytes = self.without_password(bytes);
        self.transcript.push(Said { link: link.to_owned(), sent: true, bytes });
    }

    /// Reports are shown around.
    fn without_password(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let login = self.scope.login.as_ref();
        let password = login.and_then(|login| login.password.as_deref()).unwrap_or("").as_bytes();
        if !password.is_empty() && bytes.first() == Some(&0x10) {
            while let Some(at) = bytes.windows(password.len()).position(|part| part == password) {
                bytes[at..at + password.len()].fill(b'*');
                if password.iter().all(|byte| *byte == b'*') {
                    break;
                }
            }
        }
        bytes
    }

    fn peer(&mut self, link: &str) -> Result<&mut Peer<T::Link>, Stop> {
        let unknown = || Stop::Mistake(Mistake::new(format!("{link} is not open")));
        self.peers.get_mut(link).ok_or_else(unknown)
    }
}

/// Whether the bytes are whole packets, as far as their lengths say.
fn whole(mut bytes: &[u8]) -> bool {
    while let Ok(Some(len)) = frame_len(bytes)
        && len <= bytes.len()
    {
        bytes = &bytes[len..];
    }
    bytes.is_empty()
}

/// The part of a connection's name that its client identifier has.
fn letters(link: &str) -> &str {
    link.trim_end_matches(|c: char| c.is_ascii_digit())
}
