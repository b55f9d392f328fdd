//! Plugin directives: read as data, for the build that can load them.

use super::{Args, Draft};
use crate::error::Fault;
use crate::model::{Plugin, PluginScope, Secret};

/// `plugin PATH`, also `auth_plugin`: attached to whatever security settings belong to now.
pub(crate) fn plugin(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let path = args.text()?;
    let index = add(draft, None, &path, PluginScope::Plain);
    draft.security().plugins.push(index);
    Ok(())
}

/// `global_plugin PATH`: attached to every listener.
pub(crate) fn global_plugin(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let path = args.text()?;
    add(draft, None, &path, PluginScope::Global);
    Ok(())
}

/// `plugin_load NAME PATH`: attached to nothing yet.
pub(crate) fn plugin_load(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let text = args.text()?;
    let Some((name, path)) = text.split_once(' ') else {
        return Err(Fault::empty("plugin_load path").hint("write 'plugin_load NAME PATH'"));
    };
    if draft.config.plugins.iter().any(|plugin| plugin.name.as_deref() == Some(name)) {
        return Err(Fault::new(format!("Duplicate plugin name '{name}'.")));
    }
    add(draft, Some(name.to_owned()), path.trim_start(), PluginScope::Loaded);
    Ok(())
}

/// `plugin_use NAME`: attaches a loaded plugin to the listener.
pub(crate) fn plugin_use(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let name = args.text()?;
    let named = |plugin: &Plugin| plugin.name.as_deref() == Some(name.as_str());
    let Some(index) = draft.config.plugins.iter().position(named) else {
        let hint = format!("put 'plugin_load {name} PATH' above it");
        return Err(Fault::new(format!("Plugin '{name}' not previously loaded.")).hint(hint));
    };
    draft.listener_draft().plugins_used.push(index);
    Ok(())
}

/// `plugin_opt_KEY VALUE`, also `auth_opt_KEY`.
pub(crate) fn plugin_opt(draft: &mut Draft, args: &Args<'_>) -> Result<(), Fault> {
    let families = ["plugin_opt_", "auth_opt_"];
    let key = families.iter().find_map(|family| args.name.strip_prefix(family)).unwrap_or_default();
    if key.is_empty() {
        return Err(Fault::new(format!("Invalid '{}' config option.", args.name)));
    }
    let value = Secret::new(Args { name: key, rest: args.rest }.text()?);
    if let Some(plugin) = draft.config.plugins.last_mut() {
        plugin.options.push((key.to_owned(), value));
    }
    Ok(())
}

/// `auth_plugin_deny_special_chars BOOL`.
pub(crate) fn deny_special_chars(draft: &mut Draft, on: bool) {
    if let Some(plugin) = draft.config.plugins.last_mut() {
        plugin.deny_special_chars = on;
    }
}

fn add(draft: &mut Draft, name: Option<String>, path: &str, scope: PluginScope) -> usize {
    let path = path.into();
    draft.config.plugins.push(Plugin { name, path, scope, options: Vec::new(), deny_special_chars: true });
    draft.config.plugins.len() - 1
}
