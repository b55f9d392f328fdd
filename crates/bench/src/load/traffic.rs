//! Messages from publishers to subscribers in a closed loop.

use super::PATIENCE;
use super::engine::{Engine, Greeting, Handler, unexpected};
use super::ledger::{Faults, Ledger};
use super::message::{Stamp, Template};
use crate::broker::Running;
use crate::error::BenchError;
use crate::figure::{Figures, Metric, percentile};
use crate::meter::{CpuReading, Meter};
use crate::workload::{Topology, Traffic};
use pondhawk_codec::packet::{Ack, Publish};
use pondhawk_codec::{Frame, Packet, PacketId, PacketType, Qos, Version, reason};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The longest time that messages flow before anything is measured.
const WARM_UP_MAX: Duration = Duration::from_millis(500);

/// Runs the traffic and measures it.
///
/// # Errors
/// The broker broke off or stalled, or the books do not balance ([`BenchError::Void`]).
pub(super) fn measure(
    traffic: &Traffic,
    broker: &Running,
    measured: Duration,
) -> Result<Figures, BenchError> {
    let mut run = Run::open(traffic, broker.addr())?;
    let thread = Meter::Thread(rustix::thread::gettid().as_raw_nonzero().get());
    let snapshot = |books: &Books| -> Result<Snapshot, BenchError> {
        Ok(Snapshot {
            at: Instant::now(),
            broker: broker.meter().cpu()?,
            generator: thread.cpu()?,
            deliveries: books.deliveries,
        })
    };
    run.flow(WARM_UP_MAX.min(measured))?;
    run.books.latencies.clear();
    let before = snapshot(&run.books)?;
    run.flow(measured)?;
    let after = snapshot(&run.books)?;
    run.drain()?;
    Ok(figures(&before, &after, &mut run.books.latencies))
}

/// The state of things at a moment.
struct Snapshot {
    at: Instant,
    broker: CpuReading,
    generator: CpuReading,
    deliveries: u64,
}

fn figures(before: &Snapshot, after: &Snapshot, latencies: &mut [u64]) -> Figures {
    let elapsed = after.at.duration_since(before.at).as_secs_f64();
    let deliveries = (after.deliveries - before.deliveries).max(1) as f64;
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let generator = after.generator.since(&before.generator).as_secs_f64();
    let mut figures = Figures::from([
        (Metric::CpuPerDelivery, micros(after.broker.since(&before.broker)) / deliveries),
        (Metric::Throughput, deliveries / elapsed),
        (Metric::GeneratorLoad, 100.0 * generator / elapsed),
    ]);
    latencies.sort_unstable();
    let shares = [(Metric::LatencyP50, 0.5), (Metric::LatencyP99, 0.99), (Metric::LatencyP999, 0.999)];
    for (metric, share) in shares {
        if let Some(nanos) = percentile(latencies, share) {
            figures.insert(metric, nanos as f64 / 1e3);
        }
    }
    figures
}

/// A run: connections 0 to S-1 subscribe, S to S+P-1 publish.
struct Run<'a> {
    traffic: &'a Traffic,
    engine: Engine,
    books: Books,
    templates: Vec<Template>,
    /// Messages that the timer has allowed and that have not been sent, a publisher.
    due: u64,
}

impl<'a> Run<'a> {
    fn open(traffic: &'a Traffic, addr: SocketAddr) -> Result<Run<'a>, BenchError> {
        let mut engine = Engine::new()?;
        let filter = |number: usize| {
            Some(match traffic.topology {
                Topology::Pairs => topic(number),
                Topology::FanOut => topic(0),
                Topology::FanIn => "bench/#".to_owned(),
            })
        };
        let subscribers = Greeting {
            clients: traffic.subscribers,
            version: traffic.version,
            filter: &filter,
            qos: traffic.qos,
        };
        engine.open(addr, &subscribers)?;
        let publishers = Greeting { clients: traffic.publishers, filter: &|_| None, ..subscribers };
        engine.open(addr, &publishers)?;
        if let Some(pace) = traffic.pace {
            engine.tick_every(pace)?;
        }
        Ok(Run {
            traffic,
            engine,
            books: Books::new(traffic),
            templates: (0..traffic.publishers)
                .map(|flow| Template::new(traffic, flow as u32, &topic(flow)))
                .collect(),
            due: 0,
        })
    }

    /// Keeps the windows full for a time.
    fn flow(&mut self, time: Duration) -> Result<(), BenchError> {
        let start = Instant::now();
        let mut last = start;
        let mut now = start;
        while now.duration_since(start) < time {
            self.top_up();
            self.engine.flush()?;
            let left = time.saturating_sub(now.duration_since(start));
            let turn = self.engine.turn(left.min(PATIENCE), &mut self.books)?;
            self.due += turn.ticks;
            now = Instant::now();
            if turn.frames > 0 || self.books.owed() == 0 {
                last = now;
            } else if now.duration_since(last) > PATIENCE {
                return Err(BenchError::Stalled { within: PATIENCE, missing: self.books.owed() });
            }
        }
        Ok(())
    }

    /// Fills the publishers' windows.
    fn top_up(&mut self) {
        let allowed = if self.traffic.pace.is_some() { self.due } else { u64::MAX };
        let sent_at = self.books.clock();
        for (flow, template) in self.templates.iter().enumerate() {
            let room = self.traffic.window.saturating_sub(self.books.on_the_way(flow));
            let out = self.engine.out(self.traffic.subscribers + flow);
            for _ in 0..room.min(allowed) {
                template.append(self.books.next_number(flow), sent_at, out);
            }
        }
        self.due = 0;
    }

    /// Waits for all that is on the way, then for an answer behind it, and checks the books.
    fn drain(&mut self) -> Result<(), BenchError> {
        match self.engine.turn_until(&mut self.books, Books::owed) {
            // The books say more about a loss than the wait does.
            Ok(()) | Err(BenchError::Stalled { .. }) => {}
            Err(error) => return Err(error),
        }
        self.books.audit()?;
        for number in 0..self.traffic.subscribers {
            Packet::Pingreq
                .encode(self.traffic.version, self.engine.out(number))
                .map_err(|error| BenchError::Usage(error.to_string()))?;
        }
        self.engine.flush()?;
        let all = self.traffic.subscribers as u64;
        self.engine.turn_until(&mut self.books, |books| all - books.pongs)?;
        self.books.audit()
    }
}

fn topic(flow: usize) -> String {
    format!("bench/{flow}")
}

/// What one publisher has sent.
#[derive(Clone, Copy, Default)]
struct Flow {
    sent: u64,
    /// Messages above QoS 0 that the broker has not answered for.
    unacknowledged: u64,
}

/// The books of a run, and the handler that keeps them.
struct Books {
    topology: Topology,
    subscribers: usize,
    version: Version,
    qos: Qos,
    flows: Vec<Flow>,
    /// One for each subscriber and each publisher that it hears.
    ledgers: Vec<Ledger>,
    deliveries: u64,
    pongs: u64,
    start: Instant,
    timed: bool,
    /// Nanoseconds from publisher to subscriber, where the workload asks for them.
    latencies: Vec<u64>,
}

impl Books {
    fn new(traffic: &Traffic) -> Books {
        let heard = match traffic.topology {
            Topology::FanIn => traffic.publishers,
            Topology::Pairs | Topology::FanOut => 1,
        };
        Books {
            topology: traffic.topology,
            subscribers: traffic.subscribers,
            version: traffic.version,
            qos: traffic.qos,
            flows: vec![Flow::default(); traffic.publishers],
            ledgers: vec![Ledger::default(); traffic.subscribers * heard],
            deliveries: 0,
            pongs: 0,
            start: Instant::now(),
            timed: traffic.pace.is_some(),
            latencies: Vec::new(),
        }
    }

    /// Nanoseconds since the start.
    fn clock(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The ledger of a subscriber for a publisher that it hears.
    fn ledger(&mut self, subscriber: usize, flow: usize) -> Option<&mut Ledger> {
        let at = match self.topology {
            Topology::Pairs if flow == subscriber => subscriber,
            Topology::FanOut if flow == 0 => subscriber,
            Topology::FanIn if flow < self.flows.len() => subscriber * self.flows.len() + flow,
            _ => return None,
        };
        self.ledgers.get_mut(at)
    }

    /// The ledgers of all subscribers that hear a publisher.
    fn readers(&self, flow: usize) -> impl Iterator<Item = &Ledger> {
        let (first, step, count) = match self.topology {
            Topology::Pairs => (flow, 1, 1),
            Topology::FanOut => (0, 1, self.subscribers),
            Topology::FanIn => (flow, self.flows.len(), self.subscribers),
        };
        self.ledgers.iter().skip(first).step_by(step).take(count)
    }

    /// Messages of a publisher that someone has not got, or the broker has not answered for.
    fn on_the_way(&self, flow: usize) -> u64 {
        let Flow { sent, unacknowledged } = self.flows[flow];
        let complete = self.readers(flow).map(Ledger::complete).min().unwrap_or(sent);
        sent.saturating_sub(complete).max(unacknowledged)
    }

    /// Deliveries and answers that are owed.
    fn owed(&self) -> u64 {
        let owed = |flow: usize| {
            let Flow { sent, unacknowledged } = self.flows[flow];
            let missing = self.readers(flow).map(|ledger| sent.saturating_sub(ledger.complete()));
            missing.sum::<u64>() + unacknowledged
        };
        (0..self.flows.len()).map(owed).sum()
    }

    /// The number of the next message of a publisher, which is taken for sent.
    fn next_number(&mut self, flow: usize) -> u64 {
        let number = self.flows[flow].sent;
        self.flows[flow].sent += 1;
        self.flows[flow].unacknowledged += u64::from(self.qos != Qos::AtMostOnce);
        number
    }

    fn audit(&self) -> Result<(), BenchError> {
        let mut faults = Faults::default();
        for flow in 0..self.flows.len() {
            for ledger in self.readers(flow) {
                ledger.audit(self.flows[flow].sent, &mut faults);
            }
        }
        if faults == Faults::default() {
            return Ok(());
        }
        Err(BenchError::Void { lost: faults.lost, doubled: faults.doubled, disordered: faults.disordered })
    }

    /// A message arrived at a subscriber.
    fn delivered(&mut self, subscriber: usize, publish: &Publish<'_>) -> Option<()> {
        let stamp = Stamp::read(publish.payload)?;
        self.ledger(subscriber, stamp.flow as usize)?.record(stamp.number);
        self.deliveries += 1;
        if self.timed {
            self.latencies.push(self.clock().saturating_sub(stamp.sent_at));
        }
        Some(())
    }

    fn answer(&self, packet_type: PacketType, id: PacketId, out: &mut Vec<u8>) -> Result<(), BenchError> {
        Ack::new(id, reason::SUCCESS)
            .encode(packet_type, self.version, out)
            .map_err(|error| BenchError::Usage(error.to_string()))
    }

    /// The broker is done with a publisher's message.
    fn acknowledged(&mut self, number: usize) -> Option<()> {
        let flow = &mut self.flows[number.checked_sub(self.subscribers)?];
        flow.unacknowledged = flow.unacknowledged.checked_sub(1)?;
        Some(())
    }
}

impl Handler for Books {
    fn frame(&mut self, number: usize, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), BenchError> {
        let surprise = || unexpected(number, frame);
        let packet = Packet::decode(frame, self.version)
            .map_err(|error| BenchError::Broker(format!("connection {number}: {error}")))?;
        match packet {
            Packet::Publish(publish) if publish.qos == self.qos && number < self.subscribers => {
                self.delivered(number, &publish).ok_or_else(surprise)?;
                match (publish.qos, publish.packet_id) {
                    (Qos::AtLeastOnce, Some(id)) => self.answer(PacketType::Puback, id, out),
                    (Qos::ExactlyOnce, Some(id)) => self.answer(PacketType::Pubrec, id, out),
                    _ => Ok(()),
                }
            }
            Packet::Pubrel(ack) => self.answer(PacketType::Pubcomp, ack.packet_id, out),
            Packet::Pubrec(ack) if !ack.code.is_error() => {
                self.answer(PacketType::Pubrel, ack.packet_id, out)
            }
            Packet::Puback(ack) | Packet::Pubcomp(ack) if !ack.code.is_error() => {
                self.acknowledged(number).ok_or_else(surprise)
            }
            Packet::Pingresp => {
                self.pongs += 1;
                Ok(())
            }
            _ => Err(surprise()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Contender;
    use crate::workload::{Shape, WORKLOADS};

    #[test]
    fn a_flow_through_the_relay_loses_nothing() {
        for workload in WORKLOADS.iter().filter(|workload| workload.suits_relay()) {
            let Shape::Traffic(traffic) = workload.shape else {
                continue;
            };
            let relay = Contender::Relay.start().expect("a free port");
            let figures = measure(&traffic, &relay, Duration::from_millis(50)).expect("nothing lost");
            assert!(figures[&Metric::Throughput] > 0.0, "{}", workload.name);
            assert!(figures[&Metric::CpuPerDelivery] > 0.0, "{}", workload.name);
            assert_eq!(figures.contains_key(&Metric::LatencyP99), traffic.pace.is_some());
        }
    }

    #[test]
    fn the_books_notice_a_hole() {
        let Shape::Traffic(traffic) = WORKLOADS[0].shape else {
            panic!("fan-out");
        };
        let mut books = Books::new(&traffic);
        for number in [books.next_number(0), books.next_number(0), books.next_number(0)] {
            for subscriber in 0..traffic.subscribers {
                if (subscriber, number) != (5, 1) {
                    books.ledger(subscriber, 0).expect("heard").record(number);
                }
            }
        }
        assert_eq!((books.on_the_way(0), books.owed()), (2, 2));
        assert!(matches!(books.audit(), Err(BenchError::Void { lost: 1, doubled: 0, disordered: 0 })));
    }
}
