//! A configuration in the making: what the lines so far say, and what they are about.

use crate::error::Fault;
use crate::model::{Bridge, Config, Listener, Security};
use crate::record::{Owner, Place};
use std::collections::HashSet;

/// What has been read so far.
///
/// A row's setter asks for the thing it belongs to ([`Draft::listener`], [`Draft::bridge`], …). The
/// reader has made sure before that it exists, by [`Draft::owner`].
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The global settings. Its listeners stay empty until the end.
    pub(crate) config: Config,
    /// What is set before the first `listener`.
    pub(crate) default_listener: ListenerDraft,
    /// The first line that opens the default listener.
    pub(crate) default_opened_by: Option<(&'static str, Place)>,
    /// The listeners of `listener` lines.
    pub(crate) listeners: Vec<ListenerDraft>,
    /// What every listener starts with.
    pub(crate) listener_template: ListenerDraft,
    /// What every bridge starts with.
    pub(crate) bridge_template: Bridge,
    /// Whether a `port` line gave the default listener its port.
    pub(crate) default_port_given: bool,
    /// Whether a `log_dest` line replaced the default.
    pub(crate) log_dest_given: bool,
    /// Whether a `log_type` line replaced the default.
    pub(crate) log_type_given: bool,
    /// Single-valued settings seen so far.
    pub(crate) seen: HashSet<(Owner, &'static str)>,
}

/// A listener in the making.
#[derive(Debug, Clone)]
pub(crate) struct ListenerDraft {
    pub(crate) listener: Listener,
    /// Its own security settings, with `per_listener_settings true`.
    pub(crate) security: Security,
    /// Plugins named by `plugin_use`.
    pub(crate) plugins_used: Vec<usize>,
}

impl Draft {
    /// The listener that the next lines are about.
    pub(crate) fn listener(&mut self) -> &mut Listener {
        &mut self.listener_draft().listener
    }

    pub(crate) fn listener_draft(&mut self) -> &mut ListenerDraft {
        self.listeners.last_mut().unwrap_or(&mut self.default_listener)
    }

    /// The bridge that the next lines are about.
    pub(crate) fn bridge(&mut self) -> &mut Bridge {
        self.config.bridges.last_mut().unwrap_or(&mut self.bridge_template)
    }

    /// Where security settings go.
    pub(crate) fn security(&mut self) -> &mut Security {
        if self.config.per_listener_settings {
            &mut self.listener_draft().security
        } else {
            &mut self.config.security
        }
    }

    /// The listener that the next lines are about, as an owner.
    pub(crate) fn listener_owner(&self) -> Owner {
        match self.listeners.len() {
            0 => Owner::DefaultListener,
            count => Owner::Listener(count - 1),
        }
    }

    /// To what a line of this scope belongs now.
    pub(crate) fn owner(&self, scope: crate::directive::Scope, name: &str) -> Result<Owner, Fault> {
        use crate::directive::Scope;
        let missing =
            |what: &str| Fault::new(format!("The '{name}' option requires {what} to be defined first."));
        match scope {
            Scope::Global => Ok(Owner::Global),
            Scope::Security if self.config.per_listener_settings => Ok(self.listener_owner()),
            Scope::Security => Ok(Owner::Global),
            Scope::ListenerOrDefault => Ok(self.listener_owner()),
            Scope::Listener if self.listeners.is_empty() => {
                Err(missing("a listener").hint("put a line such as 'listener 1883' above it"))
            }
            Scope::Listener => Ok(self.listener_owner()),
            Scope::Bridge => {
                let last = self.config.bridges.len().checked_sub(1);
                let fault = || missing("a bridge").hint("put a line such as 'connection NAME' above it");
                last.map(Owner::Bridge).ok_or_else(fault)
            }
            Scope::Plugin => {
                let last = self.config.plugins.len().checked_sub(1);
                last.map(Owner::Plugin).ok_or_else(|| missing("plugin/global_plugin/plugin_load"))
            }
        }
    }

    /// Says something at start without refusing the line.
    pub(crate) fn warn(&mut self, text: String) {
        self.config.warnings.push(text);
    }
}
