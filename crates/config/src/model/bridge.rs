//! Connections to other brokers, as data.

use super::Secret;
use crate::Place;
use std::path::PathBuf;
use std::time::Duration;

/// One `connection` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Name after `connection`.
    pub name: String,
    /// The `connection` line.
    pub place: Option<Place>,
    /// Remote brokers, the preferred one first.
    pub addresses: Vec<BridgeAddress>,
    /// Topics to exchange.
    pub topics: Vec<BridgeTopic>,
    /// Protocol spoken with the remote.
    pub protocol: BridgeProtocol,
    /// When the bridge connects.
    pub start_type: StartType,
    /// When a changed block takes effect.
    pub reload: BridgeReload,
    /// Delay before connecting again.
    pub restart_timeout: RestartTimeout,
    /// Local address to connect from.
    pub bind_address: Option<String>,
    /// Whether the remote session is clean.
    pub clean_session: bool,
    /// Whether the local session is clean; like `clean_session` when `None`.
    pub local_clean_session: Option<bool>,
    /// MQTT keep alive.
    pub keepalive: Duration,
    /// How long a lazy bridge stays without traffic.
    pub idle_timeout: Duration,
    /// Queued messages that wake a lazy bridge.
    pub threshold: u32,
    /// Whether all addresses are equal.
    pub round_robin: bool,
    /// Whether the remote is told that this is a bridge.
    pub try_private: bool,
    /// Whether the bridge's state is published.
    pub notifications: bool,
    /// Whether that is done locally only.
    pub notifications_local_only: bool,
    /// Topic of the state.
    pub notification_topic: Option<String>,
    /// Whether UNSUBSCRIBE is sent for outgoing topics.
    pub attempt_unsubscribe: bool,
    /// Whether outgoing messages keep their retain flag.
    pub outgoing_retain: bool,
    /// Largest packet sent, in bytes.
    pub max_packet_size: Option<u32>,
    /// Topic aliases that the remote may use.
    pub max_topic_alias: u16,
    /// Receive maximum announced; `max_inflight_messages` when `None`.
    pub receive_maximum: Option<u16>,
    /// Session expiry announced, in seconds.
    pub session_expiry_interval: u32,
    /// TCP keep alive.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Milliseconds that sent data may stay unacknowledged.
    pub tcp_user_timeout_ms: Option<u32>,
    /// Client id on the remote.
    pub remote_clientid: Option<String>,
    /// User name on the remote.
    pub remote_username: Option<String>,
    /// Password on the remote.
    pub remote_password: Option<Secret>,
    /// Client id on this broker.
    pub local_clientid: Option<String>,
    /// User name on this broker.
    pub local_username: Option<String>,
    /// Password on this broker.
    pub local_password: Option<Secret>,
    /// Certificates and keys.
    pub tls: BridgeTls,
}

/// A remote broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// One `topic` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeTopic {
    /// Filter; empty when only the prefixes name the topic.
    pub pattern: String,
    /// Which way messages go.
    pub direction: Direction,
    /// Highest QoS.
    pub qos: u8,
    /// Prefix on this broker.
    pub local_prefix: String,
    /// Prefix on the remote.
    pub remote_prefix: String,
}

/// Which way messages go over a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From here to the remote.
    Out,
    /// From the remote to here.
    In,
    /// Both ways.
    Both,
}

/// MQTT version of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeProtocol {
    /// MQTT 3.1.
    V31,
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

/// When a bridge connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartType {
    /// With the broker, and again after a loss.
    Automatic,
    /// When messages wait.
    Lazy,
    /// With the broker, never again.
    Once,
}

/// When a changed bridge takes effect at a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgeReload {
    /// At its next connection.
    Lazy,
    /// At once.
    Immediate,
}

/// Delay before a bridge connects again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartTimeout {
    /// Always the same.
    Constant(Duration),
    /// Random between the base and a bound that grows to the cap.
    Backoff {
        /// Smallest delay.
        base: Duration,
        /// Largest delay.
        cap: Duration,
        /// A connection that lasted this long starts again from the base.
        stable: Option<Duration>,
    },
}

/// TCP keep alive of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Seconds of silence before the first probe.
    pub idle: u32,
    /// Seconds between probes.
    pub interval: u32,
    /// Probes before the connection counts as lost.
    pub count: u32,
}

/// Certificates and keys of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BridgeTls {
    /// Certificates that may sign the remote's.
    pub cafile: Option<PathBuf>,
    /// The same as a hashed directory.
    pub capath: Option<PathBuf>,
    /// Client certificate.
    pub certfile: Option<PathBuf>,
    /// Its key.
    pub keyfile: Option<PathBuf>,
    /// Whether the system's certificate authorities are trusted.
    pub use_os_certs: bool,
    /// Whether the remote's name is left unchecked.
    pub insecure: bool,
    /// Application protocol to announce.
    pub alpn: Option<String>,
    /// Protocol version, as written.
    pub version: Option<String>,
    /// Cipher list up to TLS 1.2.
    pub ciphers: Option<String>,
    /// Suites of TLS 1.3.
    pub ciphers_tls13: Option<String>,
    /// Whether a stapled OCSP answer is required.
    pub require_ocsp: bool,
    /// PSK identity.
    pub identity: Option<String>,
    /// PSK key in hex.
    pub psk: Option<Secret>,
}
