//! What a target begins with: files that are kept in `fuzz/corpus-seeds/TARGET`, and packets that tests know, in the
//! form that the target takes. Those are written anew at every run, so that a new vector is a new seed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// The vectors of the codec's tests: packets as byte strings.
const CODEC_VECTORS: &str = "crates/codec/tests/properties/vectors.rs";

/// The folders of a target's seeds.
pub fn folders(target: &str) -> Result<Vec<PathBuf>> {
    let kept = Path::new("fuzz/corpus-seeds").join(target);
    let mut folders: Vec<PathBuf> = Some(kept).into_iter().filter(|folder| folder.is_dir()).collect();
    let text = fs::read_to_string(CODEC_VECTORS).with_context(|| format!("cannot read {CODEC_VECTORS}"))?;
    let seeds: Vec<Vec<u8>> = byte_strings(&text).iter().flat_map(|packet| adapt(target, packet)).collect();
    if !seeds.is_empty() {
        folders.push(write(target, &seeds)?);
    }
    Ok(folders)
}

fn write(target: &str, seeds: &[Vec<u8>]) -> Result<PathBuf> {
    let folder = workspace::target_dir().join("fuzz").join("seeds").join(target);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("{number:04}")), seed)?;
    }
    Ok(folder)
}

/// A packet as inputs of a target; none for a target that takes no packets.
fn adapt(target: &str, packet: &[u8]) -> Vec<Vec<u8>> {
    const CONNECT: u8 = 0x10;
    let body = |packet: &[u8]| packet.get(2..).unwrap_or_default().to_vec();
    match target {
        "decode" => vec![packet.to_vec()],
        // Cut into single bytes, behind a CONNECT of each version.
        "stream" if packet.first() == Some(&CONNECT) => vec![[&[1, 1], packet].concat()],
        "stream" => GREETINGS.iter().map(|greeting| [&[1, 1], *greeting, packet].concat()).collect(),
        "connect" if packet.first() == Some(&CONNECT) => vec![[&[0], body(packet).as_slice()].concat()],
        _ => Vec::new(),
    }
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
    fn packets_take_the_form_of_the_target() {
        assert_eq!(adapt("decode", b"\xc0\0"), [b"\xc0\0"]);
        assert_eq!(adapt("stream", b"\xc0\0").len(), 3);
        assert_eq!(adapt("connect", b"\x10\x01x"), [b"\0x"]);
        assert!(adapt("connect", b"\xc0\0").is_empty() && adapt("acl", b"\xc0\0").is_empty());
    }
}
