//! Packets as bytes, written by hand, with what each must get.

use crate::standard::frame;
use pondhawk_codec::frame::{Step, next};
use pondhawk_codec::packet::{Connect, ConnectRefused, PublishHeader, Suback, Will};
use pondhawk_codec::{Frame, Kind, Packet, PacketId, PacketType, Properties, Qos, Version};

const V3: &[Version] = &[Version::V31, Version::V311];
const OLD: &[Version] = &[Version::V31];
const V4: &[Version] = &[Version::V311];
const V5: &[Version] = &[Version::V5];
const FROM_4: &[Version] = &[Version::V311, Version::V5];
const ALL: &[Version] = &[Version::V31, Version::V311, Version::V5];

struct Vector {
    name: &'static str,
    versions: &'static [Version],
    bytes: &'static [u8],
    expected: Result<(), Kind>,
}

const fn good(name: &'static str, versions: &'static [Version], bytes: &'static [u8]) -> Vector {
    Vector { name, versions, bytes, expected: Ok(()) }
}

const fn bad(name: &'static str, versions: &'static [Version], bytes: &'static [u8], kind: Kind) -> Vector {
    Vector { name, versions, bytes, expected: Err(kind) }
}

/// Everything but CONNECT.
const PACKETS: &[Vector] = &[
    good("connack accepted", V3, b"\x20\x02\x00\x00"),
    good("connack session present", V3, b"\x20\x02\x01\x00"),
    good("connack refused", V3, b"\x20\x02\x00\x05"),
    bad("connack return code 6", V3, b"\x20\x02\x00\x06", Kind::ReasonCode),
    bad("connack reserved flags", ALL, b"\x20\x03\x02\x00\x00", Kind::ConnackFlags),
    bad("connack with properties before 5", V3, b"\x20\x03\x00\x00\x00", Kind::TrailingBytes),
    good("connack of 5", V5, b"\x20\x03\x00\x87\x00"),
    bad("connack of 5 without properties", V5, b"\x20\x02\x00\x00", Kind::Truncated),
    good("publish", V3, b"\x30\x07\x00\x03a/bhi"),
    good("publish without payload", V3, b"\x31\x05\x00\x03a/b"),
    good("publish qos 1 dup", V3, b"\x3a\x07\x00\x03a/b\x00\x0ahi"),
    good("publish qos 2 of 5", V5, b"\x34\x08\x00\x03a/b\x00\x0a\x00hi"),
    good("publish of 5 with an alias and no topic", V5, b"\x30\x08\x00\x00\x03\x23\x00\x01hi"),
    bad("publish qos 3", ALL, b"\x36\x07\x00\x03a/b\x00\x0a", Kind::Qos),
    bad("publish dup at qos 0", ALL, b"\x38\x05\x00\x03a/b", Kind::DupAtQos0),
    bad("publish id 0", ALL, b"\x32\x08\x00\x03a/b\x00\x00\x00", Kind::PacketIdZero),
    bad("publish empty topic before 5", V3, b"\x30\x03\x00\x00x", Kind::TopicEmpty),
    bad("publish topic with #", ALL, b"\x30\x06\x00\x03a/#\x00", Kind::TopicWildcard),
    bad("publish topic with +", ALL, b"\x30\x06\x00\x03a+b\x00", Kind::TopicWildcard),
    bad("publish topic longer than the packet", ALL, b"\x30\x04\xff\xffab", Kind::Truncated),
    bad("publish topic with NUL", ALL, b"\x30\x05\x00\x02a\x00\x00", Kind::Utf8),
    bad("publish topic with surrogate", ALL, b"\x30\x06\x00\x03\xed\xa0\x80\x00", Kind::Utf8),
    bad("publish topic with U+FFFE", ALL, b"\x30\x06\x00\x03\xef\xbf\xbe\x00", Kind::Utf8),
    bad("publish topic with U+2FFFF", ALL, b"\x30\x07\x00\x04\xf0\xaf\xbf\xbf\x00", Kind::Utf8),
    bad("publish topic with U+FDD0", ALL, b"\x30\x06\x00\x03\xef\xb7\x90\x00", Kind::Utf8),
    good("publish topic with byte order mark", ALL, b"\x30\x06\x00\x03\xef\xbb\xbf\x00"),
    bad("publish property block past the end", V5, b"\x30\x05\x00\x01t\x09x", Kind::PropertyLength),
    bad(
        "publish block of five length bytes",
        V5,
        b"\x30\x08\x00\x01t\xff\xff\xff\xff\x01",
        Kind::PropertyLength,
    ),
    bad("publish block length not minimal", V5, b"\x30\x06\x00\x01t\x80\x00x", Kind::VarintNotMinimal),
    good("puback", ALL, b"\x40\x02\x00\x01"),
    bad("puback id 0", ALL, b"\x40\x02\x00\x00", Kind::PacketIdZero),
    bad("puback of one byte", ALL, b"\x40\x01\x00", Kind::Truncated),
    bad("puback with a code before 5", V3, b"\x40\x03\x00\x01\x00", Kind::TrailingBytes),
    good("puback with a code", V5, b"\x40\x03\x00\x01\x10"),
    good("puback with success and no properties spelled out", V5, b"\x40\x04\x00\x01\x00\x00"),
    bad("puback with bytes behind the block", V5, b"\x40\x05\x00\x01\x00\x00\x00", Kind::TrailingBytes),
    good("pubrec", ALL, b"\x50\x02\x00\x01"),
    good("pubrel", ALL, b"\x62\x02\x00\x01"),
    bad("pubrel without its flags", ALL, b"\x60\x02\x00\x01", Kind::HeaderFlags),
    good("pubrel repeated in 3.1", OLD, b"\x6a\x02\x00\x01"),
    bad("pubrel repeated with dup later", FROM_4, b"\x6a\x02\x00\x01", Kind::HeaderFlags),
    bad("pubrel with a code that is not its own", V5, b"\x62\x03\x00\x01\x80", Kind::ReasonCode),
    good("pubcomp", ALL, b"\x70\x02\x00\x01"),
    good("subscribe", V3, b"\x82\x08\x00\x01\x00\x03a/b\x01"),
    good("subscribe two", V3, b"\x82\x0a\x00\x01\x00\x01a\x00\x00\x01#\x02"),
    good("subscribe repeated in 3.1", OLD, b"\x8a\x06\x00\x01\x00\x01a\x00"),
    bad("subscribe repeated with dup later", V4, b"\x8a\x06\x00\x01\x00\x01a\x00", Kind::HeaderFlags),
    good(
        "subscribe of 5 with an identifier and all options",
        V5,
        b"\x82\x09\x00\x01\x02\x0b\x01\x00\x01a\x2e",
    ),
    bad(
        "subscribe of 5 with two identifiers",
        V5,
        b"\x82\x0b\x00\x01\x04\x0b\x01\x0b\x02\x00\x01a\x00",
        Kind::PropertyTwice,
    ),
    bad("subscribe flags", ALL, b"\x80\x06\x00\x01\x00\x01a\x00", Kind::HeaderFlags),
    bad("subscribe without filters", V3, b"\x82\x02\x00\x01", Kind::NoFilters),
    bad("subscribe of 5 without filters", V5, b"\x82\x03\x00\x01\x00", Kind::NoFilters),
    bad("subscribe without options", V3, b"\x82\x05\x00\x01\x00\x01a", Kind::Truncated),
    bad("subscribe qos 3", V3, b"\x82\x06\x00\x01\x00\x01a\x03", Kind::SubscribeOptions),
    bad("subscribe qos 3 of 5", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x03", Kind::SubscribeOptions),
    bad("subscribe options of 5 before 5", V3, b"\x82\x06\x00\x01\x00\x01a\x04", Kind::SubscribeOptions),
    bad("subscribe reserved option bits", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x40", Kind::SubscribeOptions),
    bad("subscribe retain handling 3", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x30", Kind::SubscribeOptions),
    bad("subscribe id 0", ALL, b"\x82\x06\x00\x00\x00\x01a\x00", Kind::PacketIdZero),
    bad("subscribe empty filter", V3, b"\x82\x05\x00\x01\x00\x00\x00", Kind::TopicFilter),
    bad("subscribe filter with NUL", V3, b"\x82\x07\x00\x01\x00\x02a\x00\x00", Kind::Utf8),
    bad("subscribe filter with surrogate", V5, b"\x82\x09\x00\x01\x00\x00\x03\xed\xa0\x80\x00", Kind::Utf8),
    bad("subscribe # not last", V3, b"\x82\x08\x00\x01\x00\x03#/a\x00", Kind::TopicFilter),
    bad(
        "subscribe share without a name",
        V5,
        b"\x82\x0f\x00\x01\x00\x00\x09$share//a\x00",
        Kind::TopicFilter,
    ),
    bad(
        "subscribe share without a filter",
        V5,
        b"\x82\x0e\x00\x01\x00\x00\x08$share/g\x00",
        Kind::TopicFilter,
    ),
    bad(
        "subscribe shared with no local",
        V5,
        b"\x82\x10\x00\x01\x00\x00\x0a$share/g/a\x04",
        Kind::NoLocalShared,
    ),
    good("suback", V3, b"\x90\x06\x00\x01\x00\x01\x02\x80"),
    bad("suback code 3", V3, b"\x90\x03\x00\x01\x03", Kind::ReasonCode),
    bad("suback without codes", V3, b"\x90\x02\x00\x01", Kind::Truncated),
    good("suback of 5", V5, b"\x90\x04\x00\x01\x00\x97"),
    good("unsubscribe", V3, b"\xa2\x05\x00\x01\x00\x01a"),
    good("unsubscribe repeated in 3.1", OLD, b"\xaa\x05\x00\x01\x00\x01a"),
    bad("unsubscribe flags", ALL, b"\xa0\x05\x00\x01\x00\x01a", Kind::HeaderFlags),
    bad("unsubscribe without filters", V3, b"\xa2\x02\x00\x01", Kind::NoFilters),
    bad("unsubscribe of 5 without filters", V5, b"\xa2\x03\x00\x01\x00", Kind::NoFilters),
    bad("unsubscribe filter with NUL", V3, b"\xa2\x06\x00\x01\x00\x02a\x00", Kind::Utf8),
    bad("unsubscribe filter with surrogate", V5, b"\xa2\x08\x00\x01\x00\x00\x03\xed\xa0\x80", Kind::Utf8),
    bad("unsubscribe half a filter", V3, b"\xa2\x04\x00\x01\x00\x01", Kind::Truncated),
    good("unsuback", V3, b"\xb0\x02\x00\x01"),
    bad("unsuback with a code before 5", V3, b"\xb0\x03\x00\x01\x00", Kind::TrailingBytes),
    good("unsuback of 5", V5, b"\xb0\x04\x00\x01\x00\x11"),
    bad("unsuback of 5 without codes", V5, b"\xb0\x03\x00\x01\x00", Kind::Truncated),
    good("pingreq", ALL, b"\xc0\x00"),
    bad("pingreq with a body", ALL, b"\xc0\x01\x00", Kind::TrailingBytes),
    bad("pingreq flags", ALL, b"\xc1\x00", Kind::HeaderFlags),
    good("pingresp", ALL, b"\xd0\x00"),
    good("disconnect", ALL, b"\xe0\x00"),
    bad("disconnect with a code before 5", V3, b"\xe0\x01\x00", Kind::TrailingBytes),
    good("disconnect with will", V5, b"\xe0\x01\x04"),
    bad("disconnect with a code of no table", V5, b"\xe0\x01\x03", Kind::ReasonCode),
    bad("disconnect flags", ALL, b"\xe2\x00", Kind::HeaderFlags),
    good("auth", V5, b"\xf0\x06\x18\x04\x15\x00\x01m"),
    good("auth that says nothing", V5, b"\xf0\x00"),
    bad("auth before 5", V3, b"\xf0\x00", Kind::PacketType),
    bad("type 0", ALL, b"\x00\x00", Kind::PacketType),
    bad("remaining length of five bytes", ALL, b"\x30\xff\xff\xff\xff\x01", Kind::RemainingLength),
    bad("remaining length not minimal", V5, b"\xc0\x80\x00", Kind::VarintNotMinimal),
    good("remaining length not minimal before 5", V3, b"\xc0\x80\x00"),
    bad(
        "connect where another packet belongs",
        ALL,
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00",
        Kind::PacketType,
    ),
];

fn first_frame(bytes: &[u8]) -> Result<Frame<'_>, Kind> {
    match next(bytes, 1 << 20).map_err(|error| error.kind)? {
        Step::Frame(frame) => Ok(frame),
        Step::Need(need) => panic!("the vector is {need} bytes short or wrong: {bytes:x?}"),
    }
}

/// [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.5-1] [MQTT-2.1.3-1] [MQTT-3.2.2-1] [MQTT-3.3.1-2] [MQTT-3.3.1-4]
/// [MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT-3.8.3-1] [MQTT-3.8.3-2] [MQTT-3.8.3-4] [MQTT-3.8.3-5] [MQTT-3.10.3-1]
/// [MQTT-3.10.3-2] [MQTT-4.7.3-2] [MQTT3-1.5.3-1] [MQTT3-1.5.3-2] [MQTT3-2.2.2-2] [MQTT3-2.3.1-1]
/// [MQTT3-3.3.1-2] [MQTT3-3.3.1-4] [MQTT3-3.3.2-1] [MQTT3-3.3.2-2] [MQTT3-3.8.3-1] [MQTT3-3.8.3-3]
/// [MQTT3-3.8.3-4] [MQTT3-3.9.3-2] [MQTT3-3.10.3-1] [MQTT3-3.10.3-2] [MQTT3-4.7.3-2]: the names in the table
/// say which row is of which.
#[test]
fn packets() {
    for vector in PACKETS {
        for version in vector.versions {
            let found = first_frame(vector.bytes)
                .and_then(|frame| Packet::decode(&frame, *version).map(drop).map_err(|error| error.kind));
            assert_eq!(found, vector.expected, "{} in {version:?}", vector.name);
        }
    }
}

/// What a CONNECT must get.
#[derive(Debug, PartialEq)]
enum Answer {
    Accepted(Version),
    ProtocolName,
    ProtocolLevel(u8),
    Malformed(Option<Version>, Kind),
}

fn answer(body: &[u8]) -> Answer {
    let bytes = frame(0x10, body);
    let frame = first_frame(&bytes).expect("the header is right");
    match Connect::decode(&frame) {
        Ok(connect) => Answer::Accepted(connect.version),
        Err(ConnectRefused::ProtocolName) => Answer::ProtocolName,
        Err(ConnectRefused::ProtocolLevel { level, .. }) => Answer::ProtocolLevel(level),
        Err(ConnectRefused::Malformed(version, error)) => Answer::Malformed(version, error.kind),
    }
}

/// [MQTT-3.1.2-1] [MQTT-3.1.2-2] [MQTT-3.1.2-3] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] [MQTT-3.1.2-16]
/// [MQTT-3.1.2-17] [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] [MQTT3-3.1.2-1] [MQTT3-3.1.2-2]
/// [MQTT3-3.1.2-3] [MQTT3-3.1.2-11] [MQTT3-3.1.2-13] [MQTT3-3.1.2-14] [MQTT3-3.1.2-15] [MQTT3-3.1.2-18]
/// [MQTT3-3.1.2-19] [MQTT3-3.1.2-20] [MQTT3-3.1.2-21] [MQTT3-3.1.2-22] [MQTT3-3.1.3-4] [MQTT3-3.1.3-10]
/// [MQTT3-3.1.3-11]
#[test]
fn connects() {
    use Answer::{Accepted, Malformed, ProtocolLevel, ProtocolName};
    let v3 = Some(Version::V311);
    let v5 = Some(Version::V5);
    let table: &[(&[u8], Answer)] = &[
        (b"\0\x06MQIsdp\x03\x02\0\x3c\0\x01x", Accepted(Version::V31)),
        (b"\0\x04MQTT\x04\x02\0\x3c\0\x01x", Accepted(Version::V311)),
        (b"\0\x04MQTT\x05\x02\0\x3c\0\0\x01x", Accepted(Version::V5)),
        // Mosquitto's bridges.
        (b"\0\x06MQIsdp\x83\x02\0\x3c\0\x01x", Accepted(Version::V31)),
        (b"\0\x04MQTT\x84\x02\0\x3c\0\x01x", Accepted(Version::V311)),
        (b"\0\x04MQTT\x85\x02\0\x3c\0\0\x01x", ProtocolLevel(0x85)),
        (b"\0\x04MQTT\x04\xc6\0\0\0\x01x\0\x01t\0\x01p\0\x01u\0\x01w", Accepted(Version::V311)),
        (b"\0\x04MQTT\x05\x40\0\0\0\0\0\0\x01w", Accepted(Version::V5)),
        (b"\0\x04mqtt\x04\x02\0\x3c\0\x01x", ProtocolName),
        (b"\0\0\x04\x02\0\x3c\0\x01x", ProtocolName),
        (b"\0\x06MQIsdp\x04\x02\0\x3c\0\x01x", ProtocolLevel(4)),
        (b"\0\x04MQTT\x06\x02\0\x3c\0\x01x", ProtocolLevel(6)),
        (b"\0\x04MQTT\0\x02\0\x3c\0\x01x", ProtocolLevel(0)),
        (b"\0\x04MQTT\x04\x03\0\0\0\x01x", Malformed(v3, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x04\x0a\0\0\0\x01x", Malformed(v3, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x04\x22\0\0\0\x01x", Malformed(v3, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x04\x1e\0\0\0\x01x\0\x01t\0\0", Malformed(v3, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x04\x42\0\0\0\x01x\0\x01p", Malformed(v3, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01x!", Malformed(v3, Kind::TrailingBytes)),
        (b"\0\x04MQTT\x04\x82\0\0\0\x01x", Malformed(v3, Kind::Truncated)),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01\0", Malformed(v3, Kind::Utf8)),
        (b"\0\x04MQTT\x05\x02\0\0\0\0\x01\0", Malformed(v5, Kind::Utf8)),
        (b"\0\x04MQTT\x04\x06\0\0\0\x01x\0\x01\xff\0\0", Malformed(v3, Kind::Utf8)),
        (b"\0\x04MQTT\x05\x06\0\0\0\0\x01x\0\0\x01\xff\0\0", Malformed(v5, Kind::Utf8)),
        (b"\0\x04MQTT\x04\x82\0\0\0\x01x\0\x01\xff", Malformed(v3, Kind::Utf8)),
        (b"\0\x04MQTT\x05\x82\0\0\0\0\x01x\0\x01\xff", Malformed(v5, Kind::Utf8)),
        // Flags that announce what does not come, and fields that no flag announces.
        (b"\0\x04MQTT\x05\x82\0\0\0\0\x01x", Malformed(v5, Kind::Truncated)),
        (b"\0\x04MQTT\x05\xc2\0\0\0\0\x01x\0\x01u", Malformed(v5, Kind::Truncated)),
        (b"\0\x04MQTT\x04\xc2\0\0\0\x01x\0\x01u", Malformed(v3, Kind::Truncated)),
        (b"\0\x04MQTT\x05\x02\0\0\0\0\x01x\0\x01u", Malformed(v5, Kind::TrailingBytes)),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01x\0\x01u", Malformed(v3, Kind::TrailingBytes)),
        (b"\0\x04MQTT\x04\x82\0\0\0\x01x\0\x01u\0\x01w", Malformed(v3, Kind::TrailingBytes)),
        (b"\0\x04MQTT\x05\x0a\0\0\0\0\x01x", Malformed(v5, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x05\x22\0\0\0\0\x01x", Malformed(v5, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x05\x1e\0\0\0\0\x01x\0\0\x01t\0\0", Malformed(v5, Kind::ConnectFlags)),
        (b"\0\x04MQTT\x04\x06\0\0\0\x01x\0\x01#\0\0", Malformed(v3, Kind::TopicWildcard)),
        (b"\0\x04MQTT\x04\x06\0\0\0\x01x\0\0\0\0", Malformed(v3, Kind::TopicEmpty)),
        (b"\0\x04MQTT\x05\x02\0\0\x06\x21\0\x05\0\0", Malformed(v5, Kind::PropertyLength)),
        (b"\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\0", Malformed(v5, Kind::PropertyValue)),
        (b"\0\x04MQTT\x05\x02\0\0\x02\x01\x01\0\0", Malformed(v5, Kind::PropertyMisplaced)),
        (b"\0\x04MQT", Malformed(None, Kind::Truncated)),
        (b"", Malformed(None, Kind::Truncated)),
    ];
    for (body, expected) in table {
        assert_eq!(answer(body), *expected, "{body:x?}");
    }
}

#[test]
fn a_longer_remaining_length_is_forgiven_before_mqtt_5() {
    for (level, accepted) in [(b"\x04\x02\0\0\0\0".as_slice(), true), (b"\x05\x02\0\0\0\0\0", false)] {
        let body = [b"\0\x04MQTT".as_slice(), level].concat();
        let len = u8::try_from(body.len()).expect("short") | 0x80;
        let bytes = [&[0x10, len, 0x00][..], &body].concat();
        let frame = first_frame(&bytes).expect("whole");
        assert!(!frame.minimal);
        assert_eq!(Connect::decode(&frame).is_ok(), accepted);
    }
}

#[test]
fn frames_over_the_limit_are_refused_from_their_header() {
    let header = [0x30, 0x80, 0x80, 0x01];
    assert_eq!(next(&header, 16_388), Ok(Step::Need(16_388)));
    assert_eq!(next(&header, 16_387).map_err(|error| error.kind), Err(Kind::FrameTooLarge));
    assert_eq!(PacketType::of(0x30), Ok(PacketType::Publish));
}

#[test]
fn a_fifth_length_byte_is_refused_when_the_fourth_announces_it() {
    assert_eq!(next(&[0x30, 0xff, 0xff, 0xff], 1 << 20), Ok(Step::Need(5)));
    let error = next(&[0x30, 0xff, 0xff, 0xff, 0xff], 1 << 20).expect_err("refused");
    assert_eq!(error.kind, Kind::RemainingLength);
}

/// [MQTT-3.1.2-9] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT3-3.1.2-9]
/// [MQTT3-3.1.2-19] [MQTT3-3.1.2-21] [MQTT3-3.1.3-1] [MQTT3-3.1.3-3]
#[test]
fn connect_lies_on_the_wire_in_the_order_of_the_standard() {
    let mut connect = Connect {
        version: Version::V311,
        bridge: false,
        clean_start: true,
        keep_alive: 60,
        properties: Properties::EMPTY,
        client_id: "id",
        will: Some(Will {
            properties: Properties::EMPTY,
            topic: "t",
            payload: b"gone",
            qos: Qos::AtLeastOnce,
            retain: true,
        }),
        username: Some("u"),
        password: Some(b"w"),
    };
    let encoded = |connect: &Connect<'_>| {
        let mut out = Vec::new();
        connect.encode(&mut out).expect("short");
        out
    };
    let old = b"\0\x04MQTT\x04\xee\0\x3c\0\x02id\0\x01t\0\x04gone\0\x01u\0\x01w";
    assert_eq!(encoded(&connect), frame(0x10, old));
    connect.version = Version::V5;
    let new = b"\0\x04MQTT\x05\xee\0\x3c\0\0\x02id\0\0\x01t\0\x04gone\0\x01u\0\x01w";
    assert_eq!(encoded(&connect), frame(0x10, new));
    (connect.will, connect.username, connect.password) = (None, None, None);
    assert_eq!(encoded(&connect), frame(0x10, b"\0\x04MQTT\x05\x02\0\x3c\0\0\x02id"));
}

/// [MQTT-2.2.1-2] [MQTT3-2.3.1-5]: what stands behind the topic of a QoS 0 message is its payload.
#[test]
fn a_packet_identifier_stands_in_publish_above_qos_0_only() {
    for (bytes, id, payload) in
        [(&b"\x30\x07\x00\x03a/bhi"[..], None, &b"hi"[..]), (b"\x32\x05\x00\x01t\x00\x07", Some(7), b"")]
    {
        let frame = first_frame(bytes).expect("whole");
        let Ok(Packet::Publish(publish)) = Packet::decode(&frame, Version::V311) else { panic!("a PUBLISH") };
        assert_eq!((publish.packet_id.map(PacketId::get), publish.payload), (id, payload));
        let mut out = Vec::new();
        publish.encode(Version::V311, &mut out).expect("short");
        assert_eq!(out, bytes);
    }
}

/// [MQTT-2.2.2-1]
#[test]
fn no_properties_are_a_length_of_0() {
    let packet_id = PacketId::MIN;
    let suback = Packet::Suback(Suback { packet_id, properties: Properties::EMPTY, codes: &[1] });
    let mut out = Vec::new();
    suback.encode(Version::V5, &mut out).expect("short");
    assert_eq!(out, b"\x90\x04\x00\x01\x00\x01");
    let without = b"\x30\x03\x00\x01t";
    let frame = first_frame(without).expect("whole");
    assert_eq!(Packet::decode(&frame, Version::V5).map_err(|error| error.kind), Err(Kind::Truncated));
}

/// [MQTT-4.7.3-3] [MQTT3-4.7.3-3]
#[test]
fn what_fits_no_packet_leaves_the_buffer_as_it_was() {
    let long = "t".repeat(65_536);
    let header =
        PublishHeader { dup: false, qos: Qos::AtMostOnce, retain: false, topic: &long, packet_id: None };
    let mut out = vec![1, 2];
    assert!(header.encode(None, b"", &mut out).is_err());
    let connect = Connect {
        version: Version::V311,
        bridge: false,
        clean_start: true,
        keep_alive: 0,
        properties: Properties::EMPTY,
        client_id: "x",
        will: None,
        username: Some("u"),
        password: Some(long.as_bytes()),
    };
    assert!(connect.encode(&mut out).is_err());
    assert_eq!(out, [1, 2]);
}
