//! Every kind of bad line, with the words that scripts look for.

use pondhawk_config::Config;

/// Reads `text` and compares the first line of the refusal.
fn check(text: &str, expected: &str) {
    let error = Config::from_text(text, "t.conf").expect_err(text);
    assert_eq!(error.lines()[0], format!("Error: {expected}"), "{text:?}");
    assert_eq!(error.exit_code(), 3);
    let last = text.trim_end_matches('\n').lines().count();
    let at_end = expected.starts_with("Invalid bridge configuration: ");
    let line = if at_end { 1 } else { last };
    assert_eq!(error.lines()[1], format!("Error found at t.conf:{line}."), "{text:?}");
}

#[test]
fn the_language() {
    check("unknown_option unknown", "Unknown configuration variable 'unknown_option'.");
    check("\n# c\n\nfoo\n", "Unknown configuration variable 'foo'.");
    check("\tallow_anonymous true", "Unknown configuration variable '\\tallow_anonymous'.");
    check("allow_anonymous\ttrue", "Unknown configuration variable 'allow_anonymous\\ttrue'.");
    check("Allow_anonymous true", "Unknown configuration variable 'Allow_anonymous'.");
    check(" # indented", "Unknown configuration variable '#'.");
    check("user", "Empty 'user' value in configuration.");
    check("user ", "Empty 'user' value in configuration.");
    check("user  ", "Empty 'user' value in configuration.");
    check("allow_anonymous false\r\nacl_file\r\n", "Empty 'acl_file' value in configuration.");
    check("pid_file /tmp/pid\npid_file /tmp/pid", "Duplicate 'pid_file' value in configuration.");
    check("pid_file /tmp/a\tb", "Malformed UTF-8 in configuration.");
    check("memory_limit", "Empty 'memory_limit' value in configuration.");
    check("allow_anonymous", "Empty 'allow_anonymous' value in configuration.");
    check("allow_anonymous falst", "Invalid 'allow_anonymous' value (falst).");
    check("allow_anonymous yes", "Invalid 'allow_anonymous' value (yes).");
    check("allow_anonymous TRUE", "Invalid 'allow_anonymous' value (TRUE).");
    check("autosave_interval", "Empty 'autosave_interval' value in configuration.");
    check("autosave_interval string", "'autosave_interval' value not a number.");
    check("max_packet_size 3a", "'max_packet_size' value not a number.");
    check("max_keepalive 08", "'max_keepalive' value not a number.");
}

#[test]
fn bytes_that_are_no_text() {
    let error = Config::from_text(b"pid_file \xff\n", "t.conf").expect_err("bad UTF-8");
    assert_eq!(error.lines()[0], "Error: Malformed UTF-8 in configuration.");
    let error = Config::from_text(b"bad\xff x\n", "t.conf").expect_err("bad UTF-8");
    assert_eq!(error.lines()[0], "Error: Unknown configuration variable 'bad\u{fffd}'.");
    let error = Config::from_text(b"user a\0b\n", "t.conf").expect_err("NUL");
    assert_eq!(error.lines()[0], "Error: Malformed UTF-8 in configuration.");
}

#[test]
fn lines_of_a_refusal() {
    let error =
        Config::from_text("a\n".repeat(0) + "\nalow_anonymous true\n", "/etc/m.conf").expect_err("typo");
    assert_eq!(
        error.to_string(),
        "Error: Unknown configuration variable 'alow_anonymous'.\n\
         Error found at /etc/m.conf:2.\n\
         hint: did you mean 'allow_anonymous'?"
    );
}

#[test]
fn logging() {
    check("log_dest", "Empty 'log_dest' value in configuration.");
    check("log_dest bar", "Invalid 'log_dest' value (bar).");
    check("log_dest file", "Empty 'log_dest file' value in configuration.");
    check("log_dest file a\nlog_dest file b", "Duplicate 'log_dest file' value.");
    check("log_type", "Empty 'log_type' value in configuration.");
    check("log_type bar", "Invalid 'log_type' value (bar).");
    check("log_facility 9", "Invalid 'log_facility' value (9).");
    check("log_facility a", "'log_facility' value not a number.");
    check("websockets_log_level a", "'websockets_log_level' value not a number.");
}

#[test]
fn listeners() {
    check("listener", "Empty 'listener port' value in configuration.");
    check("listener abc", "'listener port' value not a number.");
    check("listener 100000", "Invalid 'port' value (100000).");
    check("listener -1 a", "Invalid 'port' value (-1).");
    check("listener 0", "A listener with port 0 must provide a Unix socket path.");
    check("listener 0 # none", "A listener with port 0 must provide a Unix socket path.");
    check("port 0", "Invalid 'port' value (0).");
    check("port 70000", "Invalid 'port' value (70000).");
    check("socket_domain x", "Invalid 'socket_domain' value (x).");
    check("listener 1\nprotocol", "Empty 'protocol' value in configuration.");
    check("listener 1\nprotocol test", "Invalid 'protocol' value (test).");
    check("max_qos 3", "'max_qos' must be between 0 and 2 inclusive.");
    check("maximum_qos 3", "'max_qos' must be between 0 and 2 inclusive.");
    check("maximum_qos -1", "'max_qos' must be between 0 and 2 inclusive.");
    check(
        "listener 1\nmount_point a/+/",
        "Invalid 'mount_point' value (a/+/). Does it contain a wildcard character?",
    );
    check("listener 1\nmount_point a\nmount_point b", "Duplicate 'mount_point' value in configuration.");
    check("listener 1\naccept_protocol_versions", "Empty 'accept_protocol_versions' value in configuration.");
    check("listener 1\naccept_protocol_versions 3,6", "Invalid 'accept_protocol_versions' value (6).");
    check("listener 1\nmax_topic_alias 65536", "Invalid 'max_topic_alias' value in configuration.");
    check("listener 1\nmax_topic_alias -1", "Invalid 'max_topic_alias' value in configuration.");
    check(
        "listener 1\nmax_topic_alias_broker 65536",
        "Invalid 'max_topic_alias_broker' value in configuration.",
    );
    check("listener 1\nlistener_auto_id_prefix", "Empty 'listener_auto_id_prefix' value in configuration.");
    let long = "a".repeat(51);
    check(
        &format!("listener 1\nlistener_auto_id_prefix {long}"),
        "'listener_auto_id_prefix' length must be <= 50.",
    );
    check(&format!("auto_id_prefix {long}"), "'auto_id_prefix' length must be <= 50.");
    check("listener 1\nenable_proxy_protocol 3", "Invalid 'enable_proxy_protocol' value (3).");
    check("listener 1\ntls_version foo", "Invalid 'tls_version' value (foo).");
    check("tls_keyform x", "Invalid 'tls_keyform' value (x).");
    check("tls_engine_kpass_sha1 xx", "Invalid 'tls_engine_kpass_sha1' value in configuration.");
    let size = "Packet buffer size must be between 1 and 65535 inclusive.";
    for line in ["packet_buffer_size 0", "websockets_headers_size 65536", "websockets_headers_size -1"] {
        check(line, size);
    }
}

#[test]
fn directives_that_need_something_above_them() {
    let listener = [
        "http_dir /tmp",
        "max_topic_alias 3",
        "max_topic_alias_broker 3",
        "mount_point a/",
        "accept_protocol_versions 3",
        "listener_allow_anonymous true",
        "listener_auto_id_prefix a",
        "enable_proxy_protocol 1",
        "proxy_protocol_v2_require_tls true",
        "websockets_origin a",
        "cafile a",
        "tls_version tlsv1.2",
        "disable_client_cert_date_checks true",
        "plugin_use a",
    ];
    for line in listener {
        let name = line.split(' ').next().expect("a word");
        check(line, &format!("The '{name}' option requires a listener to be defined first."));
    }
    for row in pondhawk_config::directives() {
        if row.scope() == pondhawk_config::Scope::Bridge {
            for name in row.aliases().iter().chain([&row.name()]) {
                let expected = format!("The '{name}' option requires a bridge to be defined first.");
                check(&format!("{name} whatever"), &expected);
            }
        }
    }
    for name in ["plugin_opt_a", "auth_opt_a", "auth_plugin_deny_special_chars"] {
        let expected =
            format!("The '{name}' option requires plugin/global_plugin/plugin_load to be defined first.");
        check(&format!("{name} true"), &expected);
    }
}

#[test]
fn access_and_plugins() {
    check("acl_file a\nacl_file b", "Duplicate 'acl_file' value in configuration.");
    check(
        "allow_anonymous true\nper_listener_settings true",
        "per_listener_settings must be set before any other security settings.",
    );
    check("clientid_prefixes", "Empty 'clientid_prefixes' value in configuration.");
    check("plugin", "Empty 'plugin' value in configuration.");
    check("plugin c/auth_plugin.so\nplugin_opt_ string", "Invalid 'plugin_opt_' config option.");
    check("plugin c/auth_plugin.so\nplugin_opt_test", "Empty 'test' value in configuration.");
    check("plugin_load a", "Empty 'plugin_load path' value in configuration.");
    check("plugin_load a b\nplugin_load a c", "Duplicate plugin name 'a'.");
    check("listener 1\nplugin_use a", "Plugin 'a' not previously loaded.");
    check("refuse_subscribe", "Empty 'refuse_subscribe' value in configuration.");
}

#[test]
fn limits_and_behaviour() {
    check("max_inflight_messages 65536", "'max_inflight_messages' must be <= 65535.");
    check("max_packet_size 19", "'max_packet_size' must be >= 20.");
    check("message_size_limit 556000000", "Invalid 'message_size_limit' value (556000000).");
    check("max_keepalive 65536", "Invalid 'max_keepalive' value (65536).");
    check("max_keepalive -1", "Invalid 'max_keepalive' value (-1).");
    check("memory_limit -1", "Invalid 'memory_limit' value (-1).");
    check("sys_interval -1", "Invalid 'sys_interval' value (-1).");
    check("sys_interval 65536", "Invalid 'sys_interval' value (65536).");
    check("sys_interval 99999999999999999999", "Invalid 'sys_interval' value (9223372036854775807).");
    check("retain_expiry_interval 0", "Invalid 'retain_expiry_interval' value (0).");
    let span = "Invalid 'persistent_client_expiration' duration in configuration.";
    check("persistent_client_expiration 5x", span);
    check("persistent_client_expiration 0d", span);
    check("persistent_client_expiration", "Empty 'persistent_client_expiration' value in configuration.");
    check("connect_timeout 0", "Invalid 'connect_timeout' value (0).");
    check("shards -1", "Invalid 'shards' value (-1).");
    check("authentication_threads 0", "Invalid 'authentication_threads' value (0).");
    check("persistence_durability sometimes", "Invalid 'persistence_durability' value (sometimes).");
    check("persistence_durability interval 0", "Invalid 'persistence_durability' value (0).");
    check("persistence_on_failure panic", "Invalid 'persistence_on_failure' value (panic).");
    check("persistence_durability interval x", "'persistence_durability' value not a number.");
}

#[test]
fn bridges() {
    check("connection", "Empty 'connection' value in configuration.");
    check("connection x\nconnection x", "Duplicate bridge name 'x'.");
    check("connection just-name", "Invalid bridge configuration: no remote addresses defined.");
    check("connection no-topic\naddress localhost", "Invalid bridge configuration: no topics defined.");
    check("connection no-address\ntopic dummy", "Invalid bridge configuration: no remote addresses defined.");
    check("connection x\naddress a\naddress b", "Invalid bridge configuration.");
    check("connection x\naddress", "Empty 'address' value in configuration.");
    check("connection x\naddress a:0", "Invalid 'port' value (0).");
    check("connection x\ntopic", "Empty 'topic' value in configuration.");
    check("connection x\ntopic \"missing quote", "Missing closing quote in topic value (quote).");
    check("connection x\ntopic a b", "Invalid bridge topic direction 'b'.");
    check("connection x\ntopic a in 3", "Invalid bridge QoS level '3'.");
    check("connection x\ntopic a in 1 a+ b", "Invalid bridge topic local prefix 'a+'.");
    check("connection x\ntopic a in 1 a b#", "Invalid bridge topic remote prefix 'b#'.");
    check("connection x\ntopic \"\" in 1", "Invalid bridge remapping.");
    check("connection x\ntopic # in 1 a", "Invalid bridge topic local prefix and pattern combination 'a#'.");
    check("connection x\nstart_type manual", "Manual 'start_type' not supported.");
    check("connection x\nstart_type x", "Invalid 'start_type' value (x).");
    check("connection x\nbridge_protocol_version x", "Invalid 'bridge_protocol_version' value (x).");
    check("connection x\nbridge_reload_type x", "Invalid 'bridge_reload_type' value (x).");
    check("connection x\nrestart_timeout", "Empty 'restart_timeout' value in configuration.");
    check("connection x\nrestart_timeout 5 3", "backoff cap is lower than the base in restart_timeout.");
    check("connection x\nrestart_timeout 3601", "Invalid 'restart_timeout' value (3601).");
    check(
        "connection x\nbridge_tcp_keepalive 1 2",
        "Invalid 'bridge_tcp_keepalive' values in configuration.",
    );
    check("connection x\nbridge_psk", "Empty 'bridge_psk' value in configuration.");
    check(
        "connection x\npassword a\nremote_password b",
        "Duplicate 'remote_password' value in configuration.",
    );
    let whole = "connection x\naddress a\ntopic t\n";
    check(&format!("{whole}bridge_psk 00"), "Invalid bridge configuration: missing bridge_identity.");
    check(&format!("{whole}bridge_identity i"), "Invalid bridge configuration: missing bridge_psk.");
}
