//! Builds the tests with all mutants in, and takes out those that do not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::list::Number;
use crate::sites::Fate;
use crate::tree::Tree;

/// Errors that have nothing to do with what stands beside a mutant: alone it would not compile either. All others, such
/// as those of borrowing, may come from the choice.
const OWN_ERRORS: [&str; 14] = [
    "E0061", "E0107", "E0277", "E0282", "E0283", "E0308", "E0369", "E0412", "E0425", "E0432", "E0433",
    "E0423", "E0599", "E0600",
];
/// More turns than that have never been needed: a compiler reports most errors at once.
const TURNS_MAX: usize = 40;

/// What is built and where.
pub struct Build {
    /// The package.
    pub package: String,
    /// Its folder, from the root.
    pub folder: String,
    /// Where cargo builds.
    pub target: PathBuf,
}

/// A line that cargo prints.
#[derive(Deserialize)]
struct Line {
    reason: String,
    message: Option<Message>,
    executable: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    code: Option<Code>,
    spans: Vec<Span>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    byte_start: usize,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

#[derive(Deserialize)]
struct Expansion {
    span: Span,
}

impl Build {
    /// Writes the tree until it compiles; what had to be taken out is added to `fates`. Returns the test programs.
    pub fn run(&self, tree: &mut Tree, fates: &mut BTreeMap<Number, Fate>) -> Result<Vec<PathBuf>> {
        for turn in 1..=TURNS_MAX {
            tree.write(&self.folder)?;
            let lines = self.cargo(tree, &["check", "--tests"])?;
            let errors: Vec<Message> =
                lines.into_iter().filter_map(|line| line.message).filter(is_error).collect();
            if errors.is_empty() {
                return self.programs(tree);
            }
            let mut refused = BTreeMap::new();
            errors.iter().for_each(|error| blame(tree, error, &mut refused));
            if refused.is_empty() {
                let texts: Vec<String> = errors.into_iter().filter_map(|error| error.rendered).collect();
                bail!("no mutant explains that it does not compile:\n{}", texts.join("\n"));
            }
            eprintln!("turn {turn}: {} mutants do not compile beside the code", refused.len());
            refused.keys().for_each(|number| tree.remove(*number));
            fates.extend(refused);
        }
        bail!("it does not compile after {TURNS_MAX} turns");
    }

    fn programs(&self, tree: &Tree) -> Result<Vec<PathBuf>> {
        let lines = self.cargo(tree, &["test", "--no-run"])?;
        let tests =
            lines.into_iter().filter(|line| line.profile.as_ref().is_some_and(|profile| profile.test));
        let programs: BTreeSet<PathBuf> = tests.filter_map(|line| line.executable).collect();
        if programs.is_empty() {
            bail!("{} has no test program", self.package);
        }
        Ok(programs.into_iter().collect())
    }

    fn cargo(&self, tree: &Tree, what: &[&str]) -> Result<Vec<Line>> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(what).args(["--package", &self.package, "--profile", "mutants"]);
        command
            .args(["--message-format", "json"])
            .current_dir(tree.root())
            .env("CARGO_TARGET_DIR", &self.target);
        let output = command.stderr(Stdio::null()).output().context("cargo runs")?;
        let text = String::from_utf8(output.stdout).context("cargo prints UTF-8")?;
        let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let explained = lines.iter().filter_map(|line| line.message.as_ref()).any(is_error);
        if !output.status.success() && !explained {
            bail!("cargo {} failed without an error of the compiler", what.join(" "));
        }
        Ok(lines.into_iter().filter(|line| line.reason.starts_with("compiler-")).collect())
    }
}

fn is_error(message: &Message) -> bool {
    message.level.starts_with("error") && !message.spans.is_empty()
}

/// Finds the mutants that an error is about.
fn blame(tree: &Tree, error: &Message, refused: &mut BTreeMap<Number, Fate>) {
    let own = error
        .code
        .as_ref()
        .is_none_or(|code| !code.code.starts_with('E') || OWN_ERRORS.contains(&code.code.as_str()));
    let (primary, others): (Vec<&Span>, Vec<&Span>) = error.spans.iter().partition(|span| span.is_primary);
    for span in primary.into_iter().chain(others) {
        let numbers = within(tree, span);
        // One mutant is to blame for what its own text says; of several that stand together it is not known which.
        let fate = if own && numbers.len() == 1 { Fate::Unviable } else { Fate::Apart };
        refused.extend(numbers.iter().map(|number| (*number, fate)));
        if !numbers.is_empty() {
            return;
        }
    }
}

/// The mutants at a place, or where the macro was called that made it.
fn within(tree: &Tree, span: &Span) -> Vec<Number> {
    let mut span = Some(span);
    while let Some(at) = span {
        let numbers = tree.at(&at.file_name, at.byte_start);
        if !numbers.is_empty() {
            return numbers;
        }
        span = at.expansion.as_ref().map(|expansion| &expansion.span);
    }
    Vec::new()
}
