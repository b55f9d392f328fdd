//! What happened, as one hash and, if asked for, as lines. The same seed gives the same hash (I12).

use std::collections::VecDeque;

/// Lines that are kept of a run that is not printed whole.
const LINES_MAX: usize = 60;

/// How much of a run is put into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Nothing: only the hash is kept.
    None,
    /// The last lines.
    Last,
    /// Everything, on standard output.
    All,
}

/// A run's trace.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    words: Words,
    lines: VecDeque<String>,
}

impl Trace {
    /// An empty trace.
    #[must_use]
    pub fn new(words: Words) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, words, lines: VecDeque::new() }
    }

    /// Takes a number into the hash.
    pub fn number(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    /// Takes bytes into the hash.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
        self.number(bytes.len() as u64);
    }

    /// True if lines are wanted, so that nobody makes them in vain.
    #[must_use]
    pub fn wants_words(&self) -> bool {
        self.words != Words::None
    }

    /// Takes a line.
    pub fn line(&mut self, line: String) {
        match self.words {
            Words::None => {}
            Words::All => println!("{line}"),
            Words::Last => {
                if self.lines.len() == LINES_MAX {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
            }
        }
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
