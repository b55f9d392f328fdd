//! Who may come in, as written ([`Security`]) and as resolved for one listener ([`Access`]).

use std::path::PathBuf;

/// The security directives as written, global or of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// `allow_anonymous`, `None` when no line sets it.
    pub allow_anonymous: Option<bool>,
    /// User and password hash file.
    pub password_file: Option<PathBuf>,
    /// Access control file.
    pub acl_file: Option<PathBuf>,
    /// Identity and key file for TLS-PSK.
    pub psk_file: Option<PathBuf>,
    /// Whether an empty client id is accepted.
    pub allow_zero_length_clientid: bool,
    /// Prefix of the ids that the broker makes up.
    pub auto_id_prefix: String,
    /// Indices into [`Config::plugins`](super::Config::plugins).
    pub plugins: Vec<usize>,
}

/// What holds for the clients of one listener, all inheritance done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whether a client without a user name may connect.
    pub allow_anonymous: bool,
    /// Whether a line of the configuration says so, rather than a default.
    pub allow_anonymous_explicit: bool,
    /// User and password hash file.
    pub password_file: Option<PathBuf>,
    /// Access control file.
    pub acl_file: Option<PathBuf>,
    /// Identity and key file for TLS-PSK.
    pub psk_file: Option<PathBuf>,
    /// Whether an empty client id is accepted.
    pub allow_zero_length_clientid: bool,
    /// Prefix of the ids that the broker makes up.
    pub auto_id_prefix: String,
    /// Indices into [`Config::plugins`](super::Config::plugins): global ones first.
    pub plugins: Vec<usize>,
}
