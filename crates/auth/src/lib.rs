//! Who may connect and who may read or write what: password files, access control files, how often a password may be
//! guessed, and the pool of threads that does the slow hashing.
//!
//! **What it does not do.** It opens no socket, knows no packet and never runs on a data-plane thread except for
//! [`ClientRules::may_read`] and [`ClientRules::may_write`], which allocate nothing and never block. It writes no
//! log: what an operator should hear comes back as [`LoadError`] or [`Warning`], worded for the log.
//!
//! **Its place.** `server` loads the files at start and at SIGHUP, hands a CONNECT's password to [`AuthPool`], and
//! gives each accepted client the [`ClientRules`] that the broker asks for every publish and every delivery. The
//! `mosquitto_passwd` command makes its entries with [`PasswordHash::create`].
//!
//! ```text
//! bytes of a file → source::read → PasswordFile / AclFile → (Arc) → AuthPool jobs / ClientRules
//! ```
//!
//! **Invariants.**
//! * A file is accepted whole or not at all: one bad line refuses it, with every bad line's number in the error.
//! * No entry without a password can exist, and no stored hash can cost more than the caps in [`hash`].
//! * A client id or user name is only ever compared with one level of a topic. It is never pasted into a filter,
//!   so it cannot become a wildcard, a further level or a `$` namespace.
//! * An empty access control file denies everything.
//! * Every job given to the pool is answered exactly once; a panic, a shutdown or a lost thread answers "no".

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod acl;
pub mod backoff;
pub mod error;
pub mod hash;
pub mod password_file;
pub mod pool;
pub mod source;

pub use acl::{Access, AclFile, ClientRules, Decision, Explanation};
pub use backoff::{LoginCounts, LoginGuard, LoginPolicy};
pub use error::{FileKind, LineError, LoadError, Warning};
pub use hash::{HashError, PasswordHash, Scheme};
pub use password_file::PasswordFile;
pub use pool::{AuthPool, Full, Job};
pub use source::Symlinks;
