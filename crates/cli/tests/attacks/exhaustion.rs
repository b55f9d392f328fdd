//! F: connections, memory and descriptors used up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::files::reload;
use crate::kit::client::{plain, tcp};
use crate::kit::packet::PINGREQ;
use crate::kit::ws::request;
use crate::kit::*;
use crate::vitals::{Limits, Vitals, target};

/// Requires that the broker closes all of these.
#[track_caller]
fn all_are_closed(mut sockets: Vec<TcpStream>, what: &str) {
    let start = Instant::now();
    sockets.iter().for_each(|socket| socket.set_nonblocking(true).expect("a TCP socket"));
    let closed = poll(20 * SECOND, || {
        sockets.retain_mut(|socket| match socket.read(&mut [0; 512]) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        });
        sockets.is_empty().then_some(())
    });
    assert!(closed.is_some(), "{what}: {} sockets are open after {:?}", sockets.len(), start.elapsed());
}

// F01, C(CVE-2020-13849). Scale: 500 connections instead of 19 000, a timeout of 2 s instead of 30.
#[test]
fn f01_connections_that_say_nothing() {
    if !broker::ours() {
        return; // Mosquitto's timeout is fixed.
    }
    let mut broker = target().line("connect_timeout 2").start();
    let mut vitals = Vitals::begin(&broker);
    let sockets: Vec<TcpStream> = (0..500).map(|_| tcp(broker.port())).collect();
    plain(&broker, "served meanwhile").disconnect();
    vitals.during("F01", &mut broker);
    all_are_closed(sockets, "F01");
    vitals.finish("F01 (500 silent connections)", &mut broker, Limits::of_connections(501));
}

// F02, C: the deadline is absolute. CONNECT over TCP and the WebSocket upgrade, a byte at a time.
#[test]
fn f02_slow_handshakes() {
    if !broker::ours() {
        return; // Mosquitto's timeout is fixed.
    }
    let conf =
        target().line("connect_timeout 2").line("listener {port2} 127.0.0.1").line("protocol websockets");
    let mut broker = conf.line("allow_anonymous true").start();
    let mut vitals = Vitals::begin(&broker);
    let connect = Connect::new(V4, "slow").user("u".repeat(2000)).password("p").bytes();
    let upgrade = request("/", &format!("X-Padding: {}\r\n", "x".repeat(2000))).into_bytes();
    let start = Instant::now();
    let mut slow: Vec<(TcpStream, &[u8], usize)> = (0..20)
        .map(|n| {
            if n % 2 == 0 {
                (tcp(broker.port()), &connect[..], 0)
            } else {
                (tcp(broker.port_n(2)), &upgrade[..], 0)
            }
        })
        .collect();
    slow.iter().for_each(|(socket, ..)| socket.set_nonblocking(true).expect("a TCP socket"));
    let mut next = Instant::now();
    let closed = poll(20 * SECOND, || {
        if Instant::now() >= next {
            next += SECOND / 20;
            for (socket, bytes, at) in &mut slow {
                let _ = socket.write(&bytes[*at..=*at]);
                *at += 1;
            }
        }
        slow.retain_mut(|(socket, ..)| {
            matches!(socket.read(&mut [0; 512]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        });
        slow.is_empty().then_some(())
    });
    assert!(closed.is_some(), "{} handshakes drip on after {:?}", slow.len(), start.elapsed());
    vitals.during("F02", &mut broker);
    vitals.finish("F02 (slow handshakes)", &mut broker, Limits::of_connections(20));
}

// F03, S C(CVE-2020-13849): a peer that has gone silent is dead at one and a half times its keep alive.
#[test]
fn f03_dead_peers() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let clients: Vec<Client> = [V3, V4, V5]
        .into_iter()
        .map(|version| {
            let connect = Connect::new(version, format!("dead{}", version.0)).keepalive(2).durable();
            let (mut client, _) = Client::open(&broker, &connect);
            client.subscribe("dead/#", 1);
            client
        })
        .collect();
    vitals.during("F03", &mut broker);
    for mut client in clients {
        assert!(client.drain_within(15 * SECOND).1, "a dead peer is kept");
        Client::clean(&broker, client.version(), &format!("dead{}", client.version().0)).disconnect();
    }
    vitals.finish("F03 (dead peers)", &mut broker, Limits::of_connections(6));
}

// F03: what the client asks for is capped, so that no silent peer stays for ever: told in MQTT 5, refused below.
#[test]
fn f03_keep_alive_at_its_edges() {
    if !broker::ours() {
        return; // Mosquitto 2.0.11 lets 0 pass below MQTT 5.
    }
    let mut broker = target().start();
    let vitals = Vitals::begin(&broker);
    // Set by a reload, for the watchers are above it.
    let file = broker.dir().join("mosquitto.conf");
    let conf = std::fs::read_to_string(&file).expect("the kit wrote it");
    broker.write("mosquitto.conf", conf + "max_keepalive 2\n");
    reload(&broker);
    for seconds in [0, 3, u16::MAX] {
        for version in [V3, V4] {
            let mut refused = Client::raw(&broker, version);
            refused.send(Connect::new(version, "forever").keepalive(seconds).bytes());
            refused.expect([0x20, 2, 0, 2]);
            refused.expect_close();
        }
        let (mut told, connack) = Client::open(&broker, &Connect::new(V5, "told").keepalive(seconds));
        let properties = decode::connack_properties(&connack);
        assert!(properties.contains(&(0x13, vec![0, 2])), "{seconds}: {properties:?}");
        assert!(told.drain_within(15 * SECOND).1, "{seconds}: a dead peer is kept");
    }
    let (mut modest, connack) = Client::open(&broker, &Connect::new(V5, "modest").keepalive(1));
    assert!(!decode::connack_properties(&connack).iter().any(|(id, _)| *id == 0x13));
    modest.expect_silence();
    modest.disconnect();
    vitals.finish("F03 (keep alive at its edges)", &mut broker, Limits::of_connections(10));
}

/// Publishes until so many megabytes are sent.
fn flood(broker: &Broker, qos: u8, megabytes: usize) {
    let mut writer = Client::clean(broker, V4, "flooder");
    let payload = vec![b'x'; 10_000];
    for round in 0..megabytes * 10 {
        let batch: Vec<u8> =
            (1..=10).flat_map(|mid| Publish::new(V4, "flood", &payload).qos(qos, mid).bytes()).collect();
        writer.send([&batch[..], &PINGREQ].concat());
        let wanted = if qos == 0 { 1 } else { 11 };
        for _ in 0..wanted {
            assert!(writer.frame_within(20 * SECOND).is_some(), "the publisher starves in round {round}");
        }
    }
    writer.disconnect();
}

// F04, G. Scale: 60 MB instead of 100 MB/s without end; one stalled reader at each QoS.
#[test]
fn f04_a_reader_that_does_not_read() {
    let mut broker = target().start();
    let mut vitals = Vitals::begin(&broker);
    let mut stalled = Client::clean(&broker, V4, "stalled");
    stalled.subscribe("flood", 1);
    let mut reading = Client::clean(&broker, V4, "reading");
    reading.subscribe("marker", 0);
    for qos in [0, 1] {
        flood(&broker, qos, 30);
        vitals.during(&format!("F04 at QoS {qos}"), &mut broker);
    }
    Client::clean(&broker, V4, "writer").publish("marker", "m", 0);
    reading.receive("marker", "m");
    [stalled, reading].into_iter().for_each(Client::cut);
    // Socket buffers aside: 1 MiB of output, 1 000 queued messages of 10 kB.
    let limits = Limits::of_connections(5).peak(48 << 20);
    vitals.finish("F04 (a reader that does not read)", &mut broker, limits);
}

// F05, C(CVE-2017-7652): no descriptors left. Run with a limit of 256.
#[test]
fn f05_descriptors_run_out() {
    let mut broker = target().descriptors(256).start();
    let mut vitals = Vitals::begin(&broker);
    let mut honest = plain(&broker, "client");
    // Connections beyond the limit wait in the kernel or are refused; both are right.
    let sockets: Vec<TcpStream> =
        (0..400).filter_map(|_| TcpStream::connect(("127.0.0.1", broker.port())).ok()).collect();
    vitals.during("F05", &mut broker);
    honest.expect_silence();
    let (start, before) = (Instant::now(), process::cpu_time(broker.pid()));
    assert_eq!(honest.frame_within(SECOND), None);
    let (spent, elapsed) = (process::cpu_time(broker.pid()) - before, start.elapsed());
    println!("F05: {spent:?} of processor time in {elapsed:?} without descriptors");
    if broker::ours() {
        assert!(spent < elapsed / 2, "the accept loop spins: {spent:?} in {elapsed:?}");
    }
    drop(sockets);
    let recovered = poll(15 * SECOND, || {
        let mut client = Client::raw(&broker, V4);
        client.send(Connect::new(V4, "after").bytes());
        client.frame_within(SECOND)
    });
    assert_eq!(recovered.as_deref(), Some(&[0x20, 2, 0, 0][..]), "no recovery");
    honest.disconnect();
    vitals.finish("F05 (no descriptors)", &mut broker, Limits::of_connections(401));
}

// F06, C. Scale: 3 000 cycles instead of 100 000.
#[test]
fn f06_connect_and_disconnect() {
    let mut broker = target().line("connection_messages false").start();
    let mut vitals = Vitals::begin(&broker);
    let mut subscribe = Subscribe::new(V4, 1, "cycle/0/#", 1);
    for n in 1..10 {
        subscribe = subscribe.filter(format!("cycle/{n}/#"), 1);
    }
    let packets = |n: usize| {
        let will = Publish::new(V4, "wills", "w").qos(1, 0);
        [Connect::new(V4, format!("cycle{n}")).will(will).bytes(), subscribe.bytes()].concat()
    };
    let start = Instant::now();
    let cycles = 3_000;
    for n in 0..cycles {
        let mut client = Client::raw(&broker, V4);
        client.send(packets(n));
        client.expect([0x20, 2, 0, 0]);
        assert_eq!(client.frame()[0], 0x90);
        // Half of them leave politely.
        if n % 2 == 0 { client.disconnect() } else { client.cut() }
    }
    let per_second = f64::from(cycles as u32) / start.elapsed().as_secs_f64();
    println!("F06: {per_second:.0} cycles a second from one client");
    vitals.during("F06", &mut broker);
    vitals.finish("F06 (connect and disconnect)", &mut broker, Limits::of_connections(cycles));
}

/// Publishes messages of 50 kB until the broker has had a hundred or refuses; gives how many it took.
fn fill(broker: &Broker, round: usize) -> usize {
    // A shedding broker refuses the connection; then the next one is tried.
    let mut writer = Client::raw(broker, V5);
    writer.send(Connect::new(V5, format!("filler{round}")).bytes());
    let Some(connack) = writer.frame_within(5 * SECOND) else { return 0 };
    match decode::reason(&connack) {
        Some(0) => {}
        reason => {
            assert!(matches!(reason, Some(0x97 | 0x89)), "{}", hex::dump(&connack));
            return 0;
        }
    }
    let payload = vec![b'x'; 50_000];
    let mut taken = 0;
    for mid in 1..=100 {
        writer.send(Publish::new(V5, "fill", &payload).qos(1, mid).bytes());
        match writer.frame_within(5 * SECOND) {
            Some(frame) if frame[0] == 0x40 => {
                taken += usize::from(frame.get(4).is_none_or(|reason| *reason < 0x80))
            }
            Some(_) => {}
            None => break,
        }
    }
    writer.disconnect_or_lose();
    taken
}

// F12, G: with a memory limit the broker sheds load instead of growing, and keeps what it has acknowledged. Scale: 48 MiB
// instead of 256 MB. The kernel holds a limit as well, at which an allocation fails and the process ends, in place of a
// control group, which a test may not make.
#[test]
fn f12_a_memory_limit_sheds_load() {
    if !broker::ours() {
        return; // Mosquitto's own allocator fails hard.
    }
    let limit: u64 = 48 << 20;
    let conf = target().line(&format!("memory_limit {limit}")).line("max_queued_messages 0");
    let mut broker = conf.data_bytes(192 << 20).start();
    let (mut reader, _) = Client::open(&broker, &Connect::new(V4, "reader").keepalive(0));
    reader.subscribe("fill", 1);
    let mut peak = 0;
    let mut taken = 0;
    for round in 0..40 {
        taken += fill(&broker, round);
        peak = peak.max(broker.resident_bytes());
    }
    println!("F12: {taken} of 4000 messages of 50 kB acknowledged, at most {} MiB resident", peak >> 20);
    assert!(broker.alive(), "V1; log:\n{}", broker.log());
    assert!(peak <= limit + (24 << 20), "V3: {} MiB resident under a limit of 48 MiB", peak >> 20);
    assert!((100..4000).contains(&taken), "{taken} taken: 200 MB cannot be kept");
    for _ in 0..taken {
        assert_eq!(reader.receive_any().payload.len(), 50_000);
    }
    reader.expect_silence();
    reader.disconnect();
    // With the memory free again everybody is served.
    let recovered = poll(20 * SECOND, || (fill(&broker, 99) == 100).then_some(()));
    assert!(recovered.is_some(), "still refusing; log:\n{}", broker.log());
    let vitals = Vitals::begin(&broker);
    fill(&broker, 100);
    vitals.finish("F12 (memory limit, afterwards)", &mut broker, Limits::of_connections(1));
}
