//! The broker as a process of its operating system: background, user, limits, pid file, signals, memory.
//!
//! Before: the command line and the configuration say what is wanted. After: [`crate::run`] boots the shards
//! and the control loop waits for signals.
//!
//! SIGPIPE needs nothing here: the runtime ignores it, and a write to a closed socket is an error like others.

mod account;
mod daemon;
mod limits;
mod pid_file;
mod signals;

pub use account::{AccountError, drop_privileges, future_ids};
pub use daemon::{Background, Daemonized, daemonize};
pub use limits::{raise_file_limit, resident_bytes, set_umask};
pub use pid_file::{PidFile, PidFileError};
pub use signals::{Signal, Signals};
