//! The run: lives and deaths of the broker, and the end at which everything is fetched and judged.

mod cast;
mod drain;
mod life;

use crate::args::{self, Options, Trouble, USAGE};
use crate::broker::Broker;
use crate::chance::Chance;
use crate::client::World;
use crate::disk::{Forgetful, Small};
use crate::gate::Stage;
use crate::ledger::fault::Kind;
use crate::report::{Figures, Report};
use anyhow::{Context as _, Result, bail};
use cast::Cast;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tempfile::TempDir;

/// Runs the command line; fails when the broker has done something wrong.
#[must_use]
pub fn main(arguments: Vec<String>) -> ExitCode {
    let done = args::parse(arguments).and_then(|options| match options {
        None => {
            print!("{USAGE}");
            Ok(true)
        }
        Some(options) => run(&options),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Where the store is.
enum Place {
    Folder,
    Forgetful(Forgetful),
    Small(Small),
}

/// Everything of a run but its clients.
struct Run<'a> {
    options: &'a Options,
    world: Arc<World>,
    broker: Broker,
    place: Place,
    chance: Chance,
    figures: Figures,
}

/// True if nothing was wrong.
fn run(options: &Options) -> Result<bool> {
    let folder = TempDir::with_prefix("pondhawk-crash-").context("cannot make a folder")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seed = options.seed.unwrap_or(now.as_millis() as u64);
    eprintln!("seed {seed}, in {}", folder.path().display());
    let mut chance = Chance::new(seed);
    let state = folder.path().join("state");
    std::fs::create_dir(&state)?;
    let place = match options.trouble {
        Trouble::Full => Place::Small(Small::mount(&state)?),
        _ if options.fuse => Place::Forgetful(Forgetful::mount(&state)?),
        _ => Place::Folder,
    };
    let (world, cast) = cast::assemble(options, &mut chance);
    let broker = Broker::new(&program(options)?, folder.path(), &state);
    let figures = Figures::new(seed);
    let mut run = Run { options, world, broker, place, chance, figures };
    let began = Instant::now();
    if let Err(error) = run.play(cast) {
        run.world.ledger.fault(Kind::Broker, format!("{error:#}"));
    }
    run.figures.took = began.elapsed();
    let report = Report { figures: &run.figures, ledger: &run.world.ledger };
    if options.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    let is_good = report.is_good();
    if !is_good || options.keep {
        run.save_state(folder.path());
        eprintln!("store, log and configuration are in {}", folder.keep().display());
    }
    Ok(is_good)
}

impl Run<'_> {
    /// All lives, the end, and the judgement. An error is the broker's: it does not start, or has died by itself.
    fn play(&mut self, mut cast: Cast) -> Result<()> {
        let played = self.lives(&mut cast);
        // Whatever happened: nobody waits for another life.
        self.world.gate.set_stage(Stage::Over);
        cast.dismiss();
        played
    }

    fn lives(&mut self, cast: &mut Cast) -> Result<()> {
        for number in 1..=self.options.kills {
            let mut running = self.start(true)?;
            self.world.gate.open(running.port);
            if number == 1 {
                cast.enter_subscribers(&self.world)?;
                cast.enter_others(&self.world);
            }
            self.trouble(&mut running)?;
            self.kill(&mut running)?;
            self.figures.kills += 1;
            if number % 10 == 0 || number == self.options.kills {
                eprintln!("{}", self.progress());
            }
        }
        self.drain(cast)
    }

    fn progress(&self) -> String {
        format!(
            "{} kills, {} more while it started; {} acknowledged; {} faults so far",
            self.figures.kills,
            self.figures.kills_at_start,
            self.world.ledger.acked_total(),
            self.world.ledger.faults().total(),
        )
    }

    /// What a file system in memory has goes with us, so it is copied to where one can look at it.
    fn save_state(&self, folder: &Path) {
        if matches!(self.place, Place::Folder) {
            return;
        }
        let mut copy = std::process::Command::new("cp");
        if !copy
            .arg("-r")
            .arg(folder.join("state"))
            .arg(folder.join("state-saved"))
            .status()
            .is_ok_and(|s| s.success())
        {
            eprintln!("the store could not be copied");
        }
    }
}

/// The broker's program: what was asked for, or the one that was built beside this one.
fn program(options: &Options) -> Result<PathBuf> {
    let program = match &options.broker {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("pondhawk"),
    };
    if !program.is_file() {
        bail!("there is no {}: build it, or name a broker with --broker", program.display());
    }
    Ok(program)
}
