//! One publisher whose messages are kept, and one client that fetches them later.

use super::PATIENCE;
use super::engine::{Engine, Greeting, Handler, hello, subscribe, unexpected};
use super::ledger::{Faults, Ledger};
use super::message::{Stamp, Template};
use crate::error::BenchError;
use crate::workload::{Backlog, KEPT};
use pondhawk_codec::packet::{Ack, Publish};
use pondhawk_codec::{Frame, Packet, PacketId, PacketType, Qos, reason};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What the client that is away is called.
pub(crate) const AWAY: &str = "bench-away";
/// What it subscribes to.
pub(crate) const QUEUE_FILTER: &str = "bench/queue/#";
const QUEUE_TOPIC: &str = "bench/queue/0";
/// Packet identifiers.
const IDS: u64 = u16::MAX as u64;
/// Of so many messages in a row the oldest may wait: fewer than there are identifiers.
const IDS_MAX: u64 = 60_000;
const RETAINED_FILTER: &str = "bench/kept/#";

/// Keeps a window of messages on their way to a broker that acknowledges them.
pub(crate) struct Publisher {
    engine: Engine,
    what: Backlog,
    template: Template,
    window: u64,
    books: Acknowledged,
}

impl Publisher {
    /// Connects.
    ///
    /// # Errors
    /// The broker does not want it.
    pub(crate) fn open(addr: SocketAddr, what: Backlog, window: u64) -> Result<Self, BenchError> {
        let mut engine = Engine::new()?;
        let greeting = Greeting { clients: 1, version: KEPT.version, filter: &|_| None, qos: KEPT.qos };
        engine.open(addr, &greeting)?;
        let template = Template::new(&KEPT, 0, QUEUE_TOPIC);
        Ok(Publisher { engine, what, template, window, books: Acknowledged::default() })
    }

    /// Messages that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.books.sent
    }

    /// Messages that were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.books.acknowledged
    }

    /// Publishes for a time.
    ///
    /// # Errors
    /// The broker broke off or stalled, here and below.
    pub(crate) fn publish_for(&mut self, time: Duration) -> Result<(), BenchError> {
        let start = Instant::now();
        self.publish(u64::MAX, |_| start.elapsed() >= time)
    }

    /// Publishes until so many messages are acknowledged.
    pub(crate) fn publish_up_to(&mut self, messages: u64) -> Result<(), BenchError> {
        self.publish(messages, |books| books.acknowledged >= messages)
    }

    /// Waits until everything that was sent is acknowledged.
    pub(crate) fn settle(&mut self) -> Result<(), BenchError> {
        self.engine.turn_until(&mut self.books, Acknowledged::missing)
    }

    fn publish(&mut self, messages: u64, is_over: impl Fn(&Acknowledged) -> bool) -> Result<(), BenchError> {
        let mut last = Instant::now();
        while !is_over(&self.books) {
            self.top_up(messages);
            self.engine.flush()?;
            if self.engine.turn(PATIENCE, &mut self.books)?.frames > 0 {
                last = Instant::now();
            } else if last.elapsed() >= PATIENCE {
                return Err(BenchError::Stalled { within: PATIENCE, missing: self.books.missing() });
            }
        }
        Ok(())
    }

    /// Fills the window.
    fn top_up(&mut self, messages: u64) {
        let room =
            self.window.saturating_sub(self.books.missing()).min(IDS_MAX - self.books.waiting.len() as u64);
        let first = self.books.sent;
        for number in first..(first + room).min(messages.max(first)) {
            self.books.send();
            let out = self.engine.out(0);
            match self.what {
                Backlog::Queued => self.template.append(number, 0, out),
                Backlog::Retained => {
                    let topic = format!("bench/kept/{number:07}");
                    let traffic = crate::workload::Traffic { retain: true, ..KEPT };
                    Template::new(&traffic, 0, &topic).append(number, 0, out);
                }
            }
        }
    }
}

/// Bytes of one queued message as it is sent.
pub(crate) fn frame_bytes() -> usize {
    let mut frame = Vec::new();
    Template::new(&KEPT, 0, QUEUE_TOPIC).append(0, 0, &mut frame);
    frame.len()
}

/// What the publisher knows of its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Acknowledged {
    sent: u64,
    acknowledged: u64,
    /// From the oldest message that waits to the last that was sent: whether it waits.
    waiting: VecDeque<bool>,
}

impl Acknowledged {
    fn send(&mut self) {
        self.sent += 1;
        self.waiting.push_back(true);
    }

    fn missing(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// `None` if no message with this identifier waits. They need not be answered in order.
    fn take(&mut self, id: PacketId) -> Option<()> {
        let oldest = (self.sent - self.waiting.len() as u64) % IDS;
        let place = (u64::from(id.get()) - 1 + IDS - oldest) % IDS;
        let waits = self.waiting.get_mut(place as usize).filter(|waits| **waits)?;
        *waits = false;
        self.acknowledged += 1;
        while self.waiting.front() == Some(&false) {
            self.waiting.pop_front();
        }
        Some(())
    }
}

impl Handler for Acknowledged {
    fn frame(&mut self, number: usize, frame: &Frame<'_>, _out: &mut Vec<u8>) -> Result<(), BenchError> {
        let taken = match Packet::decode(frame, KEPT.version) {
            Ok(Packet::Puback(ack)) if !ack.code.is_error() => self.take(ack.packet_id),
            _ => None,
        };
        taken.ok_or_else(|| unexpected(number, frame))
    }
}

/// Fetches what was kept: `messages` in all, each once, those of the queue in order.
///
/// # Errors
/// One is lost, doubled or out of order, or the broker broke off.
pub(crate) fn fetch(addr: SocketAddr, what: Backlog, messages: u64) -> Result<(), BenchError> {
    let mut engine = Engine::new()?;
    let number = match what {
        Backlog::Queued => engine.join(addr, &hello(KEPT.version, false, AWAY))?,
        Backlog::Retained => engine.join(addr, &hello(KEPT.version, true, "bench-reader"))?,
    };
    let mut books = Fetched { what, ..Fetched::default() };
    engine.flush()?;
    match engine.turn_until(&mut books, |books| messages.saturating_sub(books.complete())) {
        // The books say more about a loss than the wait does.
        Ok(()) | Err(BenchError::Stalled { .. }) => {}
        Err(error) => return Err(error),
    }
    books.audit(messages)?;
    // What comes too often comes before the answer to this.
    engine.out(number).extend_from_slice(&[PacketType::Pingreq.first_byte(), 0]);
    engine.flush()?;
    engine.turn_until(&mut books, |books| 1 - books.pongs)?;
    books.audit(messages)
}

/// What came to the client.
#[derive(Default)]
struct Fetched {
    what: Backlog,
    ledger: Ledger,
    pongs: u64,
}

impl Fetched {
    fn complete(&self) -> u64 {
        self.ledger.complete()
    }

    fn audit(&self, messages: u64) -> Result<(), BenchError> {
        let mut faults = Faults::default();
        self.ledger.audit(messages, &mut faults);
        if self.what == Backlog::Retained {
            // They are of many topics, among which there is no order.
            faults.disordered = 0;
        }
        if faults == Faults::default() {
            return Ok(());
        }
        Err(BenchError::Void { lost: faults.lost, doubled: faults.doubled, disordered: faults.disordered })
    }

    fn message(&mut self, publish: &Publish<'_>, out: &mut Vec<u8>) -> Option<()> {
        let id: PacketId = publish.packet_id.filter(|_| publish.qos == Qos::AtLeastOnce && !publish.dup)?;
        self.ledger.record(Stamp::read(publish.payload)?.number);
        Ack::new(id, reason::SUCCESS).encode(PacketType::Puback, KEPT.version, out).ok()
    }
}

impl Handler for Fetched {
    fn frame(&mut self, number: usize, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), BenchError> {
        let surprise = || unexpected(number, frame);
        match Packet::decode(frame, KEPT.version) {
            Ok(Packet::Publish(publish)) => self.message(&publish, out).ok_or_else(surprise),
            Ok(Packet::Connack(connack)) if connack.code.0 == 0 => match self.what {
                Backlog::Queued if !connack.session_present => {
                    Err(BenchError::Broker("the session is gone".to_owned()))
                }
                Backlog::Queued => Ok(()),
                Backlog::Retained => subscribe(KEPT.version, RETAINED_FILTER, KEPT.qos, out),
            },
            Ok(Packet::Suback(suback)) if suback.codes == [KEPT.qos.as_u8()] => Ok(()),
            Ok(Packet::Pingresp) => {
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
    use pondhawk_codec::frame::{Step, next};

    fn take(handler: &mut impl Handler, bytes: &[u8]) -> Result<Vec<u8>, BenchError> {
        let Ok(Step::Frame(frame)) = next(bytes, bytes.len()) else {
            panic!("one frame");
        };
        let mut out = Vec::new();
        handler.frame(0, &frame, &mut out)?;
        Ok(out)
    }

    fn message(number: u64) -> Vec<u8> {
        let mut frame = Vec::new();
        Template::new(&KEPT, 0, QUEUE_TOPIC).append(number, 0, &mut frame);
        frame
    }

    #[test]
    fn an_acknowledgement_of_nothing_or_of_something_twice_is_noticed() {
        let mut books = Acknowledged { sent: IDS - 1, acknowledged: IDS - 1, waiting: VecDeque::new() };
        for _ in 0..3 {
            books.send();
        }
        let puback = |id: u16| [&[0x40, 2][..], &id.to_be_bytes()].concat();
        for (id, waits) in
            [(3, false), (2, true), (2, false), (65_534, false), (65_535, true), (1, true), (1, false)]
        {
            assert_eq!(take(&mut books, &puback(id)).is_ok(), waits, "{id}");
        }
        assert_eq!(books, Acknowledged { sent: IDS + 2, acknowledged: IDS + 2, waiting: VecDeque::new() });
    }

    #[test]
    fn what_is_missing_doubled_or_out_of_order_voids_the_run() {
        for (numbers, queued, retained) in [
            (&[0, 1, 2][..], true, true),
            (&[0, 2], false, false),
            (&[0, 1, 1, 2], false, false),
            (&[0, 2, 1], false, true),
        ] {
            for (what, right) in [(Backlog::Queued, queued), (Backlog::Retained, retained)] {
                let mut books = Fetched { what, ..Fetched::default() };
                for number in numbers {
                    let answer = take(&mut books, &message(*number)).expect("a message");
                    assert_eq!(answer, [0x40, 2, 0, *number as u8 + 1]);
                }
                assert_eq!(books.audit(3).is_ok(), right, "{numbers:?} {what:?}");
            }
        }
    }

    #[test]
    fn a_session_that_is_gone_is_noticed() {
        let mut books = Fetched::default();
        assert!(take(&mut books, &[0x20, 2, 0, 0]).is_err());
        assert!(take(&mut books, &[0x20, 2, 1, 0]).is_ok());
    }
}
