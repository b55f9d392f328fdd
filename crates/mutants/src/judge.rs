//! Runs, for each mutant, the tests that pass its place, until one fails.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::list::Number;
use crate::suite::{Choice, Ended, Programs, Test, in_parallel};

/// Tests that are quicker run together; others one by one, since most mutants are caught before it is their turn.
const QUICK: Duration = Duration::from_millis(60);
/// How many times longer than without a mutant tests may take, and what they get in addition.
const TIMES_LONGER: u32 = 5;
const GRACE: Duration = Duration::from_secs(5);

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Caught,
    Timeout,
    Missed,
    /// No test comes where it is.
    Unreached,
}

/// Tests of one program that are run in one process.
#[derive(Debug, PartialEq, Eq)]
struct Batch<'t> {
    program: usize,
    tests: Vec<&'t String>,
    limit: Duration,
}

/// Judges all mutants, which stand at these places.
pub fn all(
    programs: &Programs,
    tests: &[Test],
    places: &BTreeMap<Number, u32>,
    jobs: usize,
) -> Result<BTreeMap<Number, Verdict>> {
    let mutants: Vec<(Number, u32)> = places.iter().map(|(number, place)| (*number, *place)).collect();
    let verdicts = in_parallel(jobs, &mutants, |index, (number, place)| {
        if index % 100 == 0 {
            eprintln!("mutant {index} of {}", mutants.len());
        }
        one(programs, tests, (*number, *place))
    })?;
    Ok(mutants.into_iter().map(|(number, _)| number).zip(verdicts).collect())
}

fn one(programs: &Programs, tests: &[Test], (number, place): (Number, u32)) -> Result<Verdict> {
    let batches = batches(tests.iter().filter(|test| test.places.contains(&place)));
    if batches.is_empty() {
        return Ok(Verdict::Unreached);
    }
    for batch in batches {
        match programs.run(batch.program, &batch.tests, Choice::Mutant(number), batch.limit)? {
            Ended::Passed => {}
            Ended::Failed => return Ok(Verdict::Caught),
            Ended::TooSlow => return Ok(Verdict::Timeout),
        }
    }
    Ok(Verdict::Missed)
}

/// The tests in the order in which they are run: the quickest first.
fn batches<'t>(tests: impl Iterator<Item = &'t Test>) -> Vec<Batch<'t>> {
    let mut tests: Vec<&Test> = tests.collect();
    tests.sort_by_key(|test| {
        (test.time > QUICK, if test.time > QUICK { test.time } else { Duration::ZERO }, test.program)
    });
    let mut batches: Vec<Batch> = Vec::new();
    for test in tests {
        let more = test.time * TIMES_LONGER;
        match batches.last_mut() {
            Some(last) if last.program == test.program && test.time <= QUICK => {
                last.tests.push(&test.name);
                last.limit += more;
            }
            _ => batches.push(Batch { program: test.program, tests: vec![&test.name], limit: GRACE + more }),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_tests_are_run_together_and_first() {
        let test = |program, name: &str, time| Test {
            program,
            name: name.to_string(),
            time: Duration::from_millis(time),
            places: [1].into(),
        };
        let tests = [
            test(1, "slow", 900),
            test(1, "c", 2),
            test(0, "a", 1),
            test(0, "slower", 2000),
            test(1, "b", 9),
        ];
        let found = batches(tests.iter());
        let names: Vec<Vec<&str>> =
            found.iter().map(|batch| batch.tests.iter().map(|name| name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["a"], vec!["c", "b"], vec!["slow"], vec!["slower"]]);
        assert_eq!(found[1].limit, GRACE + Duration::from_millis(55));
    }
}
