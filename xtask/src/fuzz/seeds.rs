//! What a target begins with: files that are kept in `fuzz/corpus-seeds/TARGET`, and what the vectors of `codec` and
//! `conform` send, in the form that the target takes. The latter are written anew at every run, so that a new vector is
//! a new seed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{process, workspace};

/// The vectors of the codec's tests: packets as byte strings.
const CODEC_VECTORS: &str = "crates/codec/tests/properties/vectors.rs";
/// Targets that begin with what clients send.
const TARGETS: [&str; 3] = ["connect", "decode", "stream"];
/// Longer streams are left out: a fuzzer learns little from them.
const STREAM_BYTES_MAX: u64 = 2048;

/// Targets whose input has a structure, for which any long run of bytes is a beginning.
const STRUCTURED: [&str; 2] = ["client", "shards"];

/// Prepares what the targets begin with; [`folders`] says later where it is.
pub fn prepare(targets: &[String]) -> Result<()> {
    for target in STRUCTURED.into_iter().filter(|known| targets.iter().any(|target| target == known)) {
        write(target, &noise())?;
    }
    let hungry: Vec<&str> =
        TARGETS.into_iter().filter(|known| targets.iter().any(|target| target == known)).collect();
    if hungry.is_empty() {
        return Ok(());
    }
    let text = fs::read_to_string(CODEC_VECTORS).with_context(|| format!("cannot read {CODEC_VECTORS}"))?;
    let mut streams: Vec<Vec<u8>> = byte_strings(&text).iter().flat_map(|packet| greeted(packet)).collect();
    streams.extend(conform_streams()?);
    for target in hungry {
        let seeds: Vec<Vec<u8>> = streams.iter().filter_map(|stream| adapt(target, stream)).collect();
        write(target, &seeds)?;
    }
    Ok(())
}

/// The folders of a target's seeds.
pub fn folders(target: &str) -> Vec<PathBuf> {
    let kept = Path::new("fuzz/corpus-seeds").join(target);
    [kept, folder().join(target)].into_iter().filter(|folder| folder.is_dir()).collect()
}

fn folder() -> PathBuf {
    workspace::target_dir().join("fuzz").join("seeds")
}

/// Long inputs without a meaning, the same every time (xorshift64).
fn noise() -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (1..=64).map(|n| (0..n * 24).map(|_| byte()).collect()).collect()
}

/// What the vectors of `conform` send, connection by connection.
fn conform_streams() -> Result<Vec<Vec<u8>>> {
    let folder = folder().join("streams");
    let _ = fs::remove_dir_all(&folder);
    let mut command =
        process::cargo(["run", "--quiet", "--package", "pondhawk-conform", "--example", "streams", "--"]);
    process::run(command.arg(&folder))?;
    let mut streams = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        if entry.metadata()?.len() <= STREAM_BYTES_MAX {
            streams.push(fs::read(entry.path())?);
        }
    }
    Ok(streams)
}

fn write(target: &str, seeds: &[Vec<u8>]) -> Result<()> {
    let folder = folder().join(target);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("{number:05}")), seed)?;
    }
    Ok(())
}

const CONNECT: u8 = 0x10;

/// A packet as streams: as it is if it is a CONNECT, else behind a CONNECT of each version.
fn greeted(packet: &[u8]) -> Vec<Vec<u8>> {
    match packet.first() {
        Some(&CONNECT) => vec![packet.to_vec()],
        _ => GREETINGS.iter().map(|greeting| [greeting, packet].concat()).collect(),
    }
}

/// A stream as an input of a target; nothing if it is of no use there.
fn adapt(target: &str, stream: &[u8]) -> Option<Vec<u8>> {
    match target {
        // The bits of the first byte are the broker's rules: none.
        "connect" => Some([&[0], first_body(stream)?].concat()),
        // Cut into single bytes.
        "stream" => Some([&[1, 1], stream].concat()),
        _ => Some(stream.to_vec()),
    }
}

/// What stands in the first frame behind its length, if that is a CONNECT.
fn first_body(stream: &[u8]) -> Option<&[u8]> {
    let rest = stream.strip_prefix(&[CONNECT])?;
    let width = rest.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    let digits = rest[..width].iter().rev();
    let len = digits.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
    rest.get(width..width + len)
}

/// A CONNECT of each version.
const GREETINGS: [&[u8]; 3] = [
    b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01a",
    b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a",
    b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a",
];

/// The byte strings of a Rust source.
fn byte_strings(source: &str) -> Vec<Vec<u8>> {
    let mut strings = Vec::new();
    let mut rest = source;
    while let Some((_, behind)) = rest.split_once("b\"") {
        let (string, len) = unescape(behind);
        strings.push(string);
        rest = &behind[len..];
    }
    strings
}

/// The bytes of a literal up to its closing quote, and where that is.
fn unescape(literal: &str) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut at = 0;
    let literal = literal.as_bytes();
    while at < literal.len() && literal[at] != b'"' {
        if literal[at] != b'\\' {
            bytes.push(literal[at]);
            at += 1;
            continue;
        }
        let hex = literal.get(at + 2..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match literal.get(at + 1) {
            Some(b'x') => {
                bytes.extend(hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()));
                at += 4;
            }
            escaped => {
                bytes.extend(escaped.map(|byte| if *byte == b'0' { 0 } else { *byte }));
                at += 2;
            }
        }
    }
    (bytes, at.min(literal.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_strings_are_read_out_of_a_source() {
        let source = "good(\"a\", b\"\\x10\\x02hi\\0\"), bad(b\"\\\"q\\\\\", 1), b\"\\xff\"";
        assert_eq!(byte_strings(source), [b"\x10\x02hi\0".to_vec(), b"\"q\\".to_vec(), vec![0xff]]);
    }

    #[test]
    fn packets_become_streams() {
        assert_eq!(greeted(b"\x10\x01x"), [b"\x10\x01x"]);
        let streams = greeted(b"\xc0\0");
        assert_eq!(streams.len(), 3);
        assert!(streams.iter().all(|stream| stream[0] == CONNECT && stream.ends_with(b"\xc0\0")));
    }

    #[test]
    fn streams_take_the_form_of_the_target() {
        let stream = b"\x10\x02hi\xc0\0";
        assert_eq!(adapt("decode", stream).as_deref(), Some(&stream[..]));
        assert_eq!(adapt("stream", stream), Some([b"\x01\x01", &stream[..]].concat()));
        assert_eq!(adapt("connect", stream).as_deref(), Some(&b"\0hi"[..]));
        assert_eq!(adapt("connect", b"\xc0\0"), None);
        assert_eq!(first_body(&[&[CONNECT, 0x81, 0x01], [7; 129].as_slice()].concat()), Some(&[7; 129][..]));
        assert_eq!(first_body(b"\x10\x05cut"), None);
    }
}
