//! Prints a page about `mosquitto.conf`: `reference` (Markdown) or `man` (roff). `cargo xtask docs` runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("reference") => print!("{}", pondhawk_config::reference_markdown()),
        Some("man") => print!("{}", pondhawk_config::man_page()),
        _ => {
            eprintln!("Usage: page reference|man");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
