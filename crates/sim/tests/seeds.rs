//! A few seconds of what `cargo xtask sim` does for longer.

use pondhawk_sim::plan::Wishes;
use pondhawk_sim::run::run;
use pondhawk_sim::trace::Words;

#[test]
fn every_invariant_holds_for_the_first_seeds() {
    for seed in 1..=60 {
        let outcome = run(seed, Wishes::default(), Words::None);
        assert_eq!(outcome.failure, None, "cargo xtask sim --seed {seed} --trace");
    }
}

/// I12, whether the trace is put into words or not.
#[test]
fn a_seed_does_the_same_twice() {
    for seed in 1..=10 {
        let once = run(seed, Wishes::default(), Words::None);
        let again = run(seed, Wishes::default(), Words::Last);
        assert_eq!((once.hash, once.events, &once.reached), (again.hash, again.events, &again.reached));
        assert!(!again.lines.is_empty());
    }
}

#[test]
fn wishes_are_heeded_and_change_the_run() {
    let short = run(1, Wishes { shards: Some(1), steps: Some(10) }, Words::None);
    let long = run(1, Wishes { shards: Some(8), steps: Some(200) }, Words::None);
    assert_eq!((short.failure, long.failure), (None, None));
    assert!(short.events < long.events);
    assert_ne!(short.hash, long.hash);
}
