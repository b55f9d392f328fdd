//! `cargo xtask plants`: the power of the tests. Every bug in the table of `crates/plants` is planted in turn, and the
//! tests run, the cheap ones first, until one fails. A bug that none notices is an error.
//!
//! There is one build for all: the environment chooses the bug when a test program starts.

mod build;
mod hunt;
mod suite;

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process;
use build::Programs;
use hunt::Verdict;
use suite::Suite;

/// How long `--quick` looks for bugs, the build not counted.
const QUICK: Duration = Duration::from_secs(45);

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// As many as there is time for, another part of the table with every commit.
    quick: bool,
    /// The names of suites; none: all, but in a quick run those only that do not run the broker as a process.
    suites: Vec<String>,
    /// The names of bugs; none: all.
    names: Vec<String>,
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Plant {
    name: String,
    /// The crate that it is planted in.
    place: String,
    what: String,
    breaks: String,
}

/// What became of one bug.
struct Outcome<'a> {
    plant: &'a Plant,
    /// What noticed it.
    caught: Option<String>,
    took: Duration,
}

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    run_with(&parse(arguments)?).map(drop)
}

/// The step of `ci`.
pub fn run_quick() -> Result<String> {
    run_with(&Options { quick: true, ..Options::default() })
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.as_slice().first()) {
            ("--quick", _) => options.quick = true,
            ("--with", Some(list)) => {
                options.suites.extend(list.split(',').map(str::to_string));
                arguments.next();
            }
            (other, _) if other.starts_with('-') => {
                bail!("`{other}`: this task knows `--quick`, `--with SUITE[,SUITE]...` and names of bugs")
            }
            (name, _) => options.names.push(name.to_string()),
        }
    }
    Ok(options)
}

fn run_with(options: &Options) -> Result<String> {
    let table = table()?;
    let chosen = choose(&table, options)?;
    let suites = choose_suites(options)?;
    let programs = build::test_programs(&suites)?;
    println!("without a bug every test passes:");
    for suite in &suites {
        let start = Instant::now();
        match hunt::run(suite, &programs, None)? {
            Verdict::Passed => println!("  {:<18}{:>7.1} s", suite.name, start.elapsed().as_secs_f64()),
            Verdict::Failed(test) => bail!("{test} fails though no bug is planted"),
        }
    }
    println!();
    let start = Instant::now();
    let mut outcomes = Vec::new();
    for plant in chosen {
        if options.quick && start.elapsed() > QUICK {
            break;
        }
        let outcome = hunt_down(plant, (&suites, &programs))?;
        print!("{}", row(&outcome));
        outcomes.push(outcome);
    }
    summary(&outcomes)
}

/// The suites that were asked for, in the order in which they are tried.
fn choose_suites(options: &Options) -> Result<Vec<&'static Suite>> {
    let named = |suite: &&Suite| match options.suites.as_slice() {
        [] => !(options.quick && suite.black_box),
        names => names.iter().any(|name| name == suite.name),
    };
    if let Some(unknown) =
        options.suites.iter().find(|name| suite::ALL.iter().all(|suite| suite.name != **name))
    {
        let names: Vec<_> = suite::ALL.iter().map(|suite| suite.name).collect();
        bail!("there is no suite `{unknown}`: the suites are {}", names.join(", "));
    }
    Ok(suite::ALL.iter().filter(named).collect())
}

/// Runs the suites until one notices the bug.
fn hunt_down<'a>(plant: &'a Plant, (suites, programs): (&[&Suite], &Programs)) -> Result<Outcome<'a>> {
    let start = Instant::now();
    let mut caught = None;
    for suite in suites.iter().filter(|suite| suite.sees(&plant.place)) {
        if let Verdict::Failed(test) = hunt::run(suite, programs, Some(&plant.name))? {
            caught = Some(test);
            break;
        }
    }
    Ok(Outcome { plant, caught, took: start.elapsed() })
}

/// The bugs that `crates/plants` lists.
fn table() -> Result<Vec<Plant>> {
    let transcript =
        process::capture(&mut process::cargo(["run", "--quiet", "--package", "pondhawk-plants"]))?;
    if !transcript.success {
        bail!("pondhawk-plants does not list its bugs:\n{}", transcript.lines.join("\n"));
    }
    let plants: Option<Vec<Plant>> = transcript.lines.iter().map(|line| listed(line)).collect();
    plants.filter(|plants| !plants.is_empty()).context("pondhawk-plants lists its bugs in four columns")
}

fn listed(line: &str) -> Option<Plant> {
    let mut columns = line.split('\t').map(str::to_string);
    let plant = Plant {
        name: columns.next()?,
        place: columns.next()?,
        what: columns.next()?,
        breaks: columns.next()?,
    };
    columns.next().is_none().then_some(plant)
}

/// Those that were named; of all, a quick run begins at another one with every commit.
fn choose<'a>(table: &'a [Plant], options: &Options) -> Result<Vec<&'a Plant>> {
    for name in &options.names {
        if !table.iter().any(|plant| plant.name == *name) {
            bail!("there is no plant `{name}`: crates/plants/src/table.rs lists them");
        }
    }
    let wanted = |plant: &&Plant| options.names.is_empty() || options.names.contains(&plant.name);
    let mut chosen: Vec<&Plant> = table.iter().filter(wanted).collect();
    if options.quick {
        // A step that shares no factor with the table's length comes to all of them.
        let begin = commits()?.wrapping_mul(11) % chosen.len();
        chosen.rotate_left(begin);
    }
    Ok(chosen)
}

fn commits() -> Result<usize> {
    let transcript = process::capture(Command::new("git").args(["rev-list", "--count", "HEAD"]))?;
    let count = transcript.lines.first().and_then(|line| line.trim().parse().ok());
    count.context("git counts the commits")
}

fn row(outcome: &Outcome<'_>) -> String {
    let Plant { name, place, what, breaks } = outcome.plant;
    let caught = outcome.caught.as_deref().unwrap_or("NOT CAUGHT");
    let mut row = format!("{name:<30}{place:<9}{:>6.1} s  {caught}\n", outcome.took.as_secs_f64());
    if outcome.caught.is_none() {
        // Writing to a string cannot fail.
        let _ = writeln!(row, "{:<30}{what}; breaks {breaks}", "");
    }
    row
}

/// The line that closes the run; an error if a bug survived.
fn summary(outcomes: &[Outcome<'_>]) -> Result<String> {
    let survivors: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.caught.is_none())
        .map(|outcome| outcome.plant.name.as_str())
        .collect();
    let line = format!("{} of {} planted bugs caught", outcomes.len() - survivors.len(), outcomes.len());
    println!("\n{line}");
    if outcomes.is_empty() {
        bail!("no bug was planted");
    }
    if !survivors.is_empty() {
        bail!("{line}; survived: {}", survivors.join(", "));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plant(name: &str) -> Plant {
        Plant { name: name.into(), place: "codec".into(), what: "w".into(), breaks: "b".into() }
    }

    #[test]
    fn lines_have_four_columns() {
        assert_eq!(listed("A\tcodec\tw\tb"), Some(plant("A")));
        assert_eq!(listed("A\tcodec\tw"), None);
        assert_eq!(listed("A\tcodec\tw\tb\tmore"), None);
    }

    #[test]
    fn names_are_known() {
        let table = [plant("A"), plant("B")];
        let named = |name: &str| Options { names: vec![name.into()], ..Options::default() };
        assert_eq!(choose(&table, &named("B")).expect("known"), [&table[1]]);
        assert!(choose(&table, &named("C")).is_err());
        assert_eq!(choose(&table, &Options::default()).expect("all").len(), 2);
    }

    #[test]
    fn survivors_and_empty_runs_are_errors() {
        let plant = plant("A");
        let outcome = |caught: Option<&str>| Outcome {
            plant: &plant,
            caught: caught.map(str::to_string),
            took: Duration::ZERO,
        };
        assert_eq!(summary(&[outcome(Some("t"))]).expect("caught"), "1 of 1 planted bugs caught");
        assert!(summary(&[outcome(Some("t")), outcome(None)]).is_err());
        assert!(summary(&[]).is_err());
        assert!(row(&outcome(None)).contains("NOT CAUGHT"));
    }

    #[test]
    fn arguments() {
        let parse = |line: &str| parse(&line.split(' ').map(str::to_string).collect::<Vec<_>>());
        let options = parse("--quick --with shards,core A").expect("legal");
        assert_eq!(options.names, ["A"]);
        let names: Vec<_> = choose_suites(&options).expect("known").iter().map(|suite| suite.name).collect();
        assert_eq!(names, ["core", "shards"], "in the order of their cost");
        assert!(choose_suites(&parse("--with none A").expect("legal")).is_err());
        let quick = choose_suites(&parse("--quick").expect("legal")).expect("known");
        assert!(quick.iter().all(|suite| !suite.black_box) && quick.len() > 5);
        assert!(parse("--slow").is_err());
    }
}
