//! Tests of the queue, which stands beside this file.

use super::*;
use crate::server::{MessageRef, NEVER, Origin, SubscriptionIds};
use alloc::collections::BTreeMap;
use pondhawk_codec::Qos;
use proptest::prelude::*;

fn queued(seq: u64, name: u64, size: usize) -> Queued {
    let mut payload = name.to_be_bytes().to_vec();
    payload.resize(size.max(8), 0);
    let qos = if seq == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
    let view = MessageRef {
        topic: "",
        properties: &[],
        payload: &payload,
        qos,
        retain: false,
        expires_at: NEVER,
        origin: Origin(0),
        source: None,
    };
    let delivery = Delivery { qos, retain: false, ids: SubscriptionIds::None };
    Queued { seq: Seq(seq), message: Arc::new(view.to_message()), delivery }
}

fn name(queued: &Queued) -> u64 {
    let payload = queued.message.view().payload;
    u64::from_be_bytes(*payload.first_chunk().expect("eight bytes"))
}

/// A queue, the disk behind it, and what must come out of it.
#[derive(Default)]
struct Bench {
    queue: Queue,
    disk: BTreeMap<Seq, (Arc<Message>, Delivery)>,
    last: u64,
    names: u64,
    expected: VecDeque<(u64, usize)>,
    asked: Option<(Seq, Seq)>,
}

impl Bench {
    fn push(&mut self, numbered: bool, size: usize) {
        self.names += 1;
        self.last += u64::from(numbered);
        let queued = queued(if numbered { self.last } else { 0 }, self.names, size);
        self.expected.push_back((self.names, queued.size()));
        if numbered {
            self.disk.insert(queued.seq, (queued.message.clone(), queued.delivery.clone()));
        }
        self.queue.push(queued);
    }

    /// Reads so many of what was asked for.
    fn answer(&mut self, most: usize) {
        let Some((from, through)) = self.asked.take() else { return };
        let there = self.disk.range(from..=through).take(most);
        let messages: Vec<_> =
            there.map(|(seq, (message, delivery))| (*seq, message.clone(), delivery.clone())).collect();
        let through = messages.last().map_or(through, |last| last.0);
        assert_eq!(self.queue.take(Page { messages, through, lost: Vec::new() }), 0);
    }

    fn ask(&mut self, page: usize) {
        if let Some(asked) = self.queue.ask(page) {
            assert_eq!(self.asked, None, "one page at a time");
            self.asked = Some(asked);
        }
    }

    fn pop(&mut self) -> bool {
        let Some(queued) = self.queue.pop() else { return false };
        assert_eq!(self.expected.pop_front(), Some((name(&queued), queued.size())));
        true
    }

    fn check(&self) {
        let bytes: usize = self.expected.iter().map(|(_, size)| size).sum();
        assert_eq!((self.queue.len(), self.queue.bytes()), (self.expected.len(), bytes));
        assert_eq!(self.queue.is_empty(), self.expected.is_empty());
        assert_eq!(self.queue.memory_bytes() + self.queue.disk_bytes(), bytes);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Push(bool, usize),
    Spill(u64, usize),
    Ask(usize),
    Answer(usize),
    Fail,
    Pop,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (prop::bool::weighted(0.9), 8usize..60).prop_map(|(numbered, size)| Op::Push(numbered, size)),
        2 => (0u64..6, 0usize..100).prop_map(|(behind, window)| Op::Spill(behind, window)),
        2 => (0usize..200).prop_map(Op::Ask),
        2 => (1usize..5).prop_map(Op::Answer),
        1 => Just(Op::Fail),
        3 => Just(Op::Pop),
    ]
}

proptest! {
    #[test]
    fn all_comes_out_in_order_wherever_it_was(ops in prop::collection::vec(op(), 0..120)) {
        let mut bench = Bench::default();
        for op in ops {
            match op {
                Op::Push(numbered, size) => bench.push(numbered, size),
                Op::Spill(behind, window) => {
                    bench.queue.spill(Seq(bench.last.saturating_sub(behind)), window);
                }
                Op::Ask(page) => bench.ask(page),
                Op::Answer(most) => bench.answer(most),
                Op::Fail => if bench.asked.take().is_some() { bench.queue.ask_again() },
                Op::Pop => drop(bench.pop()),
            }
            bench.check();
        }
        while !bench.queue.is_empty() {
            bench.ask(1);
            bench.answer(3);
            while bench.pop() {}
        }
        bench.check();
    }
}

/// Ten messages of ten bytes, of which the first `window` bytes stay.
fn spilled(window: usize) -> Bench {
    let mut bench = Bench::default();
    (0..10).for_each(|_| bench.push(true, 10));
    bench.queue.spill(Seq(10), window);
    bench
}

#[test]
fn what_no_disk_has_stays_in_memory() {
    let mut bench = Bench::default();
    (0..10).for_each(|_| bench.push(true, 10));
    bench.queue.spill(Seq(0), 20);
    assert_eq!(bench.queue.disk_bytes(), 0);
    bench.queue.spill(Seq(4), 20);
    assert_eq!((bench.queue.memory_bytes(), bench.queue.disk_bytes()), (80, 20));
    bench.queue.spill(Seq(10), 20);
    assert_eq!((bench.queue.memory_bytes(), bench.queue.disk_bytes()), (20, 80));
    assert_eq!(spilled(100).queue.disk_bytes(), 0, "up to the window nothing goes");
}

#[test]
fn a_page_is_asked_for_when_little_is_left() {
    let mut bench = spilled(30);
    assert_eq!(bench.queue.ask(30), None);
    assert!(bench.pop());
    assert_eq!(bench.queue.ask(30), Some((Seq(4), Seq(10))));
    assert_eq!(bench.queue.ask(30), None, "it is on its way");
    bench.queue.ask_again();
    assert_eq!(bench.queue.ask(30), Some((Seq(4), Seq(10))));
}

#[test]
fn what_is_lost_is_counted_and_nothing_waits_for_it() {
    let mut bench = spilled(30);
    let page = |seqs: &[u64], through, lost: &[u64]| Page {
        messages: seqs
            .iter()
            .map(|seq| (Seq(*seq), bench.disk[&Seq(*seq)].0.clone(), bench.disk[&Seq(*seq)].1.clone()))
            .collect(),
        through: Seq(through),
        lost: lost.iter().copied().map(Seq).collect(),
    };
    let (first, last) = (page(&[4, 6], 6, &[5]), page(&[7], 10, &[]));
    assert_eq!(bench.queue.take(first), 0);
    assert_eq!((bench.queue.len(), bench.queue.ask(1000)), (9, Some((Seq(7), Seq(10)))));
    assert_eq!(bench.queue.take(last), 3);
    let left: Vec<u64> = core::iter::from_fn(|| bench.queue.pop()).map(|queued| queued.seq.0).collect();
    assert_eq!(left, [1, 2, 3, 4, 6, 7]);
    assert_eq!((bench.queue.len(), bench.queue.bytes(), bench.queue.is_empty()), (0, 0, true));
}
