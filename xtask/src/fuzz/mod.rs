//! `cargo xtask fuzz`: builds the targets in `fuzz/fuzz_targets` and runs each for a while, as many at a time as there
//! are processors.
//!
//! [`build`] compiles, [`seeds`] and [`dictionary`] say what a target begins with, [`target`] runs one. What a run finds
//! is kept below `target/fuzz`, and a crash is printed.

mod build;
mod dictionary;
mod seeds;
mod target;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::provision;
use target::Outcome;

/// What to run.
pub struct Options {
    /// Seconds for each target.
    pub seconds: u32,
    /// Names of targets; none means all.
    pub targets: Vec<String>,
}

/// Seconds for each target unless it is said otherwise.
pub const SECONDS: u32 = 60;

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
    println!("{}", run_with(&options)?);
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options { seconds: SECONDS, targets: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let value = arguments.next().context("`--seconds` needs a number")?;
            options.seconds = value.parse().with_context(|| format!("`{value}` is no number of seconds"))?;
        } else if argument.starts_with('-') {
            bail!("`{argument}`: this task knows `--seconds N` and names of targets");
        } else {
            options.targets.push(argument.clone());
        }
    }
    Ok(options)
}

/// Builds and runs the targets; returns a line for the summary.
pub fn run_with(options: &Options) -> Result<String> {
    let known = targets(Path::new("fuzz/fuzz_targets"))?;
    let chosen = choose(&known, &options.targets)?;
    provision::cxx_compiler()?;
    let programs = build::build()?;
    seeds::prepare(&chosen)?;
    let outcomes = side_by_side(&chosen, |target| {
        let outcome = target::run(&programs, target, options.seconds);
        if let Ok(outcome) = &outcome {
            println!("{outcome}");
        }
        outcome
    })?;
    let crashed: Vec<&str> =
        outcomes.iter().filter(|outcome| outcome.crash.is_some()).map(|outcome| &*outcome.target).collect();
    if crashed.is_empty() {
        let inputs: u64 = outcomes.iter().map(|outcome| outcome.inputs).sum();
        return Ok(format!("{} targets, {} s each, {inputs} inputs", chosen.len(), options.seconds));
    }
    bail!("crashed: {}", crashed.join(", "))
}

/// Runs `one` for each target, one thread a processor.
fn side_by_side(chosen: &[String], one: impl Fn(&str) -> Result<Outcome> + Sync) -> Result<Vec<Outcome>> {
    let next = Mutex::new(chosen.iter());
    let done = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, usize::from).min(chosen.len());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let target = next.lock().expect("no worker panics while it looks").next();
                    let Some(target) = target else { return };
                    let outcome = one(target);
                    done.lock().expect("no worker panics while it writes").push(outcome);
                }
            });
        }
    });
    done.into_inner().expect("all workers are done").into_iter().collect()
}

/// The names of the targets: one file each.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn choose(known: &[String], wanted: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        bail!("there is no fuzz target `{unknown}`: the targets are {}", known.join(", "));
    }
    Ok(if wanted.is_empty() { known.to_vec() } else { wanted.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = parse(&["decode".into(), "--seconds".into(), "7".into()]).expect("well formed");
        assert_eq!((options.seconds, options.targets), (7, vec!["decode".to_string()]));
        assert!(parse(&["--seconds".into()]).is_err());
        assert!(parse(&["--runs".into()]).is_err());
    }

    #[test]
    fn unknown_targets_are_refused_and_none_means_all() {
        let known = ["acl".to_string(), "decode".to_string()];
        assert_eq!(choose(&known, &[]).expect("all"), known);
        let error = choose(&known, &["decoder".into()]).expect_err("unknown");
        assert!(error.to_string().contains("acl, decode"), "{error}");
    }

    #[test]
    fn every_target_is_run_once() {
        let chosen: Vec<String> = (0..9).map(|n| format!("t{n}")).collect();
        let run = |target: &str| Ok(Outcome { target: target.into(), inputs: 1, crash: None });
        let mut names: Vec<String> =
            side_by_side(&chosen, run).expect("all ran").into_iter().map(|outcome| outcome.target).collect();
        names.sort();
        assert_eq!(names, chosen);
    }

    #[test]
    fn a_target_that_cannot_be_run_is_an_error() {
        let run = |target: &str| bail!("no {target}");
        assert!(side_by_side(&["decode".to_string()], run).is_err());
    }
}
