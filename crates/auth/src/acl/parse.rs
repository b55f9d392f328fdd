//! The grammar of the access control file.
//!
//! Before: bytes. After: [`AclFile`]. Words are separated by spaces only, as with Mosquitto; a tab belongs to the
//! filter, and since that silently makes another rule than was meant it is warned about.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::filter::{Filter, Percent};
use super::rules::{Effect, RuleSet};
use super::{AclFile, Shared};
use crate::error::{Fault, FileKind, LineError, LoadError, REPORTED_LINES_MAX, Warning, shown};

pub(super) fn parse(bytes: &[u8], path: &Path, warnings: Vec<Warning>) -> Result<AclFile, LoadError> {
    let mut parser = Parser {
        path,
        section: 0,
        sections: vec![RuleSet::default()],
        users: HashMap::new(),
        patterns: RuleSet::default(),
        warnings,
    };
    let mut errors = Vec::new();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        if let Err(fault) = parser.add_line(line, number) {
            errors.push(LineError::new(path, number as usize, fault));
            if errors.len() == REPORTED_LINES_MAX {
                break;
            }
        }
    }
    if errors.is_empty() { Ok(parser.finish()) } else { Err(LoadError::Invalid(errors)) }
}

struct Parser<'a> {
    path: &'a Path,
    /// The section that `topic` lines go to.
    section: usize,
    sections: Vec<RuleSet>,
    users: HashMap<Box<str>, usize>,
    patterns: RuleSet,
    warnings: Vec<Warning>,
}

impl Parser<'_> {
    fn add_line(&mut self, line: &[u8], number: u32) -> Result<(), Fault> {
        let line = line.trim_ascii_end();
        if line.first() == Some(&b'#') {
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| Fault::NotText(FileKind::Acl))?;
        if text.contains('\0') {
            return Err(Fault::NotText(FileKind::Acl));
        }
        let text = text.trim_start_matches(' ');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "" => Ok(()),
            "user" => self.open_section(rest.trim_ascii()),
            "topic" => self.add_rule(rest, Percent::Literal, number),
            "pattern" => self.add_rule(rest, Percent::Names, number),
            // Mosquitto knows comments in the first column only; an indented one has no other sensible meaning.
            _ if word.starts_with('#') => Ok(()),
            _ => Err(Fault::AclWord(shown(word))),
        }
    }

    fn open_section(&mut self, user: &str) -> Result<(), Fault> {
        if user.is_empty() {
            return Err(Fault::AclUserMissing);
        }
        self.section = *self.users.entry(user.into()).or_insert_with(|| {
            self.sections.push(RuleSet::default());
            self.sections.len() - 1
        });
        Ok(())
    }

    fn add_rule(&mut self, rest: &str, percent: Percent, line: u32) -> Result<(), Fault> {
        let (effect, text) = effect_and_filter(rest.trim_start_matches(' '))?;
        let filter = Filter::new(text, percent).ok_or_else(|| Fault::AclFilter(shown(text)))?;
        self.warn(text, percent, &filter, line);
        match percent {
            Percent::Literal => self.sections[self.section].add(filter, effect, line),
            Percent::Names => self.patterns.add(filter, effect, line),
        }
        Ok(())
    }

    fn warn(&mut self, text: &str, percent: Percent, filter: &Filter, line: u32) {
        let (path, line) = (self.path.to_owned(), line as usize);
        let mentioned = text.contains("%c") || text.contains("%u");
        let partly =
            text.split('/').any(|level| level.len() > 2 && (level.contains("%c") || level.contains("%u")));
        let replaced = filter.uses_client_id() || filter.uses_user();
        let warning = if text.contains('\t') {
            Warning::TabInFilter { filter: shown(text), path, line }
        } else if percent == Percent::Literal {
            return;
        } else if partly {
            Warning::PatternPartOfLevel { filter: shown(text), path, line }
        } else if !mentioned && !replaced {
            Warning::PatternWithoutName { filter: shown(text), path, line }
        } else {
            return;
        };
        if self.warnings.len() < REPORTED_LINES_MAX {
            self.warnings.push(warning);
        }
    }

    fn finish(self) -> AclFile {
        AclFile {
            shared: Arc::new(Shared {
                path: self.path.to_owned(),
                sections: self.sections,
                users: self.users,
                patterns: self.patterns,
                warnings: self.warnings,
            }),
        }
    }
}

/// Splits `[access] filter`. A lone word is a filter, whatever it is.
fn effect_and_filter(rest: &str) -> Result<(Effect, &str), Fault> {
    if rest.is_empty() {
        return Err(Fault::AclTopicMissing);
    }
    let Some((word, filter)) = rest.split_once(' ') else {
        return Ok((Effect::Grant { read: true, write: true }, rest));
    };
    let effect = match word {
        "read" => Effect::Grant { read: true, write: false },
        "write" => Effect::Grant { read: false, write: true },
        "readwrite" => Effect::Grant { read: true, write: true },
        "deny" => Effect::Deny,
        _ => return Err(Fault::AclAccess(shown(word))),
    };
    Ok((effect, filter.trim_ascii()))
}
