//! The configuration as a whole and its global groups.

use super::{Bridge, Listener, Logging, Plugin, Security};
use crate::record::Setting;
use std::path::PathBuf;
use std::time::Duration;

/// A configuration, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Account to become when started as root; `root` keeps the privileges.
    pub user: String,
    /// File that holds the process id while the broker runs.
    pub pid_file: Option<PathBuf>,
    /// Log lines.
    pub logging: Logging,
    /// Listeners in the order in which they are opened.
    pub listeners: Vec<Listener>,
    /// Whether no line opens a listener, so that only this machine can connect.
    /// Then a host without IPv6 is no error: the `::1` listeners are best effort.
    pub local_only: bool,
    /// Whether security directives belong to the listener before them.
    pub per_listener_settings: bool,
    /// The global security directives; [`Listener::access`] has what holds for each listener.
    pub security: Security,
    /// Sizes and counts beyond which something is refused or dropped.
    pub limits: Limits,
    /// How MQTT's choices are made.
    pub mqtt: MqttOptions,
    /// Storage of sessions and messages.
    pub persistence: Persistence,
    /// Threads to start.
    pub threads: Threads,
    /// Connections to other brokers.
    pub bridges: Vec<Bridge>,
    /// Shared objects to load.
    pub plugins: Vec<Plugin>,
    /// Whether `$CONTROL/broker/v1` is served.
    pub enable_control_api: bool,
    /// What environment variables say.
    pub environment: Environment,
    /// The files read, in order; empty without a configuration file.
    pub sources: Vec<PathBuf>,
    /// Lines to log at start: deprecated, ignored or suspicious directives.
    pub warnings: Vec<String>,
    pub(crate) settings: Vec<Setting>,
}

/// Sizes and counts. `None` is "no limit"; bytes and counts are of the decoded packet or message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest packet accepted from a client, in bytes.
    pub max_packet_size: u32,
    /// Largest payload; a larger message is dropped but acknowledged.
    pub message_size_limit: Option<usize>,
    /// Outgoing QoS 1 and 2 messages in flight per client.
    pub max_inflight_messages: Option<u16>,
    /// The same in payload bytes.
    pub max_inflight_bytes: Option<usize>,
    /// Messages queued per client beyond those in flight.
    pub max_queued_messages: Option<usize>,
    /// The same in payload bytes.
    pub max_queued_bytes: Option<usize>,
    /// Bytes of a queue that are in memory though they are on disk; 0 is no limit.
    pub queue_memory_bytes: usize,
    /// Sessions in the whole broker, connected or not.
    pub global_max_clients: Option<usize>,
    /// Connections in the whole broker.
    pub global_max_connections: Option<usize>,
    /// Memory that the broker may use, in bytes.
    pub memory_limit: Option<usize>,
    /// Size of the read buffer and of a WebSocket upgrade's headers, in bytes.
    pub packet_buffer_size: usize,
    /// Bytes waiting to be written to one connection beyond which QoS 0 messages are dropped.
    pub max_output_bytes: usize,
    /// How long a connection may take to send its CONNECT.
    pub connect_timeout: Duration,
    /// Largest CONNECT packet, in bytes.
    pub max_connect_packet_size: u32,
    /// Longest client id, in bytes.
    pub max_client_id_bytes: usize,
    /// Longest user name, in bytes.
    pub max_username_bytes: usize,
    /// Subscriptions of one session.
    pub max_subscriptions_per_client: Option<usize>,
    /// User properties in one packet.
    pub max_user_properties: usize,
    /// Failed logins a minute of one address or one user name.
    pub login_failure_limit: Option<usize>,
    /// The longest that a flood of them is answered for.
    pub login_backoff_max: Duration,
    /// Levels in a topic name or filter.
    pub max_topic_levels: usize,
    /// Retained messages in the whole broker.
    pub max_retained_messages: Option<usize>,
    /// Bytes of retained messages in the whole broker.
    pub max_retained_bytes: Option<usize>,
}

/// How the broker uses the freedom that MQTT leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttOptions {
    /// Whether QoS 0 messages are kept for clients that are away.
    pub queue_qos0_messages: bool,
    /// Longest keep alive that a client may ask for, in seconds.
    pub max_keepalive: Option<u16>,
    /// Whether retained messages are supported at all.
    pub retain_available: bool,
    /// How often expired retained messages are swept out.
    pub retain_expiry_interval: Option<Duration>,
    /// Whether messages are sent with the subscription's QoS even when published with a lower one.
    pub upgrade_outgoing_qos: bool,
    /// Whether overlapping subscriptions give one copy each.
    pub allow_duplicate_messages: bool,
    /// When a session whose client is away is dropped.
    pub persistent_client_expiration: Option<Duration>,
    /// How often `$SYS` is published; never when `None`.
    pub sys_interval: Option<Duration>,
    /// Whether a retained message's author must still be allowed to write it when it is delivered.
    pub check_retain_source: bool,
    /// Whether small writes leave at once.
    pub set_tcp_nodelay: bool,
    /// Only client ids that start with this are let in.
    pub clientid_prefixes: Option<String>,
    /// Whether a client id's session may be taken over under another user name.
    pub allow_session_transfer: bool,
    /// Filters that are refused in SUBSCRIBE when spelled exactly so.
    pub refuse_subscribe: Vec<String>,
}

/// Storage of sessions and messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistence {
    /// Whether anything is stored.
    pub enabled: bool,
    /// Name of the file in `location`.
    pub file: PathBuf,
    /// Directory; the current one when `None`. The environment has been applied.
    pub location: Option<PathBuf>,
    /// Snapshot period in seconds, or number of changes; 0 is at exit only.
    pub autosave_interval: u32,
    /// Whether `autosave_interval` counts changes.
    pub autosave_on_changes: bool,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// What to do once the store has failed.
    pub on_failure: OnFailure,
    /// Acknowledgements of one shard that may wait for the disk.
    pub max_waiting_messages: Option<usize>,
    /// The same in bytes of messages.
    pub max_waiting_bytes: Option<usize>,
    /// Nobody asked for it: without a configuration the broker stores what it can, where the user's state is.
    pub by_default: bool,
}

/// What to do once the store has failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Refuse what would have to be stored.
    Refuse,
    /// End the process.
    Exit,
}

/// What has happened to a message when its acknowledgement leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk; many messages share one sync.
    Group,
    /// It is on disk after at most this long.
    Interval(Duration),
    /// It is in memory.
    None,
}

/// Threads to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Shards; one for each core when `None`.
    pub shards: Option<usize>,
    /// Threads that check passwords.
    pub authentication: usize,
}

/// What environment variables say, after parsing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// `PUID`: user id to become instead of `user`.
    pub puid: Option<u32>,
    /// `PGID`: group id to become.
    pub pgid: Option<u32>,
    /// `UMASK_SET`: file mode creation mask, given in octal.
    pub umask: Option<u32>,
    /// `MOSQUITTO_UNSAFE_ALLOW_SYMLINKS`: password, ACL and key files may be symbolic links.
    pub allow_symlinks: bool,
    /// `WATCHDOG_USEC`: the service manager wants a sign of life in half of this time.
    pub watchdog: Option<Duration>,
    /// `SNAP_NAME` is set: the broker runs confined and does not change its user.
    pub snap: bool,
}
