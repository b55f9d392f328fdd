//! How MQTT's choices are made.

use crate::directive::{Directive, Scope, Section, Status};
use crate::value::{seconds, span};
use std::time::Duration;

const fn row(name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Mqtt, Scope::Global, name, syntax)
}

pub(super) static ROWS: &[Directive] = &[
    row("queue_qos0_messages", "BOOL")
        .default("false")
        .bool(|d, v| d.config.mqtt.queue_qos0_messages = v)
        .doc("Whether messages of QoS 0 are kept, too, for a client that is away."),
    row("max_keepalive", "SECONDS")
        .default("0")
        .int(0, 65_535, |d, v| {
            d.config.mqtt.max_keepalive = u16::try_from(v).ok().filter(|seconds| *seconds != 0);
        })
        .doc(
            "The longest keep alive that a client may ask for. A client of MQTT 5 that asks for more is given \
             this one; an older client is refused. 0 is no limit.",
        ),
    row("retain_available", "BOOL")
        .default("true")
        .bool(|d, v| d.config.mqtt.retain_available = v)
        .doc("Whether there are retained messages. If not, a client that publishes one is disconnected."),
    row("retain_expiry_interval", "MINUTES")
        .without("off")
        .int(1, 10_000_000, |d, v| {
            d.config.mqtt.retain_expiry_interval = Some(Duration::from_secs(v.unsigned_abs() * 60));
        })
        .doc("How often expired retained messages are looked for and removed."),
    row("upgrade_outgoing_qos", "BOOL")
        .default("false")
        .bool(|d, v| d.config.mqtt.upgrade_outgoing_qos = v)
        .doc(
            "Delivers each message with the QoS of the subscription, even when it was published with a lower \
             one. The MQTT standard does not provide for it.",
        ),
    row("allow_duplicate_messages", "BOOL")
        .default("true")
        .with_status(Status::Deprecated("the default will become the only behaviour"))
        .bool(|d, v| d.config.mqtt.allow_duplicate_messages = v)
        .doc("Whether a client with overlapping subscriptions gets one copy of a message for each."),
    row("persistent_client_expiration", "N{s|h|d|w|m|y}")
        .without("never")
        .custom(|d, args| {
            d.config.mqtt.persistent_client_expiration = Some(span(args.name, args.word()?)?);
            Ok(())
        })
        .doc(
            "Drops a kept session when its client has been away for so long: `14d` is two weeks, `m` is a month \
             of 30 days and `y` a year of 365.",
        ),
    row("sys_interval", "SECONDS")
        .default("10")
        .int(0, 65_535, |d, v| d.config.mqtt.sys_interval = Some(seconds(v)).filter(|time| !time.is_zero()))
        .doc("How often the topics below `$SYS` are published. 0 turns them off."),
    row("retry_interval", "SECONDS")
        .with_status(Status::NoOp("is no longer available: messages are only sent again when a client reconnects"))
        .doc("From MQTT 3.1 times. Accepted and ignored."),
    row("store_clean_interval", "SECONDS")
        .with_status(Status::NoOp("is no longer available: messages that nobody needs are freed at once"))
        .doc("From Mosquitto 1.4. Accepted and ignored."),
];
