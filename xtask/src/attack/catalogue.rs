//! The list of cases, and which tests play the wanted ones.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use toml::Table;

const FILE: &str = "crates/cli/tests/attacks/catalogue.toml";

/// Where the tests are that only `--all` or their number asks for.
pub const NIGHTLY: &str = "nightly::";

/// One case.
#[derive(Debug)]
pub struct Entry {
    /// The input in a few words.
    pub what: String,
    /// Runs at every commit.
    pub first: bool,
    /// Why there is no test.
    pub absent: Option<String>,
}

/// All cases by their numbers.
#[derive(Debug)]
pub struct Catalogue {
    pub entries: BTreeMap<String, Entry>,
}

impl Catalogue {
    /// Reads the committed file.
    pub fn load() -> Result<Self> {
        Self::parse(&fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?)
    }

    pub fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse().with_context(|| format!("{FILE} is no TOML"))?;
        let entry = |value: &toml::Value| {
            let text = |key: &str| value.get(key).and_then(|text| text.as_str()).map(str::to_string);
            let first = value.get("first").and_then(toml::Value::as_bool).unwrap_or(false);
            Some(Entry { what: text("what")?, first, absent: text("absent") })
        };
        let entries = table.iter().map(|(number, value)| {
            Ok((number.clone(), entry(value).with_context(|| format!("{number} does not say `what` it is"))?))
        });
        Ok(Self { entries: entries.collect::<Result<_>>()? })
    }

    /// Why a case has no test.
    pub fn absent(&self, number: &str) -> Option<&str> {
        self.entries.get(number)?.absent.as_deref()
    }
}

/// Which cases are wanted: those of the first priority, all, or the numbered ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub all: bool,
    pub numbers: Vec<String>,
}

impl Selection {
    /// A number that is in no catalogue is a slip.
    pub fn check(&self, catalogue: &Catalogue) -> Result<()> {
        match self.numbers.iter().find(|number| !catalogue.entries.contains_key(*number)) {
            Some(unknown) => bail!("there is no case {unknown} in {FILE}"),
            None => Ok(()),
        }
    }

    /// Whether a case belongs into the table.
    pub fn wants(&self, number: &str, entry: &Entry) -> bool {
        if self.numbers.is_empty() {
            self.all || entry.first
        } else {
            self.numbers.iter().any(|one| one == number)
        }
    }

    /// The tests to run. Those without a number check the tests themselves and belong to every whole run.
    pub fn choose(&self, catalogue: &Catalogue, tests: &[String]) -> Vec<String> {
        let wanted = |test: &&String| {
            let numbers: Vec<String> = numbers(test).collect();
            match self.numbers.is_empty() {
                true => self.all || !test.starts_with(NIGHTLY),
                false => numbers.iter().any(|number| {
                    catalogue.entries.get(number).is_some_and(|entry| self.wants(number, entry))
                }),
            }
        };
        tests.iter().filter(wanted).cloned().collect()
    }
}

/// The numbers that a test's name begins with: `identity::e01_e02_another_users_client_id` has two.
pub fn numbers(test: &str) -> impl Iterator<Item = String> {
    let name = test.rsplit("::").next().unwrap_or(test);
    name.split('_').map(str::to_uppercase).take_while(|word| is_number(word))
}

/// Whether a word is a letter and two digits.
pub fn is_number(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 3 && bytes[0].is_ascii_uppercase() && bytes[1..].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "A01 = { what = \"a\", first = true }\nB02 = { what = \"b\" }\nC03 = { what = \"c\", absent = \"why\" }";

    fn choose(all: bool, wanted: &[&str]) -> Vec<String> {
        let selection = Selection { all, numbers: wanted.iter().map(ToString::to_string).collect() };
        let tests = ["x::a01_b02_y", "nightly::z::b02_q", "self_test::it_can_fail"].map(str::to_string);
        selection.choose(&Catalogue::parse(TEXT).expect("well formed"), &tests)
    }

    #[test]
    fn the_night_is_asked_for_by_all_or_by_number() {
        assert_eq!(choose(false, &[]), ["x::a01_b02_y", "self_test::it_can_fail"]);
        assert_eq!(choose(true, &[]).len(), 3);
        assert_eq!(choose(false, &["B02"]), ["x::a01_b02_y", "nightly::z::b02_q"]);
        assert!(choose(true, &["C03"]).is_empty());
    }

    #[test]
    fn unknown_numbers_and_entries_without_words_are_refused() {
        let catalogue = Catalogue::parse(TEXT).expect("well formed");
        let unknown = Selection { all: false, numbers: vec!["Z99".into()] };
        assert!(unknown.check(&catalogue).is_err());
        assert_eq!(catalogue.absent("C03"), Some("why"));
        assert!(Catalogue::parse("A01 = { first = true }").is_err());
    }
}
