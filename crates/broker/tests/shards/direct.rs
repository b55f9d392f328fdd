//! One shard, called as a driver calls it: deadlines, questions, buffers, what letters weigh, kinds of notes.

use crate::host::{TestHost, World};
use crate::wire::{msg, subscribe, v5};
use pondhawk_broker::{
    ConnId, Effects, Ended, Gate, Homes, Kept, Mail, Message, MessageRef, Millis, Note, NoteKind, Origin,
    Persist, Restored, Seq, Settings, Shard, ShardId, weight,
};
use pondhawk_codec::{Qos, ReasonCode, Version};
use std::sync::Arc;

fn shard(gate: Gate) -> Shard<TestHost> {
    let world = World::new(1);
    world.borrow_mut().gate = gate;
    Shard::new(ShardId(0), Homes { key: 1, shards: 1 }, Arc::new(Settings::default()), TestHost(world))
}

/// A connected client whose CONNACK is taken.
fn connected(shard: &mut Shard<TestHost>, fx: &mut Effects) -> ConnId {
    connected_as("a", shard, fx)
}

fn connected_as(id: &str, shard: &mut Shard<TestHost>, fx: &mut Effects) -> ConnId {
    let conn = shard.open(0, 0, "peer".into()).conn;
    shard.receive(0, conn, &v5(id).encode(), fx);
    assert!(!shard.take_output(conn).is_empty());
    conn
}

#[test]
fn a_question_keeps_the_connection_waiting() {
    let mut fx = Effects::new();
    let mut asking = shard(Gate::Ask);
    let conn = asking.open(0, 0, "peer".into()).conn;
    assert!(!asking.is_waiting(conn));
    asking.receive(0, conn, &v5("a").encode(), &mut fx);
    assert!(asking.is_waiting(conn));
    let mut open = shard(Gate::Accept);
    let conn = connected(&mut open, &mut fx);
    assert!(!open.is_waiting(conn));
}

#[test]
fn a_new_connection_has_a_deadline() {
    let mut shard = shard(Gate::Accept);
    assert_eq!(shard.deadline(), None);
    shard.open(1000, 0, "peer".into());
    assert_eq!(shard.deadline(), Some(1000 + Settings::default().connect_timeout_ms));
}

/// A buffer that was given back is the next output's, unless it is very large.
#[test]
fn buffers_are_lent_again() {
    let ping = [0xc0, 0];
    let publish = msg("t", "x").encode(Version::V5);
    let mut fx = Effects::new();
    let mut shard = shard(Gate::Accept);
    let conn = connected(&mut shard, &mut fx);
    shard.receive(0, conn, &subscribe(Version::V5, 1, &[("t", 0)], 0), &mut fx);
    shard.take_output(conn);
    for input in [&ping[..], &publish] {
        for (capacity, kept) in [(5000, true), (1 << 20, false)] {
            let buffer: Vec<u8> = Vec::with_capacity(capacity);
            let place = buffer.as_ptr();
            shard.give_back(buffer);
            shard.receive(0, conn, input, &mut fx);
            let output = shard.take_output(conn);
            assert_eq!(output.as_ptr() == place && output.capacity() == capacity, kept, "{capacity}");
        }
    }
}

/// Output that had room all along is no reason to look for more.
#[test]
fn what_was_never_held_up_makes_no_work() {
    let mut fx = Effects::new();
    let mut shard = shard(Gate::Accept);
    let conn = connected(&mut shard, &mut fx);
    assert!(!shard.has_work());
    shard.written(conn, 0);
    assert!(!shard.has_work());
}

/// One of two shards, and the names of both.
fn of_two(n: u8) -> (Shard<TestHost>, Homes) {
    let homes = Homes { key: 1, shards: 2 };
    (Shard::new(ShardId(n), homes, Arc::new(Settings::default()), TestHost(World::new(1))), homes)
}

/// The home of a topic that nobody there has asked for is given the message to retain, and not to route.
#[test]
fn a_letter_says_what_is_wanted() {
    let (mut shard, homes) = of_two(0);
    let mut fx = Effects::new();
    let conn = connected(&mut shard, &mut fx);
    let topics = ["t", "u", "v", "w", "x"];
    let away = topics.iter().find(|topic| homes.of_topic(topic) == ShardId(1)).expect("one of them");
    shard.receive(0, conn, &msg(away, "x").retained().encode(Version::V5), &mut fx);
    let wanted: Vec<_> = fx.mail.iter().map(|(to, mail)| (to.0, what_is_wanted(mail))).collect();
    assert_eq!(wanted, [(1, Some((false, true)))]);
}

/// Whether the message of the letter is to be delivered, and to be retained.
fn what_is_wanted(mail: &Mail) -> Option<(bool, bool)> {
    match mail {
        Mail::Publish { deliver, retain, .. } => Some((*deliver, *retain)),
        _ => None,
    }
}

/// A client is let in once every shard knows what all have taken over.
#[test]
fn a_part_is_restored_once_the_other_shard_knows_of_it() {
    let (client_id, filter): (Arc<str>, Arc<str>) = ("a".into(), "t".into());
    let (mut shards, homes) = ([of_two(0).0, of_two(1).0], of_two(0).1);
    let kept = Kept {
        username: None,
        listener: 0,
        expiry_s: u32::MAX,
        ends_at: Some(Millis::MAX),
        sent: Seq(0),
        doubtful: Seq(0),
        unclaimed: false,
    };
    let mut restored = Restored { homes: Some(homes), ..Restored::default() };
    restored.apply(Persist::Session { client_id: client_id.clone(), kept });
    restored.apply(Persist::Subscribed { client_id, filter, options: 1, id: 0 });
    let home = usize::from(homes.of_client("a").0);
    let mut fx = Effects::new();
    shards[home].restore(0, restored.split().swap_remove(home), &mut fx);
    assert!(!shards[home].is_restored());
    for shard in [1 - home, home] {
        for (to, mail) in std::mem::take(&mut fx.mail) {
            assert_eq!(usize::from(to.0), shard);
            shards[shard].mail(0, mail, &mut fx);
        }
    }
    assert!(shards[home].is_restored());
}

fn message(payload: &[u8]) -> Arc<Message> {
    let view = MessageRef {
        topic: "t",
        properties: &[],
        payload,
        qos: Qos::AtMostOnce,
        retain: false,
        expires_at: u64::MAX,
        origin: Origin(0),
        source: None,
    };
    Arc::new(view.to_message())
}

#[test]
fn a_letter_weighs_what_it_holds() {
    let empty = weight(&Mail::Done { token: 1 });
    assert!(empty > 0);
    let publish = Mail::Publish {
        message: message(&[0; 999]),
        deliver: true,
        retain: false,
        confirm: None,
        release: None,
    };
    assert_eq!(weight(&publish), empty + 1000);
    let messages = vec![message(&[0; 99]), message(&[0; 199])];
    assert_eq!(weight(&Mail::RetainedPage { replay: 1, messages, next: None }), empty + 300);
}

#[test]
fn notes_are_of_the_kinds_that_the_log_knows() {
    let (peer, client, filter) = ("peer", "a", "t");
    let code = ReasonCode(0);
    let kinds = [
        (Note::Ended { peer, client, how: Ended::Closed }, NoteKind::Notice),
        (Note::Refused { peer, client, code, why: "" }, NoteKind::Notice),
        (Note::SubscribeFilter { client, filter, qos: Qos::AtMostOnce, granted: None }, NoteKind::Subscribe),
        (Note::UnsubscribeFilter { client, filter }, NoteKind::Unsubscribe),
        (Note::Packet { client, sent: true, name: "PINGRESP" }, NoteKind::Debug),
        (Note::Lost { client, messages: 1 }, NoteKind::Error),
    ];
    for (note, kind) in kinds {
        assert_eq!(note.kind(), kind, "{note:?}");
    }
}

/// The other shards are told of a filter once, not once a subscription.
#[test]
fn a_filter_that_is_known_is_not_announced_again() {
    let mut fx = Effects::new();
    let homes = Homes { key: 1, shards: 2 };
    let mut shard = Shard::new(ShardId(0), homes, Arc::new(Settings::default()), TestHost(World::new(1)));
    for (id, announced) in [("a", 1), ("b", 0)] {
        let conn = connected_as(id, &mut shard, &mut fx);
        shard.receive(0, conn, &subscribe(Version::V5, 1, &[("t", 0)], 0), &mut fx);
        let letters = std::mem::take(&mut fx.mail);
        let interests = letters.into_iter().filter_map(|(_, mail)| match mail {
            Mail::Interest { token, .. } => Some(token.expect("SUBACK waits for it")),
            _ => None,
        });
        let tokens: Vec<u32> = interests.collect();
        assert_eq!(tokens.len(), announced);
        for token in tokens {
            assert!(shard.take_output(conn).is_empty());
            shard.mail(0, Mail::Done { token }, &mut fx);
        }
        assert!(!shard.take_output(conn).is_empty(), "SUBACK");
    }
}
