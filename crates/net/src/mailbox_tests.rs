//! Tests of the mailbox: order, bound, wake-ups, and a run with real threads and a real poll.

use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use super::*;

#[derive(Debug, PartialEq, Eq)]
struct Item {
    sender: usize,
    number: usize,
    bytes: usize,
}

impl Weight for Item {
    fn weight(&self) -> usize {
        self.bytes
    }
}

impl Weight for u32 {
    fn weight(&self) -> usize {
        4
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

const WIDE: Bound = Bound { items: usize::MAX, bytes: usize::MAX };

#[test]
fn keeps_the_order_of_sends_across_senders() {
    let (a, mut rx) = mailbox(WIDE, Arc::new(Count::default()));
    let b = a.clone();
    assert_eq!(a.send_batch(&mut vec![1u32, 2]), Pressure::Ok);
    assert_eq!(b.send_batch(&mut vec![3]), Pressure::Ok);
    assert_eq!(a.send_batch(&mut vec![4, 5]), Pressure::Ok);
    let mut got = vec![0];
    rx.drain(&mut got);
    assert_eq!(got, [0, 1, 2, 3, 4, 5], "what the buffer held stays in front");
    rx.drain(&mut got);
    assert_eq!(got.len(), 6);
}

#[test]
fn a_sent_batch_is_empty_and_buffers_are_exchanged() {
    let (tx, mut rx) = mailbox(WIDE, Arc::new(Count::default()));
    let mut batch = Vec::with_capacity(100);
    batch.push(1u32);
    let first = batch.as_ptr();
    assert_eq!(tx.send_batch(&mut batch), Pressure::Ok);
    assert!(batch.is_empty());
    let mut got = Vec::new();
    rx.drain(&mut got);
    assert_eq!(got.as_ptr(), first, "one buffer went through without a copy");
}

#[test]
fn a_burst_does_not_stay_resident() {
    let (tx, mut rx) = mailbox(WIDE, Arc::new(Count::default()));
    let mut got = Vec::new();
    assert_eq!(tx.send_batch(&mut vec![7u32; SPARE_ITEMS_MAX * 2]), Pressure::Ok);
    rx.drain(&mut got);
    assert_eq!(got.len(), SPARE_ITEMS_MAX * 2);
    got.clear();
    rx.drain(&mut got);
    assert!(got.capacity() <= SPARE_ITEMS_MAX);
    assert!(rx.shared.lock().queue.capacity() <= SPARE_ITEMS_MAX);
}

#[test]
fn bound_counts_items_and_bytes_and_never_refuses() {
    let item = |bytes| Item { sender: 0, number: 0, bytes };
    let (tx, mut rx) = mailbox(Bound { items: 2, bytes: 100 }, Arc::new(Count::default()));
    let mut got = Vec::new();

    assert_eq!(tx.send_batch(&mut vec![item(1), item(1)]), Pressure::Ok);
    assert_eq!(tx.send_batch(&mut vec![item(1)]), Pressure::Over);
    assert!(tx.is_over());
    assert_eq!(tx.send_batch(&mut Vec::new()), Pressure::Over);
    assert_eq!(tx.send_batch(&mut vec![item(1)]), Pressure::Over);
    rx.drain(&mut got);
    assert_eq!(got.len(), 4, "everything past the bound was still accepted");
    assert!(!tx.is_over());

    assert_eq!(tx.send_batch(&mut vec![item(100)]), Pressure::Ok);
    assert_eq!(tx.send_batch(&mut vec![item(1)]), Pressure::Over);
    got.clear();
    rx.drain(&mut got);
    assert_eq!(tx.send_batch(&mut vec![item(usize::MAX), item(usize::MAX)]), Pressure::Over);
    rx.drain(&mut got);
    assert_eq!(tx.send_batch(&mut vec![item(100)]), Pressure::Ok, "the sum starts again from zero");
}

#[test]
fn wakes_only_a_receiver_that_may_be_asleep() {
    let count = Arc::new(Count::default());
    let (tx, mut rx) = mailbox(WIDE, count.clone());
    let send = |n| assert_eq!(tx.send_batch(&mut vec![n]), Pressure::Ok);
    let mut got = Vec::new();

    send(1u32);
    send(2);
    assert_eq!(count.get(), 1, "the first send finds it asleep, the second does not");
    rx.drain(&mut got);
    send(3);
    assert_eq!(count.get(), 1, "an awake receiver looks by itself");
    assert!(!rx.may_sleep(), "there is mail");
    send(4);
    assert_eq!(count.get(), 1);
    rx.drain(&mut got);
    assert!(rx.may_sleep());
    assert_eq!(tx.send_batch(&mut Vec::new()), Pressure::Ok);
    assert_eq!(count.get(), 1, "an empty batch wakes nobody");
    send(5);
    send(6);
    assert_eq!(count.get(), 2);
    rx.drain(&mut got);
    assert_eq!(got, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_sender_told_over_is_relieved_once() {
    let relief = [Arc::new(Count::default()), Arc::new(Count::default())];
    let (tx, mut rx) = mailbox(Bound { items: 1, bytes: 1000 }, Arc::new(Count::default()));
    let senders = relief.clone().map(|relief| tx.clone().with_relief(relief));
    let mut got = Vec::new();

    assert_eq!(senders[0].send_batch(&mut vec![1u32]), Pressure::Ok);
    assert_eq!(senders[1].send_batch(&mut vec![2]), Pressure::Over);
    assert_eq!(senders[1].send_batch(&mut vec![3]), Pressure::Over);
    assert_eq!(tx.send_batch(&mut vec![4]), Pressure::Over);
    rx.drain(&mut got);
    rx.drain(&mut got);
    assert_eq!(relief.each_ref().map(|count| count.get()), [0, 1]);
}

/// One sender is relieved, another fills the mailbox before the first one looks: the first must be woken again.
#[test]
fn looking_while_over_asks_for_relief_again() {
    let relief = Arc::new(Count::default());
    let (other, mut rx) = mailbox(Bound { items: 0, bytes: 1000 }, Arc::new(Count::default()));
    let tx = other.clone().with_relief(relief.clone());
    let mut got = Vec::new();

    assert_eq!(tx.send_batch(&mut vec![1u32]), Pressure::Over);
    rx.drain(&mut got);
    assert_eq!(relief.get(), 1);
    assert_eq!(other.send_batch(&mut vec![2]), Pressure::Over);
    assert!(tx.is_over());
    rx.drain(&mut got);
    assert_eq!(relief.get(), 2);
}

#[test]
fn a_gone_receiver_takes_nothing_and_relieves_everyone() {
    let relief = Arc::new(Count::default());
    let (tx, rx) = mailbox(Bound { items: 0, bytes: 0 }, Arc::new(Count::default()));
    let tx = tx.with_relief(relief.clone());
    assert_eq!(tx.send_batch(&mut vec![1u32]), Pressure::Over);
    drop(rx);
    assert_eq!(relief.get(), 1);
    assert!(!tx.is_over());
    let mut batch = vec![2];
    assert_eq!(tx.send_batch(&mut batch), Pressure::Closed);
    assert!(batch.is_empty());
}

/// Four threads send, one receives and really blocks: all arrives, in order, and no wake-up is lost.
#[test]
fn threads_lose_neither_item_nor_wake_up() {
    const SENDERS: usize = 4;
    const ITEMS: usize = 20_000;
    let mut poll = mio::Poll::new().unwrap();
    let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
    let (tx, mut rx) = mailbox(Bound { items: 500, bytes: usize::MAX }, waker);

    let threads: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let tx = tx.clone();
            thread::spawn(move || send_numbers(&tx, sender, ITEMS))
        })
        .collect();

    let mut next = [0; SENDERS];
    let mut got = Vec::new();
    let mut events = mio::Events::with_capacity(4);
    while next.iter().sum::<usize>() < SENDERS * ITEMS {
        if rx.may_sleep() {
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing for ten seconds: a wake-up was lost");
        }
        rx.drain(&mut got);
        for item in got.drain(..) {
            assert_eq!(item.number, next[item.sender]);
            next[item.sender] += 1;
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Sends `0..items` in batches of changing size and, when over, waits to be relieved as a shard does.
fn send_numbers(tx: &Sender<Item>, sender: usize, items: usize) {
    let mut poll = mio::Poll::new().unwrap();
    let relief = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
    let tx = tx.clone().with_relief(relief);
    let mut events = mio::Events::with_capacity(4);
    let mut batch = Vec::new();
    for number in 0..items {
        batch.push(Item { sender, number, bytes: 1 });
        if number % (sender + 3) != 0 && number + 1 != items {
            continue;
        }
        let pressure = tx.send_batch(&mut batch);
        assert_ne!(pressure, Pressure::Closed);
        while pressure == Pressure::Over && tx.is_over() {
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing for ten seconds: a relief was lost");
        }
    }
}
