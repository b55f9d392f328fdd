//! What a store holds, in words or as JSON.

use super::{DAMAGED, print};
use pondhawk_store::Lost;
use pondhawk_store::disk::Checked;
use serde_json::{Value, json};
use std::path::Path;

/// Queues that `stats` names.
const LONGEST: usize = 5;

/// A client's queue.
struct Queue<'a> {
    client_id: &'a str,
    messages: usize,
    bytes: usize,
}

/// Prints what is there and what is damaged; returns the exit code.
pub(super) fn check(path: &Path, checked: &Checked, json: bool) -> i32 {
    let code = if checked.lost.is_empty() { 0 } else { DAMAGED };
    if json {
        return print(&format!("{}\n", object(path, checked)), code);
    }
    let mut text = format!("{}, {} bytes\n{}", path.display(), checked.bytes, lines(&counts(checked)));
    if checked.torn {
        text += "The newest transaction is not whole and will be taken back: the machine stopped in the middle of it.\n";
    }
    text += &lost_lines(&checked.lost);
    text += if checked.lost.is_empty() { "sound\n" } else { "damaged\n" };
    print(&text, code)
}

/// Prints what is there and how much of it; returns the exit code.
pub(super) fn stats(path: &Path, checked: &Checked, json: bool) -> i32 {
    let code = if checked.lost.is_empty() { 0 } else { DAMAGED };
    let queues = longest(checked);
    if json {
        let mut object = object(path, checked);
        for (name, count) in sizes(checked) {
            object[key(name)] = count.into();
        }
        let queue = |queue: &Queue<'_>| json!({ "client_id": queue.client_id, "messages": queue.messages, "bytes": queue.bytes });
        object["longest_queues"] = queues.iter().map(queue).collect();
        return print(&format!("{object}\n"), code);
    }
    let mut text = format!("{}\n{}", path.display(), lines(&counts(checked)));
    text += &lines(&sizes(checked));
    for Queue { client_id, messages, bytes } in &queues {
        text += &format!("queue of {client_id:?}: {messages} messages, {bytes} bytes\n");
    }
    text += &lost_lines(&checked.lost);
    print(&text, code)
}

fn lines(counts: &[(&str, u64)]) -> String {
    counts.iter().map(|(name, count)| format!("{count:>12} {name}\n")).collect()
}

fn key(name: &str) -> String {
    name.replace(' ', "_").to_lowercase()
}

pub(super) fn lost_lines(lost: &[Lost]) -> String {
    lost.iter().map(|lost| format!("lost: {lost}\n")).collect()
}

pub(super) fn lost_json(lost: &[Lost]) -> Value {
    lost.iter().map(|lost| json!({ "what": lost.what, "why": lost.why })).collect()
}

fn object(path: &Path, checked: &Checked) -> Value {
    let mut object = json!({ "path": path.display().to_string(), "bytes": checked.bytes });
    for (name, count) in counts(checked) {
        object[key(name)] = count.into();
    }
    object["torn"] = checked.torn.into();
    object["lost"] = lost_json(&checked.lost);
    object
}

/// How many there are of what a store holds.
fn counts(checked: &Checked) -> [(&'static str, u64); 7] {
    let sum =
        |count: &dyn Fn(&_) -> usize| checked.restored.sessions.values().map(count).sum::<usize>() as u64;
    [
        ("sessions", checked.restored.sessions.len() as u64),
        ("subscriptions", sum(&|session| session.subscriptions.len())),
        ("queued messages", sum(&|session| session.queue.len())),
        ("QoS 2 messages before PUBREL", sum(&|session| session.inbox.len())),
        ("messages between shards", checked.restored.under_way.len() as u64),
        ("retained messages", checked.restored.retained.len() as u64),
        ("wills", checked.restored.wills.len() as u64),
    ]
}

/// How much room they take.
fn sizes(checked: &Checked) -> [(&'static str, u64); 6] {
    let connected = checked.restored.sessions.values().filter(|session| session.kept.ends_at.is_none());
    let retained: usize = checked.restored.retained.values().map(|message| message.size()).sum();
    let (records, bytes) = checked.records;
    [
        ("sessions whose clients were connected", connected.count() as u64),
        ("bytes of queued messages", queues(checked).map(|queue| queue.bytes as u64).sum()),
        ("bytes of retained messages", retained as u64),
        ("records", records as u64),
        ("bytes of records", bytes),
        ("bytes of the file", checked.bytes),
    ]
}

fn queues(checked: &Checked) -> impl Iterator<Item = Queue<'_>> {
    checked.restored.sessions.iter().map(|(client_id, session)| {
        let messages = session.queue.values().filter_map(|(message, _)| message.as_ref());
        let bytes = messages.map(|message| message.size()).sum();
        Queue { client_id, messages: session.queue.len(), bytes }
    })
}

fn longest(checked: &Checked) -> Vec<Queue<'_>> {
    let mut queues: Vec<_> = queues(checked).filter(|queue| queue.messages > 0).collect();
    queues.sort_by_key(|queue| std::cmp::Reverse(queue.messages));
    queues.truncate(LONGEST);
    queues
}
