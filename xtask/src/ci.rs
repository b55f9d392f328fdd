//! `cargo xtask ci`: everything that a change must pass. Every step runs, also after one has failed, so that one
//! run shows all there is to mend; a table at the end says what each step took and found.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{bench, crash, deny, docs, fuzz, plants, process, sim, spec, test, tidy};

/// How a run was asked for.
struct Options {
    offline: bool,
    only: Option<Vec<String>>,
}

/// A step's name and what it does; the text it returns goes into the table.
type Step = (&'static str, fn(&Options) -> Result<String>);

/// The steps in the order of how soon they tell something.
const STEPS: &[Step] = &[
    ("fmt", |_| quiet(fmt())),
    ("tidy", |_| tidy::check()),
    ("spec", |_| spec::check()),
    ("clippy", |_| quiet(clippy())),
    ("doc", |_| quiet(doc())),
    ("docs", |_| docs::check()),
    ("deny", |_| deny::check().map(str::to_string)),
    ("test", |options| {
        let options = test::Options { offline: options.offline, ..test::Options::default() };
        test::run_with(&options).map(|counts| counts.to_string())
    }),
    ("fuzz", |_| fuzz::run_with(&fuzz::Options { seconds: fuzz::SECONDS, targets: Vec::new() })),
    ("sim", |_| sim::run_short()),
    ("plants", |_| plants::run_quick()),
    ("crash", |_| crash::run_short()),
    ("bench", |options| bench::run_quick(options.offline)),
];

struct Outcome {
    name: &'static str,
    took: Duration,
    result: Result<String>,
}

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| only.iter().any(|one| one == name));
    let mut outcomes = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| wanted(name)) {
        println!("\n=== {name}");
        let start = Instant::now();
        let result = step(&options);
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        outcomes.push(Outcome { name, took: start.elapsed(), result });
    }
    print!("\n{}", summary(&outcomes));
    match outcomes.iter().filter(|outcome| outcome.result.is_err()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} steps failed", outcomes.len()),
    }
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { offline: false, only: None };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.as_slice().first()) {
            ("--offline", _) => options.offline = true,
            ("--only", Some(list)) => {
                options.only = Some(list.split(',').map(known_step).collect::<Result<_>>()?);
                arguments.next();
            }
            (other, _) => bail!("`{other}`: this task knows `--offline` and `--only STEP[,STEP]...`"),
        }
    }
    Ok(options)
}

fn known_step(name: &str) -> Result<String> {
    if STEPS.iter().any(|(step, _)| *step == name) {
        return Ok(name.to_string());
    }
    let names: Vec<_> = STEPS.iter().map(|(step, _)| *step).collect();
    bail!("there is no step `{name}`: the steps are {}", names.join(", "))
}

fn summary(outcomes: &[Outcome]) -> String {
    let mut table = String::new();
    for outcome in outcomes {
        let (verdict, note) = match &outcome.result {
            Ok(note) => ("ok", note.clone()),
            Err(error) => ("FAILED", error.to_string()),
        };
        let note = note.lines().next().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ =
            writeln!(table, "{:<8}{verdict:<8}{:>7.1} s  {note}", outcome.name, outcome.took.as_secs_f64());
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    let _ = writeln!(table, "{:<16}{:>7.1} s", "total", total.as_secs_f64());
    table
}

fn quiet(result: Result<()>) -> Result<String> {
    result.map(|()| String::new())
}

fn fmt() -> Result<()> {
    process::run(&mut process::cargo(["fmt", "--all", "--check"]))?;
    process::run(&mut process::cargo(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

fn clippy() -> Result<()> {
    let mut command = process::cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--"]);
    process::run(command.args(["-D", "warnings"]))
}

fn doc() -> Result<()> {
    let mut command = process::cargo(["doc", "--workspace", "--no-deps", "--quiet"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_chosen_by_name_and_typos_are_refused() {
        let options = parse(&["--only".into(), "fmt,tidy".into(), "--offline".into()]).expect("known");
        assert_eq!(options.only, Some(vec!["fmt".to_string(), "tidy".to_string()]));
        assert!(options.offline);
        assert!(parse(&["--only".into(), "tydy".into()]).is_err());
        assert!(parse(&["--only".into()]).is_err());
    }

    #[test]
    fn the_summary_has_a_line_for_each_step() {
        let outcomes = [
            Outcome { name: "fmt", took: Duration::from_millis(1500), result: Ok(String::new()) },
            Outcome {
                name: "test",
                took: Duration::from_secs(60),
                result: Err(anyhow::anyhow!("tests failed")),
            },
        ];
        let table = summary(&outcomes);
        assert!(table.contains("fmt     ok          1.5 s"), "{table}");
        assert!(table.contains("test    FAILED     60.0 s  tests failed"), "{table}");
        assert!(table.contains("total              61.5 s"), "{table}");
    }
}
