//! The three tools, and how each of them is called.

use pondhawk_codec::Version;

/// A tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `mosquitto_pub`.
    Pub,
    /// `mosquitto_sub`.
    Sub,
    /// `mosquitto_rr`.
    Rr,
}

impl Tool {
    pub(crate) const ALL: [Tool; 3] = [Tool::Pub, Tool::Sub, Tool::Rr];

    /// The name of its program, its man page and its options file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::Pub => "mosquitto_pub",
            Tool::Sub => "mosquitto_sub",
            Tool::Rr => "mosquitto_rr",
        }
    }

    /// Its name behind `pondhawk`.
    pub(crate) fn subcommand(self) -> &'static str {
        match self {
            Tool::Pub => "pub",
            Tool::Sub => "sub",
            Tool::Rr => "rr",
        }
    }

    /// What it does, in one sentence.
    pub(crate) fn purpose(self) -> &'static str {
        match self {
            Tool::Pub => "publish MQTT messages and exit",
            Tool::Sub => "subscribe to MQTT topics and print the messages",
            Tool::Rr => "publish an MQTT request and print the response",
        }
    }

    /// The version that it speaks unless it is told otherwise.
    pub(crate) fn default_version(self) -> Version {
        match self {
            Tool::Pub | Tool::Sub => Version::V311,
            Tool::Rr => Version::V5,
        }
    }
}
