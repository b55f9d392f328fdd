//! The log: `tracing` events in, Mosquitto's lines out, to every `log_dest`.
//!
//! Before: any crate emits a tracing event, or a shard hands over a [`Note`]. After: a thread of its own
//! writes; whoever logs never waits for a disk, a terminal or a daemon.
//!
//! ```text
//! Note ─ note::lines ─┐
//!                     ├─ tracing event ─ Layer: wanted? ─ bounded queue ─ writer thread ─ sinks
//! warn!("…") ─────────┘
//! ```
//!
//! # Invariants
//! - [`Log::wants`] is one relaxed load: asking costs nothing where the answer is no.
//! - A line is one line: whatever a client chose is escaped and cut before it is written.
//! - A queue that is full loses lines and says how many; it never holds up the broker.

mod class;
mod note;
mod shown;
mod sink;
mod stamp;
mod writer;

pub use class::Class;
pub use shown::{SHOWN_MAX, Shown};

use pondhawk_broker::{Note, NoteKind};
use pondhawk_config::{LogDestinations, Logging};
use sink::Sinks;
use stamp::Stamp;
use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use writer::Writer;

/// The bit of the mask that says whether clients' coming and going is logged.
const CONNECTIONS: u16 = 1 << 15;
/// How long the end of the process waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(2);

/// Publishes a line on a topic, for `log_dest topic`. Called on the writer's thread.
pub type Publish = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Why the log cannot be written as configured.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log file does not open.
    #[error("Error: Unable to open log file {} for writing: {source}. Give the broker's user write permission to it and its directory, or change log_dest.", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The writer's thread does not start.
    #[error("Error: Unable to start the log's thread: {0}.")]
    Thread(io::Error),
    /// The writer does not get on: a pipe that nobody reads, or a disk that hangs.
    #[error("Error: The log is stuck: its destination takes no more lines.")]
    Stuck,
}

/// The log. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    mask: AtomicU16,
    writer: Writer,
    ident: String,
    publish: Option<Publish>,
}

impl Log {
    /// Opens the destinations and starts the writer. `ident` is the program's name in the system's log.
    ///
    /// # Errors
    /// A log file that cannot be opened, or no thread.
    pub fn start(logging: &Logging, ident: &str, publish: Option<Publish>) -> Result<Self, LogError> {
        let sinks = Sinks::open(&logging.destinations, logging.facility, ident, publish.as_ref())?;
        let stamp = Stamp::new(logging.timestamp, logging.timestamp_format.as_deref());
        // The thread ends with the last line; waiting for it is `finish`'s job, and that has a deadline.
        let (writer, _thread) = Writer::start(sinks, stamp)?;
        let mask = AtomicU16::new(mask(logging));
        Ok(Log { shared: Arc::new(Shared { mask, writer, ident: ident.to_owned(), publish }) })
    }

    /// Makes this log the one that takes the tracing events of the whole process; false if there is one.
    pub fn install(&self) -> bool {
        tracing::subscriber::set_global_default(self.subscriber()).is_ok()
    }

    /// A tracing subscriber that writes to this log.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        tracing_subscriber::registry().with(Lines { log: self.clone() })
    }

    /// Whether lines of this class are written.
    #[must_use]
    pub fn wants(&self, class: Class) -> bool {
        self.shared.mask.load(Ordering::Relaxed) & class.bit() != 0
    }

    /// Whether notes of this kind are worth making.
    #[must_use]
    pub fn wants_note(&self, kind: NoteKind) -> bool {
        let wanted = match kind {
            NoteKind::Debug => Class::Debug.bit(),
            NoteKind::Notice => CONNECTIONS,
            NoteKind::Subscribe => Class::Subscribe.bit() | Class::Debug.bit(),
            NoteKind::Unsubscribe => Class::Unsubscribe.bit() | Class::Debug.bit(),
            NoteKind::Error => Class::Error.bit(),
        };
        self.shared.mask.load(Ordering::Relaxed) & wanted != 0
    }

    /// Whether clients' coming and going is logged (`connection_messages`).
    #[must_use]
    pub fn wants_connections(&self) -> bool {
        self.wants_note(NoteKind::Notice)
    }

    /// Logs what a shard has to say.
    pub fn note(&self, note: &Note<'_>) {
        note::lines(note, &mut |class, text| self.write(class, text));
    }

    /// Logs a socket that was accepted at `place` (`port 1883`), or why it was not.
    pub fn accepted(&self, peer: &str, place: &str, result: Result<(), &str>) {
        match result {
            Ok(()) if self.wants_connections() => {
                self.write(Class::Notice, format_args!("New connection from {} on {place}.", Shown(peer)));
            }
            Ok(()) => {}
            Err(why) if peer.is_empty() => {
                self.write(
                    Class::Error,
                    format_args!("Error: Unable to accept a connection on {place}: {why}."),
                );
            }
            Err(why) => {
                let peer = Shown(peer);
                self.write(
                    Class::Warning,
                    format_args!("Client connection from {peer} denied: {why} on {place}."),
                );
            }
        }
    }

    /// Logs a line, unless its class is not wanted. What a client chose must be [`Shown`].
    pub fn write(&self, class: Class, text: impl fmt::Display) {
        if self.wants(class) {
            class.emit(&text.to_string());
        }
    }

    /// Goes on with another configuration. What was logged so far is written as before.
    ///
    /// # Errors
    /// A log file that cannot be opened; then nothing changes.
    pub fn reconfigure(&self, logging: &Logging) -> Result<(), LogError> {
        let shared = &self.shared;
        let to = &logging.destinations;
        let sinks = Sinks::open(to, logging.facility, &shared.ident, shared.publish.as_ref())?;
        let stamp = Stamp::new(logging.timestamp, logging.timestamp_format.as_deref());
        shared.writer.replace(sinks, stamp);
        shared.mask.store(mask(logging), Ordering::Relaxed);
        Ok(())
    }

    /// Opens the log file anew: it has been moved away.
    ///
    /// # Errors
    /// It does not open (the old one stays), or the writer does not get on.
    pub fn reopen(&self) -> Result<(), LogError> {
        self.shared.writer.reopen(PATIENCE)
    }

    /// Waits until everything so far is written; false if that takes too long.
    pub fn flush(&self) -> bool {
        self.shared.writer.flush(PATIENCE)
    }

    /// Writes what there is and ends the writer; false if that takes too long. Later lines are lost.
    pub fn finish(&self) -> bool {
        self.shared.writer.stop(PATIENCE)
    }
}

fn mask(logging: &Logging) -> u16 {
    if logging.destinations == LogDestinations::default() {
        // `log_dest none`: nobody would read a line.
        return 0;
    }
    let mask = Class::mask(logging.types);
    let connections = logging.connection_messages && mask & Class::Notice.bit() != 0;
    if connections { mask | CONNECTIONS } else { mask }
}

/// The layer that turns events into lines.
struct Lines {
    log: Log,
}

impl<S: Subscriber> Layer<S> for Lines {
    /// What is wanted changes with every reload, so it is asked at every event.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Spans have no line of their own.
        metadata.is_event() && self.log.wants(Class::of(metadata))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.log.shared.writer.line(Class::of(event.metadata()), text.0);
    }
}

/// The message of an event, and its fields behind it.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = if field.name() == "message" {
            // The message comes first in every event that the macros make.
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
}

#[cfg(test)]
mod tests;
