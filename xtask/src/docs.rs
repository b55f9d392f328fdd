//! `cargo xtask docs`: pages that are made from tables in the code (the configuration reference, man pages, shell
//! completions). They are committed, so that a reader needs no build; `--check` fails when one is stale.
//!
//! The programs below print them (each from the table that it also works by); this module only knows which page
//! comes from which command.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;

/// A committed page and the arguments of `cargo run` that print it.
type Page = (&'static str, &'static [&'static str]);

/// All generated pages.
const PAGES: &[Page] = &[
    ("docs/reference/mosquitto.conf.md", &["--package=pondhawk-config", "--example=page", "--", "reference"]),
    ("docs/man/mosquitto.conf.5", &["--package=pondhawk-config", "--example=page", "--", "man"]),
    ("docs/man/mosquitto.8", &["--package=pondhawk-cli", "--", "man", "mosquitto"]),
    ("docs/man/mosquitto_passwd.1", &["--package=pondhawk-cli", "--", "man", "mosquitto_passwd"]),
    ("docs/man/mosquitto_pub.1", &["--package=pondhawk-cli", "--", "man", "mosquitto_pub"]),
    ("docs/man/mosquitto_rr.1", &["--package=pondhawk-cli", "--", "man", "mosquitto_rr"]),
    ("docs/man/mosquitto_sub.1", &["--package=pondhawk-cli", "--", "man", "mosquitto_sub"]),
    ("docs/man/pondhawk-conform.1", &["--package=pondhawk-cli", "--", "man", "pondhawk-conform"]),
    ("docs/man/pondhawk-import.1", &["--package=pondhawk-cli", "--", "man", "pondhawk-import"]),
    ("docs/man/pondhawk-store.1", &["--package=pondhawk-cli", "--", "man", "pondhawk-store"]),
    ("docs/completions/pondhawk.bash", &["--package=pondhawk-cli", "--", "completions", "bash"]),
    ("docs/completions/pondhawk.fish", &["--package=pondhawk-cli", "--", "completions", "fish"]),
    ("docs/completions/_pondhawk", &["--package=pondhawk-cli", "--", "completions", "zsh"]),
];

/// The task.
pub fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => write(),
        [flag] if flag == "--check" => {
            println!("{}", check()?);
            Ok(())
        }
        _ => bail!("this task knows `--check` and nothing else"),
    }
}

fn write() -> Result<()> {
    for (path, arguments) in PAGES {
        let text = generate(arguments)?;
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
        }
        if !is_current(path, &text) {
            fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
            println!("wrote {path}");
        }
    }
    Ok(())
}

/// Compares every committed page with what would be written now.
pub fn check() -> Result<String> {
    let mut stale = Vec::new();
    for (path, arguments) in PAGES {
        if !is_current(path, &generate(arguments)?) {
            stale.push(*path);
        }
    }
    if stale.is_empty() {
        return Ok(format!("{} generated pages are current", PAGES.len()));
    }
    bail!("stale: {}; run `cargo xtask docs` and commit the result", stale.join(", "))
}

fn is_current(path: &str, text: &[u8]) -> bool {
    fs::read(path).is_ok_and(|committed| committed == text)
}

fn generate(arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = process::cargo(["run", "--quiet"]);
    let output = command.args(arguments).output().context("cannot start cargo")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("`cargo run {}` failed: {}", arguments.join(" "), message.trim());
    }
    if output.stdout.is_empty() {
        bail!("`cargo run {}` printed nothing", arguments.join(" "));
    }
    Ok(output.stdout)
}
