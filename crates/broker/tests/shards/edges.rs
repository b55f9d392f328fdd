//! Where one more, or one less, makes a difference.

use crate::net::{Net, net};
use crate::wire::{Got, msg, v5};
use pondhawk_broker::{Effects, ReadState, Settings};
use pondhawk_codec::{Property, Version};

/// One client's bytes do not keep a shard for ever: the rest is taken in the next turn.
#[test]
fn a_turn_has_an_end() {
    let mut net = net(1);
    let conn = net.shards[0].open(0, 0, "peer".into()).conn;
    let mut fx = Effects::new();
    let mut bytes = v5("a").encode();
    for _ in 0..10_000 {
        bytes.extend_from_slice(&[0xc0, 0]);
    }
    let mut used = 0;
    let mut turns = 0;
    while used < bytes.len() {
        let consumed = net.shards[0].receive(0, conn, &bytes[used..], &mut fx);
        used += consumed.used;
        turns += 1;
        let rest = used < bytes.len();
        assert_eq!(consumed.state, if rest { ReadState::Busy } else { ReadState::Need(2) });
        assert!(consumed.used > 0 && consumed.used < 10_000, "{} bytes in one turn", consumed.used);
    }
    assert!((3..=8).contains(&turns), "{turns} turns");
    assert_eq!(net.shards[0].take_output(conn).windows(2).filter(|pair| *pair == [0xd0, 0]).count(), 10_000);
}

/// What its messages cost others counts, too.
#[test]
fn a_turn_ends_after_so_many_deliveries() {
    let mut net = net(1);
    for n in 0..100 {
        let client = net.join(&v5(&format!("{n}")));
        net.subscribe(client, &[("t", 0)]);
    }
    let conn = net.shards[0].open(0, 0, "peer".into()).conn;
    let mut fx = Effects::new();
    let mut bytes = v5("a").encode();
    bytes.extend(msg("t", "x").encode(Version::V5).repeat(100));
    let consumed = net.shards[0].receive(0, conn, &bytes, &mut fx);
    assert_eq!(consumed.state, ReadState::Busy);
    assert!(consumed.used < bytes.len());
}

/// A CONNACK may be as large as the client takes, and not larger. [MQTT-3.1.2-24]
#[test]
fn a_connack_is_sent_if_it_fits_to_the_byte() {
    let greet = |packet_max: u32| {
        let mut net = net(1);
        let client = net.greet(&v5("a").props(&[Property::MaximumPacketSize(packet_max)]));
        let got = net.got(client);
        (net.is_open(client), got)
    };
    let (_, got) = greet(1000);
    let [Got::Connack { properties, .. }] = &got[..] else { panic!("{got:?}") };
    // Two bytes each of header and of flags and code, and the length of the properties.
    let len = 2 + 2 + 1 + properties.len() as u32;
    assert_eq!(greet(len), (true, got));
    assert_eq!(greet(len - 1), (false, vec![]));
}

/// The place of a session that has ended goes to the next one, and its messages do not. [MQTT-3.8.3-3]
#[test]
fn a_message_of_an_earlier_session_is_not_ones_own() {
    let mut net = net(1);
    let first = net.join(&v5("first"));
    net.publish(first, &msg("t", "retained").retained());
    net.leave(first);
    let second = net.join(&v5("second"));
    net.publish(second, &msg("own", "retained").retained());
    // QoS 0, No Local.
    net.subscribe(second, &[("#", 0b100)]);
    assert_eq!(net.payloads(second), ["retained"]);
}

/// A connection that has said nothing is no client yet, and is let go without a word.
#[test]
fn a_connection_that_closes_at_once_leaves_nothing() {
    let mut net = Net::new(2, 1, Settings::default());
    for shard in 0..2 {
        let client = net.open(shard, 0, Version::V5);
        net.cut(client);
    }
    net.advance(60_000);
    net.assert_empty();
}
