//! Sizes and counts beyond which something is refused or dropped.

use crate::directive::{Directive, Scope, Section};
use crate::value::{fitted, seconds, unless_negative, unless_zero};

/// Longest packet that MQTT can express.
const LARGEST_PACKET: i64 = 268_435_460;
/// Longest payload that MQTT can express.
const LARGEST_PAYLOAD: i64 = 268_435_455;

const fn row(name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Limits, Scope::Global, name, syntax)
}

pub(super) static ROWS: &[Directive] = &[
    row("max_packet_size", "BYTES")
        .default("2000000")
        .int(20, i64::MAX, |d, v| d.config.limits.max_packet_size = fitted(v.min(LARGEST_PACKET)))
        .complaint("'max_packet_size' must be >= 20.")
        .doc(
            "The largest packet that a client may send. MQTT 5 clients are told; a client that sends a larger \
             one is disconnected.",
        ),
    row("message_size_limit", "BYTES")
        .default("0")
        .int(0, LARGEST_PAYLOAD, |d, v| d.config.limits.message_size_limit = unless_zero(v))
        .doc(
            "The largest payload. A larger message is acknowledged and dropped, with reason 0x83 for MQTT 5. \
             0 is no limit. `max_packet_size` is the better tool.",
        ),
    row("max_inflight_messages", "N")
        .default("20")
        .int(i64::MIN, 65_535, |d, v| {
            // The protocol's own window is 65535, so that number limits nothing.
            d.config.limits.max_inflight_messages = u16::try_from(v).ok().filter(|n| !matches!(n, 0 | 65_535));
        })
        .complaint("'max_inflight_messages' must be <= 65535.")
        .doc(
            "How many messages of QoS 1 and 2 are on their way to one client at once. 1 keeps them in strict \
             order; 0 is no limit.",
        ),
    row("max_inflight_bytes", "BYTES")
        .default("0")
        .int(i64::MIN, i64::MAX, |d, v| d.config.limits.max_inflight_bytes = unless_zero(v))
        .doc("The same in bytes of payload. 0 is no limit."),
    row("max_queued_messages", "N")
        .default("1000")
        .int(i64::MIN, i64::MAX, |d, v| d.config.limits.max_queued_messages = unless_zero(v))
        .doc(
            "How many messages wait for one client beyond those on their way, also while it is away. What \
             comes on top is dropped. 0 is no limit.",
        ),
    row("max_queued_bytes", "BYTES")
        .default("0")
        .int(i64::MIN, i64::MAX, |d, v| d.config.limits.max_queued_bytes = unless_zero(v))
        .doc("The same in bytes of payload; whichever limit is reached first drops. 0 is no limit."),
    row("queue_memory_bytes", "BYTES")
        .default("262144")
        .int(0, i64::MAX, |d, v| d.config.limits.queue_memory_bytes = fitted(v))
        .doc(
            "With `persistence`, how many bytes of one client's queue are held in memory. Messages behind them are \
             on disk and read when they are due. 0 is no limit. A Pondhawk directive.",
        ),
    row("global_max_clients", "N")
        .default("-1")
        .int(i64::MIN, i64::MAX, |d, v| d.config.limits.global_max_clients = unless_negative(v))
        .doc("How many sessions the broker keeps, of clients connected or away. A negative number is no limit."),
    row("global_max_connections", "N")
        .default("-1")
        .int(i64::MIN, i64::MAX, |d, v| d.config.limits.global_max_connections = unless_negative(v))
        .doc("How many clients may be connected to the broker at once. A negative number is no limit."),
    row("memory_limit", "BYTES")
        .default("0")
        .int(0, i64::MAX, |d, v| d.config.limits.memory_limit = unless_zero(v))
        .doc("How much memory the broker's messages and connections may take. 0 is no limit."),
    row("max_output_bytes", "BYTES")
        .default("1048576")
        .int(4096, i64::MAX, |d, v| d.config.limits.max_output_bytes = fitted(v))
        .doc(
            "How many bytes may wait to be written to one connection. Beyond it, messages of QoS 0 for that \
             client are dropped, so that a slow reader costs nobody else. A Pondhawk directive.",
        ),
    row("connect_timeout", "SECONDS")
        .default("30")
        .int(1, 3600, |d, v| d.config.limits.connect_timeout = seconds(v))
        .doc("How long a connection may take until its CONNECT has arrived. A Pondhawk directive."),
    row("max_connect_packet_size", "BYTES")
        .default("100000")
        .int(20, i64::MAX, |d, v| d.config.limits.max_connect_packet_size = fitted(v.min(LARGEST_PACKET)))
        .doc("The largest CONNECT, which anyone may send before logging in. A Pondhawk directive."),
    row("login_failure_limit", "N")
        .default("300")
        .int(0, 60_000, |d, v| d.config.limits.login_failure_limit = unless_zero(v))
        .doc(
            "How many failed logins a minute one address, or one user name, may have. Further ones are turned \
             away without a look at the password (Connection rate exceeded; below MQTT 5, Server unavailable). \
             A user is never kept out at an address from which he has logged in since the broker started by what \
             others do. 0 is no limit. A Pondhawk directive.",
        ),
    row("login_backoff_max", "SECONDS")
        .default("60")
        .int(0, 86_400, |d, v| d.config.limits.login_backoff_max = seconds(v))
        .doc(
            "While too many logins fail, each further attempt makes the wait longer, up to this time beyond the \
             minute over which failures are counted. A Pondhawk directive.",
        ),
    row("max_client_id_bytes", "BYTES")
        .default("1024")
        .int(23, 65_535, |d, v| d.config.limits.max_client_id_bytes = fitted(v))
        .doc("The longest client id. MQTT allows 65535 bytes. A Pondhawk directive."),
    row("max_username_bytes", "BYTES")
        .default("4096")
        .int(1, 65_535, |d, v| d.config.limits.max_username_bytes = fitted(v))
        .doc("The longest user name. MQTT allows 65535 bytes. A Pondhawk directive."),
    row("max_subscriptions_per_client", "N")
        .default("10000")
        .int(0, i64::MAX, |d, v| d.config.limits.max_subscriptions_per_client = unless_zero(v))
        .doc("How many subscriptions one session may hold. 0 is no limit. A Pondhawk directive."),
    row("max_user_properties", "N")
        .default("128")
        .int(0, 65_535, |d, v| d.config.limits.max_user_properties = fitted(v))
        .doc("How many user properties one packet may carry. A Pondhawk directive."),
    row("max_topic_levels", "N")
        .default("201")
        .int(1, 32_768, |d, v| d.config.limits.max_topic_levels = fitted(v))
        .doc("How many levels a topic may have: one more than its slashes. A Pondhawk directive."),
    row("max_retained_messages", "N")
        .default("0")
        .int(0, i64::MAX, |d, v| d.config.limits.max_retained_messages = unless_zero(v))
        .doc("How many retained messages the broker keeps. 0 is no limit. A Pondhawk directive."),
    row("max_retained_bytes", "BYTES")
        .default("0")
        .int(0, i64::MAX, |d, v| d.config.limits.max_retained_bytes = unless_zero(v))
        .doc("How many bytes of retained messages the broker keeps. 0 is no limit. A Pondhawk directive."),
];
