//! The words that a target's inputs are made of, so that the fuzzer need not guess them letter by letter. Where a
//! table in the repository has them, they are taken from there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::workspace;

/// Words of access control files and of HTTP upgrades, which stand in no table.
const ACL: &[&str] = &[
    "user ",
    "topic ",
    "pattern ",
    "read ",
    "write ",
    "readwrite ",
    "deny ",
    "%c",
    "%u",
    "$SYS/",
    "/#",
    "/+",
];
const PASSWORDS: &[&str] = &["$6$", "$7$", "$7$101$", "$argon2id$v=19$m=47104,t=1,p=1$", "==", ":"];
const UPGRADE: &[&str] = &[
    "GET /mqtt HTTP/1.1\r\n",
    "HTTP/1.1 101 \r\n",
    "Upgrade: websocket\r\n",
    "Connection: Upgrade\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Version: 13\r\n",
    "Sec-WebSocket-Protocol: mqtt\r\n",
    "Sec-WebSocket-Extensions: ",
    "Origin: http://h\r\n",
    "\r\n\r\n",
];

/// Writes the target's dictionary for libFuzzer; nothing for a target that has none.
pub fn write(target: &str) -> Result<Option<PathBuf>> {
    let words = words(target)?;
    if words.is_empty() {
        return Ok(None);
    }
    let folder = workspace::target_dir().join("fuzz").join("dictionaries");
    fs::create_dir_all(&folder)?;
    let file = folder.join(target);
    fs::write(&file, words.iter().map(|word| entry(word)).collect::<String>())?;
    Ok(Some(file))
}

fn words(target: &str) -> Result<BTreeSet<String>> {
    let listed = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
    Ok(match target {
        "acl" => listed(ACL),
        "passwd_file" => listed(PASSWORDS),
        "ws" => listed(UPGRADE),
        "conf" => quoted(&read("docs/reference/mosquitto.conf.md")?, '`', |word| {
            word.len() > 1
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c))
        }),
        "options" => {
            let mut words =
                quoted(&read("crates/cli/src/options/table.rs")?, '"', |word| word.starts_with('-'));
            words.extend(quoted(&read("crates/codec/src/property.rs")?, '"', |word| word.contains('-')));
            words.extend(["connect", "publish", "will"].map(String::from));
            words
        }
        _ => BTreeSet::new(),
    })
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// The first words of what stands between marks on one line.
fn quoted(text: &str, mark: char, wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let inside = text.lines().flat_map(|line| line.split(mark).skip(1).step_by(2));
    let first = inside.filter_map(|text| text.split_whitespace().next());
    first.filter(|word| wanted(word)).map(String::from).collect()
}

/// A line of libFuzzer's dictionaries.
fn entry(word: &str) -> String {
    let escaped: String = word
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            other => format!("\\x{other:02X}"),
        })
        .collect();
    format!("\"{escaped}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_between_marks() {
        let text = "* `port NUMBER`, `True`\nno `end\n`max_qos`";
        let words = quoted(text, '`', |word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        assert_eq!(words.into_iter().collect::<Vec<_>>(), ["end", "max_qos", "port"]);
    }

    #[test]
    fn entries_are_escaped() {
        assert_eq!(entry("a\"b\\c\r\n"), "\"a\\\"b\\\\c\\x0D\\x0A\"\n");
    }
}
