//! Which mutant is in: none, or the one that the environment names. This file is woven into the crate under test, and
//! is no module of this one.

extern crate std;

use std::fs::File;
use std::io::Write;
use std::string::String;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::vec::Vec;

/// No mutant, and nothing is noted.
const NONE: u32 = 0;
/// No mutant, and the places that are passed are noted.
const NOTED: u32 = u32::MAX - 1;
const UNREAD: u32 = u32::MAX;

static CHOSEN: AtomicU32 = AtomicU32::new(UNREAD);
static PASSED: Mutex<(Option<File>, Vec<u32>)> = Mutex::new((None, Vec::new()));

/// The mutant that is in, for a place of the code that has mutants.
#[inline]
pub fn at(place: u32) -> u32 {
    let chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen < NOTED { chosen } else { first(place) }
}

#[cold]
fn first(place: u32) -> u32 {
    let read = |name| std::env::var(name).unwrap_or_default();
    if CHOSEN.load(Ordering::Relaxed) == UNREAD {
        let path: String = read("PONDHAWK_MUTANT_PLACES");
        let chosen = read("PONDHAWK_MUTANT").parse().unwrap_or(NONE);
        CHOSEN.store(if path.is_empty() { chosen } else { NOTED }, Ordering::Relaxed);
        if path.is_empty() {
            return chosen;
        }
        PASSED.lock().expect("nobody panics with it").0 =
            Some(File::create(path).expect("a file for the places that are passed"));
    }
    let mut passed = PASSED.lock().expect("nobody panics with it");
    if let Err(at) = passed.1.binary_search(&place) {
        passed.1.insert(at, place);
        if let Some(file) = &mut passed.0 {
            file.write_all(std::format!("{place}\n").as_bytes()).expect("the place is noted");
        }
    }
    NONE
}
