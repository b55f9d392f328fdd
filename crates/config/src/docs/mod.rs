//! The table → the reference page and the man page.
//!
//! Both say the same; what a value may be, what holds without it and what a reload does are taken from
//! the rows, so that neither page can be out of date.

mod man;
mod markdown;

pub use man::man_page;
pub use markdown::reference_markdown;

use crate::directive::{Directive, ReloadClass, Scope, Status};

/// The rules of the language, one paragraph each. Backquotes mark what is typed.
const SYNTAX: [&str; 6] = [
    "Each line is a directive's name, a space and its value. Only the space separates; a tab does not. Lines \
     may end in LF or CRLF, and empty lines are skipped.",
    "A line whose first character is `#` is a comment. Anywhere else `#` is part of the value, except behind \
     the arguments of `listener`, `address` and `topic`.",
    "A BOOL is `true`, `false`, `1` or `0`. A number is decimal, hexadecimal with `0x` or octal with `0` in \
     front. Text is the rest of the line without the spaces around it; it is valid UTF-8 without control \
     characters and at most 65535 bytes long. Nothing is quoted, except the pattern of `topic`.",
    "A directive that takes text may be given once for each thing that it is about; of other directives the \
     last one counts, unless it is said that they add up.",
    "A line that is not understood ends the start with exit code 3 and names the file and the line. \
     `--test-config` checks a file without starting anything.",
    "At SIGHUP all files are read again. If they are good, what can be changed in a running broker is changed \
     and the log names what waits for a restart; if they are not, everything stays as it was and the log says \
     why.",
];

/// Environment variables and their meaning.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("MOSQUITTO_PERSISTENCE_LOCATION", "Overrides `persistence_location`."),
    ("XDG_STATE_HOME", "Where the store is without a configuration, in `pondhawk`; else `~/.local/state`."),
    ("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS", "Lets password, ACL and key files be symbolic links."),
    ("PUID, PGID", "User and group id to change to when started as root, instead of `user`."),
    ("UMASK_SET", "The file mode creation mask, in octal."),
    ("WATCHDOG_USEC", "Set by systemd: how often it wants a sign of life."),
    ("SNAP_NAME", "`mosquitto` inside a snap: the user is then not changed."),
];

/// The name with which a row is shown.
fn shown_name(row: &Directive) -> String {
    shown(row.name(), row)
}

/// The row's other names.
fn shown_aliases(row: &Directive) -> Vec<String> {
    row.aliases().iter().map(|alias| shown(alias, row)).collect()
}

fn shown(name: &str, row: &Directive) -> String {
    if row.is_family() { format!("{name}KEY") } else { name.to_owned() }
}

/// To what a row belongs, in a few words.
fn scope_words(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "the broker",
        Scope::Security => "the broker, or its listener with `per_listener_settings true`",
        Scope::Listener => "a listener",
        Scope::ListenerOrDefault => "a listener, or the default listener before the first",
        Scope::Bridge => "a bridge",
        Scope::Plugin => "a plugin",
    }
}

/// What a reload does, in a few words.
fn reload_words(row: &Directive) -> &'static str {
    match (row.status(), row.reload_class()) {
        (Status::NoOp(_), _) => "nothing to apply",
        (_, ReloadClass::Live) => "applied",
        (_, ReloadClass::Restart) => "needs a restart",
    }
}

/// What restricts a row's use, as a sentence.
fn status_sentence(status: Status) -> Option<String> {
    match status {
        Status::Live | Status::NoOp(_) => None,
        Status::Deprecated(instead) => Some(format!("Deprecated: {instead}.")),
        Status::Needs(capability) => {
            Some(format!("Needs {}; a build without it refuses to start.", capability.name()))
        }
        Status::NeedsWhen(value, capability) => {
            Some(format!("`{value}` needs {}; a build without it refuses to start.", capability.name()))
        }
        Status::Refines(capability) => Some(format!("Has an effect together with {}.", capability.name())),
    }
}
