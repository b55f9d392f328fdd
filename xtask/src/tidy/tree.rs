//! The repository's files in memory. The rules read nothing else, so a test can make any tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::source::Source;

/// All files that are or would be committed, by path from the repository's root.
#[derive(Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    sources: BTreeMap<String, Source>,
    folders: BTreeSet<String>,
}

impl Tree {
    /// What git tracks, and what it would track if it were added now.
    pub fn of_repository() -> Result<Self> {
        let mut command = Command::new("git");
        command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let output = command.output().context("cannot start git")?;
        if !output.status.success() {
            bail!("`git ls-files` failed: tidy judges the files that git knows, so run it in a clone");
        }
        let listing = String::from_utf8(output.stdout).context("a path is not UTF-8")?;
        let mut files = BTreeMap::new();
        for path in listing.split('\0').filter(|path| Path::new(path).is_file()) {
            let bytes = fs::read(path).with_context(|| format!("cannot read {path}"))?;
            files.insert(path.to_string(), bytes);
        }
        Ok(Self::from_files(files))
    }

    /// A tree of a test's making.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self::from_files(
            files.iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())).collect(),
        )
    }

    /// A tree of one file that need not be text.
    #[cfg(test)]
    pub fn of_bytes(path: &str, bytes: Vec<u8>) -> Self {
        Self::from_files(BTreeMap::from([(path.to_string(), bytes)]))
    }

    fn from_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let mut sources = BTreeMap::new();
        for (path, bytes) in files.iter().filter(|(path, _)| path.ends_with(".rs")) {
            sources.insert(path.clone(), Source::new(&String::from_utf8_lossy(bytes), is_test_path(path)));
        }
        let folders = files.keys().flat_map(|path| parents(path)).map(str::to_string).collect();
        let mut tree = Self { files, sources, folders };
        tree.mark_test_modules();
        tree
    }

    /// Files that a `#[cfg(test)] mod name;` brings in are tests as a whole.
    fn mark_test_modules(&mut self) {
        let mut roots = Vec::new();
        for (path, source) in &self.sources {
            roots.extend(source.test_modules.iter().map(|name| module_path(path, name)));
        }
        for (path, source) in &mut self.sources {
            let stem = path.trim_end_matches(".rs");
            if roots
                .iter()
                .any(|root| stem == root || stem.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')))
            {
                source.mark_all_as_test();
            }
        }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether a file or a folder has this path.
    pub fn has(&self, path: &str) -> bool {
        path.is_empty() || self.files.contains_key(path) || self.folders.contains(path)
    }

    /// The bytes of all files.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The files that are text, as text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter_map(|(path, bytes)| Some((path, std::str::from_utf8(bytes).ok()?)))
    }

    /// One file as text.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(path)?).ok()
    }

    /// All Rust files.
    pub fn rust(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(path, source)| (path.as_str(), source))
    }

    /// One Rust file.
    pub fn source(&self, path: &str) -> Option<&Source> {
        self.sources.get(path)
    }
}

/// Integration tests, benchmarks, examples and fuzz targets: programs that a user never runs.
fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "examples" | "fuzz_targets"))
        || path.ends_with("/tests.rs")
}

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// Where `mod name;` in the file at `path` is to be found, without the ending.
fn module_path(path: &str, name: &str) -> String {
    let stem = path.trim_end_matches(".rs");
    let (folder, file) = stem.rsplit_once('/').unwrap_or(("", stem));
    match (name.strip_suffix(".rs"), file) {
        (Some(name), _) => format!("{folder}/{name}"),
        (None, "lib" | "main" | "mod") => format!("{folder}/{name}"),
        (None, _) => format!("{stem}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_files_are_there() {
        let tree = Tree::of(&[("docs/design/a.md", "x")]);
        assert!(tree.has("docs/design") && tree.has("docs") && tree.has("docs/design/a.md") && tree.has(""));
        assert!(!tree.has("docs/des"));
    }

    #[test]
    fn a_module_that_only_tests_see_is_a_test() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "#[cfg(test)]\nmod pair;\nmod real;\n"),
            ("crates/a/src/pair.rs", "fn f() {}\n"),
            ("crates/a/src/pair/wire.rs", "fn f() {}\n"),
            ("crates/a/src/real.rs", "fn f() {}\n"),
            ("crates/a/src/pairing.rs", "fn f() {}\n"),
            ("crates/a/tests/all.rs", "fn f() {}\n"),
        ]);
        let tests: Vec<_> =
            tree.rust().filter(|(_, source)| source.is_all_test()).map(|(path, _)| path).collect();
        assert_eq!(tests, ["crates/a/src/pair.rs", "crates/a/src/pair/wire.rs", "crates/a/tests/all.rs"]);
    }

    #[test]
    fn modules_are_looked_for_where_the_compiler_does() {
        assert_eq!(module_path("src/lib.rs", "pair"), "src/pair");
        assert_eq!(module_path("src/a/mod.rs", "tests"), "src/a/tests");
        assert_eq!(module_path("src/a.rs", "tests"), "src/a/tests");
        assert_eq!(module_path("src/a.rs", "a_tests.rs"), "src/a_tests");
    }
}
