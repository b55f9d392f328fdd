//! Every third-party crate has a line in `docs/design/dependencies.md` that says why it is there.

use toml::{Table, Value};

use super::Problem;
use super::settings::Settings;
use super::tree::Tree;

const PAGE: &str = "docs/design/dependencies.md";
/// Where versions stand: the section, from the top of the file down.
const MANIFESTS: &[(&str, &[&str])] =
    &[("Cargo.toml", &["workspace", "dependencies"]), ("fuzz/Cargo.toml", &["dependencies"])];

/// No dependency without a reason, and no reason without a dependency.
pub fn explained(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let page = tree.text(PAGE).unwrap_or_default();
    let rows: Vec<(usize, &str)> =
        page.lines().enumerate().filter_map(|(index, line)| Some((index + 1, row(line)?))).collect();
    let mut problems = Vec::new();
    let mut known = Vec::new();
    for (path, section) in MANIFESTS {
        for name in tree.text(path).map(|text| third_party(text, section)).unwrap_or_default() {
            if !rows.iter().any(|(_, row)| *row == name) {
                problems.push(Problem::new(
                    path,
                    0,
                    format!("`{name}` has no line in {PAGE}: why it, what else was weighed"),
                ));
            }
            known.push(name);
        }
    }
    let stale = rows.iter().filter(|(_, row)| !known.iter().any(|name| name == row));
    problems.extend(
        stale.map(|(line, row)| Problem::new(PAGE, *line, format!("`{row}` is no dependency any more"))),
    );
    problems
}

/// The crate that a line of the table begins with.
fn row(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split('`').next()
}

fn third_party(manifest: &str, section: &[&str]) -> Vec<String> {
    let Ok(root) = manifest.parse::<Table>() else {
        return Vec::new();
    };
    let mut table = Some(&root);
    for name in section {
        table = table.and_then(|table| table.get(*name)).and_then(Value::as_table);
    }
    let ours = |value: &Value| value.get("path").is_some();
    table.into_iter().flatten().filter(|(_, value)| !ours(value)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str =
        "[workspace.dependencies]\nmio = \"1\"\npondhawk-net = { path = \"crates/net\" }\n";

    fn texts(files: &[(&str, &str)]) -> Vec<String> {
        explained(&Tree::of(files), &Settings::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dependency_with_a_line_passes() {
        assert!(texts(&[("Cargo.toml", MANIFEST), (PAGE, "| `mio` | polls | tokio |\n")]).is_empty());
    }

    #[test]
    fn a_dependency_without_a_line_does_not() {
        let found = texts(&[("Cargo.toml", MANIFEST)]);
        assert!(found.len() == 1 && found[0].contains("`mio` has no line"), "{found:?}");
        let fuzz = "[dependencies]\nlibfuzzer-sys = \"0.4\"\n";
        assert_eq!(texts(&[("fuzz/Cargo.toml", fuzz), (PAGE, "")]).len(), 1);
    }

    #[test]
    fn a_line_without_a_dependency_does_not() {
        let found = texts(&[("Cargo.toml", MANIFEST), (PAGE, "| `mio` | x |\n| `tokio` | y |\n")]);
        assert!(found.len() == 1 && found[0].contains("`tokio` is no dependency"), "{found:?}");
    }
}
