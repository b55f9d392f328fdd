//! `cargo xtask deny`: what the dependencies are allowed to be, by cargo-deny and `deny.toml`.
//!
//! Licences, sources and bans are judged from what is on this machine. Advisories need a database from the
//! network: where it cannot be fetched and no earlier copy is there, that is stated, and is not a failure.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;
use crate::provision::tool;

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        bail!("this task takes no arguments, and `{unknown}` is one");
    }
    println!("{}", check()?);
    Ok(())
}

/// Checks all, and says how the advisories fared.
pub fn check() -> Result<&'static str> {
    let program = tool::ensure(&tool::DENY)?;
    process::run(Command::new(&program).args([
        "--color",
        "never",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]))?;
    let transcript = process::tee(Command::new(&program).args(["--color", "never", "check", "advisories"]))?;
    if transcript.success {
        return Ok("licences, sources, bans and advisories hold");
    }
    if is_unreachable(&transcript.lines) {
        return Ok("licences, sources and bans hold; advisories NOT checked: their database is out of reach");
    }
    bail!("a dependency has an advisory: update it, or write its id and the reason into deny.toml")
}

fn is_unreachable(lines: &[String]) -> bool {
    lines.iter().any(|line| line.contains("failed to fetch advisory database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_database_is_told_from_an_advisory() {
        let unreachable =
            ["2026-01-01 [ERROR] failed to fetch advisory database https://example.com with cli".into()];
        assert!(is_unreachable(&unreachable));
        assert!(!is_unreachable(&["error[vulnerability]: a hole".into(), "advisories FAILED".into()]));
    }
}
