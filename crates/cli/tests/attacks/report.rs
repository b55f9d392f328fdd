//! The report of one check of the vital signs, for `cargo xtask attack`, which names a file to write it to.

use std::fmt::Write as _;
use std::io::Write as _;

/// The environment variable that names the file; one line is added to it for each check.
const REPORT: &str = "PONDHAWK_ATTACK_REPORT";

/// What came of one vital sign.
#[derive(Debug)]
pub enum Finding {
    /// It holds; with a figure where there is one.
    Holds(String),
    /// It does not.
    Fails(String),
    /// It says nothing here, and why.
    Silent(&'static str),
}

/// The vital signs of one broker around one attack.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<(&'static str, Finding)>,
}

impl Report {
    /// Adds a sign that holds, with a figure, or does not, with a complaint.
    pub fn add(&mut self, sign: &'static str, found: Result<String, String>) {
        let finding = match found {
            Ok(figure) => Finding::Holds(figure),
            Err(complaint) => Finding::Fails(complaint),
        };
        self.findings.push((sign, finding));
    }

    /// Adds a sign that cannot be looked at.
    pub fn silent(&mut self, sign: &'static str, why: &'static str) {
        self.findings.push((sign, Finding::Silent(why)));
    }

    /// What fails, one complaint a line.
    fn complaints(&self) -> String {
        let fails = self.findings.iter().filter_map(|(sign, finding)| match finding {
            Finding::Fails(complaint) => Some(format!("{sign}: {complaint}")),
            _ => None,
        });
        fails.collect::<Vec<_>>().join("\n")
    }

    /// The name and the findings, each with its verdict (`ok`, `FAIL` or `-`), between tabulators.
    fn line(&self, name: &str) -> String {
        let mut line = name.to_owned();
        for (sign, finding) in &self.findings {
            let (verdict, text) = match finding {
                Finding::Holds(figure) => ("ok", figure.as_str()),
                Finding::Fails(complaint) => ("FAIL", complaint.as_str()),
                Finding::Silent(why) => ("-", *why),
            };
            let text = text.replace(['\t', '\n'], " ");
            write!(line, "\t{sign} {verdict} {text}").expect("a string takes everything");
        }
        line
    }

    /// Tells the run and prints it; any sign that fails fails the test.
    #[track_caller]
    pub fn close(self, name: &str) {
        let line = self.line(name);
        println!("{}", line.replace('\t', "; "));
        if let Some(path) = std::env::var_os(REPORT) {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            writeln!(file.expect("the report's file"), "{line}").expect("it takes a line");
        }
        self.close_quietly(name);
    }

    /// Any sign that fails fails the test.
    #[track_caller]
    pub fn close_quietly(self, name: &str) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{name}\n{complaints}");
    }
}
