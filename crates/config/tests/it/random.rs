//! Whatever the bytes, there is an answer.

use pondhawk_config::{Config, directives, reload_diff};
use proptest::prelude::*;

/// A line made of a real name and something behind it.
fn line() -> impl Strategy<Value = String> {
    let names: Vec<&str> =
        directives().flat_map(|row| row.aliases().iter().copied().chain([row.name()])).collect();
    let values = prop_oneof![
        Just(String::new()),
        Just("true".to_owned()),
        Just("1883".to_owned()),
        Just("0 /run/socket".to_owned()),
        Just("a b c".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,12}",
        "[-+0x\"#: a-z]{0,12}",
    ];
    (prop::sample::select(names), values).prop_map(|(name, value)| format!("{name} {value}\n"))
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Config::from_text(&bytes, "t.conf").map_err(|error| error.to_string());
    }

    #[test]
    fn a_refusal_names_its_line(lines in prop::collection::vec(line(), 0..8)) {
        let text = lines.concat();
        match Config::from_text(&text, "t.conf") {
            Ok(config) => {
                let again = reload_diff(&config, &config);
                prop_assert!(again.live.is_empty() && again.restart.is_empty());
                prop_assert_eq!(again.config, config);
            }
            Err(error) => {
                prop_assert!(error.lines()[0].starts_with("Error: "), "{}", error);
                prop_assert!(error.lines()[1].starts_with("Error found at t.conf:"), "{}", error);
            }
        }
    }

    #[test]
    fn a_reload_is_complete(
        before in prop::collection::vec(line(), 0..6),
        after in prop::collection::vec(line(), 0..6),
    ) {
        let read = |lines: Vec<String>| Config::from_text(lines.concat(), "t.conf");
        if let (Ok(old), Ok(new)) = (read(before), read(after)) {
            let first = reload_diff(&old, &new);
            let second = reload_diff(&first.config, &new);
            prop_assert_eq!(second.live, vec![], "what was live has been applied");
            prop_assert_eq!(second.restart.len(), first.restart.len(), "what needs a restart still does");
        }
    }
}
