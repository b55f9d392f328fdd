//! The options file: one option a line, its argument behind the first space.

use crate::failure::{Failure, USAGE, system_text};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than anybody writes by hand.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The words of each line of the file at `path`.
///
/// # Errors
/// A file that cannot be read, named.
pub(super) fn read(path: &Path) -> Result<Vec<Vec<Vec<u8>>>, Failure> {
    load(path).map(|bytes| lines(&bytes)).map_err(|error| cannot_read(path, &error))
}

/// The same, empty if there is no file at `path`.
pub(super) fn read_if_there(path: &Path) -> Result<Vec<Vec<Vec<u8>>>, Failure> {
    match load(path) {
        Ok(bytes) => Ok(lines(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        // `~/.config` may be a file, or not ours: that says nothing about options.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Vec::new()),
        Err(error) => Err(cannot_read(path, &error)),
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    let text = system_text(error);
    Failure::new(USAGE, format!("Error: Unable to open options file \"{}\": {text}.", path.display()))
}

fn load(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(bytes)
}

fn lines(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    bytes
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty() && line[0] != b'#')
        .map(words)
        .collect()
}

/// A flag and the rest of the line; for `-D` as many words as the property needs.
fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let line = line.trim_ascii_start();
    let (flag, rest) = cut(line);
    let count = match flag {
        b"-D" | b"--property" if cut(cut(rest).1).0 == b"user-property" => 4,
        b"-D" | b"--property" => 3,
        _ => 1,
    };
    let mut words = vec![flag.to_vec()];
    let mut rest = rest;
    for _ in 1..count {
        let (word, behind) = cut(rest);
        words.push(word.to_vec());
        rest = behind;
    }
    if !rest.is_empty() {
        words.push(rest.to_vec());
    }
    words
}

fn cut(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|b| *b == b' ') {
        Some(at) => (&text[..at], text[at..].trim_ascii_start()),
        None => (text, b""),
    }
}
