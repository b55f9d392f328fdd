//! Running other programs: what is run is shown, and a failure says which command it was.

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A cargo command, run from the repository's root by the cargo that runs us.
pub fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(workspace::cargo());
    command.args(arguments);
    command
}

/// Shows and runs a command; an exit status other than zero is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Shows and runs a command; returns its exit code, or nothing if a signal ended it.
pub fn code(command: &mut Command) -> Result<Option<i32>> {
    let line = describe(command);
    eprintln!("$ {line}");
    Ok(command.status().with_context(|| format!("cannot start `{line}`"))?.code())
}

/// True when the command could be started and ended well; prints nothing.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a command that [`tee`] ran ended well, and all lines of its output and error streams.
pub struct Transcript {
    /// The exit status was zero.
    pub success: bool,
    /// Lines of both streams, without colours; lines of one stream are in order.
    pub lines: Vec<String>,
}

/// Shows and runs a command whose output goes to our own and is also kept.
pub fn tee(command: &mut Command) -> Result<Transcript> {
    eprintln!("$ {}", describe(command));
    transcript(command, &mut std::io::stdout(), Box::new(std::io::stderr()))
}

/// Runs a command whose output is kept and not shown.
pub fn capture(command: &mut Command) -> Result<Transcript> {
    transcript(command, &mut std::io::sink(), Box::new(std::io::sink()))
}

type Shown = Box<dyn Write + Send>;

fn transcript(command: &mut Command, output_to: &mut dyn Write, mut errors_to: Shown) -> Result<Transcript> {
    let line = describe(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let errors = child.stderr.take().context("the error stream was asked for above")?;
    let output = child.stdout.take().context("the output stream was asked for above")?;
    let reader = thread::spawn(move || copy_lines(errors, &mut errors_to));
    let mut lines = copy_lines(output, output_to);
    lines.extend(reader.join().unwrap_or_default());
    let success = child.wait()?.success();
    Ok(Transcript { success, lines })
}

fn copy_lines(from: impl Read, to: &mut dyn Write) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        // A closed terminal must not end the run: the transcript still decides.
        let _ = to.write_all(&line).and_then(|()| to.write_all(b"\n"));
        lines.push(without_colours(&String::from_utf8_lossy(&line)));
    }
    lines
}

/// Removes the `ESC [ … letter` sequences of a terminal.
pub fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            let _ = characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Finds a program on the search path and where system programs live (Debian keeps brokers in `/usr/sbin`, which
/// an ordinary user's path lacks).
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The command as one would type it.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let quote = if argument.contains([' ', '\n', '(']) { "'" } else { "" };
        let shown = argument.lines().next().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(line, " {quote}{shown}{quote}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_removed_and_text_is_kept() {
        assert_eq!(without_colours("\u{1b}[32;1m  Summary\u{1b}[0m ok é"), "  Summary ok é");
    }

    #[test]
    fn a_failing_command_is_named() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"])).expect_err("exit 3");
        assert!(error.to_string().contains("sh -c 'exit 3'"), "{error}");
    }

    #[test]
    fn tee_keeps_both_streams_and_the_status() {
        let transcript =
            tee(Command::new("/bin/sh").args(["-c", "echo out; echo err >&2; exit 1"])).expect("sh runs");
        assert!(!transcript.success);
        assert_eq!(transcript.lines, ["out", "err"]);
    }

    #[test]
    fn programs_are_found_and_absent_ones_are_not() {
        assert!(find_program("sh").is_some());
        assert!(find_program("pondhawk-no-such-program").is_none());
    }
}
