//! What the store remembers of its records, so that it can turn the next ones into changes without reading.

use crate::format::{BodyNo, SessionNo};
use pondhawk_broker::{Place, Release};
use pondhawk_session::server::Seq;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// It grows with sessions and with what is in flight, not with what is queued: of queued messages only those are
/// here that several sessions share.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) sessions: HashMap<Arc<str>, SessionIndex>,
    /// How many records refer to each shared message.
    pub(crate) bodies: HashMap<BodyNo, u32>,
    pub(crate) under_way: BTreeMap<Release, ReleaseIndex>,
    /// Gone sessions of which something is left.
    pub(crate) gone: VecDeque<SessionNo>,
    pub(crate) next_session: u64,
    pub(crate) next_body: u64,
}

#[derive(Debug)]
pub(crate) struct SessionIndex {
    pub(crate) number: SessionNo,
    /// Queued messages that are kept once for several records.
    pub(crate) shared: BTreeMap<Seq, BodyNo>,
    /// Messages for which only PUBREL is owed.
    pub(crate) recorded: BTreeSet<Seq>,
}

#[derive(Debug, Default)]
pub(crate) struct ReleaseIndex {
    pub(crate) body: Option<BodyNo>,
    pub(crate) owed: BTreeSet<Place>,
}

impl SessionIndex {
    pub(crate) fn new(number: SessionNo) -> Self {
        SessionIndex { number, shared: BTreeMap::new(), recorded: BTreeSet::new() }
    }
}

impl Index {
    /// A number that no session has had.
    pub(crate) fn new_session(&mut self) -> SessionNo {
        self.next_session += 1;
        SessionNo(self.next_session - 1)
    }

    /// A number that no shared message has had.
    pub(crate) fn new_body(&mut self) -> BodyNo {
        self.next_body += 1;
        BodyNo(self.next_body - 1)
    }

    /// One record less refers to the message: true if none is left.
    pub(crate) fn let_go(&mut self, body: BodyNo) -> bool {
        let Some(count) = self.bodies.get_mut(&body) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.bodies.remove(&body);
            return true;
        }
        false
    }
}
