//! Counts tests in what the test runners print at the end of a run.

use std::fmt;
use std::ops::AddAssign;

/// How many tests had which result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ran and passed.
    pub passed: u32,
    /// Ran and failed, or were ended because they hung.
    pub failed: u32,
    /// Were left out by a filter.
    pub skipped: u32,
}

impl Counts {
    /// Counts of a run of cargo-nextest or, where it has no such line, of `cargo test`.
    pub fn of(lines: &[String]) -> Self {
        Self::of_nextest(lines).unwrap_or_else(|| Self::of_libtest(lines))
    }

    /// Reads nextest's `Summary [  1.2s] 10 tests run: 9 passed (1 slow), 1 failed, 2 skipped`.
    fn of_nextest(lines: &[String]) -> Option<Self> {
        let summary = lines.iter().rev().find(|line| line.trim_start().starts_with("Summary ["))?;
        let (_, results) = summary.split_once(" run: ")?;
        let mut counts = Self::default();
        for (number, result) in results.split(", ").filter_map(number_and_word) {
            match result {
                "passed" => counts.passed += number,
                "failed" | "timed" | "exec" => counts.failed += number,
                "skipped" => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }

    /// Adds up the `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out` lines of
    /// `cargo test`, one for each test program.
    pub fn of_libtest(lines: &[String]) -> Self {
        let mut counts = Self::default();
        for line in lines {
            let Some((_, results)) =
                line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
            else {
                continue;
            };
            for (number, result) in results.split("; ").filter_map(number_and_word) {
                match result {
                    "passed" => counts.passed += number,
                    "failed" => counts.failed += number,
                    "ignored" | "filtered" => counts.skipped += number,
                    _ => {}
                }
            }
        }
        counts
    }
}

fn number_and_word(text: &str) -> Option<(u32, &str)> {
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?))
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed, {} left out", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Counts {
        Counts::of(&text.lines().map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn nextest_summaries_are_read() {
        let counts = count(
            "PASS x\n     Summary [   0.011s] 12 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 4 skipped\n",
        );
        assert_eq!(counts, Counts { passed: 9, failed: 3, skipped: 4 });
    }

    #[test]
    fn a_nextest_run_that_was_cut_short_is_read() {
        let counts = count("  Summary [   0.5s] 3/8 tests run: 2 passed, 1 failed, 0 skipped");
        assert_eq!(counts, Counts { passed: 2, failed: 1, skipped: 0 });
    }

    #[test]
    fn libtest_results_add_up() {
        let counts = count(
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n\
             test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        assert_eq!(counts, Counts { passed: 6, failed: 3, skipped: 3 });
    }

    #[test]
    fn output_without_a_summary_counts_nothing() {
        assert_eq!(count("error: could not compile"), Counts::default());
    }
}
