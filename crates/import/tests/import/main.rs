//! Files in the layouts of both formats, good and bad, through the public face.

mod file;
mod written;

use file::{File, Item, Stored};
use pondhawk_broker::{Persist, Restored, RestoredSession};
use pondhawk_import::{ImportError, Imported, Report, Surroundings, read};
use pondhawk_session::server::{Millis, Seq, SubscriptionIds};
use proptest::prelude::*;

const NOW_S: i64 = 1_700_000_000;

fn try_read(bytes: &[u8]) -> Result<Imported, ImportError> {
    let listener_of = |port| if port == 1884 { 5 } else { 0 };
    read(bytes, &Surroundings { now_ms: NOW_S as u64 * 1000, listener_of: &listener_of })
}

/// What a restart would find, with what the import says of it.
fn restored(file: &File) -> (Restored, Report) {
    let imported = try_read(&file.bytes).expect("a good file");
    let mut restored = Restored::default();
    let received =
        imported.records.iter().filter(|record| matches!(record, Persist::Received { .. })).count();
    assert_eq!(imported.report.received, received);
    imported.records.into_iter().for_each(|record| restored.apply(record));
    let report = imported.report;
    assert_eq!((report.sessions, report.retained), (restored.sessions.len(), restored.retained.len()));
    let subscriptions = restored.sessions.values().map(|session| session.subscriptions.len()).sum::<usize>();
    let queued = restored.sessions.values().map(|session| session.queue.len()).sum::<usize>();
    assert_eq!((report.subscriptions, report.queued), (subscriptions, queued));
    (restored, report)
}

fn left_out(report: &Report) -> Vec<(&str, usize)> {
    report.left_out.iter().map(|(why, left_out)| (*why, left_out.count)).collect()
}

fn queue(session: &RestoredSession) -> Vec<(u64, Option<&str>)> {
    let entries = session.queue.iter();
    entries.map(|(seq, (message, _))| (seq.0, message.as_ref().map(|message| message.topic()))).collect()
}

fn out(message: u64, mid: u16, state: u8) -> Item {
    Item { message, mid, qos: 2, state, outgoing: true }
}

/// A session with one of everything.
fn rich(format: u32, tight: bool) -> File {
    let mut file = if tight { File::tight(format) } else { File::new(format) };
    for (id, topic) in [(1, b"a/1"), (2, b"a/2"), (3, b"a/3"), (4, b"a/4"), (5, b"a/5")] {
        file.stored(&Stored { id, topic, ..Stored::default() });
    }
    // Expiry 7 s, content type, alias 5: what is not for the recipient is taken out.
    let properties = b"\x0c\x02\0\0\0\x07\x03\0\x01x\x23\0\x05";
    file.stored(&Stored {
        id: 6,
        topic: b"kept",
        retain: true,
        expires_at_s: NOW_S + 5,
        properties,
        ..Stored::default()
    });
    file.client(b"c", (600, NOW_S + 300), b"anna");
    file.item(b"c", out(1, 65_535, 9), b"");
    file.item(b"c", out(2, 1, 5), b"\x02\x0b\x4d");
    file.item(b"c", Item { qos: 1, ..out(3, 2, 3) }, b"");
    file.item(b"c", out(4, 3, 11), b"\x04\x0b\x4d\x0b\x01");
    file.item(b"c", Item { message: 5, mid: 40, qos: 2, state: 7, outgoing: false }, b"");
    file.subscription(b"c", b"a/#", (2, 0x0c, 77));
    file.retained(6);
    file
}

#[test]
fn a_session_comes_with_all_that_it_holds() {
    for (format, tight) in [(6, false), (6, true), (5, false), (5, true)] {
        let (restored, report) = restored(&rich(format, tight));
        assert_eq!((report.format, report.in_flight, left_out(&report)), (format, 3, vec![]));
        let session = &restored.sessions["c"];
        let known = format == 6;
        assert_eq!(session.kept.username.as_deref(), known.then_some("anna"));
        assert_eq!((session.kept.listener, session.kept.unclaimed), (if known { 5 } else { 0 }, true));
        assert_eq!((session.kept.expiry_s, session.kept.ends_at), (600, Some((NOW_S as u64 + 300) * 1000)));
        // The identifiers are those that the client knows, and the first has only PUBREL left.
        let numbers = [(65_535, None), (65_536, Some("a/2")), (65_537, Some("a/3")), (65_538, Some("a/4"))];
        assert_eq!(queue(session), numbers);
        assert_eq!((session.kept.sent, Seq(65_536).packet_id().get()), (Seq(65_537), 1));
        let ids: Vec<_> = session.queue.values().map(|(_, delivery)| delivery.ids.clone()).collect();
        assert_eq!(ids[1..3], [SubscriptionIds::One(77), SubscriptionIds::None]);
        assert_eq!(ids[3], SubscriptionIds::Many([77, 1].into()));
        assert!(session.queue.values().all(|(_, delivery)| delivery.retain));
        assert_eq!(session.inbox[&40].topic(), "a/5");
        assert_eq!(session.subscriptions["a/#"], (0x0e, 77));
        let view = restored.retained["kept"].view();
        assert_eq!((view.payload, view.properties, view.retain), (&b"p"[..], &b"\x03\0\x01x"[..], true));
        assert_eq!(view.expires_at, (NOW_S as u64 + 5) * 1000);
        let source = view.source.expect("a source");
        assert_eq!(
            (&*source.client_id, source.username.as_deref(), source.listener),
            ("pub", Some("bert"), 0)
        );
    }
}

#[test]
fn what_has_ended_or_expired_is_left_out_and_told() {
    let mut file = File::new(6);
    file.stored(&Stored { expires_at_s: NOW_S, retain: true, ..Stored::default() });
    file.stored(&Stored { id: 2, topic: b"$SYS/broker/x", ..Stored::default() });
    file.stored(&Stored { id: 3, payload: b"", ..Stored::default() });
    file.client(b"ended", (0, 0), b"");
    file.client(b"over", (60, NOW_S - 1), b"");
    file.client(b"lasting", (u32::MAX, 0), b"");
    file.client(b"fresh", (60, 0), b"");
    file.item(b"lasting", out(1, 1, 11), b"");
    // In flight it goes on: the client may have it.
    file.item(b"lasting", out(1, 2, 5), b"");
    file.item(b"lasting", Item { qos: 0, ..out(2, 0, 11) }, b"");
    [1, 2, 3].into_iter().for_each(|message| file.retained(message));
    let (restored, report) = restored(&file);
    assert_eq!(restored.sessions["lasting"].kept.ends_at, Some(Millis::MAX));
    assert_eq!(restored.sessions["fresh"].kept.ends_at, Some((NOW_S as u64 + 60) * 1000));
    assert_eq!(queue(&restored.sessions["lasting"]), [(2, Some("t"))]);
    let expected = [
        ("it ended with its connection", 1),
        ("it is empty", 1),
        ("its time is over", 1),
        ("messages of QoS 0 do not outlive the broker", 1),
        ("the broker's own messages are made anew", 1),
        ("the message has expired", 2),
    ];
    assert_eq!(left_out(&report), expected);
    assert!(report.left_out_lines().any(|line| line == "left out: session of \"over\": its time is over"));
}

#[test]
fn what_is_not_valid_is_left_out_and_told() {
    let mut file = File::new(6);
    file.stored(&Stored { topic: b"a/#", ..Stored::default() });
    file.stored(&Stored { topic: b"t", ..Stored::default() });
    file.stored(&Stored { id: 2, properties: b"\x05\x03\0\x09x", ..Stored::default() });
    file.stored(&Stored { id: 3, qos: 3, ..Stored::default() });
    file.stored(&Stored { id: 4, ..Stored::default() });
    file.client(b"c", (60, 0), b"");
    file.client(b"c", (60, 0), b"");
    file.client(b"\xff", (60, 0), b"");
    for message in [1, 2, 3, 9] {
        file.item(b"c", out(message, message as u16, 11), b"");
    }
    file.item(b"c", Item { qos: 9, ..out(4, 1, 11) }, b"");
    file.item(b"c", Item { message: 4, mid: 0, qos: 2, state: 7, outgoing: false }, b"");
    file.item(b"nobody", out(4, 1, 11), b"");
    file.subscription(b"c", b"a#", (1, 0, 0));
    file.subscription(b"c", b"a", (3, 0, 0));
    file.retained(4);
    file.retained(4);
    file.chunk(77, &[b"news"]);
    let (restored, report) = restored(&file);
    assert!(restored.sessions["c"].queue.is_empty() && restored.sessions["c"].inbox.is_empty());
    let expected = [
        ("another message has the same number", 1),
        ("nothing is known of chunks of this kind", 1),
        ("the client has another session", 1),
        ("the client has no session", 1),
        ("the client identifier is not a valid one", 1),
        ("the entry has no valid QoS", 1),
        ("the filter or the QoS is not a valid one", 2),
        ("the message has no valid QoS", 1),
        ("the message is not in the file", 1),
        ("the packet identifier is not a valid one", 1),
        ("the properties are not valid ones", 1),
        ("the topic has another retained message", 1),
        ("the topic is not a valid one", 1),
    ];
    assert_eq!(left_out(&report), expected);
}

/// Mosquitto 2.0.11 writes what was in its memory for the name of a client without one.
#[test]
fn a_name_that_no_client_can_have_is_none() {
    let mut file = File::new(6);
    let mut garbage = b"anna\0\x7f\0\0".to_vec();
    garbage.resize(1024, 0x21);
    file.client(b"c", (60, 0), &garbage);
    let (restored, _) = restored(&file);
    assert_eq!(restored.sessions["c"].kept.username, None);
}

#[test]
fn other_files_are_refused_with_the_reason() {
    let refused = |bytes: &[u8]| try_read(bytes).expect_err("refused");
    assert_eq!(refused(b""), ImportError::Foreign);
    assert_eq!(refused(b"SQLite format 3\0 and more than a head"), ImportError::Foreign);
    for (format, error) in
        [(4, ImportError::Older(4)), (0, ImportError::Older(0)), (7, ImportError::Newer(7))]
    {
        assert_eq!(refused(&File::new(format).bytes), error);
    }
    assert!(refused(&File::new(3).bytes).to_string().contains("start it once with Mosquitto"));
    let mut swapped = File::new(6).bytes;
    swapped[31..39].reverse();
    assert_eq!(refused(&swapped), ImportError::ByteOrder);
    // 2.1.2 counts from a large number.
    for id in [256, 0x0004_b8db_dfe8_aef7_u64] {
        for (id, is_good) in [(id, true), (id.swap_bytes(), false)] {
            let mut file = File::new(6).bytes;
            file[31..39].copy_from_slice(&id.to_ne_bytes());
            assert_eq!(try_read(&file).is_ok(), is_good, "{id:x}");
        }
    }
}

#[test]
fn a_file_that_is_cut_is_refused_at_every_byte() {
    let whole = rich(6, false).bytes;
    let chunks: Vec<usize> = (0..=whole.len()).filter(|end| try_read(&whole[..*end]).is_ok()).collect();
    // Only at the ends of chunks, where nothing shows that there was more.
    assert_eq!(chunks.len(), 1 + 1 + 6 + 1 + 5 + 1 + 1, "{chunks:?}");
    let mut longer = whole.clone();
    longer.push(0);
    assert!(matches!(try_read(&longer), Err(ImportError::Damaged { at, .. }) if at == whole.len()));
}

proptest! {
    #[test]
    fn whatever_is_in_the_file_it_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), tight in any::<bool>()) {
        let mut bytes = rich(6, tight).bytes;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(imported) = try_read(&bytes) {
            prop_assert!(imported.records.len() <= 16);
        }
    }
}
