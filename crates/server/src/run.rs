//! The broker's command line, and its start: everything that can fail fails here, with a reason and an exit
//! code, before the first client is let in.

use crate::authenticator::AuthMethod;
use crate::control::Control;
use crate::logging::Class;
use crate::process::{self, Background, Daemonized, Signals};
use crate::start::{self, Wiring};
use crate::state_home;
use pondhawk_config::{BrokerArgs, BrokerCommand, Capabilities, Capability, Config, ConfigError, SystemHost};
use std::ffi::OsString;
use std::fmt::Display;
use std::sync::Arc;

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Its name in the log.
pub const PROGRAM: &str = "pondhawk";

/// What this build can do beyond plain MQTT.
const CAPABILITIES: Capabilities = Capabilities::NONE.with(Capability::Persistence);

/// Exit codes that Mosquitto's users know.
pub mod exit {
    /// A socket cannot be bound, or another fault of the machine.
    pub const FAILED: i32 = 1;
    /// The command line or the configuration is wrong.
    pub const INVALID: i32 = 3;
    /// The pid file cannot be written.
    pub const PID_FILE: i32 = 14;
}

/// Why the broker did not start: an exit code and the lines that say why.
#[derive(Debug)]
pub struct StartError {
    /// What the process returns.
    pub code: i32,
    /// What it prints on standard error.
    pub lines: Vec<String>,
}

impl StartError {
    pub(crate) fn new(code: i32, error: impl Display, hint: Option<String>) -> Self {
        let mut lines: Vec<String> = error.to_string().lines().map(ToOwned::to_owned).collect();
        lines.extend(hint.map(|hint| format!("hint: {hint}")));
        StartError { code, lines }
    }

    pub(crate) fn failed(error: impl Display) -> Self {
        StartError::new(exit::FAILED, format!("Error: {error}"), None)
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        let mut lines = error.lines().to_vec();
        if error.shows_usage() {
            lines.push(pondhawk_config::usage(PROGRAM, VERSION));
        }
        StartError { code: error.exit_code(), lines }
    }
}

/// Runs the broker with the arguments behind the program's name: the exit code of the process.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> i32 {
    run_with(arguments, Vec::new())
}

/// As [`run`], for a program that brings methods of enhanced authentication of its own.
#[must_use]
pub fn run_with(arguments: Vec<OsString>, methods: Vec<Arc<dyn AuthMethod>>) -> i32 {
    let outcome = match BrokerCommand::parse(arguments) {
        Err(error) => Err(error.into()),
        Ok(BrokerCommand::Help) => {
            print!("{}", pondhawk_config::usage(PROGRAM, VERSION));
            Ok(())
        }
        Ok(BrokerCommand::Version) => {
            print!("{}", pondhawk_config::version_text(PROGRAM, VERSION));
            Ok(())
        }
        Ok(BrokerCommand::TestConfig(args)) => test_config(&args),
        Ok(BrokerCommand::Run(args)) => serve(&args, methods),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            for line in &error.lines {
                eprintln!("{line}");
            }
            error.code
        }
    }
}

fn test_config(args: &BrokerArgs) -> Result<(), StartError> {
    if args.config_file.is_none() {
        let error = "Error: No configuration file specified. Use -c to specify it.";
        return Err(StartError::new(exit::INVALID, error, None));
    }
    let config = pondhawk_config::load(args, &SystemHost)?;
    for warning in &config.warnings {
        eprintln!("{warning}");
    }
    for missing in pondhawk_config::unsupported(&config, CAPABILITIES) {
        eprintln!("Warning: {missing} The broker will refuse to start with it; {}.", missing.remedy());
    }
    println!("Configuration file is OK.");
    Ok(())
}

/// Reads the configuration and makes sure that this build can do all that it asks for.
pub(crate) fn load_config(args: &BrokerArgs) -> Result<Config, StartError> {
    let config = pondhawk_config::load(args, &SystemHost)?;
    let missing = pondhawk_config::unsupported(&config, CAPABILITIES);
    if let Some(first) = missing.first() {
        let mut error = StartError::new(exit::INVALID, format!("Error: {first}"), None);
        error.lines.extend(missing.iter().skip(1).map(|more| format!("Error: {more}")));
        error.lines.push(format!("hint: {}.", first.remedy()));
        error.lines.push(format!("Error found at {}.", first.place));
        return Err(error);
    }
    Ok(config)
}

/// Starts the broker and stays until it is told to stop.
fn serve(args: &BrokerArgs, methods: Vec<Arc<dyn AuthMethod>>) -> Result<(), StartError> {
    let mut config = load_config(args)?;
    let background = match args.daemon.then(process::daemonize).transpose().map_err(StartError::failed)? {
        None => None,
        Some(Daemonized::Broker(background)) => Some(background),
        Some(Daemonized::Starter(0)) => return Ok(()),
        // The broker has said why.
        Some(Daemonized::Starter(code)) => {
            return Err(StartError { code, lines: Vec::new() });
        }
    };
    process::raise_file_limit();
    process::set_umask(&config.environment);
    let signals = Signals::new().map_err(StartError::failed)?;
    state_home::settle(&mut config);
    let wiring = Wiring::new(methods);
    // What takes root comes first. If it fails, the log says so.
    let taken = start::take(&config, &wiring);
    let warning =
        process::drop_privileges(&config).map_err(|error| StartError::new(exit::FAILED, error, None))?;
    let log = wiring.start_log(&config)?;
    start::say_hello(&config, &log);
    if let Some(warning) = warning {
        log.write(Class::Warning, warning);
    }
    let told = config.logging.destinations.stderr && log.wants(Class::Error);
    let mut outcome = taken.and_then(|taken| start::start(args, config, taken, (&wiring, &log))).and_then(
        |(running, shards)| {
            background.map(Background::ready).transpose().map_err(StartError::failed)?;
            Control::new(running, shards, signals).serve()
        },
    );
    if let Err(error) = &mut outcome {
        for text in &error.lines {
            log.write(Class::Error, text);
        }
        if told {
            error.lines.clear();
        }
    }
    log.write(Class::Information, format_args!("{PROGRAM} version {VERSION} terminating"));
    log.finish();
    outcome
}
