//! Asks for a password twice, without showing it.
//!
//! Before: the command line had no password. After: the password's bytes. On a terminal the echo is off while typing;
//! from a pipe the two lines are simply read.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Longest password that MQTT can carry, in bytes.
const BYTES_MAX: usize = 65535;

/// Why there is no password. `Display` is the line for stderr.
#[derive(Debug, thiserror::Error)]
pub(super) enum PromptError {
    #[error("Error: Empty password.")]
    Empty,
    #[error("Error: Passwords do not match.")]
    Mismatch,
    #[error("Error: Password must be less than 65536 characters long.")]
    TooLong,
    #[error("Error: Unable to read the password. {0}.")]
    Io(#[from] io::Error),
}

/// Where passwords are typed.
pub(super) trait PasswordInput {
    /// Called before the first prompt; hides what is typed, where that is possible.
    fn begin(&mut self) -> io::Result<()>;
    /// One line with its end, at most `bytes_max` bytes; empty at the end of the input.
    fn line(&mut self, bytes_max: usize) -> io::Result<Vec<u8>>;
    /// Called after the last line: shows again what is typed.
    fn end(&mut self);
}

/// Asks twice; the prompts go to `out`.
pub(super) fn ask(input: &mut dyn PasswordInput, out: &mut dyn Write) -> Result<Vec<u8>, PromptError> {
    input.begin()?;
    let answer = ask_twice(input, out);
    input.end();
    answer
}

fn ask_twice(input: &mut dyn PasswordInput, out: &mut dyn Write) -> Result<Vec<u8>, PromptError> {
    let first = ask_once(input, out, "Password: ")?;
    if first.is_empty() {
        return Err(PromptError::Empty);
    }
    let second = ask_once(input, out, "Reenter password: ")?;
    if first == second { Ok(first) } else { Err(PromptError::Mismatch) }
}

fn ask_once(
    input: &mut dyn PasswordInput,
    out: &mut dyn Write,
    prompt: &str,
) -> Result<Vec<u8>, PromptError> {
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    // Two bytes more than a password: its line end.
    let mut line = input.line(BYTES_MAX + 2)?;
    // The Return that was typed has not been shown.
    out.write_all(b"\n")?;
    while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
        line.pop();
    }
    if line.len() > BYTES_MAX { Err(PromptError::TooLong) } else { Ok(line) }
}

/// The process' standard input.
#[derive(Default)]
pub(super) struct Stdin {
    /// How the terminal was, while its echo is off.
    before: Option<Termios>,
}

impl PasswordInput for Stdin {
    fn begin(&mut self) -> io::Result<()> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            let before = tcgetattr(&stdin)?;
            let mut hidden = before.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            // Not `Flush`: a script that types ahead must not lose its first characters.
            tcsetattr(&stdin, OptionalActions::Drain, &hidden)?;
            self.before = Some(before);
        }
        Ok(())
    }

    fn line(&mut self, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        io::stdin().lock().take(bytes_max as u64).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn end(&mut self) {
        if let Some(before) = self.before.take() {
            // Nothing more can be done about a terminal that is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &before);
        }
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        self.end();
    }
}
