//! The access control file: which client may read or write which topics.
//!
//! Before: [`crate::source::read`]. After: `server` asks [`AclFile::rules_for`] once per accepted client and the
//! broker asks the [`ClientRules`] for every publish and delivery.
//!
//! ```text
//! line    := '#' anything | "user" NAME | ("topic" | "pattern") [ACCESS] FILTER | nothing
//! ACCESS  := "read" | "write" | "readwrite" | "deny"     without it: readwrite; needed when FILTER has a space
//! ```
//!
//! `topic` lines before the first `user` line are for clients without user name; after it they belong to that user,
//! whose section may be opened again later. `pattern` lines are for everybody, and there a level that is `%c` or
//! `%u` stands for the client's id or user name. What is asked, in this order: a deny of the client's section; a
//! grant of the section; the names are fit for patterns; a deny pattern; a grant pattern; else denied.
//!
//! The file says nothing about SUBSCRIBE, as with Mosquitto: every subscription is granted and what its holder may
//! not read is left out at delivery.

mod filter;
mod parse;
mod rules;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{FileKind, LoadError, Warning};
use crate::source::{self, Symlinks};

use rules::RuleSet;
pub use rules::{Access, ClientRules, Decision, Explanation};

/// The rules of one file. Cheap to clone; immutable: a reload makes a new one, and every client gets new
/// [`ClientRules`] from it.
#[derive(Debug, Clone)]
pub struct AclFile {
    shared: Arc<Shared>,
}

/// What all clients' rules share.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Index 0 is the section of clients without user name.
    sections: Vec<RuleSet>,
    /// User name to index in `sections`.
    users: HashMap<Box<str>, usize>,
    patterns: RuleSet,
    warnings: Vec<Warning>,
}

impl AclFile {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// [`LoadError`]: it cannot be read, or a line is bad.
    pub fn load(path: &Path, symlinks: Symlinks) -> Result<AclFile, LoadError> {
        let (bytes, warnings) = source::read(FileKind::Acl, path, symlinks)?;
        parse::parse(&bytes, path, warnings)
    }

    /// Parses a file's bytes; the path is for messages only. An empty file denies everything to everybody.
    ///
    /// # Errors
    /// [`LoadError::Invalid`] with the first [`crate::error::REPORTED_LINES_MAX`] bad lines.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<AclFile, LoadError> {
        parse::parse(bytes, path, Vec::new())
    }

    /// The rules for one client. Take them anew when the client's name or the file changes.
    #[must_use]
    pub fn rules_for(&self, user: Option<&str>, client_id: &str) -> ClientRules {
        ClientRules::new(Arc::clone(&self.shared), user, client_id)
    }

    /// What the operator should hear.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.shared.warnings
    }
}

#[cfg(test)]
mod reference_tests;
