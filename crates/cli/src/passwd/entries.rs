//! The lines of a password file, edited without disturbing what is not meant.
//!
//! Before: the file's bytes. After: [`super::replace`] writes them back. Comments and empty lines stay as they are.
//! A line that is none of comment, empty or `user:…` stops the command, because it is likely not a password file.

use pondhawk_auth::{HashError, PasswordHash, Scheme};

/// A line that is not one of a password file. `Display` is the line for stderr.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Error: Corrupt password file at line {0}.")]
pub(super) struct Corrupt(usize);

/// Why plain text could not be hashed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HashPlainError {
    /// A line has no password, or a broken hash.
    Corrupt(Corrupt),
    /// Hashing failed.
    Hash(HashError),
}

impl From<HashPlainError> for super::Failure {
    fn from(error: HashPlainError) -> super::Failure {
        match error {
            HashPlainError::Corrupt(corrupt) => corrupt.into(),
            HashPlainError::Hash(error) => error.into(),
        }
    }
}

/// What [`Entries::set`] did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Updated,
}

/// The lines, without their line ends.
#[derive(Debug, Default)]
pub(super) struct Entries {
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    /// A comment or an empty line.
    Other(Vec<u8>),
    /// The bytes, and where the colon is.
    Entry { bytes: Vec<u8>, colon: usize },
}

impl Line {
    fn user(&self) -> Option<&[u8]> {
        match self {
            Line::Other(_) => None,
            Line::Entry { bytes, colon } => Some(bytes[..*colon].trim_ascii()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Line::Other(bytes) | Line::Entry { bytes, .. } => bytes,
        }
    }

    fn entry(user: &[u8], hash: &PasswordHash) -> Line {
        let mut bytes = user.to_vec();
        bytes.extend_from_slice(format!(":{hash}").as_bytes());
        Line::Entry { bytes, colon: user.len() }
    }
}

impl Entries {
    pub(super) fn parse(bytes: &[u8]) -> Result<Entries, Corrupt> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut lines = Vec::new();
        // The end of the last line begins no further one.
        for (index, line) in bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&b| b == b'\n').enumerate() {
            let bytes = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
            let other = bytes.first() == Some(&b'#') || bytes.trim_ascii().is_empty();
            lines.push(match bytes.iter().position(|&b| b == b':') {
                _ if other => Line::Other(bytes),
                Some(colon) => Line::Entry { bytes, colon },
                None => return Err(Corrupt(index + 1)),
            });
        }
        if bytes.is_empty() {
            lines.clear();
        }
        Ok(Entries { lines })
    }

    /// Sets a user's hash, at the place of the old one or at the end.
    pub(super) fn set(&mut self, user: &str, hash: &PasswordHash) -> Change {
        let entry = Line::entry(user.as_bytes(), hash);
        let is_user = |line: &Line| line.user() == Some(user.as_bytes());
        match self.lines.iter().position(is_user) {
            Some(place) => {
                self.lines[place] = entry;
                // The broker refuses a file that has a user twice.
                let mut index = 0;
                self.lines.retain(|line| {
                    index += 1;
                    index - 1 <= place || !is_user(line)
                });
                Change::Updated
            }
            None => {
                self.lines.push(entry);
                Change::Added
            }
        }
    }

    /// Removes a user; false when there is none of that name.
    pub(super) fn remove(&mut self, user: &str) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| line.user() != Some(user.as_bytes()));
        self.lines.len() < before
    }

    /// Hashes every password that is not hashed yet; false when there was none.
    pub(super) fn hash_plain(&mut self, scheme: Scheme) -> Result<bool, HashPlainError> {
        let mut changed = false;
        for (index, line) in self.lines.iter_mut().enumerate() {
            let Line::Entry { bytes, colon } = &*line else {
                continue;
            };
            let (user, password) = (bytes[..*colon].trim_ascii(), &bytes[*colon + 1..]);
            let corrupt = || HashPlainError::Corrupt(Corrupt(index + 1));
            if user.is_empty() || password.is_empty() {
                return Err(corrupt());
            }
            if ["$6$", "$7$", "$argon2id$"]
                .iter()
                .any(|kind| password.trim_ascii().starts_with(kind.as_bytes()))
            {
                // Hashing a damaged hash would make its text the password.
                let text = std::str::from_utf8(password.trim_ascii()).map_err(|_| corrupt())?;
                text.parse::<PasswordHash>().map_err(|_| corrupt())?;
                continue;
            }
            let hash = PasswordHash::create(password, scheme).map_err(HashPlainError::Hash)?;
            *line = Line::entry(user, &hash);
            changed = true;
        }
        Ok(changed)
    }

    /// The file's new bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in &self.lines {
            bytes.extend_from_slice(line.bytes());
            bytes.push(b'\n');
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> PasswordHash {
        PasswordHash::create(b"p", Scheme::Sha512).unwrap()
    }

    fn text(entries: &Entries) -> String {
        String::from_utf8(entries.to_bytes()).unwrap()
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        let mut entries = Entries::parse(b"# people\r\n\n ann : x\nbob:y").unwrap();
        let hash = hash();
        assert_eq!(entries.set("ann", &hash), Change::Updated);
        assert_eq!(entries.set("eve", &hash), Change::Added);
        assert_eq!(text(&entries), format!("# people\n\nann:{hash}\nbob:y\neve:{hash}\n"));
        assert!(entries.remove("bob") && !entries.remove("bob"));
        assert_eq!(text(&entries), format!("# people\n\nann:{hash}\neve:{hash}\n"));
    }

    #[test]
    fn a_user_is_left_once() {
        let mut entries = Entries::parse(b"ann:1\nbob:2\nann:3\nann:4\n").unwrap();
        let hash = hash();
        entries.set("ann", &hash);
        assert_eq!(text(&entries), format!("ann:{hash}\nbob:2\n"));
    }

    #[test]
    fn an_empty_file_gets_no_empty_line() {
        let mut entries = Entries::parse(b"").unwrap();
        let hash = hash();
        entries.set("ann", &hash);
        assert_eq!(text(&entries), format!("ann:{hash}\n"));
    }

    #[test]
    fn what_is_no_password_file_is_refused() {
        assert_eq!(Entries::parse(b"a:b\njunk\n").unwrap_err(), Corrupt(2));
        assert_eq!(
            Entries::parse(b"\x7fELF").unwrap_err().to_string(),
            "Error: Corrupt password file at line 1."
        );
    }

    #[test]
    fn plain_text_is_hashed_once() {
        let mut entries = Entries::parse(b"# c\nann: a:b \nbob:p\n").unwrap();
        assert_eq!(entries.hash_plain(Scheme::Sha512), Ok(true));
        let once = text(&entries);
        let password_of = |user: &str| {
            let line = once.lines().find_map(|line| line.strip_prefix(user)).unwrap();
            line.parse::<PasswordHash>().unwrap()
        };
        assert!(password_of("ann:").verify(b" a:b ") && password_of("bob:").verify(b"p"));
        assert_eq!(entries.hash_plain(Scheme::Sha512), Ok(false));
        assert_eq!(text(&entries), once);
    }

    #[test]
    fn plain_text_without_password_or_with_a_broken_hash_is_refused() {
        for bad in ["ann:\n", ":p\n", "ann:$6$broken\n"] {
            let mut entries = Entries::parse(format!("ok:p\n{bad}").as_bytes()).unwrap();
            assert_eq!(entries.hash_plain(Scheme::Sha512), Err(HashPlainError::Corrupt(Corrupt(2))), "{bad}");
        }
    }
}
