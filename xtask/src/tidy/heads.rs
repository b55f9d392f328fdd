//! How files introduce themselves: documentation first, and names that say what is inside.

use super::Problem;
use super::settings::Settings;
use super::source::Source;
use super::tree::Tree;

/// Names that say nothing: everything would fit in.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "types", "manager", "misc"];

/// Every file of a crate begins with what it is; `lib.rs` holds docs, modules and re-exports only.
pub fn documented(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let shipped = |(path, source): &(&str, &Source)| {
        !source.is_all_test() && (is_shipped(path) || path.starts_with("xtask/src/"))
    };
    for (path, source) in tree.rust().filter(shipped) {
        let first = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        if !first.starts_with("//!") {
            problems.push(Problem::new(
                path,
                1,
                "begin with `//!`: what it is, and what comes before and after it",
            ));
        }
        let head = path.ends_with("/lib.rs");
        if head && first.trim() == "//! Placeholder." {
            problems.push(Problem::new(
                path,
                1,
                "say what the crate is, what it does not do, its place and invariants",
            ));
        }
        for function in source.functions().iter().filter(|function| head && !source.is_test(function.line)) {
            let text = format!("`{}`: lib.rs holds docs, modules and re-exports only", function.name);
            problems.push(Problem::new(path, function.line, text));
        }
    }
    problems
}

/// No module has a name that says nothing.
pub fn names(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let advice = |name: &str| format!("`{name}` says nothing: name it for what it holds");
    let mut problems = Vec::new();
    for (path, source) in tree.rust() {
        let parts = path.trim_end_matches(".rs").split('/');
        problems.extend(
            parts.filter(|part| EMPTY_NAMES.contains(part)).map(|part| Problem::new(path, 0, advice(part))),
        );
        for (index, line) in source.code.lines().enumerate() {
            let inline = line.split_once("mod ").and_then(|(_, rest)| rest.split_once('{'));
            if let Some((name, _)) = inline.filter(|(name, _)| EMPTY_NAMES.contains(&name.trim())) {
                problems.push(Problem::new(path, index + 1, advice(name.trim())));
            }
        }
    }
    problems
}

fn is_shipped(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Tree, &Settings) -> Vec<Problem>, path: &str, text: &str) -> usize {
        rule(&Tree::of(&[(path, text)]), &Settings::default()).len()
    }

    #[test]
    fn files_begin_with_their_documentation() {
        assert_eq!(count(documented, "crates/a/src/b.rs", "use x;\n"), 1);
        assert_eq!(count(documented, "crates/a/src/b.rs", ""), 1);
        assert_eq!(count(documented, "crates/a/src/b.rs", "\n//! What.\nuse x;\n"), 0);
        assert_eq!(count(documented, "crates/a/tests/b.rs", "use x;\n"), 0);
        assert_eq!(count(documented, "crates/a/src/lib.rs", "//! Placeholder.\n"), 1);
    }

    #[test]
    fn lib_rs_holds_no_code() {
        assert_eq!(count(documented, "crates/a/src/lib.rs", "//! What.\npub fn run() {}\n"), 1);
        assert_eq!(count(documented, "crates/a/src/lib.rs", "//! What.\nmod a;\npub use a::run;\n"), 0);
    }

    #[test]
    fn names_that_say_nothing_are_noticed() {
        assert_eq!(count(names, "crates/a/src/utils.rs", ""), 1);
        assert_eq!(count(names, "crates/a/tests/common/mod.rs", ""), 1);
        assert_eq!(count(names, "crates/a/src/b.rs", "mod types {\n}\n"), 1);
        assert_eq!(count(names, "crates/a/src/packet_types.rs", "mod wire {}\n"), 0);
    }
}
