//! `cargo xtask bench`: runs the benchmark program of `pondhawk-bench`, optimized, with the arguments as they are.

use anyhow::Result;

use crate::{process, provision, workspace};

/// Where the figures of `durable` stand.
const DURABLE_PAGE: &str = "docs/durability-benchmarks.md";

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    provision::broker()?;
    measure(arguments)
}

/// A quick run for `ci`; says so when there is nothing to compare with and nothing may be installed.
pub fn run_quick(offline: bool) -> Result<String> {
    if !offline {
        provision::broker()?;
    } else if process::find_program(provision::BROKER).is_none() {
        return Ok(format!("left out: `{}` is not installed", provision::BROKER));
    }
    measure(&["--quick".to_string()]).map(|()| String::new())
}

fn measure(arguments: &[String]) -> Result<()> {
    process::run(&mut process::cargo(["build", "--release", "--package", "pondhawk-cli"]))?;
    let mut command = process::cargo(["run", "--release", "--quiet", "--package", "pondhawk-bench", "--"]);
    command.args(arguments);
    if is_for_the_page(arguments) {
        command.arg("--write").arg(workspace::root().join(DURABLE_PAGE));
    }
    process::run(&mut command)
}

/// A whole run of `durable`: its figures are what the page says.
fn is_for_the_page(arguments: &[String]) -> bool {
    let partial = ["--quick", "--only", "--messages", "--peer", "--write", "--list", "--help", "-h"];
    arguments.iter().any(|argument| argument == "durable")
        && !arguments.iter().any(|argument| partial.contains(&argument.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_run_is_for_the_page() {
        for (line, whole) in
            [("durable", true), ("durable --rounds 5", true), ("durable --quick", false), ("", false)]
        {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(is_for_the_page(&arguments), whole, "{line}");
        }
    }
}
