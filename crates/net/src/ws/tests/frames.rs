//! Frames on an open connection.

use super::*;

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<ServerWs>() <= 48, "{}", size_of::<ServerWs>());
    assert!(size_of::<ClientWs>() <= 96, "{}", size_of::<ClientWs>());
}

// RFC 6455, 5.7
#[test]
fn the_standards_examples() {
    let masked_hello = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(receive(&masked_hello).mqtt, b"Hello");
    // What we send is binary. [MQTT-6.0.0-1] [MQTT3-6.0.0-1]
    let mut encoded = Vec::new();
    ClientWs::encode(b"Hello", MASK, &mut encoded);
    assert_eq!(encoded, masked_hello);

    let masked_ping = [0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(receive(&masked_ping).reply, b"\x8a\x05Hello");
}

#[test]
fn headers_use_the_fewest_bytes() {
    for (len, header) in [
        (0usize, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (256, &[0x82, 126, 1, 0]),
        (65_535, &[0x82, 126, 255, 255]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = [0; HEADER_BYTES_MAX];
        let used = frame_header(len, &mut out);
        assert_eq!(&out[..used], header);
    }
}

// G04, [MQTT-6.0.0-2] [MQTT3-6.0.0-2]
#[test]
fn packets_need_not_align_with_frames() {
    let two_in_one = frame(0x82, b"\xc0\x00\xc0\x00");
    assert_eq!(receive(&two_in_one).mqtt, b"\xc0\x00\xc0\x00");

    let fragments =
        [frame(0x02, b"a"), frame(0x00, b""), frame(0x00, b"b"), frame(0x80, b""), frame(0x82, b"c")];
    assert_eq!(receive(&fragments.concat()).mqtt, b"abc");

    let empty = [frame(0x82, b""), frame(0x82, b""), frame(0x82, b"x")];
    assert_eq!(receive(&empty.concat()).mqtt, b"x");
}

#[test]
fn control_frames_may_stand_between_fragments() {
    let input =
        [frame(0x02, b"a"), frame(0x89, b"p"), frame(0x8a, b"q"), frame(0x89, b""), frame(0x80, b"b")];
    let outcome = receive(&input.concat());
    assert_eq!(outcome, Outcome { mqtt: b"ab".into(), reply: b"\x8a\x01p\x8a\x00".into(), result: Ok(()) });
}

#[test]
fn the_longest_control_frame_is_answered() {
    let payload = [9; 125];
    let outcome = receive(&frame(0x89, &payload));
    assert_eq!(outcome.reply[..2], [0x8a, 125]);
    assert_eq!(outcome.reply[2..], payload);
}

#[test]
fn frames_may_follow_the_upgrade_at_once() {
    let input = [UPGRADE.as_bytes(), &frame(0x82, b"early")].concat();
    let outcome = feed(&mut server(), &input, usize::MAX);
    assert_eq!(outcome.mqtt, b"early");
    assert_eq!(outcome.result, Ok(()));
}

// G03, [MQTT-6.0.0-1] [MQTT3-6.0.0-1]
#[test]
fn g03_broken_rules_get_their_close_code() {
    let long_ping = frame(0x89, &[0; 126]);
    for (input, code, error) in [
        (b"\x82\x01x".to_vec(), 1002, WsError::Unmasked),
        (frame(0xc2, b"x"), 1002, WsError::ReservedBit),
        (frame(0xa2, b"x"), 1002, WsError::ReservedBit),
        (frame(0x92, b"x"), 1002, WsError::ReservedBit),
        (frame(0x81, b"x"), 1003, WsError::Text),
        (frame(0x01, b"x"), 1003, WsError::Text),
        (frame(0x83, b"x"), 1002, WsError::Opcode(3)),
        (frame(0x8b, b"x"), 1002, WsError::Opcode(11)),
        (frame(0x80, b"x"), 1002, WsError::Continuation),
        (frame(0x00, b"x"), 1002, WsError::Continuation),
        ([frame(0x02, b"x"), frame(0x82, b"x")].concat(), 1002, WsError::Interleaved),
        ([frame(0x82, b"x"), frame(0x80, b"x")].concat(), 1002, WsError::Continuation),
        (frame(0x09, b"x"), 1002, WsError::FragmentedControl),
        (frame(0x08, b""), 1002, WsError::FragmentedControl),
        (long_ping, 1002, WsError::ControlTooLong),
        (b"\x82\xfe\x00\x7d".to_vec(), 1002, WsError::Length),
        (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff".to_vec(), 1002, WsError::Length),
        (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00".to_vec(), 1002, WsError::Length),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), 1002, WsError::Length),
    ] {
        let outcome = receive(&input);
        assert_eq!(outcome.result, Err(error));
        assert_eq!(outcome.close_code(), Some(code), "{error}");
        assert!(!error.is_orderly());
    }
}

#[test]
fn g03_a_declared_length_allocates_nothing() {
    let mut ws = open_server();
    let outcome = feed(&mut ws, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0abc", usize::MAX);
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(outcome.mqtt, b"abc");
    assert!(outcome.mqtt.capacity() < 64);
    assert!(ws.is_open());
}

#[test]
fn a_close_is_answered_with_its_code() {
    for (payload, code) in [
        (&b""[..], None),
        (b"\x03\xe8", Some(1000)),
        (b"\x03\xe9bye", Some(1001)),
        (b"\x03\xf6", Some(1014)),
        (b"\x0b\xb8", Some(3000)),
        (b"\x13\x87", Some(4999)),
    ] {
        let input = [frame(0x82, b"last"), frame(0x88, payload), frame(0x82, b"ignored")].concat();
        let outcome = receive(&input);
        assert_eq!(outcome.mqtt, b"last");
        assert_eq!(outcome.result, Err(WsError::Closed(code)));
        assert_eq!(outcome.close_code(), code);
        assert!(outcome.reply.starts_with(b"\x88"));
    }
    assert!(WsError::Closed(Some(1000)).is_orderly());
    assert!(!WsError::Closed(Some(1002)).is_orderly());
}

#[test]
fn g03_close_codes_have_rules() {
    let codes = [0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535];
    for payload in codes.iter().map(|code| code.to_be_bytes().to_vec()).chain([vec![3]]) {
        let outcome = receive(&frame(0x88, &payload));
        assert_eq!(outcome.result, Err(WsError::CloseCode), "{payload:?}");
        assert_eq!(outcome.close_code(), Some(1002));
    }
    let outcome = receive(&frame(0x88, b"\x03\xe8\xff"));
    assert_eq!(outcome.result, Err(WsError::CloseReason));
    assert_eq!(outcome.close_code(), Some(1007));
}

#[test]
fn closing_from_our_side_tells_only_an_open_peer() {
    let mut reply = Vec::new();
    let mut ws = open_server();
    ws.close(1001, &mut reply);
    assert_eq!(reply, b"\x88\x02\x03\xe9");
    ws.close(1001, &mut reply);
    server().close(1001, &mut reply);
    assert_eq!(reply.len(), 4);
    assert_eq!(feed(&mut ws, &frame(0x82, b"x"), 1).result, Err(WsError::Done));
}

/// A client and a server that have agreed.
fn pair() -> (ClientWs, ServerWs) {
    let (mut client, mut server) = (ClientWs::new([42; 16]), server());
    let request = client.request("localhost:9001", "/mqtt", &[]).unwrap();
    let mut answer = feed(&mut server, &request, usize::MAX).reply;
    client.receive(&mut answer, &mut Vec::new(), &mut Vec::new()).unwrap();
    (client, server)
}

#[test]
fn the_clients_control_frames_are_masked_anew_each_time() {
    let (mut client, mut server) = pair();
    let (mut mqtt, mut reply) = (Vec::new(), Vec::new());
    client.receive(&mut b"\x82\x02hi\x89\x01p\x89\x01p".to_vec(), &mut mqtt, &mut reply).unwrap();
    assert_eq!(mqtt, b"hi");
    assert_eq!(reply.len(), 2 * 7);
    assert_ne!(reply[2..6], reply[9..13], "two masks");
    assert_eq!(feed(&mut server, &reply, usize::MAX).result, Ok(()), "Pongs are taken in silence");

    reply.clear();
    let closed = client.receive(&mut b"\x88\x02\x03\xe8".to_vec(), &mut mqtt, &mut reply);
    assert_eq!(closed, Err(WsError::Closed(Some(1000))));
    assert_eq!(feed(&mut server, &reply, usize::MAX).result, closed);
}

#[test]
fn h06_the_client_refuses_masked_frames() {
    let (mut client, mut server) = pair();
    let mut reply = Vec::new();
    let result = client.receive(&mut frame(0x82, b"x"), &mut Vec::new(), &mut reply);
    assert_eq!(result, Err(WsError::Masked));
    assert_eq!(feed(&mut server, &reply, usize::MAX).result, Err(WsError::Closed(Some(1002))));
}
