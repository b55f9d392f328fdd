//! Limits that bite: packet sizes, output, subscriptions, levels, user properties.

use crate::net::{Net, net};
use crate::wire::{Got, msg, subscribe, v5, v311};
use pondhawk_broker::Settings;
use pondhawk_codec::{PacketType, Property, Qos, Version};

/// B15 [MQTT-3.1.2-24] [MQTT-3.1.2-25]: what is too large for a client is dropped, and its window stays open.
#[test]
fn packets_too_large_for_the_client() {
    let mut net = Net::new(2, 1, Settings { max_inflight_messages: 2, ..Settings::default() });
    let a = net.join(&v5("a"));
    let limits = [Property::MaximumPacketSize(40), Property::SessionExpiryInterval(100)];
    let b = net.join(&v5("b").props(&limits));
    net.subscribe(b, &[("t", 1)]);
    let large = msg("t", &"x".repeat(50)).acked(1, 1);
    for n in 0..5 {
        net.publish(a, &large);
        net.publish(a, &msg("t", &n.to_string()).acked(1, 1));
    }
    assert_eq!(net.payloads(b), ["0", "1", "2", "3", "4"]);
    net.cut(b);
    net.publish(a, &large);
    net.publish(a, &msg("t", "5").acked(1, 1));
    let mut again = v5("b").props(&limits);
    again.clean = false;
    let b = net.join(&again);
    assert_eq!(net.payloads(b), ["5"]);
    let counters = net.counters();
    assert_eq!((counters.publish_dropped, counters.queued), (6, 0));
}

/// C17: all subscription identifiers, or none of the message.
#[test]
fn too_many_subscription_ids_for_the_client() {
    let mut net = Net::new(1, 1, Settings { allow_duplicate_messages: false, ..Settings::default() });
    let a = net.join(&v5("a").props(&[Property::MaximumPacketSize(60)]));
    for n in 1..=10u32 {
        let filter = format!("t/{}", if n % 2 == 0 { "+" } else { "#" });
        net.subscribe_as(a, &[(&filter, 0)], n * 1000);
    }
    net.publish(a, &msg("t/x", "x"));
    let ids = net.messages(a)[0].subscription_ids();
    assert_eq!(ids.len(), 2);
    for n in 0..100u32 {
        let filter = format!("{}/{}", ["+", "t"][n as usize % 2], ["#", "+", "x"][n as usize % 3]);
        net.subscribe_as(a, &[(&filter, 0)], 200_000_000 + n);
    }
    net.publish(a, &msg("t/x", &"x".repeat(30)));
    assert!(net.messages(a).is_empty());
}

/// Packets larger than announced, and a CONNECT larger than a CONNECT may be.
#[test]
fn packets_too_large_for_the_broker() {
    let mut net =
        Net::new(1, 1, Settings { max_packet_size: 100, max_connect_packet_size: 50, ..Settings::default() });
    let long = net.greet(&v5(&"c".repeat(60)));
    assert_eq!((net.is_open(long), net.got(long)), (false, vec![]));
    let (a, old) = (net.join(&v5("a")), net.join(&v311("old")));
    for client in [a, old] {
        net.publish(client, &msg("t", &"x".repeat(80)));
        assert!(net.is_open(client));
        net.publish(client, &msg("t", &"x".repeat(100)));
    }
    assert_eq!((net.got(a), net.got(old)), (vec![Got::Disconnect(0x95)], vec![]));
    net.assert_empty();
}

#[test]
fn payloads_too_large_to_be_routed() {
    let mut net = Net::new(1, 1, Settings { message_size_limit: 10, ..Settings::default() });
    let a = net.join(&v5("a").silent());
    net.subscribe(a, &[("t", 0)]);
    net.publish(a, &msg("t", "0123456789"));
    net.publish(a, &msg("t", "0123456789x").acked(1, 1).retained());
    let got = net.got(a);
    assert!(matches!(&got[..], [Got::Publish(_), Got::Ack(PacketType::Puback, 1, code)] if *code >= 0x80));
    assert_eq!(net.counters().retained, 0);
}

/// A subscriber that does not read loses QoS 0 first, then what its queue cannot hold; others notice nothing, and
/// it gets on with what is left once it reads.
#[test]
fn a_client_that_does_not_read() {
    for shards in crate::SHARDS {
        let mut settings = Settings { max_output_bytes: 1000, ..Settings::default() };
        settings.outbox.queued_messages = 5;
        let mut net = Net::new(shards, 1, settings);
        let (a, slow, fast) = (net.join(&v5("a")), net.join(&v5("slow")), net.join(&v5("fast")));
        for client in [slow, fast] {
            net.subscribe(client, &[("t", 1)]);
        }
        net.block(slow, true);
        for n in 0..100 {
            net.publish(a, &msg("t", &format!("{n:0100}")));
        }
        for n in 0..10 {
            net.publish(a, &msg("t", &format!("{n:0100}")).acked(1, 1));
        }
        assert_eq!(net.messages(fast).len(), 110);
        assert_eq!(net.counters().queued, 5);
        net.block(slow, false);
        let got = net.messages(slow);
        let qos_0 = got.iter().filter(|message| message.qos == 0).count();
        assert!((9..=11).contains(&qos_0), "{qos_0}");
        assert_eq!(got.len() - qos_0, 5);
        assert_eq!(net.counters().queued, 0);
        assert_eq!(net.counters().publish_dropped, 110 - got.len() as u64, "nothing is lost uncounted");
    }
}

/// Acknowledged messages that found no room in the output are sent as soon as there is some, though nothing was
/// in flight whose acknowledgement could have brought them on.
#[test]
fn the_queue_goes_on_when_the_output_is_taken() {
    let mut net = Net::new(1, 1, Settings { max_output_bytes: 1000, ..Settings::default() });
    let (a, b) = (net.join(&v5("a")), net.join(&v5("b")));
    net.subscribe(b, &[("t", 1)]);
    // All in one turn of the publisher: the subscriber's output is not taken meanwhile.
    let mut bytes = Vec::new();
    for n in 0..20 {
        bytes.extend(msg("t", &format!("{n:0100}")).encode(Version::V5));
    }
    bytes.extend(msg("t", "acked").acked(1, 1).encode(Version::V5));
    net.send(a, &bytes);
    assert_eq!(net.messages(b).last().map(|message| message.qos), Some(1));
    assert_eq!(net.counters().queued, 0);
}

/// A client that asks and does not read is not listened to until it does.
#[test]
fn answers_do_not_pile_up() {
    for shards in crate::SHARDS {
        let settings = Settings { max_output_bytes: 1000, ..Settings::default() };
        let mut net = Net::new(shards, 1, settings);
        let a = net.join(&v5("a"));
        net.block(a, true);
        net.send(a, &[0xc0, 0].repeat(10_000));
        assert!(net.backlog(a) <= 2100, "{}", net.backlog(a));
        net.block(a, false);
        assert_eq!(net.got(a).len(), 10_000);
        net.leave(a);
        net.assert_empty();
    }
}

/// C08
#[test]
fn subscriptions_of_a_client() {
    let mut net = Net::new(2, 1, Settings { max_subscriptions: 3, ..Settings::default() });
    let (a, old) = (net.join(&v5("a")), net.join(&v311("old")));
    let filters = [("1", 0), ("$share/g/2", 0), ("3", 0), ("4", 0), ("$share/g/5", 0), ("3", 1)];
    assert_eq!(net.subscribe(a, &filters), [0, 0, 0, 0x97, 0x97, 1]);
    assert_eq!(net.subscribe(old, &filters), [0, 0, 0, 0x80, 0x80, 1]);
    net.unsubscribe(a, "1");
    assert_eq!(net.subscribe(a, &[("4", 0)]), [0]);
    net.leave(a);
    net.leave(old);
    net.assert_empty();
}

/// One SUBSCRIBE with very many filters has as many codes.
#[test]
fn thirty_thousand_filters() {
    let mut net = net(2);
    let a = net.join(&v5("a"));
    let names: Vec<String> = (0..30_000).map(|n| format!("f/{n}")).collect();
    let filters: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let codes = net.subscribe(a, &filters);
    let granted = codes.iter().filter(|code| **code == 1).count();
    assert_eq!((codes.len(), granted), (30_000, 10_000));
    net.leave(a);
    net.assert_empty();
}

/// C03: 200 separators are taken, 201 are not.
#[test]
fn levels() {
    let mut net = net(1);
    let (fits, over) = ("/".repeat(200), "/".repeat(201));
    let a = net.join(&v5("a"));
    assert_eq!(net.subscribe(a, &[(&fits, 0), (&format!("$share/g/{fits}"), 0)]), [0, 0]);
    net.publish(a, &msg(&fits, "x"));
    assert_eq!(net.messages(a).len(), 2);
    net.publish(a, &msg(&over, "x"));
    assert!(!net.is_open(a));
    for filter in [over.clone(), format!("$share/g/{over}")] {
        let a = net.join(&v5("a"));
        net.send(a, &subscribe(Version::V5, 1, &[(&filter, 0)], 0));
        assert!(!net.is_open(a));
    }
    let a = net.greet(&v5("a").will(msg(&over, "x"), &[]));
    assert!(!net.is_open(a));
    net.assert_empty();
}

/// B06
#[test]
fn user_properties() {
    let mut net = net(1);
    let many = [Property::UserProperty("a", "b"); 129];
    let a = net.join(&v5("a"));
    net.publish(a, &msg("t", "x").with(&many[..128]));
    assert!(net.is_open(a));
    net.publish(a, &msg("t", "x").with(&many));
    assert_eq!(net.got(a), [Got::Disconnect(0x97)]);
}

/// [MQTT-3.2.2-10] [MQTT-3.8.4-7]: a subscription is granted, if at a lower QoS.
#[test]
fn maximum_qos() {
    let mut settings = Settings::default();
    settings.listeners[0].max_qos = Qos::AtMostOnce;
    let mut net = Net::new(1, 1, settings);
    let a = net.join(&v5("a"));
    assert_eq!(net.subscribe(a, &[("t", 2)]), [0]);
    net.publish(a, &msg("t", "x").acked(1, 1));
    assert_eq!(net.got(a), [Got::Disconnect(0x9b)]);
}

/// Bytes of unfinished QoS 2 messages are bounded where ids alone bound their number.
#[test]
fn bytes_between_publish_and_pubrel() {
    let mut net = Net::new(1, 1, Settings { max_inbox_bytes: 1000, ..Settings::default() });
    let a = net.join(&v311("a").silent());
    for id in 1..=9 {
        net.publish(a, &msg("t", &"x".repeat(109)).acked(2, id));
    }
    assert!(net.is_open(a));
    net.publish(a, &msg("t", &"x".repeat(109)).acked(2, 10));
    assert!(!net.is_open(a));
    net.assert_empty();
}

/// A16: a flood in one write is handled in slices, and all of it.
#[test]
fn a_flood_in_one_write() {
    let mut net = net(2);
    let a = net.join(&v311("a"));
    net.send(a, &[0xc0, 0].repeat(100_000));
    assert_eq!(net.got(a).len(), 100_000);
    net.subscribe(a, &[("t", 0)]);
    net.send(a, &msg("t", "x").encode(Version::V311).repeat(10_000));
    assert_eq!(net.messages(a).len(), 10_000);
}

/// The counters are what stood on the wire.
#[test]
fn counters_equal_a_recount() {
    for shards in crate::SHARDS {
        let mut net = net(shards);
        let (a, b, c) = (net.join(&v5("a")), net.join(&v311("b")), net.join(&v5("c").fresh(100)));
        net.subscribe(b, &[("t/#", 2), ("u", 0)]);
        net.subscribe(c, &[("t/#", 1), ("$share/g/u", 1)]);
        net.cut(c);
        net.publish(a, &msg("t/1", "12345").acked(2, 1).retained());
        net.publish(a, &msg("u", "123").acked(1, 2));
        net.publish(a, &msg("t/2", "1234567"));
        net.send(a, &[0xc0, 0]);
        net.unsubscribe(b, "u");
        let counters = net.counters();
        let received = |packet_type: PacketType| counters.packets_received[packet_type as usize];
        let sent = |packet_type: PacketType| counters.packets_sent[packet_type as usize];
        assert_eq!((received(PacketType::Connect), sent(PacketType::Connack)), (3, 3));
        assert_eq!((received(PacketType::Publish), sent(PacketType::Publish)), (3, 3));
        assert_eq!((counters.publish_bytes_received, counters.publish_bytes_sent), (15, 15));
        // A's PUBREL, and the one to B.
        assert_eq!((received(PacketType::Pubrel), sent(PacketType::Pubrel)), (1, 1));
        assert_eq!((received(PacketType::Pubcomp), sent(PacketType::Pubcomp)), (1, 1));
        assert_eq!((received(PacketType::Pingreq), sent(PacketType::Pingresp)), (1, 1));
        assert_eq!((sent(PacketType::Suback), sent(PacketType::Unsuback)), (2, 1));
        let now = (
            counters.sessions,
            counters.connected,
            counters.subscriptions,
            counters.shared_subscriptions,
            counters.retained,
        );
        assert_eq!(now, (3, 2, 2, 1, 1));
        // T/1 and U for C; "t/1" and "12345", "u" and "123".
        assert_eq!((counters.queued, counters.queued_bytes), (2, 12));
        assert_eq!(counters.publish_dropped, 0);
    }
}

/// The figures of the moment are those of all sessions, and of all places that something may be in.
#[test]
fn figures_of_the_moment() {
    let settings = Settings { persistent: true, max_inflight_messages: 2, ..Settings::default() };
    let mut net = Net::new(1, 1, settings);
    let from = net.join(&v5("from").kept(100).silent());
    for id in ["a", "b"] {
        let slow = net.join(&v5(id).kept(100).silent());
        net.subscribe(slow, &[("q", 1)]);
    }
    for id in 1..=5 {
        net.publish(from, &msg("q", "1234").acked(1, id));
    }
    for id in 6..=7 {
        net.publish(from, &msg("in", "12").acked(2, id));
    }
    for topic in ["r/1", "r/2", "r/3", "r/4"] {
        net.publish(from, &msg(topic, "x").acked(1, 1).retained());
    }
    net.publish_system("$SYS/x", "x");
    let counters = net.counters();
    assert_eq!((counters.queued, counters.queued_bytes, counters.inbox_bytes), (2 * 5, 2 * 5 * 5, 2 * 4));
    assert_eq!((counters.retained, counters.kept), (5, 4 + 2 * 5 + 2));
    assert_eq!(counters.waiting, 0);
    // A search for retained messages that the client has no room for, then a SUBACK that waits by a hold, and a PUBACK.
    let searching = net.join(&v5("searching").silent());
    net.subscribe(searching, &[("r/#", 1)]);
    assert_eq!(net.counters().waiting, 1);
    net.store_stalls = true;
    net.send(from, &subscribe(Version::V5, 9, &[("other", 1)], 0));
    assert_eq!(net.counters().waiting, 1 + 2);
    net.publish(from, &msg("q", "1234").acked(1, 10));
    assert_eq!(net.counters().waiting, 1 + 2 + 1);
}

/// What a person is shown of the subscriptions.
#[test]
fn a_description() {
    let mut net = net(1);
    let (a, b) = (net.join(&v5("a")), net.join(&v5("b")));
    net.subscribe(a, &[("t/+/#", 1)]);
    net.subscribe(b, &[("t/+/#", 0), ("$share/g/u", 1)]);
    let mut lines = Vec::new();
    net.shards[0].describe(&mut |line| lines.push(line.to_owned()));
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "  a (QoS 1)",
            "  b (QoS 0)",
            "  group g (1 members)",
            "t/+/# (2 subscribers, shards 0x0)",
            "u (0 subscribers, shards 0x0)",
        ]
    );
}

/// A client that comes back gets all that its window takes, though its output has room for less at a time and nothing
/// is acknowledged meanwhile.
#[test]
fn a_long_queue_for_a_small_output() {
    let mut net = Net::new(1, 1, Settings { max_output_bytes: 1000, ..Settings::default() });
    let (a, b) = (net.join(&v5("a")), net.join(&v5("b").fresh(100)));
    net.subscribe(b, &[("t", 1)]);
    net.cut(b);
    for n in 1..=20 {
        net.publish(a, &msg("t", &format!("{n:0100}")).acked(1, n));
    }
    let b = net.join(&v5("b").kept(100).silent());
    assert_eq!(net.messages(b).len(), 20);
}

/// What a client was sent, and cannot take any more by what it says when it comes back, ends with PUBREL if it may have
/// half of it. Of anything else it is told nothing.
#[test]
fn too_large_for_the_client_that_comes_back() {
    let mut net = net(1);
    let a = net.join(&v5("a"));
    let b = net.join(&v5("b").fresh(100).silent());
    net.subscribe(b, &[("t", 2)]);
    let large = "x".repeat(50);
    net.publish(a, &msg("t", &large).acked(1, 1));
    net.publish(a, &msg("t", &large).acked(2, 2));
    net.cut(b);
    net.publish(a, &msg("t", &large).acked(2, 3));
    let narrow = [Property::MaximumPacketSize(40), Property::SessionExpiryInterval(100)];
    let mut again = v5("b").props(&narrow);
    again.clean = false;
    let b = net.join(&again);
    assert_eq!(net.got(b), [Got::Ack(PacketType::Pubrel, 2, 0)]);
    let counters = net.counters();
    assert_eq!((counters.publish_dropped, counters.queued), (3, 0));
}
