//! `pondhawk-mutants`: compiles all mutants of a crate into one build, each behind a switch that is read when a test
//! starts, and runs the tests for one after the other. What takes cargo-mutants a build for every mutant takes one build
//! in all. `cargo xtask mutants` starts it.
//!
//! It reads cargo-mutants' own list, so that the mutants are the same; what cannot stand beside the code as it is, such
//! as a constant, is left to cargo-mutants.

mod compile;
mod judge;
mod list;
mod sites;
mod suite;
mod tree;
mod weave;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::compile::Build;
use crate::judge::Verdict;
use crate::list::{Mutant, Number};
use crate::sites::Fate;
use crate::suite::Programs;
use crate::tree::Tree;

const USAGE: &str = "usage: pondhawk-mutants PACKAGE LIST.json OUTPUT_FOLDER WORK_FOLDER JOBS";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Run from the root of the workspace.
fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, list, output, work, jobs] = arguments.as_slice() else { bail!(USAGE) };
    let (work, jobs) = (std::path::absolute(work)?, jobs.parse().context(USAGE)?);
    let mutants = list::read(Path::new(list))?;

    let folder = format!("crates/{package}");
    fs::create_dir_all(work.join("tree"))?;
    let mut tree = Tree::copy(work.join("tree"))?;
    let mut fates = tree.find(&mutants)?;
    let build =
        Build { package: format!("pondhawk-{package}"), folder: folder.clone(), target: work.join("build") };
    let begun = Instant::now();
    let programs = Programs { paths: build.run(&mut tree, &mut fates)?, folder: tree.root().join(&folder) };
    let places = tree.places();
    eprintln!("{} mutants are in one build, after {:.0?}", places.len(), begun.elapsed());

    let begun = Instant::now();
    let tests = programs.measure(jobs, &work.join("places"))?;
    eprintln!("{} tests pass without a mutant, in {:.0?}", tests.len(), begun.elapsed());
    let begun = Instant::now();
    let verdicts = judge::all(&programs, &tests, &places, jobs)?;
    eprintln!("{} mutants are judged, in {:.0?}", verdicts.len(), begun.elapsed());
    report(&PathBuf::from(output), &mutants, &fates, &verdicts)
}

/// Writes the files that cargo-mutants writes, and some more.
fn report(
    folder: &Path,
    mutants: &[Mutant],
    fates: &BTreeMap<Number, Fate>,
    verdicts: &BTreeMap<Number, Verdict>,
) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut files: BTreeMap<&str, String> =
        ["caught", "timeout", "missed", "unreached", "unviable", "planted", "apart"]
            .map(|name| (name, String::new()))
            .into();
    for (number, mutant) in (1..).zip(mutants) {
        let names: &[&str] = match (verdicts.get(&number), fates.get(&number)) {
            (Some(Verdict::Caught), _) => &["caught"],
            (Some(Verdict::Timeout), _) => &["timeout"],
            (Some(Verdict::Missed), _) => &["missed"],
            (Some(Verdict::Unreached), _) => &["missed", "unreached"],
            (None, Some(Fate::Planted)) => &["planted"],
            (None, Some(Fate::Unviable)) => &["unviable"],
            (None, _) => &["apart"],
        };
        for name in names {
            let lines = files.get_mut(name).context("every file is in the table above")?;
            lines.push_str(&mutant.name);
            lines.push('\n');
        }
    }
    for (name, lines) in files {
        fs::write(folder.join(format!("{name}.txt")), lines)?;
    }
    Ok(())
}
