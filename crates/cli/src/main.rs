//! The `pondhawk` binary: the broker and the tools, by subcommand or by the name that it is called by.
//!
//! `mosquitto`, `mosquitto_pub`, `mosquitto_sub`, `mosquitto_rr` and `mosquitto_passwd` are names of this
//! program; `pondhawk install-names DIRECTORY` makes links. This crate reads command lines, prints, and moves
//! bytes for the tools; it holds no protocol logic, which is in `pondhawk-session`, and no broker, which is
//! in `pondhawk-server`.
//!
//! # Invariants
//! - Data goes to stdout, everything else to stderr.
//! - Nobody who uses a tool sees a stack trace: every failure is a line and an exit code of Mosquitto's.

mod command;
mod conform;
mod connect;
mod console;
mod debug;
mod driver;
mod failure;
mod format;
mod import;
mod manual;
mod names;
mod options;
mod passwd;
mod payload;
mod printer;
mod pubtool;
mod rrtool;
mod run;
mod store;
mod subtool;
mod tool;

fn main() {
    let mut args = std::env::args_os();
    let called = args.next().unwrap_or_default();
    std::process::exit(command::dispatch(&called, args.collect()));
}
