//! The body of a CONNECT packet, twice. The first byte chooses the broker's rules and its gate.
//!
//! Who is refused has no session and no connection; who is let in has one of each, is told the truth about the
//! session that is there, and leaves nothing behind.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_broker::{Answer, Gate, ListenerSettings, Settings};
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::{Connack, Connect};
use pondhawk_codec::{Frame, Packet, PacketType, Property, Version, reason, varint};
use pondhawk_fuzz::lone::Lone;

const STRICT: u8 = 1;
const NAMED: u8 = 2;
const ASK: u8 = 4;
const REFUSE: u8 = 8;
const CAPPED: u8 = 16;
const PERSISTENT: u8 = 32;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let mut bytes = vec![PacketType::Connect.first_byte()];
    varint::write(body.len(), &mut bytes);
    bytes.extend_from_slice(body);
    let connect = match frame::next(&bytes, usize::MAX) {
        Ok(Step::Frame(frame)) => Connect::decode(&frame).ok(),
        other => panic!("{other:?}"),
    };

    let mut lone = Lone::new(settings(*choice));
    lone.world.borrow_mut().gate = match choice & (ASK | REFUSE) {
        0 => Gate::Accept,
        REFUSE => Gate::Refuse(reason::BAD_USERNAME_OR_PASSWORD),
        _ => Gate::Ask,
    };
    if choice & REFUSE != 0 {
        lone.answer = Answer::Refuse(reason::NOT_AUTHORIZED);
    }
    let first = greet(&mut lone, &bytes, connect.as_ref());
    let second = greet(&mut lone, &bytes, connect.as_ref());
    if let (Some(connect), Some(before), Some(present)) = (&connect, first, second) {
        assert!(!before, "nobody was here before");
        let named = choice & NAMED != 0;
        let id = if named { connect.username.unwrap_or_default() } else { connect.client_id };
        // MQTT 3.1 has no flag to say so. [MQTT-3.2.2-2]
        let tells = connect.version != Version::V31;
        let known = tells && !id.is_empty() && !connect.clean_start && outlives(connect);
        assert_eq!(present, known, "{connect:?}");
    }
    lone.assert_left_nothing();
});

fn settings(choice: u8) -> Settings {
    let strict = choice & STRICT != 0;
    let mut settings = Settings {
        persistent: choice & PERSISTENT != 0,
        persistent_client_expiration_s: Some(60),
        ..Settings::default()
    };
    if choice & CAPPED != 0 {
        settings.max_keepalive_s = 10;
        settings.max_client_id_bytes = 4;
        settings.max_user_properties = 1;
        settings.client_id_prefix = Some("a".into());
    }
    settings.listeners = vec![ListenerSettings {
        versions: if strict { vec![Version::V5] } else { vec![Version::V31, Version::V311, Version::V5] },
        use_username_as_client_id: choice & NAMED != 0,
        allow_zero_length_client_id: !strict,
        ..ListenerSettings::default()
    }];
    settings
}

/// Connects, checks what the broker says and holds, and cuts the link. Tells whether a session was present; nothing
/// if the client was not let in.
fn greet(lone: &mut Lone, bytes: &[u8], connect: Option<&Connect<'_>>) -> Option<bool> {
    let sessions = lone.shard.counters().sessions;
    let client = lone.open(0);
    lone.send(client, bytes);
    let (output, open) = (lone.wire(client).output.clone(), lone.wire(client).open);
    let present = match sole_frame(&output) {
        None => None,
        Some(frame) => said(&frame, connect),
    };
    let counters = lone.shard.counters();
    assert_eq!(counters.connected, u64::from(present.is_some()), "{output:02x?}");
    assert_eq!(open, present.is_some(), "{output:02x?}");
    if present.is_none() {
        assert_eq!(counters.sessions, sessions, "a refused client changes no session");
    }
    lone.cut(client);
    present
}

/// CONNACK alone, or nothing at all. [MQTT-3.2.0-1] [MQTT-3.2.0-2]
fn sole_frame(output: &[u8]) -> Option<Frame<'_>> {
    match frame::next(output, usize::MAX) {
        Ok(Step::Need(_)) if output.is_empty() => None,
        Ok(Step::Frame(frame)) if frame.len == output.len() => Some(frame),
        other => panic!("{other:?} {output:02x?}"),
    }
}

fn said(frame: &Frame<'_>, connect: Option<&Connect<'_>>) -> Option<bool> {
    assert_eq!(frame.packet_type, PacketType::Connack);
    let versions = match connect {
        Some(connect) => vec![connect.version],
        // The version is a guess of the broker's then; 3.1 and 3.1.1 answer alike.
        None => vec![Version::V311, Version::V5],
    };
    let mut read = versions.iter().filter_map(|version| connack(frame, *version));
    let connack = read.next().expect("a CONNACK of the client's version");
    if connack.code != reason::SUCCESS {
        // [MQTT-3.2.2-4]
        assert!(!connack.session_present);
        return None;
    }
    assert!(connect.is_some(), "nobody gets in whose CONNECT is not understood");
    Some(connack.session_present)
}

fn connack<'a>(frame: &Frame<'a>, version: Version) -> Option<Connack<'a>> {
    match Packet::decode(frame, version) {
        Ok(Packet::Connack(connack)) => Some(connack),
        _ => None,
    }
}

/// True if the session is there after the link broke.
fn outlives(connect: &Connect<'_>) -> bool {
    let expiry = connect.properties.find(|property| match property {
        Property::SessionExpiryInterval(seconds) => Some(seconds),
        _ => None,
    });
    match connect.version {
        Version::V5 => expiry.is_some_and(|seconds| seconds > 0),
        _ => !connect.clean_start,
    }
}
