//! What is said when a configuration or a command line is refused.

use crate::record::Place;

/// Exit code of the broker for every configuration or command line error.
pub const EXIT_INVALID: i32 = 3;

/// A configuration or a command line that cannot be used.
///
/// [`ConfigError::lines`] are what the broker prints on standard error, in Mosquitto's words so that
/// scripts recognise them: the error, where it was found (once per file on the way to it), and
/// possibly a `hint:` line of our own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines.join("\n"))]
pub struct ConfigError {
    lines: Vec<String>,
    usage: bool,
}

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { lines: vec![format!("Error: {}", message.into())], usage: false }
    }

    pub(crate) fn from_fault(fault: Fault, place: Option<&Place>) -> Self {
        let mut error = Self::new(fault.message);
        if let Some(place) = place {
            error = error.found_at(place);
        }
        if let Some(hint) = fault.hint {
            error.lines.push(format!("hint: {hint}"));
        }
        error
    }

    /// Adds one more file on the way to the error, in front of the hints.
    pub(crate) fn found_at(mut self, place: &Place) -> Self {
        let at = self.lines.iter().position(|line| line.starts_with("hint: ")).unwrap_or(self.lines.len());
        self.lines.insert(at, format!("Error found at {place}."));
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl std::fmt::Display) -> Self {
        self.lines.push(format!("hint: {hint}"));
        self
    }

    pub(crate) fn with_usage(mut self) -> Self {
        self.usage = true;
        self
    }

    /// The lines to print on standard error, without a time.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether the usage text is to be printed after the lines.
    pub fn shows_usage(&self) -> bool {
        self.usage
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> i32 {
        EXIT_INVALID
    }
}

/// One refused line, before it is known where the line was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    message: String,
    hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn empty(name: &str) -> Self {
        Self::new(format!("Empty '{name}' value in configuration."))
    }

    pub(crate) fn duplicate(name: &str) -> Self {
        Self::new(format!("Duplicate '{name}' value in configuration."))
    }

    pub(crate) fn invalid(name: &str, value: impl std::fmt::Display) -> Self {
        Self::new(format!("Invalid '{name}' value ({value})."))
    }

    pub(crate) fn not_a_number(name: &str) -> Self {
        Self::new(format!("'{name}' value not a number."))
    }

    pub(crate) fn malformed() -> Self {
        Self::new("Malformed UTF-8 in configuration.")
            .hint("a value may hold no control characters, such as a tab, and must be valid UTF-8")
    }
}
