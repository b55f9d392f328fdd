//! Where the tree cites statements, and what such a place is: code, or a proof.

use crate::tidy::{Source, Tree};

use super::item::Items;

/// Code that exists to prove other code: what it cites is a proof, also outside of tests.
const PROVERS: &[&str] = &["crates/sim/", "fuzz/"];
/// Data that tests run through, besides what stands below a folder `tests`.
const DATA: &[&str] = &["crates/conform/vectors/", "fuzz/"];
/// What breaks statements to try the tests, and what only carries out the vectors: neither code nor proof.
const NEITHER: &[&str] = &["crates/plants/", "crates/conform/"];
/// What our client and our tools are made of.
const CLIENT: &[&str] = &[
    "crates/session/src/client/",
    "crates/cli/src/",
    "crates/cli/tests/tools/",
    "crates/net/src/ws/client.rs",
];
/// The server's half of what both stand on otherwise.
const SERVER: &[&str] = &["crates/net/src/ws/server.rs"];
/// What client and server both stand on.
const SHARED: &[&str] = &["crates/codec/", "crates/net/src/ws/", "fuzz/"];
/// Pages that speak of statements.
const PAGES: &[&str] = &["docs/", "README.md", "ARCHITECTURE.md", "DEVELOPERS.md", "CHANGELOG.md"];
/// This page is made of the citations, so it has none of its own.
pub const PAGE: &str = "docs/conformance.md";

/// What a citation is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The code that upholds the statement.
    Code,
    /// A test, or data of one, that fails without that code.
    Proof,
    /// Neither: a helper of tests, or a page.
    Mention,
}

/// Whose duty the code at a place can fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Server,
    Client,
    Shared,
}

/// One place that names a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Citation {
    /// The statement's id, or what looks like one.
    pub id: String,
    pub role: Role,
    pub path: String,
    /// The function, struct, variant … at which it stands.
    pub item: Option<String>,
    /// From one.
    pub line: usize,
}

impl Citation {
    /// Whose duty this place fulfils.
    pub fn face(&self) -> Face {
        let within = |folders| is_within(&self.path, folders);
        match () {
            () if within(CLIENT) => Face::Client,
            () if within(SERVER) => Face::Server,
            () if within(SHARED) => Face::Shared,
            () => Face::Server,
        }
    }
}

/// All citations, by id and place.
pub fn all(tree: &Tree) -> Vec<Citation> {
    let mut citations = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| is_read(path)) {
        let ids = ids(text);
        let rust = tree.source(path).filter(|_| !ids.is_empty()).map(|source| (source, Items::of(source)));
        for (line, id) in ids {
            let (role, item) = match &rust {
                Some((source, items)) if says(source, line, id) => of_rust(source, items, (path, line)),
                Some((_, items)) => (Role::Mention, items.at(line).name),
                None => (of_data(path), None),
            };
            citations.push(Citation { id: id.to_string(), role, path: path.to_string(), item, line });
        }
    }
    citations.sort();
    citations
}

fn is_read(path: &str) -> bool {
    path != PAGE && (["crates/", "fuzz/"].iter().chain(PAGES).any(|part| path.starts_with(part)))
}

/// Whether a comment of the line says it; in a literal it is no more than a text.
fn says(source: &Source, line: usize, id: &str) -> bool {
    source.comments.lines().nth(line - 1).is_some_and(|comment| comment.contains(id))
}

fn of_rust(source: &Source, items: &Items<'_>, (path, line): (&str, usize)) -> (Role, Option<String>) {
    let item = items.at(line);
    let role = match () {
        () if is_within(path, PROVERS) || item.is_test => Role::Proof,
        () if source.is_test(line) || is_within(path, NEITHER) => Role::Mention,
        () => Role::Code,
    };
    (role, item.name)
}

fn of_data(path: &str) -> Role {
    let is_test = is_within(path, DATA) || path.split('/').any(|part| part == "tests");
    if is_test && !path.ends_with(".md") { Role::Proof } else { Role::Mention }
}

fn is_within(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// Line and id of everything that looks like a citation: `MQTT`, perhaps a number, a dash, and a digit.
fn ids(text: &str) -> Vec<(usize, &str)> {
    let mut ids = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("MQTT") {
            let starts_a_word = line[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
            let len = line[at..].bytes().take_while(|byte| is_part(*byte)).count();
            let id = line[at..at + len].trim_end_matches(['.', '-']);
            let number = id["MQTT".len()..].trim_start_matches(|letter: char| letter.is_ascii_digit());
            let is_id =
                number.strip_prefix('-').is_some_and(|rest| rest.starts_with(|d: char| d.is_ascii_digit()));
            if starts_a_word && is_id {
                ids.push((index + 1, id));
            }
        }
    }
    ids
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(String, Role, Option<String>)> {
        all(&Tree::of(&[(path, text)])).into_iter().map(|one| (one.id, one.role, one.item)).collect()
    }

    #[test]
    fn whatever_looks_like_an_id_is_one() {
        let text =
            "[MQTT-3.1.2-1] [MQTT3-4.7.1-3], \"MQTT-1.5.5-1\"; MQTT-2.3.1.\nMQTT-5 MQTT5-1.1-1 XMQTT-1.1-1";
        let expected =
            ["MQTT-3.1.2-1", "MQTT3-4.7.1-3", "MQTT-1.5.5-1", "MQTT-2.3.1", "MQTT-5", "MQTT5-1.1-1"];
        let found: Vec<_> = ids(text).into_iter().map(|(_, id)| id).collect();
        assert_eq!(found, expected);
        assert!(ids("MQTT 5.0, MQTT-over-WebSocket, MQTTv5").is_empty());
    }

    #[test]
    fn code_and_proofs_are_told_apart() {
        let text = "// [MQTT-1.1-1]\nfn f() {}\n#[cfg(test)]\nmod tests {\n// [MQTT-1.1-2]\nfn help() {}\n\
                    // [MQTT-1.1-3]\n#[test]\nfn t() {}\n}\n";
        let expected = [
            ("MQTT-1.1-1".to_string(), Role::Code, Some("f".to_string())),
            ("MQTT-1.1-2".to_string(), Role::Mention, Some("help".to_string())),
            ("MQTT-1.1-3".to_string(), Role::Proof, Some("t".to_string())),
        ];
        assert_eq!(found("crates/broker/src/a.rs", text), expected);
    }

    #[test]
    fn data_of_tests_and_provers_prove() {
        let data = "rules = [\"MQTT-1.1-1\"]\n";
        for (path, role) in [
            ("crates/conform/vectors/connect.toml", Role::Proof),
            ("crates/cli/tests/attacks/cases/A01.toml", Role::Proof),
            ("crates/config/data.toml", Role::Mention),
            ("docs/compatibility.md", Role::Mention),
        ] {
            assert_eq!(found(path, data), [("MQTT-1.1-1".to_string(), role, None)], "{path}");
        }
        let role = |path: &str, text: &str| found(path, text)[0].1;
        assert_eq!(role("crates/sim/src/oracle.rs", "// MQTT-1.1-1\nfn f() {}\n"), Role::Proof);
        assert_eq!(role("crates/conform/src/run.rs", "// MQTT-1.1-1\nfn f() {}\n"), Role::Mention);
        let literal = "fn f() { g(\"MQTT-1.1-1\") }\n";
        assert_eq!(role("crates/broker/src/a.rs", literal), Role::Mention);
        let in_a_test = "#[test]\nfn t() { g(\"MQTT-1.1-1\") }\n";
        assert_eq!(role("crates/broker/src/a.rs", in_a_test), Role::Mention);
        assert_eq!(found("crates/plants/src/table.rs", "// MQTT-1.1-1\nfn f() {}\n")[0].1, Role::Mention);
        assert!(found(PAGE, data).is_empty());
        assert!(found("xtask/src/a.rs", data).is_empty());
    }

    #[test]
    fn faces_follow_folders() {
        let face = |path: &str| all(&Tree::of(&[(path, "// MQTT-1.1-1\n")]))[0].face();
        assert_eq!(face("crates/session/src/client/send.rs"), Face::Client);
        assert_eq!(face("crates/session/src/server/outbox.rs"), Face::Server);
        assert_eq!(face("crates/codec/src/frame.rs"), Face::Shared);
        assert_eq!(face("crates/net/src/ws/client.rs"), Face::Client);
        assert_eq!(face("crates/net/src/ws/server.rs"), Face::Server);
        assert_eq!(face("crates/net/src/ws/frame.rs"), Face::Shared);
        assert_eq!(face("crates/cli/tests/wire/will.rs"), Face::Server);
    }
}
