//! Connections to other brokers.

use crate::capability::Capability;
use crate::directive::{Directive, Scope, Section, Status};
use crate::model::Secret;
use crate::parse::bridge::{self, at_least};
use crate::value::{fitted, seconds};

const REFINES: Status = Status::Refines(Capability::Bridges);

/// The largest 32-bit number.
const MAX_U32: i64 = 0xffff_ffff;

const fn row(name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Bridges, Scope::Bridge, name, syntax).with_status(REFINES)
}

pub(super) static ROWS: &[Directive] = &[
    Directive::new(Section::Bridges, Scope::Global, "connection", "NAME")
        .repeats()
        .with_status(Status::Needs(Capability::Bridges))
        .custom(bridge::connection)
        .doc(
            "Begins a bridge: a connection to another broker over which messages are exchanged. The lines up to \
             the next `connection` are about it. It needs an `address` and at least one `topic`.",
        ),
    row("address", "HOST[:PORT] ...")
        .also(&["addresses"])
        .custom(bridge::address)
        .doc("The remote brokers, the preferred one first. The port is 1883 unless given."),
    row("topic", "PATTERN [out | in | both [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]]")
        .repeats()
        .custom(bridge::topic)
        .doc(
            "Topics to exchange, the direction (out unless given) and the highest QoS (0 unless given). The \
             prefixes stand in front of the pattern on either side; `\"\"` is an empty one. A pattern with \
             spaces goes in double quotes. May be repeated.",
        ),
    row("bridge_attempt_unsubscribe", "BOOL")
        .default("true")
        .bool(|d, v| d.bridge().attempt_unsubscribe = v)
        .doc("Whether outgoing topics are unsubscribed from, in case an earlier session subscribed to them."),
    row("bridge_bind_address", "IP")
        .text(|d, v| d.bridge().bind_address = Some(v))
        .doc("The local address to connect from."),
    row("bridge_max_packet_size", "BYTES")
        .default("0")
        .int(0, MAX_U32, |d, v| d.bridge().max_packet_size = Some(fitted(v)).filter(|n| *n != 0))
        .doc("The largest packet sent over the bridge. 0 is no limit of our own."),
    row("bridge_max_topic_alias", "N")
        .default("10")
        .int(0, 65_535, |d, v| d.bridge().max_topic_alias = fitted(v))
        .doc("How many topic aliases the remote broker may create, with MQTT 5."),
    row("bridge_outgoing_retain", "BOOL")
        .default("true")
        .bool(|d, v| d.bridge().outgoing_retain = v)
        .doc("Whether retained messages are sent as retained."),
    row("bridge_protocol_version", "mqttv31 | mqttv311 | mqttv50")
        .default("mqttv311")
        .custom(bridge::protocol_version)
        .doc("The version of MQTT to speak."),
    row("bridge_receive_maximum", "N")
        .without("`max_inflight_messages`")
        .int(1, 65_535, |d, v| d.bridge().receive_maximum = Some(fitted(v)))
        .doc("How many messages of QoS 1 and 2 the remote may have on their way, with MQTT 5."),
    row("bridge_session_expiry_interval", "SECONDS")
        .default("0")
        .int(0, MAX_U32, |d, v| d.bridge().session_expiry_interval = fitted(v))
        .doc("How long the remote keeps the bridge's session after a loss, with MQTT 5."),
    row("bridge_reload_type", "lazy | immediate")
        .default("lazy")
        .custom(bridge::reload_type)
        .doc("Whether a changed bridge connects anew at a reload or the next time it connects anyway."),
    row("bridge_tcp_keepalive", "IDLE INTERVAL COUNT")
        .without("off")
        .custom(bridge::tcp_keepalive)
        .doc("TCP keep alive: seconds of silence, seconds between probes, number of probes."),
    row("bridge_tcp_user_timeout", "MILLISECONDS")
        .without("the system's choice")
        .int(0, MAX_U32, |d, v| d.bridge().tcp_user_timeout_ms = Some(fitted(v)))
        .doc("How long sent data may stay unacknowledged before the connection counts as lost."),
    row("cleansession", "BOOL")
        .default("false")
        .bool(|d, v| d.bridge().clean_session = v)
        .doc("Whether subscriptions and messages are forgotten on the remote when the bridge loses it."),
    row("local_cleansession", "BOOL")
        .without("what `cleansession` says")
        .bool(|d, v| d.bridge().local_clean_session = Some(v))
        .doc("The same on this side."),
    row("keepalive_interval", "SECONDS")
        .default("60")
        .int(0, 65_535, |d, v| {
            let raised = at_least(d, "keepalive_interval", fitted(v), 5);
            d.bridge().keepalive = seconds(raised.into());
        })
        .doc("How often the bridge pings when nothing else is sent; at least 5."),
    row("idle_timeout", "SECONDS")
        .default("60")
        .int(i64::MIN, MAX_U32, |d, v| {
            let raised = at_least(d, "idle_timeout", fitted(v.max(0)), 1);
            d.bridge().idle_timeout = seconds(raised.into());
        })
        .doc("How long a bridge with `start_type lazy` stays connected without traffic."),
    row("threshold", "N")
        .default("10")
        .int(i64::MIN, MAX_U32, |d, v| {
            let raised = at_least(d, "threshold", fitted(v.max(0)), 1);
            d.bridge().threshold = raised;
        })
        .doc("How many waiting messages make such a bridge connect."),
    row("start_type", "automatic | lazy | once")
        .default("automatic")
        .custom(bridge::start_type)
        .doc("Whether the bridge stays connected, connects when messages wait, or connects once."),
    row("restart_timeout", "SECONDS | BASE CAP [STABLE]")
        .default("5 30")
        .custom(bridge::restart_timeout)
        .doc(
            "The delay before connecting again: always the same, or random between the base and a bound that \
             doubles up to the cap. A connection that lasted STABLE seconds starts again from the base.",
        ),
    row("round_robin", "BOOL")
        .default("false")
        .bool(|d, v| d.bridge().round_robin = v)
        .doc("Whether all addresses are equal, instead of the first being preferred."),
    row("try_private", "BOOL")
        .default("true")
        .bool(|d, v| d.bridge().try_private = v)
        .doc("Whether the remote is told that this is a bridge, so that it does not send messages back."),
    row("notifications", "BOOL")
        .default("true")
        .bool(|d, v| d.bridge().notifications = v)
        .doc("Whether a retained `1` or `0` says that the bridge is connected or not."),
    row("notifications_local_only", "BOOL")
        .default("false")
        .bool(|d, v| d.bridge().notifications_local_only = v)
        .doc("Whether it says so on this side only."),
    row("notification_topic", "TOPIC")
        .without("$SYS/broker/connection/CLIENTID/state")
        .text(|d, v| d.bridge().notification_topic = Some(v))
        .doc("The topic of that message."),
    row("remote_clientid", "ID")
        .also(&["clientid"])
        .without("HOSTNAME.NAME")
        .text(|d, v| d.bridge().remote_clientid = Some(v))
        .doc("The client id on the remote broker."),
    row("remote_username", "NAME")
        .also(&["username"])
        .text(|d, v| d.bridge().remote_username = Some(v))
        .doc("The user name on the remote broker."),
    row("remote_password", "PASSWORD")
        .also(&["password"])
        .text(|d, v| d.bridge().remote_password = Some(Secret::new(v)))
        .doc("The password on the remote broker."),
    row("local_clientid", "ID")
        .without("local.CLIENTID")
        .text(|d, v| d.bridge().local_clientid = Some(v))
        .doc("The client id on this broker."),
    row("local_username", "NAME")
        .text(|d, v| d.bridge().local_username = Some(v))
        .doc("The user name on this broker, for its access control."),
    row("local_password", "PASSWORD")
        .text(|d, v| d.bridge().local_password = Some(Secret::new(v)))
        .doc("The password on this broker."),
    row("bridge_cafile", "PATH")
        .text(|d, v| d.bridge().tls.cafile = Some(v.into()))
        .doc("The certificates, in PEM, that may have signed the remote's. Turns TLS on."),
    row("bridge_capath", "DIR")
        .text(|d, v| d.bridge().tls.capath = Some(v.into()))
        .doc("The same as a directory of hashed names."),
    row("bridge_certfile", "PATH")
        .text(|d, v| d.bridge().tls.certfile = Some(v.into()))
        .doc("The certificate that the bridge brings."),
    row("bridge_keyfile", "PATH")
        .text(|d, v| d.bridge().tls.keyfile = Some(v.into()))
        .doc("The key that belongs to it."),
    row("bridge_tls_use_os_certs", "BOOL")
        .default("false")
        .bool(|d, v| d.bridge().tls.use_os_certs = v)
        .doc("Whether the certificate authorities of the system are trusted."),
    row("bridge_insecure", "BOOL")
        .default("false")
        .bool(|d, v| d.bridge().tls.insecure = v)
        .doc("Whether any valid certificate will do, whatever host it was made for."),
    row("bridge_alpn", "NAME")
        .text(|d, v| d.bridge().tls.alpn = Some(v))
        .doc("The application protocol to announce in the TLS handshake."),
    row("bridge_tls_version", "tlsv1.2 | tlsv1.3")
        .without("tlsv1.2")
        .custom(bridge::tls_version)
        .doc("The oldest version of TLS to accept."),
    row("bridge_ciphers", "LIST")
        .without("the library's choice")
        .text(|d, v| d.bridge().tls.ciphers = Some(v))
        .doc("The cipher suites offered for TLS 1.2."),
    row("bridge_ciphers_tls1.3", "LIST")
        .without("the library's choice")
        .text(|d, v| d.bridge().tls.ciphers_tls13 = Some(v))
        .doc("The cipher suites offered for TLS 1.3."),
    row("bridge_require_ocsp", "BOOL")
        .default("false")
        .bool(|d, v| d.bridge().tls.require_ocsp = v)
        .doc("Whether the remote must staple a good OCSP answer to its certificate."),
    row("bridge_identity", "ID")
        .text(|d, v| d.bridge().tls.identity = Some(v))
        .doc("The identity of a pre-shared key. Needs `bridge_psk`; not with certificates."),
    row("bridge_psk", "HEX")
        .text(|d, v| d.bridge().tls.psk = Some(Secret::new(v)))
        .doc("The pre-shared key. Needs `bridge_identity`."),
];
