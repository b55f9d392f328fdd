//! A configuration file. It is read whole or refused with a line that says where, and reading it again changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_config::{Capabilities, Config, reload_diff, unsupported};

fuzz_target!(|data: &[u8]| match Config::from_text(data, "fuzz.conf") {
    Ok(config) => {
        let lines = data.split(|byte| *byte == b'\n').count();
        for missing in unsupported(&config, Capabilities::NONE) {
            assert!((1..=lines).contains(&missing.place.line()), "{missing:?}");
        }
        let again = Config::from_text(data, "fuzz.conf").expect("it was good a moment ago");
        let reload = reload_diff(&config, &again);
        assert!(
            reload.live.is_empty() && reload.restart.is_empty(),
            "{:?} {:?}",
            reload.live,
            reload.restart
        );
    }
    Err(error) => {
        assert_eq!(error.exit_code(), pondhawk_config::EXIT_INVALID);
        assert!(!error.lines().is_empty());
        // Each is printed as one line, whatever the file has.
        assert!(error.lines().iter().all(|line| !line.contains('\n')), "{:?}", error.lines());
    }
});
