//! Waiting for one of the permitted outcomes of a line.

use super::{Player, Stop};
use crate::dissect::describe;
use crate::packet::{Received, decode};
use crate::pattern::{Alternative, Codes, Ending, Expectation, Pattern};
use crate::peer::Next;
use crate::transport::{Link, Patience, Transport};
use crate::verdict::{Difference, Said};

/// An expectation that was met.
pub(super) enum Met {
    /// By our own choice.
    Ours,
    /// By another one that the standard permits.
    Other { difference: Difference, ended: bool },
}

/// An alternative of packets that what came so far agrees with.
struct Alive<'e> {
    index: usize,
    missing: Vec<&'e Pattern>,
}

impl<T: Transport> Player<'_, T> {
    /// Waits until one alternative is complete, or none is possible.
    pub(super) fn expect(&mut self, link: &str, expectation: &Expectation) -> Result<Met, Stop> {
        let mut alive: Vec<Alive<'_>> = alive(expectation);
        let endings: Vec<(usize, &Ending)> = endings(expectation);
        let mut before: Vec<Vec<u8>> = Vec::new();
        let version = self.scope.version;
        let nothing = expectation.alternatives.iter().position(|one| matches!(one, Alternative::Nothing));
        if let Some(index) = nothing {
            self.barrier(link)?;
            if self.peer(link)?.pending().is_none() && !self.peer(link)?.closed {
                return Ok(met(expectation, version, (index, false), "nothing"));
            }
        }
        loop {
            if let Some(index) = self.complete(link, &mut alive)? {
                return Ok(met(expectation, version, (index, false), &told(&before, "")));
            }
            let next = self.next(link, alive.is_empty())?;
            let differs = |end: &str| difference(expectation, version, &told(&before, end));
            match next {
                Next::Frame(frame) => {
                    let mut packet = decode(&frame, self.scope.version);
                    if let Ok(received) = &mut packet
                        && let Err(why) = self.peer(link)?.admit(received, frame.len())
                    {
                        packet = Err(why);
                    }
                    before.push(frame);
                    let anything = endings.iter().any(|(_, ending)| matches!(ending, Ending::End));
                    let packet = match packet {
                        Ok(packet) => packet,
                        Err(_) if anything => continue,
                        Err(why) => {
                            let why = format!("which it may not be: {why}");
                            return Err(difference(expectation, version, &told(&before, &why)));
                        }
                    };
                    self.narrow(&mut alive, &packet)?;
                    if alive.is_empty() && endings.is_empty() {
                        return Err(difference(expectation, version, &told(&before, "")));
                    }
                }
                Next::Closed(rest) if rest.is_empty() => {
                    return self.ended(expectation, &endings, &before);
                }
                Next::Closed(rest) => return Err(differs(&format!("half a packet {rest:02X?} and the end"))),
                Next::Noise(rest) => return Err(differs(&format!("bytes that are no packet {rest:02X?}"))),
                Next::Alive => return Err(differs("a connection that lives on and answers PINGREQ")),
                Next::Silence(rest) if rest.is_empty() => return Err(differs("no answer")),
                Next::Silence(rest) => {
                    return Err(differs(&format!("half a packet {rest:02X?} and no more")));
                }
            }
        }
    }

    /// The next packet, noted in the transcript. If only the end can come, and only because of what was just sent on
    /// this connection, silence is not waited for: a connection that answers PINGREQ behind that has not ended.
    fn next(&mut self, link: &str, only_the_end: bool) -> Result<Next, Stop> {
        let can_ask = only_the_end && self.sent_last.as_deref() == Some(link);
        let peer = self.peer(link)?;
        let patience = if can_ask && peer.connected { Patience::Little } else { Patience::All };
        let mut next = peer.next(patience);
        if patience == Patience::Little && next == Next::Silence(Vec::new()) {
            peer.link.send(&[0xC0, 0]);
            next = match peer.next(Patience::All) {
                Next::Frame(frame) if frame == [0xD0, 0] => Next::Alive,
                other => other,
            };
        }
        if let Next::Frame(frame) = &next {
            self.transcript.push(Said { link: link.to_owned(), sent: false, bytes: frame.clone() });
        }
        Ok(next)
    }

    /// The alternative that is complete. If another could still go on, what else comes decides.
    fn complete(&mut self, link: &str, alive: &mut Vec<Alive<'_>>) -> Result<Option<usize>, Stop> {
        let Some(index) = alive.iter().find(|one| one.missing.is_empty()).map(|one| one.index) else {
            return Ok(None);
        };
        if alive.iter().all(|one| one.missing.is_empty()) {
            return Ok(Some(index));
        }
        self.barrier(link)?;
        if self.peer(link)?.pending().is_none() {
            return Ok(Some(index));
        }
        alive.retain(|one| !one.missing.is_empty());
        Ok(None)
    }

    /// Keeps the alternatives that this packet belongs to.
    fn narrow(&mut self, alive: &mut Vec<Alive<'_>>, packet: &Received) -> Result<(), Stop> {
        let mut kept = Vec::new();
        for mut one in std::mem::take(alive) {
            let mut found = None;
            for (at, pattern) in one.missing.iter().enumerate() {
                if pattern.matches(packet, &mut self.scope)? {
                    found = Some(at);
                    break;
                }
            }
            if let Some(at) = found {
                one.missing.remove(at);
                kept.push(one);
            }
        }
        *alive = kept;
        Ok(())
    }

    /// The connection has ended: whether one of the endings permits it like that.
    fn ended(
        &mut self,
        expectation: &Expectation,
        endings: &[(usize, &Ending)],
        before: &[Vec<u8>],
    ) -> Result<Met, Stop> {
        let version = self.scope.version;
        let got = told(before, "the end of the connection");
        let packets: Vec<Received> = before.iter().filter_map(|frame| decode(frame, version).ok()).collect();
        for (index, ending) in endings {
            match allows(ending, &packets, version) {
                Some(true) => return Ok(met(expectation, version, (*index, *index > 0), &got)),
                Some(false) => {
                    return Ok(Met::Other {
                        difference: told_difference(expectation, version, &got),
                        ended: true,
                    });
                }
                None => {}
            }
        }
        Err(difference(expectation, version, &got))
    }
}

fn alive(expectation: &Expectation) -> Vec<Alive<'_>> {
    let all = expectation.alternatives.iter().enumerate();
    all.filter_map(|(index, one)| match one {
        Alternative::Packets(patterns) => Some(Alive { index, missing: patterns.iter().collect() }),
        _ => None,
    })
    .collect()
}

fn endings(expectation: &Expectation) -> Vec<(usize, &Ending)> {
    let all = expectation.alternatives.iter().enumerate();
    all.filter_map(|(index, one)| match one {
        Alternative::Ending(ending) => Some((index, ending)),
        _ => None,
    })
    .collect()
}

/// Whether an ending permits these packets before it, and if so, whether it is just what we do.
fn allows(ending: &Ending, before: &[Received], version: u8) -> Option<bool> {
    let says = |kinds: &[u8], codes: &Codes| match before {
        [packet] if kinds.contains(&packet.kind) => {
            packet.codes.first().map(|code| codes.contain(*code, version))
        }
        _ => None,
    };
    match ending {
        Ending::End => Some(true),
        Ending::Close => before.is_empty().then_some(true),
        Ending::Reject(_) if version < 5 => before.is_empty().then_some(true),
        Ending::Reject(codes) | Ending::Refuse(codes) => {
            let kinds: &[u8] = if matches!(ending, Ending::Reject(_)) { &[2, 14] } else { &[2] };
            let failure = says(kinds, &Codes::Failure) == Some(true);
            match says(kinds, codes) {
                Some(true) if failure || version < 5 => Some(true),
                // MQTT 5 asks for the end and leaves it open whether a reason is given, and how exact.
                _ if version == 5 && (failure || before.is_empty()) => Some(matches!(codes, Codes::Any)),
                _ => None,
            }
        }
    }
}

fn met(expectation: &Expectation, version: u8, (index, ended): (usize, bool), got: &str) -> Met {
    if index == 0 {
        Met::Ours
    } else {
        Met::Other { difference: told_difference(expectation, version, got), ended }
    }
}

fn told(before: &[Vec<u8>], end: &str) -> String {
    let mut parts: Vec<String> = before.iter().map(|frame| describe(frame)).collect();
    if !end.is_empty() {
        parts.push(end.to_owned());
    }
    parts.join(", ")
}

fn told_difference(expectation: &Expectation, version: u8, got: &str) -> Difference {
    let expected = expectation.words(version);
    Difference { line: expectation.text.clone(), expected, got: got.to_owned() }
}

fn difference(expectation: &Expectation, version: u8, got: &str) -> Stop {
    Stop::Difference(told_difference(expectation, version, got))
}
