//! A family of vectors written once: the rows that it runs over, put into its texts.
//!
//! `each.p = "properties in publish"` runs over the rows of a table whose `in` names `publish` (`not in`: over the
//! others); `each.n = "0..12"` over numbers; a list over its items. `{p.name}` is a field of the row, `{n}` the item
//! itself, `{n:x}` a number as two hexadecimal digits. Several lists give every combination.

use crate::catalogue::Entry;
use crate::text::Mistake;
use std::collections::BTreeMap;
use toml::Value;

/// Rows by name.
pub(crate) type Table = Vec<toml::Table>;

/// The vectors of an entry: itself, if it runs over nothing.
pub(crate) fn expand(entry: &Entry, tables: &BTreeMap<String, Table>) -> Result<Vec<Entry>, Mistake> {
    let mut vectors = Vec::new();
    expand_into(entry.clone(), tables, &mut vectors)?;
    if vectors.is_empty() {
        return Err(Mistake::new(format!("{:?} runs over nothing", entry.name)));
    }
    match vectors.iter().find(|vector| vector.name.contains('{')) {
        Some(vector) => Err(Mistake::new(format!("unknown place in {:?}", vector.name))),
        None => Ok(vectors),
    }
}

/// The first list by its name, then the others, which may name a field of its rows.
fn expand_into(
    mut entry: Entry,
    tables: &BTreeMap<String, Table>,
    vectors: &mut Vec<Entry>,
) -> Result<(), Mistake> {
    let Some((key, over)) = entry.each.pop_first() else {
        vectors.push(entry);
        return Ok(());
    };
    rows(&over, tables)?.iter().try_for_each(|row| expand_into(fill(&entry, &key, row), tables, vectors))
}

fn rows(over: &Value, tables: &BTreeMap<String, Table>) -> Result<Vec<Value>, Mistake> {
    let text = match over {
        Value::Array(rows) => return Ok(rows.clone()),
        Value::String(text) => text,
        _ => return Err(Mistake::new("`each` is a list or a name")),
    };
    if text.contains('{') {
        return Err(Mistake::new(format!("{text:?} names a list that comes later in the alphabet")));
    }
    if let Some((from, to)) = text.split_once("..") {
        let number =
            |text: &str| text.parse::<i64>().map_err(|_| Mistake::new(format!("not a range: {text}")));
        return Ok((number(from)?..number(to)?).map(Value::Integer).collect());
    }
    let words: Vec<&str> = text.split(' ').collect();
    let (name, wanted) = match words[..] {
        [name] => (name, None),
        [name, "in", place] => (name, Some((place, true))),
        [name, "not", "in", place] => (name, Some((place, false))),
        _ => return Err(Mistake::new(format!("cannot read {text:?}"))),
    };
    let table = tables.get(name).ok_or_else(|| Mistake::new(format!("no table {name:?}")))?;
    let chosen = table.iter().filter(|row| wanted.is_none_or(|(place, inside)| is_in(row, place) == inside));
    Ok(chosen.cloned().map(Value::Table).collect())
}

fn is_in(row: &toml::Table, place: &str) -> bool {
    let places = row.get("in").and_then(Value::as_array);
    places.is_some_and(|places| places.iter().any(|one| one.as_str() == Some(place)))
}

fn fill(entry: &Entry, key: &str, row: &Value) -> Entry {
    let mut places: Vec<(String, String)> = Vec::new();
    match row {
        Value::Table(fields) => {
            places.extend(fields.iter().map(|(field, value)| (format!("{{{key}.{field}}}"), plain(value))));
        }
        Value::Integer(number) => {
            places.push((format!("{{{key}}}"), number.to_string()));
            places.push((format!("{{{key}:x}}"), format!("{number:02X}")));
        }
        other => places.push((format!("{{{key}}}"), plain(other))),
    }
    let put =
        |text: &str| places.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value));
    let mut filled = entry.clone();
    filled.name = put(&entry.name);
    for text in
        [&mut filled.hello, &mut filled.send, &mut filled.want, &mut filled.play].into_iter().flatten()
    {
        *text = put(text);
    }
    for over in filled.each.values_mut() {
        if let Value::String(name) = over {
            *name = put(name);
        }
    }
    filled.rules = entry.rules.iter().map(|id| put(id)).collect();
    filled
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        // Only a table's `in`, which is for choosing rows.
        _ => String::new(),
    }
}
