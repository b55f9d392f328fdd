//! The whole bench: contenders in turn, workload by workload, round by round.

use crate::args::{self, Command, Options, USAGE};
use crate::broker::Contender;
use crate::error::{BenchError, Tried};
use crate::figure::{Figures, Series};
use crate::report::Outcome;
use crate::workload::{DURABLE, Shape, WORKLOADS, Workload};
use crate::{durable, load, page};
use serde_json::json;
use std::path::PathBuf;

/// All runs are good and every floor is reached.
const ENOUGH: i32 = 0;
/// A run is void or a floor is missed.
const NOT_ENOUGH: i32 = 1;
/// Nothing could be measured.
const UNABLE: i32 = 2;

/// Runs the bench with the arguments of the command line, without the program's name.
///
/// The table or the JSON goes to standard output, everything else to standard error. The exit code is 0 if every
/// floor is reached, 1 if one is missed or a run is void, and 2 if nothing could be measured.
#[must_use]
pub fn run(args: Vec<String>) -> i32 {
    let done = match args::parse(args) {
        Ok(Command::Run(options)) => bench(&options),
        Ok(Command::Help) => {
            print!("{USAGE}");
            Ok(ENOUGH)
        }
        Ok(Command::List) => {
            for workload in WORKLOADS.iter().chain(DURABLE) {
                println!("{}", workload.name);
            }
            Ok(ENOUGH)
        }
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        UNABLE
    })
}

fn bench(options: &Options) -> Result<i32, BenchError> {
    let contenders = contenders(options)?;
    for contender in &contenders {
        contender.check()?;
    }
    load::raise_descriptor_limit()?;
    if !options.json {
        let persistence = if options.durable { "persistence true" } else { "no persistence" };
        println!(
            "anonymous, 127.0.0.1, {persistence}, set_tcp_nodelay true, max_inflight_messages 0,\n\
             max_queued_messages 0, no log; {} of {:?}; medians\n",
            plural(options.rounds),
            options.measured
        );
    }
    let mut outcomes = Vec::new();
    for workload in options.workloads() {
        let outcome = measure(workload, &contenders, options);
        if !options.json {
            println!("{}", outcome.table());
        }
        outcomes.push(outcome);
    }
    if options.json {
        let workloads: Vec<_> = outcomes.iter().map(Outcome::json).collect();
        println!("{:#}", json!({ "quick": options.quick, "rounds": options.rounds, "workloads": workloads }));
    }
    if let Some(path) = &options.write {
        page::write(path, &outcomes)?;
    }
    let enough = outcomes.iter().all(|outcome| outcome.is_enough(options.quick));
    Ok(if enough { ENOUGH } else { NOT_ENOUGH })
}

fn plural(rounds: usize) -> String {
    if rounds == 1 { "1 round".to_owned() } else { format!("{rounds} rounds") }
}

fn contenders(options: &Options) -> Result<Vec<Contender>, BenchError> {
    let ours = match &options.ours {
        Some(path) => path.clone(),
        None => program_beside_this()?,
    };
    let mut contenders = vec![Contender::Ours(ours), Contender::Mosquitto(options.mosquitto.clone())];
    contenders.extend(options.peers.iter().cloned().map(Contender::Other));
    if options.limit {
        contenders.push(Contender::Relay);
    }
    Ok(contenders)
}

/// Cargo puts both programs into one folder.
fn program_beside_this() -> Result<PathBuf, BenchError> {
    let this = std::env::current_exe().tried(|| "looking for this program".to_owned())?;
    Ok(this.with_file_name("pondhawk"))
}

/// All rounds of one workload: A B A B, so that what disturbs the machine disturbs all.
fn measure(workload: &'static Workload, contenders: &[Contender], options: &Options) -> Outcome {
    let fit = |contender: &&Contender| !matches!(contender, Contender::Relay) || workload.suits_relay();
    let contenders: Vec<_> = contenders.iter().filter(fit).collect();
    let mut series: Vec<_> =
        contenders.iter().map(|contender| (contender.name().to_owned(), Series::default())).collect();
    let mut void = Vec::new();
    for round in 1..=options.rounds {
        for (contender, (name, series)) in contenders.iter().zip(&mut series) {
            eprintln!("{} round {round}/{}: {name}", workload.name, options.rounds);
            match measure_once(workload, contender, options) {
                Ok(figures) => series.push(figures),
                Err(error) => void.push(format!("{name}, round {round}: {error}")),
            }
        }
    }
    Outcome { workload, series, void }
}

fn measure_once(
    workload: &Workload,
    contender: &Contender,
    options: &Options,
) -> Result<Figures, BenchError> {
    match &workload.shape {
        Shape::Traffic(traffic) => load::traffic(traffic, &contender.start()?, options.measured),
        Shape::Idle(idle) => load::idle(idle, &contender.start()?),
        Shape::Queue { window } => durable::queue(contender, &folder(options)?, (*window, options.measured)),
        Shape::Backlog(what) => durable::backlog(contender, &folder(options)?, (*what, options.messages)),
    }
}

/// Where brokers store: not where temporary files are, which may be no disk.
fn folder(options: &Options) -> Result<PathBuf, BenchError> {
    match &options.folder {
        Some(folder) => Ok(folder.clone()),
        None => Ok(program_beside_this()?.with_file_name("bench")),
    }
}
