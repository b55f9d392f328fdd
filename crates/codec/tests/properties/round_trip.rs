//! What is encoded decodes to itself, whole or behind and before other frames.

use crate::generate::sample;
use crate::model::{OwnedProperty, Sample, View, block};
use pondhawk_codec::frame::{self, Frame, Step};
use pondhawk_codec::packet::Connect;
use pondhawk_codec::{Packet, PacketType, REMAINING_LENGTH_MAX, Version};
use proptest::prelude::*;

/// The frame at the front of `bytes`.
pub fn front(bytes: &[u8]) -> Frame<'_> {
    match frame::next(bytes, REMAINING_LENGTH_MAX) {
        Ok(Step::Frame(frame)) => frame,
        other => panic!("no whole frame: {other:?}"),
    }
}

/// Decodes as the reader of a connection does; the error is told as text.
pub fn decode<'a>(frame: &Frame<'a>, version: Version) -> Result<View<'a>, String> {
    if frame.packet_type == PacketType::Connect {
        Connect::decode(frame).map(View::Connect).map_err(|error| format!("{error:?}"))
    } else {
        Packet::decode(frame, version).map(View::Packet).map_err(|error| format!("{error:?}"))
    }
}

fn raw_block(properties: &[OwnedProperty]) -> Vec<u8> {
    properties.iter().flat_map(OwnedProperty::bytes).collect()
}

fn check(sample: &Sample) {
    let bytes = sample.encode();
    let frame = front(&bytes);
    assert_eq!(frame.packet_type, sample.packet_type());
    assert_eq!(frame.len, bytes.len());
    assert!(frame.minimal);
    let decoded = decode(&frame, sample.version).expect("what was encoded decodes");
    sample.view(|view| assert_eq!(decoded, view));
    assert_eq!(decoded.encode(sample.version), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_packet_decodes_to_what_was_encoded(sample in sample()) {
        prop_assert!(sample.properties_belong());
        check(&sample);
    }

    #[test]
    fn property_blocks_are_the_bytes_of_the_standard_in_the_senders_order(sample in sample()) {
        let block = block(&sample.properties);
        let properties = block.as_properties();
        let raw = raw_block(&sample.properties);
        prop_assert_eq!(properties.as_bytes(), &raw[..]);
        prop_assert!(properties.iter().eq(sample.properties.iter().map(OwnedProperty::as_property)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames(samples in proptest::collection::vec(sample(), 1..4)) {
        let frames: Vec<_> = samples.iter().map(Sample::encode).collect();
        let stream = frames.concat();
        let mut at = 0;
        for expected in &frames {
            // As far as the frame is not whole, more is asked for, and never more than it has.
            for end in at..(at + expected.len()).min(at + 300) {
                match frame::next(&stream[at..end], REMAINING_LENGTH_MAX) {
                    Ok(Step::Need(need)) => {
                        prop_assert!(need > end - at && need <= expected.len(), "{} of {}", need, expected.len());
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            let frame = front(&stream[at..]);
            prop_assert_eq!(frame.len, expected.len());
            at += frame.len;
        }
        prop_assert_eq!(at, stream.len());
    }
}
