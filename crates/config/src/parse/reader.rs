//! Files → lines → the draft. The loop that everything else is called from.

use super::args::Args;
use super::draft::Draft;
use super::include::files_of;
use super::{finish, suggest};
use crate::capability::Capability;
use crate::cmdline::BrokerArgs;
use crate::directive::{Directive, Scope, Status, Value};
use crate::error::{ConfigError, Fault};
use crate::host::Host;
use crate::lexer::{Line, lines};
use crate::model::{Config, Secret};
use crate::record::{Owner, Place, Setting};
use crate::table;
use crate::value;
use std::path::Path;
use std::sync::Arc;

/// Reads files into a draft.
pub(super) struct Reader<'h> {
    host: &'h dyn Host,
    draft: Draft,
    in_include: bool,
}

impl<'h> Reader<'h> {
    pub(super) fn new(host: &'h dyn Host) -> Self {
        Self { host, draft: Draft::with_defaults(), in_include: false }
    }

    /// Reads the file of `-c`.
    pub(super) fn main_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        if self.host.is_dir(path) {
            return Err(ConfigError::new(format!("Config file {} is a directory.", path.display()))
                .with_hint("name the file itself; 'include_dir' in a file reads a whole directory"));
        }
        self.file(path)
    }

    fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let bytes = self.host.read(path).map_err(|why| {
            ConfigError::new(format!("Unable to open config file {}.", path.display())).with_hint(why)
        })?;
        self.bytes(&bytes, path)
    }

    /// Reads a file's content.
    pub(super) fn bytes(&mut self, bytes: &[u8], path: &Path) -> Result<(), ConfigError> {
        self.draft.config.sources.push(path.to_path_buf());
        let file: Arc<Path> = path.into();
        for line in lines(bytes) {
            let place = Place::new(Arc::clone(&file), line.number);
            self.line(&line, &place)?;
        }
        Ok(())
    }

    pub(super) fn finish(self, args: &BrokerArgs) -> Result<Config, ConfigError> {
        finish::finish(self.draft, args, self.host)
    }

    fn line(&mut self, line: &Line<'_>, place: &Place) -> Result<(), ConfigError> {
        let at = |fault| ConfigError::from_fault(fault, Some(place));
        let (name, directive) = directive_of(line.word).map_err(at)?;
        let args = Args { name, rest: line.rest };
        match directive.value() {
            Value::Include => self.include(&args, place),
            _ => self.setting(directive, &args, place).map_err(at),
        }
    }

    fn setting(
        &mut self,
        directive: &'static Directive,
        args: &Args<'_>,
        place: &Place,
    ) -> Result<(), Fault> {
        let owner = self.draft.owner(directive.scope(), args.name)?;
        let warnings_before = self.draft.config.warnings.len();
        let value = self.draft.apply(directive, args, owner)?;
        let is_about_default =
            owner == Owner::DefaultListener && directive.scope() == Scope::ListenerOrDefault;
        if is_about_default || is_default_address(directive.name()) {
            self.draft.default_opened_by.get_or_insert_with(|| (directive.name(), place.clone()));
        }
        let needs = needed(directive.status(), &value);
        if let Status::NoOp(why) = directive.status() {
            self.draft.warn(format!("Warning: The '{}' option {why}.", args.name));
        }
        for warning in &mut self.draft.config.warnings[warnings_before..] {
            *warning = format!("{warning} ({place})");
        }
        // `listener`, `connection` and the plugin lines begin what they are then about.
        let owner = self.draft.opened_by(directive.name()).unwrap_or(owner);
        let value = Secret::new(value);
        self.draft.config.settings.push(Setting { directive, owner, place: place.clone(), value, needs });
        Ok(())
    }

    fn include(&mut self, args: &Args<'_>, place: &Place) -> Result<(), ConfigError> {
        let at = |fault| ConfigError::from_fault(fault, Some(place));
        let directory = args.text().map_err(at)?;
        if self.in_include {
            let warning = format!("Warning: 'include_dir' is only followed in the main file. ({place})");
            self.draft.warn(warning);
            return Ok(());
        }
        let files = files_of(Path::new(&directory), self.host).map_err(|why| {
            let fault = Fault::new(format!("Unable to open include_dir '{directory}'."));
            at(fault.hint(why.to_string()))
        })?;
        self.in_include = true;
        for path in files {
            self.file(&path).map_err(|error| error.found_at(place))?;
        }
        self.in_include = false;
        Ok(())
    }
}

/// The row that a line's first word means.
fn directive_of(word: &[u8]) -> Result<(&str, &'static Directive), Fault> {
    let known = std::str::from_utf8(word).ok().and_then(|name| Some((name, table::find(name)?)));
    known.ok_or_else(|| {
        let shown = String::from_utf8_lossy(word).escape_debug().to_string();
        let fault = Fault::new(format!("Unknown configuration variable '{shown}'."));
        match suggest::hint_for(word) {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    })
}

/// Whether the directive says where the default listener is, which opens it like any line about it.
pub(super) fn is_default_address(name: &str) -> bool {
    matches!(name, "port" | "bind_address")
}

/// The capability that a value of a directive of this status cannot do without.
fn needed(status: Status, value: &str) -> Option<Capability> {
    match status {
        Status::Needs(capability) => Some(capability),
        Status::NeedsWhen(trigger, capability) if trigger == value => Some(capability),
        _ => None,
    }
}

impl Draft {
    /// Stores a line's value and returns it in its one spelling.
    pub(crate) fn apply(
        &mut self,
        directive: &'static Directive,
        args: &Args<'_>,
        owner: Owner,
    ) -> Result<String, Fault> {
        if directive.is_single() && !self.seen.insert((owner, directive.name())) {
            return Err(Fault::duplicate(args.name));
        }
        match directive.value() {
            Value::Bool(set) => {
                let on = value::boolean(args.name, args.word()?)?;
                self.warn_of_more(args);
                set(self, on);
                Ok(on.to_string())
            }
            Value::Int(range, set) => {
                let number = args.integer()?;
                self.warn_of_more(args);
                range.check(args.name, number)?;
                set(self, number);
                Ok(number.to_string())
            }
            Value::Text(set) => {
                let text = args.text()?;
                set(self, text.clone());
                Ok(text)
            }
            Value::Custom(set) => {
                set(self, args)?;
                Ok(String::from_utf8_lossy(value::trimmed(args.rest)).into_owned())
            }
            Value::Ignored | Value::Include => Ok(String::new()),
        }
    }

    fn warn_of_more(&mut self, args: &Args<'_>) {
        if args.has_more() {
            self.warn(format!("Warning: What follows the value of '{}' is ignored.", args.name));
        }
    }

    /// What a line of this directive has just begun.
    fn opened_by(&self, name: &str) -> Option<Owner> {
        match name {
            "listener" => Some(self.listener_owner()),
            "connection" => self.config.bridges.len().checked_sub(1).map(Owner::Bridge),
            "plugin" | "global_plugin" | "plugin_load" => {
                self.config.plugins.len().checked_sub(1).map(Owner::Plugin)
            }
            _ => None,
        }
    }
}
