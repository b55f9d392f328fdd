//! B: properties of MQTT 5 that unfold over time.

use crate::kit::packet::{PUBACK, PUBCOMP, PUBREC, PUBREL, ack, block, packet, prop};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// A session that lives for so many seconds after its connection.
fn lives(connect: Connect, seconds: u32) -> Connect {
    connect.resume().property(prop::four(prop::SESSION_EXPIRY, seconds))
}

/// A client with a will that waits for so many seconds.
fn willed(id: &str, delay: u32) -> Connect {
    let will = Publish::new(V5, format!("will/{id}"), id).qos(1, 0);
    Connect::new(V5, id).will(will).will_property(prop::four(prop::WILL_DELAY, delay))
}

// B12, S C(CVE-2019-11778, mosquitto#3505): once, at the earlier of its delay and the session's end.
#[test]
fn b12_will_delays_and_session_ends() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut watcher = Client::clean(&broker, V5, "watcher");
    watcher.subscribe("will/#", 1);
    for (id, delay, expiry) in [("session-ends", 3600, 1), ("no-session", 3600, 0), ("delay-ends", 1, 3600)] {
        Client::open(&broker, &lives(willed(id, delay), expiry)).0.cut();
        watcher.receive(&format!("will/{id}"), id);
        // Whoever comes back now finds no second one.
        Client::clean(&broker, V5, id).disconnect();
    }
    // Back in time: none at all.
    let back = lives(willed("back", 3600), 3600);
    Client::open(&broker, &back).0.cut();
    let (client, connack) = Client::open(&broker, &back);
    assert_eq!(connack[2], 1, "the session is there");
    client.disconnect();
    // A clean start ends the session, and with it the wait.
    Client::open(&broker, &lives(willed("ended", 3600), 3600)).0.cut();
    Client::clean(&broker, V5, "ended").disconnect();
    watcher.receive("will/ended", "ended");
    Client::clean(&broker, V5, "back").disconnect();
    watcher.expect_silence();
    watcher.disconnect();
    vitals.finish("B12 (will delays)", &mut broker, Limits::of_connections(11));
}

// B13, S: what DISCONNECT may do to the session's expiry, and the broker's cap.
#[test]
fn b13_session_expiry_at_disconnect() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let leave = |seconds: u32| {
        packet(0xE0, [&[0][..], &block(&[prop::four(prop::SESSION_EXPIRY, seconds)])].concat())
    };
    let mut raising = Client::clean(&broker, V5, "raising");
    raising.send(leave(3600));
    if broker::ours() {
        raising.expect_disconnect(0x82);
    } else {
        assert!(raising.drain().1);
    }
    let present = |broker: &Broker, id: &str| {
        let (client, connack) = Client::open(broker, &lives(Connect::new(V5, id), 3600));
        (client, connack[2] == 1)
    };
    assert!(!present(&broker, "raising").1, "no session was made");
    let (mut lowering, _) = present(&broker, "lowering");
    lowering.send(leave(0));
    lowering.expect_close();
    let (client, kept) = present(&broker, "lowering");
    assert!(!kept, "the session ends with the connection");
    client.disconnect();
    // Raised and lowered again between other values it is as it says.
    let (mut moving, _) = present(&broker, "moving");
    moving.send(leave(7200));
    moving.expect_close();
    assert!(present(&broker, "moving").1);
    for id in ["raising", "lowering", "moving"] {
        Client::clean(&broker, V5, id).disconnect();
    }
    vitals.finish("B13 (session expiry at DISCONNECT)", &mut broker, Limits::of_connections(9));
}

// B15, S C(mosquitto#3503): what the client does not take is dropped, counted, and holds up nothing.
#[test]
fn b15_messages_larger_than_the_client_takes() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let limited = |limit: u32| {
        lives(Connect::new(V5, "limited"), 3600)
            .property(prop::four(prop::MAXIMUM_PACKET_SIZE, limit))
            .property(prop::two(prop::RECEIVE_MAXIMUM, 2))
    };
    let mut tiny = Client::raw(&broker, V5);
    tiny.send(limited(1).bytes());
    tiny.expect_close();
    Client::open(&broker, &limited(20)).0.disconnect();
    let (mut client, _) = Client::open(&broker, &limited(100));
    client.subscribe("size/#", 2);
    let mut writer = Client::clean(&broker, V5, "writer");
    let large = "x".repeat(200);
    let publish_all = |writer: &mut Client| {
        for qos in 0..=2 {
            for _ in 0..10 {
                writer.publish("size/large", &large, qos);
            }
            writer.publish("size/small", "fits", qos);
        }
    };
    publish_all(&mut writer);
    for _ in 0..3 {
        client.receive("size/small", "fits");
    }
    client.expect_silence();
    client.disconnect();
    // The same for those that waited while it was away.
    publish_all(&mut writer);
    let (mut client, _) = Client::open(&broker, &limited(100));
    for _ in 0..2 {
        client.receive("size/small", "fits");
    }
    client.expect_silence();
    client.disconnect();
    if broker::ours() {
        let mut sys = Sys::watch_as(&broker, &Connect::new(V4, "sys-drop"));
        let counted = sys.until(10 * SECOND, |sys| sys.number("publish/messages/dropped") >= 50);
        assert!(counted, "{} are counted", sys.number("publish/messages/dropped"));
    }
    Client::clean(&broker, V5, "limited").disconnect();
    writer.disconnect();
    vitals.finish("B15 (maximum packet size)", &mut broker, Limits::of_connections(7));
}

// B16, S: a delivery that is refused is over: its place in the window is free, and it does not come again.
#[test]
fn b16_deliveries_that_are_refused() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let narrow = lives(Connect::new(V5, "refuser"), 3600).property(prop::two(prop::RECEIVE_MAXIMUM, 1));
    let (mut refuser, _) = Client::open(&broker, &narrow);
    refuser.subscribe("refused/#", 2);
    let mut writer = Client::clean(&broker, V5, "writer");
    for (qos, answer) in [(1, PUBACK), (2, PUBREC)] {
        for number in 0..20 {
            writer.publish("refused/m", number.to_string(), qos);
        }
        for number in 0..20 {
            let delivery = refuser.delivery();
            assert_eq!((delivery.text(), delivery.qos), (number.to_string(), qos));
            let [high, low] = delivery.mid.to_be_bytes();
            refuser.send(packet(answer, [high, low, 0x97]));
        }
        refuser.expect_silence();
    }
    // Refused between PUBREC and PUBREL it is over all the same.
    writer.publish("refused/m", "last", 2);
    let delivery = refuser.delivery();
    refuser.send(ack(PUBREC, delivery.mid));
    refuser.expect(ack(PUBREL, delivery.mid));
    refuser.send(packet(PUBCOMP, [delivery.mid.to_be_bytes().as_slice(), &[0x92]].concat()));
    refuser.expect_silence();
    refuser.cut();
    let (mut refuser, _) = Client::open(&broker, &narrow);
    refuser.expect_silence();
    refuser.disconnect();
    Client::clean(&broker, V5, "refuser").disconnect();
    writer.disconnect();
    vitals.finish("B16 (refused deliveries)", &mut broker, Limits::of_connections(4));
}

// B18, S: the broker does not look into payloads, and does not change them.
#[test]
fn b18_a_payload_that_is_not_the_text_it_says() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let mut reader = Client::clean(&broker, V5, "reader");
    reader.subscribe("text", 1);
    let mut writer = Client::clean(&broker, V5, "writer");
    for payload in [&b"\xFF\xFE"[..], b"\xED\xA0\x80", b"\0", b"cut \xE2\x82"] {
        let publish = Publish::new(V5, "text", payload).property(prop::byte(prop::PAYLOAD_FORMAT, 1));
        writer.send(publish.qos(1, 1).bytes());
        let answer = writer.frame();
        if answer.get(4) == Some(&0x99) {
            continue; // It may say that it is no text.
        }
        let delivery = reader.receive_any();
        assert_eq!(delivery.payload, payload);
        assert_eq!(delivery.properties, prop::byte(prop::PAYLOAD_FORMAT, 1));
    }
    [reader, writer].into_iter().for_each(Client::disconnect);
    vitals.finish("B18 (payload format)", &mut broker, Limits::of_connections(2));
}

/// The remaining life in seconds that a delivery says.
fn remaining(delivery: &decode::Delivery) -> Option<u32> {
    let properties = decode::properties(&delivery.properties);
    let (_, value) = properties.into_iter().find(|(id, _)| *id == prop::MESSAGE_EXPIRY)?;
    Some(u32::from_be_bytes(value.try_into().expect("four bytes")))
}

// B19, S G: the remaining time never wraps. That clocks jump is the simulator's to show.
#[test]
fn b19_message_expiry_at_its_edges() {
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    let durable = lives(Connect::new(V5, "reader"), 3600);
    let (mut reader, _) = Client::open(&broker, &durable);
    reader.subscribe("expiry/#", 1);
    let mut writer = Client::clean(&broker, V5, "writer");
    let mut publish = |expiry: u32, payload: &str| {
        let publish =
            Publish::new(V5, "expiry/m", payload).property(prop::four(prop::MESSAGE_EXPIRY, expiry));
        writer.send(publish.qos(1, 1).bytes());
        assert_eq!(writer.frame()[..2], [PUBACK, 2]);
    };
    for expiry in [1, u32::MAX] {
        publish(expiry, "live");
        assert_eq!(remaining(&reader.receive("expiry/m", "live")), Some(expiry));
    }
    reader.disconnect();
    for expiry in [0, 1, 2, u32::MAX - 1, u32::MAX] {
        publish(expiry, &expiry.to_string());
    }
    // Three seconds in which nothing comes: the short ones are over.
    assert_eq!(writer.frame_within(3 * SECOND), None);
    let (mut reader, _) = Client::open(&broker, &durable);
    for expiry in [u32::MAX - 1, u32::MAX] {
        let delivery = reader.receive("expiry/m", &expiry.to_string());
        let left = remaining(&delivery).expect("it says what is left");
        assert!((expiry - 600..=expiry - 2).contains(&left), "{left} of {expiry}");
    }
    reader.expect_silence();
    reader.disconnect();
    Client::clean(&broker, V5, "reader").disconnect();
    writer.disconnect();
    vitals.finish("B19 (message expiry)", &mut broker, Limits::of_connections(4));
}
