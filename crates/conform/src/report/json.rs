//! The report as JSON. The schema is described in `docs/conform.md`; `schema` counts up when it changes.

use super::Report;
use crate::dissect::describe;
use crate::rules::rule;
use crate::run::{Trial, version_name};
use crate::verdict::{Played, Said, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    target: &'a str,
    versions: Vec<&'static str>,
    lacks: &'a BTreeMap<String, String>,
    totals: Totals,
    vectors: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Totals {
    passed: usize,
    choice: usize,
    breaks: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    section: &'a str,
    name: &'a str,
    family: &'a str,
    version: &'static str,
    verdict: Verdict,
    rules: BTreeMap<&'a str, &'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    said: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    link: &'a str,
    from: &'static str,
    hex: String,
    words: String,
}

impl Report<'_> {
    /// The report as one JSON document.
    #[must_use]
    pub fn json(&self) -> String {
        let document = Document {
            schema: SCHEMA,
            target: &self.target,
            versions: self.abilities.versions.iter().map(|version| version_name(*version)).collect(),
            lacks: &self.abilities.lacks,
            totals: Totals {
                passed: self.count(Verdict::Passed),
                choice: self.count(Verdict::Choice),
                breaks: self.count(Verdict::Breaks),
                skipped: self.count(Verdict::Skipped),
            },
            vectors: self.rows(),
        };
        serde_json::to_string_pretty(&document).expect("strings, numbers and lists have a JSON form")
    }

    fn rows(&self) -> Vec<Row<'_>> {
        self.results.iter().map(|(trial, played)| row(trial, played)).collect()
    }
}

fn row<'a>(trial: &'a Trial<'_>, played: &'a Played) -> Row<'a> {
    let rules = trial.vector.rules(trial.version);
    let difference = played.difference.as_ref();
    let said = if difference.is_some() { played.transcript.as_slice() } else { &[] };
    Row {
        section: trial.vector.section,
        name: &trial.vector.name,
        family: &trial.vector.family,
        version: version_name(trial.version),
        verdict: played.verdict,
        rules: rules.map(|id| (id, rule(id).unwrap_or(""))).collect(),
        line: difference.map(|difference| difference.line.as_str()),
        expected: difference.map(|difference| difference.expected.as_str()),
        got: difference.map(|difference| difference.got.as_str()),
        said: said.iter().map(line).collect(),
        why: played.why.as_deref(),
        note: trial.vector.note.as_deref(),
    }
}

fn line(said: &Said) -> Line<'_> {
    Line {
        link: &said.link,
        from: if said.sent { "client" } else { "broker" },
        hex: said.bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        words: describe(&said.bytes),
    }
}
