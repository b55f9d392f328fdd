//! The benchmark program: `cargo xtask bench` runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = pondhawk_bench::run(std::env::args().skip(1).collect());
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
