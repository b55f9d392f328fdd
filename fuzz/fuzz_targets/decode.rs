//! What the network sends: a stream of frames. The first byte chooses the version, the rest is the stream.
//!
//! Nothing may panic, and what decodes encodes to a packet that is equal, in the same bytes
//! save for defaults that need not be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondhawk_codec::frame::{self, Step};
use pondhawk_codec::packet::Connect;
use pondhawk_codec::{Frame, Packet, PacketType, Version};

/// Larger frames than this are refused, as a broker with a limit does.
const FRAME_BYTES_MAX: usize = 2_000_000;

fuzz_target!(|data: &[u8]| {
    let Some((choice, mut stream)) = data.split_first() else {
        return;
    };
    let mut version = [Version::V31, Version::V311, Version::V5][usize::from(*choice) % 3];
    while let Ok(Step::Frame(frame)) = frame::next(stream, FRAME_BYTES_MAX) {
        if frame.packet_type == PacketType::Connect {
            // As on a connection: CONNECT says how everything behind it is read.
            version = connect(&frame).unwrap_or(version);
        } else {
            packet(&frame, version);
        }
        stream = &stream[frame.len..];
    }
});

fn connect(frame: &Frame<'_>) -> Option<Version> {
    let packet = Connect::decode(frame).ok()?;
    let mut bytes = Vec::new();
    packet.encode(&mut bytes).expect("what was decoded fits");
    let again = sole_frame(&bytes);
    assert_eq!(again.body, frame.body);
    assert_eq!(Connect::decode(&again).expect("encoded bytes are valid"), packet);
    Some(packet.version)
}

fn packet(frame: &Frame<'_>, version: Version) {
    let Ok(packet) = Packet::decode(frame, version) else {
        return;
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
