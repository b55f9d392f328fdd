//! All mutants of a crate in one build: `pondhawk-mutants` compiles each behind a switch, and runs the tests for one
//! after the other. It takes cargo-mutants' list; what it cannot weave in is left to cargo-mutants.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Options, PROPTEST_CASES, Tally, Tools, lines, one_by_one, selection};
use crate::{process, workspace};

/// Measures a package; files of the run are in `folder`.
pub fn measure(tools: &Tools, package: &str, folder: &Path, options: &Options) -> Result<Tally> {
    let list = folder.join("list.json");
    let mut command = std::process::Command::new(&tools.mutants);
    command.args(["mutants", "--list", "--json"]).args(selection(package, options));
    let output = command.output().context("cargo-mutants runs")?;
    fs::write(&list, output.stdout)?;

    let found = folder.join("at-once");
    process::run(&mut process::cargo(["build", "--quiet", "--package", "pondhawk-mutants"]))?;
    let mut command = std::process::Command::new(workspace::target_dir().join("debug/pondhawk-mutants"));
    command.arg(package).args([&list, &found, &workspace::target_dir().join("mutants/work")]);
    command.arg(options.jobs.as_deref().unwrap_or("2")).env("PROPTEST_CASES", PROPTEST_CASES);
    process::run(&mut command)?;

    let mut tally = Tally::read(&found)?;
    let apart = lines(&found.join("apart.txt"))?;
    if !apart.is_empty() {
        println!("{package}: {} mutants cannot stand in one build: cargo-mutants runs them", apart.len());
        tally.add(left(tools, package, folder, &apart)?);
    }
    let unreached = lines(&found.join("unreached.txt"))?.len();
    println!("{package}: {unreached} of those that survive stand where no test comes");
    Ok(tally)
}

/// The mutants of this list, by cargo-mutants.
fn left(tools: &Tools, package: &str, folder: &Path, apart: &[String]) -> Result<Tally> {
    let mut arguments = Vec::new();
    for name in apart {
        arguments.extend(["--re".to_string(), format!("^{}$", literally(name))]);
        if let Some((file, _)) = name.split_once(':') {
            arguments.extend(["--file".to_string(), file.to_string()]);
        }
    }
    let folder = folder.join("apart");
    fs::create_dir_all(&folder)?;
    let mut tally = one_by_one(tools, &folder, &selection(package, &Options::default()), &arguments)?;
    // Deleted fields are run whatever is asked for.
    tally.retain(|name| apart.iter().any(|left| left == name));
    Ok(tally)
}

/// A regular expression that means this text.
fn literally(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() && !"<>_".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_expressions_that_mean_them() {
        assert_eq!(literally("a.rs:1:2: f<T> -> x_y"), r"a\.rs\:1\:2\: f<T> \-> x_y");
        assert_eq!(literally("replace || with && in f"), r"replace \|\| with \&\& in f");
    }
}
