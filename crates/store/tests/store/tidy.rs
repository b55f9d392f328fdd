//! The room of what was deleted is given back while the store is used, by a copy that takes its place.

use crate::kit::{CLOCK, message};
use pondhawk_broker::{Persist, ShardId, Ticket};
use pondhawk_session::server::NEVER;
use pondhawk_store::disk::{self, DiskEngine, Opened};
use pondhawk_store::{Log, Turn};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What is retained: the payload's bytes by topic.
type Model = BTreeMap<String, usize>;

const LARGE: usize = 500_000;
/// Enough of them for a file that is worth a copy.
const MANY: usize = 160;
const MB: u64 = 1 << 20;

struct Store {
    log: Log<DiskEngine>,
    model: Model,
    ticket: u64,
}

impl Store {
    fn open(path: &Path, model: Model) -> Self {
        let Opened { log, recovered, .. } = disk::open(path, CLOCK).expect("opens");
        let found: Model = recovered
            .restored
            .retained
            .iter()
            .map(|(topic, message)| (topic.to_string(), message.payload_len()))
            .collect();
        assert!(recovered.lost.is_empty());
        assert_eq!(found, model);
        Store { log, model, ticket: 0 }
    }

    /// Retains these; without bytes, no longer.
    fn commit(&mut self, changes: impl IntoIterator<Item = (String, usize)>) {
        let mut records = Vec::new();
        for (topic, bytes) in changes {
            if bytes == 0 {
                self.model.remove(&topic);
                records.push(Persist::RetainedGone { topic: topic.into() });
            } else {
                records.push(Persist::Retained { message: message(&topic, bytes, NEVER) });
                self.model.insert(topic, bytes);
            }
        }
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        let turn = Turn { shard: ShardId(0), ticket, clock: CLOCK, records: &records };
        self.log.append(&turn).and_then(|()| self.log.commit()).expect("kept");
        assert_eq!(self.log.durable(ShardId(0)), ticket);
    }

    fn bytes(&self) -> u64 {
        self.log.space().expect("a file").used
    }
}

fn topic(number: usize) -> String {
    format!("t/{number:04}")
}

/// A store of which little is left.
fn mostly_dead(path: &Path) -> Store {
    let mut store = Store::open(path, Model::new());
    for from in (0..MANY).step_by(40) {
        store.commit((from..from + 40).map(|n| (topic(n), LARGE)));
    }
    assert_eq!(store.log.tidy(), Ok(false), "all of it lives");
    store.commit((0..MANY).filter(|n| n % 20 != 0).map(|n| (topic(n), 0)));
    assert!(store.bytes() > 64 * MB, "{}", store.bytes());
    store
}

#[test]
fn what_is_dead_is_given_back_while_the_store_is_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = mostly_dead(folder.path());
    let mut pieces = 0;
    while store.log.tidy().expect("a good disk") {
        pieces += 1;
        // Before, at and behind where the copy is: changed, new and gone.
        let n = pieces * 37 % MANY;
        store.commit([(topic(n), 10 + pieces), (format!("new/{pieces}"), pieces), (topic(n / 2), 0)]);
        assert!(pieces < 1000, "it has an end");
    }
    assert!(pieces > 5, "{pieces}: small pieces");
    assert!(store.bytes() < 16 * MB, "{}", store.bytes());
    assert!(!folder.path().join("records.new").exists());
    store.commit([("behind".to_owned(), 5)]);
    assert_eq!(store.log.tidy(), Ok(false), "it is done");
    let model = std::mem::take(&mut store.model);
    drop(store);
    drop(Store::open(folder.path(), model));
}

/// The program stops in the middle of it: the old file is the store.
#[test]
fn a_copy_that_was_not_finished_is_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = mostly_dead(folder.path());
    for n in 0..6 {
        assert_eq!(store.log.tidy(), Ok(true));
        store.commit([(topic(n), 7)]);
    }
    let model = std::mem::take(&mut store.model);
    drop(store);
    assert!(folder.path().join("records.new").exists());
    let mut store = Store::open(folder.path(), model);
    assert!(!folder.path().join("records.new").exists());
    while store.log.tidy().expect("a good disk") {}
    assert!(store.bytes() < 16 * MB, "what an earlier process left is given back, too: {}", store.bytes());
}

/// A copy that cannot be made costs the store nothing.
#[test]
fn a_copy_that_fails_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = mostly_dead(folder.path());
    // A folder of this name cannot be written to.
    fs::create_dir(folder.path().join("records.new")).expect("made");
    assert_eq!(store.log.tidy(), Ok(false));
    store.commit([("behind".to_owned(), 5)]);
    assert!(store.bytes() > 64 * MB);
    let model = std::mem::take(&mut store.model);
    drop(store);
    drop(Store::open(folder.path(), model));
}
