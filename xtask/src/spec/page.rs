//! `docs/conformance.md`: every statement, the code that upholds it and the tests that prove it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;

use crate::tidy::Tree;

use super::citation::{self, Citation, Role};
use super::coverage;
use super::statement::{self, Party, SOURCES, Standard, Statement};

/// All citations of each id.
type Cited<'a> = BTreeMap<&'a str, Vec<&'a Citation>>;

const HEAD: &str = "\
# Conformance

<!-- Made by `cargo xtask spec` from spec/*.toml and the citations in the code. Do not edit. -->

Every normative statement of the standards in our words, the code that upholds it and the tests that prove it. Ids of MQTT 5.0
are written `MQTT-…`, those of 3.1.1 `MQTT3-…`.
`cargo xtask tidy` fails when a statement for the server, or for our client and tools, has no code or no test.
";

/// The page as it should be.
pub fn write(tree: &Tree) -> Result<String> {
    let standards = statement::all(tree)?;
    let citations = citation::all(tree);
    let mut cited = Cited::new();
    for citation in &citations {
        cited.entry(&citation.id).or_default().push(citation);
    }
    let mut page = HEAD.to_string();
    page.push_str("\n| | statements | server | client | both | code and tests | exceptions | open |\n");
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    for (source, standard) in SOURCES.iter().zip(&standards) {
        let _ = writeln!(
            page,
            "| [MQTT {0}](#mqtt-{1}) | {2} |",
            source.version,
            source.version.replace('.', ""),
            counts(standard, &cited)
        );
    }
    for (source, standard) in SOURCES.iter().zip(&standards) {
        let _ = writeln!(page, "\n## MQTT {}", source.version);
        for (number, title) in &standard.sections {
            let _ = writeln!(page, "\n### {number} {title}\n");
            page.push_str("| id | binds | statement | code | tests |\n|---|---|---|---|---|\n");
            for statement in standard.statements.iter().filter(|statement| statement.section == *number) {
                page.push_str(&row(statement, of(&cited, statement)));
            }
        }
    }
    Ok(page)
}

/// How much is shown, in one line.
pub fn summary(tree: &Tree) -> Result<String> {
    let standards = statement::all(tree)?;
    let statements = || standards.iter().flat_map(|standard| &standard.statements);
    let exceptions = statements().filter(|statement| statement.exception.is_some()).count();
    Ok(format!(
        "{} statements have code and tests, {exceptions} are excepted",
        statements().count() - exceptions
    ))
}

/// The figures of one version, as cells.
fn counts(standard: &Standard, cited: &Cited) -> String {
    let statements = &standard.statements;
    let binding = |party| statements.iter().filter(|statement| statement.binds == party).count();
    let exceptions = statements.iter().filter(|statement| statement.exception.is_some()).count();
    let open = statements.iter().filter(|one| !coverage::missing(one, of(cited, one)).is_empty()).count();
    let [server, client, both] = [Party::Server, Party::Client, Party::Both].map(binding);
    let shown = statements.len() - exceptions - open;
    format!("{} | {server} | {client} | {both} | {shown} | {exceptions} | {open}", statements.len())
}

fn of<'a, 'c>(cited: &'c Cited<'a>, statement: &Statement) -> &'c [&'a Citation] {
    cited.get(statement.id.as_str()).map_or(&[], Vec::as_slice)
}

fn row(statement: &Statement, cited: &[&Citation]) -> String {
    let says = match &statement.exception {
        Some(reason) => format!("{} **Exception:** {reason}", statement.says),
        None => statement.says.clone(),
    };
    format!(
        "| {} | {} | {} | {} | {} |\n",
        statement.id,
        statement.binds.name(),
        says.replace('|', "\\|"),
        links(cited, Role::Code),
        links(cited, Role::Proof),
    )
}

/// Links to the files, each place once. No counts: they would change with every vector.
fn links(cited: &[&Citation], role: Role) -> String {
    let of_role = cited.iter().filter(|one| one.role == role);
    let places: BTreeSet<_> = of_role.map(|one| (one.path.as_str(), one.item.as_deref())).collect();
    let link = |(path, item): &(&str, Option<&str>)| {
        let name = short(path);
        let text = match item {
            Some(item) => format!("{name}: `{item}`"),
            None => name,
        };
        format!("[{text}](../{path})")
    };
    places.iter().map(link).collect::<Vec<_>>().join("<br>")
}

/// `crates/codec/src/packet/ack.rs` is `codec/packet/ack`.
fn short(path: &str) -> String {
    let path = path.strip_prefix("crates/").unwrap_or(path);
    path.replacen("/src/", "/", 1).trim_end_matches(".rs").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: &str = "[sections]\n\"3.1\" = \"CONNECT\"\n[statements]\n\
        \"MQTT-3.1-1\" = { section = \"3.1\", binds = \"server\", status = \"upheld\", says = \"a|b\" }\n\
        \"MQTT-3.1-2\" = { section = \"3.1\", binds = \"client\", status = \"upheld\", says = \"c\" }\n";
    const THREE: &str = "[sections]\n\"7.0\" = \"x\"\n[statements]\n\
        \"MQTT3-7.0-1\" = { section = \"7.0\", binds = \"both\", status = \"excepted\", says = \"d\", exception = \"e\" }\n";

    #[test]
    fn the_page_has_counts_links_and_exceptions() {
        let tree = Tree::of(&[
            ("spec/mqtt5.toml", FIVE),
            ("spec/mqtt311.toml", THREE),
            ("crates/broker/src/a.rs", "// [MQTT-3.1-1]\nfn f() {}\n"),
            ("crates/conform/vectors/v.toml", "rules = [\"MQTT-3.1-1\"]\nrules = [\"MQTT-3.1-1\"]\n"),
        ]);
        let page = write(&tree).expect("well formed");
        for expected in [
            "| [MQTT 5.0](#mqtt-50) | 2 | 1 | 1 | 0 | 1 | 0 | 1 |\n",
            "| [MQTT 3.1.1](#mqtt-311) | 1 | 0 | 0 | 1 | 0 | 1 | 0 |\n",
            "### 3.1 CONNECT\n",
            "| MQTT-3.1-1 | server | a\\|b | [broker/a: `f`](../crates/broker/src/a.rs) | \
             [conform/vectors/v.toml](../crates/conform/vectors/v.toml) |\n",
            "| MQTT-3.1-2 | client | c |  |  |\n",
            "| MQTT3-7.0-1 | both | d **Exception:** e |  |  |\n",
        ] {
            assert!(page.contains(expected), "{expected}\nis not in\n{page}");
        }
    }

    #[test]
    fn an_edit_that_moves_lines_does_not_change_the_page() {
        let page = |code: &str| {
            let files =
                [("spec/mqtt5.toml", FIVE), ("spec/mqtt311.toml", THREE), ("crates/broker/src/a.rs", code)];
            write(&Tree::of(&files)).expect("well formed")
        };
        assert_eq!(page("// [MQTT-3.1-1]\nfn f() {}\n"), page("\n\nfn f() {\n    // MQTT-3.1-1\n}\n"));
    }
}
