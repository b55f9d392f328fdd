//! The result of a run, for a reader and as JSON.

mod json;

use crate::dissect::{describe, dump};
use crate::probe::Abilities;
use crate::rules::rule;
use crate::run::{Trial, version_name};
use crate::verdict::{Played, Said, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

/// A run: who was asked, and how each trial went.
#[derive(Debug)]
pub struct Report<'a> {
    /// The broker, as the user named it.
    pub target: String,
    /// What it offers.
    pub abilities: Abilities,
    /// The trials and their results, in the order of the catalogue.
    pub results: Vec<(Trial<'a>, Played)>,
}

/// How much the text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Of vectors that differ in one row only the first; choices in a line.
    Short,
    /// Everything.
    Full,
}

impl Report<'_> {
    /// How many trials had this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.results.iter().filter(|(_, played)| played.verdict == verdict).count()
    }

    /// The report for a reader.
    #[must_use]
    pub fn text(&self, detail: Detail) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text, detail);
        text
    }

    fn write(&self, out: &mut String, detail: Detail) -> fmt::Result {
        let versions: Vec<&str> =
            self.abilities.versions.iter().map(|version| version_name(*version)).collect();
        let vectors: BTreeSet<_> =
            self.results.iter().map(|(trial, _)| (trial.vector.section, &trial.vector.name)).collect();
        let (trials, vectors, versions) = (self.results.len(), vectors.len(), versions.join(", "));
        writeln!(out, "{}: {trials} trials of {vectors} vectors, MQTT {versions}\n", self.target)?;
        self.write_table(out)?;
        self.write_group(out, Verdict::Breaks, "What breaks the standard", detail)?;
        let title = "What the standard permits and Pondhawk does otherwise";
        self.write_group(out, Verdict::Choice, title, detail)?;
        self.write_skipped(out)?;
        let broken = self.count(Verdict::Breaks);
        let judged = self.results.len() - self.count(Verdict::Skipped);
        match broken {
            0 => writeln!(out, "\nNone of {judged} trials breaks the standard."),
            _ => writeln!(out, "\n{broken} of {judged} trials break the standard."),
        }
    }

    fn write_table(&self, out: &mut String) -> fmt::Result {
        let mut sections: Vec<(&str, [usize; 4])> = Vec::new();
        for (trial, played) in &self.results {
            if sections.last().is_none_or(|(section, _)| *section != trial.vector.section) {
                sections.push((trial.vector.section, [0; 4]));
            }
            if let Some((_, counts)) = sections.last_mut() {
                counts[played.verdict as usize] += 1;
            }
        }
        let total = sections.iter().fold([0; 4], |sum, (_, counts)| [0, 1, 2, 3].map(|i| sum[i] + counts[i]));
        sections.push(("all", total));
        writeln!(
            out,
            "{:<14}{:>8}{:>14}{:>8}{:>9}",
            "section", "passed", "other choice", "breaks", "skipped"
        )?;
        for (section, [passed, choice, breaks, skipped]) in sections {
            writeln!(out, "{section:<14}{passed:>8}{choice:>14}{breaks:>8}{skipped:>9}")?;
        }
        Ok(())
    }

    /// All trials of a verdict: in full, or in short a family's first one and how many are like it.
    fn write_group(&self, out: &mut String, verdict: Verdict, title: &str, detail: Detail) -> fmt::Result {
        let group: Vec<_> = self.results.iter().filter(|(_, played)| played.verdict == verdict).collect();
        if group.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{title}: {}", group.len())?;
        let mut rest = group.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            let like = |(trial, _): &(Trial<'_>, Played)| family(trial) == family(&first.0);
            let more = behind.iter().take_while(|one| detail == Detail::Short && like(one)).count();
            rest = &behind[more..];
            match (detail, verdict) {
                (Detail::Short, Verdict::Choice) => write_line(out, &first.0, &first.1)?,
                _ => write_difference(out, &first.0, &first.1)?,
            }
            if more > 0 {
                writeln!(out, "    and {more} more like it (-v shows them)")?;
            }
        }
        Ok(())
    }

    fn write_skipped(&self, out: &mut String) -> fmt::Result {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for why in self.results.iter().filter_map(|(_, played)| played.why.as_deref()) {
            *reasons.entry(why).or_default() += 1;
        }
        if !reasons.is_empty() {
            writeln!(out, "\nSkipped: {}", self.count(Verdict::Skipped))?;
        }
        reasons.iter().try_for_each(|(why, count)| writeln!(out, "  {count:>4}  {why}"))
    }
}

fn family<'a>(trial: &Trial<'a>) -> (&'static str, &'a str) {
    (trial.vector.section, &trial.vector.family)
}

fn write_line(out: &mut String, trial: &Trial<'_>, played: &Played) -> fmt::Result {
    let got = played.difference.as_ref().map_or("", |difference| &difference.got);
    writeln!(out, "  {}: {got}", trial.title())
}

fn write_difference(out: &mut String, trial: &Trial<'_>, played: &Played) -> fmt::Result {
    writeln!(out, "\n  {}", trial.title())?;
    for id in trial.vector.rules(trial.version) {
        writeln!(out, "    rule      {id}: {}", rule(id).unwrap_or("(not in the tables)"))?;
    }
    if let Some(difference) = &played.difference {
        writeln!(out, "    expected  {}\n    got       {}", difference.expected, difference.got)?;
    }
    for said in &played.transcript {
        writeln!(out, "    {}", line(said))?;
    }
    if let Some(note) = &trial.vector.note {
        writeln!(out, "    note      {note}")?;
    }
    Ok(())
}

fn line(said: &Said) -> String {
    let mut line = String::new();
    // Writing to a string does not fail.
    let _ =
        write!(line, "{:<4}{} {}  {}", said.link, arrow(said.sent), describe(&said.bytes), dump(&said.bytes));
    line
}

fn arrow(sent: bool) -> &'static str {
    if sent { "sends" } else { "gets " }
}
