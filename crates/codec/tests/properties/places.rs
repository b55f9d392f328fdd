//! Every property in every place, once, twice, and with every illegal value; hostile block lengths.

use crate::model::{OwnedProperty, Value, block};
use crate::round_trip::{decode, front};
use crate::standard::{Form, PROPERTIES, Row, codes, frame, letter, places, repeats, varint};
use pondhawk_codec::property::Place;
use pondhawk_codec::{Kind, PacketType, Properties, Version};

/// A legal property of this row.
fn example(row: &Row) -> OwnedProperty {
    let value = match row.form {
        Form::Flag => Value::Byte(1),
        Form::Two(_) => Value::Two(7),
        Form::Four(_) => Value::Four(70_000),
        Form::Varint => Value::Varint(300),
        Form::Text | Form::Topic => Value::Text("t/1".to_owned()),
        Form::Data => Value::Data(vec![0, 255]),
        Form::Pair => Value::Pair("key".to_owned(), "value".to_owned()),
    };
    OwnedProperty { id: row.id, value }
}

/// Authentication data goes with a method.
fn beside(row: &Row, place: Place) -> Vec<u8> {
    if row.id == 0x16 && row.places.contains(letter(place)) {
        OwnedProperty { id: 0x15, value: Value::Text("m".to_owned()) }.bytes()
    } else {
        Vec::new()
    }
}

fn kind(block: &[u8], place: Place) -> Result<(), Kind> {
    Properties::check(block, place).map(drop).map_err(|error| error.kind)
}

/// A whole packet with `block` as the properties of `place`; `None` if the packet has no properties at all.
fn packet_with(place: Place, block: &[u8]) -> Option<Vec<u8>> {
    let properties = [&varint(block.len())[..], block].concat();
    let body: Vec<Vec<u8>> = match place {
        Place::Will => {
            vec![b"\0\x04MQTT\x05\x06\0\0\0\0\0".to_vec(), properties, b"\0\x01t\0\0".to_vec()]
        }
        Place::Packet(packet_type) => match packet_type {
            PacketType::Connect => vec![b"\0\x04MQTT\x05\x02\0\0".to_vec(), properties, b"\0\0".to_vec()],
            PacketType::Connack => vec![b"\0\0".to_vec(), properties],
            PacketType::Publish => vec![b"\0\x01t".to_vec(), properties],
            PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp => {
                vec![b"\0\x01\0".to_vec(), properties]
            }
            PacketType::Subscribe => vec![b"\0\x01".to_vec(), properties, b"\0\x01t\0".to_vec()],
            PacketType::Suback | PacketType::Unsuback => vec![b"\0\x01".to_vec(), properties, b"\0".to_vec()],
            PacketType::Unsubscribe => vec![b"\0\x01".to_vec(), properties, b"\0\x01t".to_vec()],
            PacketType::Disconnect | PacketType::Auth => vec![b"\0".to_vec(), properties],
            PacketType::Pingreq | PacketType::Pingresp => return None,
        },
    };
    let packet_type = match place {
        Place::Will => PacketType::Connect,
        Place::Packet(packet_type) => packet_type,
    };
    Some(frame(packet_type.first_byte(), &body.concat()))
}

#[test]
fn each_of_the_432_pairs_is_accepted_or_refused_as_table_2_4_says() {
    let mut pairs = 0;
    for row in &PROPERTIES {
        let property = example(row);
        for place in places() {
            let legal = row.places.contains(letter(place));
            let expected = if legal { Ok(()) } else { Err(Kind::PropertyMisplaced) };
            let block = [property.bytes(), beside(row, place)].concat();
            assert_eq!(kind(&block, place), expected, "property {} in {place:?}", row.id);
            assert_eq!(property.as_property().allowed_in(place), legal, "property {} in {place:?}", row.id);
            if let Some(bytes) = packet_with(place, &block) {
                let decoded = decode(&front(&bytes), Version::V5);
                assert_eq!(decoded.is_ok(), legal, "property {} in {place:?}: {decoded:?}", row.id);
            }
            pairs += 1;
        }
    }
    assert_eq!(pairs, 27 * 16);
}

#[test]
fn a_property_twice_is_refused_save_where_it_may_repeat() {
    for row in &PROPERTIES {
        for place in places().filter(|place| row.places.contains(letter(*place))) {
            let one = example(row).bytes();
            let others = PROPERTIES.iter().filter(|other| other.id != row.id && other.id != 0x16);
            let between = others
                .filter(|other| other.places.contains(letter(place)))
                .flat_map(|other| example(other).bytes());
            let twice: Vec<u8> = one.iter().copied().chain(between).chain(one.iter().copied()).collect();
            let expected = if repeats(row.id, place) { Ok(()) } else { Err(Kind::PropertyTwice) };
            assert_eq!(kind(&twice, place), expected, "property {} in {place:?}", row.id);
        }
    }
}

/// [MQTT-3.3.2-8] [MQTT-3.3.2-14]
#[test]
fn values_outside_the_range_are_refused() {
    for row in &PROPERTIES {
        let illegal: Vec<Value> = match row.form {
            Form::Flag => (2..=255).map(Value::Byte).collect(),
            Form::Two(false) => vec![Value::Two(0)],
            Form::Four(false) => vec![Value::Four(0)],
            Form::Varint => vec![Value::Varint(0)],
            Form::Topic => ["", "a/+", "#"].map(|topic| Value::Text(topic.to_owned())).to_vec(),
            Form::Two(true) | Form::Four(true) | Form::Text | Form::Data | Form::Pair => Vec::new(),
        };
        for place in places().filter(|place| row.places.contains(letter(*place))) {
            for value in &illegal {
                let property = OwnedProperty { id: row.id, value: value.clone() };
                assert_eq!(kind(&property.bytes(), place), Err(Kind::PropertyValue), "{property:?}");
            }
            let zero = match row.form {
                Form::Flag => Value::Byte(0),
                Form::Two(true) => Value::Two(0),
                Form::Four(true) => Value::Four(0),
                _ => continue,
            };
            let property = OwnedProperty { id: row.id, value: zero };
            assert_eq!(kind(&property.bytes(), place), Ok(()), "{property:?}");
        }
    }
}

#[test]
fn identifiers_outside_the_table_are_unknown() {
    let known = |id: u8| PROPERTIES.iter().any(|row| row.id == id);
    for id in (0..=255).filter(|id| !known(*id)) {
        for place in places() {
            assert_eq!(kind(&[id, 0, 0, 0, 0], place), Err(Kind::PropertyUnknown), "{id}");
        }
    }
}

#[test]
fn a_property_cut_short_is_refused_at_every_byte() {
    for row in &PROPERTIES {
        let place = places().find(|place| row.places.contains(letter(*place))).expect("it has a place");
        let bytes = example(row).bytes();
        for cut in 1..bytes.len() {
            assert_eq!(kind(&bytes[..cut], place), Err(Kind::Truncated), "{} at {cut}", row.id);
        }
    }
}

/// [MQTT-1.5.7-1] [MQTT-3.3.2-13] [MQTT-3.3.2-19]
#[test]
fn strings_of_properties_are_mqtt_strings() {
    let texts = PROPERTIES.iter().filter(|row| matches!(row.form, Form::Text | Form::Topic));
    for row in texts {
        let place = places().find(|place| row.places.contains(letter(*place))).expect("it has a place");
        for bad in [&b"\0"[..], b"\xed\xa0\x80", b"\xc0\xaf", b"\xff", b"\xe2\x82", b"\xef\xbf\xbf", b"\x01"]
        {
            let mut block = vec![row.id, 0, u8::try_from(bad.len()).expect("short")];
            block.extend_from_slice(bad);
            assert_eq!(kind(&block, place), Err(Kind::Utf8), "{} {bad:x?}", row.id);
        }
    }
    let user = Place::Packet(PacketType::Publish);
    assert_eq!(kind(b"\x26\0\x01\0\0\x01v", user), Err(Kind::Utf8));
    assert_eq!(kind(b"\x26\0\x01k\0\x01\xff", user), Err(Kind::Utf8));
}

#[test]
fn hostile_block_lengths_are_refused_in_every_packet() {
    let lengths: [&[u8]; 7] = [
        &[0x7f],
        &[0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x80, 0x00],
        &[0x80, 0x80, 0x80, 0x00],
        &[0x80],
    ];
    for place in places() {
        let Some(empty) = packet_with(place, &[]) else {
            continue;
        };
        let whole = front(&empty).body.to_vec();
        // The one zero byte of the empty block stands where a mark of one property changes the packet.
        let marked = packet_with(place, b"\x26\0\0\0\0").expect("the place has properties");
        let at = front(&marked).body.iter().zip(&whole).position(|(a, b)| a != b).expect("they differ");
        for length in lengths {
            let body = [&whole[..at], length, &whole[at + 1..]].concat();
            let bytes = frame(empty[0], &body);
            let decoded = decode(&front(&bytes), Version::V5);
            assert!(decoded.is_err(), "{place:?} {length:x?}: {decoded:?}");
        }
    }
}

#[test]
fn lengths_inside_a_block_do_not_reach_behind_it() {
    // The string claims four bytes of which three stand behind the block, in the payload.
    let body = b"\0\x01t\x04\x03\0\x04xyz!";
    let bytes = frame(0x30, body);
    let error = decode(&front(&bytes), Version::V5).expect_err("refused");
    assert!(error.contains("Truncated"), "{error}");
}

#[test]
fn authentication_data_needs_a_method() {
    for packet_type in [PacketType::Connect, PacketType::Connack, PacketType::Auth] {
        let place = Place::Packet(packet_type);
        assert_eq!(kind(&[22, 0, 1, 9], place), Err(Kind::PropertyValue));
        assert_eq!(kind(&[22, 0, 1, 9, 21, 0, 1, b'm'], place), Ok(()));
    }
}

#[test]
fn values_that_fit_no_packet_are_not_appended() {
    let long = "x".repeat(65_536);
    let mut buf = block(&[OwnedProperty { id: 3, value: Value::Text("kept".to_owned()) }]);
    let before = buf.clone();
    for value in [
        pondhawk_codec::Property::ContentType(&long),
        pondhawk_codec::Property::UserProperty("k", &long),
        pondhawk_codec::Property::CorrelationData(long.as_bytes()),
        pondhawk_codec::Property::SubscriptionIdentifier(268_435_456),
    ] {
        assert!(buf.push(value).is_err());
        assert_eq!(buf, before);
    }
}

/// [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2-1] [MQTT-3.9.3-2] [MQTT-3.11.3-2]
/// [MQTT-3.14.2-1] [MQTT-3.15.2-1]
#[test]
fn each_packet_takes_its_own_reason_codes_and_no_others() {
    for packet_type in PacketType::ALL {
        let legal = codes(packet_type);
        if legal.is_empty() {
            continue;
        }
        for code in 0..=255u8 {
            let body = match packet_type {
                PacketType::Connack => vec![0, code, 0],
                PacketType::Suback | PacketType::Unsuback => vec![0, 1, 0, code],
                PacketType::Disconnect | PacketType::Auth => vec![code],
                _ => vec![0, 1, code],
            };
            let bytes = frame(packet_type.first_byte(), &body);
            let decoded = decode(&front(&bytes), Version::V5);
            assert_eq!(decoded.is_ok(), legal.contains(&code), "{} {code:#x}", packet_type.name());
        }
    }
}
