//! Listening sockets: a [`ListenSpec`] in, bound non-blocking mio listeners out, or an error that says what
//! to do.
//!
//! Before it: the configuration, turned into specs by `server`. After it: the reactor, which accepts.
//! Everything is bound before the broker drops its privileges or serves anyone.

mod error;
mod tcp;
mod unix;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use error::{Cause, ListenError, Place};
pub use unix::SocketFile;

/// What a listener without a setting of its own asks of the kernel, which cuts it to `net.core.somaxconn`.
///
/// Mosquitto asks for 100, and then loses connections when a fleet of devices comes back at once.
pub const BACKLOG: i32 = 4096;

/// One listener to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenSpec {
    /// A TCP port.
    Tcp(TcpSpec),
    /// A Unix stream socket at this path.
    Unix(PathBuf),
}

/// A TCP listener to be opened; [`TcpSpec::new`] has the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpSpec {
    /// An address or a host name, of which every address is bound; `None` is every interface, by one IPv4
    /// and one IPv6 socket.
    pub host: Option<String>,
    /// The port; 0 asks the kernel for a free one, the same for all sockets of this listener.
    pub port: u16,
    /// Restricts the listener to one family (`socket_domain`).
    pub domain: Domain,
    /// Only packets that come in through this interface (`bind_interface`, `SO_BINDTODEVICE`).
    pub interface: Option<String>,
    /// Lets each shard open its own socket on the same port (`SO_REUSEPORT`). The kernel then no longer
    /// refuses a second broker of the same user, so call [`ensure_free`] first.
    pub reuse_port: bool,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
}

impl TcpSpec {
    /// A listener on `port` of `host`, with the defaults for the rest.
    #[must_use]
    pub fn new(host: Option<&str>, port: u16) -> Self {
        Self {
            host: host.map(str::to_owned),
            port,
            domain: Domain::Any,
            interface: None,
            reuse_port: false,
            backlog: BACKLOG,
        }
    }
}

/// Which address families a listener takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Domain {
    /// Both.
    #[default]
    Any,
    /// Only IPv4.
    V4,
    /// Only IPv6.
    V6,
}

impl Domain {
    fn takes(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// A bound listener, ready to be registered with a poll.
#[derive(Debug)]
pub enum Listener {
    /// TCP, with the address that it is bound to (its real port if the spec said 0).
    Tcp {
        /// The socket.
        socket: mio::net::TcpListener,
        /// Where it listens.
        address: SocketAddr,
    },
    /// Unix; the socket's file goes away with `file`.
    Unix {
        /// The socket.
        socket: mio::net::UnixListener,
        /// The name in the file system.
        file: SocketFile,
    },
}

impl Listener {
    /// The port, or `None` for a Unix socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { address, .. } => Some(address.port()),
            Self::Unix { .. } => None,
        }
    }

    /// The path of a Unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp { .. } => None,
            Self::Unix { file, .. } => Some(file.path()),
        }
    }
}

/// As Mosquitto names a listener in its log: `ipv4 listen socket on port 1883`.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, .. } => {
                let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
                write!(f, "{family} listen socket on port {}", address.port())
            }
            Self::Unix { file, .. } => write!(f, "unix listen socket on path {}", file.path().display()),
        }
    }
}

/// The sockets of one listener.
#[derive(Debug)]
pub struct Opened {
    /// At least one.
    pub listeners: Vec<Listener>,
    /// Addresses that this machine does not have, such as `::` where IPv6 is switched off. Worth a warning.
    pub skipped: Vec<ListenError>,
}

/// Binds every socket of `spec` and listens.
///
/// Resolves a host name, which may block. With several addresses, one that the machine lacks is skipped;
/// any other failure closes what was opened.
///
/// # Errors
/// Says which place could not be bound, why, and what to do: see [`ListenError::hint`].
pub fn open(spec: &ListenSpec) -> Result<Opened, ListenError> {
    match spec {
        ListenSpec::Tcp(spec) => tcp::open(spec),
        ListenSpec::Unix(path) => {
            let listeners = vec![unix::open(path)?];
            Ok(Opened { listeners, skipped: Vec::new() })
        }
    }
}

/// Fails as [`open`] would if another program listens at one of the spec's TCP addresses; opens nothing.
///
/// For listeners with [`TcpSpec::reuse_port`], where a second broker would otherwise take half of the
/// connections without a word.
///
/// # Errors
/// As [`open`].
pub fn ensure_free(spec: &TcpSpec) -> Result<(), ListenError> {
    tcp::ensure_free(spec)
}
