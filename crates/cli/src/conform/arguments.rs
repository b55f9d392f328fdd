//! The command line of `pondhawk conform`.

use std::ffi::OsString;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
Usage: pondhawk conform [OPTIONS] HOST[:PORT]

Plays packet vectors against a broker and says where it differs from the MQTT standard.

  -p PORT              Port, if it is not behind the host (1883)
  -u USER, -P PASSWORD Log in with these
  --only TEXT          Only vectors whose section, name or statement contains this
  --version 3|4|5      Only MQTT 3.1, 3.1.1 or 5.0
  --jobs N             Vectors at the same time (16)
  --timeout SECONDS    Patience for each answer (5)
  --strict             Exit with 1 for permitted choices that are not Pondhawk's, too
  --list               Print the vectors and the statements that they prove; ask nobody
  --json               Print the report as JSON
  -v                   Show every difference in full, with all that was said
  --help               Print this text

Exit code: 0 nothing breaks the standard, 1 something does, 2 the vectors could not be played.
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    List(Selected),
    Run(Box<Run>),
}

/// Which vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) only: Option<String>,
    pub(super) version: Option<u8>,
}

/// A run against a broker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) selected: Selected,
    pub(super) jobs: usize,
    pub(super) patience: Duration,
    pub(super) strict: bool,
    pub(super) json: bool,
    pub(super) verbose: bool,
}

/// What is wrong with the arguments.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("Error: Unknown option '{0}'.")]
    Unknown(String),
    #[error("Error: {0} argument given but no value specified.")]
    NoValue(String),
    #[error("Error: Invalid value '{1}' for {0}.")]
    Value(String, String),
    #[error("Error: Say which broker: pondhawk conform HOST[:PORT].")]
    NoHost,
    #[error("Error: -P needs -u.")]
    PasswordAlone,
}

pub(super) fn parse(args: Vec<OsString>) -> Result<Command, Wrong> {
    let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
    let (mut host, mut port, mut list) = (None, None, false);
    let mut run = Run {
        host: String::new(),
        port: 1883,
        user: None,
        password: None,
        selected: Selected::default(),
        jobs: 16,
        patience: Duration::from_secs(5),
        strict: false,
        json: false,
        verbose: false,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| Wrong::NoValue(arg.clone()));
        match arg.as_str() {
            "--help" => return Ok(Command::Help),
            "--list" => list = true,
            "--json" => run.json = true,
            "--strict" => run.strict = true,
            "-v" => run.verbose = true,
            "-p" => port = Some(number(&arg, &value()?, 1..=65_535)? as u16),
            "-u" => run.user = Some(value()?),
            "-P" => run.password = Some(value()?),
            "--only" => run.selected.only = Some(value()?),
            "--version" => run.selected.version = Some(number(&arg, &value()?, 3..=5)? as u8),
            "--jobs" => run.jobs = number(&arg, &value()?, 1..=64)? as usize,
            "--timeout" => run.patience = Duration::from_secs(number(&arg, &value()?, 1..=3_600)?),
            flag if flag.starts_with('-') => return Err(Wrong::Unknown(arg)),
            _ if host.is_none() => host = Some(arg),
            _ => return Err(Wrong::Unknown(arg)),
        }
    }
    if list {
        return Ok(Command::List(run.selected));
    }
    let (name, behind) = split_port(&host.ok_or(Wrong::NoHost)?)?;
    if run.password.is_some() && run.user.is_none() {
        return Err(Wrong::PasswordAlone);
    }
    run.host = name;
    run.port = port.or(behind).unwrap_or(run.port);
    Ok(Command::Run(Box::new(run)))
}

fn number(name: &str, text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, Wrong> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| Wrong::Value(name.to_owned(), text.to_owned()))
}

/// `host`, `host:port`, `[::1]:port`, or an address of IPv6 by itself.
fn split_port(text: &str) -> Result<(String, Option<u16>), Wrong> {
    if let Some((name, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = rest.strip_prefix(':').map(|port| number("the port", port, 1..=65_535)).transpose()?;
        return Ok((name.to_owned(), port.map(|port| port as u16)));
    }
    match text.split_once(':') {
        Some((name, port)) if !port.contains(':') => {
            Ok((name.to_owned(), Some(number("the port", port, 1..=65_535)? as u16)))
        }
        _ => Ok((text.to_owned(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, Wrong> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    fn target(line: &str) -> (String, u16) {
        match read(line) {
            Ok(Command::Run(run)) => (run.host, run.port),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn where_the_broker_is() {
        assert_eq!(target("box"), ("box".to_owned(), 1883));
        assert_eq!(target("box:1884 --json"), ("box".to_owned(), 1884));
        assert_eq!(target("-p 1885 box:1884"), ("box".to_owned(), 1885));
        assert_eq!(target("[::1]:7"), ("::1".to_owned(), 7));
        assert_eq!(target("::1"), ("::1".to_owned(), 1883));
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(read(""), Err(Wrong::NoHost));
        assert_eq!(read("box --what"), Err(Wrong::Unknown("--what".to_owned())));
        assert_eq!(read("box --version 6"), Err(Wrong::Value("--version".to_owned(), "6".to_owned())));
        assert_eq!(read("box --only"), Err(Wrong::NoValue("--only".to_owned())));
        assert_eq!(read("box -P x"), Err(Wrong::PasswordAlone));
        assert_eq!(read("box:x"), Err(Wrong::Value("the port".to_owned(), "x".to_owned())));
        assert_eq!(read("one two"), Err(Wrong::Unknown("two".to_owned())));
    }

    #[test]
    fn a_list_needs_no_broker() {
        let selected = Selected { only: Some("wills".to_owned()), version: Some(5) };
        assert_eq!(read("--list --only wills --version 5"), Ok(Command::List(selected)));
    }
}
