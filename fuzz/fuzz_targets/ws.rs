//! What a WebSocket client sends to the broker, and a server to our tools. The first byte chooses the end, and
//! whether the upgrade is done already; then comes how the bytes are cut into reads.
//!
//! Nothing may panic, how the bytes are cut must not matter, and what one end wraps the other unwraps.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pondhawk_fuzz::pieces;
use pondhawk_net::ws::{ClientWs, HEADER_BYTES_MAX, ServerWs, WsError, WsSettings, frame_header};

const UPGRADED: u8 = 1;
const CLIENT: u8 = 2;
const ORIGINS: u8 = 4;
/// The client's entropy, which its key follows from.
const ENTROPY: [u8; 16] = [7; 16];

/// One end of a connection.
enum End {
    Server(ServerWs),
    Client(ClientWs),
}

/// What came out of it.
#[derive(Debug, PartialEq)]
struct Received {
    mqtt: Vec<u8>,
    reply: Vec<u8>,
    result: Result<(), WsError>,
    open: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let Some((lengths, bytes)) = pieces::lengths(rest) else {
        return;
    };
    let mut stream = if choice & UPGRADED == 0 { Vec::new() } else { upgrade(*choice) };
    let head = stream.len();
    stream.extend_from_slice(bytes);

    let whole = receive(*choice, &[&stream]);
    assert_eq!(whole, receive(*choice, &pieces::cut(&stream, lengths)));
    assert!(whole.mqtt.len() <= bytes.len(), "frames only ever take bytes away");
    assert!(head == 0 || whole.open || whole.result.is_err());

    if head > 0 {
        let wrapped = wrap(*choice, &pieces::cut(bytes, lengths));
        let got = receive(*choice, &[&stream[..head], &wrapped]);
        assert_eq!((got.mqtt.as_slice(), got.result, got.open), (bytes, Ok(()), true));
    }
});

fn end(choice: u8) -> End {
    if choice & CLIENT != 0 {
        return End::Client(ClientWs::new(ENTROPY));
    }
    let origins = if choice & ORIGINS == 0 { Vec::new() } else { vec!["http://h".to_owned()] };
    End::Server(ServerWs::new(Arc::new(WsSettings { origins, ..WsSettings::default() })))
}

/// The head that the end waits for.
fn upgrade(choice: u8) -> Vec<u8> {
    let request = ClientWs::new(ENTROPY).request("localhost", "/mqtt", &[("Origin", "http://h")]);
    let mut request = request.expect("host and path are plain");
    if choice & CLIENT == 0 {
        return request;
    }
    let mut answer = Vec::new();
    let mut server = ServerWs::new(Arc::new(WsSettings::default()));
    server.receive(&mut request, &mut Vec::new(), &mut answer).expect("our request is good");
    answer
}

/// The payloads as frames of the peer's.
fn wrap(choice: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut frames = Vec::new();
    for payload in payloads {
        if choice & CLIENT == 0 {
            ClientWs::encode(payload, [1, 2, 3, 4], &mut frames);
        } else {
            let mut header = [0; HEADER_BYTES_MAX];
            let len = frame_header(payload.len(), &mut header);
            frames.extend_from_slice(&header[..len]);
            frames.extend_from_slice(payload);
        }
    }
    frames
}

fn receive(choice: u8, pieces: &[&[u8]]) -> Received {
    let mut end = end(choice);
    let (mut mqtt, mut reply) = (Vec::new(), Vec::new());
    let mut result = Ok(());
    for piece in pieces {
        let input = &mut piece.to_vec();
        result = match &mut end {
            End::Server(server) => server.receive(input, &mut mqtt, &mut reply),
            End::Client(client) => client.receive(input, &mut mqtt, &mut reply),
        };
        if result.is_err() {
            break;
        }
    }
    let open = match &end {
        End::Server(server) => server.is_open(),
        End::Client(client) => client.is_open(),
    };
    Received { mqtt, reply, result, open }
}
