//! The password file: `user:hash` a line.
//!
//! Before: [`crate::source::read`]. After: [`crate::AuthPool`] jobs ask [`PasswordFile::verify`].
//!
//! `#` in the first column makes a comment; lines without a colon are skipped with a warning; blanks around name and
//! hash are dropped. Everything else that is not an entry refuses the file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::black_box;
use std::path::Path;

use crate::error::{Fault, FileKind, LineError, LoadError, REPORTED_LINES_MAX, Warning, shown};
use crate::hash::PasswordHash;
use crate::source::{self, Symlinks};

/// Longest user name that MQTT can carry, in bytes.
const USER_BYTES_MAX: usize = 65535;

/// The users of one file and their hashes. Immutable: a reload makes a new one.
#[derive(Debug)]
pub struct PasswordFile {
    users: HashMap<Box<str>, User>,
    /// Checked for unknown users, so that they cost what known ones do. `None` in an empty file.
    decoy: Option<PasswordHash>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct User {
    hash: PasswordHash,
    line: usize,
}

impl PasswordFile {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// [`LoadError`]: it cannot be read, or a line is bad.
    pub fn load(path: &Path, symlinks: Symlinks) -> Result<PasswordFile, LoadError> {
        let (bytes, mut warnings) = source::read(FileKind::Password, path, symlinks)?;
        let mut file = PasswordFile::parse(&bytes, path)?;
        warnings.append(&mut file.warnings);
        file.warnings = warnings;
        Ok(file)
    }

    /// Parses a file's bytes; the path is for messages only.
    ///
    /// # Errors
    /// [`LoadError::Invalid`] with the first [`REPORTED_LINES_MAX`] bad lines.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<PasswordFile, LoadError> {
        let mut file = PasswordFile { users: HashMap::new(), decoy: None, warnings: Vec::new() };
        let mut errors = Vec::new();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (index, line) in bytes.split(|&b| b == b'\n').enumerate() {
            if let Err(fault) = file.add_line(line, index + 1, path) {
                errors.push(LineError::new(path, index + 1, fault));
                if errors.len() == REPORTED_LINES_MAX {
                    break;
                }
            }
        }
        if !errors.is_empty() {
            return Err(LoadError::Invalid(errors));
        }
        let costliest = file.users.values().max_by_key(|user| user.hash.cost());
        file.decoy = costliest.map(|user| user.hash.decoy());
        Ok(file)
    }

    fn add_line(&mut self, line: &[u8], number: usize, path: &Path) -> Result<(), Fault> {
        if line.first() == Some(&b'#') || line.trim_ascii().is_empty() {
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| Fault::NotText(FileKind::Password))?;
        if text.contains('\0') {
            return Err(Fault::NotText(FileKind::Password));
        }
        let Some((user, hash)) = text.split_once(':') else {
            if self.warnings.len() < REPORTED_LINES_MAX {
                self.warnings.push(Warning::NoColon { path: path.to_owned(), line: number });
            }
            return Ok(());
        };
        let (user, hash) = (user.trim_ascii(), hash.trim_ascii());
        if user.is_empty() {
            return Err(Fault::UserEmpty);
        }
        if user.len() > USER_BYTES_MAX {
            return Err(Fault::UserTooLong);
        }
        if hash.is_empty() {
            return Err(Fault::HashMissing(shown(user)));
        }
        let hash = hash.parse().map_err(|reason| Fault::HashInvalid { user: shown(user), reason })?;
        match self.users.entry(user.into()) {
            Entry::Occupied(first) => {
                Err(Fault::UserDuplicate { user: shown(user), first_line: first.get().line })
            }
            Entry::Vacant(free) => {
                free.insert(User { hash, line: number });
                Ok(())
            }
        }
    }

    /// Whether the user exists and has this password. Slow by design (up to a second for the dearest hash that is
    /// accepted): call it on [`crate::AuthPool`], never on a data-plane thread.
    ///
    /// An unknown user costs as much as the dearest hash in the file, so time does not tell who exists, as long as
    /// all entries are of one kind and cost.
    #[must_use]
    pub fn verify(&self, user: &str, password: &[u8]) -> bool {
        let known = self.users.get(user);
        let Some(hash) = known.map(|user| &user.hash).or(self.decoy.as_ref()) else {
            return false;
        };
        // The decoy's answer is computed and then not counted; `black_box` keeps it from being left out.
        black_box(hash.verify(password)) & black_box(known.is_some())
    }

    /// Whether the user is in the file.
    #[must_use]
    pub fn contains(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// How many users the file has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether the file has no user: nobody can log in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// What the operator should hear, at most [`REPORTED_LINES_MAX`] lines and one about permissions.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::hash::{HashError, Scheme};

    fn entry(user: &str, password: &str) -> String {
        let hash = PasswordHash::create(password.as_bytes(), Scheme::Pbkdf2 { iterations: 2 }).unwrap();
        format!("{user}:{hash}\n")
    }

    fn parse(text: &str) -> Result<PasswordFile, LoadError> {
        PasswordFile::parse(text.as_bytes(), Path::new("pw"))
    }

    fn faults(text: &str) -> Vec<(usize, Fault)> {
        parse(text).unwrap_err().lines().iter().map(|error| (error.line, error.fault.clone())).collect()
    }

    #[test]
    fn users_log_in_with_their_own_password_only() {
        let file = parse(&format!("# users\n\n{}{}", entry("ann", "a"), entry("bob", ""))).unwrap();
        assert_eq!(file.len(), 2);
        assert!(file.verify("ann", b"a") && file.verify("bob", b""));
        assert!(!file.verify("ann", b"") && !file.verify("bob", b"a"));
        assert!(!file.verify("Ann", b"a") && !file.verify("", b"") && !file.verify("zoe", b"a"));
    }

    #[test]
    fn blanks_carriage_returns_and_a_missing_last_newline_do_not_matter() {
        let text = entry("ann", "a");
        let (user, hash) = text.trim_end().split_once(':').unwrap();
        let file = parse(&format!("\u{feff}  {user} \t: {hash} \r\n\r\n \t\r\n#")).unwrap();
        assert!(file.verify("ann", b"a") && file.warnings().is_empty());
        assert!(parse(text.trim_end()).unwrap().verify("ann", b"a"));
    }

    #[test]
    fn a_line_without_colon_is_skipped_with_a_warning() {
        let file = parse(&format!("ann\n{}", entry("bob", "b"))).unwrap();
        assert!(!file.contains("ann") && file.contains("bob"));
        assert_eq!(file.warnings(), [Warning::NoColon { path: "pw".into(), line: 1 }]);
    }

    #[test]
    fn every_bad_line_is_named() {
        let good = entry("ann", "a");
        let text =
            format!("{good}:$6$x$y\nbob:\n{good}eve:plain\nida:$7$4000000000$AAAA$AAAA\n \t :x\na\0b:c\n");
        let found = faults(&text);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(found[0].1, Fault::UserEmpty);
        assert_eq!(found[1].1, Fault::HashMissing("bob".into()));
        assert_eq!(found[2].1, Fault::UserDuplicate { user: "ann".into(), first_line: 1 });
        assert_eq!(found[3].1, Fault::HashInvalid { user: "eve".into(), reason: HashError::UnknownType });
        assert!(matches!(&found[4].1, Fault::HashInvalid { reason: HashError::TooCostly { .. }, .. }));
        assert_eq!(found[5].1, Fault::UserEmpty);
        assert_eq!(found[6].1, Fault::NotText(FileKind::Password));
    }

    #[test]
    fn reported_lines_are_bounded() {
        assert_eq!(faults(&"x:y\n".repeat(5000)).len(), REPORTED_LINES_MAX);
        assert_eq!(parse(&"x\n".repeat(5000)).unwrap().warnings().len(), REPORTED_LINES_MAX);
    }

    #[test]
    fn user_names_end_where_mqtt_ends_them() {
        let fits = "u".repeat(65535);
        assert!(parse(&entry(&fits, "p")).unwrap().verify(&fits, b"p"));
        assert_eq!(faults(&entry(&"u".repeat(65536), "p")), [(1, Fault::UserTooLong)]);
    }

    #[test]
    fn an_empty_file_lets_nobody_in() {
        let file = parse("# nobody\n").unwrap();
        assert!(file.is_empty() && !file.verify("", b"") && !file.verify("a", b"a"));
    }

    #[test]
    fn an_unknown_user_costs_as_much_as_the_dearest_entry() {
        let dear = PasswordHash::create(b"p", Scheme::Pbkdf2 { iterations: 20_000 }).unwrap();
        let file = parse(&format!("dear:{dear}\n{}", entry("cheap", "p"))).unwrap();
        assert_eq!(file.decoy.as_ref().unwrap().cost(), dear.cost());
        let time = |user: &str| {
            let took = || {
                let start = Instant::now();
                assert!(!file.verify(user, b"wrong"));
                start.elapsed()
            };
            (0..3).map(|_| took()).min().unwrap()
        };
        // A factor of five leaves room for a busy machine; without the decoy it would be thousands.
        assert!(time("nobody") * 5 > time("dear"));
    }

    #[test]
    fn it_is_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<PasswordFile>();
    }

    #[test]
    fn a_file_is_loaded_with_its_warnings() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, format!("{}junk\n", entry("ann", "a"))).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o604);
        std::fs::set_permissions(&path, mode).unwrap();
        let file = PasswordFile::load(&path, Symlinks::Refuse).unwrap();
        assert!(file.verify("ann", b"a"));
        assert_eq!(file.warnings().len(), 2);
        let gone = PasswordFile::load(&dir.path().join("gone"), Symlinks::Refuse).unwrap_err();
        assert!(gone.to_string().starts_with("Error: Unable to open pwfile \""), "{gone}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = PasswordFile::parse(&bytes, Path::new("pw"));
        }

        #[test]
        fn no_lines_panic(text in "([#ab: \t\r]{0,4}(\\$[679]\\$|\\$argon2id\\$)?[a-z0-9$=,/:]{0,12}\n){0,6}") {
            if let Ok(file) = PasswordFile::parse(text.as_bytes(), Path::new("pw")) {
                prop_assert!(!file.verify("", b""));
            }
        }
    }
}
