//! Retained messages that are at home on this shard, ordered by topic so that a search can stop and go on.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::ops::Bound;
use pondhawk_codec::topic;
use pondhawk_plants::planted;
use pondhawk_session::server::{Message, Millis};

/// A message that is found by its topic.
#[derive(Debug)]
struct ByTopic(Arc<Message>);

impl Borrow<str> for ByTopic {
    fn borrow(&self) -> &str {
        self.0.topic()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.0.topic_bytes() == other.0.topic_bytes()
    }
}

impl Eq for ByTopic {}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.topic_bytes().cmp(other.0.topic_bytes())
    }
}

/// The retained messages of one shard.
#[derive(Debug, Default)]
pub(crate) struct Retained {
    by_topic: BTreeMap<ByTopic, ()>,
    bytes: usize,
}

/// One slice of a search.
pub(crate) struct Page {
    pub(crate) messages: Vec<Arc<Message>>,
    /// Go on behind this topic, or `None` at the end.
    pub(crate) next: Option<Box<str>>,
}

/// Entries that one slice looks at, and bytes that it returns, at the most.
const LOOK_MAX: usize = 4096;
const PAGE_BYTES_MAX: usize = 64 << 10;

impl Retained {
    pub(crate) fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// Those of the broker itself, which end with it.
    pub(crate) fn len_of_system(&self) -> usize {
        // Between these two stands what begins with "$SYS/".
        let bounds = (Bound::Included("$SYS/"), Bound::Excluded("$SYS0"));
        self.by_topic.range::<str, _>(bounds).count()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stores a message in place of the topic's last one. [MQTT-3.3.1-5] [MQTT3-3.3.1-5] [MQTT3-3.3.1-7]
    pub(crate) fn set(&mut self, message: Arc<Message>) {
        if planted!(RetainedNotReplaced) && self.contains(message.topic()) {
            return;
        }
        self.remove(message.topic());
        self.bytes += message.size();
        self.by_topic.insert(ByTopic(message), ());
    }

    /// Stores what a restart brings, which is of as many topics. In order it is quick.
    pub(crate) fn restore(&mut self, messages: impl Iterator<Item = Arc<Message>>) {
        let mut restored: BTreeMap<ByTopic, ()> = messages.map(|message| (ByTopic(message), ())).collect();
        self.bytes += restored.keys().map(|message| message.0.size()).sum::<usize>();
        self.by_topic.append(&mut restored);
    }

    pub(crate) fn contains(&self, topic: &str) -> bool {
        self.by_topic.contains_key(topic)
    }

    /// Deletes the topic's message, if it has one. [MQTT-3.3.1-6] [MQTT3-3.3.1-10]
    pub(crate) fn remove(&mut self, topic: &str) -> bool {
        let Some((old, ())) = self.by_topic.remove_entry(topic) else {
            return false;
        };
        self.bytes -= old.0.size();
        true
    }

    /// The next matches of `filter` behind the topic `after`, in slices of bounded work.
    pub(crate) fn page(&self, filter: &str, after: Option<&str>, now: Millis) -> Page {
        let mut page = Page { messages: Vec::new(), next: None };
        let prefix = literal_prefix(filter);
        if prefix.len() == filter.len() {
            let found = self.by_topic.get_key_value(filter).map(|(key, ())| &key.0);
            page.messages.extend(found.filter(|message| !message.view().is_expired(now)).cloned());
            return page;
        }
        let start = match after {
            Some(topic) => Bound::Excluded(topic),
            None => Bound::Included(prefix),
        };
        let mut bytes = 0;
        for (looked, (key, ())) in self.by_topic.range::<str, _>((start, Bound::Unbounded)).enumerate() {
            let topic = key.0.topic();
            if !topic.starts_with(prefix) {
                return page;
            }
            if topic::matches(filter, topic) && !key.0.view().is_expired(now) {
                bytes += key.0.size();
                page.messages.push(key.0.clone());
            }
            if looked + 1 >= LOOK_MAX || bytes >= PAGE_BYTES_MAX {
                page.next = Some(topic.into());
                return page;
            }
        }
        page
    }

    /// Removes what has expired, in a slice: the topic to go on behind, or `None` at the end, and what it was.
    pub(crate) fn sweep(
        &mut self,
        after: Option<&str>,
        now: Millis,
    ) -> (Option<Box<str>>, Vec<Arc<Message>>) {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let slice = || self.by_topic.range::<str, _>((start, Bound::Unbounded)).take(LOOK_MAX);
        let next = slice().nth(LOOK_MAX - 1).map(|(key, ())| key.0.topic().into());
        let expired: Vec<Arc<Message>> = slice()
            .map(|(key, ())| &key.0)
            .filter(|message| message.view().is_expired(now))
            .cloned()
            .collect();
        for message in &expired {
            self.remove(message.topic());
        }
        (next, expired)
    }
}

/// The part of a filter in front of its first wildcard. For `a/#` it is `a`, since that matches too.
fn literal_prefix(filter: &str) -> &str {
    match filter.find(['+', '#']) {
        None => filter,
        Some(at) if filter.as_bytes()[at] == b'#' => filter[..at].strip_suffix('/').unwrap_or(&filter[..at]),
        Some(at) => &filter[..at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use pondhawk_codec::Qos;
    use pondhawk_session::server::{MessageRef, NEVER, Origin};

    fn message(topic: &str, expires_at: Millis) -> Arc<Message> {
        let view = MessageRef {
            topic,
            properties: &[],
            payload: b"payload",
            qos: Qos::AtMostOnce,
            retain: true,
            expires_at,
            origin: Origin(0),
            source: None,
        };
        Arc::new(view.to_message())
    }

    fn all(retained: &Retained, filter: &str) -> Vec<Arc<Message>> {
        let mut found = Vec::new();
        let mut after: Option<Box<str>> = None;
        loop {
            let page = retained.page(filter, after.as_deref(), 100);
            found.extend(page.messages);
            match page.next {
                Some(next) => after = Some(next),
                None => return found,
            }
        }
    }

    #[test]
    fn search_by_filter() {
        let mut retained = Retained::default();
        for topic in ["a", "a/b", "a/b/c", "ab", "b/c", "$SYS/x", "a b"] {
            retained.set(message(topic, NEVER));
        }
        let count = |filter| all(&retained, filter).len();
        assert_eq!(retained.len_of_system(), 1);
        assert_eq!(
            (count("#"), count("a/#"), count("+"), count("+/+"), count("a/b"), count("$SYS/#")),
            (6, 3, 3, 2, 1, 1)
        );
    }

    #[test]
    fn pages_are_bounded_and_complete() {
        let mut retained = Retained::default();
        for n in 0..10_000 {
            retained.set(message(&format!("t/{n}/{}", if n % 2 == 0 { "x" } else { "y" }), NEVER));
        }
        assert_eq!(all(&retained, "t/+/x").len(), 5000);
        assert!(retained.page("#", None, 0).messages.len() <= LOOK_MAX);
    }

    #[test]
    fn bytes_are_counted() {
        let mut retained = Retained::default();
        retained.set(message("a", NEVER));
        retained.set(message("a", NEVER));
        assert_eq!(retained.bytes(), 8);
        assert!(retained.remove("a") && !retained.remove("a"));
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }

    #[test]
    fn the_expired_are_not_found_and_are_swept() {
        let mut retained = Retained::default();
        retained.set(message("old", 50));
        retained.set(message("new", 500));
        assert_eq!(all(&retained, "#").len(), 1);
        let (next, expired) = retained.sweep(None, 100);
        assert_eq!((next, expired.len()), (None, 1));
        assert_eq!(retained.len(), 1);
    }

    #[test]
    fn a_topic_is_one_key_whatever_its_message() {
        let key = |topic, expires_at| ByTopic(message(topic, expires_at));
        assert_eq!(key("a", 1), key("a", 2));
        assert_ne!(key("a", 1), key("b", 1));
        assert_eq!(key("a", 1).partial_cmp(&key("b", 1)), Some(Ordering::Less));
    }

    #[test]
    fn a_page_ends_when_it_is_full() {
        let mut retained = Retained::default();
        for topic in ["a", "b", "c"] {
            let payload = [0; 40 << 10];
            let small = message(topic, NEVER);
            retained.set(Arc::new(MessageRef { payload: &payload, ..small.view() }.to_message()));
        }
        let page = retained.page("#", None, 0);
        assert_eq!((page.messages.len(), page.next.as_deref()), (2, Some("b")));
        let page = retained.page("#", Some("b"), 0);
        assert_eq!((page.messages.len(), page.next.as_deref()), (1, None));
    }

    #[test]
    fn a_sweep_goes_on_where_its_slice_ended() {
        let mut retained = Retained::default();
        for n in 0..=LOOK_MAX {
            retained.set(message(&format!("{n:05}"), if n == LOOK_MAX { 1 } else { NEVER }));
        }
        let (next, expired) = retained.sweep(None, 10);
        assert_eq!((next.as_deref(), expired.len()), (Some(&*format!("{:05}", LOOK_MAX - 1)), 0));
        let (next, expired) = retained.sweep(next.as_deref(), 10);
        assert_eq!((next, expired.len()), (None, 1));
    }
}
