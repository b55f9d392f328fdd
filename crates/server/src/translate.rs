//! From what the configuration says to what shards and listeners are made of.
//!
//! Before: a [`Config`] that was read and checked. After: [`Settings`] go to every shard, [`Entrance`]s to
//! [`crate::boot`]. Both are in the order of the configuration's listeners: their index is the listener's number.

use crate::boot::Entrance;
use crate::durable;
use crate::pump::Transport;
use pondhawk_auth::LoginPolicy;
use pondhawk_broker::{Homes, ListenerSettings, Settings};
use pondhawk_codec::{Qos, Version};
use pondhawk_config::{Address, Config, Limits, Listener, Protocol, SocketDomain};
use pondhawk_net::{Domain, ListenSpec, TcpSpec, WsSettings};
use std::sync::Arc;

/// How many shards the configuration asks for: as many as there are cores, if it does not say.
#[must_use]
pub fn shards(config: &Config) -> u8 {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = config.threads.shards.unwrap_or_else(cores);
    u8::try_from(wanted).unwrap_or(Homes::SHARDS_MAX).clamp(1, Homes::SHARDS_MAX)
}

/// How often logins may fail.
#[must_use]
pub fn login_policy(config: &Config) -> LoginPolicy {
    let limits = &config.limits;
    LoginPolicy { failures: limits.login_failure_limit, longest: limits.login_backoff_max }
}

/// The settings of every shard.
#[must_use]
pub fn settings(config: &Config) -> Settings {
    let (limits, mqtt) = (&config.limits, &config.mqtt);
    let expiration = mqtt.persistent_client_expiration;
    let mut settings = Settings {
        max_inflight_messages: limits.max_inflight_messages.unwrap_or(0),
        queue_memory_bytes: limits.queue_memory_bytes,
        queue_qos0_messages: mqtt.queue_qos0_messages,
        max_packet_size: limits.max_packet_size,
        max_connect_packet_size: limits.max_connect_packet_size,
        message_size_limit: limits.message_size_limit.unwrap_or(0),
        max_keepalive_s: mqtt.max_keepalive.unwrap_or(0),
        retain_available: mqtt.retain_available,
        upgrade_outgoing_qos: mqtt.upgrade_outgoing_qos,
        allow_duplicate_messages: mqtt.allow_duplicate_messages,
        persistent_client_expiration_s: expiration
            .map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
        check_retain_source: mqtt.check_retain_source,
        client_id_prefix: mqtt.clientid_prefixes.as_deref().map(Into::into),
        max_output_bytes: limits.max_output_bytes,
        max_client_id_bytes: limits.max_client_id_bytes,
        max_username_bytes: limits.max_username_bytes,
        max_subscriptions: limits.max_subscriptions_per_client.unwrap_or(0),
        max_user_properties: limits.max_user_properties,
        max_topic_levels: limits.max_topic_levels,
        max_retained_messages: limits.max_retained_messages.unwrap_or(0),
        max_retained_bytes: limits.max_retained_bytes.unwrap_or(0),
        allow_session_transfer: mqtt.allow_session_transfer,
        refused_filters: mqtt.refuse_subscribe.iter().map(|filter| filter.as_str().into()).collect(),
        connect_timeout_ms: u64::try_from(limits.connect_timeout.as_millis()).unwrap_or(u64::MAX),
        max_waiting_messages: config.persistence.max_waiting_messages.unwrap_or(0),
        max_waiting_bytes: config.persistence.max_waiting_bytes.unwrap_or(0),
        persistent: durable::is_wanted(config),
        listeners: config.listeners.iter().map(listener).collect(),
        ..Settings::default()
    };
    outbox(&mut settings, limits);
    settings
}

fn outbox(settings: &mut Settings, limits: &Limits) {
    settings.outbox.inflight_bytes = limits.max_inflight_bytes.unwrap_or(0);
    settings.outbox.queued_messages = limits.max_queued_messages.unwrap_or(0);
    settings.outbox.queued_bytes = limits.max_queued_bytes.unwrap_or(0);
}

fn listener(listener: &Listener) -> ListenerSettings {
    let versions = [Version::V31, Version::V311, Version::V5];
    let accepted = |version: &Version| listener.accept_versions.accepts(version.level());
    ListenerSettings {
        max_qos: Qos::from_u8(listener.max_qos).unwrap_or(Qos::ExactlyOnce),
        max_topic_alias: listener.max_topic_alias,
        max_topic_alias_broker: listener.max_topic_alias_broker,
        mount_point: listener.mount_point.as_deref().map(Into::into),
        versions: versions.into_iter().filter(accepted).collect(),
        use_username_as_client_id: listener.use_username_as_clientid,
        allow_zero_length_client_id: listener.access.allow_zero_length_clientid,
        auto_id_prefix: listener.access.auto_id_prefix.as_str().into(),
    }
}

/// The listeners to be opened.
#[must_use]
pub fn entrances(config: &Config) -> Vec<Entrance> {
    config.listeners.iter().map(|listener| entrance(listener, config)).collect()
}

fn entrance(listener: &Listener, config: &Config) -> Entrance {
    Entrance {
        spec: spec(listener),
        transport: transport(listener, config),
        max: listener.max_connections.map(|max| i64::try_from(max).unwrap_or(i64::MAX)),
        // Nobody asked for `::1` in so many words.
        optional: config.local_only,
    }
}

fn spec(listener: &Listener) -> ListenSpec {
    match &listener.address {
        Address::Unix(path) => ListenSpec::Unix(path.clone()),
        Address::Tcp { host, port } => {
            let mut spec = TcpSpec::new(host.as_deref(), *port);
            spec.domain = match listener.socket_domain {
                None => Domain::Any,
                Some(SocketDomain::Ipv4) => Domain::V4,
                Some(SocketDomain::Ipv6) => Domain::V6,
            };
            spec.interface.clone_from(&listener.bind_interface);
            ListenSpec::Tcp(spec)
        }
    }
}

/// The HTTP API has been refused before: this build does not have it, see [`pondhawk_config::unsupported`].
fn transport(listener: &Listener, config: &Config) -> Transport {
    match listener.protocol {
        Protocol::Mqtt | Protocol::HttpApi => Transport::Plain,
        Protocol::Websockets => Transport::WebSocket(Arc::new(WsSettings {
            origins: listener.websockets_origins.clone(),
            max_header_bytes: match config.limits.packet_buffer_size {
                0 => WsSettings::default().max_header_bytes,
                bytes => bytes,
            },
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_text(text, "test.conf").unwrap()
    }

    #[test]
    fn the_defaults_of_both_crates_agree() {
        let ours = settings(&config("listener 1883\n"));
        let theirs = Settings::default();
        // Whatever differs is a default that one of the two tables has wrong.
        assert_eq!(format!("{ours:#?}"), format!("{theirs:#?}"));
    }

    #[test]
    fn values_arrive() {
        let config = config(
            "max_inflight_messages 7\nmax_queued_messages 0\nmax_inflight_bytes 5\nmessage_size_limit 9\n\
             persistent_client_expiration 2d\nclientid_prefixes dev-\nlistener 1\nmax_qos 1\n\
             mount_point m/\naccept_protocol_versions 4,5\nuse_username_as_clientid true\n",
        );
        let settings = settings(&config);
        assert_eq!(settings.max_inflight_messages, 7);
        assert_eq!((settings.outbox.queued_messages, settings.outbox.inflight_bytes), (0, 5));
        assert_eq!(settings.message_size_limit, 9);
        assert_eq!(settings.persistent_client_expiration_s, Some(2 * 24 * 3600));
        assert_eq!(settings.client_id_prefix.as_deref(), Some("dev-"));
        let listener = &settings.listeners[0];
        assert_eq!(listener.max_qos, Qos::AtLeastOnce);
        assert_eq!(listener.mount_point.as_deref(), Some("m/"));
        assert_eq!(listener.versions, [Version::V311, Version::V5]);
        assert!(listener.use_username_as_client_id);
    }

    #[test]
    fn listeners_keep_their_order_and_their_ways() {
        let config = config(
            "listener 1 localhost\nsocket_domain ipv6\nmax_connections 3\n\
             listener 2\nprotocol websockets\nwebsockets_origin http://a\nlistener 0 /tmp/x.sock\n",
        );
        let all = entrances(&config);
        let ListenSpec::Tcp(first) = &all[0].spec else { panic!("not TCP") };
        assert_eq!((first.host.as_deref(), first.port, first.domain), (Some("localhost"), 1, Domain::V6));
        assert_eq!((all[0].max, all[0].optional), (Some(3), false));
        let Transport::WebSocket(settings) = &all[1].transport else { panic!("not WebSockets") };
        assert_eq!(settings.origins, ["http://a"]);
        assert_eq!(all[2].spec, ListenSpec::Unix("/tmp/x.sock".into()));
        assert!(matches!(all[2].transport, Transport::Plain));
    }

    #[test]
    fn without_a_listener_the_addresses_are_optional() {
        let all = entrances(&config(""));
        assert!(!all.is_empty() && all.iter().all(|entrance| entrance.optional));
    }
}
