//! The closing table: a line for each case, for people or for programs.

use std::fmt::Write as _;

use super::catalogue::{Catalogue, Selection, numbers};
use super::play::Outcome;

/// Vital signs that are looked at around a case.
const SIGNS: usize = 8;

/// The vital signs around one attack, as a test reported them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// Of V1 to V8: what was found.
    pub signs: Vec<Sign>,
}

/// What was found of a vital sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// `ok`, `FAIL`, or `-` where it says nothing.
    pub verdict: String,
    /// The figure or the complaint.
    pub text: String,
}

/// Reads a line of a report: a name, then signs as `V1 ok TEXT`, between tabulators.
pub fn parse_check(line: &str) -> Check {
    let sign = |field: &str| {
        let mut words = field.splitn(3, ' ').skip(1).map(str::to_string);
        Sign { verdict: words.next().unwrap_or_default(), text: words.next().unwrap_or_default() }
    };
    Check { signs: line.split('\t').skip(1).map(sign).collect() }
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Withstood,
    Failed,
    /// Its tests do not judge the other broker.
    NotJudged,
    Absent,
}

impl Verdict {
    fn of(number: &str, outcomes: &[Outcome], is_ours: bool) -> Self {
        let own: Vec<_> =
            outcomes.iter().filter(|one| numbers(&one.test).any(|found| found == number)).collect();
        match own.as_slice() {
            [] => Self::Absent,
            all if all.iter().any(|one| !one.passed) => Self::Failed,
            all if !is_ours && all.iter().all(|one| one.checks.is_empty()) => Self::NotJudged,
            _ => Self::Withstood,
        }
    }

    /// Of a broker that these expectations were not made for.
    fn word_of_other(self) -> &'static str {
        if self == Self::Failed { "differs" } else { self.word() }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Withstood => "ok",
            Self::Failed => "FAILED",
            Self::NotJudged => "not judged",
            Self::Absent => "absent",
        }
    }
}

/// A case in the table.
#[derive(Debug)]
pub struct Row {
    number: String,
    what: String,
    ours: Verdict,
    theirs: Option<Verdict>,
    /// The signs of all its checks: the worst of each.
    signs: Vec<Sign>,
    absent: Option<String>,
}

impl Row {
    /// Whether the case has tests.
    pub fn played(&self) -> bool {
        self.ours != Verdict::Absent
    }

    /// A character for each sign: its digit if it holds, `!` if not, `-` if it says nothing.
    fn signs(&self) -> String {
        let mark = |(index, sign): (usize, &Sign)| match sign.verdict.as_str() {
            "ok" => (index + 1).to_string(),
            "-" => "-".to_string(),
            _ => "!".to_string(),
        };
        self.signs.iter().enumerate().map(mark).collect()
    }
}

/// The rows of the wanted cases.
pub fn rows(
    catalogue: &Catalogue,
    selection: &Selection,
    ours: &[Outcome],
    theirs: Option<&[Outcome]>,
) -> Vec<Row> {
    let wanted = catalogue.entries.iter().filter(|(number, entry)| {
        selection.wants(number, entry)
            || ours.iter().any(|one| numbers(&one.test).any(|found| found == **number))
    });
    let row = |(number, entry): (&String, &super::catalogue::Entry)| Row {
        number: number.clone(),
        what: entry.what.clone(),
        ours: Verdict::of(number, ours, true),
        theirs: theirs.map(|outcomes| Verdict::of(number, outcomes, false)),
        signs: worst(ours.iter().filter(|one| numbers(&one.test).any(|found| found == *number))),
        absent: entry.absent.clone(),
    };
    wanted.map(row).collect()
}

/// Of each sign one that fails, or else the one with the largest leading figure.
fn worst<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Vec<Sign> {
    let rank = |sign: &Sign| {
        let figure: String = sign
            .text
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        (sign.verdict == "FAIL", sign.verdict == "ok", figure.parse::<f64>().unwrap_or(0.0))
    };
    let checks: Vec<&Check> = outcomes.flat_map(|one| &one.checks).collect();
    (0..SIGNS)
        .filter_map(|index| {
            checks
                .iter()
                .filter_map(|check| check.signs.get(index))
                .max_by(|one, other| rank(one).partial_cmp(&rank(other)).unwrap_or(std::cmp::Ordering::Equal))
        })
        .cloned()
        .collect()
}

/// The table for people.
pub fn text(rows: &[Row], compared: bool) -> String {
    let mut text = String::from(
        "\nV1 alive, V2 served, V3 memory, V4 nothing leaks, V5 rights, V6 log, V7 stall, V8 restart\n\n",
    );
    let other = |theirs: &str| if compared { format!("{theirs:<11}") } else { String::new() };
    let _ = writeln!(
        text,
        "case ours   {}signs        stall memory                           what",
        other("mosquitto")
    );
    for row in rows.iter().filter(|row| row.played()) {
        let figure = |index: usize| row.signs.get(index).map_or("", |sign| sign.text.as_str());
        let theirs = other(row.theirs.map_or("", Verdict::word_of_other));
        let _ = writeln!(
            text,
            "{:<5}{:<7}{theirs}{:<9} {:>8} {:<32} {}",
            row.number,
            row.ours.word(),
            row.signs(),
            figure(6),
            figure(2),
            row.what
        );
    }
    let absent: Vec<&Row> = rows.iter().filter(|row| !row.played()).collect();
    if !absent.is_empty() {
        let _ = writeln!(text, "\nNot there yet:");
    }
    for row in absent {
        let reason = row.absent.as_deref().unwrap_or("no test");
        let _ = writeln!(text, "{:<5}{}: {reason}", row.number, row.what);
    }
    text
}

/// The table for programs: a list of objects.
pub fn json(rows: &[Row]) -> String {
    let object = |row: &Row| {
        let signs: Vec<String> = row
            .signs
            .iter()
            .enumerate()
            .map(|(index, sign)| {
                format!(
                    "\"V{}\":{{\"verdict\":{},\"text\":{}}}",
                    index + 1,
                    quoted(&sign.verdict),
                    quoted(&sign.text)
                )
            })
            .collect();
        let optional = |value: Option<&str>| value.map_or("null".to_string(), quoted);
        format!(
            "{{\"case\":{},\"what\":{},\"outcome\":{},\"mosquitto\":{},\"absent\":{},\"signs\":{{{}}}}}",
            quoted(&row.number),
            quoted(&row.what),
            quoted(row.ours.word()),
            optional(row.theirs.map(Verdict::word_of_other)),
            optional(row.absent.as_deref()),
            signs.join(",")
        )
    };
    format!("[\n{}\n]\n", rows.iter().map(object).collect::<Vec<_>>().join(",\n"))
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(test: &str, passed: bool, reports: &[&str]) -> Outcome {
        Outcome { test: test.into(), passed, checks: reports.iter().map(|line| parse_check(line)).collect() }
    }

    fn all(ours: &[Outcome]) -> Vec<Row> {
        let text = "A01 = { what = \"one\" }\nB02 = { what = \"two\" }\nC03 = { what = \"\\\"three\\\"\", absent = \"why\" }";
        let catalogue = Catalogue::parse(text).expect("well formed");
        rows(&catalogue, &Selection { all: true, numbers: vec![] }, ours, None)
    }

    #[test]
    fn a_case_shows_the_worst_of_its_checks() {
        let ours = [
            outcome("x::a01_one", true, &["n\tV1 ok \tV2 ok 0.5 ms", "n\tV1 ok \tV2 ok 12.5 ms"]),
            outcome("y::a01_b02_two", false, &["n\tV1 FAIL died\tV2 ok 3.0 ms"]),
        ];
        let rows = all(&ours);
        assert_eq!(
            (rows[0].ours, rows[1].ours, rows[2].ours),
            (Verdict::Failed, Verdict::Failed, Verdict::Absent)
        );
        assert_eq!(rows[0].signs(), "!2");
        assert_eq!(rows[0].signs[1].text, "12.5 ms");
        let text = text(&rows, false);
        assert!(text.contains("A01  FAILED !2"), "{text}");
        assert!(text.contains("C03  \"three\": why"), "{text}");
    }

    #[test]
    fn a_test_that_looked_at_nothing_has_not_judged() {
        let silent = [outcome("x::a01_one", true, &[])];
        assert_eq!(Verdict::of("A01", &silent, false), Verdict::NotJudged);
        // Ours has no test that leaves it out: one without a broker has no signs.
        assert_eq!(Verdict::of("A01", &silent, true), Verdict::Withstood);
    }

    #[test]
    fn what_programs_read_is_escaped() {
        let json = json(&all(&[outcome("x::a01_one", true, &["n\tV1 ok a\\b"])]));
        assert!(json.contains(r#""what":"\"three\"""#), "{json}");
        assert!(json.contains(r#""V1":{"verdict":"ok","text":"a\\b"}"#), "{json}");
        assert!(json.contains(r#""mosquitto":null"#), "{json}");
    }
}
