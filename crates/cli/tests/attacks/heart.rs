//! The honest client: a publish and its delivery at QoS 1 every 10 ms, timed.
//!
//! What is timed is the broker, not the machine: from each round trip the time is taken off during which this
//! client's thread, or the longest-waiting thread of the broker, was ready to run and had no processor. On an
//! idle machine that is nothing, so a broker that works on something else for too long is still seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::kit::client::tcp;
use crate::kit::packet::{PINGREQ, ack};
use crate::kit::*;

/// Interval of the beats.
const BEAT: Duration = Duration::from_millis(10);

/// How many beats after an attack may pass until one is quick again: two seconds of them.
const RECOVERY_BEATS: u64 = 200;

/// What is known of the beats so far.
#[derive(Debug, Default)]
struct Chart {
    stop: AtomicBool,
    beats: AtomicU64,
    longest_us: AtomicU64,
    last_us: AtomicU64,
    peak_bytes: AtomicU64,
}

/// The running client.
pub struct Heart {
    chart: Arc<Chart>,
    thread: JoinHandle<()>,
}

/// What a stopped heart has seen.
#[derive(Clone, Copy, Debug)]
pub struct Beats {
    /// The longest round trip.
    pub longest: Duration,
    /// The broker's largest resident memory in bytes.
    pub peak_bytes: u64,
}

impl Heart {
    /// Connects and begins to beat.
    #[track_caller]
    pub fn start(broker: &Broker, connect: &Connect) -> Self {
        Self::start_at(broker.port(), broker.pid(), connect)
    }

    /// As [`Heart::start`], of whatever process listens on this port.
    #[track_caller]
    pub fn start_at(port: u16, pid: u32, connect: &Connect) -> Self {
        let mut client = Client::over(tcp(port), connect.version());
        client.handshake(connect);
        client.subscribe("$honest/beat", 1);
        let chart = Arc::new(Chart::default());
        let own = Arc::clone(&chart);
        let thread = std::thread::spawn(move || {
            while !own.stop.load(Ordering::Relaxed) {
                let spent = own.beat(&mut client, pid);
                std::thread::park_timeout(BEAT.saturating_sub(spent));
            }
            client.disconnect();
        });
        Self { chart, thread }
    }

    fn beats(&self) -> u64 {
        self.chart.beats.load(Ordering::Relaxed)
    }

    /// Whether a message of the honest client gets through now.
    pub fn beats_on(&self) -> bool {
        let before = self.beats();
        let beaten = poll(10 * SECOND, || (self.beats() > before || self.thread.is_finished()).then_some(()));
        beaten.is_some() && !self.thread.is_finished()
    }

    /// The first round trip from now on that takes less than `limit`; nothing if two seconds of beats are slower.
    pub fn quick_beat(&self, limit: Duration) -> Option<Duration> {
        let before = self.beats();
        poll(30 * SECOND, || {
            let (beats, last) =
                (self.beats(), Duration::from_micros(self.chart.last_us.load(Ordering::Relaxed)));
            let over = beats > before + RECOVERY_BEATS || self.thread.is_finished();
            // The first of these beats may have begun before.
            match beats > before + 1 && last < limit {
                true => Some(Some(last)),
                false => over.then_some(None),
            }
        })
        .flatten()
    }

    /// Ends the client; nothing if it has failed.
    pub fn stop(self) -> Option<Beats> {
        self.chart.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok()?;
        Some(Beats {
            longest: Duration::from_micros(self.chart.longest_us.load(Ordering::Relaxed)),
            peak_bytes: self.chart.peak_bytes.load(Ordering::Relaxed),
        })
    }
}

impl Chart {
    /// One round trip; gives the time that it took by the clock.
    fn beat(&self, client: &mut Client, pid: u32) -> Duration {
        let (queued, start) = (Queued::now(pid), Instant::now());
        round_trip(client);
        let spent = start.elapsed();
        let net = spent.saturating_sub(queued.since(pid)).as_micros() as u64;
        self.longest_us.fetch_max(net, Ordering::Relaxed);
        self.last_us.store(net, Ordering::Relaxed);
        self.peak_bytes.fetch_max(process::resident_bytes(pid), Ordering::Relaxed);
        self.beats.fetch_add(1, Ordering::Relaxed);
        spent
    }
}

/// How long threads have waited for a processor up to a moment.
struct Queued {
    here: Duration,
    broker: Vec<(u32, Duration)>,
}

impl Queued {
    fn now(pid: u32) -> Self {
        let threads = process::threads(pid).into_iter();
        Self {
            broker: threads.map(|thread| (thread, process::queued(pid, thread))).collect(),
            here: process::queued_here(),
        }
    }

    /// The wait since then: this thread's, and the longest of one of the broker's threads.
    fn since(&self, pid: u32) -> Duration {
        let of_broker =
            self.broker.iter().map(|(thread, before)| process::queued(pid, *thread).saturating_sub(*before));
        process::queued_here().saturating_sub(self.here) + of_broker.max().unwrap_or_default()
    }
}

/// One message to itself: PUBACK and delivery come in either order.
fn round_trip(client: &mut Client) {
    client.send(Publish::new(V4, "$honest/beat", "beat").qos(1, 1).bytes());
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
