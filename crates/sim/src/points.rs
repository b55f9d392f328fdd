//! "Sometimes" points: rare branches that a good run of seeds must have reached. A point that no seed reaches shows
//! that the workload does not do what it was written for.

/// All of them, in one place: a name that is not here does not compile.
pub const POINTS: &[&str] = &[
    "take-over",
    "take-over with QoS 2 half done",
    "take-over with a will",
    "clean start ends a kept session",
    "session resumed with messages in flight",
    "half-open connection left for a new one",
    "session expired",
    "session expired with a delayed will",
    "delayed will called off by a new connection",
    "delayed will published",
    "will published",
    "will dropped by DISCONNECT",
    "will refused for want of a right",
    "DISCONNECT with will",
    "keep alive ended a connection",
    "cut in the middle of a packet",
    "cut with acknowledgements under way",
    "cut while a question was pending",
    "connection refused",
    "question answered after its client had gone",
    "blocked socket held output back",
    "reading stopped at a client that takes nothing",
    "one byte at a time",
    "PUBLISH sent again",
    "PUBREL sent again",
    "QoS 2 message received again",
    "delivery sent again with DUP",
    "PUBREL from the broker sent again",
    "receive maximum reached by the broker",
    "receive maximum reached by a client",
    "topic alias from the broker",
    "topic alias to the broker",
    "message expired",
    "right revoked with messages queued",
    "right to publish revoked between PUBLISH and PUBREL",
    "publish refused",
    "subscribe refused",
    "mail delayed past a reload",
    "mail delayed past a session's end",
    "SUBACK waited for another shard",
    "unsubscribed with messages under way",
    "overlapping subscriptions",
    "no local kept a message back",
    "subscription identifier delivered",
    "shared subscription delivered to a member that is away",
    "shared subscription delivered",
    "retained message delivered to a new subscription",
    "retained message deleted",
    "retained page while topic deleted",
    "retained message replaced while replayed",
    "retained messages more than one page",
    "bridge passed a message on",
    "protocol error punished",
    "store stalled with acknowledgements held",
    "crash",
    "crash with letters under way",
    "crash with the disk full",
    "crash after a sync that failed",
    "crash with a will",
    "crash with QoS 2 half done",
    "crash between release and arrival",
    "crash took a message back",
    "crash ended a session",
    "crash brought a session back that had ended",
    "session expired while the broker was down",
    "restart with another number of shards",
    "sector torn by a crash",
    "sectors reordered by a crash",
    "disk that was full has room again",
    "queued messages read back from disk",
    "reading queued messages failed",
    "restart with queued messages on disk",
    "$SYS message delivered",
    "message under a mount point delivered",
];

/// The place of a name in [`POINTS`].
///
/// # Panics
/// If it is not there, which is found at compile time.
#[must_use]
pub const fn index(name: &str) -> usize {
    let mut at = 0;
    while at < POINTS.len() {
        if same(POINTS[at].as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("this point is not in the list of points");
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// How often each point was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached(Vec<u64>);

impl Default for Reached {
    fn default() -> Self {
        Reached(vec![0; POINTS.len()])
    }
}

impl Reached {
    /// Counts a point by its place; use [`sometimes!`](crate::sometimes).
    pub fn hit(&mut self, index: usize) {
        self.0[index] += 1;
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Reached) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// Names and counts.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        POINTS.iter().copied().zip(self.0.iter().copied())
    }
}

/// Counts that a rare branch was reached: `sometimes!(reached, "name")`.
#[macro_export]
macro_rules! sometimes {
    ($reached:expr, $name:literal) => {{
        const INDEX: usize = $crate::points::index($name);
        $reached.hit(INDEX);
    }};
}
