//! What must hold during and after every case: V1 to V7 of the catalogue.
//!
//! An honest client beats every 10 ms (publish and receive at QoS 1); a bystander without the right to read
//! listens to everything; `$SYS` and the kernel count. Times of a loaded machine must not decide a test:
//! the limits that fail are multiples of the catalogue's, and the measured figure is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::kit::packet::{PINGREQ, ack};
use crate::kit::*;

/// Eight times the 250 ms of V7.
const STALL_MAX: Duration = Duration::from_secs(2);

/// Interval of the honest client.
const BEAT: Duration = Duration::from_millis(10);

/// V3: what the broker may have grown by when all is over.
const GROWTH_MAX: u64 = 8 << 20;

/// V6: what an attacking connection may write to the log.
const LOG_MAX: usize = 64 << 10;

/// Counters that must return to where they were.
const COUNTERS: [&str; 3] = ["clients/total", "clients/connected", "subscriptions/count"];

/// Counters of stored messages, in which Mosquitto includes the `$SYS` topics themselves.
const STORES: [&str; 2] = ["messages/stored", "retained messages/count"];

/// The broker that is attacked: open to everybody, except that `eve` may read next to nothing.
pub fn target() -> Conf {
    Conf::accounts()
        .line("allow_anonymous true")
        .line("sys_interval 1")
        .acl("topic readwrite #\ntopic readwrite $SYS/#\ntopic readwrite $foo/#\ntopic readwrite $CONTROL/#\ntopic readwrite $share/#\nuser eve\ntopic read eve/#\n")
        .shards(2)
}

/// What a case is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    connections: usize,
    growth: u64,
    peak: Option<u64>,
}

impl Limits {
    /// The catalogue's limits for a number of attacking connections.
    pub fn of_connections(connections: usize) -> Self {
        Self { connections: connections.max(1), growth: GROWTH_MAX, peak: None }
    }

    /// Memory that may be kept afterwards, for cases that store data on purpose or churn a lot.
    pub fn growth(mut self, bytes: u64) -> Self {
        self.growth = bytes;
        self
    }

    /// Memory above the baseline that may be used at any time during the attack.
    pub fn peak(mut self, bytes: u64) -> Self {
        self.peak = Some(bytes);
        self
    }
}

/// What the honest client measures.
#[derive(Debug, Default)]
struct Heart {
    stop: AtomicBool,
    beats: AtomicU64,
    longest_us: AtomicU64,
    peak_bytes: AtomicU64,
}

/// The watch over one broker.
pub struct Vitals {
    heart: Arc<Heart>,
    thread: JoinHandle<()>,
    bystander: Client,
    sys: Sys,
    resident: u64,
    descriptors: usize,
    counters: [i64; 3],
    stores: [[i64; 2]; 2],
    log_from: usize,
}

impl Vitals {
    /// Connects the honest client, the bystander and the counter, and takes the baseline.
    pub fn begin(broker: &Broker) -> Self {
        let mut sys = Sys::watch(broker);
        let (mut bystander, _) =
            Client::open(broker, &Connect::new(V4, "bystander").login("eve", "secret").keepalive(60));
        bystander.subscribe("#", 1);
        let heart = Arc::new(Heart::default());
        let thread = beat(broker, Arc::clone(&heart));
        let ready = sys.until(15 * SECOND, |sys| {
            sys.number("clients/connected") == 3 && sys.number("subscriptions/count") == 3
        });
        assert!(ready, "three honest clients are counted as {}", sys.number("clients/connected"));
        sys.take_all();
        Self {
            resident: broker.resident_bytes(),
            descriptors: broker.descriptors(),
            counters: COUNTERS.map(|name| sys.number(name)),
            stores: stores(&sys),
            log_from: broker.log_bytes(),
            heart,
            thread,
            bystander,
            sys,
        }
    }

    /// V1 and V2 at this moment: the broker lives and the honest client gets through.
    #[track_caller]
    pub fn during(&mut self, what: &str, broker: &mut Broker) {
        assert!(broker.alive(), "V1: the broker died after {what}; log:\n{}", broker.log());
        let before = self.heart.beats.load(Ordering::Relaxed);
        let beaten = poll(10 * SECOND, || {
            (self.heart.beats.load(Ordering::Relaxed) > before || self.thread.is_finished()).then_some(())
        });
        assert!(
            beaten.is_some() && !self.thread.is_finished(),
            "V2: the honest client does not get through after {what}"
        );
    }

    /// Everything after the attack. Its connections must be closed by now.
    #[track_caller]
    pub fn finish(mut self, name: &str, broker: &mut Broker, limits: Limits) {
        self.during(name, broker);
        self.heart.stop.store(true, Ordering::Relaxed);
        assert!(self.thread.join().is_ok(), "V2: the honest client failed during {name}");
        assert_eq!(broker.crash_mark(), None, "V1: a crash in the log of {name}:\n{}", broker.log());
        let stall = Duration::from_micros(self.heart.longest_us.load(Ordering::Relaxed));
        let peak = self.heart.peak_bytes.load(Ordering::Relaxed).saturating_sub(self.resident);
        println!("{name}: longest round trip {stall:?} (goal 250 ms), peak memory +{} KiB", peak / 1024);
        assert!(stall <= STALL_MAX, "V7: the honest client waited {stall:?} during {name}");
        if let Some(limit) = limits.peak {
            assert!(peak <= limit, "V3: {peak} bytes more were used during {name}, {limit} are allowed");
        }
        self.bystander.expect_silence(); // V5
        let growth = || broker.resident_bytes().saturating_sub(self.resident);
        let small = poll(10 * SECOND, || (growth() <= limits.growth).then_some(()));
        assert!(small.is_some(), "V3: {} bytes more are resident after {name}", growth());
        // The honest client's own connection is closed by now.
        let wanted = self.descriptors - 1;
        let closed = poll(10 * SECOND, || (broker.descriptors() <= wanted).then_some(()));
        assert!(
            closed.is_some(),
            "V4: {} descriptors instead of {wanted} after {name}",
            broker.descriptors()
        );
        counts_return(&mut self.sys, self.counters, self.stores, name);
        check_log(&broker.log()[self.log_from..], limits.connections, name);
    }
}

/// V4: sessions, subscriptions and stored messages are what they were, without the honest client.
#[track_caller]
fn counts_return(sys: &mut Sys, before: [i64; 3], stores_before: [[i64; 2]; 2], name: &str) {
    let wanted = before.map(|count| count - 1);
    sys.settle();
    let returned = sys.until(10 * SECOND, |sys| {
        let now = stores(sys);
        COUNTERS.map(|name| sys.number(name)) == wanted
            && (0..2).any(|way| (0..2).all(|store| now[way][store] <= stores_before[way][store]))
    });
    assert!(
        returned,
        "V4: {COUNTERS:?} are {:?} instead of {wanted:?}, {STORES:?} are {:?} instead of {stores_before:?} after {name}",
        COUNTERS.map(|name| sys.number(name)),
        stores(sys),
    );
}

/// Stored messages as counted, and without the `$SYS` topics.
fn stores(sys: &Sys) -> [[i64; 2]; 2] {
    let counted = STORES.map(|name| sys.number(name));
    let own = i64::try_from(sys.topics().count()).expect("a few dozen topics");
    [counted, counted.map(|count| count - own)]
}

/// V6: the log is small, and nothing in it can move a cursor or forge a line.
#[track_caller]
fn check_log(log: &str, connections: usize, name: &str) {
    assert!(
        log.len() <= LOG_MAX * connections,
        "V6: {} bytes of log for {connections} connections of {name}",
        log.len()
    );
    let bad = log.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(bad, None, "V6: a control character in the log of {name}:\n{}", log.escape_debug());
}

/// Starts the honest client.
fn beat(broker: &Broker, heart: Arc<Heart>) -> JoinHandle<()> {
    let (mut client, _) = Client::open(broker, &Connect::new(V4, "honest"));
    client.subscribe("honest/beat", 1);
    let pid = broker.pid();
    std::thread::spawn(move || {
        while !heart.stop.load(Ordering::Relaxed) {
            let start = Instant::now();
            round_trip(&mut client);
            let spent = start.elapsed();
            heart.longest_us.fetch_max(spent.as_micros() as u64, Ordering::Relaxed);
            heart.peak_bytes.fetch_max(process::resident_bytes(pid), Ordering::Relaxed);
            heart.beats.fetch_add(1, Ordering::Relaxed);
            std::thread::park_timeout(BEAT.saturating_sub(spent));
        }
        client.disconnect();
    })
}

/// One message to itself: PUBACK and delivery come in either order.
fn round_trip(client: &mut Client) {
    client.send(Publish::new(V4, "honest/beat", "beat").qos(1, 1).bytes());
    for _ in 0..2 {
        let frame = client.frame();
        match decode::delivery(V4, &frame) {
            Some(delivery) => client.send(ack(0x40, delivery.mid)),
            None => assert_eq!(frame, ack(0x40, 1)),
        }
    }
    client.send(PINGREQ);
    client.expect([0xD0, 0]);
}
