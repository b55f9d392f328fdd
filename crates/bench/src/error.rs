//! Why a measurement could not be made.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The command line makes no sense.
    #[error("{0}\nTry 'cargo xtask bench --help'.")]
    Usage(String),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// A broker's program is not there.
    #[error("{0} is not there: {1}")]
    NoProgram(PathBuf, &'static str),
    /// A broker ended instead of listening.
    #[error("{name} did not start listening within {within:?}; it said:\n{said}")]
    NotListening {
        /// The broker.
        name: String,
        /// How long it was waited for.
        within: Duration,
        /// Its output.
        said: String,
    },
    /// A broker closed a connection or sent what it should not.
    #[error("the broker broke off: {0}")]
    Broker(String),
    /// Nothing came for too long.
    #[error("no progress for {within:?}: {missing} deliveries are missing")]
    Stalled {
        /// How long it was waited for.
        within: Duration,
        /// Deliveries owed when it was given up.
        missing: u64,
    },
    /// The run is void.
    #[error("void: {lost} messages lost, {doubled} doubled, {disordered} out of order")]
    Void {
        /// Never came.
        lost: u64,
        /// Came more than once.
        doubled: u64,
        /// Came behind a later one.
        disordered: u64,
    },
}

/// Says what was tried when the operating system refused it.
pub(crate) trait Tried<T> {
    /// `what` is a phrase such as "opening /proc/1/stat".
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, BenchError>;
}

impl<T> Tried<T> for io::Result<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, BenchError> {
        self.map_err(|source| BenchError::Io { what: what(), source })
    }
}
