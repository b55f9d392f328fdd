//! Shared objects that take part in decisions.

use crate::capability::Capability;
use crate::directive::{Directive, Scope, Section, Status};
use crate::parse::plugin;

const fn row(scope: Scope, name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Plugins, scope, name, syntax).restart()
}

const NEEDED: Status = Status::Needs(Capability::Plugins);

pub(super) static ROWS: &[Directive] = &[
    row(Scope::Security, "plugin", "PATH")
        .also(&["auth_plugin"])
        .repeats()
        .with_status(NEEDED)
        .custom(plugin::plugin)
        .doc(
            "Loads a plugin and attaches it to the broker, or with `per_listener_settings true` to the \
             listener before it. The lines after it give its options.",
        ),
    row(Scope::Global, "global_plugin", "PATH")
        .repeats()
        .with_status(NEEDED)
        .custom(plugin::global_plugin)
        .doc("Loads a plugin that is asked for every listener, before the others."),
    row(Scope::Global, "plugin_load", "NAME PATH")
        .repeats()
        .with_status(NEEDED)
        .custom(plugin::plugin_load)
        .doc("Loads a plugin under a name, for `plugin_use`."),
    row(Scope::Listener, "plugin_use", "NAME")
        .repeats()
        .with_status(NEEDED)
        .custom(plugin::plugin_use)
        .doc("Attaches a plugin that `plugin_load` loaded to the listener."),
    row(Scope::Plugin, "plugin_opt_", "VALUE")
        .also(&["auth_opt_"])
        .prefix()
        .repeats()
        .with_status(Status::Refines(Capability::Plugins))
        .custom(plugin::plugin_opt)
        .doc("An option of the plugin before it: what follows `plugin_opt_` is its key."),
    row(Scope::Plugin, "auth_plugin_deny_special_chars", "BOOL")
        .default("true")
        .with_status(Status::Refines(Capability::Plugins))
        .bool(plugin::deny_special_chars)
        .doc(
            "Denies access, without asking the plugin, to a client whose user name or id holds `+` or `#`, \
             which a careless plugin would put into a topic filter.",
        ),
    row(Scope::Global, "enable_control_api", "BOOL")
        .default("false")
        .with_status(Status::NeedsWhen("true", Capability::ControlApi))
        .bool(|d, v| d.config.enable_control_api = v)
        .doc("Serves `$CONTROL/broker/v1`, where an administrator can list plugins and listeners."),
];
