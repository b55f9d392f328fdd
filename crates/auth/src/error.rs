//! What can be wrong with a file, in the words an operator reads in the log.
//!
//! Before: [`crate::source`] and the two parsers raise these. After: `server` and the command line print them.
//! Where Mosquitto has a wording the sentence starts with it, because people search for it; line number and remedy
//! follow. Text taken from the file is escaped and shortened: a log line stays one line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// At most this many bad lines (and as many warnings) are reported for one file.
pub const REPORTED_LINES_MAX: usize = 20;

/// Which file a message is about; its `Display` is the word Mosquitto uses for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The file behind `acl_file`.
    Acl,
    /// The file behind `password_file`.
    Password,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Acl => "acl_file",
            FileKind::Password => "pwfile",
        })
    }
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be opened; Mosquitto leaves with exit code 13 for this.
    #[error("Error: Unable to open {kind} \"{}\". {source}.", .path.display())]
    Open {
        /// Which file.
        kind: FileKind,
        /// Its path as configured.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file was opened but not read to its end.
    #[error("Error: Unable to read {kind} \"{}\". {source}.", .path.display())]
    Read {
        /// Which file.
        kind: FileKind,
        /// Its path as configured.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path names a symbolic link, and links are not to be followed.
    #[error(
        "Error: Unable to open {kind} \"{}\". It is a symbolic link; name the file itself, \
         or set MOSQUITTO_UNSAFE_ALLOW_SYMLINKS=1 to follow links.",
        .path.display()
    )]
    Symlink {
        /// Which file.
        kind: FileKind,
        /// Its path as configured.
        path: PathBuf,
    },
    /// The path names a directory, a device or a pipe.
    #[error("Error: Unable to open {kind} \"{}\". It is not a regular file.", .path.display())]
    NotAFile {
        /// Which file.
        kind: FileKind,
        /// Its path as configured.
        path: PathBuf,
    },
    /// The file is larger than [`crate::source::FILE_BYTES_MAX`].
    #[error("Error: Unable to read {kind} \"{}\". It is larger than {limit} bytes.", .path.display())]
    TooLarge {
        /// Which file.
        kind: FileKind,
        /// Its path as configured.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Lines of the file are wrong; none of the file is used. One message a line.
    #[error("{}", joined(.0))]
    Invalid(Vec<LineError>),
}

impl LoadError {
    /// The bad lines, when that is what is wrong.
    #[must_use]
    pub fn lines(&self) -> &[LineError] {
        match self {
            LoadError::Invalid(lines) => lines,
            _ => &[],
        }
    }
}

fn joined(lines: &[LineError]) -> String {
    let texts: Vec<String> = lines.iter().map(LineError::to_string).collect();
    texts.join("\n")
}

/// One bad line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

impl LineError {
    pub(crate) fn new(path: &Path, line: usize, fault: Fault) -> LineError {
        LineError { path: path.to_owned(), line, fault }
    }
}

impl std::error::Error for LineError {}

/// What is wrong with one line. Texts are already escaped and shortened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The line is not UTF-8, or contains a NUL.
    NotText(FileKind),
    /// `topic` or `pattern` without a filter.
    AclTopicMissing,
    /// The word before a filter is none of read, write, readwrite, deny.
    AclAccess(String),
    /// The filter is not a valid MQTT topic filter.
    AclFilter(String),
    /// `user` without a name.
    AclUserMissing,
    /// The line starts with an unknown word.
    AclWord(String),
    /// Nothing before the colon.
    UserEmpty,
    /// The user name is longer than MQTT can carry (65535 bytes).
    UserTooLong,
    /// The user is in the file already.
    UserDuplicate {
        /// The user name.
        user: String,
        /// Where it was first.
        first_line: usize,
    },
    /// Nothing after the colon.
    HashMissing(String),
    /// What follows the colon is not a usable hash.
    HashInvalid {
        /// The user name.
        user: String,
        /// Why not.
        reason: crate::hash::HashError,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let acl = format!("in acl_file \"{}\" at line {}", self.path.display(), self.line);
        let pw = format!("in password file '{}' at line {}", self.path.display(), self.line);
        match &self.fault {
            Fault::NotText(FileKind::Acl) => {
                write!(f, "Error: Invalid line {acl}: not UTF-8 text. Save the file as UTF-8.")
            }
            Fault::NotText(FileKind::Password) => {
                write!(f, "Error: Invalid line {pw}: not UTF-8 text. Save the file as UTF-8.")
            }
            Fault::AclTopicMissing => {
                write!(f, "Error: Empty topic {acl}. Write `topic [read|write|readwrite|deny] FILTER`.")
            }
            Fault::AclAccess(word) => write!(
                f,
                "Error: Invalid topic access type \"{word}\" {acl}. Use read, write, readwrite or deny; \
                 a filter with a space in it needs one of them in front."
            ),
            Fault::AclFilter(filter) => write!(
                f,
                "Error: Invalid ACL topic \"{filter}\" {acl}. '+' and '#' stand alone in their level and '#' comes last."
            ),
            Fault::AclUserMissing => write!(f, "Error: Missing username {acl}. Write `user NAME`."),
            Fault::AclWord(word) => {
                write!(f, "Error: Invalid line {acl}: {word}. A line starts with user, topic, pattern or #.")
            }
            Fault::UserEmpty => write!(f, "Error: Invalid line {pw}: empty username. Write `username:hash`."),
            Fault::UserTooLong => {
                write!(f, "Error: Invalid line {pw}: username too long (at most 65535 bytes).")
            }
            Fault::UserDuplicate { user, first_line } => {
                write!(
                    f,
                    "Error: Duplicate user '{user}' {pw} (first at line {first_line}). Remove one of the two."
                )
            }
            Fault::HashMissing(user) => {
                write!(
                    f,
                    "Error: Invalid password hash for user {user} {pw}: no hash. Set one with mosquitto_passwd."
                )
            }
            Fault::HashInvalid { user, reason } => write!(
                f,
                "Error: Invalid password hash for user {user} {pw}: {reason}. \
                 Set it again with mosquitto_passwd (-U converts a plain text file)."
            ),
        }
    }
}

/// Something an operator should hear though the file was loaded. `Display` is the log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Others than owner and group may read or write the file.
    Exposed {
        /// The file.
        path: PathBuf,
        /// True when others may even write it.
        writable: bool,
    },
    /// A line of a password file without a colon was skipped.
    NoColon {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A `pattern` line without `%c` or `%u`.
    PatternWithoutName {
        /// The filter.
        filter: String,
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// `%c` or `%u` is only a part of a level and is taken literally.
    PatternPartOfLevel {
        /// The filter.
        filter: String,
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// A filter contains a tab, which does not separate words here.
    TabInFilter {
        /// The filter.
        filter: String,
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Exposed { path, writable } => {
                let (path, what) = (path.display(), if *writable { "writable" } else { "readable" });
                write!(
                    f,
                    "Warning: File {path} has world {what} permissions. To fix this, use `chmod 0600 {path}`."
                )
            }
            Warning::NoColon { path, line } => write!(
                f,
                "Warning: Invalid line in password file '{}' at line {line}: no ':'. The line is ignored.",
                path.display()
            ),
            Warning::PatternWithoutName { filter, path, line } => write!(
                f,
                "Warning: ACL pattern '{filter}' does not contain '%c' or '%u' (acl_file \"{}\", line {line}).",
                path.display()
            ),
            Warning::PatternPartOfLevel { filter, path, line } => write!(
                f,
                "Warning: ACL pattern '{filter}': '%c' and '%u' are replaced only when they are a whole level \
                 (acl_file \"{}\", line {line}).",
                path.display()
            ),
            Warning::TabInFilter { filter, path, line } => write!(
                f,
                "Warning: ACL topic '{filter}' contains a tab; words are separated by spaces (acl_file \"{}\", line {line}).",
                path.display()
            ),
        }
    }
}

/// Text from a file, fit for one log line: control characters escaped, at most 100 characters.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    let mut out: String = text.chars().take(CHARS_MAX).flat_map(escaped).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    // `escape_default` is only for control characters: a user called "é" or one with quotes stays readable.
    let (raw, escape) = if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
    raw.into_iter().chain(escape.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_stays_on_one_line() {
        assert_eq!(shown("a\r\n\x1b[2J\tü\"'"), "a\\r\\n\\u{1b}[2J\\tü\"'");
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 101);
    }

    #[test]
    fn a_line_error_names_file_line_and_remedy() {
        let error = LineError::new(Path::new("/etc/acl"), 7, Fault::AclFilter("a#".into()));
        let text = error.to_string();
        assert!(
            text.starts_with("Error: Invalid ACL topic \"a#\" in acl_file \"/etc/acl\" at line 7."),
            "{text}"
        );
        let both = LoadError::Invalid(vec![error.clone(), error]);
        assert_eq!(both.to_string().lines().count(), 2);
        assert_eq!(both.lines().len(), 2);
    }

    #[test]
    fn an_unopenable_file_has_mosquittos_wording() {
        let source = io::Error::from_raw_os_error(2);
        let error = LoadError::Open { kind: FileKind::Acl, path: "X".into(), source };
        assert!(error.to_string().starts_with("Error: Unable to open acl_file \"X\"."), "{error}");
    }
}
