//! What a flag is: names, argument, tools, effect and help. After it: the table.

use super::settings::Settings;
use crate::tool::Tool;

/// One line of the table of flags.
pub(crate) struct Flag {
    /// All names; the first is the one that error texts use.
    pub(crate) names: &'static [&'static str],
    /// What the flag takes and does.
    pub(crate) action: Action,
    /// The tools that have it.
    pub(crate) tools: &'static [Tool],
    /// The heading that it stands under.
    pub(crate) group: Group,
    /// What it does, for the usage text, the man page and completions.
    pub(crate) help: &'static str,
}

/// What a flag takes and does.
pub(crate) enum Action {
    /// It stands alone.
    Switch(fn(&mut Settings) -> Result<(), String>),
    /// It takes an argument.
    Value {
        /// The argument's name in the usage text.
        name: &'static str,
        /// What `Error: FLAG argument given but …` says when it is missing.
        missing: &'static str,
        /// Its effect.
        set: fn(&mut Settings, &Arg<'_>) -> Result<(), String>,
    },
    /// `-D COMMAND NAME VALUE` or `-D COMMAND user-property KEY VALUE`.
    Property,
    /// `-o FILE`: read before all other flags.
    OptionsFile,
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// The argument of a flag.
pub(crate) struct Arg<'a> {
    /// The flag's first name.
    pub(crate) flag: &'static str,
    pub(crate) bytes: &'a [u8],
}

impl Arg<'_> {
    /// The argument as a string for MQTT.
    pub(crate) fn text(&self) -> Result<String, String> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) if pondhawk_codec::text::is_valid(self.bytes) => Ok(text.to_owned()),
            _ => Err(format!("Error: Malformed UTF-8 in {} argument.\n", self.flag)),
        }
    }
}

/// The headings of usage text and man page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Connection,
    Session,
    Message,
    Subscription,
    Output,
    Will,
    Tls,
    General,
}

impl Group {
    pub(crate) const ALL: [Group; 8] = [
        Group::Connection,
        Group::Session,
        Group::Message,
        Group::Subscription,
        Group::Output,
        Group::Will,
        Group::Tls,
        Group::General,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Group::Connection => "Connection",
            Group::Session => "Session",
            Group::Message => "Message",
            Group::Subscription => "Subscription",
            Group::Output => "Output",
            Group::Will => "Will",
            Group::Tls => "TLS (these flags are checked; this build cannot encrypt yet)",
            Group::General => "General",
        }
    }
}

impl Flag {
    pub(crate) fn is_for(&self, tool: Tool) -> bool {
        self.tools.contains(&tool)
    }

    /// The arguments as the usage text writes them.
    pub(crate) fn argument(&self) -> &'static str {
        match self.action {
            Action::Value { name, .. } => name,
            Action::Property => "COMMAND NAME VALUE",
            Action::OptionsFile => "FILE",
            Action::Switch(_) | Action::Help | Action::Version => "",
        }
    }
}
