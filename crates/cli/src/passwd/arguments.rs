//! The command line of `mosquitto_passwd`.
//!
//! Before: the process' arguments. After: one [`Command`]. Options come first and are single, as in the original;
//! the first word that is no option starts the operands.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use pondhawk_auth::Scheme;
use pondhawk_auth::hash::ITERATIONS_MAX;

/// Longest user name and password that MQTT can carry, in bytes.
const BYTES_MAX: usize = 65535;

/// What `--help` and a wrong number of operands print.
pub(crate) const USAGE: &str = "\
mosquitto_passwd is a tool for managing password files for mosquitto and pondhawk.

Usage: mosquitto_passwd [-H HASH] [-I ITERATIONS] [-c | -D] passwordfile username
       mosquitto_passwd [-H HASH] [-I ITERATIONS] [-c] -b passwordfile username password
       mosquitto_passwd [-H HASH] [-I ITERATIONS] -U passwordfile
 -b : batch mode: take the password from the command line (others may see it in the process list).
 -c : create a new password file, overwriting an existing one. With '-' as the file,
      print the entry instead.
 -D : delete the user instead of adding or changing one.
 -H : the hash for the password:
        argon2id       the default, and the hardest to guess against
        sha512-pbkdf2  for files that Mosquitto 2.1 reads too
        sha512         for files that every Mosquitto reads; cheap to guess against
 -I : iterations of sha512-pbkdf2, which it selects unless -H says otherwise (default 1000).
 -U : hash the passwords of a plain text file; entries that are hashed already stay.

A new file is readable by its owner only (mode 0600).";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `--help`
    Usage,
    /// `-c`; without a password it is asked for.
    Create { target: Target, user: String, password: Option<Vec<u8>>, scheme: Scheme },
    /// Add or change a user of an existing file.
    Set { file: PathBuf, user: String, password: Option<Vec<u8>>, scheme: Scheme },
    /// `-D`
    Delete { file: PathBuf, user: String },
    /// `-U`
    HashPlain { file: PathBuf, scheme: Scheme },
}

/// Where `-c` writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    File(PathBuf),
    /// `-`
    Stdout,
}

/// What is wrong with the arguments; the exit code is always 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgumentError {
    #[error("Error: Wrong number of arguments.\n")]
    Operands,
    #[error("Error: Unknown option '{0}'.\n")]
    UnknownOption(String),
    #[error("Error: {0} argument given but not enough other arguments.")]
    ValueMissing(&'static str),
    #[error("Error: Unknown hash type '{0}'\nhint: use argon2id, sha512-pbkdf2 or sha512.")]
    UnknownHash(String),
    #[error("Error: Number of iterations must be > 0.")]
    IterationsTooFew,
    #[error("Error: Number of iterations must be at most {ITERATIONS_MAX}.")]
    IterationsTooMany,
    #[error("Error: -I can only be used with -H sha512-pbkdf2.")]
    IterationsWithout,
    #[error("Error: {0} and {1} cannot be used together.")]
    Together(&'static str, &'static str),
    #[error("Error: {0} argument given but {1} missing.")]
    OperandMissing(&'static str, &'static str),
    #[error("Error: Username must not be empty.")]
    UserEmpty,
    #[error("Error: Username must not contain the ':' character.")]
    UserColon,
    #[error("Error: Username must not contain control characters.")]
    UserControl,
    #[error("Error: Username must not start with '#' or a space, nor end with a space.")]
    UserUnreadable,
    #[error("Error: Username must be valid UTF-8.")]
    UserNotText,
    #[error("Error: Username must be less than 65536 characters long.")]
    UserTooLong,
    #[error("Error: Empty password.")]
    PasswordEmpty,
    #[error("Error: Password must be less than 65536 characters long.")]
    PasswordTooLong,
}

impl ArgumentError {
    /// Whether the usage text helps.
    pub(super) fn wants_usage(&self) -> bool {
        matches!(self, ArgumentError::Operands | ArgumentError::UnknownOption(_))
    }
}

#[derive(Default)]
struct Options {
    batch: bool,
    create: bool,
    delete: bool,
    hash_plain: bool,
    scheme: Option<Scheme>,
    iterations: Option<u32>,
}

/// Parses the arguments without the program's name.
pub(super) fn parse(args: Vec<OsString>) -> Result<Command, ArgumentError> {
    let mut options = Options::default();
    let mut args = args.into_iter().peekable();
    if args.peek().is_none() {
        return Ok(Command::Usage);
    }
    while let Some(arg) = args.next_if(|arg| arg.len() > 1 && arg.as_encoded_bytes().starts_with(b"-")) {
        match arg.to_str().unwrap_or_default() {
            "-b" => options.batch = true,
            "-c" => options.create = true,
            "-D" => options.delete = true,
            "-U" => options.hash_plain = true,
            "-H" => options.scheme = Some(scheme(args.next())?),
            "-I" => options.iterations = Some(iterations(args.next())?),
            "--help" => return Ok(Command::Usage),
            _ => {
                return Err(ArgumentError::UnknownOption(arg.to_string_lossy().escape_debug().to_string()));
            }
        }
    }
    options.check()?;
    let scheme = options.resolved_scheme()?;
    options.command(args.collect(), scheme)
}

impl Options {
    fn check(&self) -> Result<(), ArgumentError> {
        let clashes = [
            (self.create && self.delete, "-c", "-D"),
            (self.create && self.hash_plain, "-c", "-U"),
            (self.delete && self.hash_plain, "-D", "-U"),
            (self.delete && self.batch, "-b", "-D"),
        ];
        match clashes.into_iter().find(|(clash, ..)| *clash) {
            Some((_, one, other)) => Err(ArgumentError::Together(one, other)),
            None => Ok(()),
        }
    }

    fn resolved_scheme(&self) -> Result<Scheme, ArgumentError> {
        match (self.scheme, self.iterations) {
            (None | Some(Scheme::Pbkdf2 { .. }), Some(iterations)) => Ok(Scheme::Pbkdf2 { iterations }),
            (Some(_), Some(_)) => Err(ArgumentError::IterationsWithout),
            (scheme, None) => Ok(scheme.unwrap_or_default()),
        }
    }

    fn command(&self, operands: Vec<OsString>, scheme: Scheme) -> Result<Command, ArgumentError> {
        let count = operands.len();
        let mut operands = operands.into_iter();
        let mut next = || operands.next().unwrap_or_default();
        if self.hash_plain {
            return match count {
                1 => Ok(Command::HashPlain { file: next().into(), scheme }),
                _ => Err(ArgumentError::OperandMissing("-U", "password file")),
            };
        }
        if self.delete {
            return match count {
                0 | 1 => Err(ArgumentError::OperandMissing("-D", "password file or username")),
                _ => Ok(Command::Delete { file: next().into(), user: checked_user(next())? }),
            };
        }
        // With -c further operands are ignored, as they always were: `-c FILE USER PASSWORD` asks.
        match (self.create, self.batch, count) {
            (true, true, 0..3) => {
                return Err(ArgumentError::OperandMissing("-c", "password file, username, or password"));
            }
            (true, false, 0..2) => {
                return Err(ArgumentError::OperandMissing("-c", "password file or username"));
            }
            (true, _, _) | (false, true, 3) | (false, false, 2) => {}
            _ => return Err(ArgumentError::Operands),
        }
        let (file, user) = (next(), checked_user(next())?);
        let password = if self.batch { Some(checked_password(next())?) } else { None };
        Ok(match (self.create, file == "-") {
            (true, true) => Command::Create { target: Target::Stdout, user, password, scheme },
            (true, false) => Command::Create { target: Target::File(file.into()), user, password, scheme },
            (false, _) => Command::Set { file: file.into(), user, password, scheme },
        })
    }
}

fn scheme(name: Option<OsString>) -> Result<Scheme, ArgumentError> {
    let name = name.ok_or(ArgumentError::ValueMissing("-H"))?;
    let name = name.to_string_lossy();
    Scheme::from_name(&name).ok_or_else(|| ArgumentError::UnknownHash(name.escape_debug().to_string()))
}

fn iterations(count: Option<OsString>) -> Result<u32, ArgumentError> {
    let count = count.ok_or(ArgumentError::ValueMissing("-I"))?;
    match count.to_str().and_then(|count| count.parse::<i128>().ok()) {
        Some(count) if count > i128::from(ITERATIONS_MAX) => Err(ArgumentError::IterationsTooMany),
        Some(count) => match u32::try_from(count) {
            Ok(0) | Err(_) => Err(ArgumentError::IterationsTooFew),
            Ok(count) => Ok(count),
        },
        None => Err(ArgumentError::IterationsTooFew),
    }
}

/// A user name that a password file can hold and a client can send.
fn checked_user(user: OsString) -> Result<String, ArgumentError> {
    let user = user.into_string().map_err(|_| ArgumentError::UserNotText)?;
    if user.is_empty() {
        Err(ArgumentError::UserEmpty)
    } else if user.len() > BYTES_MAX {
        Err(ArgumentError::UserTooLong)
    } else if user.contains(char::is_control) {
        Err(ArgumentError::UserControl)
    } else if user.contains(':') {
        Err(ArgumentError::UserColon)
    } else if user.starts_with(['#', ' ']) || user.ends_with(' ') {
        Err(ArgumentError::UserUnreadable)
    } else {
        Ok(user)
    }
}

fn checked_password(password: OsString) -> Result<Vec<u8>, ArgumentError> {
    let password = password.into_vec();
    if password.is_empty() {
        Err(ArgumentError::PasswordEmpty)
    } else if password.len() > BYTES_MAX {
        Err(ArgumentError::PasswordTooLong)
    } else {
        Ok(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, ArgumentError> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn the_forms_of_the_usage_text_parse() {
        let (file, user, scheme) = (PathBuf::from("f"), "u".to_owned(), Scheme::default());
        let password = Some(b"p".to_vec());
        assert_eq!(
            parsed("f u"),
            Ok(Command::Set { file: file.clone(), user: user.clone(), password: None, scheme })
        );
        assert_eq!(
            parsed("-b f u p"),
            Ok(Command::Set { file: file.clone(), user: user.clone(), password: password.clone(), scheme })
        );
        let target = Target::File(file.clone());
        assert_eq!(
            parsed("-c f u"),
            Ok(Command::Create { target, user: user.clone(), password: None, scheme })
        );
        assert_eq!(
            parsed("-b -c - u p"),
            Ok(Command::Create { target: Target::Stdout, user: user.clone(), password, scheme })
        );
        assert_eq!(parsed("-D f u"), Ok(Command::Delete { file: file.clone(), user }));
        assert_eq!(parsed("-U f"), Ok(Command::HashPlain { file, scheme }));
        assert_eq!((parsed(""), parsed("--help")), (Ok(Command::Usage), Ok(Command::Usage)));
    }

    #[test]
    fn hashes_and_iterations_are_chosen() {
        let scheme = |line: &str| match parsed(line).unwrap() {
            Command::HashPlain { scheme, .. } => scheme,
            other => panic!("{other:?}"),
        };
        assert_eq!(scheme("-H sha512 -U f"), Scheme::Sha512);
        assert_eq!(scheme("-H sha512-pbkdf2 -U f"), Scheme::Pbkdf2 { iterations: 1000 });
        assert_eq!(scheme("-I 5 -U f"), Scheme::Pbkdf2 { iterations: 5 });
        assert_eq!(scheme("-I 5 -H sha512-pbkdf2 -U f"), Scheme::Pbkdf2 { iterations: 5 });
        assert_eq!(parsed("-I 5 -H argon2id -U f"), Err(ArgumentError::IterationsWithout));
        for few in ["0", "-1", "x", "-99999999999999999999"] {
            assert_eq!(parsed(&format!("-I {few} f u")), Err(ArgumentError::IterationsTooFew), "{few}");
        }
        for many in ["2000001", "4294967296"] {
            assert_eq!(parsed(&format!("-I {many} f u")), Err(ArgumentError::IterationsTooMany), "{many}");
        }
    }

    /// Checked against Debian's mosquitto_passwd 2.0.11.
    #[test]
    fn wrong_arguments_get_mosquittos_words() {
        for (line, expected) in [
            ("-H", "Error: -H argument given but not enough other arguments."),
            ("-I", "Error: -I argument given but not enough other arguments."),
            ("-c -D f u", "Error: -c and -D cannot be used together."),
            ("-c -U f", "Error: -c and -U cannot be used together."),
            ("-D -U f", "Error: -D and -U cannot be used together."),
            ("-D -b f s", "Error: -b and -D cannot be used together."),
            ("-c -b f w", "Error: -c argument given but password file, username, or password missing."),
            ("-c f", "Error: -c argument given but password file or username missing."),
            ("-D f", "Error: -D argument given but password file or username missing."),
            ("-U", "Error: -U argument given but password file missing."),
            ("-U f u", "Error: -U argument given but password file missing."),
            ("-b f a:b p", "Error: Username must not contain the ':' character."),
            ("-I 0 f u", "Error: Number of iterations must be > 0."),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), expected, "{line}");
        }
        assert!(parsed("-H foo f u").unwrap_err().to_string().starts_with("Error: Unknown hash type 'foo'"));
        for line in ["f", "f u x", "-b f u", "-b f u p x", "-z f u", "f -b u p x"] {
            assert!(parsed(line).unwrap_err().wants_usage(), "{line}");
        }
    }

    #[test]
    fn names_and_passwords_are_checked() {
        let set = |user: &str, password: &str| {
            parse(["-b", "f", user, password].map(OsString::from).to_vec()).unwrap_err()
        };
        let long = "x".repeat(65536);
        assert_eq!(set("", "p"), ArgumentError::UserEmpty);
        assert_eq!(set("a\tb", "p"), ArgumentError::UserControl);
        assert_eq!(set("a\u{85}b", "p"), ArgumentError::UserControl);
        assert_eq!(set("#a", "p"), ArgumentError::UserUnreadable);
        assert_eq!(set("a ", "p"), ArgumentError::UserUnreadable);
        assert_eq!(set(&long, "p"), ArgumentError::UserTooLong);
        assert_eq!(set("u", &long), ArgumentError::PasswordTooLong);
        assert_eq!(set("u", ""), ArgumentError::PasswordEmpty);
        let not_text = OsString::from_vec(b"\xff".to_vec());
        let args = vec!["-b".into(), "f".into(), not_text, "p".into()];
        assert_eq!(parse(args), Err(ArgumentError::UserNotText));
    }
}
