//! The end of reading: what only shows once every line is known.
//!
//! Listeners come into being here, local-only mode is decided, access is resolved for each listener,
//! the environment and the command line are applied, and bridges are checked as a whole.

use super::draft::{Draft, ListenerDraft};
use super::reader::is_default_address;
use crate::cmdline::BrokerArgs;
use crate::error::{ConfigError, Fault};
use crate::host::Host;
use crate::model::{
    Access, Address, Bridge, Config, Environment, Listener, LogTypes, PluginScope, Protocol, Security,
};
use crate::record::{Owner, Place};
use std::time::Duration;

/// Port of MQTT.
pub(crate) const MQTT_PORT: u16 = 1883;
/// Port of MQTT over WebSockets when there is no configuration at all.
const WEBSOCKETS_PORT: u16 = 9001;
/// The addresses of local-only mode.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "::1"];

pub(super) fn finish(mut draft: Draft, args: &BrokerArgs, host: &dyn Host) -> Result<Config, ConfigError> {
    draft.place_listeners_and_bridges();
    check_bridges(&draft.config)?;
    let listeners = draft.open_listeners(args);
    let mut config = draft.config;
    config.listeners = listeners.into_iter().map(|listener| resolve(listener, &config)).collect();
    config.environment = environment(host)?;
    if is_bare(args) {
        config.persistence.enabled = true;
        config.persistence.by_default = true;
    }
    if let Some(location) = host.variable("MOSQUITTO_PERSISTENCE_LOCATION") {
        config.persistence.location = Some(location.into());
    }
    if args.verbose {
        config.logging.types = LogTypes::ALL;
    }
    if args.quiet {
        config.logging.types = LogTypes::NONE;
    }
    Ok(config)
}

impl Draft {
    /// Gives listeners and bridges the lines that opened them.
    fn place_listeners_and_bridges(&mut self) {
        for setting in &self.config.settings {
            match (setting.directive.name(), setting.owner) {
                ("listener", Owner::Listener(index)) => {
                    self.listeners[index].listener.place = Some(setting.place.clone());
                }
                ("connection", Owner::Bridge(index)) => {
                    self.config.bridges[index].place = Some(setting.place.clone());
                }
                _ => {}
            }
        }
    }

    /// The listeners to open, the default one last.
    fn open_listeners(&mut self, args: &BrokerArgs) -> Vec<ListenerDraft> {
        let mut listeners = std::mem::take(&mut self.listeners);
        if let Some((name, place)) = self.default_opened_by.take() {
            if !listeners.is_empty() && !is_default_address(name) {
                self.warn(format!(
                    "Warning: '{name}' is above the first 'listener' line and opens the default listener, \
                     '{}', too. ({place})",
                    self.default_listener.listener.address
                ));
            }
            let mut default = self.default_listener.clone();
            default.listener.place = Some(place);
            self.own_default_listener(listeners.len());
            listeners.push(default);
        }
        self.config.local_only = listeners.is_empty();
        if self.config.local_only { self.local_listeners(args) } else { listeners }
    }

    /// Lines about the default listener are about the listener with this index from now on.
    fn own_default_listener(&mut self, index: usize) {
        let about_default = |owner: &Owner| *owner == Owner::DefaultListener;
        for setting in self.config.settings.iter_mut().filter(|setting| about_default(&setting.owner)) {
            setting.owner = Owner::Listener(index);
        }
    }

    /// Listeners that only this machine can reach.
    fn local_listeners(&self, args: &BrokerArgs) -> Vec<ListenerDraft> {
        let local = |host: &str, port, protocol| {
            let mut draft = self.default_listener.clone();
            draft.listener.address = Address::Tcp { host: Some(host.to_owned()), port };
            draft.listener.protocol = protocol;
            draft
        };
        let ports = if args.ports.is_empty() { &[MQTT_PORT][..] } else { &args.ports };
        let mut listeners: Vec<_> =
            ports.iter().flat_map(|port| LOOPBACK.map(|host| local(host, *port, Protocol::Mqtt))).collect();
        // Whoever names a file or ports says what to open; without either, browsers are served as well.
        if is_bare(args) {
            listeners.extend(LOOPBACK.map(|host| local(host, WEBSOCKETS_PORT, Protocol::Websockets)));
        }
        listeners
    }
}

/// Whether the command line leaves everything to the broker.
fn is_bare(args: &BrokerArgs) -> bool {
    args.config_file.is_none() && args.ports.is_empty()
}

/// A listener with what holds for its clients.
fn resolve(draft: ListenerDraft, config: &Config) -> Listener {
    let ListenerDraft { mut listener, security: own, plugins_used } = draft;
    let security = if config.per_listener_settings { &own } else { &config.security };
    let mut access = access_of(&listener, security, config.local_only);
    access.plugins = plugins_of(security, plugins_used, config);
    listener.access = access;
    listener
}

/// What a listener's own lines and the security settings come to, plugins left out.
pub(crate) fn access_of(listener: &Listener, security: &Security, anonymous_by_default: bool) -> Access {
    let explicit = listener.allow_anonymous.or(security.allow_anonymous);
    let own_prefix = listener.auto_id_prefix.as_ref();
    Access {
        allow_anonymous: explicit.unwrap_or(anonymous_by_default),
        allow_anonymous_explicit: explicit.is_some(),
        password_file: security.password_file.clone(),
        acl_file: security.acl_file.clone(),
        psk_file: security.psk_file.clone(),
        allow_zero_length_clientid: security.allow_zero_length_clientid,
        auto_id_prefix: own_prefix.unwrap_or(&security.auto_id_prefix).clone(),
        plugins: Vec::new(),
    }
}

/// Global plugins, then those of the security settings, then those used by name.
fn plugins_of(security: &Security, used: Vec<usize>, config: &Config) -> Vec<usize> {
    let global = |index: &usize| config.plugins[*index].scope == PluginScope::Global;
    let own = security.plugins.iter().copied();
    (0..config.plugins.len()).filter(global).chain(own).chain(used).collect()
}

fn check_bridges(config: &Config) -> Result<(), ConfigError> {
    for bridge in &config.bridges {
        check_bridge(bridge).map_err(|what| {
            let fault = Fault::new(format!("Invalid bridge configuration: {what}."));
            ConfigError::from_fault(fault, bridge.place.as_ref())
        })?;
    }
    Ok(())
}

fn check_bridge(bridge: &Bridge) -> Result<(), &'static str> {
    let tls = &bridge.tls;
    let certificates = tls.cafile.is_some() || tls.capath.is_some() || tls.certfile.is_some();
    match (&tls.identity, &tls.psk) {
        _ if bridge.addresses.is_empty() => Err("no remote addresses defined"),
        _ if bridge.topics.is_empty() => Err("no topics defined"),
        (Some(_), None) => Err("missing bridge_psk"),
        (None, Some(_)) => Err("missing bridge_identity"),
        (Some(_), Some(_)) if certificates => Err("certificates and a pre-shared key cannot be combined"),
        _ => Ok(()),
    }
}

fn environment(host: &dyn Host) -> Result<Environment, ConfigError> {
    Ok(Environment {
        puid: number(host, "PUID", 10)?,
        pgid: number(host, "PGID", 10)?,
        umask: number(host, "UMASK_SET", 8)?,
        allow_symlinks: host.variable("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS").is_some(),
        watchdog: host
            .variable("WATCHDOG_USEC")
            .and_then(|text| text.parse().ok())
            .filter(|usec| *usec != 0)
            .map(Duration::from_micros),
        snap: host.variable("SNAP_NAME").is_some_and(|name| name == "mosquitto"),
    })
}

fn number(host: &dyn Host, name: &str, radix: u32) -> Result<Option<u32>, ConfigError> {
    let Some(text) = host.variable(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let bad = |_| {
        let text = text.escape_debug();
        let kind = if radix == 8 { "an octal number" } else { "a number" };
        ConfigError::new(format!("Invalid environment variable {name} ({text})."))
            .with_hint(format!("set {name} to {kind} or unset it"))
    };
    u32::from_str_radix(&text, radix).map(Some).map_err(bad)
}

impl Config {
    /// The line that set a global directive last.
    pub fn place_of(&self, directive: &str) -> Option<&Place> {
        let set = |setting: &&crate::record::Setting| setting.directive.name() == directive;
        self.settings.iter().rev().find(set).map(|setting| &setting.place)
    }
}
