//! A long queue of a client that is away is on disk: it costs little memory, before and behind a restart, and comes back
//! whole and in order.

use crate::kit::packet::{PUBACK, ack};
use crate::kit::*;
use std::path::Path;
use std::time::Duration;

const MESSAGES: u32 = 25_000;
const PAYLOAD: usize = 2048;
/// What must be saved of the bytes that wait.
const SAVED: u64 = MESSAGES as u64 * PAYLOAD as u64 * 3 / 4;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that the publisher sends before it waits for their acknowledgements.
const BATCH: u32 = 1000;

fn keeping(folder: &Path, in_memory: &str) -> Broker {
    Conf::open()
        .own_line(in_memory)
        .line("max_inflight_messages 1000")
        .line("max_queued_messages 0")
        .line("persistence true")
        .line(&format!("persistence_location {}", folder.display()))
        .shards(2)
        .start()
}

fn payload(n: u32) -> Vec<u8> {
    let mut payload = n.to_be_bytes().to_vec();
    payload.resize(PAYLOAD, b'x');
    payload
}

fn publish_all(broker: &Broker) {
    let mut writer = Client::clean(broker, V4, "writer").patience(PATIENCE);
    for first in (0..MESSAGES).step_by(BATCH as usize) {
        let ids = 1..=BATCH as u16;
        let publish =
            |id: u16| Publish::new(V4, "long", payload(first + u32::from(id) - 1)).qos(1, id).bytes();
        writer.send(ids.clone().flat_map(publish).collect::<Vec<u8>>());
        writer.expect(ids.flat_map(|id| ack(PUBACK, id)).collect::<Vec<u8>>());
    }
}

/// Takes the messages `numbers`, which must come in order, and acknowledges them.
fn take(reader: &mut Client, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let frame = reader.frame();
        // The first byte, two of length, the topic.
        let rest = &frame[3 + 2 + "long".len()..];
        assert_eq!((frame[0] & 0xf6, rest[2..].to_vec() == payload(n)), (0x32, true), "message {n}");
        reader.send(ack(PUBACK, u16::from_be_bytes([rest[0], rest[1]])));
    }
}

/// A broker that holds all messages for a client that is away; how much its memory has grown, at once and behind a restart.
fn filled(folder: &Path, in_memory: &str) -> (Broker, [u64; 2]) {
    let mut broker = keeping(folder, in_memory);
    let (mut reader, _) = Client::open(&broker, &Connect::new(V4, "reader").durable());
    reader.subscribe("long", 1);
    reader.cut();
    let before = broker.resident_bytes();
    publish_all(&broker);
    let filled = broker.resident_bytes();
    broker.stop_with("KILL");
    let broker = keeping(folder, in_memory);
    // Whoever is let in comes behind what was restored.
    Client::raw(&broker, V4).patience(PATIENCE).handshake(&Connect::new(V4, "probe"));
    let restarted = broker.resident_bytes();
    (broker, [filled, restarted].map(|bytes| bytes.saturating_sub(before)))
}

/// The engine has a cache of its own, which is the same for both: what is compared is the queue.
#[test]
fn a_queue_of_fifty_megabytes_costs_little_memory() {
    if !broker::ours() {
        return;
    }
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let (_, whole) = filled(folders[0].path(), "queue_memory_bytes 0");
    let (broker, window) = filled(folders[1].path(), "queue_memory_bytes 262144");
    for (window, whole) in window.into_iter().zip(whole) {
        assert!(window + SAVED < whole, "{window} bytes with a window, {whole} without");
    }
    let (reader, _) = Client::open(&broker, &Connect::new(V4, "reader").durable());
    let mut reader = reader.patience(PATIENCE);
    take(&mut reader, 0..MESSAGES);
    reader.expect_silence();
}
