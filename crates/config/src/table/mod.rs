//! The table: every directive, declared once.
//!
//! One file per chapter of the reference. Before: nothing. After: `parse` looks words up here, `defaults`
//! reads what holds without them, `reload` compares by it, and `docs` prints it.

mod access;
mod bridges;
mod limits;
mod listeners;
mod logging;
mod mqtt;
mod persistence;
mod plugins;
mod process;
mod tls;

use crate::directive::Directive;

static CHAPTERS: [&[Directive]; 10] = [
    process::ROWS,
    logging::ROWS,
    listeners::ROWS,
    tls::ROWS,
    access::ROWS,
    plugins::ROWS,
    limits::ROWS,
    mqtt::ROWS,
    persistence::ROWS,
    bridges::ROWS,
];

/// Every directive in the order of the reference.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    CHAPTERS.iter().flat_map(|rows| rows.iter())
}

/// The directive that `word`, the first of a line, means.
pub fn find(word: &str) -> Option<&'static Directive> {
    directives().find(|row| row.answers_to(word))
}
