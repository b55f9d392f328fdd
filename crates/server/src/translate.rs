//! From what the configuration says to what shards, listeners and rules need.

use crate::access::{ListenerRules, Rules};
use crate::boot::Entrance;
use crate::pump::Transport;
use pondhawk_auth::{AclFile, LoadError, PasswordFile, Symlinks};
use pondhawk_broker::{Homes, ListenerSettings, Settings};
use pondhawk_codec::{Qos, Version};
use pondhawk_config::{Address, Config, Listener, Protocol, SocketDomain};
use pondhawk_net::{Domain, ListenSpec, TcpSpec, WsSettings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How many shards the configuration asks for: as many as there are cores, if it does not say.
#[must_use]
pub fn shards(config: &Config) -> u8 {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = config.threads.shards.unwrap_or_else(cores);
    u8::try_from(wanted)
        .unwrap_or(Homes::SHARDS_MAX)
        .clamp(1, Homes::SHARDS_MAX)
}

/// The settings of every shard of `shards`.
#[must_use]
pub fn settings(config: &Config, shards: u8) -> Settings {
    let (limits, mqtt) = (&config.limits, &config.mqtt);
    let none = |limit: Option<usize>| limit.unwrap_or(0);
    let share = |limit: Option<usize>| none(limit).div_ceil(usize::from(shards));
    Settings {
        max_inflight_messages: limits.max_inflight_messages.unwrap_or(0),
        outbox: pondhawk_broker::OutboxLimits {
            inflight_bytes: none(limits.max_inflight_bytes),
            queued_messages: none(limits.max_queued_messages),
            queued_bytes: none(limits.max_queued_bytes),
        },
        queue_qos0_messages: mqtt.queue_qos0_messages,
        max_packet_size: limits.max_packet_size,
        max_connect_packet_size: limits.max_connect_packet_size,
        message_size_limit: none(limits.message_size_limit),
        max_keepalive_s: mqtt.max_keepalive.unwrap_or(0),
        retain_available: mqtt.retain_available,
        upgrade_outgoing_qos: mqtt.upgrade_outgoing_qos,
        allow_duplicate_messages: mqtt.allow_duplicate_messages,
        persistent_client_expiration_s: mqtt.persistent_client_expiration.map(whole_seconds),
        check_retain_source: mqtt.check_retain_source,
        client_id_prefix: mqtt.clientid_prefixes.as_deref().map(Into::into),
        max_output_bytes: limits.max_output_bytes,
        max_client_id_bytes: limits.max_client_id_bytes,
        max_username_bytes: limits.max_username_bytes,
        max_subscriptions: none(limits.max_subscriptions_per_client),
        max_user_properties: limits.max_user_properties,
        max_topic_levels: limits.max_topic_levels,
        max_retained_messages: share(limits.max_retained_messages),
        max_retained_bytes: share(limits.max_retained_bytes),
        allow_session_transfer: mqtt.allow_session_transfer,
        refused_filters: mqtt
            .refuse_subscribe
            .iter()
            .map(|filter| filter.as_str().into())
            .collect(),
        connect_timeout_ms: limits.connect_timeout.as_millis() as u64,
        listeners: config.listeners.iter().map(listener_settings).collect(),
        ..Settings::default()
    }
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn listener_settings(listener: &Listener) -> ListenerSettings {
    let accepted = listener.accept_versions;
    let versions = [
        (accepted.v31, Version::V31),
        (accepted.v311, Version::V311),
        (accepted.v5, Version::V5),
    ];
    ListenerSettings {
        max_qos: Qos::from_u8(listener.max_qos).unwrap_or(Qos::ExactlyOnce),
        max_topic_alias: listener.max_topic_alias,
        max_topic_alias_broker: listener.max_topic_alias_broker,
        mount_point: listener.mount_point.as_deref().map(Into::into),
        versions: versions
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, version)| version)
            .collect(),
        use_username_as_client_id: listener.use_username_as_clientid,
        allow_zero_length_client_id: listener.access.allow_zero_length_clientid,
        auto_id_prefix: listener.access.auto_id_prefix.as_str().into(),
    }
}

/// Where clients come in.
#[must_use]
pub fn entrances(config: &Config) -> Vec<Entrance> {
    let entrance = |listener: &Listener| Entrance {
        spec: spec(listener),
        transport: match listener.protocol {
            Protocol::Websockets => Transport::WebSocket(Arc::new(WsSettings {
                origins: listener.websockets_origins.clone(),
                max_header_bytes: config.limits.packet_buffer_size,
            })),
            Protocol::Mqtt | Protocol::HttpApi => Transport::Plain,
        },
        max: listener.max_connections.and_then(|max| i64::try_from(max).ok()),
        optional: config.local_only,
    };
    config.listeners.iter().map(entrance).collect()
}

fn spec(listener: &Listener) -> ListenSpec {
    match &listener.address {
        Address::Unix(path) => ListenSpec::Unix(path.clone()),
        Address::Tcp { host, port } => {
            let mut spec = TcpSpec::new(host.as_deref(), *port);
            spec.interface = listener.bind_interface.clone();
            spec.domain = match listener.socket_domain {
                None => Domain::Any,
                Some(SocketDomain::Ipv4) => Domain::V4,
                Some(SocketDomain::Ipv6) => Domain::V6,
            };
            ListenSpec::Tcp(spec)
        }
    }
}

/// Reads every password and access control file that the configuration names, each once.
///
/// # Errors
/// The first file that cannot be read or has a bad line. Nothing is in force then.
pub fn rules(config: &Config, warnings: &mut Vec<String>) -> Result<Rules, LoadError> {
    let symlinks = Symlinks::from_env();
    let mut passwords: HashMap<PathBuf, Arc<PasswordFile>> = HashMap::new();
    let mut acls: HashMap<PathBuf, AclFile> = HashMap::new();
    let mut rules = Rules {
        connections_max: config
            .limits
            .global_max_connections
            .and_then(|max| i64::try_from(max).ok()),
        sessions_max: config
            .limits
            .global_max_clients
            .and_then(|max| i64::try_from(max).ok()),
        ..Rules::default()
    };
    for listener in &config.listeners {
        let access = &listener.access;
        rules.listeners.push(ListenerRules {
            allow_anonymous: access.allow_anonymous,
            passwords: once(&mut passwords, access.password_file.as_deref(), |path| {
                let file = PasswordFile::load(path, symlinks)?;
                warnings.extend(file.warnings().iter().map(ToString::to_string));
                Ok(Arc::new(file))
            })?,
            acl: once(&mut acls, access.acl_file.as_deref(), |path| {
                let file = AclFile::load(path, symlinks)?;
                warnings.extend(file.warnings().iter().map(ToString::to_string));
                Ok(file)
            })?,
        });
    }
    Ok(rules)
}

fn once<T: Clone>(
    known: &mut HashMap<PathBuf, T>,
    path: Option<&Path>,
    load: impl FnOnce(&Path) -> Result<T, LoadError>,
) -> Result<Option<T>, LoadError> {
    let Some(path) = path else { return Ok(None) };
    if let Some(file) = known.get(path) {
        return Ok(Some(file.clone()));
    }
    let file = load(path)?;
    known.insert(path.to_owned(), file.clone());
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_text(text, "test.conf").expect("valid")
    }

    #[test]
    fn settings_follow_the_directives() {
        let config = config(
            "max_inflight_messages 7\nmax_queued_messages 9\nmax_retained_messages 10\nlistener 1\nmax_qos 1\nmount_point m/\n\
             accept_protocol_versions 4,5\nlistener 0 /tmp/x.sock\n",
        );
        let settings = settings(&config, 4);
        assert_eq!(
            (settings.max_inflight_messages, settings.outbox.queued_messages),
            (7, 9)
        );
        assert_eq!(settings.max_retained_messages, 3);
        assert_eq!(settings.listeners.len(), 2);
        let first = &settings.listeners[0];
        assert_eq!(
            (first.max_qos, first.mount_point.as_deref()),
            (Qos::AtLeastOnce, Some("m/"))
        );
        assert_eq!(first.versions, [Version::V311, Version::V5]);
        assert!(
            matches!(&entrances(&config)[1].spec, ListenSpec::Unix(path) if path == Path::new("/tmp/x.sock"))
        );
    }

    #[test]
    fn defaults_are_mosquittos() {
        let settings = settings(&config("listener 1883\n"), 2);
        let defaults = Settings::default();
        assert_eq!(settings.max_inflight_messages, defaults.max_inflight_messages);
        assert_eq!(settings.outbox.queued_messages, defaults.outbox.queued_messages);
        assert_eq!(settings.max_packet_size, defaults.max_packet_size);
        assert_eq!(settings.max_topic_levels, defaults.max_topic_levels);
        assert_eq!(settings.connect_timeout_ms, defaults.connect_timeout_ms);
        assert_eq!(
            settings.listeners[0].max_topic_alias,
            defaults.listeners[0].max_topic_alias
        );
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let config = config("listener 1883\npassword_file /nonexistent/file\n");
        assert!(rules(&config, &mut Vec::new()).is_err());
    }
}
