//! A hint for a word that no directive has.

use crate::table;

/// How many letters may differ for a name to be worth suggesting.
const MAX_DISTANCE: usize = 3;

/// What may have been meant by the first word of a line.
pub(super) fn hint_for(word: &[u8]) -> Option<String> {
    if word.starts_with(b"\xef\xbb\xbf") {
        return Some("the file starts with a byte order mark; save it as UTF-8 without one".to_owned());
    }
    if word.contains(&b'\t') {
        return Some("a name and its value are separated by spaces, not by a tab".to_owned());
    }
    if word.starts_with(b"#") {
        return Some("the # of a comment must be the first character of its line".to_owned());
    }
    let word = std::str::from_utf8(word).ok()?;
    if let Some((name, _)) = word.split_once(['=', ':'])
        && table::find(name).is_some()
    {
        return Some(format!("write '{name} VALUE', with a space between them"));
    }
    nearest(word).map(|name| format!("did you mean '{name}'?"))
}

fn nearest(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    let limit = MAX_DISTANCE.min(word.len() / 3);
    let names = table::directives().flat_map(|row| row.aliases().iter().copied().chain([row.name()]));
    let scored = names.filter(|name| name.len().abs_diff(lower.len()) <= limit);
    let best = scored.map(|name| (distance(&lower, name), name)).min_by_key(|(distance, _)| *distance)?;
    (best.0 <= limit).then_some(best.1)
}

/// Insertions, deletions and replacements that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested() {
        let rows: [(&[u8], Option<&str>); 7] = [
            (b"alow_anonymous", Some("did you mean 'allow_anonymous'?")),
            (b"Listener", Some("did you mean 'listener'?")),
            (b"password_fil", Some("did you mean 'password_file'?")),
            (b"max_qos=1", Some("write 'max_qos VALUE', with a space between them")),
            (b"max_qos\t1", Some("a name and its value are separated by spaces, not by a tab")),
            (b"#", Some("the # of a comment must be the first character of its line")),
            (b"foo", None),
        ];
        for (word, expected) in rows {
            assert_eq!(hint_for(word).as_deref(), expected, "{}", String::from_utf8_lossy(word));
        }
        assert!(hint_for(b"\xef\xbb\xbflistener").is_some_and(|hint| hint.contains("byte order mark")));
        assert_eq!(hint_for(b"\xff"), None);
    }
}
