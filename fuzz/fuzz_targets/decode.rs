//! What the network sends: a stream of frames, read in each version of MQTT.
//!
//! Nothing may panic, and what decodes encodes to a packet that is equal, in the same bytes
//! save for defaults that need not be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::{Connect, ConnectRefused};
use pondhawk_codec::{Frame, Packet, PacketType, Version};

/// Larger frames than this are refused, as a broker with a limit does.
const FRAME_BYTES_MAX: usize = 2_000_000;

fuzz_target!(|data: &[u8]| {
    for version in [Version::V31, Version::V311, Version::V5] {
        stream(data, version);
    }
});

fn stream(mut bytes: &[u8], mut version: Version) {
    loop {
        let frame = match frame::next(bytes, FRAME_BYTES_MAX) {
            Ok(Step::Frame(frame)) => frame,
            Ok(Step::Need(len)) => return assert!(len > bytes.len(), "{len} {bytes:02x?}"),
            Err(malformed) => return assert!(malformed.offset <= bytes.len(), "{malformed:?}"),
        };
        assert_eq!(&bytes[frame.len - frame.body.len()..frame.len], frame.body);
        if frame.packet_type == PacketType::Connect {
            // As on a connection: CONNECT says how everything behind it is read.
            version = connect(&frame).unwrap_or(version);
        } else {
            packet(&frame, version);
        }
        bytes = &bytes[frame.len..];
    }
}

fn connect(frame: &Frame<'_>) -> Option<Version> {
    let packet = match Connect::decode(frame) {
        Ok(packet) => packet,
        Err(refused) => {
            if let ConnectRefused::Malformed(_, malformed) = refused {
                assert!(malformed.offset <= frame.body.len(), "{malformed:?}");
            }
            return None;
        }
    };
    let mut bytes = Vec::new();
    packet.encode(&mut bytes).expect("what was decoded fits");
    let again = sole_frame(&bytes);
    assert_eq!(again.body, frame.body);
    assert_eq!(Connect::decode(&again).expect("encoded bytes are valid"), packet);
    Some(packet.version)
}

fn packet(frame: &Frame<'_>, version: Version) {
    let packet = match Packet::decode(frame, version) {
        Ok(packet) => packet,
        Err(malformed) => return assert!(malformed.offset <= frame.body.len(), "{malformed:?}"),
    };
    assert_eq!(packet.packet_type(), frame.packet_type);
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).expect("what was decoded fits");
    let again = sole_frame(&bytes);
    assert_eq!(Packet::decode(&again, version).expect("encoded bytes are valid"), packet);
    if may_be_shortened(frame.packet_type) {
        assert!(frame.body.starts_with(again.body), "only defaults at the end may be left out");
    } else {
        assert_eq!((again.flags, again.body), (flags_as_written(frame, version), frame.body));
    }
}

/// MQTT 3.1 lets SUBSCRIBE and UNSUBSCRIBE say that they are repeated, which later versions do not and we do not.
fn flags_as_written(frame: &Frame<'_>, version: Version) -> u8 {
    const DUP: u8 = 0b1000;
    let may_repeat = matches!(frame.packet_type, PacketType::Subscribe | PacketType::Unsubscribe);
    if version == Version::V31 && may_repeat { frame.flags & !DUP } else { frame.flags }
}

/// MQTT 5.0 lets these end before a reason code of zero and empty properties; we always write the short form.
fn may_be_shortened(packet_type: PacketType) -> bool {
    use PacketType::{Auth, Disconnect, Puback, Pubcomp, Pubrec, Pubrel};
    matches!(packet_type, Puback | Pubrec | Pubrel | Pubcomp | Disconnect | Auth)
}

fn sole_frame(bytes: &[u8]) -> Frame<'_> {
    match frame::next(bytes, FRAME_BYTES_MAX) {
        Ok(Step::Frame(frame)) if frame.minimal && frame.len == bytes.len() => frame,
        other => panic!("encoded bytes are no frame: {other:?} {bytes:02x?}"),
    }
}
