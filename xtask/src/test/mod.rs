//! `cargo xtask test`: prepares the machine, runs every test, and closes with a line of counts. Zero tests are a
//! failure: a filter or a build setting that leaves all of them out must not look like success.

mod count;

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Result, bail};

pub use count::Counts;

use crate::provision::tool;
use crate::{attack, environment, process, provision};

/// What to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Install nothing and leave out the tests that need programs which are not ours.
    pub offline: bool,
    /// Passed to the test runner as they are.
    pub extra: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--offline" => options.offline = true,
                "--" => options.extra = arguments.by_ref().cloned().collect(),
                other => {
                    bail!("`{other}` is no option of this task: arguments of the test runner come after `--`")
                }
            }
        }
        Ok(options)
    }
}

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    run_with(&Options::parse(arguments)?).map(drop)
}

/// Runs all tests and returns how many passed; a failed test or none at all is an error.
pub fn run_with(options: &Options) -> Result<Counts> {
    let variables = if options.offline {
        println!("offline: tests named `{}*` are left out", environment::FOREIGN_TEST);
        vec![(environment::E2E, OsString::from("0"))]
    } else {
        provision::end_to_end()?
    };
    let (mut counts, mut success) = run_tests(options, &variables)?;
    if options.extra.is_empty() {
        let mut command = process::cargo(["test", "--workspace", "--doc"]);
        println!("documentation tests");
        // One heading for each crate says little: it is shown when something failed.
        let transcript = process::capture(command.envs(variables.iter().cloned()))?;
        if !transcript.success {
            eprintln!("{}", transcript.lines.join("\n"));
        }
        counts += Counts::of_libtest(&transcript.lines);
        success &= transcript.success;
    }
    println!("\ntests: {counts}");
    verdict(counts, success)
}

fn verdict(counts: Counts, success: bool) -> Result<Counts> {
    if !success || counts.failed > 0 {
        bail!("tests failed ({counts})");
    }
    if counts.passed == 0 {
        bail!("no test ran: check the filter");
    }
    Ok(counts)
}

/// The tests that are programs, by cargo-nextest where it is or can be installed.
fn run_tests(options: &Options, variables: &[(&str, OsString)]) -> Result<(Counts, bool)> {
    let mut left_out = Vec::new();
    if options.offline {
        left_out.push(environment::FOREIGN_TEST);
    }
    let mut command = match nextest(options.offline) {
        Some(mut command) => {
            command.args(["run", "--no-fail-fast", "--color", "never"]);
            command
        }
        None => {
            // `.config/nextest.toml` says that to the other runner.
            left_out.push(attack::NIGHTLY);
            process::cargo(["test", "--all-targets", "--no-fail-fast"])
        }
    };
    command.args(selection(&options.extra, &left_out));
    let transcript = process::tee(command.envs(variables.iter().cloned()))?;
    Ok((Counts::of(&transcript.lines), transcript.success))
}

fn nextest(offline: bool) -> Option<Command> {
    let found = if offline { tool::find(&tool::NEXTEST) } else { tool::ensure(&tool::NEXTEST).ok() };
    if found.is_none() {
        println!("cargo-nextest is not there: `cargo test` runs the tests, one program after the other");
    }
    let mut command = Command::new(found?);
    // As cargo starts its subcommands: the subcommand's own name is the first argument.
    command.arg("nextest");
    Some(command)
}

/// What both runners take: packages and names of tests, then, behind `--`, what to leave out.
fn selection(extra: &[String], left_out: &[&str]) -> Vec<String> {
    let mut arguments = extra.to_vec();
    let named = |argument: &String| argument.starts_with("-p") || argument.starts_with("--package");
    if !arguments.iter().any(named) {
        arguments.insert(0, "--workspace".to_string());
    }
    if !left_out.is_empty() && !arguments.iter().any(|argument| argument == "--") {
        arguments.push("--".to_string());
    }
    arguments.extend(left_out.iter().flat_map(|name| ["--skip".to_string(), (*name).to_string()]));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        Options::parse(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_end_at_the_double_dash() {
        let options = parse(&["--offline", "--", "-p", "--offline"]).expect("well formed");
        assert_eq!(options, Options { offline: true, extra: vec!["-p".into(), "--offline".into()] });
        let error = parse(&["-p"]).expect_err("belongs behind --");
        assert!(error.to_string().contains("after `--`"), "{error}");
    }

    #[test]
    fn no_tests_and_failed_tests_are_failures() {
        let some = Counts { passed: 3, failed: 0, skipped: 1 };
        assert_eq!(verdict(some, true).expect("passed"), some);
        assert!(verdict(some, false).is_err());
        assert!(verdict(Counts { failed: 1, ..some }, true).is_err());
        assert!(verdict(Counts { passed: 0, ..some }, true).is_err());
    }

    #[test]
    fn tests_are_left_out_whatever_else_is_asked_for() {
        let select = |left_out: &[&str], extra: &[&str]| {
            selection(&extra.iter().map(ToString::to_string).collect::<Vec<_>>(), left_out).join(" ")
        };
        assert_eq!(select(&[], &[]), "--workspace");
        assert_eq!(select(&[], &["-p", "xtask"]), "-p xtask");
        assert_eq!(select(&["foreign_"], &["wire"]), "--workspace wire -- --skip foreign_");
        assert_eq!(select(&["a", "b"], &["--", "--exact"]), "--workspace -- --exact --skip a --skip b");
    }
}
