//! Which crate may stand on which, and that the pure crates stay pure.

use toml::{Table, Value};

use super::Problem;
use super::settings::Settings;
use super::tree::Tree;

/// The arrows between our crates, by folder. A new arrow is a design decision: write it into `docs/design/` first.
const ARROWS: &[(&str, &[&str])] = &[
    ("cli", &["server", "store", "import", "conform", "auth", "config", "net", "session", "codec"]),
    ("server", &["net", "broker", "store", "import", "auth", "config", "codec", "session"]),
    ("import", &["broker", "session", "codec"]),
    ("sim", &["broker", "store", "session", "codec"]),
    ("store", &["broker", "session", "codec", "plants"]),
    ("conform", &["broker", "session", "codec"]),
    ("broker", &["session", "codec", "plants"]),
    ("session", &["codec", "plants"]),
    ("bench", &["codec", "session"]),
    // It judges the product from outside and shares nothing with it.
    ("crash", &[]),
    ("mutants", &[]),
    ("auth", &["plants"]),
    ("codec", &["plants"]),
    ("config", &[]),
    ("net", &["plants"]),
    ("plants", &[]),
];

/// Crates without sockets, files, clocks, threads and locks: the compiler holds it because they are `no_std`. They may
/// stand on `plants`, which is `no_std` too unless bugs are planted: see [`super::plants`].
const PURE: &[&str] = &["codec", "session", "broker"];

/// What the pure crates may use that is not ours: plain data structures.
const PURE_DEPENDENCIES: &[&str] = &["foldhash", "hashbrown", "slab"];

const PREFIX: &str = "pondhawk-";

/// One line of a dependency section.
struct Dependency {
    crate_name: String,
    dev: bool,
    inherited: bool,
}

/// Every arrow between crates is in the table, and third-party versions stand in one place.
pub fn between_crates(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, folder, manifest) in manifests(tree, &mut problems) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
            problems.push(Problem::new(
                path,
                0,
                format!("`{folder}` has no line in xtask/src/tidy/arrows.rs"),
            ));
            continue;
        };
        for dependency in dependencies(&manifest) {
            if let Some(target) = dependency.crate_name.strip_prefix(PREFIX)
                && !allowed.contains(&target)
            {
                let text = format!(
                    "`{folder}` must not stand on `{target}` (see ARCHITECTURE.md; the table is in xtask)"
                );
                problems.push(Problem::new(path, 0, text));
            }
            if !dependency.inherited {
                let name = &dependency.crate_name;
                let text = format!("write `{name}.workspace = true`: versions stand in the root Cargo.toml");
                problems.push(Problem::new(path, 0, text));
            }
        }
    }
    problems
}

/// Pure crates say so in `lib.rs`, name nothing of `std`, and depend on plain data structures only.
pub fn purity(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, folder, manifest) in manifests(tree, &mut Vec::new()) {
        if !PURE.contains(&folder.as_str()) {
            continue;
        }
        for dependency in dependencies(&manifest).into_iter().filter(|dependency| !dependency.dev) {
            let name = dependency.crate_name.as_str();
            if !name.starts_with(PREFIX) && !PURE_DEPENDENCIES.contains(&name) {
                problems.push(Problem::new(
                    path,
                    0,
                    format!("`{folder}` is pure and must not depend on `{name}`"),
                ));
            }
        }
        problems.extend(impurities(tree, &folder));
    }
    problems
}

fn impurities(tree: &Tree, folder: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let head = format!("crates/{folder}/src/lib.rs");
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        if tree.source(&head).is_some_and(|source| !source.code.contains(attribute)) {
            problems.push(Problem::new(&head, 0, format!("a pure crate needs `{attribute}`")));
        }
    }
    let own = format!("crates/{folder}/src/");
    for (path, source) in tree.rust().filter(|(path, _)| path.starts_with(&own)) {
        for (number, line) in source.code.lines().enumerate() {
            if !source.is_test(number + 1) && line.contains("extern crate std") {
                problems.push(Problem::new(path, number + 1, "a pure crate has no `std` outside its tests"));
            }
        }
    }
    problems
}

/// Path, folder and content of the manifest of every crate.
fn manifests<'a>(tree: &'a Tree, problems: &mut Vec<Problem>) -> Vec<(&'a str, String, Table)> {
    let mut manifests = Vec::new();
    for (path, text) in tree.texts() {
        let inner = path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"));
        let Some(folder) = inner else { continue };
        match text.parse() {
            Ok(manifest) => manifests.push((path, folder.to_string(), manifest)),
            Err(error) => problems.push(Problem::new(path, 0, format!("no TOML: {error}"))),
        }
    }
    manifests
}

fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let mut found = sections(manifest);
    let targets = manifest.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
        found.extend(sections(target));
    }
    found
}

fn sections(table: &Table) -> Vec<Dependency> {
    let mut found = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
            // A renamed dependency is judged by what it is, not by what it is called here.
            let crate_name = value.get("package").and_then(Value::as_str).unwrap_or(name).to_string();
            let inherited = value.get("workspace").and_then(Value::as_bool).unwrap_or_default();
            found.push(Dependency { crate_name, dev: section == "dev-dependencies", inherited });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURE_HEAD: &str = "//! Doc.\n#![no_std]\n#![forbid(unsafe_code)]\n";

    fn texts(rule: fn(&Tree, &Settings) -> Vec<Problem>, files: &[(&str, &str)]) -> Vec<String> {
        rule(&Tree::of(files), &Settings::default()).into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn arrows_that_point_down_pass() {
        let manifest = "[dependencies]\npondhawk-codec.workspace = true\n";
        assert!(texts(between_crates, &[("crates/session/Cargo.toml", manifest)]).is_empty());
    }

    #[test]
    fn arrows_that_point_up_do_not() {
        for section in
            ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            let manifest = format!("[{section}]\npondhawk-server.workspace = true\n");
            let found = texts(between_crates, &[("crates/codec/Cargo.toml", &manifest)]);
            assert!(found[0].contains("`codec` must not stand on `server`"), "{section}: {found:?}");
        }
    }

    #[test]
    fn an_arrow_cannot_hide_behind_another_name() {
        let manifest = "[dependencies]\nb = { package = \"pondhawk-broker\", workspace = true }\n";
        assert_eq!(texts(between_crates, &[("crates/net/Cargo.toml", manifest)]).len(), 1);
    }

    #[test]
    fn new_crates_and_own_versions_are_noticed() {
        assert!(texts(between_crates, &[("crates/new/Cargo.toml", "")])[0].contains("no line"));
        let found = texts(between_crates, &[("crates/net/Cargo.toml", "[dependencies]\nmio = \"1\"\n")]);
        assert!(found[0].contains("mio.workspace = true"), "{found:?}");
    }

    #[test]
    fn pure_crates_depend_on_data_structures_only() {
        let manifest = "[dependencies]\nlibc.workspace = true\nslab.workspace = true\n\
                        [dev-dependencies]\nproptest.workspace = true\n";
        let found =
            texts(purity, &[("crates/codec/Cargo.toml", manifest), ("crates/codec/src/lib.rs", PURE_HEAD)]);
        assert_eq!(found, ["`codec` is pure and must not depend on `libc`"]);
    }

    #[test]
    fn pure_crates_say_so_and_have_no_std() {
        let files = [
            ("crates/broker/Cargo.toml", ""),
            ("crates/broker/src/lib.rs", "//! #![no_std]\n#![forbid(unsafe_code)]\n"),
            (
                "crates/broker/src/trie.rs",
                "extern crate std;\n#[cfg(test)]\nmod tests { extern crate std; }\n",
            ),
        ];
        let found = texts(purity, &files);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("#![no_std]") && found[1].contains("`std`"), "{found:?}");
        assert!(texts(purity, &[("crates/net/Cargo.toml", ""), ("crates/net/src/lib.rs", "")]).is_empty());
    }
}
