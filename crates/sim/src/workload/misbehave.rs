//! A client sends what breaks the protocol. It must be closed, and nobody else must notice.

use super::{Operation, choose, ready};
use crate::client::packets::Sent;
use crate::plan::Role;
use crate::world::World;
use pondhawk_codec::PacketType;

/// The operation.
pub const OPERATION: Operation = Operation { name: "misbehave", weight: 2, run };

/// Bytes that no client may send, and the type under which a shard counts them, if it gets so far.
const CRIMES: &[(&[u8], Option<PacketType>)] = &[
    // A second CONNECT.
    (&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'x'], Some(PacketType::Connect)),
    // PUBREL with flags 0.
    (&[0x60, 2, 0, 1], None),
    // Packet type 0.
    (&[0x00, 0], None),
    // SUBSCRIBE without a filter.
    (&[0x82, 3, 0, 1, 0], Some(PacketType::Subscribe)),
    // PINGRESP, which only a server sends.
    (&[0xd0, 0], Some(PacketType::Pingresp)),
    // PUBLISH at QoS 3.
    (&[0x36, 5, 0, 1, b'a', 0, 1], Some(PacketType::Publish)),
    // PUBLISH to a wildcard.
    (&[0x30, 4, 0, 1, b'#', 0], Some(PacketType::Publish)),
    // A remaining length of five bytes.
    (&[0x30, 0xff, 0xff, 0xff, 0xff, 1], None),
];

fn run(world: &mut World) -> bool {
    let Some(client) = choose(world, |world, client| ready(world, client, Role::Plain)) else { return false };
    let (bytes, counted) = world.rng.pick(CRIMES);
    world.say(client, bytes, Sent::Poison(counted));
    // What it might say behind that would not count.
    if let Some(wire) = world.clients[client].wire {
        world.wires[wire].finished = true;
    }
    true
}
