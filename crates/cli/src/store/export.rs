//! Everything in a store as JSON lines, for other programs. Times are milliseconds since 1970, `null` for never.

use super::DAMAGED;
use super::report::lost_lines;
use crate::format::properties_json;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pondhawk_codec::property::Place;
use pondhawk_codec::{PacketType, Properties};
use pondhawk_session::server::{Message, Millis, Source};
use pondhawk_store::disk::Checked;
use serde_json::{Value, json};
use std::io::{self, BufWriter, Write};

/// The bits of a subscription's options.
const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;
const QOS: u8 = 0x03;

/// Prints what can be believed, and names what cannot on stderr; returns the exit code.
pub(super) fn export(checked: &Checked) -> i32 {
    let mut out = BufWriter::new(io::stdout().lock());
    // A reader that has gone away has seen enough.
    let _ = write_all(checked, &mut out).and_then(|()| out.flush());
    eprint!("{}", lost_lines(&checked.lost));
    if checked.lost.is_empty() { 0 } else { DAMAGED }
}

fn write_all(checked: &Checked, out: &mut impl Write) -> io::Result<()> {
    write_sessions(checked, out)?;
    for message in checked.restored.retained.values() {
        writeln!(out, "{}", json!({ "kind": "retained", "message": message_json(message) }))?;
    }
    for (client_id, restored) in &checked.restored.wills {
        let will = &restored.will;
        let object = json!({
            "kind": "will",
            "client_id": &**client_id,
            "due_ms": restored.due,
            "delay_s": will.delay_s,
            "expiry_s": will.expiry_s,
            "source": source_json(&restored.source),
            "message": {
                "topic": &*will.topic,
                "payload": payload(&will.payload),
                "qos": will.qos.as_u8(),
                "retain": will.retain,
                "properties": properties(&will.properties),
            },
        });
        writeln!(out, "{object}")?;
    }
    for release in checked.restored.under_way.values() {
        let places: Vec<_> = release.owed.iter().map(|place| format!("{place:?}")).collect();
        let message = message_json(&release.message);
        writeln!(out, "{}", json!({ "kind": "between_shards", "places": places, "message": message }))?;
    }
    Ok(())
}

fn write_sessions(checked: &Checked, out: &mut impl Write) -> io::Result<()> {
    for (client_id, session) in &checked.restored.sessions {
        let (client_id, kept) = (&**client_id, &session.kept);
        let object = json!({
            "kind": "session",
            "client_id": client_id,
            "username": kept.username.as_deref(),
            "unclaimed": kept.unclaimed,
            "listener": kept.listener,
            "connected": kept.ends_at.is_none(),
            "expiry_s": (kept.expiry_s != u32::MAX).then_some(kept.expiry_s),
            "ends_at_ms": kept.ends_at.and_then(moment),
        });
        writeln!(out, "{object}")?;
        for (filter, (options, id)) in &session.subscriptions {
            let object = json!({
                "kind": "subscription",
                "client_id": client_id,
                "filter": &**filter,
                "qos": options & QOS,
                "no_local": options & NO_LOCAL != 0,
                "retain_as_published": options & RETAIN_AS_PUBLISHED != 0,
                "id": (*id != 0).then_some(*id),
            });
            writeln!(out, "{object}")?;
        }
        for (seq, (message, delivery)) in &session.queue {
            let object = json!({
                "kind": "queued",
                "client_id": client_id,
                "number": seq.0,
                "packet_id": seq.packet_id(),
                "sent": *seq <= kept.sent,
                "qos": delivery.qos.as_u8(),
                "retain": delivery.retain,
                "subscription_ids": delivery.ids.as_slice(),
                // Without one, the client has it, and only PUBREL is owed.
                "message": message.as_deref().map(message_json),
            });
            writeln!(out, "{object}")?;
        }
        for (packet_id, message) in &session.inbox {
            let message = message_json(message);
            let object = json!({ "kind": "received", "client_id": client_id, "packet_id": packet_id, "message": message });
            writeln!(out, "{object}")?;
        }
    }
    Ok(())
}

fn moment(at: Millis) -> Option<Millis> {
    (at != Millis::MAX).then_some(at)
}

fn message_json(message: &Message) -> Value {
    let view = message.view();
    json!({
        "topic": view.topic,
        "payload": payload(view.payload),
        "qos": view.qos.as_u8(),
        "retain": view.retain,
        "expires_at_ms": moment(view.expires_at),
        "properties": properties(view.properties),
        "source": view.source.map(|source| source_json(source)),
    })
}

fn source_json(source: &Source) -> Value {
    json!({ "client_id": &*source.client_id, "username": source.username.as_deref(), "listener": source.listener })
}

/// Text as it is, other bytes in base64.
fn payload(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}

fn properties(block: &[u8]) -> Value {
    match Properties::check(block, Place::Packet(PacketType::Publish)) {
        Ok(properties) => Value::Object(properties_json(properties)),
        Err(_) => payload(block),
    }
}
