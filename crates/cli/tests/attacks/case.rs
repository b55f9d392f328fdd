//! A case file: rows of bytes and the outcome that each must have.

use serde::Deserialize;

use crate::kit::hex;
use crate::kit::packet::{V3, V4, V5, Version};

/// One file of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Number in the catalogue.
    pub id: String,
    /// The input in a few words.
    pub what: String,
    /// Why: S standard, G good sense, C a past vulnerability.
    pub basis: String,
    /// What is sent.
    pub row: Vec<Row>,
}

/// One input, on one or more kinds of session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Names the row in failures.
    pub name: String,
    /// The bytes, in the language of [`hex`].
    pub send: String,
    /// Other bytes for MQTT 5, where packets have properties.
    pub send5: Option<String>,
    /// Outcome without any session.
    pub raw: Option<String>,
    /// Outcome on an MQTT 3.1 session.
    pub v3: Option<String>,
    /// Outcome on an MQTT 3.1.1 session.
    pub v4: Option<String>,
    /// Outcome on an MQTT 5 session.
    pub v5: Option<String>,
    /// How Debian's Mosquitto 2.0.11 differs; it is not judged by this row then.
    pub debian: Option<String>,
}

/// One input with its outcome.
#[derive(Debug)]
pub struct Trial {
    /// The session to send on, or none.
    pub session: Option<Version>,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What must happen.
    pub outcome: Outcome,
}

/// What must happen.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The connection ends, whatever was answered before (`end`).
    End,
    /// The connection ends; at most a refusing CONNACK or DISCONNECT comes before (`close`).
    Close,
    /// The connection ends without a byte (`silent close`).
    SilentClose,
    /// CONNACK or DISCONNECT of MQTT 5 with one of these reasons, then the end (`reason 81 82`).
    Reason(Vec<u8>),
    /// CONNACK of MQTT 3 with one of these return codes, then the end (`connack 04 05`).
    Connack(Vec<u8>),
    /// Exactly these bytes, and the session goes on (`reply 40 02 0001`).
    Reply(Vec<u8>),
    /// The session goes on, whatever was answered (`alive`).
    Alive,
}

impl Case {
    /// Reads a file; its author hears what is wrong with it.
    pub fn parse(text: &str) -> Self {
        let case: Self = toml::from_str(text).expect("a case file");
        assert!(!case.basis.is_empty() && !case.row.is_empty(), "{} says nothing", case.id);
        case
    }
}

impl Row {
    /// The row on each of its sessions.
    pub fn trials(&self) -> Vec<Trial> {
        let sessions = [(None, &self.raw), (Some(V3), &self.v3), (Some(V4), &self.v4), (Some(V5), &self.v5)];
        let trials: Vec<Trial> = sessions
            .into_iter()
            .filter_map(|(session, outcome)| {
                let send =
                    if session == Some(V5) { self.send5.as_ref().unwrap_or(&self.send) } else { &self.send };
                Some(Trial { session, bytes: hex::parse(send), outcome: Outcome::parse(outcome.as_ref()?) })
            })
            .collect();
        assert!(!trials.is_empty(), "{} has no outcome", self.name);
        trials
    }
}

impl Outcome {
    /// Reads an outcome.
    pub fn parse(text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (word, rest) {
            ("end", "") => Self::End,
            ("close", "") => Self::Close,
            ("silent", "close") => Self::SilentClose,
            ("reason", _) => Self::Reason(hex::parse(rest)),
            ("connack", _) => Self::Connack(hex::parse(rest)),
            ("reply", _) => Self::Reply(hex::parse(rest)),
            ("alive", "") => Self::Alive,
            _ => panic!("unknown outcome {text:?}"),
        }
    }
}
