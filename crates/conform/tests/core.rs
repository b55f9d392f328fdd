//! Every vector against the pure core: one shard and three, with and without a store, must do exactly what we chose.

use pondhawk_conform::{Core, Detail, Report, Selection, Setup, Verdict, catalogue, probe, run, trials};

fn check(core: fn(u8) -> Core, shards: u8) {
    let vectors = catalogue().expect("the vectors read");
    let trials = trials(&vectors, &Selection::default());
    let setup = Setup { prefix: "core".to_owned(), login: None, jobs: 2 };
    let abilities = probe(&mut core(shards), &setup).expect("the core answers");
    let played = run(&trials, (&setup, &abilities), || core(shards), |_, _| {}).expect("every script reads");
    let results = trials.iter().copied().zip(played).collect();
    let report = Report { target: format!("the core, {shards} shards"), abilities, results };
    let odd = report.results.len() - report.count(Verdict::Passed);
    assert!(odd == 0, "{}", report.text(Detail::Full));
}

#[test]
fn one_shard() {
    check(Core::new, 1);
}

#[test]
fn three_shards() {
    check(Core::new, 3);
}

#[test]
fn one_shard_with_a_store() {
    check(Core::persistent, 1);
}

#[test]
fn three_shards_with_a_store() {
    check(Core::persistent, 3);
}
