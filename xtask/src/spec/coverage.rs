//! What is missing for a statement: code that upholds it, or a test that proves it.

use super::citation::{Citation, Face, Role};
use super::statement::{Party, Statement};

/// What `cited` (the citations of this statement) lacks, in words; nothing for an exception.
pub fn missing(statement: &Statement, cited: &[&Citation]) -> Vec<String> {
    if statement.exception.is_some() {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for face in faces(statement.binds) {
        for (role, what) in [(Role::Code, "code"), (Role::Proof, "test")] {
            let has = |one: &&Citation| one.role == role && fulfils(one.face(), face);
            if !cited.iter().any(has) {
                missing.push(format!("{what} of the {}", name(face)));
            }
        }
    }
    missing
}

/// The faces that a duty of `party` needs. A duty of both is shown for both: a codec that both stand on is enough.
fn faces(party: Party) -> impl Iterator<Item = Face> {
    let server = (party != Party::Client).then_some(Face::Server);
    let client = (party != Party::Server).then_some(Face::Client);
    server.into_iter().chain(client)
}

fn fulfils(place: Face, wanted: Face) -> bool {
    place == wanted || place == Face::Shared
}

fn name(face: Face) -> &'static str {
    match face {
        Face::Server => "server",
        Face::Client => "client",
        Face::Shared => "codec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(binds: Party, exception: Option<&str>) -> Statement {
        let exception = exception.map(str::to_string);
        Statement { id: "MQTT-1.1-1".into(), section: "1.1".into(), binds, says: "x".into(), exception }
    }

    fn cited(places: &[(Role, &str)]) -> Vec<Citation> {
        let citation = |(role, path): &(Role, &str)| Citation {
            id: "MQTT-1.1-1".into(),
            role: *role,
            path: path.to_string(),
            item: None,
            line: 1,
        };
        places.iter().map(citation).collect()
    }

    fn lacks(binds: Party, places: &[(Role, &str)]) -> Vec<String> {
        missing(&statement(binds, None), &cited(places).iter().collect::<Vec<_>>())
    }

    #[test]
    fn code_and_test_are_both_needed() {
        assert_eq!(lacks(Party::Server, &[]), ["code of the server", "test of the server"]);
        assert_eq!(lacks(Party::Server, &[(Role::Code, "crates/broker/src/a.rs")]), ["test of the server"]);
        let both = [(Role::Code, "crates/broker/src/a.rs"), (Role::Proof, "crates/broker/tests/a.rs")];
        assert!(lacks(Party::Server, &both).is_empty());
        assert_eq!(lacks(Party::Server, &[(Role::Mention, "docs/a.md")]).len(), 2);
    }

    #[test]
    fn the_servers_code_does_not_do_the_clients_duty() {
        let server = [(Role::Code, "crates/broker/src/a.rs"), (Role::Proof, "crates/broker/tests/a.rs")];
        assert_eq!(lacks(Party::Client, &server).len(), 2);
        assert_eq!(lacks(Party::Both, &server), ["code of the client", "test of the client"]);
        let codec = [(Role::Code, "crates/codec/src/a.rs"), (Role::Proof, "crates/codec/src/a.rs")];
        assert!(lacks(Party::Both, &codec).is_empty());
    }

    #[test]
    fn an_exception_lacks_nothing() {
        assert!(missing(&statement(Party::Both, Some("no bridges")), &[]).is_empty());
    }
}
