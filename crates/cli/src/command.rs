//! What to run: by the program's name, or by the first argument.

use crate::options::completion::{SHELLS, completion};
use crate::tool::Tool;
use crate::{conform, import, manual, names, store};
use crate::{passwd, run};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

const USAGE: &str = "\
Usage: pondhawk [COMMAND] [ARGUMENTS]

Commands:
  broker                    Run the broker (also without a command); arguments as of mosquitto
  pub, sub, rr              Publish, subscribe, request and respond; arguments as of mosquitto_pub, ...
  passwd                    Keep a password file; arguments as of mosquitto_passwd
  conform HOST              Say where a broker differs from the MQTT standard
  store COMMAND DIRECTORY   Look into what the broker has stored: check, stats, export, compact, repair
  import mosquitto.db       Take over what Mosquitto has stored
  install-names DIRECTORY   Make links there, so that this program answers to Mosquitto's names
  completions SHELL         Print completions of the tools for bash, zsh or fish
  man [PAGE]                Print a manual page: mosquitto, mosquitto_pub, mosquitto_sub, mosquitto_rr,
                            mosquitto_passwd, mosquitto.conf, pondhawk-conform, pondhawk-store,
                            pondhawk-import
  help                      Print this text

`pondhawk COMMAND --help` says more about a command.
";

/// A program that this binary can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Broker,
    Tool(Tool),
    Passwd,
}

impl Program {
    fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "mosquitto" => Program::Broker,
            "mosquitto_passwd" => Program::Passwd,
            _ => Program::Tool(Tool::ALL.into_iter().find(|tool| tool.name() == name)?),
        })
    }

    fn of_subcommand(name: &str) -> Option<Self> {
        Some(match name {
            "broker" => Program::Broker,
            "passwd" => Program::Passwd,
            _ => Program::Tool(Tool::ALL.into_iter().find(|tool| tool.subcommand() == name)?),
        })
    }

    fn run(self, args: Vec<OsString>) -> i32 {
        match self {
            Program::Broker => pondhawk_server::run(args),
            Program::Tool(tool) => run::run(tool, args),
            Program::Passwd => passwd::run(args),
        }
    }
}

/// Runs what is asked for; returns the exit code.
pub(crate) fn dispatch(called: &OsStr, args: Vec<OsString>) -> i32 {
    let name = Path::new(called).file_name().and_then(OsStr::to_str).unwrap_or("");
    if let Some(program) = Program::of_name(name) {
        return program.run(args);
    }
    let first = args.first().and_then(|arg| arg.to_str()).unwrap_or("");
    if let Some(program) = Program::of_subcommand(first) {
        return program.run(args.into_iter().skip(1).collect());
    }
    let argument = args.get(1).map(OsString::as_os_str);
    match first {
        "help" | "--help" => print(USAGE),
        "--version" => print(&format!("pondhawk {}\n", env!("CARGO_PKG_VERSION"))),
        "conform" => conform::main(args.into_iter().skip(1).collect()),
        "store" => store::main(args.into_iter().skip(1).collect()),
        "import" => import::main(args.into_iter().skip(1).collect()),
        "install-names" => names::install(argument.map(Path::new)),
        "completions" => completions(argument.and_then(OsStr::to_str)),
        "man" => man(argument.and_then(OsStr::to_str)),
        // What begins with a hyphen, or is not there, is the broker's.
        "" => Program::Broker.run(args),
        flag if flag.starts_with('-') => Program::Broker.run(args),
        unknown => fail(&format!("Error: Unknown command '{unknown}'.\nhint: `pondhawk help` lists them.")),
    }
}

fn completions(shell: Option<&str>) -> i32 {
    match shell.and_then(completion) {
        Some(script) => print(&script),
        None => fail(&format!("Error: Say for which shell: {}.", SHELLS.join(", "))),
    }
}

fn man(page: Option<&str>) -> i32 {
    let page = page.unwrap_or("mosquitto.conf");
    match manual::page(page) {
        Some(text) => print(&text),
        None => {
            fail(&format!("Error: There is no manual page '{page}'.\nhint: {}.", manual::PAGES.join(", ")))
        }
    }
}

fn print(text: &str) -> i32 {
    // A reader that has gone away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    0
}

fn fail(text: &str) -> i32 {
    eprintln!("{text}");
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_is_explained() {
        for name in crate::options::completion::SUBCOMMANDS {
            let explained = USAGE.lines().any(|line| line.starts_with("  ") && line.contains(name));
            assert!(explained, "{name}");
        }
    }

    #[test]
    fn every_name_and_subcommand_is_a_program() {
        for name in names::NAMES {
            assert!(Program::of_name(name).is_some(), "{name}");
        }
        for name in ["broker", "pub", "sub", "rr", "passwd"] {
            assert!(Program::of_subcommand(name).is_some(), "{name}");
        }
        assert_eq!(Program::of_name("pondhawk"), None);
        assert_eq!(Program::of_subcommand("mosquitto_pub"), None);
    }
}
