//! Every directive with a good value, and what the values come to.

use pondhawk_config::*;
use std::time::Duration;

/// Every word that Mosquitto 2.1 takes, each in a place where it is allowed and with a good value.
const ALL_KEYWORDS: &str = "\
per_listener_settings false
user mosquitto
pid_file /run/m.pid
log_dest stdout
log_dest stderr
log_dest syslog
log_dest topic
log_dest file /var/log/m.log
log_dest dlt
log_type debug
log_type error
log_type warning
log_type notice
log_type information
log_type subscribe
log_type unsubscribe
log_type websockets
log_type internal
log_type all
log_facility 5
log_timestamp true
log_timestamp_format %Y-%m-%dT%H:%M:%S
connection_messages false
port 1885
bind_address 127.0.0.1
listener 1884 127.0.0.1
bind_interface lo
socket_domain ipv4
protocol websockets
http_dir /srv/www
max_connections 100
max_qos 1
maximum_qos 1
max_topic_alias 20
max_topic_alias_broker 21
mount_point site/
accept_protocol_versions 4,5
use_username_as_clientid true
listener_allow_anonymous true
listener_auto_id_prefix web-
enable_proxy_protocol 2
proxy_protocol_v2_require_tls true
packet_buffer_size 8192
websockets_headers_size 8192
websockets_origin https://example.org
websockets_origin https://example.com
websockets_log_level 255
set_tcp_nodelay true
certfile c.pem
keyfile k.pem
cafile ca.pem
capath ca
crlfile crl.pem
require_certificate true
use_identity_as_username true
use_subject_as_username true
disable_client_cert_date_checks true
tls_version tlsv1.3
ciphers HIGH
ciphers_tls1.3 TLS_AES_128_GCM_SHA256
dhparamfile dh.pem
tls_engine pkcs11
tls_keyform engine
tls_engine_kpass_sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709
psk_hint hint
psk_file psk.txt
allow_anonymous false
password_file passwd
acl_file acl
allow_zero_length_clientid false
auto_id_prefix id-
clientid_prefixes dev-
check_retain_source true
plugin a.so
auth_plugin b.so
global_plugin c.so
plugin_load name d.so
plugin_use name
plugin_opt_key value of it
auth_opt_other value
auth_plugin_deny_special_chars false
enable_control_api true
max_packet_size 100000
message_size_limit 1000
max_inflight_messages 30
max_inflight_bytes 40
max_queued_messages 50
max_queued_bytes 60
queue_qos0_messages true
max_keepalive 70
global_max_clients 80
global_max_connections 90
memory_limit 1000000
retain_available false
retain_expiry_interval 5
upgrade_outgoing_qos true
allow_duplicate_messages false
persistent_client_expiration 2w
sys_interval 11
retry_interval 20
persistence true
retained_persistence true
persistence_file m.db
persistence_location /var/lib/m/
autosave_interval 12
autosave_on_changes true
connection one
address a b:1884 # the rest is a comment
topic # both 2 local/ remote/
topic \"two words\" in 1
bridge_attempt_unsubscribe false
bridge_bind_address 127.0.0.1
bridge_max_packet_size 1000
bridge_max_topic_alias 5
bridge_outgoing_retain false
bridge_protocol_version mqttv50
bridge_receive_maximum 6
bridge_session_expiry_interval 7
bridge_reload_type immediate
bridge_tcp_keepalive 1 2 3
bridge_tcp_user_timeout 4
cleansession true
local_cleansession false
keepalive_interval 30
idle_timeout 31
threshold 32
start_type lazy
restart_timeout 5 30 60
round_robin true
try_private false
notifications false
notifications_local_only true
notification_topic state
remote_clientid rc
remote_username ru
remote_password rp
local_clientid lc
local_username lu
local_password lp
bridge_cafile ca.pem
bridge_capath ca
bridge_certfile c.pem
bridge_keyfile k.pem
bridge_tls_use_os_certs true
bridge_insecure true
bridge_alpn mqtt
bridge_tls_version tlsv1.2
bridge_ciphers HIGH
bridge_ciphers_tls1.3 TLS_AES_128_GCM_SHA256
bridge_require_ocsp true
connection two
addresses c
topic t
clientid rc
username ru
password rp
bridge_identity id
bridge_psk 0011
";

fn read(text: &str) -> Config {
    Config::from_text(text, "t.conf").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn mosquittos_141_keywords_are_all_read() {
    let config = read(ALL_KEYWORDS);
    let mut names: Vec<_> = ALL_KEYWORDS
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(|name| if name.starts_with("plugin_opt_") { "plugin_opt_" } else { name })
        .map(|name| if name.starts_with("auth_opt_") { "auth_opt_" } else { name })
        // The one that reads other files has its own test.
        .chain(["include_dir"])
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 141);
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.bridges.len(), 2);
    assert_eq!(config.plugins.len(), 4);
}

#[test]
fn no_name_means_two_things() {
    let mut names: Vec<_> =
        directives().flat_map(|row| row.aliases().iter().copied().chain([row.name()])).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for row in directives() {
        assert_eq!(find(row.name()).map(Directive::name), Some(row.name()));
        assert!(!row.documentation().is_empty(), "{} is not documented", row.name());
    }
}

#[test]
fn pondhawks_own_directives() {
    let config = read(
        "shards 3\nmax_output_bytes 5000\nconnect_timeout 7\nmax_connect_packet_size 200\n\
         max_client_id_bytes 65535\nmax_username_bytes 9\nmax_subscriptions_per_client 0\n\
         max_user_properties 1\nmax_topic_levels 10\nmax_retained_messages 11\nmax_retained_bytes 12\n\
         allow_session_transfer true\nrefuse_subscribe #\nrefuse_subscribe a/#\nrefuse_subscribe #\n\
         authentication_threads 2\npersistence_durability interval 250\n\
         login_failure_limit 0\nlogin_backoff_max 90\n\
         persistence_on_failure exit\nmax_waiting_messages 0\nmax_waiting_bytes 500\n",
    );
    assert_eq!(config.threads, Threads { shards: Some(3), authentication: 2 });
    let limits = &config.limits;
    assert_eq!((limits.max_output_bytes, limits.max_client_id_bytes), (5000, 65_535));
    assert_eq!(limits.connect_timeout, Duration::from_secs(7));
    assert_eq!((limits.max_connect_packet_size, limits.max_username_bytes), (200, 9));
    assert_eq!((limits.max_subscriptions_per_client, limits.max_user_properties), (None, 1));
    assert_eq!((limits.max_topic_levels, limits.max_retained_messages), (10, Some(11)));
    assert_eq!(limits.max_retained_bytes, Some(12));
    assert_eq!((limits.login_failure_limit, limits.login_backoff_max), (None, Duration::from_secs(90)));
    assert!(config.mqtt.allow_session_transfer);
    assert_eq!(config.mqtt.refuse_subscribe, ["#", "a/#"]);
    assert_eq!(config.persistence.durability, Durability::Interval(Duration::from_millis(250)));
    assert_eq!(config.persistence.on_failure, OnFailure::Exit);
    let waiting = (config.persistence.max_waiting_messages, config.persistence.max_waiting_bytes);
    assert_eq!(waiting, (None, Some(500)));
}

#[test]
fn a_store_is_kept_without_a_configuration_and_asked_for_with_one() {
    let persistence = |args: &BrokerArgs| {
        let persistence = load(args, &EmptyHost).expect("nothing is read").persistence;
        (persistence.enabled, persistence.by_default)
    };
    assert_eq!(persistence(&BrokerArgs::default()), (true, true));
    assert_eq!(persistence(&BrokerArgs { verbose: true, ..BrokerArgs::default() }), (true, true));
    assert_eq!(persistence(&BrokerArgs { ports: vec![1884], ..BrokerArgs::default() }), (false, false));
    assert!(!read("listener 1\n").persistence.enabled);
    assert!(!read("persistence true\n").persistence.by_default);
}

#[test]
fn defaults_are_mosquittos() {
    let config = Config::default();
    assert_eq!(config.user, "mosquitto");
    assert!(config.logging.timestamp && config.logging.connection_messages);
    assert!(config.logging.destinations.stderr && !config.logging.destinations.stdout);
    let usual = LogTypes::ERROR | LogTypes::WARNING | LogTypes::NOTICE | LogTypes::INFORMATION;
    assert_eq!(config.logging.types, usual);
    assert_eq!(config.limits.max_packet_size, 2_000_000);
    assert_eq!(config.limits.max_inflight_messages, Some(20));
    assert_eq!(config.limits.max_queued_messages, Some(1000));
    assert_eq!(config.limits.max_queued_bytes, None);
    assert_eq!(config.limits.memory_limit, None);
    assert_eq!(config.limits.max_output_bytes, 1_048_576);
    assert_eq!(config.limits.connect_timeout, Duration::from_secs(30));
    assert_eq!(config.limits.max_topic_levels, 201);
    assert_eq!(config.mqtt.sys_interval, Some(Duration::from_secs(10)));
    assert_eq!(config.mqtt.max_keepalive, None);
    assert!(config.mqtt.retain_available && config.mqtt.allow_duplicate_messages);
    assert!(!config.mqtt.allow_session_transfer);
    assert!(!config.persistence.enabled);
    assert_eq!(config.persistence.autosave_interval, 1800);
    assert_eq!(config.persistence.on_failure, OnFailure::Refuse);
    assert_eq!(config.threads, Threads { shards: None, authentication: 1 });
    let listener = Listener::default();
    assert_eq!(listener.address, Address::Tcp { host: None, port: 1883 });
    assert_eq!((listener.max_qos, listener.max_topic_alias, listener.max_topic_alias_broker), (2, 10, 10));
    assert_eq!(listener.accept_versions, ProtocolVersions::ALL);
    assert_eq!(listener.max_connections, None);
}

#[test]
fn a_bridge_as_written() {
    let config = read(ALL_KEYWORDS);
    let one = &config.bridges[0];
    let address = |host: &str, port| BridgeAddress { host: host.to_owned(), port };
    assert_eq!(one.addresses, [address("a", 1883), address("b", 1884)]);
    let topic = |pattern: &str, direction, qos| BridgeTopic {
        pattern: pattern.to_owned(),
        direction,
        qos,
        local_prefix: String::new(),
        remote_prefix: String::new(),
    };
    let mut everything = topic("#", Direction::Both, 2);
    everything.local_prefix = "local/".to_owned();
    everything.remote_prefix = "remote/".to_owned();
    assert_eq!(one.topics, [everything, topic("two words", Direction::In, 1)]);
    let seconds = Duration::from_secs;
    let delay = RestartTimeout::Backoff { base: seconds(5), cap: seconds(30), stable: Some(seconds(60)) };
    assert_eq!(one.restart_timeout, delay);
    assert_eq!(one.tcp_keepalive, Some(TcpKeepalive { idle: 1, interval: 2, count: 3 }));
    assert_eq!(config.bridges[1].remote_password.as_ref().map(Secret::expose), Some("rp"));
    assert_eq!(
        config.bridges[1].restart_timeout,
        RestartTimeout::Backoff { base: seconds(5), cap: seconds(30), stable: None }
    );
    assert!(!format!("{config:?}").contains("\"rp\""), "no password in a debug print");
}

#[test]
fn numbers_in_every_base_and_limits_that_are_none() {
    let config = read("max_packet_size 0x100\nmax_queued_messages 010\nmax_inflight_messages 65535\n");
    assert_eq!(config.limits.max_packet_size, 256);
    assert_eq!(config.limits.max_queued_messages, Some(8));
    assert_eq!(config.limits.max_inflight_messages, None);
    let config = read("max_queued_messages -1\nmax_connections -5\nsys_interval 0\n");
    assert_eq!(config.limits.max_queued_messages, None);
    assert_eq!(config.listeners[0].max_connections, None);
    assert_eq!(config.mqtt.sys_interval, None);
}

#[test]
fn old_words_are_read_with_a_warning() {
    for line in ["retry_interval 20", "store_clean_interval 10", "dhparamfile x", "websockets_log_level 1"] {
        let config = read(line);
        assert_eq!(config.warnings.len(), 1, "{line}");
        let name = line.split(' ').next().expect("a word");
        assert!(config.warnings[0].starts_with(&format!("Warning: The '{name}' option ")), "{line}");
        assert!(config.warnings[0].ends_with(". (t.conf:1)"), "{line}");
    }
    assert!(read("retained_persistence true").persistence.enabled);
    assert_eq!(read("allow_anonymous true and more").warnings.len(), 1);
    assert_eq!(read("allow_anonymous true \n").warnings, Vec::<String>::new());
}

#[test]
fn the_last_of_two_booleans_counts_and_log_lines_add_up() {
    let config = read("log_timestamp false\nlog_timestamp true\n");
    assert!(config.logging.timestamp);
    let config = read("log_dest stdout\nlog_type error\nlog_type subscribe\n");
    assert_eq!(config.logging.destinations, LogDestinations { stdout: true, ..LogDestinations::default() });
    assert_eq!(config.logging.types, LogTypes::ERROR | LogTypes::SUBSCRIBE);
    let config = read("log_dest file /tmp/a file\nlog_dest none\nlog_type all\nlog_type none\n");
    assert_eq!(config.logging.destinations, LogDestinations::default());
    assert_eq!(config.logging.types, LogTypes::NONE);
    let config = read("log_dest file /tmp/a file\n");
    assert_eq!(config.logging.destinations.file, Some("/tmp/a file".into()));
}

#[test]
fn a_warning_names_its_line() {
    let config = read("log_dest dlt\nconnection a\naddress b\ntopic c\nkeepalive_interval 2\n");
    assert_eq!(
        config.warnings,
        [
            "Warning: 'log_dest dlt' is not available and is ignored. (t.conf:1)",
            "Warning: 'keepalive_interval' value 2 is too low, using 5. (t.conf:5)",
        ]
    );
    assert_eq!(config.place_of("log_dest").map(Place::line), Some(1));
    assert_eq!(config.place_of("log_type"), None);
}

#[test]
fn what_a_build_lacks_is_named() {
    let config = read(ALL_KEYWORDS);
    let named: Vec<_> = unsupported(&config, Capabilities::NONE)
        .into_iter()
        .map(|it| (it.directive, it.capability))
        .collect();
    let expected = [
        ("http_dir", Capability::HttpApi),
        ("enable_proxy_protocol", Capability::ProxyProtocol),
        ("certfile", Capability::Tls),
        ("require_certificate", Capability::Tls),
        ("tls_keyform", Capability::Tls),
        ("psk_hint", Capability::Psk),
        ("plugin", Capability::Plugins),
        ("global_plugin", Capability::Plugins),
        ("plugin_use", Capability::Plugins),
        ("enable_control_api", Capability::ControlApi),
        ("persistence", Capability::Persistence),
        ("connection", Capability::Bridges),
    ];
    for row in expected {
        assert!(named.contains(&row), "{row:?} in {named:?}");
    }
    assert!(unsupported(&config, Capabilities::ALL).is_empty());
    let all_but_tls = Capability::ALL.iter().filter(|it| **it != Capability::Tls);
    let available = all_but_tls.fold(Capabilities::NONE, |set, it| set.with(*it));
    assert!(unsupported(&config, available).iter().all(|it| it.capability == Capability::Tls));

    let harmless = read(
        "persistence false\npersistence_location /tmp\nautosave_interval 3\nlistener 1\nprotocol mqtt\n\
         require_certificate false\ntls_keyform pem\nenable_control_api 0\n",
    );
    assert_eq!(unsupported(&harmless, Capabilities::NONE), []);

    let one = &unsupported(&read("\npersistence 1\n"), Capabilities::NONE)[0];
    assert_eq!(
        one.to_string(),
        "The 'persistence' option at t.conf:2 needs persistence, which this build does not have yet."
    );
    assert!(one.remedy().contains("persistence false"));
}
