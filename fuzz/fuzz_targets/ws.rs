//! What a WebSocket client sends to the broker. The first byte chooses how the bytes are cut into reads and whether
//! the upgrade is done already.
//!
//! Nothing may panic, and how the bytes are cut must not matter.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pondhawk_net::ws::{ClientWs, ServerWs, WsError, WsSettings};

/// What came out of one connection.
#[derive(Debug, PartialEq)]
struct Received {
    mqtt: Vec<u8>,
    reply: Vec<u8>,
    result: Result<(), WsError>,
    open: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let mut stream = Vec::new();
    if choice & 1 == 0 {
        let upgrade = ClientWs::new([7; 16]).request("localhost", "/mqtt", &[]);
        stream.extend(upgrade.expect("host and path are plain"));
    }
    stream.extend_from_slice(bytes);

    let whole = receive(&stream, stream.len().max(1));
    let cut = receive(&stream, usize::from(choice >> 1).max(1));
    assert_eq!(whole, cut);
    assert!(whole.mqtt.len() <= bytes.len(), "frames only ever take bytes away");
});

fn receive(stream: &[u8], read_len: usize) -> Received {
    let mut socket = ServerWs::new(Arc::new(WsSettings::default()));
    let (mut mqtt, mut reply) = (Vec::new(), Vec::new());
    let mut result = Ok(());
    for read in stream.chunks(read_len) {
        result = socket.receive(&mut read.to_vec(), &mut mqtt, &mut reply);
        if result.is_err() {
            break;
        }
    }
    Received { mqtt, reply, result, open: socket.is_open() }
}
