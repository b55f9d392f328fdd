//! `cargo xtask tidy`: the rules of the house that a compiler does not hold.
//!
//! Each rule is a function over a [`Tree`] in memory and returns [`Problem`]s, so that its tests feed it bad trees
//! and see it complain. What is allowed to stand out, and why, is in `xtask/tidy.toml` ([`Settings`]).

mod arrows;
mod dependencies;
mod heads;
mod links;
mod plants;
mod settings;
mod sizes;
mod source;
mod strays;
mod tree;
mod words;

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

pub use settings::Settings;
pub use source::{Function, Source};
pub use tree::Tree;

use crate::spec;

/// Where the exceptions are recorded.
const SETTINGS_PATH: &str = "xtask/tidy.toml";

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    path: String,
    /// Counted from one; zero speaks of the whole file.
    line: usize,
    /// What is wrong and what to do.
    text: String,
}

impl Problem {
    /// A problem at a line; zero speaks of the whole file.
    pub fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_string(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.path, self.text),
            line => write!(formatter, "{}:{line}: {}", self.path, self.text),
        }
    }
}

type Rule = fn(&Tree, &Settings) -> Vec<Problem>;

const RULES: &[Rule] = &[
    arrows::between_crates,
    arrows::purity,
    sizes::files,
    sizes::functions,
    words::forbidden,
    words::sleeping_tests,
    strays::machine_paths,
    strays::registries,
    strays::binaries,
    heads::documented,
    heads::names,
    links::resolve,
    dependencies::explained,
    plants::off,
    plants::planted,
    settings::current,
    spec::known,
    spec::covered,
    spec::page_is_current,
];

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            println!("{}", check()?);
            Ok(())
        }
        [flag] if flag == "--shrink" => shrink(),
        _ => bail!("this task knows `--shrink` and nothing else"),
    }
}

/// Checks the repository; problems are printed, and any of them is an error.
pub fn check() -> Result<String> {
    let (tree, settings) = load()?;
    let problems = problems(&tree, &settings);
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        return Ok(format!("{} files are tidy", tree.len()));
    }
    bail!("{} problems in {} files; DEVELOPERS.md has the rules", problems.len(), tree.len())
}

fn load() -> Result<(Tree, Settings)> {
    let text = fs::read_to_string(SETTINGS_PATH).with_context(|| format!("cannot read {SETTINGS_PATH}"))?;
    Ok((Tree::of_repository()?, Settings::parse(&text).with_context(|| SETTINGS_PATH.to_string())?))
}

fn problems(tree: &Tree, settings: &Settings) -> Vec<Problem> {
    let mut problems: Vec<_> = RULES.iter().flat_map(|rule| rule(tree, settings)).collect();
    problems.sort();
    problems
}

/// Lowers the recorded sizes to what the files have now; the ratchet's only automatic direction.
fn shrink() -> Result<()> {
    let (tree, settings) = load()?;
    let text = fs::read_to_string(SETTINGS_PATH)?;
    let shrunk = sizes::shrink(&text, &tree, &settings);
    if shrunk == text {
        println!("nothing has shrunk");
    } else {
        fs::write(SETTINGS_PATH, shrunk)?;
        println!("wrote {SETTINGS_PATH}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_name_file_and_line() {
        assert_eq!(Problem::new("a.rs", 3, "bad").to_string(), "a.rs:3: bad");
        assert_eq!(Problem::new("a.rs", 0, "bad").to_string(), "a.rs: bad");
    }

    #[test]
    fn all_rules_run_and_their_problems_are_sorted() {
        let tree = Tree::of(&[
            ("crates/codec/src/lib.rs", "fn f() { x.unwrap() }\n"),
            ("README.md", "[gone](docs/gone.md)\n"),
        ]);
        let found = problems(&tree, &Settings::default());
        let first = found.first().expect("problems");
        assert_eq!(first.path, "README.md");
        assert!(found.iter().any(|problem| problem.text.contains(".unwrap()")), "{found:?}");
    }
}
