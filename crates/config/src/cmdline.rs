//! The broker's command line.
//!
//! Before: the process's arguments without the program's name. After: [`crate::load`] reads the
//! configuration that the arguments name.

use crate::error::ConfigError;
use std::ffi::OsString;
use std::path::PathBuf;

/// How many `-p` a command line may have.
const MAX_PORTS: usize = 10;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerCommand {
    /// Start the broker.
    Run(BrokerArgs),
    /// Read the configuration, say whether it is good, and stop.
    TestConfig(BrokerArgs),
    /// Print [`usage`] on standard output and leave with 0.
    Help,
    /// Print [`version_text`] on standard output and leave with 0.
    Version,
}

/// The options of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BrokerArgs {
    /// `-c`: the configuration file.
    pub config_file: Option<PathBuf>,
    /// `-p`: ports to open in local-only mode.
    pub ports: Vec<u16>,
    /// `-d`: go to the background.
    pub daemon: bool,
    /// `-v`: log everything.
    pub verbose: bool,
    /// `-q`: log nothing; wins over `-v`.
    pub quiet: bool,
    /// `--tls-keylog`: file to which TLS session keys are appended.
    pub tls_keylog: Option<PathBuf>,
}

impl BrokerCommand {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    /// An unknown option or a missing or bad argument, with the lines to print and exit code 3.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ConfigError> {
        let mut rest = arguments.into_iter();
        let mut args = BrokerArgs::default();
        let mut test = false;
        while let Some(argument) = rest.next() {
            let spelled = argument.to_string_lossy();
            match spelled.as_ref() {
                "-c" | "--config-file" => {
                    args.config_file = Some(file_after(rest.next(), "-c", "config file")?);
                }
                "-d" | "--daemon" => args.daemon = true,
                "-h" | "--help" => return Ok(Self::Help),
                "--version" => return Ok(Self::Version),
                "-p" | "--port" => args.add_port(rest.next())?,
                "-q" | "--quiet" => args.quiet = true,
                "-v" | "--verbose" => args.verbose = true,
                "--test-config" => test = true,
                "--tls-keylog" => {
                    args.tls_keylog = Some(file_after(rest.next(), "--tls-keylog", "file")?);
                }
                unknown => return Err(unknown_option(unknown)),
            }
        }
        match test {
            false => Ok(Self::Run(args)),
            true if args.config_file.is_some() => Ok(Self::TestConfig(args)),
            true => Err(ConfigError::new("--test-config argument given, but no config file specified.")
                .with_hint("name the file to test with -c FILE")),
        }
    }
}

impl BrokerArgs {
    fn add_port(&mut self, argument: Option<OsString>) -> Result<(), ConfigError> {
        let Some(argument) = argument else {
            return Err(ConfigError::new("-p argument given, but no port specified."));
        };
        if self.ports.len() == MAX_PORTS {
            let message = format!("Only {MAX_PORTS} ports can be specified on the command line.");
            return Err(ConfigError::new(message));
        }
        let text = argument.to_string_lossy();
        match text.parse() {
            Ok(port) if port != 0 => self.ports.push(port),
            _ => {
                let message = format!("Invalid port specified ({}).", text.escape_debug());
                return Err(ConfigError::new(message).with_hint("a port is a number from 1 to 65535"));
            }
        }
        Ok(())
    }
}

fn file_after(argument: Option<OsString>, option: &str, what: &str) -> Result<PathBuf, ConfigError> {
    match argument {
        Some(path) => Ok(path.into()),
        None => Err(ConfigError::new(format!("{option} argument given, but no {what} specified."))),
    }
}

fn unknown_option(option: &str) -> ConfigError {
    ConfigError::new(format!("Unknown option '{}'.", option.escape_debug())).with_usage()
}

/// The text of `--help` for a program that was started under the name `program`.
pub fn usage(program: &str, version: &str) -> String {
    format!(
        "{program} version {version}

{program} is an MQTT broker for versions 3.1, 3.1.1 and 5.0.

Usage: {program} [-c config_file] [-d] [-h] [-p port] [-v]

 -c, --config-file FILE  Read the configuration from FILE.
 -d, --daemon            Go to the background once started.
 -h, --help              Show this text.
     --version           Show the version.
 -p, --port PORT         Listen on PORT of this machine only. May be given {MAX_PORTS} times;
                         has no effect when the configuration opens a listener.
 -q, --quiet             Log nothing, whatever -v and the configuration say.
 -v, --verbose           Log everything, whatever the configuration says.
     --test-config       Check the file named by -c and stop: exit code 0 when it is good, 3 otherwise.
     --tls-keylog FILE   Append the keys of TLS sessions to FILE, for a packet inspector.

The directives of the configuration file are described in mosquitto.conf(5).
"
    )
}

/// The three lines of `--version`.
pub fn version_text(program: &str, version: &str) -> String {
    format!("{program} {version}\nCopyright the Pondhawk authors.\nLicence: MIT OR Apache-2.0.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<BrokerCommand, ConfigError> {
        BrokerCommand::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn every_option_in_both_spellings() {
        let short = parse(&["-c", "a.conf", "-d", "-p", "1883", "-p", "1884", "-q", "-v"]);
        let long = parse(&[
            "--config-file",
            "a.conf",
            "--daemon",
            "--port",
            "1883",
            "--port",
            "1884",
            "--quiet",
            "--verbose",
        ]);
        let expected = BrokerArgs {
            config_file: Some("a.conf".into()),
            ports: vec![1883, 1884],
            daemon: true,
            verbose: true,
            quiet: true,
            tls_keylog: None,
        };
        assert_eq!(short, Ok(BrokerCommand::Run(expected)));
        assert_eq!(short, long);
        assert_eq!(parse(&["-h"]), Ok(BrokerCommand::Help));
        assert_eq!(parse(&["-v", "--help", "--nonsense"]), Ok(BrokerCommand::Help));
        assert_eq!(parse(&["--version"]), Ok(BrokerCommand::Version));
        let keylog = parse(&["--tls-keylog", "keys"]);
        assert!(matches!(keylog, Ok(BrokerCommand::Run(args)) if args.tls_keylog == Some("keys".into())));
        let test = parse(&["--test-config", "-c", "a"]);
        assert!(matches!(test, Ok(BrokerCommand::TestConfig(args)) if args.config_file == Some("a".into())));
    }

    #[test]
    fn refusals_say_what_mosquitto_says() {
        let rows: &[(&[&str], &str)] = &[
            (&["-c"], "Error: -c argument given, but no config file specified."),
            (&["-p"], "Error: -p argument given, but no port specified."),
            (&["-p", "0"], "Error: Invalid port specified (0)."),
            (&["-p", "65536"], "Error: Invalid port specified (65536)."),
            (&["-p", "mqtt"], "Error: Invalid port specified (mqtt)."),
            (&["--tls-keylog"], "Error: --tls-keylog argument given, but no file specified."),
            (&["--test-config"], "Error: --test-config argument given, but no config file specified."),
            (&["--nonsense"], "Error: Unknown option '--nonsense'."),
            (&["word"], "Error: Unknown option 'word'."),
        ];
        for (arguments, expected) in rows {
            let error = parse(arguments).expect_err("a refused command line");
            assert_eq!(error.lines()[0], *expected);
            assert_eq!(error.exit_code(), 3);
        }
        assert!(parse(&["word"]).expect_err("unknown").shows_usage());
        let eleven: Vec<_> = std::iter::repeat_n(["-p", "1883"], 11).flatten().collect();
        let error = parse(&eleven).expect_err("too many ports");
        assert_eq!(error.lines(), ["Error: Only 10 ports can be specified on the command line."]);
    }

    #[test]
    fn usage_starts_as_scripts_expect() {
        let text = usage("mosquitto", "2.1.2");
        assert!(text.contains("\nUsage: mosquitto [-c config_file] [-d] [-h] [-p port] [-v]\n"));
        assert_eq!(version_text("mosquitto", "2.1.2").lines().count(), 3);
        assert!(version_text("mosquitto", "2.1.2").starts_with("mosquitto 2.1.2\n"));
    }
}
