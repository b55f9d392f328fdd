//! Sizes of files and functions: a ratchet. What is over the limit is recorded with its size, which may only shrink.

use super::Problem;
use super::settings::{Allowance, Settings};
use super::source::{Function, Source, closing};
use super::tree::Tree;

/// Lines of a file; 100 to 300 are wanted.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function; under 30 are wanted.
const FUNCTION_LINES_MAX: usize = 70;
/// A flat `match` may be longer: its arms have at most this many lines …
const FLAT_ARM_LINES_MAX: usize = 6;
/// … and around it the function has at most this many.
const FLAT_REST_LINES_MAX: usize = 20;

/// No file outgrows its limit.
pub fn files(tree: &Tree, settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, source) in measured(tree, settings) {
        let lines = source.text.lines().count();
        let allowance = settings.files.iter().find(|allowance| allowance.path == path);
        let verdict = judge(lines, FILE_LINES_MAX, allowance.map(|allowance| allowance.lines));
        problems.extend(verdict.map(|text| Problem::new(path, 0, format!("{lines} lines: {text}"))));
    }
    problems
}

/// No function outgrows its limit.
pub fn functions(tree: &Tree, settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, source) in measured(tree, settings) {
        let functions = source.functions();
        for function in functions.iter().filter(|function| !source.is_test(function.line)) {
            let allowance = allowed(settings, path, &function.name);
            let flat = allowance.is_none() && is_flat_match(source, function);
            let verdict =
                judge(function.lines, FUNCTION_LINES_MAX, allowance.map(|allowance| allowance.lines));
            if let Some(text) = verdict.filter(|_| !flat) {
                let text = format!("`{}` has {} lines: {text}", function.name, function.lines);
                problems.push(Problem::new(path, function.line, text));
            }
        }
        for allowance in settings.functions.iter().filter(|allowance| allowance.path == path) {
            if !functions.iter().any(|function| function.name == allowance.name) {
                let text = format!("`{}` is not there any more: remove its entry", allowance.name);
                problems.push(Problem::new(path, 0, text));
            }
        }
    }
    problems
}

/// Rewrites the recorded sizes, each on a line of its own, to what is there now; never upwards.
pub fn shrink(text: &str, tree: &Tree, settings: &Settings) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    for allowance in settings.files.iter().chain(&settings.functions) {
        let now = tree.source(&allowance.path).map_or(0, |source| size_of(source, &allowance.name));
        if now == 0 || now >= allowance.lines {
            continue;
        }
        let path = format!("path = \"{}\"", allowance.path);
        let name = format!("name = \"{}\"", allowance.name);
        let entry =
            |line: &&mut String| line.contains(&path) && (allowance.name.is_empty() || line.contains(&name));
        if let Some(line) = lines.iter_mut().find(entry) {
            *line = line.replace(&format!("lines = {}", allowance.lines), &format!("lines = {now}"));
        }
    }
    lines.join("\n") + "\n"
}

fn size_of(source: &Source, function: &str) -> usize {
    if function.is_empty() {
        return source.text.lines().count();
    }
    source.functions().into_iter().find(|found| found.name == function).map_or(0, |found| found.lines)
}

/// Sources that the limits are for.
fn measured<'a>(tree: &'a Tree, settings: &Settings) -> Vec<(&'a str, &'a Source)> {
    let exempt = |path: &str| settings.tables.iter().any(|table| table.covers(path));
    tree.rust().filter(|(path, source)| !source.is_all_test() && !exempt(path)).collect()
}

fn allowed<'a>(settings: &'a Settings, path: &str, name: &str) -> Option<&'a Allowance> {
    settings.functions.iter().find(|allowance| allowance.path == path && allowance.name == name)
}

fn judge(lines: usize, max: usize, allowance: Option<usize>) -> Option<String> {
    match allowance {
        None if lines > max => {
            Some(format!("split it (the limit is {max}), or record it in xtask/tidy.toml with a reason"))
        }
        Some(allowed) if lines > allowed => Some(format!("it may only shrink, and had {allowed}")),
        Some(_) if lines <= max => Some("it fits now: remove its entry from xtask/tidy.toml".to_string()),
        Some(allowed) if lines < allowed => {
            Some(format!("it has shrunk from {allowed}: `cargo xtask tidy --shrink` records it"))
        }
        _ => None,
    }
}

/// Whether the function is one `match` with short arms and little around it.
fn is_flat_match(source: &Source, function: &Function) -> bool {
    let code = source.code.as_str();
    let lines = |from: usize, to: usize| code[from..to].matches('\n').count() + 1;
    let blocks = child_blocks(code, function.body.start, function.body.end);
    let Some((open, close)) = blocks.into_iter().max_by_key(|(open, close)| close - open) else {
        return false;
    };
    let statement = code[function.body.start..open].rsplit([';', '}']).next().unwrap_or_default();
    let arms = child_blocks(code, open, close);
    statement.contains("match ")
        && function.lines.saturating_sub(lines(open, close)) <= FLAT_REST_LINES_MAX
        && arms.into_iter().all(|(from, to)| lines(from, to) <= FLAT_ARM_LINES_MAX)
}

/// The blocks directly inside the block between two bytes.
fn child_blocks(code: &str, open: usize, end: usize) -> Vec<(usize, usize)> {
    let mut blocks = Vec::new();
    let mut at = open + 1;
    while let Some(offset) = code[at..end].find('{') {
        let start = at + offset;
        let Some(close) = closing(code, start) else { break };
        blocks.push((start, close));
        at = close;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::parse(text).expect("well formed")
    }

    fn file_of(lines: usize) -> String {
        "//\n".repeat(lines)
    }

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "x();\n".repeat(lines - 2))
    }

    #[test]
    fn long_files_are_split_or_recorded() {
        let text = file_of(601);
        let tree = Tree::of(&[("a.rs", &text), ("b.rs", &file_of(600)), ("tests/c.rs", &text)]);
        let found = files(&tree, &Settings::default());
        assert_eq!(found.len(), 1);
        assert!(found[0].path == "a.rs" && found[0].text.contains("601 lines"), "{found:?}");
        assert!(
            files(&tree, &settings("files = [{ path = \"a.rs\", lines = 601, reason = \"r\" }]")).is_empty()
        );
        assert!(files(&tree, &settings("tables = [{ path = \"a.rs\", reason = \"r\" }]")).is_empty());
    }

    #[test]
    fn recorded_files_only_shrink() {
        let entry = settings("files = [{ path = \"a.rs\", lines = 700, reason = \"r\" }]");
        for (lines, expected) in [(701, "may only shrink"), (650, "--shrink"), (600, "remove its entry")] {
            let found = files(&Tree::of(&[("a.rs", &file_of(lines))]), &entry);
            assert!(found[0].text.contains(expected), "{lines}: {found:?}");
        }
        assert!(files(&Tree::of(&[("a.rs", &file_of(700))]), &entry).is_empty());
    }

    #[test]
    fn long_functions_are_noticed_outside_tests() {
        let text = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", function_of(71), function_of(99));
        let found = functions(&Tree::of(&[("a.rs", &text)]), &Settings::default());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].text.contains("`long` has 71 lines"), "{found:?}");
        assert!(functions(&Tree::of(&[("a.rs", &function_of(70))]), &Settings::default()).is_empty());
    }

    #[test]
    fn recorded_functions_only_shrink_and_vanish_with_their_entry() {
        let entry =
            settings("functions = [{ path = \"a.rs\", name = \"long\", lines = 80, reason = \"r\" }]");
        assert!(functions(&Tree::of(&[("a.rs", &function_of(80))]), &entry).is_empty());
        assert_eq!(functions(&Tree::of(&[("a.rs", &function_of(81))]), &entry).len(), 1);
        assert_eq!(functions(&Tree::of(&[("a.rs", "fn f() {}\n")]), &entry).len(), 1);
    }

    #[test]
    fn a_flat_match_may_be_long_and_a_nested_one_may_not() {
        let flat =
            format!("fn f() {{\nlet x = {{ 1 }};\nmatch x {{\n{}}}\n}}\n", "A => {\nx\n}\n".repeat(40));
        assert!(functions(&Tree::of(&[("a.rs", &flat)]), &Settings::default()).is_empty());
        let nested = format!("fn f() {{\nmatch x {{\nA => {{\n{}}}\n}}\n}}\n", "x;\n".repeat(80));
        assert_eq!(functions(&Tree::of(&[("a.rs", &nested)]), &Settings::default()).len(), 1);
        let other = format!("fn f() {{\nloop {{\n{}}}\n}}\n", "{\nx\n}\n".repeat(40));
        assert_eq!(functions(&Tree::of(&[("a.rs", &other)]), &Settings::default()).len(), 1);
    }

    #[test]
    fn shrinking_lowers_and_never_raises() {
        let text = "files = [\n  { path = \"a.rs\", lines = 700, reason = \"r\" },\n  \
                    { path = \"b.rs\", lines = 700, reason = \"r\" },\n]\n";
        let tree = Tree::of(&[("a.rs", &file_of(650)), ("b.rs", &file_of(750))]);
        let shrunk = shrink(text, &tree, &settings(text));
        assert_eq!(shrunk, text.replacen("700", "650", 1));
    }
}
