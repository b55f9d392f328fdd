//! What the codec says of packets, codes and itself: names, lengths and the nearest code of an older version.

use pondhawk_codec::frame::{Step, next};
use pondhawk_codec::packet::{PUBLISH_OVERHEAD_MAX, PublishHeader, RetainHandling, Suback, SubscribeOptions};
use pondhawk_codec::property::Place;
use pondhawk_codec::{
    Kind, Malformed, PacketId, PacketType, Properties, PropertiesBuf, Property, Qos, REMAINING_LENGTH_MAX,
    ReasonCode, TooLarge, Version, reason, topic,
};

#[test]
fn what_is_malformed_is_told_from_what_breaks_a_rule() {
    let cases = [
        (Kind::FrameTooLarge, reason::PACKET_TOO_LARGE),
        (Kind::TopicWildcard, reason::TOPIC_NAME_INVALID),
        (Kind::PropertyTwice, reason::PROTOCOL_ERROR),
        (Kind::NoFilters, reason::PROTOCOL_ERROR),
        (Kind::PacketIdZero, reason::PROTOCOL_ERROR),
        (Kind::Truncated, reason::MALFORMED_PACKET),
        (Kind::Utf8, reason::MALFORMED_PACKET),
    ];
    for (kind, code) in cases {
        assert_eq!((kind.reason(), Malformed { kind, offset: 0 }.reason()), (code, code), "{kind:?}");
    }
}

#[test]
fn a_log_reads_what_is_wrong_and_where() {
    let malformed = Malformed { kind: Kind::Truncated, offset: 3 };
    assert_eq!(malformed.to_string(), "packet ends inside a field (at byte 3)");
    assert!(!TooLarge.to_string().is_empty());
}

#[test]
fn packets_have_the_standards_names() {
    let names: Vec<&str> = PacketType::ALL.iter().map(|packet_type| packet_type.name()).collect();
    let expected = "CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK \
                    PINGREQ PINGRESP DISCONNECT AUTH";
    assert_eq!(names, expected.split(' ').collect::<Vec<_>>());
}

#[test]
fn properties_have_the_names_of_command_lines() {
    assert_eq!(Property::ReceiveMaximum(1).name(), "receive-maximum");
    assert_eq!(Property::UserProperty("", "").name(), "user-property");
}

#[test]
fn errors_begin_at_0x80() {
    assert!(!ReasonCode(0x7f).is_error() && ReasonCode(0x80).is_error() && ReasonCode(0xff).is_error());
}

#[test]
fn codes_have_a_nearest_return_code_before_5() {
    let cases = [
        (reason::SUCCESS, 0),
        (reason::UNSUPPORTED_PROTOCOL_VERSION, 1),
        (reason::CLIENT_ID_NOT_VALID, 2),
        (reason::SERVER_BUSY, 3),
        (reason::QUOTA_EXCEEDED, 3),
        (reason::BAD_USERNAME_OR_PASSWORD, 4),
        (reason::NOT_AUTHORIZED, 5),
        (reason::BANNED, 5),
        (reason::BAD_AUTHENTICATION_METHOD, 5),
    ];
    for (code, expected) in cases {
        assert_eq!(code.to_connack_v3(), expected, "{code:?}");
    }
}

#[test]
fn topics_match_level_by_level() {
    let cases = [
        ("a", "a", true),
        ("a", "b", false),
        ("a/b", "a/c", false),
        ("a/+", "a/b", true),
        ("a/+", "a", false),
        ("a/+", "a/b/c", false),
        ("+", "", true),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("a/#", "b", false),
        ("+/b/#", "a/c/b", false),
        ("a/b", "a", false),
        ("#", "a/b", true),
    ];
    for (filter, name, expected) in cases {
        assert_eq!(topic::matches(filter, name), expected, "{filter} {name}");
    }
}

#[test]
fn levels_are_counted() {
    assert_eq!(["a", "/", "a/b/c"].map(topic::levels), [1, 2, 3]);
}

#[test]
fn blocks_are_searched_copied_and_emptied() {
    let mut block = PropertiesBuf::new();
    assert!(block.is_empty());
    block.push(Property::TopicAlias(7)).expect("short");
    block.push(Property::UserProperty("k", "v")).expect("short");
    assert!(!block.is_empty());
    let place = Place::Packet(PacketType::Publish);
    let checked = Properties::check(block.as_properties().as_bytes(), place).expect("legal");
    let alias = |property| if let Property::TopicAlias(alias) = property { Some(alias) } else { None };
    assert_eq!((checked.find(alias), Properties::EMPTY.find(alias)), (Some(7), None));
    assert_eq!(PropertiesBuf::from(checked), block);
    block.clear();
    assert!(block.is_empty());
}

#[test]
fn subscription_options_are_a_byte() {
    let options = SubscribeOptions {
        qos: Qos::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    assert_eq!(options.to_byte(), 0b0010_1101);
    assert_eq!(SubscribeOptions { no_local: false, ..options }.to_byte(), 0b0010_1001);
    for byte in 0..=0x3f {
        if let Ok(options) = SubscribeOptions::from_byte(byte, Version::V5) {
            assert_eq!(options.to_byte(), byte);
        }
    }
}

/// The lengths at which the remaining length takes another byte, and their neighbours.
const LENGTHS: [usize; 7] = [2, 127, 128, 129, 16_383, 16_384, 16_385];

#[test]
fn frames_stand_behind_others_at_every_width_of_their_length() {
    for len in LENGTHS {
        let codes = vec![1; len - 2];
        let suback = Suback { packet_id: PacketId::MIN, properties: Properties::EMPTY, codes: &codes };
        let mut out = b"before".to_vec();
        suback.encode(Version::V311, &mut out).expect("small");
        let Ok(Step::Frame(frame)) = next(&out[6..], usize::MAX) else { panic!("no frame of {len}") };
        assert_eq!((frame.len, frame.body.len(), &frame.body[2..]), (out.len() - 6, len, &codes[..]));
        assert!(frame.minimal && out.starts_with(b"before"));
    }
}

/// A PUBLISH, and how long it said that it would be.
fn publish(properties: Option<&[&[u8]]>, payload: &[u8]) -> (usize, Vec<u8>) {
    let header = PublishHeader {
        dup: false,
        qos: Qos::AtLeastOnce,
        retain: false,
        topic: "t",
        packet_id: Some(PacketId::MIN),
    };
    let mut out = Vec::new();
    header.encode(properties, payload, &mut out).expect("fits");
    (header.frame_len(properties, payload), out)
}

#[test]
fn a_publish_knows_its_length() {
    for len in LENGTHS {
        let payload = vec![0; len];
        let (told, out) = publish(None, &payload);
        assert_eq!(told, out.len(), "{len}");
        let (told, out) = publish(Some(&[&payload[..1], &payload[1..]]), b"p");
        assert_eq!(told, out.len(), "{len} bytes of properties");
    }
}

#[test]
fn the_overhead_of_a_publish_is_what_it_is_at_most() {
    // From here on both lengths take four bytes.
    let block = vec![0; 2_097_152];
    let (_, out) = publish(Some(&[&block]), b"");
    assert_eq!(out.len() - block.len() - "t".len(), PUBLISH_OVERHEAD_MAX);
}

#[test]
fn a_publish_that_no_length_can_tell_is_not_begun() {
    let header =
        PublishHeader { dup: false, qos: Qos::AtMostOnce, retain: false, topic: "t", packet_id: None };
    // Zeros that nobody reads cost no memory.
    let payload = vec![0; REMAINING_LENGTH_MAX];
    let mut out = Vec::new();
    assert_eq!(header.encode(None, &payload, &mut out), Err(TooLarge));
    assert!(out.is_empty());
}
