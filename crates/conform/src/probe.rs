//! What a broker offers, from its own CONNACKs: a vector about what it does not offer is skipped.

use crate::bytes::{Scope, parse};
use crate::packet::{decode, number};
use crate::peer::{Next, Peer};
use crate::play::Failure;
use crate::run::{Setup, version_name};
use crate::transport::{Link, Transport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;

/// What a broker offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// Protocol levels that it takes.
    pub versions: Vec<u8>,
    /// What it says it has not, and what a vector that needs it is told.
    pub lacks: BTreeMap<String, String>,
}

/// Property of CONNACK, the largest value that means "no", the need, and the words.
const NEEDS: [(u8, u64, &str, &str); 7] = [
    (0x24, 0, "qos1", "it says Maximum QoS 0"),
    (0x24, 1, "qos2", "it says Maximum QoS below 2"),
    (0x25, 0, "retain", "it says Retain Available 0"),
    (0x28, 0, "wildcard", "it says Wildcard Subscription Available 0"),
    (0x29, 0, "ids", "it says Subscription Identifiers Available 0"),
    (0x2A, 0, "shared", "it says Shared Subscription Available 0"),
    (0x13, 65_535, "keepalive", "it sets a Server Keep Alive"),
];

/// Asks a broker.
///
/// # Errors
/// It cannot be reached, or refuses the login on every version.
pub fn probe<T: Transport>(transport: &mut T, setup: &Setup) -> Result<Abilities, Failure> {
    let mut abilities = Abilities { versions: Vec::new(), lacks: BTreeMap::new() };
    let mut refusals = Vec::new();
    for version in [3, 4, 5] {
        let scope =
            Scope { version, prefix: setup.prefix.clone(), login: setup.login.clone(), ..Scope::default() };
        let hello = parse("connect(02 003C p() \"@probe\") E000", &scope).map_err(Failure::Mistake)?;
        let mut peer = Peer::new(transport.open().map_err(Failure::Unreachable)?, String::new());
        peer.link.send(&hello);
        match peer.hear() {
            Next::Frame(frame) if frame.first() == Some(&0x20) && frame.get(3) == Some(&0) => {
                abilities.versions.push(version);
                read_connack(&frame, version, &mut abilities);
            }
            Next::Frame(frame) => {
                refusals.push(format!("MQTT level {version}: {}", crate::dissect::describe(&frame)))
            }
            Next::Closed(_) => refusals.push(format!("MQTT level {version}: the connection is closed")),
            Next::Silence(_) | Next::Noise(_) | Next::Alive => {
                refusals.push(format!("MQTT level {version}: no CONNACK"))
            }
        }
    }
    for version in [3, 4].into_iter().filter(|version| !abilities.versions.contains(version)) {
        let why = format!("it does not take MQTT {}", version_name(version));
        abilities.lacks.insert(version_name(version).to_owned(), why);
    }
    if setup.login.is_some() || !lets_anybody_in(transport, setup, &abilities)? {
        let why = "it does not take every user name, or was asked with one";
        abilities.lacks.insert("any-login".to_owned(), why.to_owned());
    }
    if abilities.versions.is_empty() {
        let error = io::Error::other(format!("it lets nobody in: {}", refusals.join("; ")));
        return Err(Failure::Unreachable(error));
    }
    Ok(abilities)
}

/// Whether a user that it cannot know gets in.
fn lets_anybody_in<T: Transport>(
    transport: &mut T,
    setup: &Setup,
    abilities: &Abilities,
) -> Result<bool, Failure> {
    let Some(&version) = abilities.versions.last() else { return Ok(false) };
    let scope = Scope { version, prefix: setup.prefix.clone(), ..Scope::default() };
    let text = "connect(C2 003C p() \"@probe\" \"@user\" \"@password\") E000";
    let hello = parse(text, &scope).map_err(Failure::Mistake)?;
    let mut peer = Peer::new(transport.open().map_err(Failure::Unreachable)?, String::new());
    peer.link.send(&hello);
    Ok(matches!(peer.hear(), Next::Frame(frame) if frame.get(3) == Some(&0)))
}

fn read_connack(frame: &[u8], version: u8, abilities: &mut Abilities) {
    let Ok(packet) = decode(frame, version) else { return };
    let value = |id: u8| number(&packet.properties, id);
    for (id, no, need, words) in NEEDS {
        if value(id).is_some_and(|value| value <= no) {
            abilities.lacks.insert(need.to_owned(), words.to_owned());
        }
    }
    if version == 5 && value(0x22).is_none_or(|max| max == 0) {
        abilities.lacks.insert("alias".to_owned(), "it takes no topic aliases".to_owned());
    }
}
