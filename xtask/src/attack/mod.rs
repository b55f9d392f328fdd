//! `cargo xtask attack`: plays the attack catalogue against the running broker and prints what came of each case.
//!
//! The cases are the tests of `crates/cli/tests/attacks`; `catalogue.toml` beside them says what each is, and why one
//! is not there. A case counts as withstood if all its tests pass, and they pass only if the vital signs V1–V8 hold
//! around them. Every test is a process of its own with a time limit; the tests write their vital signs to a file
//! that this task names.

mod catalogue;
mod play;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::process;
pub use catalogue::NIGHTLY;
use catalogue::{Catalogue, Selection};
use play::{Outcome, Player};
use table::Row;

/// The broker that `--compare` plays against.
const OTHER: &str = "mosquitto";

/// What to play.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    selection: Selection,
    compare: bool,
    release: bool,
    json: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--all" => options.selection.all = true,
                "--compare" => options.compare = true,
                "--release" => options.release = true,
                "--json" => options.json = true,
                id if catalogue::is_number(&id.to_uppercase()) => {
                    options.selection.numbers.push(id.to_uppercase());
                }
                other => bail!(
                    "`{other}`: this task takes numbers of cases such as A01, `--all`, `--compare`, `--release` and `--json`"
                ),
            }
        }
        Ok(options)
    }
}

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let catalogue = Catalogue::load()?;
    options.selection.check(&catalogue)?;
    let player = Player::build(options.release)?;
    let tests = options.selection.choose(&catalogue, &player.tests()?);
    if tests.is_empty() {
        bail!("no test plays that: {}", absences(&catalogue, &options.selection));
    }
    let ours = player.play_all(&tests, None)?;
    let other = options.compare.then(other_broker).transpose()?;
    let theirs = other.map(|program| player.play_all(&tests, Some(program))).transpose()?;
    let rows = table::rows(&catalogue, &options.selection, &ours, theirs.as_deref());
    print!("{}", if options.json { table::json(&rows) } else { table::text(&rows, theirs.is_some()) });
    verdict(&ours, &rows)
}

fn other_broker() -> Result<PathBuf> {
    match process::find_program(OTHER) {
        Some(program) => Ok(program),
        None => bail!("`{OTHER}` is not installed: nothing to compare with"),
    }
}

fn absences(catalogue: &Catalogue, selection: &Selection) -> String {
    let numbers = selection.numbers.iter();
    numbers
        .filter_map(|number| Some(format!("{number}: {}", catalogue.absent(number)?)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// One failed test is a failure of the run, also one that belongs to no case.
fn verdict(ours: &[Outcome], rows: &[Row]) -> Result<()> {
    let failed: Vec<&str> = ours.iter().filter(|one| !one.passed).map(|one| one.test.as_str()).collect();
    let played = rows.iter().filter(|row| row.played()).count();
    if failed.is_empty() {
        eprintln!("{played} cases withstood by {} tests", ours.len());
        return Ok(());
    }
    bail!("{} of {} tests failed: {}", failed.len(), ours.len(), failed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_and_options_are_told_apart() {
        let options = parse(&["a01", "--all", "F19", "--json"]).expect("well formed");
        assert_eq!(options.selection.numbers, ["A01", "F19"]);
        assert!(options.selection.all && options.json && !options.compare);
        assert!(parse(&["A1"]).is_err());
        assert!(parse(&["--al"]).is_err());
    }

    #[test]
    fn one_failed_test_fails_the_run() {
        let good = Outcome { test: "framing::a01_x".into(), passed: true, ..Outcome::default() };
        let bad = Outcome { passed: false, ..good.clone() };
        assert!(verdict(std::slice::from_ref(&good), &[]).is_ok());
        let error = verdict(&[good, bad], &[]).expect_err("one failed");
        assert!(error.to_string().contains("1 of 2"), "{error}");
    }
}
