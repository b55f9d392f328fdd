//! The engine on disk: modes, lock, crashes in the middle of a sync, a full disk, a failing one, flipped bits.

use crate::kit::{CLOCK, Op, Pair, message, ops, text};
use crate::medium::Disk;
use pondhawk_broker::{Persist, ShardId, Ticket};
use pondhawk_session::server::NEVER;
use pondhawk_store::disk::{self, DiskEngine, Medium as _, Opened};
use pondhawk_store::engine::{Batch, Engine};
use pondhawk_store::{Log, State, StoreError, Turn};
use proptest::prelude::*;
use std::fs::{self, Permissions};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

fn turn(records: &[Persist], ticket: u64) -> Turn<'_> {
    Turn { shard: ShardId(0), ticket: Ticket(ticket), clock: CLOCK, records }
}

fn opened(path: &Path) -> Opened {
    disk::open(path, CLOCK).expect("opens")
}

/// A folder with these bytes as the engine's file.
fn folder_with(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("format"), "1\n").expect("written");
    fs::write(folder.path().join("records.redb"), bytes).expect("written");
    folder
}

#[test]
fn nobody_else_may_look_and_nobody_else_may_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/store");
    let store = opened(&path);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o700);
    for file in fs::read_dir(&path).expect("readable") {
        let file = file.expect("readable").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let error = disk::open(&path, CLOCK).err();
    assert!(matches!(error, Some(StoreError::Locked { .. })), "{error:?}");
    drop(store);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("set");
    let store = opened(&path);
    assert_eq!(mode(&path), 0o700);
    assert_eq!((store.recovered.lost.len(), store.notes.len()), (0, 0));
}

#[test]
fn a_later_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(opened(folder.path()));
    fs::write(folder.path().join("format"), "2\n").expect("written");
    let error = disk::open(folder.path(), CLOCK).err();
    assert_eq!(error, Some(StoreError::Newer { found: 2, known: 1 }));
    fs::write(folder.path().join("format"), "1\n").expect("written");
    assert!(opened(folder.path()).recovered.lost.is_empty());
}

#[test]
fn a_missing_file_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(opened(folder.path()));
    fs::remove_file(folder.path().join("records.redb")).expect("removed");
    let store = opened(folder.path());
    let lost: Vec<String> = store.recovered.lost.iter().map(ToString::to_string).collect();
    assert_eq!(lost, ["everything: the file records.redb is missing"]);
    assert_eq!(fs::read_to_string(&store.aside[0]).expect("text").lines().count(), 3);
}

#[test]
fn a_store_that_was_never_made_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("records.redb"), b"half a head").expect("written");
    let store = opened(folder.path());
    assert!(store.recovered.lost.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn records_come_back_from_the_disk(turns in prop::collection::vec((ops(), any::<bool>()), 1..15)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut pair = Pair::new();
        let mut store = opened(folder.path());
        for (number, (ops, reopen)) in turns.iter().enumerate() {
            pair.turn(ops);
            prop_assert_eq!(store.log.append(&turn(&pair.turns[number], number as u64 + 1)), Ok(()));
            prop_assert_eq!(store.log.commit(), Ok(()));
            if *reopen {
                drop(store);
                store = opened(folder.path());
                prop_assert_eq!(store.recovered.lost.len(), 0);
                prop_assert_eq!(text(&store.recovered.restored), text(&pair.replayed(number + 1)));
            }
        }
    }

    /// Any of the sectors that were written since the last sync may have reached the disk.
    #[test]
    fn a_crash_in_the_middle_of_a_sync_takes_back_that_sync_at_most(
        turns in prop::collection::vec(ops(), 2..10),
        sync in any::<prop::sample::Index>(),
        survivors in any::<u64>(),
    ) {
        let disk = Arc::new(Disk::remembering());
        let engine = DiskEngine::open(disk.clone()).expect("opens");
        let (mut log, _) = Log::open(engine, CLOCK).expect("opens");
        let mut pair = Pair::new();
        let created = disk.syncs();
        // How many turns a crash in the middle of each sync must and may leave.
        let mut allowed = Vec::new();
        for (number, ops) in turns.iter().enumerate() {
            pair.turn(ops);
            prop_assert_eq!(log.append(&turn(&pair.turns[number], number as u64 + 1)), Ok(()));
            prop_assert_eq!(log.commit(), Ok(()));
            allowed.resize(disk.syncs() - created, number..number + 2);
        }
        prop_assume!(!allowed.is_empty());
        let sync = sync.index(allowed.len());
        let bytes = disk.crashed_in(created + sync, |n| survivors.rotate_left(n as u32) & 1 == 1);
        let folder = folder_with(&bytes);
        let store = opened(folder.path());
        prop_assert_eq!(store.recovered.lost.len(), 0, "{:?}", store.recovered.lost);
        let given = text(&store.recovered.restored);
        let fits = allowed[sync].clone().any(|turns| text(&pair.replayed(turns)) == given);
        prop_assert!(fits, "not the state after {:?} turns:\n{given}", allowed[sync]);
    }

    #[test]
    fn on_a_full_disk_nothing_is_promised_and_with_room_nothing_is_missing(
        steps in prop::collection::vec((ops(), prop::option::of(0usize..60_000)), 1..25),
    ) {
        let disk = Arc::new(Disk::default());
        let engine = DiskEngine::open(disk.clone()).expect("opens");
        let (mut log, _) = Log::open(engine, CLOCK).expect("opens");
        let mut pair = Pair::new();
        for (number, (ops, room)) in steps.iter().enumerate() {
            match room {
                Some(bytes) => disk.set_room(*bytes),
                None => disk.has_room(),
            }
            pair.turn(ops);
            prop_assert_eq!(log.append(&turn(&pair.turns[number], number as u64 + 1)), Ok(()));
            let durable = match log.commit() {
                Ok(()) => number + 1,
                Err(error) => {
                    prop_assert_eq!(error, StoreError::Full);
                    prop_assert_eq!(log.state(), &State::Full);
                    log.durable(ShardId(0)).0 as usize
                }
            };
            prop_assert_eq!(log.durable(ShardId(0)).0 as usize, durable);
            let store = opened(folder_with(&disk.bytes()).path());
            prop_assert_eq!(store.recovered.lost.len(), 0, "{:?}", store.recovered.lost);
            prop_assert_eq!(text(&store.recovered.restored), text(&pair.replayed(durable)));
        }
        disk.has_room();
        prop_assert_eq!(log.commit(), Ok(()));
        prop_assert_eq!(log.state(), &State::Open);
        let store = opened(folder_with(&disk.bytes()).path());
        prop_assert_eq!(text(&store.recovered.restored), text(&pair.replayed(steps.len())));
    }
}

/// The file has grown to all of the disk, and nearly all in it is dead: there is room in it, which must not stay unused.
#[test]
fn a_file_that_fills_the_disk_gives_back_what_is_dead() {
    let disk = Arc::new(Disk::default());
    let mut engine = DiskEngine::open(disk.clone()).expect("opens");
    disk.set_room(8 << 20);
    let key = |n: u32| n.to_be_bytes().to_vec();
    let mut count = 0;
    while engine.keep_reserve() {
        let mut batch = Batch::new();
        (0..100).for_each(|n| batch.put(key(count + n), vec![7; 1000]));
        engine.apply(&batch).expect("takes it");
        if engine.sync().is_err() {
            break;
        }
        count += 100;
    }
    assert!(count > 1000, "{count}");
    disk.set_room(100_000);
    let mut batch = Batch::new();
    (10..count).for_each(|n| batch.delete(key(n)));
    engine.apply(&batch).expect("takes it");
    assert!(!disk.keep_reserve());
    engine.sync().expect("so much fits");
    assert!(engine.keep_reserve(), "{:?}", engine.space());
    assert_eq!(engine.get(&key(9)), Ok(Some(vec![7; 1000])));
    assert_eq!(engine.get(&key(10)), Ok(None));
}

#[test]
fn after_a_failed_sync_the_store_is_poisoned() {
    let disk = Arc::new(Disk::default());
    let engine = DiskEngine::open(disk.clone()).expect("opens");
    let (mut log, _) = Log::open(engine, CLOCK).expect("opens");
    let mut pair = Pair::new();
    pair.turn(&[Op { kind: 1, who: 0, what: 0 }]);
    log.append(&turn(&pair.turns[0], 1)).expect("takes it");
    disk.fail_syncs(true);
    let error = log.commit().expect_err("the sync fails");
    assert!(matches!(&error, StoreError::Poisoned { reason } if reason.contains("synced")), "{error:?}");
    disk.fail_syncs(false);
    let syncs = disk.syncs();
    assert_eq!(log.commit(), Err(error.clone()));
    assert_eq!(log.append(&turn(&pair.turns[0], 2)), Err(error));
    assert_eq!((log.durable(ShardId(0)).0, disk.syncs()), (0, syncs));
}

/// A store with many retained messages, so that its tree has branches.
fn retained(count: usize) -> Vec<u8> {
    let disk = Arc::new(Disk::default());
    let engine = DiskEngine::open(disk.clone()).expect("opens");
    let (mut log, _) = Log::open(engine, CLOCK).expect("opens");
    let messages = (0..count).map(|n| message(&format!("sensor/{n:05}/value"), 20 + n % 90, NEVER));
    let records: Vec<Persist> = messages.map(|message| Persist::Retained { message }).collect();
    for (number, part) in records.chunks(100).enumerate() {
        assert_eq!(log.append(&turn(part, number as u64 + 1)), Ok(()));
        assert_eq!(log.commit(), Ok(()));
    }
    drop(log);
    disk.bytes()
}

/// Opens damaged bytes: how many retained messages are given. Each is right, and none is missing without a word.
fn given_of(bytes: &[u8], count: usize) -> usize {
    let folder = folder_with(bytes);
    let mut store = opened(folder.path());
    let retained = &store.recovered.restored.retained;
    for (topic, kept) in retained {
        let n: usize = topic.split('/').nth(1).and_then(|n| n.parse().ok()).expect("a number");
        assert_eq!(kept.view().payload, message(topic, 20 + n % 90, NEVER).view().payload);
    }
    let set_aside = fs::read(folder.path().join("records.damaged-1.redb")).ok();
    if retained.len() < count {
        assert!(!store.recovered.lost.is_empty(), "{} of {count}", retained.len());
        assert!(set_aside.is_some());
    }
    assert!(set_aside.is_none_or(|aside| aside == bytes), "not what was there");
    assert_eq!(store.aside.is_empty(), store.notes.is_empty() && store.recovered.lost.is_empty());
    // After the first write the store is sound.
    assert_eq!(store.log.commit(), Ok(()));
    drop(store);
    let again = opened(folder.path());
    assert!(again.recovered.lost.is_empty() && again.notes.is_empty());
    retained_len(&again)
}

fn retained_len(store: &Opened) -> usize {
    store.recovered.restored.retained.len()
}

#[test]
fn flipped_bits_lose_a_part_that_is_named_and_never_give_a_wrong_one() {
    let count = 1_000;
    let intact = retained(count);
    assert_eq!(given_of(&intact, count), count);
    let mut random = 7u64;
    let (mut whole, mut partly) = (0, 0);
    for _ in 0..40 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = intact.clone();
        let at = (random >> 33) as usize % bytes.len();
        bytes[at] ^= 1 << (random >> 20 & 7);
        match given_of(&bytes, count) {
            given if given == count => whole += 1,
            given if given > count / 2 => partly += 1,
            _ => {}
        }
    }
    // Most bits are in leaves or in pages that are not used; a few are in a branch or a root.
    assert!(whole > 3 && partly > 8, "whole {whole}, partly {partly}");
}

#[test]
fn a_cut_file_is_told() {
    let count = 1_000;
    let intact = retained(count);
    for len in [0, 100, 4_096, intact.len() / 2, intact.len() - 4_096] {
        given_of(&intact[..len], count);
    }
}

#[test]
fn what_is_applied_is_seen_before_it_is_synced() {
    let disk = Arc::new(Disk::default());
    let mut engine = DiskEngine::open(disk).expect("opens");
    let mut batch = Batch::new();
    for key in [b"a", b"c", b"e"] {
        batch.put(key.to_vec(), b"old".to_vec());
    }
    assert_eq!(engine.apply(&batch), Ok(()));
    assert_eq!(engine.sync(), Ok(()));
    let mut batch = Batch::new();
    batch.put(b"b".to_vec(), b"new".to_vec());
    batch.put(b"c".to_vec(), b"new".to_vec());
    batch.delete(b"e".to_vec());
    batch.put(b"f".to_vec(), b"new".to_vec());
    assert_eq!(engine.apply(&batch), Ok(()));
    let expected: Vec<(&[u8], &[u8])> = vec![(b"a", b"old"), (b"b", b"new"), (b"c", b"new"), (b"f", b"new")];
    let seen = |engine: &DiskEngine| {
        let mut all = Vec::new();
        let scanned = engine.scan(&[], None, &mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        });
        assert_eq!(scanned, Ok(()));
        all
    };
    let as_bytes = |pairs: &[(&[u8], &[u8])]| -> Vec<(Vec<u8>, Vec<u8>)> {
        pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    };
    assert_eq!(seen(&engine), as_bytes(&expected));
    assert_eq!(engine.get(b"e"), Ok(None));
    assert_eq!(engine.get(b"b"), Ok(Some(b"new".to_vec())));
    assert_eq!(engine.sync(), Ok(()));
    assert_eq!(seen(&engine), as_bytes(&expected));
    let mut part = Vec::new();
    let scanned = engine.scan(b"b", Some(b"f"), &mut |key, _| {
        part.push(key.to_vec());
        ControlFlow::Continue(())
    });
    assert_eq!((scanned, part), (Ok(()), vec![b"b".to_vec(), b"c".to_vec()]));
}
