//! A configuration file. It is read whole or refused with a line that says where, and reading it again changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_config::{Capabilities, Config, ConfigError, reload_diff, unsupported};

const NAME: &str = "fuzz.conf";

fuzz_target!(|data: &[u8]| {
    let lines = data.split(|byte| *byte == b'\n').count();
    match Config::from_text(data, NAME) {
        Ok(config) => {
            for missing in unsupported(&config, Capabilities::NONE) {
                assert!((1..=lines).contains(&missing.place.line()), "{missing:?}");
            }
            let again = Config::from_text(data, NAME).expect("it was good a moment ago");
            let reload = reload_diff(&config, &again);
            assert!(reload.live.is_empty() && reload.restart.is_empty(), "{reload:?}");
        }
        Err(error) => check(&error, lines),
    }
});

fn check(error: &ConfigError, lines: usize) {
    assert_eq!(error.exit_code(), pondhawk_config::EXIT_INVALID);
    let said = error.lines();
    assert!(said.first().is_some_and(|line| line.starts_with("Error: ")), "{said:?}");
    // Each is printed as one line, whatever the file has.
    assert!(said.iter().all(|line| !line.contains('\n')), "{said:?}");
    let places = said.iter().filter_map(|line| line.strip_prefix("Error found at "));
    for place in places {
        // `FILE:LINE.`, where FILE may be one that the text includes.
        let (file, line) = place.rsplit_once(':').expect("a file and a line");
        let line: usize = line.trim_end_matches('.').parse().expect("a number");
        assert!(line >= 1 && (file != NAME || line <= lines), "{said:?}");
    }
}
