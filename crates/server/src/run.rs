//! The broker's command line, and its start: everything that can fail fails here, with a reason and an exit
//! code, before the first client is let in.

use crate::access::{EXIT_AUTH, Rules, ShardHost, Slots};
use crate::authenticator::Authenticator;
use crate::boot::{self, Board, Common, Doors, OnAccept, Shards};
use crate::control::{Control, Running};
use crate::logging::{Class, Log};
use crate::process;
use crate::pump::{Letter, NullStore, Store};
use crate::translate;
use pondhawk_broker::Homes;
use pondhawk_config::{BrokerArgs, BrokerCommand, Capabilities, Config, ConfigError, SystemHost};
use pondhawk_net::Sender;
use std::ffi::OsString;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Its name in the log.
pub const PROGRAM: &str = "pondhawk";

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

    fn failed(error: impl Display) -> Self {
        StartError::new(exit::FAILED, format!("Error: {error}"), None)
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        let mut lines = error.lines().to_vec();
        if error.shows_usage() {
            lines.push(pondhawk_config::usage(PROGRAM, VERSION));
        }
        StartError {
            code: error.exit_code(),
            lines,
        }
    }
}

/// Runs the broker with the arguments behind the program's name: the exit code of the process.
#[must_use]
pub fn run(arguments: Vec<OsString>) -> i32 {
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
        Ok(BrokerCommand::Run(args)) => serve(&args),
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
    for missing in pondhawk_config::unsupported(&config, Capabilities::NONE) {
        eprintln!(
            "Warning: {missing} The broker will refuse to start with it; {}.",
            missing.remedy()
        );
    }
    println!("Configuration file is OK.");
    Ok(())
}

/// Reads the configuration and makes sure that this build can do all that it asks for.
pub(crate) fn load_config(args: &BrokerArgs) -> Result<Config, StartError> {
    let config = pondhawk_config::load(args, &SystemHost)?;
    let missing = pondhawk_config::unsupported(&config, Capabilities::NONE);
    if let Some(first) = missing.first() {
        let mut error = StartError::new(exit::INVALID, format!("Error: {first}"), None);
        error
            .lines
            .extend(missing.iter().skip(1).map(|more| format!("Error: {more}")));
        error.lines.push(format!("hint: {}.", first.remedy()));
        error.lines.push(format!("Error found at {}.", first.place));
        return Err(error);
    }
    Ok(config)
}

/// Starts the broker and stays until it is told to stop.
fn serve(args: &BrokerArgs) -> Result<(), StartError> {
    let config = load_config(args)?;
    if args.daemon && !process::daemonize().map_err(StartError::failed)? {
        // The broker goes on in the background; this was only its starter.
        return Ok(());
    }
    process::raise_file_limit();
    process::set_umask(&config.environment);
    let signals = process::Signals::new().map_err(StartError::failed)?;
    let post: Arc<OnceLock<Vec<Sender<Letter<Arc<Rules>>>>>> = Arc::default();
    let log = start_log(&config, &post)?;
    let started = start(args, config, (&log, &post));
    let outcome = match started {
        Ok((running, shards)) => Control::new(running, shards, signals).serve(),
        Err(error) => Err(error),
    };
    log.write(
        Class::Information,
        format_args!("{PROGRAM} version {VERSION} terminating"),
    );
    log.finish();
    outcome
}

type Post = Arc<OnceLock<Vec<Sender<Letter<Arc<Rules>>>>>>;

/// Lines for `log_dest topic` go through the shards, once those run.
fn start_log(config: &Config, post: &Post) -> Result<Log, StartError> {
    let post = post.clone();
    let publish = move |topic: &str, line: &str| {
        if let Some(sender) = post.get().and_then(|senders| senders.first()) {
            let message = vec![(topic.to_owned(), line.as_bytes().to_vec(), false)];
            // A broker that is ending has nobody to tell.
            let _pressure =
                sender.send_batch(&mut vec![Letter::Control(crate::pump::Control::Publish(message))]);
        }
    };
    let log = Log::start(&config.logging, PROGRAM, Some(Arc::new(publish)))
        .map_err(|error| StartError::new(exit::INVALID, error, None))?;
    // Only a test could have installed another one before.
    log.install();
    Ok(log)
}

fn start(
    args: &BrokerArgs,
    config: Config,
    (log, post): (&Log, &Post),
) -> Result<(Running, Shards<Arc<Rules>>), StartError> {
    log.write(
        Class::Information,
        format_args!("{PROGRAM} version {VERSION} starting"),
    );
    match config.sources.first() {
        Some(path) => log.write(
            Class::Information,
            format_args!("Config loaded from {}.", path.display()),
        ),
        None => log.write(Class::Information, "Using default config."),
    }
    for warning in &config.warnings {
        log.write(Class::Warning, warning);
    }
    let (rules, warnings) =
        Rules::load(&config, Vec::new()).map_err(|error| StartError::new(EXIT_AUTH, error, None))?;
    for warning in warnings {
        log.write(Class::Warning, warning);
    }
    let rules = Arc::new(rules);
    let shard_count = translate::shards(&config);
    let doors = open_doors(&config, shard_count, log)?;
    let pid_file = process::PidFile::write(config.pid_file.as_deref())
        .map_err(|error| StartError::new(exit::PID_FILE, error, None))?;
    process::drop_privileges(&config).map_err(StartError::failed)?;

    let board = Board::new(shard_count).map_err(StartError::failed)?;
    let senders = board.senders();
    let authenticator = start_authenticator(&config, &rules, senders.clone())?;
    let slots = Arc::new(Slots::new(&config));
    let shards = start_shards(
        (board, doors),
        (&config, shard_count),
        (&rules, &slots),
        (log, &authenticator),
    )?;
    // Set once, here.
    let _set = post.set(senders);
    log.write(
        Class::Information,
        format_args!("{PROGRAM} version {VERSION} running"),
    );
    crate::banner::show(&config, shard_count);
    let running = Running {
        args: args.clone(),
        config,
        log: log.clone(),
        authenticator,
        slots,
        shard_count,
        _pid_file: pid_file,
    };
    Ok((running, shards))
}

fn open_doors(config: &Config, shards: u8, log: &Log) -> Result<Doors, StartError> {
    let on_accept: OnAccept = {
        let log = log.clone();
        Arc::new(move |peer, place, result| log.accepted(peer, place, result))
    };
    let doors = boot::open_doors(translate::entrances(config), shards, &on_accept)
        .map_err(|error| StartError::new(exit::FAILED, format!("Error: {error}"), error.hint()))?;
    for listener in &doors.opened {
        log.write(Class::Information, format_args!("Opening {listener}."));
    }
    for skipped in &doors.skipped {
        log.write(Class::Warning, format_args!("Warning: {skipped}"));
    }
    Ok(doors)
}

fn start_authenticator(
    config: &Config,
    rules: &Arc<Rules>,
    senders: Vec<Sender<Letter<Arc<Rules>>>>,
) -> Result<Arc<Authenticator>, StartError> {
    let reply = Arc::new(move |shard: pondhawk_broker::ShardId, conn, answer| {
        if let Some(sender) = senders.get(usize::from(shard.0)) {
            // A shard that is gone has no client that waits.
            let _pressure = sender.send_batch(&mut vec![Letter::Answer(conn, answer)]);
        }
    });
    let threads = config.threads.authentication;
    let authenticator =
        Authenticator::new(threads, rules.clone(), Vec::new(), reply).map_err(StartError::failed)?;
    Ok(Arc::new(authenticator))
}

fn start_shards(
    (board, doors): (Board<Arc<Rules>>, Doors),
    (config, shard_count): (&Config, u8),
    (rules, slots): (&Arc<Rules>, &Arc<Slots>),
    (log, authenticator): (&Log, &Arc<Authenticator>),
) -> Result<Shards<Arc<Rules>>, StartError> {
    let ask = authenticator.clone();
    let mut key = [0; 8];
    getrandom::fill(&mut key).map_err(StartError::failed)?;
    let common = Common {
        homes: Homes {
            key: u64::from_ne_bytes(key),
            shards: shard_count,
        },
        settings: Arc::new(translate::settings(config, shard_count)),
        ask: Arc::new(move |shard, question| ask.ask(shard, question)),
        epoch: Instant::now(),
    };
    let host = |_| ShardHost::new(rules.clone(), slots.clone(), log.clone());
    let hosts = (0..shard_count)
        .map(host)
        .collect::<Result<Vec<_>, _>>()
        .map_err(StartError::failed)?;
    let mut hosts = hosts.into_iter();
    boot::start(board, doors, &common, |_shard| {
        let host = hosts.next().expect("there is a host for each shard");
        (host, Box::new(NullStore::default()) as Box<dyn Store>)
    })
    .map_err(StartError::failed)
}
