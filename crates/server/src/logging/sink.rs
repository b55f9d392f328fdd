//! The ends of the log: streams, a file, the system's log daemon, topics.
//!
//! Before: the writer has put time and text together. After: bytes leave the process. Everything here may
//! block, and runs on the writer's thread only.

use super::class::Class;
use super::{LogError, Publish};
use chrono::{DateTime, Local};
use pondhawk_config::LogDestinations;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The log daemon's socket.
const SYSLOG: &str = "/dev/log";
/// The facility `daemon`; `local0` is 16 (RFC 5424, section 6.2.1).
const FACILITY_DAEMON: u8 = 3;
const FACILITY_LOCAL0: u8 = 16;

/// One finished line.
pub(super) struct Line<'a> {
    pub(super) class: Class,
    pub(super) at: SystemTime,
    /// Time and text, without an end.
    pub(super) text: &'a str,
}

/// All destinations of a configuration, open.
pub(super) struct Sinks {
    stdout: bool,
    stderr: bool,
    file: Option<LogFile>,
    syslog: Option<Syslog>,
    publish: Option<Publish>,
}

impl Sinks {
    /// Opens what is to be opened.
    pub(super) fn open(
        to: &LogDestinations,
        facility: Option<u8>,
        ident: &str,
        publish: Option<&Publish>,
    ) -> Result<Self, LogError> {
        Ok(Sinks {
            stdout: to.stdout,
            stderr: to.stderr,
            file: to.file.as_deref().map(LogFile::open).transpose()?,
            syslog: to.syslog.then(|| Syslog::new(facility, ident)),
            publish: publish.filter(|_| to.topic).cloned(),
        })
    }

    /// Takes a line. Streams and the file are written at [`Sinks::flush`].
    pub(super) fn take(&mut self, line: &Line<'_>, pending: &mut Vec<u8>) {
        if self.stdout || self.stderr || self.file.is_some() {
            pending.extend_from_slice(line.text.as_bytes());
            pending.push(b'\n');
        }
        if let Some(syslog) = &mut self.syslog {
            syslog.send(line);
        }
        if let (Some(publish), Some(topic)) = (&self.publish, line.class.topic()) {
            publish(topic, line.text);
        }
    }

    /// Writes what is pending. A destination that fails is left alone until the next time: there is nowhere
    /// to report it, and the broker must go on.
    pub(super) fn flush(&mut self, pending: &mut Vec<u8>) {
        if pending.is_empty() {
            return;
        }
        if self.stdout {
            let mut out = io::stdout().lock();
            let _unwritten = out.write_all(pending).and_then(|()| out.flush());
        }
        if self.stderr {
            let _unwritten = io::stderr().lock().write_all(pending);
        }
        if let Some(file) = &mut self.file {
            let _unwritten = file.file.write_all(pending);
        }
        pending.clear();
    }

    /// Opens the log file anew, after it has been moved away.
    pub(super) fn reopen(&mut self) -> Result<(), LogError> {
        if let Some(file) = &mut self.file {
            *file = LogFile::open(&file.path)?;
        }
        Ok(())
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Appends to the file, made readable by its owner alone if it is not there: it names clients and topics.
    fn open(path: &Path) -> Result<Self, LogError> {
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        match opened {
            Ok(file) => Ok(LogFile { path: path.to_owned(), file }),
            Err(source) => Err(LogError::File { path: path.to_owned(), source }),
        }
    }
}

/// The log daemon, by datagrams in the form that it has always taken (RFC 3164).
struct Syslog {
    socket: Option<UnixDatagram>,
    facility: u8,
    ident: String,
}

impl Syslog {
    fn new(facility: Option<u8>, ident: &str) -> Self {
        Syslog {
            socket: None,
            facility: facility.map_or(FACILITY_DAEMON, |local| FACILITY_LOCAL0 + local),
            ident: ident.to_owned(),
        }
    }

    /// Sends a line; it is lost if no daemon listens, even after a second look.
    fn send(&mut self, line: &Line<'_>) {
        let packet = self.packet(line);
        for _ in 0..2 {
            if self.socket.is_none() {
                self.socket = connect(Path::new(SYSLOG)).ok();
            }
            match &self.socket {
                Some(socket) if socket.send(packet.as_bytes()).is_ok() => return,
                // The daemon was restarted.
                _ => self.socket = None,
            }
        }
    }

    fn packet(&self, line: &Line<'_>) -> String {
        let mut packet = String::new();
        let priority = self.facility << 3 | line.class.severity();
        let time = DateTime::<Local>::from(line.at).format("%b %e %H:%M:%S");
        let written =
            write!(packet, "<{priority}>{time} {}[{}]: {}", self.ident, std::process::id(), line.text);
        debug_assert!(written.is_ok(), "a String takes everything, and the format is fixed");
        packet
    }
}

/// A connected socket that does not wait for a daemon that has no room: the line is lost then.
fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Line<'_> = Line { class: Class::Warning, at: SystemTime::UNIX_EPOCH, text: "a line" };

    #[test]
    fn syslog_packets_carry_priority_and_name() {
        let packet = Syslog::new(None, "mosquitto").packet(&LINE);
        assert!(packet.starts_with("<28>"), "{packet}");
        assert!(packet.ends_with(&format!(" mosquitto[{}]: a line", std::process::id())), "{packet}");
        assert!(Syslog::new(Some(7), "x").packet(&LINE).starts_with("<188>"));
    }

    #[test]
    fn syslog_lines_arrive_as_datagrams() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(None, "pondhawk");
        syslog.socket = Some(connect(&path).unwrap());
        syslog.send(&LINE);
        let mut packet = [0; 200];
        let len = daemon.recv(&mut packet).unwrap();
        assert!(packet[..len].ends_with(b": a line"));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing/log");
        let to = LogDestinations { file: Some(path), ..LogDestinations::default() };
        let Err(error) = Sinks::open(&to, None, "x", None) else { panic!("opened") };
        assert!(error.to_string().contains("/missing/log"), "{error}");
    }
}
