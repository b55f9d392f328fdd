//! What a tool prints: data and debug lines on stdout, errors on stderr.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Stdout and stderr of a tool.
pub(crate) struct Console {
    out: BufWriter<Stdout>,
    quiet: bool,
    /// Nobody reads stdout any more.
    broken: bool,
}

impl Console {
    pub(crate) fn new(quiet: bool) -> Self {
        Console { out: BufWriter::with_capacity(64 * 1024, io::stdout()), quiet, broken: false }
    }

    /// Prints bytes; they appear at the next [`flush`](Self::flush).
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.out.write_all(bytes).is_err() {
            self.broken = true;
        }
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, line: fmt::Arguments<'_>) {
        if writeln!(self.out, "{line}").is_err() {
            self.broken = true;
        }
    }

    /// Lets what was printed appear.
    pub(crate) fn flush(&mut self) {
        if self.out.flush().is_err() {
            self.broken = true;
        }
    }

    /// Prints a line on stderr, behind what was printed before; not with `--quiet`.
    pub(crate) fn error(&mut self, line: &str) {
        self.flush();
        if !self.quiet && !line.is_empty() {
            // There is nobody to tell that stderr is closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// True if stdout is closed, so that there is no use in going on: what comes in cannot be handed on, and the
    /// connection is closed. [MQTT3-4.8.0-2]
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// True if a human looks at stdout.
    pub(crate) fn is_terminal(&self) -> bool {
        self.out.get_ref().is_terminal()
    }
}
