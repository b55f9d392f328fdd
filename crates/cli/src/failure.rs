//! How a tool fails: Mosquitto's exit codes and the texts that scripts look for.

use pondhawk_codec::ReasonCode;
use std::io;

/// A protocol error of the broker's.
pub(crate) const PROTOCOL: i32 = 2;
/// A command that needs a connection.
pub(crate) const NO_CONNECTION: i32 = 4;
/// CONNACK said no.
const REFUSED: i32 = 5;
/// The connection was lost.
pub(crate) const LOST: i32 = 7;
/// The operating system refused something.
pub(crate) const ERRNO: i32 = 14;
/// The proxy refused.
pub(crate) const PROXY: i32 = 16;
/// The broker does not take the QoS.
pub(crate) const QOS: i32 = 24;
/// `-W` ran out.
pub(crate) const TIMEOUT: i32 = 27;
/// Anything that is wrong with the command line, and a broker that cannot be reached.
pub(crate) const USAGE: i32 = 1;
/// Stopped before the broker had answered.
pub(crate) const NEVER_CONNECTED: i32 = 255;

/// Why a tool ends early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: i32,
    /// What stderr gets: whole lines without the last line's end; empty if all is said.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: i32, text: impl Into<String>) -> Self {
        let text = text.into();
        Failure { code, text }
    }

    /// `Error: TEXT` for one of Mosquitto's codes.
    pub(crate) fn of(code: i32) -> Self {
        Failure::new(code, format!("Error: {}", text(code)))
    }

    /// A system call that failed, as `Error: Connection refused`.
    pub(crate) fn system(code: i32, error: &io::Error) -> Self {
        Failure::new(code, format!("Error: {}", system_text(error)))
    }
}

/// The operating system's words for an error, without the number that Rust appends.
pub(crate) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// What one of Mosquitto's codes means.
pub(crate) fn text(code: i32) -> &'static str {
    match code {
        PROTOCOL => "A network protocol error occurred when communicating with the broker.",
        NO_CONNECTION => "The client is not currently connected.",
        REFUSED => "The connection was refused.",
        LOST => "The connection was lost.",
        PROXY => "Proxy error.",
        QOS => "Requested QoS not supported on server.",
        _ => "Unknown error.",
    }
}

/// What the return code of a CONNACK before MQTT 5.0 means.
pub(crate) fn connack_text(code: u8) -> &'static str {
    match code {
        1 => "Connection Refused: unacceptable protocol version.",
        2 => "Connection Refused: identifier rejected.",
        3 => "Connection Refused: broker unavailable.",
        4 => "Connection Refused: bad user name or password.",
        5 => "Connection Refused: not authorised.",
        _ => "Connection Refused: unknown reason.",
    }
}

/// The line behind `Connection error` that `mosquitto_pub` prints.
pub(crate) fn refused_text(code: ReasonCode) -> &'static str {
    match code.0 {
        1..=5 => text(REFUSED),
        _ => text(PROTOCOL),
    }
}

/// What a reason code of MQTT 5.0 means.
pub(crate) fn reason_text(code: ReasonCode) -> &'static str {
    code.text().unwrap_or("Unknown reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_lose_their_number() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(Failure::system(1, &refused).text, "Error: Connection refused");
        assert_eq!(system_text(&io::Error::other("plain")), "plain");
    }
}
