//! The server end of a connection: what one client's session remembers and how its packets are answered.
//!
//! | file | what it holds | lives as long as |
//! |---|---|---|
//! | [`link`](Link) | negotiated limits and topic aliases | the connection |
//! | [`inbox`](Inbox) | QoS 2 messages between PUBLISH and PUBREL | the session |
//! | [`outbox`](Outbox) | messages in flight to the client and waiting behind them | the session |
//! | [`queue`](Run) | what waits of them, in memory and on disk | the session |
//! | [`message`](Message) | an application message, shared by all who will receive it | its last recipient |
//! | [`layout`](Layouts) | a message's frames, encoded once per layout | one message's fan-out |

mod inbox;
mod layout;
mod link;
mod message;
mod outbox;
mod queue;
mod violation;

pub use inbox::{Inbox, Received};
pub use layout::{Layouts, Outgoing};
pub use link::{AliasOut, Link};
pub use message::{Message, MessageRef, NEVER, Origin, Source};
pub use outbox::{
    Delivery, Next, Offered, Outbox, OutboxLimits, PubrecOutcome, Seq, SubscriptionIds, WrongAck,
};
pub use queue::{Page, Run};
pub use violation::Violation;

/// Milliseconds on the driver's monotonic clock.
pub type Millis = u64;
