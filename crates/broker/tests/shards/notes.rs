//! What the log is told: every packet that comes and goes, and who it was.

use crate::net::Net;
use crate::wire::{msg, v5, v311};
use pondhawk_broker::{NoteKind, Settings};
use pondhawk_codec::PacketType::{Puback, Pubcomp, Pubrec};
use pondhawk_codec::Version;

/// The notes about a client since the last look, each as its kind, its direction and its name.
fn notes(net: &Net, client: &str) -> Vec<String> {
    let about = format!("client: {client:?}");
    let mut notes = std::mem::take(&mut net.world.borrow_mut().notes);
    notes.retain(|note| note.contains(&about));
    notes.iter().map(|note| brief(note)).collect()
}

fn brief(note: &str) -> String {
    let kind = note.split(' ').next().unwrap_or_default();
    let value = |field: &str| {
        let (_, rest) = note.split_once(&format!(" {field}: "))?;
        rest.split([',', ' ']).next().map(|value| value.trim_matches('"').to_owned())
    };
    let direction = match value("sent").as_deref() {
        Some("true") => " sent",
        Some(_) => " received",
        None => "",
    };
    format!("{kind}{direction} {}", value("name").unwrap_or_default()).trim_end().to_owned()
}

fn noted() -> Net {
    let net = Net::new(1, 1, Settings::default());
    net.world.borrow_mut().wants_notes = true;
    net
}

#[test]
fn connecting_subscribing_and_leaving() {
    let mut net = noted();
    let client = net.join(&v5("a"));
    assert_eq!(notes(&net, "a"), ["Connected", "Connack"]);
    net.subscribe(client, &[("t", 1), ("u", 0)]);
    let asked = ["Packet received SUBSCRIBE", "SubscribeFilter", "SubscribeFilter", "Packet sent SUBACK"];
    assert_eq!(notes(&net, "a"), asked);
    net.unsubscribe(client, "t");
    let unasked = ["Packet received UNSUBSCRIBE", "UnsubscribeFilter", "Packet sent UNSUBACK"];
    assert_eq!(notes(&net, "a"), unasked);
    net.send(client, &[0xc0, 0]);
    assert_eq!(notes(&net, "a"), ["Packet received PINGREQ", "Packet sent PINGRESP"]);
    net.leave(client);
    assert_eq!(notes(&net, "a"), ["Packet received DISCONNECT", "Ended"]);
}

#[test]
fn messages_and_their_acknowledgements() {
    let mut net = noted();
    let to = net.join(&v5("to").silent());
    net.subscribe(to, &[("t", 2)]);
    let from = net.join(&v5("from").silent());
    notes(&net, "");
    net.publish(from, &msg("t", "zero"));
    assert_eq!(notes(&net, "from"), ["Publish received"]);
    net.publish(from, &msg("t", "one").acked(1, 1));
    assert_eq!(notes(&net, "from"), ["Publish received", "Ack sent PUBACK"]);
    net.publish(from, &msg("t", "two").acked(2, 2));
    assert_eq!(notes(&net, "from"), ["Publish received", "Ack sent PUBREC"]);
    net.ack(from, pondhawk_codec::PacketType::Pubrel, 2);
    assert_eq!(notes(&net, "to"), ["Publish sent"]);
    net.ack(to, Puback, 1);
    assert_eq!(notes(&net, "to"), ["Ack received PUBACK"]);
    net.ack(to, Pubrec, 2);
    assert_eq!(notes(&net, "to"), ["Ack received PUBREC", "Ack sent PUBREL"]);
    net.ack(to, Pubcomp, 2);
    assert_eq!(notes(&net, "to"), ["Ack received PUBCOMP"]);
}

#[test]
fn who_is_turned_away_and_what_is_denied() {
    let mut settings = Settings::default();
    settings.listeners[0].versions = vec![Version::V5];
    let mut net = Net::new(1, 1, settings);
    net.world.borrow_mut().wants_notes = true;
    net.world.borrow_mut().deny("a", crate::host::Right::Publish, "t");
    net.greet(&v311("old"));
    assert_eq!(notes(&net, "old"), ["Refused"]);
    let client = net.join(&v5("a"));
    net.publish(client, &msg("t", "denied"));
    let notes = net.world.borrow().notes.clone();
    assert!(
        notes.iter().any(|note| note.starts_with("Publish") && note.contains("denied: true")),
        "{notes:?}"
    );
    net.publish(client, &msg("u", "allowed"));
    let notes = net.world.borrow().notes.clone();
    assert!(
        notes.iter().any(|note| note.starts_with("Publish") && note.contains("denied: false")),
        "{notes:?}"
    );
}

#[test]
fn who_wants_subscriptions_or_everything_is_told_of_them() {
    for (kind, told) in [(NoteKind::Subscribe, 1), (NoteKind::Debug, 1), (NoteKind::Notice, 0)] {
        let mut net = noted();
        net.world.borrow_mut().only = Some(kind);
        let client = net.join(&v5("a"));
        net.subscribe(client, &[("t", 1)]);
        let notes = notes(&net, "a");
        assert_eq!(
            notes.iter().filter(|note| *note == "SubscribeFilter").count(),
            told,
            "{kind:?}: {notes:?}"
        );
    }
}

#[test]
fn a_log_that_wants_nothing_is_told_nothing() {
    let mut net = Net::new(1, 1, Settings::default());
    let client = net.join(&v5("a"));
    net.subscribe(client, &[("t", 1)]);
    net.publish(client, &msg("t", "x").acked(1, 1));
    net.leave(client);
    assert!(net.world.borrow().notes.is_empty());
}
