//! `pondhawk-sim`: runs seeds and says what became of them. `cargo xtask sim` builds and calls it.

fn main() -> std::process::ExitCode {
    pondhawk_sim::report::main()
}
