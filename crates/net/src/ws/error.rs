//! Why a WebSocket connection ended: the peer's end of it, a bad upgrade, or a broken framing rule.

/// How a [`ServerWs`](super::ServerWs) or [`ClientWs`](super::ClientWs) came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsError {
    /// The peer closed in an orderly way, with this code.
    #[error("the peer closed the WebSocket{}", .0.map(|code| format!(" with code {code}")).unwrap_or_default())]
    Closed(Option<u16>),
    /// The machine had already ended; nothing was read.
    #[error("the WebSocket has already ended")]
    Done,

    /// The first bytes are not those of an HTTP request or response.
    #[error("the peer does not speak HTTP here")]
    NotHttp,
    /// The head has bytes or a form that HTTP does not allow.
    #[error("bad HTTP head: {0}")]
    BadHead(&'static str),
    /// The head is longer than allowed, or has too many lines.
    #[error("the HTTP head is too large")]
    HeadTooLarge,
    /// A plain HTTP request.
    #[error("not a WebSocket upgrade")]
    NotAnUpgrade,
    /// Another version of the protocol than 13.
    #[error("unsupported WebSocket version")]
    Version,
    /// Neither `mqtt` nor `mqttv3.1` among the offered sub-protocols.
    #[error("sub-protocol mqtt not offered")]
    Subprotocol,
    /// `Origin` is missing or not in the list of allowed ones.
    #[error("origin not allowed")]
    Origin,
    /// The server answered the upgrade with this HTTP status.
    #[error("the server refused the WebSocket upgrade with HTTP status {0}")]
    Refused(u16),

    /// A frame from a client that is not masked.
    #[error("unmasked frame from a client")]
    Unmasked,
    /// A frame from a server that is masked.
    #[error("masked frame from a server")]
    Masked,
    /// A reserved bit is set, though no extension was agreed on.
    #[error("reserved bit set")]
    ReservedBit,
    /// An opcode without a meaning.
    #[error("reserved opcode {0}")]
    Opcode(u8),
    /// A text frame [MQTT-6.0.0-1] [MQTT3-6.0.0-1].
    #[error("text frame")]
    Text,
    /// A continuation where no message is open.
    #[error("continuation of no message")]
    Continuation,
    /// A new message where another one is open.
    #[error("message within a message")]
    Interleaved,
    /// A Ping, Pong or Close in fragments.
    #[error("fragmented control frame")]
    FragmentedControl,
    /// A Ping, Pong or Close of more than 125 bytes.
    #[error("control frame of more than 125 bytes")]
    ControlTooLong,
    /// A length with its top bit set, or not in the fewest bytes.
    #[error("bad frame length")]
    Length,
    /// A Close with half a code, or one that must not be sent.
    #[error("bad close code")]
    CloseCode,
    /// A Close whose reason is not UTF-8.
    #[error("close reason is not UTF-8")]
    CloseReason,
}

impl WsError {
    /// Whether the peer ended the connection as it should, rather than by breaking a rule.
    #[must_use]
    pub fn is_orderly(self) -> bool {
        matches!(self, Self::Closed(None | Some(1000 | 1001)))
    }

    /// The code of the Close frame that tells the peer; `None` if it gets none.
    pub(super) fn close_code(self) -> Option<u16> {
        match self {
            Self::Text => Some(1003),
            Self::CloseReason => Some(1007),
            Self::Unmasked
            | Self::Masked
            | Self::ReservedBit
            | Self::Opcode(_)
            | Self::Continuation
            | Self::Interleaved
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::Length
            | Self::CloseCode => Some(1002),
            Self::Closed(_)
            | Self::Done
            | Self::NotHttp
            | Self::BadHead(_)
            | Self::HeadTooLarge
            | Self::NotAnUpgrade
            | Self::Version
            | Self::Subprotocol
            | Self::Origin
            | Self::Refused(_) => None,
        }
    }
}
