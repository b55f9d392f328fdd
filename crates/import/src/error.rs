//! Why a file is not read at all.

use thiserror::Error;

/// An error that ends the import. Nothing is imported then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// It does not begin like one.
    #[error("this is not a mosquitto.db")]
    Foreign,
    /// An earlier version of Mosquitto wrote it.
    #[error(
        "the file has format {0}, which Mosquitto before 1.6 wrote, and 5 and 6 are read here: start it once with \
         Mosquitto 1.6 or 2, which writes the file anew when it ends"
    )]
    Older(u32),
    /// A later version of Mosquitto wrote it.
    #[error("the file has format {0}, and 5 and 6 are read here")]
    Newer(u32),
    /// Its numbers stand the other way round.
    #[error("a machine with another byte order wrote the file: import it there")]
    ByteOrder,
    /// It ends or goes on where it must not.
    #[error("the file is damaged at byte {at}: {what}")]
    Damaged {
        /// Where, from the beginning of the file.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
}
