//! Random traces of clients' operations on the real shards and on the reference broker: both send the same, up to the
//! choices that the standard leaves (they are listed in `compare.rs` and at the reference's `Witness`).
//!
//! A failure is shrunk and printed as a list of operations. `PROPTEST_CASES=20000` runs longer.

mod compare;
mod core;
mod ops;
mod packets;
mod run;

use proptest::prelude::*;
use proptest::test_runner::Config;

/// Traces of a test run, if `PROPTEST_CASES` does not say how many.
const CASES: u32 = 600;

fn config() -> Config {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn shards_do_what_the_reference_does(trace in ops::traces()) {
        if let Err(difference) = run::run(&trace) {
            return Err(TestCaseError::fail(difference));
        }
    }
}
