//! Running a tool: command line in, exit code out.

use crate::console::Console;
use crate::failure::{Failure, USAGE};
use crate::options::parse::{Parsed, parse};
use crate::options::usage::{usage, version};
use crate::tool::Tool;
use crate::{pubtool, rrtool, subtool};
use std::ffi::OsString;

/// Runs a tool with the arguments behind its name; returns the exit code.
pub(crate) fn run(tool: Tool, args: Vec<OsString>) -> i32 {
    let env = |name: &str| std::env::var_os(name);
    let settings = match parse(tool, args, &env) {
        Ok(Parsed::Run(settings)) => settings,
        Ok(Parsed::Help) => return print(&usage(tool)),
        Ok(Parsed::Version) => return print(&version(tool)),
        Err(failure) => {
            Console::new(false).error(&failure.text);
            return failure.code;
        }
    };
    let mut console = Console::new(settings.output.quiet);
    let outcome = match tool {
        Tool::Pub => pubtool::run(&settings, &mut console),
        Tool::Sub => subtool::run(&settings, &mut console),
        Tool::Rr => rrtool::run(&settings, &mut console),
    };
    let code = outcome.unwrap_or_else(|Failure { code, text }| {
        console.error(&text);
        code
    });
    console.flush();
    code
}

/// Like Mosquitto's tools, this does not count as success.
fn print(text: &str) -> i32 {
    let mut console = Console::new(false);
    console.bytes(text.as_bytes());
    console.flush();
    USAGE
}
