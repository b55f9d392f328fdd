//! Planted bugs are in no build that is used, and each of the table stands in the code.

use std::collections::BTreeSet;

use super::Problem;
use super::settings::Settings;
use super::tree::Tree;

const CRATE: &str = "pondhawk-plants";
const MANIFEST: &str = "crates/plants/Cargo.toml";
const TABLE: &str = "crates/plants/src/table.rs";

/// The feature that compiles the bugs in has no default and no name in any manifest: only a command line can ask for it.
pub fn off(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        for (number, line) in text.lines().enumerate() {
            let asked =
                line.contains(CRATE) && (line.contains("feature") || line.contains(&format!("{CRATE}/")));
            let by_default = path == MANIFEST && line.trim_start().starts_with("default");
            if asked || by_default || line.contains(&format!("dependencies.{CRATE}")) {
                problems.push(Problem::new(
                    path,
                    number + 1,
                    "no manifest may plant bugs: `xtask plants` does",
                ));
            }
        }
    }
    problems
}

/// What the table lists is planted in the crate that it names, and what is planted is in the table, once.
pub fn planted(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let Some(table) = tree.texts().find(|(path, _)| *path == TABLE).map(|(_, text)| text) else {
        return Vec::new();
    };
    let listed: BTreeSet<(String, String)> = table.lines().filter_map(row).collect();
    let mut found = BTreeSet::new();
    for (path, source) in tree.rust() {
        let inner = path.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/"));
        let Some((folder, _)) = inner.filter(|(folder, _)| *folder != "plants") else {
            continue;
        };
        for name in source.code.split("planted!(").skip(1).filter_map(|rest| rest.split(')').next()) {
            found.insert((name.to_string(), folder.to_string()));
        }
    }
    let problem = |(name, place): &(String, String), what: &str| {
        Problem::new(TABLE, 0, format!("`{name}` is {what} in `{place}`"))
    };
    let lost = listed.difference(&found).map(|plant| problem(plant, "not planted"));
    let unknown = found.difference(&listed).map(|plant| problem(plant, "not in the table, but planted"));
    lost.chain(unknown).collect()
}

/// Name and crate of a line such as `Name "crate" "what" "breaks";`.
fn row(line: &str) -> Option<(String, String)> {
    let mut parts = line.trim().strip_suffix("\";")?.split('"');
    let name = parts.next()?.trim();
    let place = parts.next()?;
    let plain = name.chars().all(char::is_alphanumeric);
    (plain && !name.is_empty()).then(|| (name.to_string(), place.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Tree, &Settings) -> Vec<Problem>, files: &[(&str, &str)]) -> usize {
        rule(&Tree::of(files), &Settings::default()).len()
    }

    #[test]
    fn no_manifest_plants_bugs() {
        let bad = [
            "pondhawk-plants = { workspace = true, features = [\"on\"] }",
            "bugs = [\"pondhawk-plants/on\"]",
            "[dependencies.pondhawk-plants]",
        ];
        for line in bad {
            assert_eq!(count(off, &[("crates/broker/Cargo.toml", line)]), 1, "{line}");
        }
        assert_eq!(count(off, &[("crates/broker/Cargo.toml", "pondhawk-plants.workspace = true")]), 0);
        assert_eq!(count(off, &[(MANIFEST, "[features]\ndefault = [\"on\"]\n")]), 1);
    }

    #[test]
    fn the_table_and_the_code_agree() {
        let table = (TABLE, "plants! {\n    Lost \"codec\" \"what\" \"rule\";\n}\n");
        let code = ("crates/codec/src/a.rs", "fn a() -> bool { planted!(Lost) }\n");
        assert_eq!(count(planted, &[table, code]), 0);
        assert_eq!(count(planted, &[table]), 1);
        let other = ("crates/codec/src/a.rs", "fn a() -> bool { planted!(Lost) || planted!(New) }\n");
        assert_eq!(count(planted, &[table, other]), 1);
        let elsewhere = ("crates/broker/src/a.rs", "fn a() -> bool { planted!(Lost) }\n");
        assert_eq!(count(planted, &[table, elsewhere]), 2);
    }
}
