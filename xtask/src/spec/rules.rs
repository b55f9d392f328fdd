//! The rules that tidy holds about the standard.

use std::collections::BTreeMap;

use crate::tidy::{Problem, Settings, Tree};

use super::citation::{self, Citation, PAGE};
use super::statement::{self, SOURCES};
use super::{coverage, page};

/// Whoever cites a statement cites one that is there.
pub fn known(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let standards = match statement::all(tree) {
        Ok(standards) => standards,
        Err(error) => return vec![Problem::new("spec", 0, format!("{error:#}"))],
    };
    let ids: Vec<&str> =
        standards.iter().flat_map(|standard| &standard.statements).map(|one| one.id.as_str()).collect();
    let unknown = |citation: Citation| {
        let text =
            format!("`{}` is no statement of spec/*.toml: MQTT-… is 5.0, MQTT3-… is 3.1.1", citation.id);
        Problem::new(&citation.path, citation.line, text)
    };
    let citations = citation::all(tree).into_iter();
    citations.filter(|citation| !ids.contains(&citation.id.as_str())).map(unknown).collect()
}

/// Every statement that is upheld has code and a test on each side that it binds.
pub fn covered(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let citations = citation::all(tree);
    let mut cited: BTreeMap<&str, Vec<&Citation>> = BTreeMap::new();
    for citation in &citations {
        cited.entry(&citation.id).or_default().push(citation);
    }
    let mut problems = Vec::new();
    // What is wrong with the files themselves is `known`'s to say.
    let standards = statement::all(tree).unwrap_or_default();
    for (source, standard) in SOURCES.iter().zip(&standards) {
        for statement in &standard.statements {
            let places = cited.get(statement.id.as_str()).map_or(&[][..], Vec::as_slice);
            let missing = coverage::missing(statement, places);
            if !missing.is_empty() {
                let text = format!("{}: no {} cites it", statement.id, missing.join(", no "));
                problems.push(Problem::new(source.path, 0, text));
            }
        }
    }
    problems
}

/// The page says what the tree says.
pub fn page_is_current(tree: &Tree, _: &Settings) -> Vec<Problem> {
    match page::write(tree) {
        Ok(page) if tree.text(PAGE) != Some(&page) => {
            vec![Problem::new(PAGE, 0, "stale: run `cargo xtask spec` and commit the result")]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: &str = "[sections]\n\"3.1\" = \"x\"\n[statements]\n\
        \"MQTT-3.1-1\" = { section = \"3.1\", binds = \"server\", status = \"upheld\", says = \"a\" }\n";
    const THREE: &str = "[sections]\n[statements]\n";
    const TESTED: &str =
        "// [MQTT-3.1-1]\nfn f() {}\n#[cfg(test)]\nmod tests {\n// [MQTT-3.1-1]\n#[test]\nfn t() {}\n}\n";

    fn problems(rule: fn(&Tree, &Settings) -> Vec<Problem>, code: &str, page: &str) -> Vec<String> {
        let files = [
            ("spec/mqtt5.toml", FIVE),
            ("spec/mqtt311.toml", THREE),
            ("crates/broker/src/a.rs", code),
            (PAGE, page),
        ];
        rule(&Tree::of(&files), &Settings::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_ids_are_noticed() {
        assert!(problems(known, TESTED, "").is_empty());
        let found = problems(known, "fn f() {}\n// [MQTT3-3.1-1]\n", "");
        assert!(found[0].starts_with("crates/broker/src/a.rs:2: `MQTT3-3.1-1`"), "{found:?}");
        assert_eq!(known(&Tree::of(&[]), &Settings::default()).len(), 1);
    }

    #[test]
    fn statements_without_code_or_test_are_noticed() {
        assert!(problems(covered, TESTED, "").is_empty());
        let found = problems(covered, "// [MQTT-3.1-1]\nfn f() {}\n", "");
        assert_eq!(found, ["spec/mqtt5.toml: MQTT-3.1-1: no test of the server cites it"]);
        assert_eq!(problems(covered, "", "").len(), 1);
    }

    #[test]
    fn a_stale_page_is_noticed() {
        assert_eq!(problems(page_is_current, TESTED, "# Conformance\n").len(), 1);
        let files =
            [("spec/mqtt5.toml", FIVE), ("spec/mqtt311.toml", THREE), ("crates/broker/src/a.rs", TESTED)];
        let current = page::write(&Tree::of(&files)).expect("well formed");
        assert!(problems(page_is_current, TESTED, &current).is_empty());
    }
}
