//! What became of a vector.

use serde::Serialize;

/// How a broker did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As Pondhawk does it.
    Passed,
    /// Otherwise than Pondhawk does it, and the standard permits that.
    Choice,
    /// The standard forbids what it did.
    Breaks,
    /// It does not offer what the vector is about, and says so.
    Skipped,
}

/// A vector that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// How it went.
    pub verdict: Verdict,
    /// What was not as Pondhawk does it.
    pub difference: Option<Difference>,
    /// Why it was skipped.
    pub why: Option<String>,
    /// All that was said.
    pub transcript: Vec<Said>,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The expectation as the script writes it; empty for the rules that hold in each.
    pub line: String,
    /// What must come, in words.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// Bytes that one side said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The connection's name in the script.
    pub link: String,
    /// We sent them; otherwise the broker did.
    pub sent: bool,
    /// The bytes; of the broker, one packet.
    pub bytes: Vec<u8>,
}

impl Played {
    /// Skipped for this reason.
    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Played { verdict: Verdict::Skipped, difference: None, why: Some(why.into()), transcript: Vec::new() }
    }
}
