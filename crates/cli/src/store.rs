//! `pondhawk store check DIRECTORY`: what a store holds, and whether it is as it was written.

use pondhawk_store::disk::{Checked, check};
use pondhawk_store::{Clock, StoreError};
use serde_json::json;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What `--help` says.
pub(crate) const USAGE: &str = "\
Usage: pondhawk store check [--json] DIRECTORY

Reads the store in DIRECTORY from end to end and says what it holds and what of it is damaged. DIRECTORY is
'persistence_location', or the folder 'pondhawk-store' in it. Nothing is changed. The broker must not be running.

Options:
  --json    one JSON object instead of text

Exit codes: 0 sound, 1 damaged, 2 cannot be checked
";

const DAMAGED: i32 = 1;
const UNCHECKED: i32 = 2;

/// Runs the command with the arguments behind `store`.
pub(crate) fn main(args: Vec<OsString>) -> i32 {
    let words: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let (json, directory) = match words.as_slice() {
        ["--help" | "-h", ..] | ["check", "--help" | "-h"] => {
            print(USAGE);
            return 0;
        }
        ["check", "--json", directory] | ["check", directory, "--json"] => (true, *directory),
        ["check", directory] if !directory.starts_with('-') => (false, *directory),
        _ => {
            eprint!("{USAGE}");
            return UNCHECKED;
        }
    };
    let path = folder(Path::new(directory));
    // Times are shown as they were stored.
    match check(&path, Clock { wall_at_zero_ms: 0 }) {
        Ok(checked) => {
            print(&if json { as_json(&path, &checked) } else { as_text(&path, &checked) });
            if checked.lost.is_empty() { 0 } else { DAMAGED }
        }
        Err(error) => {
            eprintln!("Error: {}: {error}.", path.display());
            if let StoreError::Locked { .. } = error {
                eprintln!("hint: stop the broker first.");
            }
            UNCHECKED
        }
    }
}

/// The store itself, or the one in the directory that the configuration names.
fn folder(directory: &Path) -> PathBuf {
    let inner = directory.join("pondhawk-store");
    if inner.is_dir() { inner } else { directory.to_owned() }
}

/// How many there are of what a store holds.
fn counts(checked: &Checked) -> [(&'static str, usize); 7] {
    let sessions = || checked.restored.sessions.values();
    [
        ("sessions", checked.restored.sessions.len()),
        ("subscriptions", sessions().map(|session| session.subscriptions.len()).sum()),
        ("queued messages", sessions().map(|session| session.queue.len()).sum()),
        ("QoS 2 messages before PUBREL", sessions().map(|session| session.inbox.len()).sum()),
        ("messages between shards", checked.restored.under_way.len()),
        ("retained messages", checked.restored.retained.len()),
        ("wills", checked.restored.wills.len()),
    ]
}

fn as_text(path: &Path, checked: &Checked) -> String {
    let mut text = format!("{}, {} bytes\n", path.display(), checked.bytes);
    for (name, count) in counts(checked) {
        text += &format!("{count:>10} {name}\n");
    }
    if checked.torn {
        text += "The newest transaction is not whole and will be taken back: the machine stopped in the middle of it.\n";
    }
    for lost in &checked.lost {
        text += &format!("lost: {lost}\n");
    }
    text += if checked.lost.is_empty() { "sound\n" } else { "damaged\n" };
    text
}

fn as_json(path: &Path, checked: &Checked) -> String {
    let lost: Vec<_> =
        checked.lost.iter().map(|lost| json!({ "what": lost.what, "why": lost.why })).collect();
    let mut object = json!({ "path": path.display().to_string(), "bytes": checked.bytes });
    for (name, count) in counts(checked) {
        object[name.replace(' ', "_").to_lowercase()] = count.into();
    }
    object["torn"] = checked.torn.into();
    object["lost"] = lost.into();
    format!("{object}\n")
}

fn print(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
