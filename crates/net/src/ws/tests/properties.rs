//! What holds for every input: how it is cut changes nothing, and nothing panics.

use proptest::prelude::*;

use super::*;

/// A run of frames, mostly well formed.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => Just(0x82u8),
        2 => Just(0x02),
        2 => Just(0x00),
        2 => Just(0x80),
        2 => Just(0x89),
        1 => Just(0x8a),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..20),
        2 => prop::collection::vec(any::<u8>(), 120..130),
        1 => prop::collection::vec(any::<u8>(), 65_530..65_540),
    ];
    let frame = (first, payload, any::<[u8; 4]>()).prop_map(|(first, payload, mask)| {
        let mut bytes = Vec::new();
        ClientWs::encode(&payload, mask, &mut bytes);
        bytes[0] = first;
        bytes
    });
    prop::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cuts_change_nothing(frames in frames(), piece in 1usize..300) {
        let input = [UPGRADE.as_bytes(), &frames].concat();
        let whole = feed(&mut server(), &input, usize::MAX);
        prop_assert_eq!(&feed(&mut server(), &input, 1), &whole);
        prop_assert_eq!(&feed(&mut server(), &input, piece), &whole);
    }

    #[test]
    fn cuts_change_nothing_in_a_damaged_upgrade(at in 0..UPGRADE.len(), byte in any::<u8>(), piece in 1usize..99) {
        let mut input = UPGRADE.as_bytes().to_vec();
        input[at] = byte;
        let whole = feed(&mut server(), &input, usize::MAX);
        prop_assert_eq!(&feed(&mut server(), &input, 1), &whole);
        prop_assert_eq!(&feed(&mut server(), &input, piece), &whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600), piece in 1usize..40) {
        let outcome = feed(&mut open_server(), &bytes, piece);
        prop_assert!(outcome.mqtt.len() <= bytes.len());
        feed(&mut server(), &bytes, piece);

        let mut client = ClientWs::new([0; 16]);
        let head = [b"HTTP/1.1 101 ", &bytes[..]].concat();
        for mut start in [bytes, head] {
            let _ = client.receive(&mut start, &mut Vec::new(), &mut Vec::new());
        }
    }

    #[test]
    fn what_is_framed_comes_out(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..9)) {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        for payload in &payloads {
            ClientWs::encode(payload, MASK, &mut to_server);
            let mut header = [0; HEADER_BYTES_MAX];
            let used = frame_header(payload.len(), &mut header);
            to_client.extend_from_slice(&header[..used]);
            to_client.extend_from_slice(payload);
        }
        prop_assert_eq!(&receive(&to_server).mqtt, &payloads.concat());

        let mut client = ClientWs::new([3; 16]);
        let request = client.request("h", "/", &[]).unwrap();
        let answer = feed(&mut server(), &request, usize::MAX).reply;
        let mut mqtt = Vec::new();
        client.receive(&mut [answer, to_client].concat(), &mut mqtt, &mut Vec::new()).unwrap();
        prop_assert_eq!(mqtt, payloads.concat());
    }
}
