//! `pondhawk store`: what a store holds, whether it is as it was written, and what can be done about it.

mod change;
mod export;
mod report;

use pondhawk_store::disk::{Checked, check};
use pondhawk_store::{Clock, StoreError};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What `--help` says.
pub(crate) const USAGE: &str = "\
Usage: pondhawk store check|stats|export|compact|repair [--json] DIRECTORY

DIRECTORY is 'persistence_location', or the folder 'pondhawk-store' in it. The broker must not be running.

  check     Reads the store from end to end and says what it holds and what of it is damaged
  stats     Says what it holds, how much room that takes, and which queues are the longest
  export    Prints everything in it, one JSON object a line
  compact   Gives back the room of what is gone
  repair    Sets aside what is damaged and leaves a sound store; so does the broker when it starts

Nothing is changed by 'check', 'stats' and 'export'.

Options:
  --json    one JSON object instead of text; 'export' prints JSON always

Exit codes: 0 sound, or done; 1 damaged; 2 the store cannot be read or changed
";

/// The store is damaged.
pub(crate) const DAMAGED: i32 = 1;
/// It could not be looked into, or not be changed.
pub(crate) const FAILED: i32 = 2;
/// Times are shown as they were stored: milliseconds since 1970.
const WALL: Clock = Clock { wall_at_zero_ms: 0 };

/// Runs the command with the arguments behind `store`.
pub(crate) fn main(args: Vec<OsString>) -> i32 {
    let mut json = false;
    let mut words = Vec::new();
    for arg in args {
        match arg.to_str() {
            Some("--help" | "-h") => return print(USAGE, 0),
            Some("--json") => json = true,
            Some(flag) if flag.starts_with('-') => return wrong(),
            _ => words.push(arg),
        }
    }
    let [command, directory] = words.as_slice() else {
        return wrong();
    };
    let path = folder(Path::new(directory));
    let outcome = match command.to_str() {
        Some("check") => checked(&path).map(|checked| report::check(&path, &checked, json)),
        Some("stats") => checked(&path).map(|checked| report::stats(&path, &checked, json)),
        Some("export") => checked(&path).map(|checked| export::export(&checked)),
        Some("compact") => change::compact(&path, json),
        Some("repair") => change::repair(&path, json),
        _ => return wrong(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        FAILED
    })
}

fn wrong() -> i32 {
    eprint!("{USAGE}");
    FAILED
}

/// The store itself, or the one in the directory that the configuration names.
fn folder(directory: &Path) -> PathBuf {
    let inner = directory.join("pondhawk-store");
    if inner.is_dir() { inner } else { directory.to_owned() }
}

fn checked(path: &Path) -> Result<Checked, String> {
    check(path, WALL).map_err(|error| explained(path, &error))
}

/// An error, with what to do about it.
fn explained(path: &Path, error: &StoreError) -> String {
    let hint = match error {
        StoreError::Locked { .. } => "\nhint: stop the broker first.",
        _ => "",
    };
    format!("Error: {}: {error}.{hint}", path.display())
}

/// Files that root makes are closed to the broker, which runs as another user: it would not find its store again.
pub(crate) fn refuse_foreign_root(path: &Path) -> Result<(), String> {
    let owner = path.ancestors().find_map(|path| path.metadata().ok()).map_or(0, |found| found.uid());
    if rustix::process::geteuid().is_root() && owner != 0 {
        let path = path.display();
        return Err(format!(
            "Error: {path} belongs to the user with number {owner}, and what root writes there is closed to it.\n\
             hint: run this as that user: sudo -u '#{owner}' pondhawk ..."
        ));
    }
    Ok(())
}

/// Prints on stdout and passes the exit code on.
pub(crate) fn print(text: &str, code: i32) -> i32 {
    // A reader that has gone away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}
