//! What shards tell each other. Mail between two shards arrives in the order in which it was sent.

use crate::id::{SessionId, SessionRef, ShardId};
use crate::record::Release;
use crate::trie::Subscription;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use pondhawk_session::server::Message;

/// The shard to which [`Mail::Confirmed`] goes, and the token for it.
pub type Confirm = (ShardId, u32);

/// A letter from one shard to another. As letters keep their order, so do the messages of a publisher, on every topic.
/// [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT3-4.6.0-5] [MQTT3-4.6.0-6]
#[derive(Debug)]
pub enum Mail {
    /// A message was published.
    Publish {
        /// The message.
        message: Arc<Message>,
        /// The receiver announced an interest in the topic: match and deliver.
        deliver: bool,
        /// The receiver is the home of the topic's retained message: store or delete it.
        retain: bool,
        /// Whom to tell once everything that this leads to is durable.
        confirm: Option<Confirm>,
        /// The message is under way by a record, which must learn that it has arrived.
        release: Option<Release>,
    },
    /// The sender now has, or no longer has, subscribers of a filter.
    Interest {
        /// The filter, without `$share`.
        filter: Arc<str>,
        /// Who is interested.
        shard: ShardId,
        /// Now has, or no longer.
        add: bool,
        /// Sessions that are kept may be among those who are.
        kept: bool,
        /// The sender's token to return in [`Mail::Done`].
        token: Option<u32>,
    },
    /// What the token stood for is done.
    Done {
        /// The token of the receiver.
        token: u32,
    },
    /// Everything that a letter with this `confirm` token led to is durable.
    Confirmed {
        /// The token of the receiver.
        token: u32,
    },
    /// A session joins a shared group whose home is the receiver.
    Join {
        /// The whole filter, `$share/NAME/FILTER`.
        filter: Arc<str>,
        /// The member.
        member: SessionRef,
        /// What it subscribed to.
        subscription: Subscription,
        /// The sender's token to return in [`Mail::Done`].
        token: u32,
    },
    /// A session leaves a shared group.
    Leave {
        /// The whole filter.
        filter: Arc<str>,
        /// The member.
        member: SessionRef,
    },
    /// A member of a shared group connected or went away.
    Presence {
        /// The whole filter.
        filter: Arc<str>,
        /// The member.
        member: SessionRef,
        /// Whether it is connected now.
        online: bool,
    },
    /// The group's home picked a session of the receiver.
    Deliver {
        /// The member.
        to: SessionId,
        /// The message.
        message: Arc<Message>,
        /// What the member subscribed to.
        subscription: Subscription,
        /// Whom to tell once it is durable.
        confirm: Option<Confirm>,
        /// The message is under way by a record, to this group.
        release: Option<(Release, Arc<str>)>,
    },
    /// Asks for retained messages that match a filter.
    RetainedQuery {
        /// The filter.
        filter: Arc<str>,
        /// Continue behind this topic.
        after: Option<Box<str>>,
        /// The asking shard and its replay's number.
        reply: (ShardId, u32),
    },
    /// Answers it with one page.
    RetainedPage {
        /// The asking shard's replay.
        replay: u32,
        /// The messages.
        messages: Vec<Arc<Message>>,
        /// Where to go on, or `None` at the end.
        next: Option<Box<str>>,
    },
}

/// How many bytes a letter holds, for the bound of mailboxes.
#[must_use]
pub fn weight(mail: &Mail) -> usize {
    let fixed = core::mem::size_of::<Mail>();
    fixed
        + match mail {
            Mail::Publish { message, .. } | Mail::Deliver { message, .. } => message.size(),
            Mail::RetainedPage { messages, .. } => messages.iter().map(|message| message.size()).sum(),
            _ => 0,
        }
}
