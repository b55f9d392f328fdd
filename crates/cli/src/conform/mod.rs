//! `pondhawk conform`: plays the vectors of `pondhawk-conform` against a broker and prints what differs.
//!
//! Before: the dispatcher gives the arguments. After: the report goes to stdout, the progress to a terminal's stderr.

mod arguments;

pub(crate) use arguments::USAGE;

use crate::failure::system_text;
use arguments::{Command, Run, Selected};
use pondhawk_conform::bytes::Login;
use pondhawk_conform::{
    Detail, Report, Selection, Setup, Tcp, Trial, Vector, Verdict, catalogue, probe, run, trials,
};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Something breaks the standard.
const BREAKS: i32 = 1;
/// The vectors could not be played.
const NOT_PLAYED: i32 = 2;

/// Runs the command; returns the exit code.
pub(crate) fn main(args: Vec<OsString>) -> i32 {
    let command = match arguments::parse(args) {
        Ok(command) => command,
        Err(wrong) => {
            eprintln!("{wrong}\nhint: `pondhawk conform --help` lists the options.");
            return NOT_PLAYED;
        }
    };
    let vectors = catalogue().expect("a test reads every vector");
    match command {
        Command::Help => print(USAGE, 0),
        Command::List(selected) => print(&list(&vectors, selected), 0),
        Command::Run(run) => match play(&run, &vectors) {
            Ok(report) => tell(&run, &report),
            Err(why) => {
                eprintln!("Error: {why}.");
                NOT_PLAYED
            }
        },
    }
}

fn print(text: &str, code: i32) -> i32 {
    // A reader that has gone away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn selection(selected: Selected) -> Selection {
    Selection { only: selected.only, version: selected.version }
}

fn list(vectors: &[Vector], selected: Selected) -> String {
    let line = |trial: Trial<'_>| {
        let rules: Vec<&str> = trial.vector.rules(trial.version).collect();
        format!("{}  [{}]\n", trial.title(), rules.join(" "))
    };
    trials(vectors, &selection(selected)).into_iter().map(line).collect()
}

fn play<'a>(asked: &Run, vectors: &'a [Vector]) -> Result<Report<'a>, String> {
    let trials = trials(vectors, &selection(asked.selected.clone()));
    if trials.is_empty() {
        return Err("no vector is selected; `pondhawk conform --list` prints them".to_owned());
    }
    let target = format!("{}:{}", asked.host, asked.port);
    let address = (asked.host.as_str(), asked.port).to_socket_addrs();
    let address = address.map_err(|error| format!("{target}: {}", system_text(&error)))?.next();
    let mut tcp =
        Tcp { address: address.ok_or(format!("{target} has no address"))?, patience: asked.patience };
    let login = asked.user.clone().map(|user| Login { user, password: asked.password.clone() });
    let setup = Setup { prefix: prefix()?, login, jobs: asked.jobs };
    let abilities = probe(&mut tcp, &setup).map_err(|failure| format!("{target}: {failure}"))?;
    let progress = Progress::of(trials.len());
    let played = run(&trials, (&setup, &abilities), || tcp, |_, _| progress.step());
    progress.done();
    let played = played.map_err(|failure| format!("{target}: {failure}"))?;
    Ok(Report { target, abilities, results: trials.into_iter().zip(played).collect() })
}

/// What this run's topics and client identifiers begin with.
fn prefix() -> Result<String, String> {
    let random = getrandom::u32().map_err(|error| format!("no random number: {error}"))?;
    Ok(format!("c{:04x}", random & 0xFFFF))
}

fn tell(asked: &Run, report: &Report<'_>) -> i32 {
    let detail = if asked.verbose { Detail::Full } else { Detail::Short };
    let text = if asked.json { report.json() + "\n" } else { report.text(detail) };
    let strictly = asked.strict && report.count(Verdict::Choice) > 0;
    print(&text, if report.count(Verdict::Breaks) > 0 || strictly { BREAKS } else { 0 })
}

/// A counting line on a terminal.
struct Progress {
    shown: bool,
    total: usize,
    count: AtomicUsize,
}

impl Progress {
    fn of(total: usize) -> Self {
        Progress { shown: std::io::stderr().is_terminal(), total, count: AtomicUsize::new(0) }
    }

    fn step(&self) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if self.shown && count.is_multiple_of(25) {
            eprint!("\r{count} of {} ", self.total);
        }
    }

    fn done(&self) {
        if self.shown {
            eprint!("\r{:30}\r", "");
        }
    }
}
