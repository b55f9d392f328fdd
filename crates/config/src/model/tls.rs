//! TLS settings of a listener, as data: nothing here opens a file.

use std::path::PathBuf;

/// The certificate and pre-shared-key directives of one listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenerTls {
    /// Server certificate chain in PEM.
    pub certfile: Option<PathBuf>,
    /// Server key: a file, or an engine's key id.
    pub keyfile: Option<PathBuf>,
    /// Certificates that may sign client certificates.
    pub cafile: Option<PathBuf>,
    /// The same as a hashed directory.
    pub capath: Option<PathBuf>,
    /// Revocation list.
    pub crlfile: Option<PathBuf>,
    /// Whether a client must bring a certificate.
    pub require_certificate: bool,
    /// Whether the certificate's common name (or the PSK identity) is the user name.
    pub use_identity_as_username: bool,
    /// Whether the certificate's whole subject is the user name.
    pub use_subject_as_username: bool,
    /// Whether expired client certificates are accepted.
    pub disable_client_cert_date_checks: bool,
    /// Lowest protocol version, as written.
    pub tls_version: Option<String>,
    /// Cipher list up to TLS 1.2.
    pub ciphers: Option<String>,
    /// Suites of TLS 1.3.
    pub ciphers_tls13: Option<String>,
    /// OpenSSL engine id.
    pub engine: Option<String>,
    /// How `keyfile` is meant.
    pub key_form: KeyForm,
    /// SHA-1 of the engine's key password, 20 bytes in hex.
    pub engine_kpass_sha1: Option<String>,
    /// Hint sent to PSK clients; its presence makes the listener a PSK one.
    pub psk_hint: Option<String>,
}

/// How a key is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyForm {
    /// A PEM file.
    #[default]
    Pem,
    /// An id that an OpenSSL engine knows.
    Engine,
}
