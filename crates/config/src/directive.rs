//! A row of the table: all that is known about one directive.
//!
//! Before: `table` declares the rows. After: `parse`, `defaults`, `reload` and `docs` read them; nothing
//! else in the crate knows a directive's name, default or reload class.

use crate::capability::Capability;
use crate::error::Fault;
use crate::parse::{Args, Draft};
use std::fmt;

/// Everything about one directive.
pub struct Directive {
    name: &'static str,
    aliases: &'static [&'static str],
    syntax: &'static str,
    section: Section,
    scope: Scope,
    default: Default,
    reload: ReloadClass,
    status: Status,
    doc: &'static str,
    value: Value,
    repeats: bool,
    once: bool,
    prefix: bool,
}

/// To what a directive belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The broker.
    Global,
    /// The broker, or with `per_listener_settings true` the listener before it.
    Security,
    /// The `listener` before it, which must exist.
    Listener,
    /// The `listener` before it, or the default listener on port 1883.
    ListenerOrDefault,
    /// The `connection` before it, which must exist.
    Bridge,
    /// The plugin before it, which must exist.
    Plugin,
}

/// What a reload does with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReloadClass {
    /// It is applied to the running broker.
    Live,
    /// It waits for the next start.
    Restart,
}

/// How far a directive is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Live,
    /// It works; a better way is named.
    Deprecated(&'static str),
    /// It is accepted with a warning and changes nothing.
    NoOp(&'static str),
    /// It needs a capability, whatever its value is.
    Needs(Capability),
    /// It needs a capability when it has this value, and is harmless otherwise.
    NeedsWhen(&'static str, Capability),
    /// It has an effect only beside a directive that needs this capability.
    Refines(Capability),
}

/// What holds without the directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Default {
    /// This value, in the directive's own syntax.
    Is(&'static str),
    /// Something that no value says.
    Words(&'static str),
}

/// How a value is read and where it goes.
#[derive(Debug)]
pub(crate) enum Value {
    Bool(fn(&mut Draft, bool)),
    Int(IntRange, fn(&mut Draft, i64)),
    /// The rest of the line.
    Text(fn(&mut Draft, String)),
    Custom(fn(&mut Draft, &Args<'_>) -> Result<(), Fault>),
    /// Another directory of files.
    Include,
    /// Nothing is read at all.
    Ignored,
}

/// The numbers that a directive takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntRange {
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// What is said about another number; `{}` is the number. Empty: the usual sentence.
    pub(crate) complaint: &'static str,
}

impl IntRange {
    /// Refuses a number outside of the range.
    pub(crate) fn check(&self, name: &str, number: i64) -> Result<(), Fault> {
        if (self.min..=self.max).contains(&number) {
            return Ok(());
        }
        let number = number.to_string();
        let fault = match self.complaint {
            "" => Fault::invalid(name, number),
            words => Fault::new(words.replace("{}", &number)),
        };
        Err(fault.hint(format!("the value is a number from {} to {}", self.min, self.max)))
    }
}

/// Chapter of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// Files and the process.
    Process,
    /// Logging.
    Logging,
    /// Listeners.
    Listeners,
    /// TLS of listeners.
    Tls,
    /// Authentication and access.
    Access,
    /// Plugins.
    Plugins,
    /// Limits.
    Limits,
    /// MQTT behaviour.
    Mqtt,
    /// Persistence.
    Persistence,
    /// Bridges.
    Bridges,
}

impl Section {
    /// Every section in the order of the reference.
    pub const ALL: [Self; 10] = [
        Self::Process,
        Self::Logging,
        Self::Listeners,
        Self::Tls,
        Self::Access,
        Self::Plugins,
        Self::Limits,
        Self::Mqtt,
        Self::Persistence,
        Self::Bridges,
    ];

    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Process => "Files and process",
            Self::Logging => "Logging",
            Self::Listeners => "Listeners",
            Self::Tls => "TLS",
            Self::Access => "Authentication and access",
            Self::Plugins => "Plugins",
            Self::Limits => "Limits",
            Self::Mqtt => "MQTT behaviour",
            Self::Persistence => "Persistence",
            Self::Bridges => "Bridges",
        }
    }
}

/// Building a row; only `table` does it.
impl Directive {
    pub(crate) const fn new(
        section: Section,
        scope: Scope,
        name: &'static str,
        syntax: &'static str,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            syntax,
            section,
            scope,
            default: Default::Words("none"),
            reload: ReloadClass::Live,
            status: Status::Live,
            doc: "",
            value: Value::Ignored,
            repeats: false,
            once: false,
            prefix: false,
        }
    }

    pub(crate) const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.default = Default::Is(value);
        self
    }

    pub(crate) const fn without(mut self, words: &'static str) -> Self {
        self.default = Default::Words(words);
        self
    }

    pub(crate) const fn restart(mut self) -> Self {
        self.reload = ReloadClass::Restart;
        self
    }

    pub(crate) const fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// May be given several times, each line adding to the others.
    pub(crate) const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// A second line about the same thing is a mistake.
    pub(crate) const fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// The name is the start of a family of names.
    pub(crate) const fn prefix(mut self) -> Self {
        self.prefix = true;
        self
    }

    pub(crate) const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    pub(crate) const fn bool(mut self, set: fn(&mut Draft, bool)) -> Self {
        self.value = Value::Bool(set);
        self
    }

    pub(crate) const fn int(mut self, min: i64, max: i64, set: fn(&mut Draft, i64)) -> Self {
        self.value = Value::Int(IntRange { min, max, complaint: "" }, set);
        self
    }

    /// Other words for a number out of range. Only after [`Directive::int`].
    pub(crate) const fn complaint(mut self, words: &'static str) -> Self {
        if let Value::Int(range, _) = &mut self.value {
            range.complaint = words;
        }
        self
    }

    pub(crate) const fn include(mut self) -> Self {
        self.value = Value::Include;
        self
    }

    pub(crate) const fn text(mut self, set: fn(&mut Draft, String)) -> Self {
        self.value = Value::Text(set);
        self.once = true;
        self
    }

    pub(crate) const fn custom(mut self, set: fn(&mut Draft, &Args<'_>) -> Result<(), Fault>) -> Self {
        self.value = Value::Custom(set);
        self
    }
}

/// Reading a row.
impl Directive {
    /// Its name; for a family (`plugin_opt_KEY`) the common start.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Other names for the same thing.
    pub fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// What follows the name, as shown in the reference.
    pub fn syntax(&self) -> &'static str {
        self.syntax
    }

    /// Its chapter.
    pub fn section(&self) -> Section {
        self.section
    }

    /// To what it belongs.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// What holds without it, as shown in the reference.
    pub fn default_text(&self) -> &'static str {
        match self.default {
            Default::Is(text) | Default::Words(text) => text,
        }
    }

    /// What a reload does with a change.
    pub fn reload_class(&self) -> ReloadClass {
        self.reload
    }

    /// How far it is honoured.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Its paragraph in the reference.
    pub fn documentation(&self) -> &'static str {
        self.doc
    }

    /// Whether several lines add up.
    pub fn is_repeatable(&self) -> bool {
        self.repeats
    }

    /// Whether a second line about the same thing is refused.
    pub fn is_single(&self) -> bool {
        self.once
    }

    /// Whether the name is the start of a family of names, completed by a key.
    pub fn is_family(&self) -> bool {
        self.prefix
    }

    /// Whether `word`, the first of a line, means this directive.
    pub fn answers_to(&self, word: &str) -> bool {
        let named = |name: &&str| {
            if self.prefix { word.starts_with(*name) } else { word == *name }
        };
        named(&self.name) || self.aliases.iter().any(named)
    }

    pub(crate) fn default_value(&self) -> Default {
        self.default
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directive({})", self.name)
    }
}

impl PartialEq for Directive {
    /// Rows are equal when they are the same row.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
