//! Where clients connect.

use crate::capability::Capability;
use crate::directive::{Directive, Scope, Section, Status};
use crate::parse::listener;
use crate::value::{fitted, unless_negative};

const fn row(scope: Scope, name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Listeners, scope, name, syntax)
}

pub(super) static ROWS: &[Directive] = &[
    row(Scope::Global, "listener", "PORT [HOST | PATH]")
        .without("local-only mode: 127.0.0.1 and ::1 on port 1883")
        .restart()
        .repeats()
        .custom(listener::listener)
        .doc(
            "Opens a port for clients; the lines up to the next `listener` are about it. With a host name or \
             an address it is bound there, otherwise to every interface. Port 0 and a path make a Unix \
             socket. As soon as there is one listener, clients without a user name are refused unless \
             `allow_anonymous true` is given. Without any, the broker serves this machine only.",
        ),
    row(Scope::Global, "port", "N")
        .without("1883")
        .restart()
        .with_status(Status::Deprecated("use `listener`"))
        .custom(listener::port)
        .doc("The port of the default listener, which the lines before the first `listener` are about."),
    row(Scope::Global, "bind_address", "HOST")
        .without("every interface")
        .restart()
        .with_status(Status::Deprecated("use `listener`"))
        .text(listener::bind_address)
        .doc("The host name or address that the default listener is bound to."),
    row(Scope::ListenerOrDefault, "bind_interface", "DEVICE")
        .without("every interface")
        .restart()
        .text(|d, v| d.listener().bind_interface = Some(v))
        .doc("Accepts connections only when they come in through this network device, such as `eth0`."),
    row(Scope::ListenerOrDefault, "socket_domain", "ipv4 | ipv6")
        .without("both")
        .restart()
        .custom(listener::socket_domain)
        .doc("Restricts the listener to one version of the Internet Protocol."),
    row(Scope::ListenerOrDefault, "protocol", "mqtt | websockets | http_api")
        .default("mqtt")
        .restart()
        .with_status(Status::NeedsWhen("http_api", Capability::HttpApi))
        .custom(listener::protocol)
        .doc(
            "What is spoken on the listener: MQTT, MQTT inside WebSockets (any path, sub-protocol `mqtt`), or \
             the HTTP API.",
        ),
    row(Scope::Listener, "http_dir", "DIR")
        .restart()
        .with_status(Status::Needs(Capability::HttpApi))
        .text(|d, v| d.listener().http_dir = Some(v.into()))
        .doc("A directory of files that a listener with `protocol http_api` serves."),
    row(Scope::ListenerOrDefault, "max_connections", "N")
        .default("-1")
        .int(i64::MIN, i64::MAX, |d, v| d.listener().max_connections = unless_negative(v))
        .doc("How many clients may be connected through the listener at once. A negative number is no limit."),
    row(Scope::ListenerOrDefault, "max_qos", "0 | 1 | 2")
        .also(&["maximum_qos"])
        .default("2")
        .int(0, 2, |d, v| d.listener().max_qos = fitted(v))
        .complaint("'max_qos' must be between 0 and 2 inclusive.")
        .doc(
            "The highest quality of service on the listener. MQTT 5 clients are told when they connect; a \
             client that publishes with a higher one is disconnected.",
        ),
    row(Scope::Listener, "max_topic_alias", "N")
        .default("10")
        .int(0, 65_535, |d, v| d.listener().max_topic_alias = fitted(v))
        .complaint("Invalid 'max_topic_alias' value in configuration.")
        .doc("How many topic aliases an MQTT 5 client may create. 0 allows none."),
    row(Scope::Listener, "max_topic_alias_broker", "N")
        .default("10")
        .int(0, 65_535, |d, v| d.listener().max_topic_alias_broker = fitted(v))
        .complaint("Invalid 'max_topic_alias_broker' value in configuration.")
        .doc("How many topic aliases the broker creates towards an MQTT 5 client that allows them."),
    row(Scope::Listener, "mount_point", "PREFIX")
        .once()
        .custom(listener::mount_point)
        .doc(
            "Put in front of every topic that the listener's clients name, and taken off again in front of \
             them: they see only the part of the tree below it. It usually ends in `/`.",
        ),
    row(Scope::Listener, "accept_protocol_versions", "3,4,5")
        .default("3,4,5")
        .once()
        .custom(listener::accept_protocol_versions)
        .doc("The versions of MQTT that are let in, by protocol level: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0."),
    row(Scope::ListenerOrDefault, "use_username_as_clientid", "BOOL")
        .default("false")
        .bool(|d, v| d.listener().use_username_as_clientid = v)
        .doc(
            "Replaces each client's id by its user name, so that a user cannot take over another's session. \
             A client without a user name is refused.",
        ),
    row(Scope::Listener, "listener_allow_anonymous", "BOOL")
        .without("what `allow_anonymous` says")
        .bool(|d, v| d.listener().allow_anonymous = Some(v))
        .doc("`allow_anonymous` for this listener alone."),
    row(Scope::Listener, "listener_auto_id_prefix", "TEXT")
        .without("what `auto_id_prefix` says")
        .once()
        .custom(listener::auto_id_prefix)
        .doc("`auto_id_prefix` for this listener alone; at most 50 bytes."),
    row(Scope::Listener, "enable_proxy_protocol", "1 | 2")
        .without("off")
        .restart()
        .with_status(Status::Needs(Capability::ProxyProtocol))
        .int(1, 2, listener::proxy_protocol)
        .doc(
            "Expects a PROXY header of this version in front of each connection and takes the client's \
             address from it. Only a proxy should then be able to reach the listener.",
        ),
    row(Scope::Listener, "proxy_protocol_v2_require_tls", "BOOL")
        .default("false")
        .with_status(Status::NeedsWhen("true", Capability::ProxyProtocol))
        .bool(|d, v| d.listener().proxy_protocol_v2_require_tls = v)
        .doc("Refuses a connection whose PROXY header does not say that the client used TLS."),
    row(Scope::Global, "packet_buffer_size", "BYTES")
        .also(&["websockets_headers_size"])
        .default("4096")
        .int(1, 65_535, |d, v| d.config.limits.packet_buffer_size = fitted(v))
        .complaint("Packet buffer size must be between 1 and 65535 inclusive.")
        .doc("The largest set of HTTP headers with which a WebSocket may be opened."),
    row(Scope::Listener, "websockets_origin", "ORIGIN")
        .without("any")
        .repeats()
        .custom(listener::websockets_origin)
        .doc(
            "A value of the `Origin` header with which a WebSocket may be opened; several lines allow several. \
             It keeps other sites' pages from using a visitor's browser against the broker.",
        ),
    row(Scope::Global, "set_tcp_nodelay", "BOOL")
        .default("false")
        .bool(|d, v| d.config.mqtt.set_tcp_nodelay = v)
        .doc("Sends small packets at once instead of gathering them. Lower latency, more packets."),
];
