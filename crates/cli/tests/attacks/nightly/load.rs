//! F: memory and time used up by many, or by much.

use std::collections::HashSet;

use crate::kit::client::tcp;
use crate::kit::packet::{PINGREQ, PINGRESP, prop};
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// Takes everything that comes until a ping is answered.
fn catch_up(client: &mut Client) -> usize {
    client.send(PINGREQ);
    let mut frames = 0;
    while client.frame() != PINGRESP {
        frames += 1;
    }
    frames
}

// F07, C(FlashMQ CVE-2025-62723, smqtt#28): sessions have a cap. Scale: 2 000 ids at a cap of 500 instead of 1 000 000.
#[test]
fn f07_sessions_without_end() {
    if !broker::ours() {
        return; // Mosquitto 2.0.11 has no such cap.
    }
    let conf = target().line("global_max_clients 500").line("connection_messages false");
    let mut broker = conf.start();
    let mut vitals = Vitals::begin(&broker);
    let mut kept = Vec::new();
    for number in 0..2_000 {
        let connect = Connect::new(V5, format!("device{number}"));
        let forever = connect.resume().property(prop::four(prop::SESSION_EXPIRY, u32::MAX));
        let mut client = Client::raw(&broker, V5);
        client.send(forever.bytes());
        match decode::reason(&client.frame()) {
            Some(0) => {
                kept.push(number);
                client.cut();
            }
            reason => assert_eq!(reason, Some(0x97), "device{number}"),
        }
    }
    assert_eq!(kept.len(), 500 - 3, "the watch has three sessions");
    vitals.during("F07", &mut broker);
    // Who has a session is let in at the cap; a place that is given up is free.
    for number in kept {
        Client::clean(&broker, V5, &format!("device{number}")).disconnect();
    }
    Client::clean(&broker, V5, "another").disconnect();
    vitals.finish("F07 (sessions without end)", &mut broker, Limits::of_connections(2_500));
}

// F08, G: one message for many that are away is there once. Scale: 100 sessions and 100 messages of 100 kB (10 MB once,
// 1 GB each) instead of 1 000 and 1 000 of 1 MB.
#[test]
fn f08_one_message_for_many_that_are_away() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let away = |number: usize| Connect::new(V5, format!("away{number}")).durable();
    for number in 0..100 {
        let (mut client, _) = Client::open(&broker, &away(number));
        client.subscribe("news", 1);
        client.disconnect();
    }
    let mut writer = Client::clean(&broker, V5, "writer");
    let payload = vec![b'x'; 100_000];
    for _ in 0..100 {
        writer.publish("news", &payload, 1);
    }
    vitals.during("F08", &mut broker);
    let (mut client, _) = Client::open(&broker, &away(0));
    for _ in 0..100 {
        assert_eq!(client.receive_any().payload.len(), payload.len());
    }
    client.disconnect();
    for number in 0..100 {
        Client::clean(&broker, V5, &format!("away{number}")).disconnect();
    }
    writer.disconnect();
    vitals.finish("F08 (one message for many)", &mut broker, Limits::of_connections(202).peak(24 << 20));
}

// F09, G: a large message for many that do not read. Scale: 1 MB to 100 clients instead of 2 MB to 5 000. The catalogue
// wants one copy in all; here each connection has its own until its socket has taken it (docs/attacks.md), and the cap
// is what that comes to.
#[test]
fn f09_a_large_message_for_many() {
    let mut broker = target().own_line("max_output_bytes 65536").start();
    let mut vitals = Vitals::begin(&broker);
    let mut readers: Vec<Client> =
        (0..100).map(|n| Client::clean(&broker, V5, &format!("reader{n}"))).collect();
    for reader in &mut readers {
        reader.subscribe("large", 0);
    }
    let mut writer = Client::clean(&broker, V5, "writer");
    let payload = vec![b'x'; 1_000_000];
    for _ in 0..3 {
        writer.publish("large", &payload, 0);
    }
    vitals.during("F09", &mut broker);
    for reader in &mut readers {
        assert_eq!(reader.receive_any().payload.len(), payload.len());
    }
    readers.into_iter().for_each(Client::cut);
    writer.disconnect();
    // Twice the payload, and for each client one message that was begun and is not taken yet.
    let peak = 2 * 1_000_000 + 100 * (1_000_000 + 65_536);
    vitals.finish("F09 (a large message for many)", &mut broker, Limits::of_connections(101).peak(peak));
}

// F10, G: aliases cost what the advertised maximum allows. Scale: 50 clients with 10 aliases of 60 kB each.
#[test]
fn f10_topic_aliases_without_end() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let topic = |number: u16| format!("{number:05}{}", "x".repeat(60_000));
    let mut clients: Vec<Client> =
        (0..50).map(|n| Client::clean(&broker, V5, &format!("aliaser{n}"))).collect();
    for client in &mut clients {
        // Again and again: an alias that is set anew replaces the old one.
        for number in 0..30_u16 {
            let alias = prop::two(prop::TOPIC_ALIAS, number % 10 + 1);
            client.send(Publish::new(V5, topic(number), "m").property(alias).bytes());
        }
        client.expect_silence();
    }
    vitals.during("F10", &mut broker);
    // One more than was advertised.
    let alias = prop::two(prop::TOPIC_ALIAS, 11);
    clients[0].send(Publish::new(V5, topic(0), "m").property(alias).bytes());
    if broker::ours() {
        clients[0].expect_disconnect(0x94);
    }
    clients.into_iter().for_each(Client::cut);
    let peak = 50 * 10 * 64_000 + (8 << 20);
    vitals.finish("F10 (topic aliases)", &mut broker, Limits::of_connections(50).peak(peak));
}

// F11, C: what is on its way to readers that never answer is capped in bytes. Scale: 30 readers, 100 messages of 20 kB
// for each (60 MB in all), caps of 100 and 200 kB.
#[test]
fn f11_pubrec_withheld_by_many() {
    let conf = target().line("max_inflight_bytes 100000").line("max_queued_bytes 200000");
    let mut broker = conf.line("max_queued_messages 0").start();
    let mut vitals = Vitals::begin(&broker);
    let mut readers: Vec<Client> = (0..30)
        .map(|number| {
            let mut reader = Client::clean(&broker, V5, &format!("silent{number}"));
            reader.subscribe(&format!("silent/{number}"), 2);
            reader
        })
        .collect();
    let mut writer = Client::clean(&broker, V5, "writer");
    for _ in 0..100 {
        for number in 0..30 {
            writer.publish(&format!("silent/{number}"), vec![b'x'; 20_000], 2);
        }
    }
    vitals.during("F11", &mut broker);
    for reader in &mut readers {
        let received = catch_up(reader);
        assert!((1..=20).contains(&received), "{received} on their way");
    }
    readers.into_iter().for_each(Client::cut);
    writer.disconnect();
    // Both caps for each reader, the socket buffers being the kernel's, and room to work in.
    let peak = 30 * 300_000 + (8 << 20);
    vitals.finish("F11 (PUBREC withheld)", &mut broker, Limits::of_connections(31).peak(peak));
}

// F19, G. Scale: 500 000 of each instead of 1 000 000 a second.
#[test]
fn f19_empty_packets_at_full_speed() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let publish = Publish::new(V4, "e", "").bytes();
    for (name, packet, answers) in [("PINGREQ", PINGREQ.to_vec(), true), ("PUBLISH", publish, false)] {
        let socket = tcp(broker.port());
        let mut writer = socket.try_clone().expect("a second handle");
        let mut client = Client::over(socket, V4);
        client.handshake(&Connect::new(V4, "flooder"));
        // How long half a million packets take is the machine's matter.
        let mut client = client.patience(120 * SECOND);
        let burst = packet.repeat(1_000);
        let flood = std::thread::spawn(move || {
            (0..500).try_for_each(|_| std::io::Write::write_all(&mut writer, &burst))
        });
        if answers {
            (0..500_000).for_each(|_| client.expect(PINGRESP));
        }
        flood.join().expect("no panic").expect("everything was read");
        client.disconnect();
        vitals.during(name, &mut broker);
    }
    vitals.finish("F19 (empty packets)", &mut broker, Limits::of_connections(2));
}

// F20, G: every will once, and nobody starves meanwhile. Scale: 800 instead of 19 000.
#[test]
fn f20_a_will_storm() {
    let conf = target().line("connection_messages false").line("max_queued_messages 5000");
    let mut broker = conf.start();
    let mut vitals = Vitals::begin(&broker);
    let mut watcher = Client::clean(&broker, V5, "watcher");
    watcher.subscribe("wills/#", 1);
    let dying: Vec<Client> = (0..800)
        .map(|number| {
            let will = Publish::new(V4, format!("wills/{number}"), "gone").qos(1, 0);
            Client::open(&broker, &Connect::new(V4, format!("dying{number}")).will(will)).0
        })
        .collect();
    dying.into_iter().for_each(Client::cut);
    let mut seen = HashSet::new();
    while seen.len() < 800 {
        let will = watcher.receive_any();
        assert!(seen.insert(will.topic.clone()), "{} came twice", will.topic);
    }
    watcher.expect_silence();
    watcher.disconnect();
    vitals.during("F20", &mut broker);
    vitals.finish("F20 (a will storm)", &mut broker, Limits::of_connections(801));
}

// F21, G. Scale: 60 MB in 3 000 messages of 20 kB instead of 1 GB.
#[test]
fn f21_a_long_queue_drained() {
    let mut broker = target().line("max_queued_messages 0").line("max_inflight_messages 0").start();
    let mut vitals = Vitals::begin(&broker);
    let away = Connect::new(V5, "away").durable().property(prop::two(prop::RECEIVE_MAXIMUM, 65_535));
    let (mut reader, _) = Client::open(&broker, &away);
    reader.subscribe("backlog", 1);
    reader.disconnect();
    let mut writer = Client::clean(&broker, V5, "writer");
    for number in 0..3_000 {
        writer.publish("backlog", format!("{number:020000}"), 1);
    }
    vitals.during("F21, filling", &mut broker);
    let (mut reader, _) = Client::open(&broker, &away);
    for number in 0..3_000 {
        let delivery = reader.receive_any();
        assert_eq!(delivery.text().trim_start_matches('0'), number.to_string().trim_start_matches('0'));
        if number % 100 == 0 {
            writer.publish("others", "m", 1);
        }
    }
    vitals.during("F21, draining", &mut broker);
    reader.disconnect();
    Client::clean(&broker, V5, "away").disconnect();
    writer.disconnect();
    // What is queued on purpose, and as much again for the way out.
    let peak = 2 * 60_000_000;
    vitals.finish("F21 (a long queue drained)", &mut broker, Limits::of_connections(4).peak(peak));
}
