//! Stores that earlier versions wrote. A change of the format adds a file here; none is ever changed.

use crate::kit::{CLOCK, Op, Pair, text};
use pondhawk_store::Log;
use pondhawk_store::disk;
use pondhawk_store::engine::{Batch, Engine, MemoryEngine};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// One of everything, in the numbers of the kit.
pub fn one_of_each() -> Pair {
    let mut pair = Pair::new();
    let op = |kind, who, what| Op { kind, who, what };
    pair.turn(&[op(0, 0, 1), op(1, 0, 2), op(1, 1, 1), op(5, 0, 1), op(20, 0, 2), op(19, 0, 2)]);
    // A large message for both and under way, a small one for the first.
    pair.turn(&[op(7, 0, 1), op(7, 1, 1), op(16, 0, 1), op(7, 0, 0), op(14, 1, 2)]);
    pair.turn(&[op(11, 1, 0)]);
    // A session that has just gone.
    pair.turn(&[op(1, 2, 2), op(5, 2, 0)]);
    assert_eq!(pair.log.commit(), Ok(()));
    pair.turn(&[op(4, 2, 0)]);
    assert_eq!(pair.log.commit(), Ok(()));
    pair
}

fn dump(engine: &impl Engine) -> String {
    let mut text = String::new();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let scanned = engine.scan(&[], None, &mut |key, value| {
        text += &format!("{} {}\n", hex(key), hex(value));
        ControlFlow::Continue(())
    });
    assert_eq!(scanned, Ok(()));
    text
}

fn load(text: &str) -> MemoryEngine {
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    };
    let mut batch = Batch::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').expect("a key and a value");
        batch.put(bytes(key), bytes(value));
    }
    let mut engine = MemoryEngine::new();
    assert_eq!(engine.apply(&batch), Ok(()));
    assert_eq!(engine.sync(), Ok(()));
    engine
}

#[test]
fn format_1_is_read_and_written() {
    let records = fs::read_to_string(fixture("format-1.records")).expect("the fixture");
    let pair = one_of_each();
    let (_, recovered) = Log::open(load(&records), CLOCK).expect("opens");
    assert_eq!(recovered.lost, []);
    assert_eq!(text(&recovered.restored), text(&pair.replayed(pair.turns.len())));
    // As long as 1 is the version that is written.
    assert_eq!(dump(pair.log.engine()), records);
}

/// The engine's file, of which blocks of zeros are left out: lines of `offset hex`.
#[test]
fn a_file_of_format_1_is_opened() {
    let blocks = fs::read_to_string(fixture("format-1.redb.blocks")).expect("the fixture");
    let mut lines = blocks.lines();
    let len: usize = lines.next().and_then(|len| len.parse().ok()).expect("the length");
    let mut file = vec![0; len];
    for line in lines {
        let (at, hex) = line.split_once(' ').expect("a place and bytes");
        let at: usize = at.parse().expect("a number");
        for (n, byte) in (0..hex.len()).step_by(2).enumerate() {
            file[at + n] = u8::from_str_radix(&hex[byte..byte + 2], 16).expect("hex");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("format"), "1\n").expect("written");
    fs::write(folder.path().join("records.redb"), file).expect("written");
    let store = disk::open(folder.path(), CLOCK).expect("opens");
    assert_eq!((store.recovered.lost, store.notes), (Vec::new(), Vec::new()));
    let pair = one_of_each();
    assert_eq!(text(&store.recovered.restored), text(&pair.replayed(pair.turns.len())));
}
