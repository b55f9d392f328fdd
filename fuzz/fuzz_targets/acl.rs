//! An access control file, a user, a client id and a topic, parted by NUL bytes.
//!
//! It loads whole or is refused; what it grants is what a naive reader of the same lines grants; the explanation
//! agrees with the answer; and a name is never a wildcard.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pondhawk_auth::{Access, AclFile, Decision};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(4, |byte| *byte == 0);
    let (Some(bytes), user, client_id, topic) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let file = match AclFile::parse(bytes, Path::new("acl")) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.lines().is_empty());
            return assert!(error.lines().iter().all(|bad| (1..=lines).contains(&bad.line)), "{error}");
        }
    };
    let text = |part: Option<&[u8]>| part.and_then(|part| std::str::from_utf8(part).ok().map(str::to_string));
    let (user, Some(client_id), Some(topic)) = (text(user), text(client_id), text(topic)) else {
        return;
    };
    let user = user.as_deref().filter(|user| !user.is_empty());
    // Only comments may be anything.
    let readable = String::from_utf8_lossy(bytes);
    let naive = Naive::read(&readable);
    let rules = file.rules_for(user, &client_id);
    for (access, granted) in
        [(Access::Read, rules.may_read(&topic)), (Access::Write, rules.may_write(&topic))]
    {
        assert_eq!(granted, naive.grants(access, (user, &client_id), &topic), "{access:?} {topic:?}");
        let explanation = rules.explain(access, &topic);
        assert_eq!(explanation.granted, granted);
        match explanation.decision {
            Decision::TopicLine(line) | Decision::PatternLine(line) => {
                assert!((1..=lines).contains(&(line as usize)));
            }
            Decision::DangerousUser | Decision::DangerousClientId | Decision::NoRule => assert!(!granted),
        }
    }
});

/// A line that says something about topics.
struct Line<'a> {
    /// Nothing for a pattern; for a topic the user, or nobody.
    section: Option<Option<&'a str>>,
    word: &'a str,
    filter: &'a str,
}

/// All of them, in a list.
struct Naive<'a>(Vec<Line<'a>>);

impl<'a> Naive<'a> {
    fn read(text: &'a str) -> Naive<'a> {
        let mut lines = Vec::new();
        let mut section = None;
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
            let line = line.trim_ascii_end().trim_start_matches(' ');
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim_start_matches(' ');
            let (access, filter) = match rest.split_once(' ') {
                Some((access, filter)) => (access, filter.trim_ascii()),
                None => ("readwrite", rest),
            };
            match word {
                "user" => section = Some(rest.trim_ascii()),
                "topic" => lines.push(Line { section: Some(section), word: access, filter }),
                "pattern" => lines.push(Line { section: None, word: access, filter }),
                _ => {}
            }
        }
        Naive(lines)
    }

    fn grants(&self, access: Access, (user, id): (Option<&str>, &str), topic: &str) -> bool {
        let says = |line: &&Line<'_>| match access {
            Access::Read => matches!(line.word, "read" | "readwrite"),
            Access::Write => matches!(line.word, "write" | "readwrite"),
        };
        let own: Vec<&Line<'_>> = self
            .0
            .iter()
            .filter(|line| line.section == Some(user) && fits(line.filter, topic, None))
            .collect();
        if own.iter().any(|line| line.word == "deny") {
            return false;
        }
        if own.iter().any(says) {
            return true;
        }
        let patterns: Vec<&Line<'_>> = self.0.iter().filter(|line| line.section.is_none()).collect();
        let used = |name: &str| patterns.iter().any(|line| line.filter.split('/').any(|level| level == name));
        // E03: a name that could become a wildcard or a level gets nothing.
        let bad = |name: &str, used: bool| name.contains(['+', '#']) || used && name.contains('/');
        if bad(user.unwrap_or_default(), used("%u")) || bad(id, used("%c")) {
            return false;
        }
        let names = Some((id, user));
        let hit: Vec<&Line<'_>> =
            patterns.into_iter().filter(|line| fits(line.filter, topic, names)).collect();
        !hit.iter().any(|line| line.word == "deny") && hit.iter().any(says)
    }
}

/// Level by level, with the names put in by comparison of whole levels.
fn fits(filter: &str, topic: &str, names: Option<(&str, Option<&str>)>) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
    for (index, level) in filter.iter().enumerate() {
        let here = topic.get(index);
        let fits = match (*level, names) {
            ("#", _) => return true,
            ("+", _) => here.is_some(),
            ("%c", Some((id, _))) => here == Some(&id) && !id.is_empty(),
            ("%u", Some((_, user))) => user.is_some_and(|user| here == Some(&user) && !user.is_empty()),
            _ => here == Some(level),
        };
        if !fits {
            return false;
        }
    }
    filter.len() == topic.len()
}
