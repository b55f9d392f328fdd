//! The command line of the benchmark.

use crate::error::BenchError;
use crate::workload::{DURABLE, WORKLOADS, Workload};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
cargo xtask bench - Pondhawk beside other MQTT brokers under the same load

usage: cargo xtask bench [durable] [options]

  durable              what is acknowledged is kept: with `persistence true`, in a folder on a disk

  --quick              one short round: a regression alarm, not a measurement;
                       fails on a void run or a floor missed twice over
  --rounds N           rounds over all contenders (default 3)
  --seconds S          measured seconds of each run (default 4)
  --only NAME          run only the workloads whose name contains NAME; may repeat
  --list               print the names of the workloads
  --peer NAME=COMMAND  also run this broker; {port} and {config} (a mosquitto.conf
                       with the common settings) are filled in; may repeat
  --limit              also run a relay that does nothing else: what no broker can beat
  --ours PATH          Pondhawk's program (default: pondhawk beside this program)
  --mosquitto PATH     Mosquitto's program (default /usr/sbin/mosquitto)
  --messages N         durable: the backlog with which a broker is started again (default a million)
  --folder PATH        durable: where brokers store (default: beside this program)
  --write PATH         put the figures into this page, between its marks
  --json               print figures as JSON
";

/// A broker given with `--peer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// What the report calls it.
    pub(crate) name: String,
    /// Program and arguments, with placeholders.
    pub(crate) command: Vec<String>,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) json: bool,
    pub(crate) limit: bool,
    pub(crate) rounds: usize,
    pub(crate) measured: Duration,
    pub(crate) only: Vec<String>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) ours: Option<PathBuf>,
    pub(crate) mosquitto: PathBuf,
    pub(crate) durable: bool,
    /// Of a backlog.
    pub(crate) messages: u64,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) write: Option<PathBuf>,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Options),
    Help,
    List,
}

impl Options {
    fn table(&self) -> &'static [Workload] {
        if self.durable { DURABLE } else { WORKLOADS }
    }

    /// The workloads that were asked for, in the order of the table.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &'static Workload> + '_ {
        let asked =
            |name: &str| self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()));
        self.table().iter().filter(move |workload| asked(workload.name))
    }
}

/// Reads the command line.
///
/// # Errors
/// [`BenchError::Usage`].
pub(crate) fn parse(args: Vec<String>) -> Result<Command, BenchError> {
    let mut options = Options::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| BenchError::Usage(format!("{arg} needs a value")));
        match arg.as_str() {
            "durable" => options.durable = true,
            "--messages" => options.messages = messages(&value()?)?,
            "--folder" => options.folder = Some(PathBuf::from(value()?)),
            "--write" => options.write = Some(PathBuf::from(value()?)),
            "--quick" => options.quick = true,
            "--json" => options.json = true,
            "--limit" => options.limit = true,
            "--rounds" => options.rounds = rounds(&value()?)?,
            "--seconds" => options.measured = seconds(&value()?)?,
            "--only" => options.only.push(value()?),
            "--peer" => options.peers.push(peer(&value()?)?),
            "--ours" => options.ours = Some(PathBuf::from(value()?)),
            "--mosquitto" => options.mosquitto = PathBuf::from(value()?),
            "--list" => return Ok(Command::List),
            "-h" | "--help" => return Ok(Command::Help),
            other => return Err(BenchError::Usage(format!("unknown option {other}"))),
        }
    }
    options.finish()?;
    Ok(Command::Run(options))
}

impl Options {
    fn new() -> Self {
        Options {
            quick: false,
            json: false,
            limit: false,
            rounds: 0,
            measured: Duration::ZERO,
            only: Vec::new(),
            peers: Vec::new(),
            ours: None,
            mosquitto: PathBuf::from("/usr/sbin/mosquitto"),
            durable: false,
            messages: 0,
            folder: None,
            write: None,
        }
    }

    /// Fills in what was not said.
    fn finish(&mut self) -> Result<(), BenchError> {
        if self.rounds == 0 {
            self.rounds = if self.quick { 1 } else { 3 };
        }
        if self.measured.is_zero() {
            self.measured = Duration::from_millis(if self.quick { 1000 } else { 4000 });
        }
        if self.messages == 0 {
            self.messages = if self.quick { 50_000 } else { 1_000_000 };
        }
        if self.workloads().next().is_none() {
            let names: Vec<_> = self.table().iter().map(|workload| workload.name).collect();
            let names = names.join(", ");
            return Err(BenchError::Usage(format!("--only matches no workload; there are {names}")));
        }
        Ok(())
    }
}

fn messages(text: &str) -> Result<u64, BenchError> {
    match text.parse() {
        Ok(n @ 1_000..=9_999_999) => Ok(n),
        _ => Err(BenchError::Usage(format!("--messages takes 1000 to 9999999, not {text}"))),
    }
}

fn rounds(text: &str) -> Result<usize, BenchError> {
    match text.parse() {
        Ok(n @ 1..=100) => Ok(n),
        _ => Err(BenchError::Usage(format!("--rounds takes 1 to 100, not {text}"))),
    }
}

fn seconds(text: &str) -> Result<Duration, BenchError> {
    match text.parse::<f64>() {
        Ok(s) if (0.1..=600.0).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err(BenchError::Usage(format!("--seconds takes 0.1 to 600, not {text}"))),
    }
}

fn peer(text: &str) -> Result<Peer, BenchError> {
    let usage = || BenchError::Usage(format!("--peer takes NAME=COMMAND, not {text}"));
    let (name, command) = text.split_once('=').ok_or_else(usage)?;
    let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    if name.is_empty() || command.is_empty() {
        return Err(usage());
    }
    if !command.iter().any(|word| word.contains("{port}") || word.contains("{config}")) {
        return Err(BenchError::Usage(format!(
            "the command of --peer {name} does not say where {{port}} or {{config}} goes"
        )));
    }
    Ok(Peer { name: name.to_owned(), command })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        match parse(line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()) {
            Ok(Command::Run(options)) => Ok(options),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn defaults_depend_on_quick() {
        let full = options("").expect("legal");
        assert_eq!((full.rounds, full.measured), (3, Duration::from_secs(4)));
        assert_eq!(full.workloads().count(), WORKLOADS.len());
        let quick = options("--quick --rounds 2").expect("legal");
        assert_eq!((quick.rounds, quick.measured), (2, Duration::from_secs(1)));
    }

    #[test]
    fn durable_has_a_table_of_its_own() {
        let durable = options("durable --only queue --messages 5000").expect("legal");
        let names: Vec<_> = durable.workloads().map(|workload| workload.name).collect();
        assert_eq!((names, durable.messages), (vec!["queue-200", "queue-1000"], 5_000));
        assert_eq!(options("durable").expect("legal").messages, 1_000_000);
    }

    #[test]
    fn only_picks_by_part_of_the_name() {
        let options = options("--only fan-in --only pairs-20-q1").expect("legal");
        let names: Vec<_> = options.workloads().map(|workload| workload.name).collect();
        assert_eq!(names, ["fan-in-50-q0", "pairs-20-q1"]);
    }

    #[test]
    fn nonsense_is_refused_with_what_to_do() {
        for (line, part) in [
            ("--rounds 0", "1 to 100"),
            ("--seconds x", "0.1 to 600"),
            ("--only nothing", "fan-out-100-q0"),
            ("--peer mosquitto", "NAME=COMMAND"),
            ("--peer other=/bin/true", "{port}"),
            ("--json --what", "unknown option --what"),
            ("--rounds", "needs a value"),
            ("durable --messages 5", "1000 to"),
            ("durable --only fan-out", "queue-200"),
        ] {
            let error = options(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let command = vec!["--peer".to_owned(), "other=/opt/other -p {port}".to_owned()];
        let Ok(Command::Run(options)) = parse(command) else {
            panic!("legal");
        };
        assert_eq!(options.peers[0].name, "other");
        assert_eq!(options.peers[0].command, ["/opt/other", "-p", "{port}"]);
    }
}
