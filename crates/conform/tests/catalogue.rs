//! What the vectors must be, as data.

use pondhawk_conform::{Selection, catalogue, rule, trials};
use std::collections::BTreeSet;

#[test]
fn there_are_enough() {
    let vectors = catalogue().expect("the vectors read");
    assert!(vectors.len() >= 1_500, "{} vectors", vectors.len());
}

/// What a run and a list of differences name a vector by.
#[test]
fn each_has_its_own_title() {
    let vectors = catalogue().expect("the vectors read");
    let mut seen = BTreeSet::new();
    let titles = trials(&vectors, &Selection::default()).into_iter().map(|trial| trial.title());
    let again: Vec<String> = titles.filter(|title| !seen.insert(title.clone())).collect();
    assert!(again.is_empty(), "{again:#?}");
}

#[test]
fn every_must_names_a_statement_for_each_of_its_versions() {
    for vector in catalogue().expect("the vectors read") {
        for id in &vector.rules {
            assert!(rule(id).is_some(), "{} / {}: no statement {id}", vector.section, vector.name);
        }
        // What the standard demands without a number is named by its section.
        let numbered = !vector.note.as_deref().unwrap_or("").starts_with("section ");
        for version in vector.versions.iter().filter(|_| vector.must && numbered) {
            let count = vector.rules(*version).count();
            assert!(
                count > 0,
                "{} / {} / {version}: a MUST without a statement",
                vector.section,
                vector.name
            );
        }
    }
}

#[test]
fn no_two_vectors_play_the_same() {
    let vectors = catalogue().expect("the vectors read");
    let mut seen = BTreeSet::new();
    let again: Vec<String> = trials(&vectors, &Selection::default())
        .into_iter()
        .filter(|trial| !seen.insert((trial.vector.play.clone(), trial.version)))
        .map(|trial| trial.title())
        .collect();
    assert!(again.is_empty(), "{again:#?}");
}
