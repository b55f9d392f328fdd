//! One place where clients connect.

use super::{Access, ListenerTls};
use crate::Place;
use std::fmt;
use std::path::PathBuf;

/// A listener and everything that holds for its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// What is bound.
    pub address: Address,
    /// The line that opened it; `None` for the listeners of local-only mode.
    pub place: Option<Place>,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// Network device to bind to.
    pub bind_interface: Option<String>,
    /// Address family to restrict to; both when `None`.
    pub socket_domain: Option<SocketDomain>,
    /// Largest number of clients at once.
    pub max_connections: Option<usize>,
    /// Highest QoS that clients may use.
    pub max_qos: u8,
    /// Topic aliases that a client may create.
    pub max_topic_alias: u16,
    /// Topic aliases that the broker creates towards a client.
    pub max_topic_alias_broker: u16,
    /// Text put in front of every topic of the listener's clients.
    pub mount_point: Option<String>,
    /// MQTT versions that are let in.
    pub accept_versions: ProtocolVersions,
    /// Whether the user name replaces the client id.
    pub use_username_as_clientid: bool,
    /// Per-listener override of `allow_anonymous`, as written; [`Access`] has the outcome.
    pub allow_anonymous: Option<bool>,
    /// Per-listener override of `auto_id_prefix`, as written; [`Access`] has the outcome.
    pub auto_id_prefix: Option<String>,
    /// Directory of static files of an HTTP API listener.
    pub http_dir: Option<PathBuf>,
    /// Version of the PROXY header expected in front of each connection.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Whether a PROXY v2 header must say that the client used TLS.
    pub proxy_protocol_v2_require_tls: bool,
    /// `Origin` headers accepted from WebSocket clients; any when empty.
    pub websockets_origins: Vec<String>,
    /// Certificates and keys.
    pub tls: ListenerTls,
    /// Authentication and access for this listener's clients.
    pub access: Access,
}

/// What a listener binds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port, on one host name or address or on all.
    Tcp {
        /// Name or address to bind; every interface when `None`.
        host: Option<String>,
        /// Port, never 0 from a configuration file.
        port: u16,
    },
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host: None, port } => write!(f, "{port}"),
            Self::Tcp { host: Some(host), port } => write!(f, "{port} {host}"),
            Self::Unix(path) => write!(f, "0 {}", path.display()),
        }
    }
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// MQTT straight on the stream.
    Mqtt,
    /// MQTT in WebSocket frames.
    Websockets,
    /// The HTTP API.
    HttpApi,
}

/// Address family of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketDomain {
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

/// Version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// The text header.
    V1,
    /// The binary header.
    V2,
}

/// MQTT versions that a listener lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtocolVersions {
    /// MQTT 3.1.
    pub v31: bool,
    /// MQTT 3.1.1.
    pub v311: bool,
    /// MQTT 5.0.
    pub v5: bool,
}

impl ProtocolVersions {
    /// Every version.
    pub const ALL: Self = Self { v31: true, v311: true, v5: true };

    /// Whether the protocol level of a CONNECT packet (3, 4 or 5) is let in.
    pub const fn accepts(self, level: u8) -> bool {
        match level {
            3 => self.v31,
            4 => self.v311,
            5 => self.v5,
            _ => false,
        }
    }
}
