//! The file as a whole: chunks are gathered by client, then every session and retained message is taken over.

use crate::ImportError;
use crate::chunk::{Chunk, Chunks};
use crate::message::Messages;
use crate::report::Report;
use crate::session::{Session, Takeover, shown};
use pondhawk_broker::Persist;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// What an import must know that is not in the file.
pub struct Surroundings<'a> {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// The number of the listener that has this port.
    pub listener_of: &'a dyn Fn(u16) -> u16,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

/// What a file had.
#[derive(Debug)]
pub struct Imported {
    /// The records, for a store that is empty. Their times are milliseconds since 1970.
    pub records: Vec<Persist>,
    /// What they are, and what is not in them.
    pub report: Report,
}

/// Reads the bytes of a `mosquitto.db`.
///
/// # Errors
/// If it is none, of another format, or not whole.
pub fn read(bytes: &[u8], surroundings: &Surroundings<'_>) -> Result<Imported, ImportError> {
    let chunks = Chunks::new(bytes)?;
    let mut gathered = Gathered::new(chunks.format);
    for chunk in chunks {
        gathered.take(chunk?);
    }
    gathered.settle();
    let Gathered { sessions, messages, retained, report, .. } = gathered;
    let mut takeover = Takeover { surroundings, messages, records: Vec::new(), report };
    sessions.iter().for_each(|session| takeover.session(session));
    let mut topics = HashSet::new();
    for message in retained {
        takeover.retained(message, &mut topics);
    }
    Ok(Imported { records: takeover.records, report: takeover.report })
}

/// Chunks by client.
struct Gathered<'a> {
    sessions: Vec<Session<'a>>,
    places: HashMap<&'a [u8], usize>,
    /// What may come before its client.
    loose: Vec<Chunk<'a>>,
    messages: Messages<'a>,
    retained: Vec<u64>,
    report: Report,
}

impl<'a> Gathered<'a> {
    fn new(format: u32) -> Self {
        Gathered {
            sessions: Vec::new(),
            places: HashMap::new(),
            loose: Vec::new(),
            messages: Messages::default(),
            retained: Vec::new(),
            report: Report { format, ..Report::default() },
        }
    }

    fn take(&mut self, chunk: Chunk<'a>) {
        match chunk {
            Chunk::Setup => {}
            Chunk::Message(message) => {
                if !self.messages.add(message) {
                    let example = || format!("message number {}", message.id);
                    self.report.leave_out("another message has the same number", example);
                }
            }
            Chunk::Retained { message } => self.retained.push(message),
            Chunk::Client(client) => {
                if self.places.contains_key(client.client_id) {
                    let example = || format!("session of {}", shown(client.client_id));
                    return self.report.leave_out("the client has another session", example);
                }
                self.places.insert(client.client_id, self.sessions.len());
                self.sessions.push(Session { client, subscriptions: Vec::new(), entries: Vec::new() });
            }
            Chunk::Entry(_) | Chunk::Subscription(_) => self.loose.push(chunk),
            Chunk::Unknown(kind) => {
                self.report.leave_out("nothing is known of chunks of this kind", || format!("kind {kind}"));
            }
        }
    }

    /// Gives sessions what is theirs.
    fn settle(&mut self) {
        for chunk in std::mem::take(&mut self.loose) {
            let client_id = match chunk {
                Chunk::Entry(entry) => entry.client_id,
                Chunk::Subscription(subscription) => subscription.client_id,
                _ => continue,
            };
            let place = self.places.get(client_id).copied();
            let Some(session) = place.and_then(|place| self.sessions.get_mut(place)) else {
                let example = || format!("something of {}", shown(client_id));
                self.report.leave_out("the client has no session", example);
                continue;
            };
            match chunk {
                Chunk::Entry(entry) => session.entries.push(entry),
                Chunk::Subscription(subscription) => session.subscriptions.push(subscription),
                _ => {}
            }
        }
    }
}

impl<'a> Takeover<'a, '_> {
    fn retained(&mut self, number: u64, topics: &mut HashSet<Box<str>>) {
        let name = || format!("retained message, number {number}");
        let message = match self.messages.get(number, self.surroundings.listener_of) {
            Ok(message) => message,
            Err(why) => return self.report.leave_out(why, name),
        };
        let named = || format!("retained message of {:?}", message.topic());
        if message.view().is_expired(self.surroundings.now_ms) {
            self.report.leave_out("the message has expired", named);
        } else if message.payload_len() == 0 {
            self.report.leave_out("it is empty", named);
        } else if message.topic().starts_with("$SYS/") {
            self.report.leave_out("the broker's own messages are made anew", named);
        } else if !topics.insert(message.topic().into()) {
            self.report.leave_out("the topic has another retained message", named);
        } else {
            self.report.retained += 1;
            self.records.push(Persist::Retained { message });
        }
    }
}
