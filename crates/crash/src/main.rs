//! `pondhawk-crash`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pondhawk_crash::main(std::env::args().skip(1).collect())
}
