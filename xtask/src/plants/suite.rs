//! The test programs that look for bugs, the cheap ones first.

/// A test program.
#[derive(Debug)]
pub struct Suite {
    /// The name of the program, without its hash.
    pub name: &'static str,
    /// The folder of its crate.
    pub folder: &'static str,
    /// The crates whose bugs it can see.
    sees: &'static [&'static str],
    /// It runs the broker as a process: too slow for a quick run.
    pub black_box: bool,
    /// Its failures name an invariant of the simulator.
    pub has_invariants: bool,
}

const PURE: &[&str] = &["codec", "session", "broker"];
const STORED: &[&str] = &["codec", "session", "broker", "store"];
const ALL_CRATES: &[&str] = &["codec", "session", "broker", "auth", "net", "store"];

const fn suite(name: &'static str, folder: &'static str, sees: &'static [&'static str]) -> Suite {
    Suite { name, folder, sees, black_box: false, has_invariants: false }
}

/// All of them, in the order in which they are tried.
pub const ALL: &[Suite] = &[
    suite("pondhawk_codec", "codec", &["codec"]),
    suite("properties", "codec", &["codec"]),
    suite("pondhawk_session", "session", &["session"]),
    suite("pondhawk_auth", "auth", &["auth"]),
    suite("pondhawk_net", "net", &["net"]),
    suite("pondhawk_broker", "broker", &["broker"]),
    suite("pondhawk_store", "store", &["store"]),
    suite("core", "conform", PURE),
    suite("shards", "broker", PURE),
    suite("reference", "sim", PURE),
    Suite { has_invariants: true, ..suite("seeds", "sim", STORED) },
    suite("store", "store", STORED),
    Suite { black_box: true, ..suite("wire", "cli", ALL_CRATES) },
    Suite { black_box: true, ..suite("attacks", "cli", ALL_CRATES) },
];

impl Suite {
    /// True if it can see bugs of the crate.
    pub fn sees(&self, place: &str) -> bool {
        self.sees.contains(&place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_with_bugs_has_a_suite_of_its_own() {
        for place in ALL_CRATES {
            assert!(ALL.iter().any(|suite| suite.sees(place) && !suite.black_box), "{place}");
        }
    }
}
