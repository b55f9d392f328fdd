//! The classes of log lines, as `log_type` names them, and what each destination calls them.
//!
//! Before: an event's target or level. After: the mask decides, and the sinks ask for topic and priority.

use pondhawk_config::LogTypes;
use tracing::{Level, Metadata};

/// A class of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Class {
    /// Something failed.
    Error = 1,
    /// Something is not as it should be.
    Warning = 1 << 1,
    /// Clients come and go.
    Notice = 1 << 2,
    /// What the broker does.
    Information = 1 << 3,
    /// Packets in and out.
    Debug = 1 << 4,
    /// Subscriptions.
    Subscribe = 1 << 5,
    /// Subscriptions let go.
    Unsubscribe = 1 << 6,
    /// The WebSocket stage.
    Websockets = 1 << 7,
    /// For those who work on the broker.
    Internal = 1 << 8,
}

impl Class {
    /// Every class with its name in `log_type`.
    const NAMED: [(Class, LogTypes); 9] = [
        (Class::Error, LogTypes::ERROR),
        (Class::Warning, LogTypes::WARNING),
        (Class::Notice, LogTypes::NOTICE),
        (Class::Information, LogTypes::INFORMATION),
        (Class::Debug, LogTypes::DEBUG),
        (Class::Subscribe, LogTypes::SUBSCRIBE),
        (Class::Unsubscribe, LogTypes::UNSUBSCRIBE),
        (Class::Websockets, LogTypes::WEBSOCKETS),
        (Class::Internal, LogTypes::INTERNAL),
    ];

    /// The bit of the class in a mask.
    pub(super) const fn bit(self) -> u16 {
        self as u16
    }

    /// The mask of what `log_type` lets through.
    pub(super) fn mask(types: LogTypes) -> u16 {
        let on = Class::NAMED.iter().filter(|(_, set)| types.contains(*set));
        on.fold(0, |mask, (class, _)| mask | class.bit())
    }

    /// The class of a tracing event: by its target if that is one of ours, otherwise by its level.
    pub(super) fn of(metadata: &Metadata<'_>) -> Class {
        match metadata.target() {
            "mqtt::notice" => Class::Notice,
            "mqtt::subscribe" => Class::Subscribe,
            "mqtt::unsubscribe" => Class::Unsubscribe,
            "mqtt::websockets" => Class::Websockets,
            "mqtt::internal" => Class::Internal,
            _ => match *metadata.level() {
                Level::ERROR => Class::Error,
                Level::WARN => Class::Warning,
                Level::INFO => Class::Information,
                Level::DEBUG => Class::Debug,
                Level::TRACE => Class::Internal,
            },
        }
    }

    /// Emits `text` as a tracing event of this class.
    pub(super) fn emit(self, text: &str) {
        match self {
            Class::Error => tracing::error!("{text}"),
            Class::Warning => tracing::warn!("{text}"),
            Class::Notice => tracing::info!(target: "mqtt::notice", "{text}"),
            Class::Information => tracing::info!("{text}"),
            Class::Debug => tracing::debug!("{text}"),
            Class::Subscribe => tracing::debug!(target: "mqtt::subscribe", "{text}"),
            Class::Unsubscribe => tracing::debug!(target: "mqtt::unsubscribe", "{text}"),
            Class::Websockets => tracing::debug!(target: "mqtt::websockets", "{text}"),
            Class::Internal => tracing::trace!(target: "mqtt::internal", "{text}"),
        }
    }

    /// Where `log_dest topic` publishes it. Packets are not published: each would be the cause of the next.
    pub(super) fn topic(self) -> Option<&'static str> {
        match self {
            Class::Error => Some("$SYS/broker/log/E"),
            Class::Warning => Some("$SYS/broker/log/W"),
            Class::Notice => Some("$SYS/broker/log/N"),
            Class::Information => Some("$SYS/broker/log/I"),
            Class::Subscribe => Some("$SYS/broker/log/M/subscribe"),
            Class::Unsubscribe => Some("$SYS/broker/log/M/unsubscribe"),
            Class::Websockets => Some("$SYS/broker/log/WS"),
            Class::Debug | Class::Internal => None,
        }
    }

    /// The severity that syslog gives it (RFC 5424, section 6.2.1).
    pub(super) fn severity(self) -> u8 {
        match self {
            Class::Error => 3,
            Class::Warning => 4,
            Class::Notice | Class::Subscribe | Class::Unsubscribe => 5,
            Class::Information => 6,
            Class::Debug | Class::Websockets | Class::Internal => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_types_become_bits() {
        assert_eq!(Class::mask(LogTypes::NONE), 0);
        assert_eq!(Class::mask(LogTypes::ALL), 0x1ff);
        let two = Class::mask(LogTypes::DEBUG | LogTypes::ERROR);
        assert_eq!(two, Class::Debug.bit() | Class::Error.bit());
    }
}
