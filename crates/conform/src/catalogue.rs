//! The vectors: read from `vectors/*.toml`, expanded.

use crate::expand::{Table, expand};
use crate::text::Mistake;
use serde::Deserialize;
use std::collections::BTreeMap;

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../vectors/", $name, ".toml")))),*] };
}

/// Every file, in the order of the report.
const FILES: &[(&str, &str)] = files! {
    "connect" "framing" "truncated" "properties" "text" "topics" "identifiers" "session" "publish" "subscribe" "retained" "wills" "shared" "limits" "mixed"
};

/// Rows that several files expand over.
const TABLES: &str = include_str!("../vectors/tables.toml");

/// One vector.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The file that it stands in.
    pub section: &'static str,
    /// Unique in its section.
    pub name: String,
    /// The name before its family's rows were put in: equal for vectors that differ in one row.
    pub family: String,
    /// Protocol levels on which it is played.
    pub versions: Vec<u8>,
    /// The statements that it proves: `MQTT3-…` of 3.1.1, `MQTT-…` of 5.0.
    pub rules: Vec<String>,
    /// What the broker must offer: `retain`, `wildcard`, `shared`, `ids`, `qos1`, `qos2`, `alias`, `keepalive`,
    /// `any-login`, `3.1`, `3.1.1`.
    pub needs: Vec<String>,
    /// Whether the standard leaves no choice but those in the script.
    pub must: bool,
    /// What is known of other brokers, and why the rule is as it is.
    pub note: Option<String>,
    /// The script.
    pub play: String,
}

impl Vector {
    /// The statements that it proves on this version; MQTT 3.1 is judged by those of 3.1.1.
    pub fn rules(&self, version: u8) -> impl Iterator<Item = &str> {
        let of_3 = version < 5;
        self.rules.iter().map(String::as_str).filter(move |id| id.starts_with("MQTT3-") == of_3)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the file is about.
    #[serde(rename = "title")]
    _title: String,
    /// For vectors that do not say otherwise.
    versions: Option<Vec<u8>>,
    #[serde(default)]
    needs: Vec<String>,
    vector: Vec<Entry>,
}

/// A vector, or a family of them, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) name: String,
    versions: Option<Vec<u8>>,
    #[serde(default)]
    pub(crate) rules: Vec<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default = "yes")]
    must: bool,
    note: Option<String>,
    /// What the family runs over: a list, or the name of a table.
    #[serde(default)]
    pub(crate) each: BTreeMap<String, toml::Value>,
    /// First bytes of a connection without a session.
    pub(crate) hello: Option<String>,
    /// Bytes on a session.
    pub(crate) send: Option<String>,
    /// What must come back.
    pub(crate) want: Option<String>,
    pub(crate) play: Option<String>,
}

fn yes() -> bool {
    true
}

/// All vectors.
///
/// # Errors
/// Says which file cannot be read and why.
pub fn catalogue() -> Result<Vec<Vector>, Mistake> {
    let tables: BTreeMap<String, Table> =
        toml::from_str(TABLES).map_err(|error| Mistake::new(format!("tables.toml: {error}")))?;
    let mut vectors = Vec::new();
    for (section, text) in FILES {
        let read = section_vectors(section, text, &tables);
        vectors.extend(read.map_err(|Mistake(why)| Mistake(format!("{section}.toml: {why}")))?);
    }
    Ok(vectors)
}

fn section_vectors(
    section: &'static str,
    text: &str,
    tables: &BTreeMap<String, Table>,
) -> Result<Vec<Vector>, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| Mistake::new(error.to_string()))?;
    let mut vectors = Vec::new();
    for entry in &file.vector {
        let family = entry.name.clone();
        for mut entry in expand(entry, tables)? {
            entry.needs.extend(file.needs.iter().cloned());
            entry.versions = entry.versions.or_else(|| file.versions.clone());
            vectors.push(finish(section, &family, entry)?);
        }
    }
    Ok(vectors)
}

fn finish(section: &'static str, family: &str, entry: Entry) -> Result<Vector, Mistake> {
    let want = entry.want.map_or(String::new(), |want| format!("\na < {want}"));
    let play = match (entry.hello, entry.send, entry.play) {
        (Some(hello), None, None) => format!("a open\na > {}{want}", one_line(&hello)),
        (None, Some(send), None) => format!("a connect\na > {}{want}", one_line(&send)),
        (None, None, Some(play)) if want.is_empty() => play,
        _ => return Err(Mistake::new(format!("{:?}: one of hello, send and play", entry.name))),
    };
    let versions = entry.versions.unwrap_or_else(|| vec![4, 5]);
    Ok(Vector {
        section,
        name: entry.name,
        family: family.to_owned(),
        versions,
        rules: entry.rules,
        needs: entry.needs,
        must: entry.must,
        note: entry.note,
        play,
    })
}

fn one_line(text: &str) -> String {
    text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
}
