//! Evaluation: the rules of a section, and the view that one client has of them.
//!
//! Before: the parser fills [`RuleSet`]s. After: the broker holds one [`ClientRules`] a client. Topics without
//! wildcard are looked up by hash, the rest is scanned; nothing is allocated.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::Shared;
use super::filter::{Filter, Names};
use pondhawk_plants::planted;

/// What a client wants to do with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Have a message delivered.
    Read,
    /// Publish a message.
    Write,
}

/// What a line of the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Deny,
    Grant { read: bool, write: bool },
}

impl Effect {
    fn grants(self, access: Access) -> bool {
        match (self, access) {
            (Effect::Deny, _) => false,
            (Effect::Grant { read, .. }, Access::Read) => read,
            (Effect::Grant { write, .. }, Access::Write) => write,
        }
    }
}

/// The rules of one section, or all patterns.
#[derive(Debug, Default)]
pub(super) struct RuleSet {
    /// The keys are the operator's, so a fixed seed is safe: clients only look up.
    exact: HashMap<Box<str>, ExactLines, FixedState>,
    denies: Vec<Rule>,
    grants: Vec<Rule>,
    uses_client_id: bool,
    uses_user: bool,
}

/// The first line that says each thing about one topic; 0 is none.
#[derive(Debug, Default, Clone, Copy)]
struct ExactLines {
    deny: u32,
    read: u32,
    write: u32,
}

#[derive(Debug)]
struct Rule {
    filter: Filter,
    effect: Effect,
    line: u32,
}

/// A rule that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    granted: bool,
    line: u32,
}

impl RuleSet {
    pub(super) fn add(&mut self, filter: Filter, effect: Effect, line: u32) {
        self.uses_client_id |= filter.uses_client_id();
        self.uses_user |= filter.uses_user();
        if let Some(topic) = filter.exact() {
            let lines = self.exact.entry(topic.into()).or_default();
            let first = |slot: &mut u32, says: bool| {
                if says && *slot == 0 {
                    *slot = line;
                }
            };
            first(&mut lines.deny, effect == Effect::Deny);
            first(&mut lines.read, effect.grants(Access::Read));
            first(&mut lines.write, effect.grants(Access::Write));
            return;
        }
        let list = if effect == Effect::Deny { &mut self.denies } else { &mut self.grants };
        list.push(Rule { filter, effect, line });
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.denies.is_empty() && self.grants.is_empty()
    }

    fn decide(&self, access: Access, topic: &str, names: Names<'_>) -> Option<Verdict> {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(topic) };
        let exact = exact.copied().unwrap_or_default();
        if exact.deny != 0 {
            return Some(Verdict { granted: false, line: exact.deny });
        }
        let denies = if planted!(DenyAfterGrant) { &[] } else { &self.denies[..] };
        if let Some(rule) = denies.iter().find(|rule| rule.filter.matches(topic, names)) {
            return Some(Verdict { granted: false, line: rule.line });
        }
        let line = match access {
            Access::Read => exact.read,
            Access::Write => exact.write,
        };
        if line != 0 {
            return Some(Verdict { granted: true, line });
        }
        let grants = |rule: &&Rule| rule.effect.grants(access) && rule.filter.matches(topic, names);
        self.grants.iter().find(grants).map(|rule| Verdict { granted: true, line: rule.line })
    }
}

/// Whether a client's names allow the patterns to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternUse {
    /// There are none.
    None,
    Usable,
    DangerousUser,
    DangerousClientId,
}

/// The rules as they are for one client: a reference to the shared file and, only when a pattern needs them, the
/// client's names. Cheap to make, to keep (48 bytes and the names) and to clone.
#[derive(Clone)]
pub struct ClientRules {
    shared: Arc<Shared>,
    section: Option<u32>,
    patterns: PatternUse,
    client_id: Box<str>,
    user: Box<str>,
}

impl ClientRules {
    pub(super) fn new(shared: Arc<Shared>, user: Option<&str>, client_id: &str) -> ClientRules {
        let section = match user {
            Some(user) => shared.users.get(user).copied(),
            None => Some(0),
        };
        let patterns = pattern_use(&shared.patterns, user.unwrap_or_default(), client_id);
        let keep = |used: bool, name: &str| {
            if used && patterns == PatternUse::Usable { name.into() } else { Box::default() }
        };
        ClientRules {
            section: section
                .map(|index| u32::try_from(index).expect("a file has fewer lines than u32 can count")),
            patterns,
            client_id: keep(shared.patterns.uses_client_id, client_id),
            user: keep(shared.patterns.uses_user, user.unwrap_or_default()),
            shared,
        }
    }

    /// Whether a message with this topic may be delivered to the client. Allocates nothing.
    #[must_use]
    pub fn may_read(&self, topic: &str) -> bool {
        self.decide(Access::Read, topic).0
    }

    /// Whether the client may publish to this topic. Allocates nothing.
    #[must_use]
    pub fn may_write(&self, topic: &str) -> bool {
        self.decide(Access::Write, topic).0
    }

    /// The answer of [`Self::may_read`] or [`Self::may_write`], and the line of the file that gives it.
    #[must_use]
    pub fn explain(&self, access: Access, topic: &str) -> Explanation {
        let (granted, decision) = self.decide(access, topic);
        Explanation { granted, decision }
    }

    fn decide(&self, access: Access, topic: &str) -> (bool, Decision) {
        if let Some(section) = self.section {
            let rules = &self.shared.sections[section as usize];
            if let Some(Verdict { granted, line }) = rules.decide(access, topic, Names::default()) {
                return (granted, Decision::TopicLine(line));
            }
        }
        match self.patterns {
            PatternUse::None => (false, Decision::NoRule),
            PatternUse::DangerousUser => (false, Decision::DangerousUser),
            PatternUse::DangerousClientId => (false, Decision::DangerousClientId),
            PatternUse::Usable => {
                let names = Names { client_id: &self.client_id, user: &self.user };
                match self.shared.patterns.decide(access, topic, names) {
                    Some(Verdict { granted, line }) => (granted, Decision::PatternLine(line)),
                    None => (false, Decision::NoRule),
                }
            }
        }
    }
}

impl fmt::Debug for ClientRules {
    /// Without the whole shared file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRules")
            .field("file", &self.shared.path)
            .field("section", &self.section)
            .field("patterns", &self.patterns)
            .finish_non_exhaustive()
    }
}

/// Mosquitto's rule since CVE-2017-7650: names with a wildcard character are refused as soon as there are patterns.
/// A slash is refused too where the name would be inserted: it would reach into other levels.
fn pattern_use(patterns: &RuleSet, user: &str, client_id: &str) -> PatternUse {
    let dangerous = |name: &str, used: bool| {
        !planted!(PatternNameUnchecked) && (name.contains(['+', '#']) || (used && name.contains('/')))
    };
    if patterns.is_empty() {
        PatternUse::None
    } else if dangerous(user, patterns.uses_user) {
        PatternUse::DangerousUser
    } else if dangerous(client_id, patterns.uses_client_id) {
        PatternUse::DangerousClientId
    } else {
        PatternUse::Usable
    }
}

/// Why a topic is granted or denied. `Display` gives a sentence's end: "granted by …", "denied by …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The answer.
    pub granted: bool,
    /// What gave it.
    pub decision: Decision,
}

/// What decided. Lines count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// This `topic` line of the client's section.
    TopicLine(u32),
    /// This `pattern` line.
    PatternLine(u32),
    /// The section did not match, and the user name is unfit for patterns (`+`, `#`, or `/` where it is used).
    DangerousUser,
    /// The section did not match, and the client id is unfit for patterns.
    DangerousClientId,
    /// No line matches: denied.
    NoRule,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.granted { "granted" } else { "denied" };
        match self.decision {
            Decision::TopicLine(line) => write!(f, "{answer} by the topic rule at line {line}"),
            Decision::PatternLine(line) => write!(f, "{answer} by the pattern at line {line}"),
            Decision::DangerousUser => {
                write!(f, "{answer}: the username contains '+', '#' or '/', unfit for patterns")
            }
            Decision::DangerousClientId => {
                write!(f, "{answer}: the client id contains '+', '#' or '/', unfit for patterns")
            }
            Decision::NoRule => write!(f, "{answer}: no rule matches"),
        }
    }
}
