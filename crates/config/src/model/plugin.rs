//! Plugins as data: what to load and with which options.

use super::Secret;
use std::path::PathBuf;

/// One plugin named in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The name given by `plugin_load`, if it was loaded that way.
    pub name: Option<String>,
    /// The shared object.
    pub path: PathBuf,
    /// To what it is attached.
    pub scope: PluginScope,
    /// `plugin_opt_KEY VALUE` lines in their order. Values may be credentials.
    pub options: Vec<(String, Secret)>,
    /// Whether ACL checks are refused for names that contain `+` or `#`.
    pub deny_special_chars: bool,
}

/// How a plugin was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginScope {
    /// `plugin`: global, or of the listener before it when `per_listener_settings` is on.
    Plain,
    /// `global_plugin`: always global, asked first.
    Global,
    /// `plugin_load`: attached nowhere until a listener says `plugin_use`.
    Loaded,
}
