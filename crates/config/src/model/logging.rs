//! Where log lines go and which of them are written.

use std::fmt;
use std::ops::BitOr;
use std::path::PathBuf;

/// All logging directives together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Where lines are written (`log_dest`).
    pub destinations: LogDestinations,
    /// Which classes are written (`log_type`, `-v`, `-q`).
    pub types: LogTypes,
    /// Number of the syslog facility `local0`..`local7`, when one was chosen; `daemon` otherwise.
    pub facility: Option<u8>,
    /// Whether each line starts with a time.
    pub timestamp: bool,
    /// `strftime` format of that time; unix seconds when `None`.
    pub timestamp_format: Option<String>,
    /// Whether connects and disconnects of clients are logged.
    pub connection_messages: bool,
}

/// The set of log destinations; several may be on at once, none means silence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogDestinations {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// The system's log daemon.
    pub syslog: bool,
    /// The topics `$SYS/broker/log/…`.
    pub topic: bool,
    /// A file, reopened at SIGHUP and SIGRTMIN.
    pub file: Option<PathBuf>,
}

/// A set of log classes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LogTypes(u16);

impl LogTypes {
    /// No class at all.
    pub const NONE: Self = Self(0);
    /// `information`.
    pub const INFORMATION: Self = Self(1);
    /// `notice`.
    pub const NOTICE: Self = Self(2);
    /// `warning`.
    pub const WARNING: Self = Self(4);
    /// `error`.
    pub const ERROR: Self = Self(8);
    /// `debug`.
    pub const DEBUG: Self = Self(16);
    /// `subscribe`.
    pub const SUBSCRIBE: Self = Self(32);
    /// `unsubscribe`.
    pub const UNSUBSCRIBE: Self = Self(64);
    /// `websockets`.
    pub const WEBSOCKETS: Self = Self(128);
    /// `internal`.
    pub const INTERNAL: Self = Self(256);
    /// Every class.
    pub const ALL: Self = Self(511);

    const NAMED: [(&'static str, Self); 9] = [
        ("debug", Self::DEBUG),
        ("error", Self::ERROR),
        ("warning", Self::WARNING),
        ("notice", Self::NOTICE),
        ("information", Self::INFORMATION),
        ("subscribe", Self::SUBSCRIBE),
        ("unsubscribe", Self::UNSUBSCRIBE),
        ("websockets", Self::WEBSOCKETS),
        ("internal", Self::INTERNAL),
    ];

    /// The class or set called `name` in `log_type`, `all` and `none` included.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::ALL),
            "none" => Some(Self::NONE),
            _ => Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, set)| *set),
        }
    }

    /// Whether every class of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for LogTypes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for LogTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = Self::NAMED.iter().filter(|(_, set)| self.contains(*set));
        f.debug_set().entries(on.map(|(name, _)| name)).finish()
    }
}
