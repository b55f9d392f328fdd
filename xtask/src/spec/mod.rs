//! `cargo xtask spec`: the standard in the tree. It reads the statements of `spec/*.toml` and every citation in code
//! and tests, and writes `docs/conformance.md` from them; what is missing is a problem that `tidy` reports as well.

mod citation;
mod coverage;
mod item;
mod page;
mod rules;
mod statement;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::tidy::{Settings, Tree};

pub use rules::{covered, known, page_is_current};

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {
            write()?;
            println!("{}", check()?);
            Ok(())
        }
        [flag] if flag == "--check" => {
            println!("{}", check()?);
            Ok(())
        }
        _ => bail!("this task knows `--check` and nothing else"),
    }
}

fn write() -> Result<()> {
    let tree = Tree::of_repository()?;
    let text = page::write(&tree)?;
    if tree.text(citation::PAGE) != Some(&text) {
        fs::write(citation::PAGE, text).with_context(|| format!("cannot write {}", citation::PAGE))?;
        println!("wrote {}", citation::PAGE);
    }
    Ok(())
}

/// What is unknown, uncovered or stale is printed, and any of it is an error.
pub fn check() -> Result<String> {
    let tree = Tree::of_repository()?;
    let problems: Vec<_> =
        [known, covered, page_is_current].iter().flat_map(|rule| rule(&tree, &Settings::default())).collect();
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        return page::summary(&tree);
    }
    bail!("{} problems; DEVELOPERS.md says how statements are cited", problems.len())
}
