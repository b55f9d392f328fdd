//! What the configuration says, as the shards use it. Replaced whole by a reload.

use crate::restore::InMemory;
use alloc::boxed::Box;
use alloc::vec::Vec;
use pondhawk_codec::{Qos, Version};
use pondhawk_plants::planted;
use pondhawk_session::server::OutboxLimits;

/// Broker-wide settings. Sizes in bytes; 0 means no limit, unless said otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `max_inflight_messages`: window of outgoing QoS 1 and 2 messages a client.
    pub max_inflight_messages: u16,
    /// `max_inflight_bytes`, `max_queued_messages`, `max_queued_bytes`.
    pub outbox: OutboxLimits,
    /// `queue_memory_bytes`: bytes of a queue from which on messages that are on disk are no longer kept in memory too.
    pub queue_memory_bytes: usize,
    /// `queue_qos0_messages`: queue QoS 0 for absent sessions too.
    pub queue_qos0_messages: bool,
    /// `max_packet_size`: largest packet from a client.
    pub max_packet_size: u32,
    /// `max_connect_packet_size`: largest CONNECT.
    pub max_connect_packet_size: u32,
    /// `message_size_limit`: largest payload that is routed.
    pub message_size_limit: usize,
    /// `max_keepalive` in seconds.
    pub max_keepalive_s: u16,
    /// `retain_available`.
    pub retain_available: bool,
    /// `upgrade_outgoing_qos`: deliver with the subscription's QoS.
    pub upgrade_outgoing_qos: bool,
    /// `allow_duplicate_messages`: one copy a matching subscription, as Mosquitto 2.1 does.
    pub allow_duplicate_messages: bool,
    /// `persistent_client_expiration` in seconds.
    pub persistent_client_expiration_s: Option<u32>,
    /// `check_retain_source`: re-check the publisher's right when a retained message is sent.
    pub check_retain_source: bool,
    /// `clientid_prefixes`.
    pub client_id_prefix: Option<Box<str>>,
    /// `max_output_bytes`: unsent bytes of a connection from which on QoS 0 messages are dropped.
    pub max_output_bytes: usize,
    /// `max_client_id_bytes`.
    pub max_client_id_bytes: usize,
    /// `max_username_bytes`.
    pub max_username_bytes: usize,
    /// `max_subscriptions_per_client`.
    pub max_subscriptions: usize,
    /// `max_user_properties` in one packet.
    pub max_user_properties: usize,
    /// `max_topic_levels`.
    pub max_topic_levels: usize,
    /// `max_retained_messages` of the whole broker.
    pub max_retained_messages: usize,
    /// `max_retained_bytes` of the whole broker.
    pub max_retained_bytes: usize,
    /// Bytes that a client may hold in QoS 2 messages between PUBLISH and PUBREL.
    pub max_inbox_bytes: usize,
    /// `max_waiting_messages`: acknowledgements of one shard that may wait for the store: from then on no more is read from clients that
    /// wait for one.
    pub max_waiting_messages: usize,
    /// `max_waiting_bytes`: bytes of messages whose acknowledgements may wait for the store, likewise.
    pub max_waiting_bytes: usize,
    /// `allow_session_transfer`: a session may be taken by another user name.
    pub allow_session_transfer: bool,
    /// `refuse_subscribe`: filters that nobody may subscribe to.
    pub refused_filters: Vec<Box<str>>,
    /// `connect_timeout` in milliseconds, for authentication exchanges.
    pub connect_timeout_ms: u64,
    /// Emit [`Persist`](crate::Persist) effects and hold acknowledgements until the store's ticket.
    pub persistent: bool,
    /// The listeners, in the order of their numbers.
    pub listeners: Vec<ListenerSettings>,
}

/// Settings of one listener.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// `max_qos`.
    pub max_qos: Qos,
    /// `max_topic_alias`: aliases that a client may make.
    pub max_topic_alias: u16,
    /// `max_topic_alias_broker`: aliases that we make towards a client.
    pub max_topic_alias_broker: u16,
    /// `mount_point`.
    pub mount_point: Option<Box<str>>,
    /// `accept_protocol_versions`.
    pub versions: Vec<Version>,
    /// `use_username_as_clientid`.
    pub use_username_as_client_id: bool,
    /// `allow_zero_length_clientid`.
    pub allow_zero_length_client_id: bool,
    /// `auto_id_prefix`.
    pub auto_id_prefix: Box<str>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_inflight_messages: 20,
            outbox: OutboxLimits { inflight_bytes: 0, queued_messages: 1000, queued_bytes: 0 },
            queue_memory_bytes: 262_144,
            queue_qos0_messages: false,
            max_packet_size: 2_000_000,
            max_connect_packet_size: 100_000,
            message_size_limit: 0,
            max_keepalive_s: 0,
            retain_available: true,
            upgrade_outgoing_qos: false,
            allow_duplicate_messages: true,
            persistent_client_expiration_s: None,
            check_retain_source: false,
            client_id_prefix: None,
            max_output_bytes: 1_048_576,
            max_client_id_bytes: 1024,
            max_username_bytes: 4096,
            max_subscriptions: 10_000,
            max_user_properties: 128,
            max_topic_levels: 201,
            max_retained_messages: 0,
            max_retained_bytes: 0,
            max_inbox_bytes: 64 << 20,
            max_waiting_messages: 10_000,
            max_waiting_bytes: 64 << 20,
            allow_session_transfer: false,
            refused_filters: Vec::new(),
            connect_timeout_ms: 30_000,
            persistent: false,
            listeners: alloc::vec![ListenerSettings::default()],
        }
    }
}

impl Default for ListenerSettings {
    fn default() -> Self {
        ListenerSettings {
            max_qos: Qos::ExactlyOnce,
            max_topic_alias: 10,
            max_topic_alias_broker: 10,
            mount_point: None,
            versions: alloc::vec![Version::V31, Version::V311, Version::V5],
            use_username_as_client_id: false,
            allow_zero_length_client_id: true,
            auto_id_prefix: "auto-".into(),
        }
    }
}

impl Settings {
    /// The window that we offer and keep to; 0 in the configuration means as many as there are ids.
    pub(crate) fn window(&self) -> u16 {
        if self.max_inflight_messages == 0 { u16::MAX } else { self.max_inflight_messages }
    }

    /// How much of each queue a restart needs in memory.
    #[must_use]
    pub fn in_memory(&self) -> InMemory {
        InMemory { messages: usize::from(self.window()), bytes: self.queue_memory_bytes }
    }

    /// The largest packet that a connected client may send.
    pub(crate) fn packet_max(&self) -> usize {
        if self.max_packet_size == 0 || planted!(AnyPacketSize) {
            usize::MAX
        } else {
            self.max_packet_size as usize
        }
    }
}
