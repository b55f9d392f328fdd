//! The catalogue is complete: every number is a test or says why it is none.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

/// Cases of each section.
const SECTIONS: [(char, u8); 9] =
    [('A', 24), ('B', 19), ('C', 18), ('D', 12), ('E', 28), ('F', 21), ('G', 8), ('H', 6), ('I', 9)];

/// Cases that run at every commit, whether they are there or not.
const FIRST: usize = 84;

/// The tests that only `cargo xtask attack --all` runs are in this module.
const NIGHTLY: &str = "nightly::";

/// A line of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    what: String,
    #[serde(default)]
    first: bool,
    absent: Option<String>,
}

fn catalogue() -> BTreeMap<String, Entry> {
    toml::from_str(include_str!("catalogue.toml")).expect("the catalogue is well formed")
}

/// The names of this program's tests.
fn tests() -> Vec<String> {
    let program = std::env::current_exe().expect("this program has a path");
    let listed = Command::new(program).args(["--list", "--format", "terse"]).output().expect("it runs");
    let text = String::from_utf8(listed.stdout).expect("names are text");
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The numbers that a test's name begins with: `e01_e02_another_users_client_id` has two.
fn numbers(test: &str) -> impl Iterator<Item = String> {
    let name = test.rsplit("::").next().unwrap_or(test);
    name.split('_').map(str::to_uppercase).take_while(|word| is_number(word))
}

fn is_number(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 3 && bytes[0].is_ascii_uppercase() && bytes[1..].iter().all(u8::is_ascii_digit)
}

#[test]
fn the_catalogue_has_every_number() {
    let all: BTreeSet<String> = SECTIONS
        .iter()
        .flat_map(|&(letter, count)| (1..=count).map(move |number| format!("{letter}{number:02}")))
        .collect();
    let catalogue = catalogue();
    assert_eq!(catalogue.keys().cloned().collect::<BTreeSet<_>>(), all);
    assert_eq!(catalogue.values().filter(|entry| entry.first).count(), FIRST);
    assert!(catalogue.values().all(|entry| !entry.what.is_empty()));
}

#[test]
fn every_number_is_a_test_or_says_why_not() {
    let tests = tests();
    assert!(tests.len() > 80, "the list of tests is read: {}", tests.len());
    let there: BTreeSet<String> = tests.iter().flat_map(|test| numbers(test)).collect();
    let catalogue = catalogue();
    let unknown: Vec<_> = there.iter().filter(|number| !catalogue.contains_key(*number)).collect();
    assert!(unknown.is_empty(), "tests of no case: {unknown:?}");
    for (number, entry) in &catalogue {
        match (&entry.absent, there.contains(number)) {
            (None, false) => panic!("{number} ({}) is neither a test nor said to be absent", entry.what),
            (Some(reason), true) => panic!("{number} is said to be absent ({reason}) and is a test"),
            (Some(reason), false) => assert!(!reason.is_empty(), "{number} has no reason"),
            (None, true) => {}
        }
    }
}

#[test]
fn what_runs_at_every_commit_is_not_left_to_the_night() {
    let catalogue = catalogue();
    let tests = tests();
    let late = tests.iter().filter(|test| test.starts_with(NIGHTLY)).flat_map(|test| numbers(test));
    for number in late {
        assert!(!catalogue[&number].first, "{number} is of the first priority");
    }
}
