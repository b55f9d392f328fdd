//! What holds before the first line is read.
//!
//! The structures start blank here and are then filled by the table's own rows, through the code that
//! reads a file: a default is written in one place only.

use crate::directive::Default as RowDefault;
use crate::model::*;
use crate::parse::{Args, Draft, ListenerDraft, MQTT_PORT};
use crate::record::Owner;
use crate::table;
use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Duration;

impl Draft {
    /// A draft in which no line has been read.
    pub(crate) fn with_defaults() -> Self {
        static READ: OnceLock<Draft> = OnceLock::new();
        READ.get_or_init(read_defaults).clone()
    }
}

fn read_defaults() -> Draft {
    let mut draft = blank();
    for row in table::directives() {
        let RowDefault::Is(text) = row.default_value() else {
            continue;
        };
        let args = Args { name: row.name(), rest: text.as_bytes() };
        let applied = draft.apply(row, &args, Owner::Global);
        applied.unwrap_or_else(|fault| panic!("default of {}: {fault:?}", row.name()));
    }
    draft.listener_template = draft.default_listener.clone();
    draft.listener_template.security = draft.config.security.clone();
    draft.default_listener = draft.listener_template.clone();
    draft.seen.clear();
    draft.config.warnings.clear();
    draft.log_dest_given = false;
    draft.log_type_given = false;
    draft.default_port_given = false;
    draft
}

impl Default for Config {
    /// The global settings without a file, and no listener at all. [`crate::load`] adds the listeners of
    /// local-only mode.
    fn default() -> Self {
        Draft::with_defaults().config
    }
}

impl Default for Limits {
    fn default() -> Self {
        Config::default().limits
    }
}

impl Default for MqttOptions {
    fn default() -> Self {
        Config::default().mqtt
    }
}

impl Default for Listener {
    /// A listener on port 1883 as an otherwise empty `listener` block would make it, except that the
    /// caller still has to decide [`Access::allow_anonymous`].
    fn default() -> Self {
        Draft::with_defaults().listener_template.listener
    }
}

fn blank() -> Draft {
    let listener = ListenerDraft { listener: listener(), security: security(), plugins_used: Vec::new() };
    Draft {
        config: config(),
        default_listener: listener.clone(),
        default_opened_by: None,
        listeners: Vec::new(),
        listener_template: listener,
        bridge_template: bridge(),
        default_port_given: false,
        log_dest_given: false,
        log_type_given: false,
        seen: HashSet::new(),
    }
}

fn config() -> Config {
    Config {
        user: String::new(),
        pid_file: None,
        logging: Logging {
            destinations: LogDestinations::default(),
            types: LogTypes::NONE,
            facility: None,
            timestamp: false,
            timestamp_format: None,
            connection_messages: false,
        },
        listeners: Vec::new(),
        local_only: false,
        per_listener_settings: false,
        security: security(),
        limits: limits(),
        mqtt: mqtt(),
        persistence: Persistence {
            enabled: false,
            file: "".into(),
            location: None,
            autosave_interval: 0,
            autosave_on_changes: false,
            durability: Durability::None,
            on_failure: OnFailure::Refuse,
            max_waiting_messages: None,
            max_waiting_bytes: None,
            by_default: false,
        },
        threads: Threads { shards: None, authentication: 0 },
        bridges: Vec::new(),
        plugins: Vec::new(),
        enable_control_api: false,
        environment: Environment::default(),
        sources: Vec::new(),
        warnings: Vec::new(),
        settings: Vec::new(),
    }
}

fn limits() -> Limits {
    Limits {
        max_packet_size: 0,
        message_size_limit: None,
        max_inflight_messages: None,
        max_inflight_bytes: None,
        max_queued_messages: None,
        max_queued_bytes: None,
        queue_memory_bytes: 0,
        global_max_clients: None,
        global_max_connections: None,
        memory_limit: None,
        packet_buffer_size: 0,
        max_output_bytes: 0,
        connect_timeout: Duration::ZERO,
        max_connect_packet_size: 0,
        max_client_id_bytes: 0,
        max_username_bytes: 0,
        max_subscriptions_per_client: None,
        max_user_properties: 0,
        login_failure_limit: None,
        login_backoff_max: Duration::ZERO,
        max_topic_levels: 0,
        max_retained_messages: None,
        max_retained_bytes: None,
    }
}

fn mqtt() -> MqttOptions {
    MqttOptions {
        queue_qos0_messages: false,
        max_keepalive: None,
        retain_available: false,
        retain_expiry_interval: None,
        upgrade_outgoing_qos: false,
        allow_duplicate_messages: false,
        persistent_client_expiration: None,
        sys_interval: None,
        check_retain_source: false,
        set_tcp_nodelay: false,
        clientid_prefixes: None,
        allow_session_transfer: false,
        refuse_subscribe: Vec::new(),
    }
}

fn security() -> Security {
    Security {
        allow_anonymous: None,
        password_file: None,
        acl_file: None,
        psk_file: None,
        allow_zero_length_clientid: false,
        auto_id_prefix: String::new(),
        plugins: Vec::new(),
    }
}

fn listener() -> Listener {
    Listener {
        address: Address::Tcp { host: None, port: MQTT_PORT },
        place: None,
        protocol: Protocol::Mqtt,
        bind_interface: None,
        socket_domain: None,
        max_connections: None,
        max_qos: 0,
        max_topic_alias: 0,
        max_topic_alias_broker: 0,
        mount_point: None,
        accept_versions: ProtocolVersions { v31: false, v311: false, v5: false },
        use_username_as_clientid: false,
        allow_anonymous: None,
        auto_id_prefix: None,
        http_dir: None,
        proxy_protocol: None,
        proxy_protocol_v2_require_tls: false,
        websockets_origins: Vec::new(),
        tls: ListenerTls::default(),
        access: Access {
            allow_anonymous: false,
            allow_anonymous_explicit: false,
            password_file: None,
            acl_file: None,
            psk_file: None,
            allow_zero_length_clientid: false,
            auto_id_prefix: String::new(),
            plugins: Vec::new(),
        },
    }
}

fn bridge() -> Bridge {
    Bridge {
        name: String::new(),
        place: None,
        addresses: Vec::new(),
        topics: Vec::new(),
        protocol: BridgeProtocol::V311,
        start_type: StartType::Automatic,
        reload: BridgeReload::Lazy,
        restart_timeout: RestartTimeout::Constant(Duration::ZERO),
        bind_address: None,
        clean_session: false,
        local_clean_session: None,
        keepalive: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        threshold: 0,
        round_robin: false,
        try_private: false,
        notifications: false,
        notifications_local_only: false,
        notification_topic: None,
        attempt_unsubscribe: false,
        outgoing_retain: false,
        max_packet_size: None,
        max_topic_alias: 0,
        receive_maximum: None,
        session_expiry_interval: 0,
        tcp_keepalive: None,
        tcp_user_timeout_ms: None,
        remote_clientid: None,
        remote_username: None,
        remote_password: None,
        local_clientid: None,
        local_username: None,
        local_password: None,
        tls: BridgeTls::default(),
    }
}
