//! Standard input, cut into lines.

use crate::payload::PAYLOAD_MAX;

/// Input that has not been published.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Bytes before this are published.
    start: usize,
    /// No line end stands between `start` and here.
    searched: usize,
    ended: bool,
}

/// What the input holds next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Ready(Vec<u8>),
    /// Its end has not come.
    NotYet,
    /// There are no more.
    End,
    /// It does not fit in a message.
    TooLong,
}

impl Lines {
    /// What came; nothing at the end of the input.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.ended |= bytes.is_empty();
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// True if input is needed for the next line.
    pub(super) fn wants_more(&self) -> bool {
        !self.ended && !self.bytes[self.searched..].contains(&b'\n')
    }

    /// The next line. The last one need not have an end.
    pub(super) fn next(&mut self) -> Line {
        if let Some(at) = self.bytes[self.searched..].iter().position(|b| *b == b'\n') {
            let end = self.searched + at;
            let line = self.bytes[self.start..end].to_vec();
            self.start = end + 1;
            self.searched = self.start;
            return Line::Ready(line);
        }
        self.searched = self.bytes.len();
        let left = self.bytes.len() - self.start;
        if left > PAYLOAD_MAX {
            return Line::TooLong;
        }
        if !self.ended {
            return Line::NotYet;
        }
        if left == 0 {
            return Line::End;
        }
        let line = self.bytes[self.start..].to_vec();
        self.start = self.bytes.len();
        Line::Ready(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole() {
        let mut lines = Lines::default();
        assert_eq!(lines.next(), Line::NotYet);
        lines.push(b"on");
        assert_eq!(lines.next(), Line::NotYet);
        assert!(lines.wants_more());
        lines.push(b"e\n\ntwo\r\nlast");
        assert!(!lines.wants_more());
        for line in [&b"one"[..], b"", b"two\r"] {
            assert_eq!(lines.next(), Line::Ready(line.to_vec()));
        }
        assert_eq!(lines.next(), Line::NotYet);
        lines.push(b"");
        assert_eq!(lines.next(), Line::Ready(b"last".to_vec()));
        assert_eq!(lines.next(), Line::End);
    }
}
