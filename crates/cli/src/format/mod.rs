//! `-F`: a format is read once, and rendered for each message. Before it: the command line. After it: stdout.

mod hex;
mod json;
mod parse;
mod render;
mod time;

pub(crate) use json::properties as properties_json;
pub(crate) use render::{Received, render};

/// A format, ready to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Bytes that are printed as they are.
    Text(Vec<u8>),
    /// Something about the message.
    Field(Field, Layout),
    /// One conversion of `strftime`, with its sign in front.
    Time(String),
    /// The nanoseconds of the time.
    Nanoseconds,
}

/// Something about a message, by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    TopicAlias,
    ContentType,
    CorrelationData,
    Double,
    MessageExpiry,
    PayloadFormat,
    Float,
    IsoTime,
    JsonText,
    JsonPayload,
    Length,
    MessageId,
    UserProperties,
    Payload,
    Qos,
    ResponseTopic,
    Retain,
    SubscriptionId,
    Topic,
    UnixTime,
    HexLower,
    HexUpper,
}

/// How a field is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    left: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// Stands between groups of bytes in hexadecimal.
    separator: Option<u8>,
}
