//! `cargo xtask mutants`: changes the code in small ways and looks whether a test notices.
//!
//! cargo-mutants lists the changes, by `.cargo/mutants.toml`; each crate is judged by its own tests. They are compiled
//! into one build ([`at_once`]), or one by one by cargo-mutants itself. Survivors that are known are listed in
//! `docs/mutants.md` with a reason each, without line numbers so that the list lasts.

mod at_once;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{process, provision, workspace};

/// The crates whose tests are measured.
const PACKAGES: [&str; 3] = ["codec", "session", "broker"];
/// The share of mutants, in percent, that tests must catch.
const CAUGHT_MIN: usize = 90;
/// Random cases of each property: the tests run for every mutant.
const PROPTEST_CASES: &str = "32";
const PAGE: &str = "docs/mutants.md";

/// What to measure.
#[derive(Debug, Default)]
struct Options {
    packages: Vec<String>,
    /// `K/N`: every N-th mutant, from the K-th on.
    shard: Option<String>,
    jobs: Option<String>,
    /// Only mutants of files that match.
    files: Vec<String>,
    /// A build for every mutant.
    one_by_one: bool,
}

/// The programs that do the work.
struct Tools {
    mutants: PathBuf,
    nextest: PathBuf,
}

/// What became of the mutants of one crate.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    caught: Vec<String>,
    timeout: Vec<String>,
    unviable: Vec<String>,
    missed: Vec<String>,
}

impl Tally {
    /// What cargo-mutants wrote, or `pondhawk-mutants` in the same form.
    fn read(folder: &Path) -> Result<Tally> {
        let lines = |name: &str| lines(&folder.join(name));
        Ok(Tally {
            caught: lines("caught.txt")?,
            timeout: lines("timeout.txt")?,
            unviable: lines("unviable.txt")?,
            missed: lines("missed.txt")?,
        })
    }

    fn share(&self) -> usize {
        let caught = self.caught.len() + self.timeout.len();
        match caught + self.missed.len() {
            0 => 100,
            all => caught * 100 / all,
        }
    }

    fn lists(&mut self) -> [&mut Vec<String>; 4] {
        [&mut self.caught, &mut self.timeout, &mut self.unviable, &mut self.missed]
    }

    fn add(&mut self, mut other: Tally) {
        for (own, more) in self.lists().into_iter().zip(other.lists()) {
            own.append(more);
        }
    }

    fn retain(&mut self, wanted: impl Fn(&String) -> bool) {
        self.lists().into_iter().for_each(|list| list.retain(&wanted));
    }
}

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
    // A bar is escaped in a table.
    let known = fs::read_to_string(PAGE).with_context(|| format!("cannot read {PAGE}"))?.replace("\\|", "|");
    let tools = Tools {
        mutants: provision::tool::ensure(&provision::tool::MUTANTS)?,
        nextest: provision::tool::ensure(&provision::tool::NEXTEST)?,
    };
    let mut weak = Vec::new();
    for package in &options.packages {
        let folder = workspace::target_dir().join("mutants").join(package);
        fs::create_dir_all(&folder)?;
        let tally = match options.one_by_one {
            true => one_by_one(&tools, &folder, &selection(package, &options), &jobs(&options))?,
            false => at_once::measure(&tools, package, &folder, &options)?,
        };
        report(package, &tally, &known);
        if tally.share() < CAUGHT_MIN {
            weak.push(package.as_str());
        }
    }
    if !weak.is_empty() {
        bail!("less than {CAUGHT_MIN} % of the mutants are caught in: {}", weak.join(", "));
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().cloned().with_context(|| format!("`{argument}` needs a value"));
        match argument.as_str() {
            "--package" => options.packages.push(known_package(&value()?)?),
            "--shard" => options.shard = Some(value()?),
            "--jobs" => options.jobs = Some(value()?),
            "--file" => options.files.push(value()?),
            "--one-by-one" => options.one_by_one = true,
            other => bail!(
                "`{other}`: this task knows `--package P`, `--file GLOB`, `--shard K/N`, `--jobs N`, `--one-by-one`"
            ),
        }
    }
    if options.packages.is_empty() {
        options.packages = PACKAGES.map(String::from).to_vec();
    }
    Ok(options)
}

fn known_package(name: &str) -> Result<String> {
    match PACKAGES.contains(&name) {
        true => Ok(name.to_string()),
        false => bail!("`{name}`: the packages are {}", PACKAGES.join(", ")),
    }
}

/// Which mutants, for cargo-mutants.
fn selection(package: &str, options: &Options) -> Vec<String> {
    let mut arguments = vec!["--package".to_string(), format!("pondhawk-{package}")];
    if let Some(shard) = &options.shard {
        arguments.extend(["--sharding", "round-robin", "--shard", shard].map(String::from));
    }
    for file in &options.files {
        arguments.extend(["--file".to_string(), file.clone()]);
    }
    arguments
}

fn jobs(options: &Options) -> Vec<String> {
    vec!["--jobs".to_string(), options.jobs.clone().unwrap_or_else(|| "1".to_string())]
}

fn one_by_one(tools: &Tools, folder: &Path, selection: &[String], more: &[String]) -> Result<Tally> {
    let mut command = std::process::Command::new(&tools.mutants);
    command.args(["mutants", "--no-shuffle"]).args(selection).args(more).arg("--output").arg(folder);
    command.env("PATH", path_with(&tools.nextest)?).env("PROPTEST_CASES", PROPTEST_CASES);
    // Each mutant is built in a copy of the tree, which has a build directory of its own.
    command.env_remove("CARGO_TARGET_DIR");
    // Zero: all caught; two: some survived; three: some took too long. Everything else is no measurement.
    match process::code(&mut command)? {
        Some(0 | 2 | 3) => Tally::read(&folder.join("mutants.out")),
        code => bail!("cargo-mutants ended with {code:?}"),
    }
}

/// The search path, with the test runner's folder in front.
fn path_with(program: &Path) -> Result<OsString> {
    let folder = program.parent().map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(folder.into_iter().chain(std::env::split_paths(&path)))?)
}

fn lines(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().map(str::to_string).collect())
}

fn report(package: &str, tally: &Tally, known: &str) {
    println!(
        "{package}: {} caught, {} too slow to end, {} survived, {} do not compile: {} % caught",
        tally.caught.len(),
        tally.timeout.len(),
        tally.missed.len(),
        tally.unviable.len(),
        tally.share(),
    );
    for survivor in tally.missed.iter().filter(|survivor| !known.contains(&without_place(survivor))) {
        println!("  not in {PAGE}: {survivor}");
    }
}

/// `crates/x/src/a.rs:12:9: replace …` without line and column.
fn without_place(survivor: &str) -> String {
    match survivor.splitn(4, ':').collect::<Vec<_>>()[..] {
        [file, _line, _column, change] => format!("{file}:{change}"),
        _ => survivor.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let words = ["--package", "codec", "--shard", "0/4", "--file", "a.rs"].map(String::from);
        let options = parse(&words).expect("well formed");
        assert_eq!((options.packages, options.shard), (vec!["codec".to_string()], Some("0/4".to_string())));
        assert_eq!(parse(&[]).expect("all").packages, PACKAGES);
        assert!(parse(&["--package".into(), "net".into()]).is_err());
        assert!(parse(&["--shard".into()]).is_err());
        assert!(parse(&["codec".into()]).is_err());
    }

    #[test]
    fn the_share_counts_what_compiles() {
        let some = |count| vec![String::new(); count];
        let tally = Tally { caught: some(8), timeout: some(1), unviable: some(5), missed: some(1) };
        assert_eq!(tally.share(), 90);
        assert_eq!(Tally::default().share(), 100);
    }

    #[test]
    fn survivors_are_known_without_their_line() {
        let survivor = "crates/codec/src/write.rs:18:16: replace > with >= in frame";
        assert_eq!(without_place(survivor), "crates/codec/src/write.rs: replace > with >= in frame");
        let path = "crates/a.rs:1:2: replace <impl a::B for C>::f -> u8 with 0";
        assert_eq!(without_place(path), "crates/a.rs: replace <impl a::B for C>::f -> u8 with 0");
    }

    #[test]
    fn results_are_counted() {
        let folder = std::env::temp_dir().join(format!("pondhawk-mutants-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in
            [("caught.txt", "a\nb\n"), ("timeout.txt", ""), ("unviable.txt", "u\n"), ("missed.txt", "m\n")]
        {
            fs::write(folder.join(name), text).expect("written");
        }
        let tally = Tally::read(&folder);
        let _ = fs::remove_dir_all(&folder);
        let mut tally = tally.expect("read");
        assert_eq!((tally.caught.len(), tally.timeout.len(), tally.unviable.len()), (2, 0, 1));
        assert_eq!(tally.missed, ["m"]);
        tally.add(Tally { caught: vec!["c".to_string()], ..Tally::default() });
        tally.retain(|name| name != "a");
        assert_eq!(tally.caught, ["b", "c"]);
    }
}
