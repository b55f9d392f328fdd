//! What a shard has the store keep.
//!
//! The records of one turn are one unit: the store keeps all of them or none. A crash takes away the newest turns of
//! the broker, never one from the middle. [`Restored::apply`](crate::Restored::apply) says what each record means.

use crate::home::Homes;
use crate::id::ShardId;
use crate::will::Will;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_session::server::{Delivery, Message, Millis, Seq, Source};

/// A record for the store. Times are on the shards' clock, which the store translates.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Persist {
    /// From here on names are at home where this says. The first record of a start.
    Homes { homes: Homes },
    /// A session is kept; it replaces what was known of it but for what it holds.
    Session { client_id: Arc<str>, kept: Kept },
    /// A session is gone with its subscriptions and messages. Its will has a record of its own.
    SessionGone { client_id: Arc<str> },
    /// A subscription, by its options byte (with the QoS that was granted) and identifier. It replaces the one of the
    /// same filter.
    Subscribed { client_id: Arc<str>, filter: Arc<str>, options: u8, id: u32 },
    /// A subscription is gone.
    Unsubscribed { client_id: Arc<str>, filter: Arc<str> },
    /// A message of QoS 1 or 2 for the session. Numbers of one session ascend.
    Queued { client_id: Arc<str>, seq: Seq, message: Arc<Message>, delivery: Delivery },
    /// The client has the QoS 2 message, or must not get it any more: only PUBREL is owed, the message is not needed.
    Recorded { client_id: Arc<str>, seq: Seq },
    /// It is done: acknowledged, or dropped for whatever reason.
    Dequeued { client_id: Arc<str>, seq: Seq },
    /// A QoS 2 message was received but not released.
    Received { client_id: Arc<str>, packet_id: u16, message: Arc<Message> },
    /// It was released: the session no longer holds it.
    Released { client_id: Arc<str>, packet_id: u16 },
    /// A message must still reach these places. What it has reached is in the records of the same turn.
    UnderWay { release: Release, message: Arc<Message>, owed: Vec<Place> },
    /// It has reached one of them, and owes itself to others for that.
    Reached { release: Release, place: Place, owed: Vec<Place> },
    /// It has reached all.
    Routed { release: Release },
    /// A retained message, in place of its topic's last one.
    Retained { message: Arc<Message> },
    /// A topic has no retained message any more.
    RetainedGone { topic: Box<str> },
    /// The will of a client, in place of its last one. `due` is `None` while the client is connected.
    Will { source: Arc<Source>, will: Arc<Will>, due: Option<Millis> },
    /// The client has no will any more: it was published (then the same turn says where to), or is not to be.
    WillGone { client_id: Arc<str> },
}

/// What is kept of a session beside what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The user name.
    pub username: Option<Arc<str>>,
    /// The listener that it came in by last.
    pub listener: u16,
    /// Seconds that it outlives its connection; `u32::MAX`: for ever.
    pub expiry_s: u32,
    /// When it ends, [`Millis::MAX`] for never; `None` while its client is connected.
    pub ends_at: Option<Millis>,
    /// The last number that was sent to the client by then.
    pub sent: Seq,
    /// The last number that may have been sent at QoS 1, if that is more: the broker died with the client connected, and
    /// those do not wait for records.
    pub doubtful: Seq,
    /// It was taken over from another broker and no client has come for it since. Whose it is may not be known, so the
    /// user name counts for its rights only: the first client of its identifier has it.
    pub unclaimed: bool,
}

/// The number of a message that is under way to other shards, unique among those that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(pub u64);

/// Where a message under way must arrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A shard: its sessions that subscribed to the topic for themselves, and the shared groups at home there.
    Shard(ShardId),
    /// The retained message of its topic.
    Retained,
    /// One member of a shared group whose home has taken note, by the whole filter `$share/NAME/FILTER`.
    Group(Arc<str>),
}
