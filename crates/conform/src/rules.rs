//! The statements of the standard in our own short words, for reports.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use toml::Value;

const TEXTS: [&str; 2] =
    [include_str!("../../../spec/mqtt311.toml"), include_str!("../../../spec/mqtt5.toml")];

static RULES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut rules = BTreeMap::new();
    for text in TEXTS {
        let file: toml::Table = toml::from_str(text).expect("the statements' files are read by a test");
        for (id, row) in file.values().filter_map(Value::as_table).flatten() {
            let says = row.get("says").and_then(Value::as_str);
            rules.extend(says.map(|says| (id.clone(), says.to_owned())));
        }
    }
    rules
});

/// What a statement says, by its id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static str> {
    RULES.get(id).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found() {
        assert_eq!(RULES.len(), 141 + 251);
        assert!(rule("MQTT3-3.1.0-1").is_some());
        assert_eq!(rule("3.1.0-1"), None);
    }
}
