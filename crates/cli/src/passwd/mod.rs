//! `mosquitto_passwd`: adds, changes and removes the users of a password file.
//!
//! Before: the dispatcher gives the arguments without the program's name. After: nothing; the file on disk is the
//! result. Flags, prompts, texts and exit codes are Mosquitto's; new hashes are argon2id unless told otherwise. The
//! file is replaced as a whole, so a reader or a crash never meets half of it.
//!
//! Two things are stricter than the original: an empty user name or an empty password given with `-b` is refused,
//! and `-U` leaves entries alone that are hashed already.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arguments;
mod entries;
mod prompt;
mod replace;

pub(crate) use arguments::USAGE;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pondhawk_auth::{FileKind, HashError, LoadError, PasswordHash, Scheme, Symlinks, source};

use arguments::{Command, Target};
use entries::{Change, Corrupt, Entries};
use prompt::{PasswordInput, PromptError, Stdin};
use replace::ReplaceError;

/// Runs the command with the process' standard streams; `args` is without the program's name. Returns the exit code.
pub fn run(args: Vec<OsString>) -> i32 {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let symlinks = Symlinks::from_env();
    Session { out: &mut out, err: &mut err, input: &mut Stdin::default(), symlinks }.run(args)
}

/// Where a run reads and writes. Tests bring their own.
struct Session<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    input: &'a mut dyn PasswordInput,
    symlinks: Symlinks,
}

/// Why the command did not do its work; `Display` is the line for stderr.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error("Error: Unable to open password file {}. {reason}", .path.display())]
    Open { path: PathBuf, reason: String },
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    #[error("Error: Unable to hash password. The hash is unusable: {0}.")]
    Hash(#[from] HashError),
    #[error("Warning: User {0} not found in password file.")]
    UnknownUser(String),
    #[error("Error: Unable to write. {0}.")]
    Output(#[from] io::Error),
}

impl Failure {
    fn exit_code(&self) -> i32 {
        match self {
            Failure::Prompt(PromptError::Mismatch) => 2,
            _ => 1,
        }
    }
}

impl Session<'_> {
    fn run(&mut self, args: Vec<OsString>) -> i32 {
        let command = match arguments::parse(args) {
            Ok(command) => command,
            Err(error) => {
                self.complain(&error);
                if error.wants_usage() {
                    self.complain(&arguments::USAGE);
                }
                return 1;
            }
        };
        match self.execute(command) {
            Ok(code) => code,
            Err(failure) => {
                self.complain(&failure);
                failure.exit_code()
            }
        }
    }

    fn execute(&mut self, command: Command) -> Result<i32, Failure> {
        match command {
            Command::Usage => {
                // The original prints its help on stdout and leaves with 1; scripts look for both.
                writeln!(self.out, "{}", arguments::USAGE)?;
                return Ok(1);
            }
            Command::Create { target, user, password, scheme } => {
                self.create(&target, &user, password, scheme)?;
            }
            Command::Set { file, user, password, scheme } => self.set(&file, &user, password, scheme)?,
            Command::Delete { file, user } => {
                let mut entries = self.read(&file)?;
                if !entries.remove(&user) {
                    return Err(Failure::UnknownUser(user));
                }
                self.write(&file, &entries)?;
            }
            Command::HashPlain { file, scheme } => {
                let mut entries = self.read(&file)?;
                if entries.hash_plain(scheme)? {
                    self.write(&file, &entries)?;
                }
            }
        }
        Ok(0)
    }

    fn create(
        &mut self,
        target: &Target,
        user: &str,
        password: Option<Vec<u8>>,
        scheme: Scheme,
    ) -> Result<(), Failure> {
        let password = match (password, target) {
            (Some(password), _) => password,
            // With the entry on stdout the prompts must not be mixed into it.
            (None, Target::Stdout) => prompt::ask(self.input, self.err)?,
            (None, Target::File(_)) => prompt::ask(self.input, self.out)?,
        };
        let hash = PasswordHash::create(&password, scheme)?;
        let mut entries = Entries::default();
        entries.set(user, &hash);
        match target {
            Target::Stdout => self.out.write_all(&entries.to_bytes())?,
            Target::File(file) => {
                self.write(file, &entries)?;
                writeln!(self.out, "Adding password for user {user}")?;
            }
        }
        Ok(())
    }

    fn set(
        &mut self,
        file: &Path,
        user: &str,
        password: Option<Vec<u8>>,
        scheme: Scheme,
    ) -> Result<(), Failure> {
        // Read first: nobody should type a password twice to hear that the file does not exist.
        let mut entries = self.read(file)?;
        let password = match password {
            Some(password) => password,
            None => prompt::ask(self.input, self.out)?,
        };
        let change = entries.set(user, &PasswordHash::create(&password, scheme)?);
        self.write(file, &entries)?;
        let verb = match change {
            Change::Added => "Adding",
            Change::Updated => "Updating",
        };
        writeln!(self.out, "{verb} password for user {user}")?;
        Ok(())
    }

    fn read(&mut self, file: &Path) -> Result<Entries, Failure> {
        let (bytes, warnings) = source::read(FileKind::Password, file, self.symlinks)
            .map_err(|error| open_failure(file, error))?;
        for warning in warnings {
            self.complain(&warning);
        }
        Ok(Entries::parse(&bytes)?)
    }

    fn write(&mut self, file: &Path, entries: &Entries) -> Result<(), Failure> {
        Ok(replace::replace(file, &entries.to_bytes(), self.symlinks)?)
    }

    fn complain(&mut self, message: &dyn std::fmt::Display) {
        // There is nobody left to tell when stderr is gone; the exit code still says it.
        let _ = writeln!(self.err, "{message}");
    }
}

fn open_failure(file: &Path, error: LoadError) -> Failure {
    let reason = match &error {
        LoadError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            format!("{}.\nhint: -c creates it.", replace::reason(source))
        }
        LoadError::Symlink { .. } => replace::SYMLINK.to_owned(),
        LoadError::Open { source, .. } | LoadError::Read { source, .. } => {
            format!("{}.", replace::reason(source))
        }
        LoadError::NotAFile { .. } => "It is not a regular file.".to_owned(),
        LoadError::TooLarge { limit, .. } => format!("It is larger than {limit} bytes."),
        LoadError::Invalid(_) => error.to_string(),
    };
    Failure::Open { path: file.to_owned(), reason }
}

#[cfg(test)]
mod tests;
