//! Long queues are on disk: what is sent, and in which order, is the same as if they were not.

use crate::host::Right;
use crate::net::{Client, Net};
use crate::wire::{Hello, Msg, msg, v5, v311};
use pondhawk_broker::{Effects, Fetched, Page, Persist, Run, Seq, Settings, Ticket};
use pondhawk_codec::PacketType::Puback;
use pondhawk_codec::Property;

/// Bytes of a queue that stay in memory: four or five messages of a test.
const WINDOW: usize = 40;

fn settings() -> Settings {
    let mut settings = Settings { persistent: true, queue_memory_bytes: WINDOW, ..Settings::default() };
    settings.outbox.queued_messages = 0;
    settings
}

fn net(shards: u8) -> Net {
    Net::new(shards, 1, settings())
}

/// A client that has subscribed to everything below `t` and is away.
fn absent(net: &mut Net, hello: &Hello) {
    let client = net.join(hello);
    net.subscribe(client, &[("t/#", 2)]);
    net.cut(client);
}

fn texts(numbers: std::ops::Range<u16>) -> Vec<String> {
    numbers.map(|n| format!("message {n:03}")).collect()
}

fn publish(net: &mut Net, publisher: Client, numbers: std::ops::Range<u16>) {
    for (n, text) in numbers.clone().zip(texts(numbers)) {
        let qos = 1 + (n % 2) as u8;
        net.publish(publisher, &msg("t/x", &text).acked(qos, n + 1));
    }
}

/// Bytes of queues in memory and on disk.
fn bytes(net: &mut Net) -> (u64, u64) {
    let counters = net.counters();
    (counters.queued_bytes - counters.queued_disk_bytes, counters.queued_disk_bytes)
}

fn payloads(messages: &[Msg]) -> Vec<String> {
    messages.iter().map(|message| message.text().to_owned()).collect()
}

#[test]
fn a_long_queue_leaves_memory_and_comes_back_in_order() {
    for shards in crate::SHARDS {
        let mut net = net(shards);
        absent(&mut net, &v5("away").kept(1000));
        let publisher = net.join(&v5("publisher"));
        publish(&mut net, publisher, 0..200);
        let size = "t/xmessage 000".len() as u64;
        assert_eq!(net.counters().queued_bytes, 200 * size);
        assert_eq!(bytes(&mut net).0, WINDOW as u64 / size * size);
        let client = net.join(&v5("away").kept(1000));
        let messages = net.messages(client);
        assert_eq!(payloads(&messages), texts(0..200));
        assert!(messages.iter().enumerate().all(|(n, message)| usize::from(message.id) == n + 1));
        assert!(messages.iter().all(|message| !message.dup));
        let counters = net.counters();
        assert_eq!((counters.queued, counters.queued_bytes, counters.queued_disk_bytes), (0, 0, 0));
        assert_eq!(counters.publish_dropped, 0);
        // From now on everything goes straight to the client again.
        publish(&mut net, publisher, 200..210);
        assert_eq!(net.payloads(client), texts(200..210));
    }
}

/// Behind what is on disk, too, there is as much room in memory as there may be.
#[test]
fn what_fits_in_memory_stays_there() {
    let mut net = net(1);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..10);
    assert_eq!(bytes(&mut net), (2 * 14, 8 * 14));
    net.publish(publisher, &msg("t/x", "small").acked(1, 1));
    assert_eq!(bytes(&mut net), (2 * 14 + 8, 8 * 14));
    net.publish(publisher, &msg("t/x", "too much").acked(1, 1));
    assert_eq!(bytes(&mut net), (2 * 14, 8 * 14 + 8 + 11));
}

#[test]
fn nothing_leaves_memory_before_it_is_stored() {
    let mut net = net(2);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    net.store_stalls = true;
    publish(&mut net, publisher, 0..15);
    // The store says again what it has, which is not yet this.
    net.shards.iter_mut().for_each(|shard| shard.stored(Ticket(1)));
    assert_eq!(bytes(&mut net), (15 * 14, 0));
    net.store_stalls = false;
    net.run();
    assert_eq!(bytes(&mut net), (2 * 14, 13 * 14));
}

#[test]
fn what_is_not_recorded_stays_in_memory() {
    let unlimited = Settings { queue_memory_bytes: 0, ..settings() };
    let volatile = Settings { persistent: false, ..settings() };
    for settings in [unlimited, volatile] {
        let mut net = Net::new(1, 1, settings);
        absent(&mut net, &v311("away").kept(0));
        let publisher = net.join(&v5("publisher"));
        publish(&mut net, publisher, 0..20);
        assert_eq!(bytes(&mut net), (20 * 14, 0));
        let client = net.join(&v311("away").kept(0));
        assert_eq!(net.payloads(client), texts(0..20));
    }
    // A session that ends with its connection, whose client does not acknowledge.
    let mut net = net(1);
    let client = net.join(&v5("here").silent());
    net.subscribe(client, &[("t/#", 1)]);
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..50);
    assert_eq!(bytes(&mut net), (50 * 14, 0));
}

#[test]
fn a_slow_client_is_served_from_disk_too() {
    let mut net = net(2);
    let client = net.join(&v5("slow").kept(1000).silent());
    net.subscribe(client, &[("t/#", 1)]);
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..60);
    let (memory, disk) = bytes(&mut net);
    assert_eq!((memory, disk), (22 * 14, 38 * 14), "twenty are in flight");
    let mut got = Vec::new();
    for id in 1..=60 {
        got.extend(net.messages(client));
        net.ack(client, Puback, id);
        if id == 30 {
            publish(&mut net, publisher, 60..70);
        }
    }
    got.extend(net.messages(client));
    assert_eq!(payloads(&got), texts(0..70));
}

#[test]
fn a_restart_leaves_on_disk_what_is_there() {
    for shards in crate::SHARDS {
        let mut net = net(shards);
        absent(&mut net, &v5("away").kept(1000));
        let publisher = net.join(&v5("publisher"));
        publish(&mut net, publisher, 0..50);
        let mut net = net.after_crash(*net.cuts().end(), 3, 7);
        assert_eq!(bytes(&mut net), (3 * 14, 47 * 14));
        let publisher = net.join(&v5("publisher"));
        publish(&mut net, publisher, 50..60);
        assert_eq!(bytes(&mut net).0, 3 * 14);
        // It crashes again before any of it was sent.
        let mut net = net.after_crash(*net.cuts().end(), 2, 8);
        let client = net.join(&v5("away").kept(1000));
        let messages = net.messages(client);
        assert_eq!(payloads(&messages), texts(0..60));
        assert!(messages.iter().enumerate().all(|(n, message)| usize::from(message.id) == n + 1));
        let client = net.join(&v5("away").fresh(0));
        net.leave(client);
        net.cut(publisher);
        let kept = net.kept(*net.cuts().end());
        assert!(kept.sessions.is_empty(), "{kept:?}");
    }
}

/// What the window had taken when the broker crashed may have been sent, and is in memory, however little may be.
#[test]
fn a_crash_while_the_queue_is_drained() {
    let mut net = net(2);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..50);
    let client = net.join(&v5("away").kept(1000).silent());
    assert_eq!(net.payloads(client), texts(0..20));
    let mut net = net.after_crash(*net.cuts().end(), 3, 7);
    assert_eq!(bytes(&mut net), (20 * 14, 30 * 14));
    let client = net.join(&v5("away").kept(1000));
    let messages = net.messages(client);
    assert_eq!(payloads(&messages), texts(0..50));
    // At QoS 1, what is behind the window may have been sent too.
    assert!(messages.iter().enumerate().all(|(n, message)| message.dup == (n < 20 || message.qos == 1)));
}

#[test]
fn a_store_that_cannot_be_read_is_asked_again() {
    let mut net = net(1);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..50);
    net.unreadable = true;
    let client = net.join(&v5("away").kept(1000));
    assert_eq!(net.payloads(client), texts(0..2));
    net.advance(999);
    net.unreadable = false;
    assert!(net.payloads(client).is_empty());
    publish(&mut net, publisher, 50..52);
    assert!(net.payloads(client).is_empty(), "nothing overtakes what waits");
    net.advance(1);
    assert_eq!(net.payloads(client), texts(2..52));
    assert_eq!(net.counters().publish_dropped, 0);
}

#[test]
fn a_page_for_a_session_that_has_ended_is_nobodys() {
    let mut net = net(1);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..50);
    net.greet_quietly(&v5("away").kept(1000));
    while net.fetches.is_empty() {
        assert!(net.step(), "the page is asked for");
    }
    let late = std::mem::take(&mut net.fetches);
    let client = net.join(&v5("away").fresh(1000));
    net.subscribe(client, &[("t/#", 1)]);
    net.fetches = late;
    publish(&mut net, publisher, 50..55);
    assert_eq!(net.payloads(client), texts(50..55));
    assert_eq!(net.counters().queued, 0);
}

#[test]
fn rights_and_expiry_are_those_of_the_moment() {
    let mut net = net(1);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    for n in 0..60u16 {
        let message = msg(if n % 3 == 0 { "t/secret" } else { "t/open" }, &format!("{n}")).acked(1, n + 1);
        let expires = [Property::MessageExpiryInterval(5)];
        net.publish(publisher, &if n % 2 == 0 { message.with(&expires) } else { message });
    }
    net.world.borrow_mut().deny("away", Right::Receive, "t/secret");
    net.advance(6_000);
    let client = net.join(&v5("away").kept(1000));
    let expected: Vec<String> =
        (0..60).filter(|n| n % 3 != 0 && n % 2 != 0).map(|n: u16| n.to_string()).collect();
    assert_eq!(net.payloads(client), expected);
    assert_eq!(net.counters().publish_dropped, 60 - expected.len() as u64);
    let kept = net.kept(*net.cuts().end());
    assert!(kept.sessions["away"].queue.is_empty(), "what was not sent is not kept either");
}

#[test]
fn messages_of_qos_0_keep_their_place() {
    let mut net = Net::new(2, 1, Settings { queue_qos0_messages: true, ..settings() });
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    for (n, text) in (0..60u16).zip(texts(0..60)) {
        let message = msg("t/x", &text);
        net.publish(publisher, &if n % 5 == 0 { message } else { message.acked(1, n) });
    }
    assert!(bytes(&mut net).1 > 0);
    let client = net.join(&v5("away").kept(1000));
    assert_eq!(net.payloads(client), texts(0..60));
}

/// What is neither there nor damaged is missed as well.
#[test]
fn what_the_disk_does_not_have_is_counted_too() {
    let mut net = net(1);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..30);
    net.greet_quietly(&v5("away").kept(1000));
    while net.fetches.is_empty() {
        assert!(net.step(), "the page is asked for");
    }
    let (shard, fetch) = net.fetches.remove(0);
    let asked = fetch.through.0 - fetch.from.0 + 1;
    let page = Page { messages: Vec::new(), through: fetch.through, lost: vec![fetch.from] };
    let fetched = Fetched { session: fetch.session, page: Some(page) };
    net.shards[shard].fetched(net.now, fetched, &mut Effects::new());
    assert_eq!((net.counters().publish_dropped, asked), (asked, 28));
}

/// A queue is as long as what is in memory and what is on disk.
#[test]
fn the_length_of_a_queue_that_is_restored() {
    let mut net = net(1);
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..5);
    let mut kept = net.kept(*net.cuts().end());
    let session = kept.sessions.get_mut("away").expect("kept");
    assert_eq!(session.queue_len(), 5);
    Run::extend(&mut session.on_disk, Seq(6), 14);
    Run::extend(&mut session.on_disk, Seq(7), 14);
    assert_eq!(session.queue_len(), 7);
}

#[test]
fn what_the_disk_has_lost_is_counted_told_and_let_go() {
    let mut net = net(1);
    net.world.borrow_mut().wants_notes = true;
    absent(&mut net, &v5("away").kept(1000));
    let publisher = net.join(&v5("publisher"));
    publish(&mut net, publisher, 0..30);
    net.damaged = vec![Seq(9), Seq(10), Seq(20)];
    net.persisted.clear();
    let client = net.join(&v5("away").kept(1000));
    let expected: Vec<String> = texts(0..30)
        .into_iter()
        .enumerate()
        .filter(|(n, _)| ![8, 9, 19].contains(n))
        .map(|(_, text)| text)
        .collect();
    assert_eq!(net.payloads(client), expected);
    let counters = net.counters();
    assert_eq!((counters.publish_dropped, counters.queued, counters.queued_bytes), (3, 0, 0));
    let lost = |record: &&Persist| matches!(record, Persist::Dequeued { seq: Seq(9 | 10 | 20), .. });
    assert_eq!(net.persisted.iter().filter(lost).count(), 3);
    let world = net.world.borrow();
    let notes: Vec<_> = world.notes.iter().filter(|note| note.starts_with("Lost")).collect();
    assert_eq!(notes.len(), 2, "one for each page: {notes:?}");
    assert!(notes[0].contains("messages: 2"));
}
