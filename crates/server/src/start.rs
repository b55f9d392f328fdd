//! The start: what takes root first, then the log, then everything else in the order of the street.
//!
//! Before: the configuration is read and good. After: shards run, and [`crate::control`] waits for signals.

use crate::access::{EXIT_AUTH, Rules, ShardHost, Slots};
use crate::authenticator::{AuthMethod, Authenticator};
use crate::banner;
use crate::boot::{self, Board, Common, Doors, OnAccept, Own, Shards};
use crate::control::Running;
use crate::durable::{self, Share, StoreThread};
use crate::logging::{Class, Log};
use crate::process::PidFile;
use crate::pump::{Control, Legacy, Letter, NullStore};
use crate::run::{PROGRAM, StartError, VERSION, exit};
use crate::translate;
use mio::Waker;
use pondhawk_broker::{Homes, ShardId};
use pondhawk_config::{BrokerArgs, Config};
use pondhawk_net::Sender;
use pondhawk_store::Wake;
use std::fs::File;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Instant;

type Senders = Vec<Sender<Letter<Arc<Rules>>>>;

/// What was taken while the process could: things that need root's privileges on many machines.
pub(crate) struct Taken {
    doors: Doors,
    rules: Rules,
    warnings: Vec<String>,
    pid_file: Option<PidFile>,
}

/// What connects the parts: the ways to the log from what is there before it, and what was plugged in.
#[derive(Default)]
pub(crate) struct Wiring {
    /// Where accepted connections are told to.
    log: Arc<OnceLock<Log>>,
    /// Where lines for `log_dest topic` go to.
    senders: Arc<OnceLock<Senders>>,
    methods: Vec<Arc<dyn AuthMethod>>,
}

impl Wiring {
    /// Wiring with these methods of enhanced authentication.
    pub(crate) fn new(methods: Vec<Arc<dyn AuthMethod>>) -> Self {
        Wiring { methods, ..Wiring::default() }
    }

    fn method_names(&self) -> Vec<String> {
        self.methods.iter().map(|method| method.name().to_owned()).collect()
    }

    /// Starts the log. Lines for topics are lost until the shards run.
    pub(crate) fn start_log(&self, config: &Config) -> Result<Log, StartError> {
        let senders = self.senders.clone();
        let publish = move |topic: &str, line: &str| {
            if let Some(sender) = senders.get().and_then(|senders| senders.first()) {
                let message = vec![(topic.to_owned(), line.as_bytes().to_vec(), false)];
                // A broker that is ending has nobody to tell.
                let _pressure = sender.send_batch(&mut vec![Letter::Control(Control::Publish(message))]);
            }
        };
        let log = Log::start(&config.logging, PROGRAM, Some(Arc::new(publish)))
            .map_err(|error| StartError::new(exit::INVALID, error, None))?;
        // Only a test could have installed another one before.
        log.install();
        let _first = self.log.set(log.clone());
        Ok(log)
    }
}

/// Reads password and access control files, binds the listeners and writes the pid file.
pub(crate) fn take(config: &Config, wiring: &Wiring) -> Result<Taken, StartError> {
    let (rules, warnings) = Rules::load(config, wiring.method_names())
        .map_err(|error| StartError::new(EXIT_AUTH, error, None))?;
    let log = wiring.log.clone();
    let on_accept: OnAccept = Arc::new(move |peer, place, result| {
        if let Some(log) = log.get() {
            log.accepted(peer, place, result);
        }
    });
    let doors = boot::open_doors(translate::entrances(config), translate::shards(config), &on_accept)
        .map_err(|error| StartError::new(exit::FAILED, format!("Error: {error}"), error.hint()))?;
    let pid_file = PidFile::write(config.pid_file.as_deref())
        .map_err(|error| StartError::new(exit::PID_FILE, error, None))?;
    Ok(Taken { doors, rules, warnings, pid_file })
}

/// The log's first lines.
pub(crate) fn say_hello(config: &Config, log: &Log) {
    log.write(Class::Information, format_args!("{PROGRAM} version {VERSION} starting"));
    match config.sources.first() {
        Some(path) => log.write(Class::Information, format_args!("Config loaded from {}.", path.display())),
        None => log.write(Class::Information, "Using default config."),
    }
    for warning in &config.warnings {
        log.write(Class::Warning, warning);
    }
    if let (false, Some(place)) = (config.mqtt.set_tcp_nodelay, config.place_of("set_tcp_nodelay")) {
        log.write(
            Class::Warning,
            format_args!("Warning: 'set_tcp_nodelay false' at {place} has no effect: small packets always leave at once."),
        );
    }
}

/// Files that root could read and the broker's user cannot: a reload will not find them.
fn warn_of_unreadable(config: &Config, log: &Log) {
    let accesses = config.listeners.iter().map(|listener| &listener.access);
    let mut files: Vec<_> =
        accesses.flat_map(|access| access.password_file.iter().chain(&access.acl_file)).collect();
    files.sort();
    files.dedup();
    for file in files.into_iter().filter(|file| File::open(file).is_err()) {
        log.write(
            Class::Warning,
            format_args!(
                "Warning: {} was read as root and cannot be read by the user that the broker runs as: a reload will \
                 keep the old contents. Give it to that user: chown {} {0}",
                file.display(),
                config.user
            ),
        );
    }
}

/// Starts authenticator and shards.
pub(crate) fn start(
    args: &BrokerArgs,
    config: Config,
    taken: Taken,
    (wiring, log): (&Wiring, &Log),
) -> Result<(Running, Shards<Arc<Rules>>), StartError> {
    for text in banner::lines(&config) {
        log.write(Class::Information, text);
    }
    for warning in &taken.warnings {
        log.write(Class::Warning, warning);
    }
    warn_of_unreadable(&config, log);
    for listener in &taken.doors.opened {
        log.write(Class::Information, format_args!("Opening {listener}."));
    }
    for skipped in &taken.doors.skipped {
        log.write(Class::Warning, format_args!("Warning: {skipped}"));
    }
    let rules = Arc::new(taken.rules);
    let shard_count = translate::shards(&config);
    let board = Board::new(shard_count).map_err(StartError::failed)?;
    let senders = board.senders();
    let authenticator = start_authenticator((&config, &rules), wiring.methods.clone(), senders.clone())?;
    let slots = Arc::new(Slots::new(&config));
    let (shards, store) =
        start_shards((board, taken.doors), (&config, shard_count), (&rules, &slots), (log, &authenticator))?;
    // Set once, here.
    let _set = wiring.senders.set(senders);
    log.write(Class::Information, format_args!("{PROGRAM} version {VERSION} running"));
    let running = Running {
        args: args.clone(),
        config,
        log: log.clone(),
        authenticator,
        slots,
        shard_count,
        store,
        _pid_file: taken.pid_file,
    };
    Ok((running, shards))
}

fn start_authenticator(
    (config, rules): (&Config, &Arc<Rules>),
    methods: Vec<Arc<dyn AuthMethod>>,
    senders: Senders,
) -> Result<Arc<Authenticator>, StartError> {
    let reply = Arc::new(move |shard: ShardId, conn, answer| {
        if let Some(sender) = senders.get(usize::from(shard.0)) {
            // A shard that is gone has no client that waits.
            let _pressure = sender.send_batch(&mut vec![Letter::Answer(conn, answer)]);
        }
    });
    let threads = config.threads.authentication;
    let authenticator =
        Authenticator::new(threads, rules.clone(), methods, reply).map_err(StartError::failed)?;
    authenticator.set_policy(translate::login_policy(config));
    Ok(Arc::new(authenticator))
}

fn start_shards(
    (board, doors): (Board<Arc<Rules>>, Doors),
    (config, shard_count): (&Config, u8),
    (rules, slots): (&Arc<Rules>, &Arc<Slots>),
    (log, authenticator): (&Log, &Arc<Authenticator>),
) -> Result<(Shards<Arc<Rules>>, Option<StoreThread>), StartError> {
    let ask = authenticator.clone();
    let mut key = [0; 8];
    getrandom::fill(&mut key).map_err(StartError::failed)?;
    let mut common = Common {
        homes: Homes { key: u64::from_ne_bytes(key), shards: shard_count },
        settings: Arc::new(translate::settings(config)),
        ask: Arc::new(move |shard, question| ask.ask(shard, question)),
        epoch: Instant::now(),
    };
    let host = |_| ShardHost::new(rules.clone(), slots.clone(), log.clone());
    let hosts = (0..shard_count).map(host).collect::<Result<Vec<_>, _>>().map_err(StartError::failed)?;
    let start = durable::Start {
        config,
        settings: &common.settings,
        homes: common.homes,
        epoch: common.epoch,
        host: hosts.first().expect("there is a shard"),
        log,
    };
    let wake = |waker: Arc<Waker>| {
        // A shard that is gone needs no waking.
        Box::new(move || waker.wake().unwrap_or_default()) as Wake
    };
    let durable = durable::start(&start, board.wakers().into_iter().map(wake).collect())?;
    if durable.is_none() {
        Arc::make_mut(&mut common.settings).persistent = false;
    }
    let (store, shares) = durable.unzip();
    let mut shares = shares.unwrap_or_default().into_iter();
    let mut hosts = hosts.into_iter();
    let (done, taken_over) = mpsc::channel();
    let shards = boot::start(board, doors, &common, |_shard| {
        let host = hosts.next().expect("there is a host for each shard");
        match shares.next() {
            Some(Share { store, restored }) => {
                Own { host, store, legacy: Some(Legacy { part: restored, done: done.clone() }) }
            }
            None => Own { host, store: Box::new(NullStore::default()), legacy: None },
        }
    })
    .map_err(StartError::failed)?;
    drop(done);
    if store.is_some() {
        open_doors(&shards, &taken_over, shard_count)?;
    }
    Ok((shards, store))
}

/// Lets clients in once every shard knows what the others have taken over.
fn open_doors(
    shards: &Shards<Arc<Rules>>,
    taken_over: &mpsc::Receiver<()>,
    shard_count: u8,
) -> Result<(), StartError> {
    for _ in 0..shard_count {
        taken_over
            .recv()
            .map_err(|_| StartError::failed("a shard stopped before it had taken over what was stored"))?;
    }
    shards.tell(|| Control::Open);
    Ok(())
}
