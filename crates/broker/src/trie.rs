//! The subscription trie: filters of this shard, shared groups at home here, and which other shards have an
//! interest, in one tree of topic levels.
//!
//! # Invariants
//! - A node without entry and children is removed, so the tree returns to its size when filters go.
//! - A match visits only nodes that match a prefix of the topic, each once.

use crate::id::{SessionRef, ShardId};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::quality::FixedState;
use hashbrown::{Equivalent, HashMap};
use pondhawk_codec::Qos;
use pondhawk_plants::planted;

/// What a client wants of a filter, as far as delivery needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The subscription identifier, or 0.
    pub id: u32,
    /// The granted QoS.
    pub qos: Qos,
    /// Not the client's own messages.
    pub no_local: bool,
    /// Keep the publisher's retain flag.
    pub retain_as_published: bool,
}

/// A subscription of a session of this shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    pub(crate) session: u32,
    pub(crate) subscription: Subscription,
}

/// A member of a shared group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) session: SessionRef,
    pub(crate) subscription: Subscription,
    pub(crate) online: bool,
}

/// A shared group of which this shard is the home.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Box<str>,
    /// The whole filter, `$share/NAME/FILTER`.
    pub(crate) filter: Arc<str>,
    pub(crate) members: Vec<Member>,
    pub(crate) next: usize,
}

/// What stands at a filter.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Sorted by session.
    pub(crate) subscribers: Vec<Subscriber>,
    pub(crate) groups: Vec<Group>,
    /// Shards that announced an interest, a bit each.
    pub(crate) remote: u64,
    /// Those of them whose sessions may be such as are kept.
    pub(crate) remote_kept: u64,
    /// A session that is kept has subscribed here, or a group's member may be one.
    pub(crate) kept: bool,
    /// Place and generation of what waited last for the others to take note of this shard's interest.
    pub(crate) announced: (u32, u32),
}

impl Entry {
    fn is_empty(&self) -> bool {
        !self.has_interest() && self.remote == 0
    }

    /// True if this shard needs messages for the filter.
    pub(crate) fn has_interest(&self) -> bool {
        !self.subscribers.is_empty() || !self.groups.is_empty()
    }

    /// Adds or replaces a subscription; true if it is new.
    pub(crate) fn subscribe(&mut self, session: u32, subscription: Subscription) -> bool {
        let subscriber = Subscriber { session, subscription };
        match self.subscribers.binary_search_by_key(&session, |s| s.session) {
            Ok(at) => {
                self.subscribers[at] = subscriber;
                false
            }
            Err(at) => {
                self.subscribers.insert(at, subscriber);
                true
            }
        }
    }

    pub(crate) fn has_subscriber(&self, session: u32) -> bool {
        self.subscribers.binary_search_by_key(&session, |s| s.session).is_ok()
    }

    /// Removes a subscription; true if there was one.
    pub(crate) fn unsubscribe(&mut self, session: u32) -> bool {
        let found = self.subscribers.binary_search_by_key(&session, |s| s.session);
        found.map(|at| self.subscribers.remove(at)).is_ok()
    }

    /// Another shard has an interest or no longer has; `kept` if sessions that are kept may have it.
    pub(crate) fn set_remote(&mut self, shard: ShardId, interested: bool, kept: bool) {
        let bit = 1u64 << shard.0;
        let set = |bits: u64, is_set: bool| if is_set { bits | bit } else { bits & !bit };
        self.remote = set(self.remote, interested);
        self.remote_kept = set(self.remote_kept, interested && kept);
    }

    /// Notes that a session that is kept may have the interest; true if that is new.
    pub(crate) fn keep(&mut self, kept: bool) -> bool {
        let new = kept && !self.kept;
        self.kept |= kept;
        new
    }
}

const ROOT: u32 = 0;
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    /// Children in `edges`, and `plus` and `hash`.
    children: u32,
    plus: u32,
    hash: u32,
    entry: Option<Box<Entry>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Edge {
    parent: u32,
    level: Box<str>,
}

#[derive(Hash)]
struct EdgeRef<'a> {
    parent: u32,
    level: &'a str,
}

impl Equivalent<Edge> for EdgeRef<'_> {
    fn equivalent(&self, edge: &Edge) -> bool {
        self.parent == edge.parent && *self.level == *edge.level
    }
}

/// The tree. Its hash is keyed, so that nobody can choose topics that collide.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    free: Vec<u32>,
    edges: HashMap<Edge, u32, FixedState>,
    stack: Vec<(u32, u32)>,
    levels: Vec<(u32, u32)>,
}

impl Trie {
    pub(crate) fn new(key: u64) -> Self {
        Trie {
            nodes: alloc::vec![Node::new()],
            free: Vec::new(),
            edges: HashMap::with_hasher(FixedState::with_seed(key)),
            stack: Vec::new(),
            levels: Vec::new(),
        }
    }

    /// Nodes in use, the root included.
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// The entry of `filter`, made if need be. [`prune`](Self::prune) must follow if it may be left empty.
    pub(crate) fn entry(&mut self, filter: &str) -> &mut Entry {
        let mut node = ROOT;
        for level in filter.split('/') {
            node = match self.child(node, level) {
                Some(child) => child,
                None => self.add_child(node, level),
            };
        }
        self.nodes[node as usize].entry.get_or_insert_default()
    }

    /// The entry of `filter`, if there is one.
    pub(crate) fn find(&mut self, filter: &str) -> Option<&mut Entry> {
        let mut node = ROOT;
        for level in filter.split('/') {
            node = self.child(node, level)?;
        }
        self.nodes[node as usize].entry.as_deref_mut()
    }

    /// Removes the entry of `filter` if it is empty, and the nodes that only led to it.
    pub(crate) fn prune(&mut self, filter: &str) {
        let mut path = Vec::new();
        let mut node = ROOT;
        for level in filter.split('/') {
            let Some(child) = self.child(node, level) else {
                return;
            };
            path.push((node, level));
            node = child;
        }
        let last = &mut self.nodes[node as usize];
        if last.entry.as_ref().is_some_and(|entry| entry.is_empty()) {
            last.entry = None;
        }
        while let Some((parent, level)) = path.pop() {
            let unused = &self.nodes[node as usize];
            if unused.entry.is_some() || unused.children > 0 {
                return;
            }
            self.remove_child(parent, level);
            self.free.push(node);
            node = parent;
        }
    }

    /// Calls `visit` with every entry whose filter matches `topic`, byte for byte. [MQTT-3.3.2-3]
    /// [MQTT-4.7.3-4] [MQTT3-3.3.2-3] [MQTT3-3.8.3-2] [MQTT3-4.7.3-4]
    pub(crate) fn for_each_match(&mut self, topic: &str, mut visit: impl FnMut(&mut Entry)) {
        let mut levels = core::mem::take(&mut self.levels);
        let mut stack = core::mem::take(&mut self.stack);
        split(topic, &mut levels);
        stack.push((ROOT, 0));
        while let Some((node, depth)) = stack.pop() {
            // Wildcards at the front do not match topics that begin with `$`. [MQTT-4.7.2-1] [MQTT3-4.7.2-1]
            let wildcards = depth > 0 || !topic.starts_with('$') || planted!(DollarMatchedByHash);
            let (plus, hash, children) = {
                let node = &self.nodes[node as usize];
                (node.plus, node.hash, node.children)
            };
            if hash != NONE && wildcards {
                self.visit(hash, &mut visit);
            }
            let Some((start, end)) = levels.get(depth as usize) else {
                self.visit(node, &mut visit);
                continue;
            };
            if children == 0 {
                continue;
            }
            let level = &topic[*start as usize..*end as usize];
            if let Some(child) = self.edges.get(&EdgeRef { parent: node, level }) {
                stack.push((*child, depth + 1));
            }
            if plus != NONE && wildcards {
                stack.push((plus, depth + 1));
            }
        }
        self.levels = levels;
        self.stack = stack;
    }

    /// Calls `visit` with every filter and its entry, in no particular order.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(&str, &Entry)) {
        let mut names = alloc::vec![None; self.nodes.len()];
        for (edge, child) in &self.edges {
            names[*child as usize] = Some((edge.parent, &*edge.level));
        }
        for (parent, node) in self.nodes.iter().enumerate() {
            for (child, level) in [(node.plus, "+"), (node.hash, "#")] {
                if child != NONE {
                    names[child as usize] = Some((parent as u32, level));
                }
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(entry) = &node.entry else { continue };
            let mut levels = Vec::new();
            let mut at = index as u32;
            while let Some((parent, level)) = names[at as usize] {
                levels.push(level);
                at = parent;
            }
            levels.reverse();
            visit(&levels.join("/"), entry);
        }
    }

    fn visit(&mut self, node: u32, visit: &mut impl FnMut(&mut Entry)) {
        if let Some(entry) = self.nodes[node as usize].entry.as_deref_mut() {
            visit(entry);
        }
    }

    fn child(&self, parent: u32, level: &str) -> Option<u32> {
        let node = &self.nodes[parent as usize];
        let special = match level {
            "+" => node.plus,
            "#" => node.hash,
            _ => return self.edges.get(&EdgeRef { parent, level }).copied(),
        };
        (special != NONE).then_some(special)
    }

    fn add_child(&mut self, parent: u32, level: &str) -> u32 {
        let child = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = Node::new();
                index
            }
            None => {
                self.nodes.push(Node::new());
                self.nodes.len() as u32 - 1
            }
        };
        let node = &mut self.nodes[parent as usize];
        node.children += 1;
        match level {
            "+" => node.plus = child,
            "#" => node.hash = child,
            _ => {
                self.edges.insert(Edge { parent, level: level.into() }, child);
            }
        }
        child
    }

    fn remove_child(&mut self, parent: u32, level: &str) {
        let node = &mut self.nodes[parent as usize];
        node.children -= 1;
        match level {
            "+" => node.plus = NONE,
            "#" => node.hash = NONE,
            _ => {
                self.edges.remove(&EdgeRef { parent, level });
                if self.edges.is_empty() {
                    self.edges.shrink_to_fit();
                }
            }
        }
    }
}

impl Node {
    fn new() -> Self {
        Node { children: 0, plus: NONE, hash: NONE, entry: None }
    }
}

/// The levels of a topic as byte ranges.
fn split(topic: &str, levels: &mut Vec<(u32, u32)>) {
    levels.clear();
    let mut start = 0;
    for (at, byte) in topic.bytes().enumerate() {
        if byte == b'/' {
            levels.push((start, at as u32));
            start = at as u32 + 1;
        }
    }
    levels.push((start, topic.len() as u32));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;
    use proptest::prelude::*;

    fn subscription(id: u32) -> Subscription {
        Subscription { id, qos: Qos::AtMostOnce, no_local: false, retain_as_published: false }
    }

    fn matched(trie: &mut Trie, topic: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        trie.for_each_match(topic, |entry| ids.extend(entry.subscribers.iter().map(|s| s.subscription.id)));
        ids.sort_unstable();
        ids
    }

    #[test]
    fn wildcards_dollar_and_parents() {
        let mut trie = Trie::new(1);
        for (id, filter) in ["#", "a/#", "a/+", "+/b", "a/b", "$SYS/#", "+", "/+"].iter().enumerate() {
            trie.entry(filter).subscribe(1, subscription(id as u32));
        }
        assert_eq!(matched(&mut trie, "a/b"), [0, 1, 2, 3, 4]);
        assert_eq!(matched(&mut trie, "a"), [0, 1, 6]);
        assert_eq!(matched(&mut trie, "$SYS/x"), [5]);
        assert_eq!(matched(&mut trie, "$x"), Vec::<u32>::new());
        assert_eq!(matched(&mut trie, "/b"), [0, 3, 7]);
    }

    #[test]
    fn empty_branches_go() {
        let mut trie = Trie::new(1);
        for filter in ["a/b/c", "a/b", "a/+/c", "#"] {
            trie.entry(filter).subscribe(1, subscription(1));
        }
        for filter in ["a/b/c", "#", "a/+/c", "a/b"] {
            assert!(trie.find(filter).is_some_and(|entry| entry.unsubscribe(1)));
            trie.prune(filter);
        }
        assert_eq!((trie.node_count(), trie.edges.len()), (1, 0));
    }

    #[test]
    fn an_interest_that_is_kept_is_new_once() {
        let mut entry = Entry::default();
        assert!(!entry.keep(false));
        assert!(entry.keep(true));
        assert!(!entry.keep(true) && !entry.keep(false));
        assert!(entry.kept);
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "", "+", "$s"])
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_matcher(
            filters in prop::collection::vec(prop::collection::vec(level(), 1..4), 0..12),
            hashes in any::<u16>(),
            topics in prop::collection::vec(prop::collection::vec(level(), 1..5), 0..6),
        ) {
            let mut trie = Trie::new(7);
            let filters: Vec<String> = filters.iter().enumerate().map(|(i, levels)| {
                let mut filter = levels.join("/");
                if hashes >> i & 1 == 1 { filter.push_str("/#"); }
                filter
            }).collect();
            for (id, filter) in filters.iter().enumerate() {
                trie.entry(filter).subscribe(id as u32, subscription(id as u32));
            }
            for topic in topics {
                let topic = topic.join("/").replace('+', "c");
                let naive: Vec<u32> = filters.iter().enumerate()
                    .filter(|(_, filter)| pondhawk_codec::topic::matches(filter, &topic))
                    .map(|(id, _)| id as u32).collect();
                prop_assert_eq!(matched(&mut trie, &topic), naive);
            }
            for (id, filter) in filters.iter().enumerate() {
                trie.find(filter).expect("there").unsubscribe(id as u32);
                trie.prune(filter);
            }
            prop_assert_eq!(trie.node_count(), 1);
        }
    }

    #[test]
    fn nodes_are_counted_and_subscribers_known() {
        let mut trie = Trie::new(1);
        let entry = trie.entry("a/b");
        entry.subscribe(7, subscription(1));
        assert!(entry.has_subscriber(7) && !entry.has_subscriber(8));
        assert_eq!(trie.node_count(), 3, "the root and two levels");
    }
}
