//! SIGHUP: an old and a new configuration → what changes now, and what waits for a restart.
//!
//! Before: the new configuration has been read and is good. After: the server goes on with
//! [`Reload::config`]. The table's reload class decides; nothing here knows a directive by name, except
//! those that open listeners.

use crate::directive::{Default as RowDefault, Directive, ReloadClass};
use crate::model::{Access, Address, Config, Listener, Persistence};
use crate::parse::access_of;
use crate::record::{Owner, Place, Setting};
use crate::table;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The outcome of a reload.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    /// What the running broker goes by from now on: the new configuration with the values of
    /// [`Reload::restart`] left as they were.
    pub config: Config,
    /// What has changed.
    pub live: Vec<Change>,
    /// What would have changed but needs a restart.
    pub restart: Vec<Change>,
}

/// A directive whose value differs between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The directive.
    pub directive: &'static str,
    /// The listener, bridge or plugin that it is about; `None` for the whole broker.
    pub about: Option<String>,
    /// Its line in the new configuration, or in the old one when it has been taken out.
    pub place: Option<Place>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.directive)?;
        if let Some(about) = &self.about {
            write!(f, " of {about}")?;
        }
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

/// What a thing is called in both configurations, and the directive about it.
type Key = (Option<String>, &'static str);

/// Compares two configurations and says with which one to go on.
pub fn reload_diff(old: &Config, new: &Config) -> Reload {
    let (before, after) = (values(old), values(new));
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let (mut live, mut restart) = (Vec::new(), listener_changes(old, new));
    let mut kept = BTreeSet::new();
    for key in keys {
        let (about, name) = key;
        let Some(row) = table::find(name) else { continue };
        if is_listener_line(name) || missing_listener(old, about) || missing_listener(new, about) {
            continue;
        }
        let (was, is) = (before.get(key), after.get(key));
        if effective(row, was) == effective(row, is) {
            continue;
        }
        let place = is.or(was).and_then(|found| found.last()).map(|setting| setting.place.clone());
        let change = Change { directive: name, about: about.clone(), place };
        match row.reload_class() {
            ReloadClass::Live => live.push(change),
            ReloadClass::Restart => {
                kept.insert(key.clone());
                restart.push(change);
            }
        }
    }
    Reload { config: merged(old, new, &kept), live, restart }
}

/// The lines of a configuration by what they are about. Of a single-valued directive the last one counts.
fn values(config: &Config) -> BTreeMap<Key, Vec<&Setting>> {
    let mut values: BTreeMap<Key, Vec<&Setting>> = BTreeMap::new();
    for setting in &config.settings {
        let key = (owner_name(config, setting.owner), setting.directive.name());
        let lines = values.entry(key).or_default();
        if !setting.directive.is_repeatable() {
            lines.clear();
        }
        lines.push(setting);
    }
    values
}

/// What a directive comes to: its lines' values, or its default without any.
fn effective<'a>(row: &Directive, lines: Option<&Vec<&'a Setting>>) -> Vec<&'a str> {
    match (lines, row.default_value()) {
        (Some(lines), _) => lines.iter().map(|setting| setting.value.expose()).collect(),
        (None, RowDefault::Is(text)) if !text.is_empty() => vec![text],
        (None, _) => Vec::new(),
    }
}

fn owner_name(config: &Config, owner: Owner) -> Option<String> {
    match owner {
        Owner::Global => None,
        Owner::DefaultListener => Some("the local listeners".to_owned()),
        Owner::Listener(index) => config.listeners.get(index).map(|it| listener_name(&it.address)),
        Owner::Bridge(index) => config.bridges.get(index).map(|bridge| format!("connection {}", bridge.name)),
        Owner::Plugin(index) => {
            let plugin = config.plugins.get(index);
            plugin.map(|plugin| format!("plugin {} {}", index + 1, plugin.path.display()))
        }
    }
}

fn listener_name(address: &Address) -> String {
    format!("listener {address}")
}

/// Whether `about` is a listener that `config` does not have.
fn missing_listener(config: &Config, about: &Option<String>) -> bool {
    let listener = about.as_ref().filter(|about| about.starts_with("listener "));
    listener.is_some_and(|about| config.listeners.iter().all(|it| listener_name(&it.address) != **about))
}

/// Whether the directive only says which listeners there are.
fn is_listener_line(name: &str) -> bool {
    matches!(name, "listener" | "port" | "bind_address")
}

/// Listeners that only one of the two has.
fn listener_changes(old: &Config, new: &Config) -> Vec<Change> {
    let absent = |from: &Config, listener: &Listener| {
        from.listeners.iter().all(|other| other.address != listener.address)
    };
    let removed = old.listeners.iter().filter(|listener| absent(new, listener));
    let added = new.listeners.iter().filter(|listener| absent(old, listener));
    let change = |listener: &Listener| Change {
        directive: "listener",
        about: Some(listener_name(&listener.address)),
        place: listener.place.clone(),
    };
    removed.chain(added).map(change).collect()
}

/// The new configuration, except for what only a restart can change.
fn merged(old: &Config, new: &Config, kept: &BTreeSet<Key>) -> Config {
    let mut config = new.clone();
    config.user.clone_from(&old.user);
    config.pid_file.clone_from(&old.pid_file);
    config.threads = old.threads;
    config.persistence = merged_persistence(&old.persistence, &new.persistence);
    config.plugins.clone_from(&old.plugins);
    config.local_only = old.local_only;
    config.listeners = old.listeners.iter().map(|listener| merged_listener(listener, new)).collect();
    config.settings = merged_settings(old, new, kept);
    config
}

/// The store stays the one that was opened.
fn merged_persistence(old: &Persistence, new: &Persistence) -> Persistence {
    Persistence {
        autosave_interval: new.autosave_interval,
        autosave_on_changes: new.autosave_on_changes,
        on_failure: new.on_failure,
        max_waiting_messages: new.max_waiting_messages,
        max_waiting_bytes: new.max_waiting_bytes,
        ..old.clone()
    }
}

/// A running listener under a new configuration.
fn merged_listener(running: &Listener, new: &Config) -> Listener {
    let Some(next) = new.listeners.iter().find(|listener| listener.address == running.address) else {
        // It stays open until the restart, but not under rules that have been taken back.
        let mut listener = running.clone();
        if !new.per_listener_settings {
            let anonymous = running.access.allow_anonymous && !running.access.allow_anonymous_explicit;
            let access = access_of(running, &new.security, anonymous);
            listener.access = Access { plugins: running.access.plugins.clone(), ..access };
        }
        return listener;
    };
    let mut listener = next.clone();
    listener.protocol = running.protocol;
    listener.bind_interface.clone_from(&running.bind_interface);
    listener.socket_domain = running.socket_domain;
    listener.http_dir.clone_from(&running.http_dir);
    listener.proxy_protocol = running.proxy_protocol;
    listener.access.plugins.clone_from(&running.access.plugins);
    let reread = next.tls.clone();
    listener.tls = running.tls.clone();
    listener.tls.certfile = reread.certfile;
    listener.tls.keyfile = reread.keyfile;
    listener.tls.require_certificate = reread.require_certificate;
    listener.tls.use_identity_as_username = reread.use_identity_as_username;
    listener.tls.use_subject_as_username = reread.use_subject_as_username;
    listener.tls.disable_client_cert_date_checks = reread.disable_client_cert_date_checks;
    listener
}

/// The lines behind [`merged`], so that the next reload compares with what is running.
fn merged_settings(old: &Config, new: &Config, kept: &BTreeSet<Key>) -> Vec<Setting> {
    let key =
        |config: &Config, setting: &Setting| (owner_name(config, setting.owner), setting.directive.name());
    let stays = |setting: &&Setting| {
        let key = key(old, setting);
        kept.contains(&key) || missing_listener(new, &key.0)
    };
    let comes = |setting: &&Setting| {
        let key = key(new, setting);
        !kept.contains(&key) && !missing_listener(old, &key.0)
    };
    let renumbered = |setting: &Setting| {
        let mut setting = setting.clone();
        if let Owner::Listener(index) = setting.owner {
            let address = new.listeners.get(index).map(|listener| &listener.address);
            let running = old.listeners.iter().position(|listener| Some(&listener.address) == address);
            setting.owner = Owner::Listener(running.unwrap_or(index));
        }
        setting
    };
    let new_lines = new.settings.iter().filter(comes).map(renumbered);
    new_lines.chain(old.settings.iter().filter(stays).cloned()).collect()
}
