//! The statements of the standards, as `spec/*.toml` keeps them.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::tidy::Tree;

/// A version of the standard and the file of its statements.
pub struct Source {
    /// As people call it.
    pub version: &'static str,
    /// The file.
    pub path: &'static str,
    /// How its ids begin: those of two versions overlap otherwise.
    prefix: &'static str,
}

/// The versions, newest first.
pub const SOURCES: &[Source] = &[
    Source { version: "5.0", path: "spec/mqtt5.toml", prefix: "MQTT-" },
    Source { version: "3.1.1", path: "spec/mqtt311.toml", prefix: "MQTT3-" },
];

/// Who has a duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    Server,
    Client,
    Both,
}

impl Party {
    /// As the files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
        }
    }
}

/// One normative statement.
#[derive(Debug)]
pub struct Statement {
    /// As citations write it.
    pub id: String,
    /// The section's number, such as `3.1.2`.
    pub section: String,
    /// Who has the duty.
    pub binds: Party,
    /// Our paraphrase.
    pub says: String,
    /// Why it is not upheld; none for those that are.
    pub exception: Option<String>,
}

/// One version's statements, in the order of the standard.
#[derive(Debug)]
pub struct Standard {
    /// Number and title of each section that has statements.
    pub sections: Vec<(String, String)>,
    /// All statements.
    pub statements: Vec<Statement>,
}

/// All versions, in the order of [`SOURCES`].
pub fn all(tree: &Tree) -> Result<Vec<Standard>> {
    SOURCES.iter().map(|source| read(tree, source).with_context(|| source.path.to_string())).collect()
}

fn read(tree: &Tree, source: &Source) -> Result<Standard> {
    let text = tree.text(source.path).context("the file is missing")?;
    let table: Table = text.parse()?;
    let mut sections = Vec::new();
    for (number, title) in part(&table, "sections")? {
        sections.push((number.clone(), title.as_str().context("a section's title is text")?.to_string()));
    }
    let mut statements = Vec::new();
    for (id, entry) in part(&table, "statements")? {
        let statement = statement(id, entry, source.prefix).with_context(|| id.clone())?;
        if !sections.iter().any(|(number, _)| *number == statement.section) {
            bail!("{id}: section {} has no title", statement.section);
        }
        statements.push(statement);
    }
    sections.sort_by_key(|(number, _)| numbers(number));
    statements.sort_by_key(|statement| numbers(&statement.id[source.prefix.len()..]));
    Ok(Standard { sections, statements })
}

fn part<'a>(table: &'a Table, key: &str) -> Result<&'a Table> {
    table.get(key).and_then(Value::as_table).with_context(|| format!("`[{key}]` is missing"))
}

fn statement(id: &str, entry: &Value, prefix: &str) -> Result<Statement> {
    let field = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let needed = |key: &str| field(key).with_context(|| format!("`{key}` is missing"));
    let section = needed("section")?;
    let number = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(section)?.strip_prefix('-'));
    if number.is_none_or(|number| number.parse::<u32>().is_err()) {
        bail!("the id is not {prefix}{section}-NUMBER");
    }
    let exception = match (needed("status")?, field("exception")) {
        ("upheld", None) => None,
        ("excepted", Some(reason)) => Some(reason.to_string()),
        ("upheld", Some(_)) => bail!("an exception of a statement that is upheld"),
        ("excepted", None) => bail!("an exception needs its reason"),
        (other, _) => bail!("`{other}`: the status is `upheld` or `excepted`"),
    };
    let binds = match needed("binds")? {
        "server" => Party::Server,
        "client" => Party::Client,
        "both" => Party::Both,
        other => bail!("`{other}`: a statement binds `server`, `client` or `both`"),
    };
    let (id, section, says) = (id.to_string(), section.to_string(), needed("says")?.to_string());
    Ok(Statement { id, section, binds, says, exception })
}

/// What ids and sections are sorted by.
fn numbers(text: &str) -> Vec<u32> {
    text.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[sections]\n\"3.1\" = \"one\"\n[statements]\n";

    fn standard(lines: &str) -> Result<Standard> {
        read(&Tree::of(&[("spec/mqtt5.toml", &format!("{HEAD}{lines}"))]), &SOURCES[0])
    }

    #[test]
    fn statements_are_read_in_the_order_of_their_numbers() {
        let text =
            "\"MQTT-3.1-10\" = { section = \"3.1\", binds = \"server\", status = \"upheld\", says = \"b\" }
            \"MQTT-3.1-9\" = { section = \"3.1\", binds = \"both\", status = \"excepted\", says = \"a\", exception = \"r\" }\n";
        let standard = standard(text).expect("well formed");
        let ids: Vec<_> = standard.statements.iter().map(|statement| statement.id.as_str()).collect();
        assert_eq!(ids, ["MQTT-3.1-9", "MQTT-3.1-10"]);
        assert_eq!(standard.statements[0].exception.as_deref(), Some("r"));
        assert_eq!(standard.statements[1].binds, Party::Server);
    }

    #[test]
    fn mistakes_are_refused() {
        for bad in [
            "\"MQTT3-3.1-1\" = { section = \"3.1\", binds = \"both\", status = \"upheld\", says = \"a\" }",
            "\"MQTT-3.1-1\" = { section = \"3.2\", binds = \"both\", status = \"upheld\", says = \"a\" }",
            "\"MQTT-3.2-1\" = { section = \"3.2\", binds = \"both\", status = \"upheld\", says = \"a\" }",
            "\"MQTT-3.1-1\" = { section = \"3.1\", binds = \"all\", status = \"upheld\", says = \"a\" }",
            "\"MQTT-3.1-1\" = { section = \"3.1\", binds = \"both\", status = \"upheld\", says = \"\" }",
            "\"MQTT-3.1-1\" = { section = \"3.1\", binds = \"both\", status = \"excepted\", says = \"a\" }",
            "\"MQTT-3.1-1\" = { section = \"3.1\", binds = \"both\", status = \"upheld\", says = \"a\", exception = \"r\" }",
            "\"MQTT-3.1-1\" = { section = \"3.1\", binds = \"both\", status = \"later\", says = \"a\" }",
        ] {
            assert!(standard(bad).is_err(), "{bad}");
        }
        assert!(all(&Tree::of(&[])).is_err());
    }
}
